"""Gradients of a task as flat vectors: a function of (parameters, batch seed) alone, bit for bit.

On one build of torch, with the run's number of threads and one instruction set, the same bits come
out in any process (numerics, *Gradients*). So before every gradient all generators are seeded from
the batch seed, and every buffer of the model (running statistics, say) is what it was when the
model was built: nothing is carried from one gradient to the next. For evaluation the statistics of
batch normalisation are estimated anew from training samples, which are a function of the run too.

The parameters are one flat float32 vector, in the order of `model.parameters()`; the model's own
tensors are views of it. Used by one thread at a time.
"""

from __future__ import annotations

from contextlib import contextmanager
from inspect import getsourcefile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from zpeer.errors import PluginError, StartError, ZpeerError
from zpeer.factories import describe_error
from zpeer.ids import Digest, digest, number
from zpeer.numerics.clipping import clip_to_norm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zpeer.interfaces import Batch, Float32, Task
    from zpeer.runs.config import RunFile
    from zpeer.runs.settings import ReferenceSection

MODEL_SEED = 0
"""Buffers that a task draws at random are part of its model: the same at every peer."""
REFERENCE_BATCHES = 2
REFERENCE_REPEATS = 5
STATISTICS_BATCHES = 16
"""Training batches from which running statistics are estimated."""


class Environment(NamedTuple):
    """What the bits of a gradient depend on besides parameters and seed."""

    torch: str
    threads: int
    instruction_set: str


class Trainer:
    """A task, its model and its data, as functions of flat vectors."""

    def __init__(
        self,
        task: Task,
        batch_size: int,
        *,
        dimension: int | None = None,
        gradient_clip: float = 0.0,
        threads: int = 1,
    ) -> None:
        """Build the model. Raises StartError if it has not `dimension` parameters."""
        self._task = task
        self._batch_size = batch_size
        self._clip = gradient_clip
        self._threads = threads
        use_threads(threads)
        torch.manual_seed(MODEL_SEED)
        self._model = build_model(task)
        self._parameters = list(self._model.parameters())
        self._flat = torch.empty(sum(p.numel() for p in self._parameters))
        self._lay_out(self._flat, "data")
        self._buffers = [(b, b.detach().clone()) for b in self._model.buffers()]
        self.dimension = len(self._flat)
        if dimension is not None and dimension != self.dimension:
            raise StartError(
                f"the task's model has {self.dimension} parameters, the run {dimension}; expected "
                "the task that the run was made with"
            )

    def gradient(
        self,
        parameters: Float32,
        batch_seed: Digest,
        transform: Callable[[Batch], Batch] | None = None,
    ) -> tuple[Float32, float]:
        """Gradient, shape (dimension,), and loss of the seed's minibatch at the parameters.

        Clipped to the run's `gradient_clip`; zeros where a number in it is not finite.
        """
        self._load(parameters)
        self._model.train()
        with blamed(self._task):
            batch = self._batch(batch_seed)
            loss = self._task.loss(self._model, transform(batch) if transform else batch)
        require_scalar(loss)
        gradient = torch.zeros(self.dimension)
        self._lay_out(gradient, "grad")
        with blamed(self._task):
            loss.backward()  # type: ignore[no-untyped-call]
        for parameter in self._parameters:
            parameter.grad = None
        return self._clipped(gradient.numpy()), loss.item()

    def evaluate(self, parameters: Float32) -> dict[str, float]:
        """The task's figures on held-out samples."""
        self._prepare_evaluation(parameters)
        with blamed(self._task), torch.no_grad():
            figures = self._task.evaluate(self._model)
        return {name: float(value) for name, value in figures.items()}

    def flip_labels(self, batch: Batch) -> Batch:
        """The batch with wrong labels, for attacks."""
        with blamed(self._task):
            return self._task.flip_labels(batch)

    def save_model(self, parameters: Float32, path: Path) -> None:
        """Write the model's state dict as safetensors, under the names that the model gives it."""
        self._prepare_evaluation(parameters)
        state = {name: value.clone() for name, value in self._model.state_dict().items()}
        try:
            save_file(state, path)
        except OSError as problem:
            raise ZpeerError(f"{path} cannot be written: {problem.strerror or problem}") from None

    def reference_digest(self, parameters: Float32) -> Digest:
        """Digest of reference gradients: equal where gradients are bit-equal."""
        gradients = [
            self.gradient(parameters, reference_seed(place))[0].tobytes()
            for place in range(REFERENCE_BATCHES)
        ]
        return digest("zpeer/reference-gradients", *gradients)

    def reference_seconds(self, parameters: Float32) -> float:
        """Median time of a gradient on this machine."""
        times = []
        for _ in range(REFERENCE_REPEATS):
            start = perf_counter()
            self.gradient(parameters, reference_seed(0))
            times.append(perf_counter() - start)
        return median(times)

    def _load(self, parameters: Float32) -> None:
        """Make the model what it was when built, at these parameters."""
        assert parameters.shape == (self.dimension,), "parameters of another model"
        use_threads(self._threads)
        self._flat.numpy()[:] = parameters
        for buffer, first in self._buffers:
            buffer.copy_(first)

    def _batch(self, seed: Digest) -> Batch:
        """The seed's minibatch; leaves the global generator seeded too, for dropout."""
        low, high = (int.from_bytes(part, "little") for part in (seed[:8], seed[8:16]))
        # Not torch.manual_seed: that also leaves word for devices that were never started, a trace
        # of the stack each, kept for as long as the process lives.
        torch.default_generator.manual_seed(high)
        return self._task.batch(torch.Generator().manual_seed(low), self._batch_size)

    def _clipped(self, gradient: Float32) -> Float32:
        # A sum is finite only if every number is; where it overflows, numbers are looked at.
        with np.errstate(over="ignore", invalid="ignore"):
            finite = np.isfinite(gradient.sum()) or np.isfinite(gradient).all()
        if not finite:
            return np.zeros_like(gradient)
        return clip_to_norm(gradient, self._clip) if self._clip else gradient

    def _prepare_evaluation(self, parameters: Float32) -> None:
        """Model in evaluation mode, running statistics estimated from training batches."""
        self._load(parameters)
        self._model.eval()
        norms = [m for m in self._model.modules() if isinstance(m, _NormBase)]
        tracking = [m for m in norms if m.running_mean is not None]
        if not tracking:
            return
        momenta = [module.momentum for module in tracking]
        for module in tracking:
            module.reset_running_stats()
            module.momentum = None  # a plain average over the batches
            module.train()
        with blamed(self._task), torch.no_grad():
            for place in range(STATISTICS_BATCHES):
                self._task.loss(self._model, self._batch(statistics_seed(place)))
        for module, momentum in zip(tracking, momenta, strict=True):
            module.momentum = momentum
            module.eval()

    def _lay_out(self, vector: torch.Tensor, attribute: str) -> None:
        """Let every parameter's data or grad be its piece of the vector."""
        start = 0
        for parameter in self._parameters:
            end = start + parameter.numel()
            piece = vector[start:end].view(parameter.shape)
            if attribute == "data":
                piece.copy_(parameter.data)
            setattr(parameter, attribute, piece)
            start = end


def make_trainer(run: RunFile, task: Task) -> Trainer:
    """The trainer of a run."""
    return Trainer(
        task,
        run.task.batch_size,
        dimension=run.parameters.dimension,
        gradient_clip=run.optimizer.gradient_clip,
        threads=run.reference.threads,
    )


def initial_parameters(task: Task, seed: int) -> Float32:
    """x_0: the model's own initialisation, shape (dimension,). Differs between builds of torch."""
    torch.manual_seed(seed)
    pieces = [p.detach().reshape(-1).numpy() for p in build_model(task).parameters()]
    return np.concatenate(pieces)


def environment() -> Environment:
    """Of this process."""
    instruction_set = torch.backends.cpu.get_cpu_capability()
    return Environment(str(torch.__version__), torch.get_num_threads(), instruction_set)


def require_reference(trainer: Trainer, parameters: Float32, expected: ReferenceSection) -> None:
    """Refuse a machine whose gradients differ from the run's: its peer would be banned for them."""
    found = trainer.reference_digest(parameters)
    if found.hex() == expected.gradient:
        return
    here = environment()
    different = [
        f"{name} is {getattr(here, name)}, the run's is {getattr(expected, name)}"
        for name in here._fields
        if getattr(here, name) != getattr(expected, name)
    ]
    cause = "; ".join(different) or "torch, threads and instruction set are those of the run"
    raise StartError(
        f"reference gradient: digest {found.hex()[:16]}, expected {expected.gradient[:16]} "
        f"({cause}). In exact mode all peers need bit-equal gradients: use the same build of torch "
        "on the same kind of CPU (the variable ATEN_CPU_CAPABILITY can lower the instruction set), "
        "and the same task and data"
    )


def use_threads(threads: int) -> None:
    """Deterministic algorithms, and the run's number of threads; of the whole process."""
    # The same as use_deterministic_algorithms(True), which imports a compiler first (1.5 s).
    torch.set_deterministic_debug_mode("error")
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def build_model(task: Task) -> nn.Module:
    """The task's model; PluginError where it is none that can be trained."""
    with blamed(task):
        model = task.build_model()
    if not isinstance(model, nn.Module):
        raise PluginError(f"{label(task)}: build_model returned {type(model).__name__}, no module")
    parameters = list(model.named_parameters())
    if not parameters:
        raise PluginError(f"{label(task)}: its model has no parameters")
    for name, parameter in parameters:
        if parameter.dtype != torch.float32 or parameter.device.type != "cpu":
            raise PluginError(
                f"{label(task)}: parameter {name} is {parameter.dtype} on {parameter.device}; "
                "expected torch.float32 on cpu"
            )
    return model


def require_scalar(loss: object) -> None:
    """A task must return what can be differentiated."""
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1 or not loss.requires_grad:
        found = f"shape {tuple(loss.shape)}" if isinstance(loss, torch.Tensor) else repr(loss)
        raise PluginError(f"the task's loss returned {found}; expected a scalar with a gradient")


@contextmanager
def blamed(task: Task) -> Iterator[None]:
    """Name the task's file and line in whatever it raises."""
    try:
        yield
    except ZpeerError:
        raise
    except Exception as problem:
        file = getsourcefile(type(task))
        where = describe_error(problem, Path(file) if file else None)
        raise PluginError(f"{label(task)}: {where}") from problem


def label(task: Task) -> str:
    """How a task is called in an error."""
    return f"task {type(task).__name__}"


def reference_seed(place: int) -> Digest:
    """Batch seed of a reference gradient."""
    return digest("zpeer/reference", number(place))


def statistics_seed(place: int) -> Digest:
    """Batch seed for running statistics."""
    return digest("zpeer/statistics", number(place))
