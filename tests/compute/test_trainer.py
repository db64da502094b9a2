"""A gradient is a function of parameters and seed alone; tasks read their data or say why not."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from zpeer.compute.trainer import Trainer, environment, initial_parameters, require_reference
from zpeer.errors import ConfigError, PluginError, StartError
from zpeer.ids import digest, number
from zpeer.numerics.fixed import norm
from zpeer.numerics.optimizers import Sgd
from zpeer.plugins import load_plugins
from zpeer.runs.settings import ReferenceSection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zpeer.interfaces import Float32

SEED = digest("test seed")


class Toy:
    """A task with every trap: dropout, batch normalisation, an unused and a shared parameter."""

    def __init__(self) -> None:
        self.fail = ""

    def build_model(self) -> nn.Module:
        model = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1)
        )
        model.register_parameter("unused", nn.Parameter(torch.ones(3)))
        return model

    def batch(self, generator: torch.Generator, size: int) -> Any:
        images = torch.randn(size, 4, generator=generator)
        return images, images.sum(dim=1, keepdim=True)

    def loss(self, model: nn.Module, batch: Any) -> Any:
        images, wanted = batch
        if self.fail == "raise":
            raise RuntimeError("no luck")
        if self.fail == "shape":
            return model(images)
        scale = float("inf") if self.fail == "infinite" else 1.0
        return ((model(images) - wanted) ** 2).mean() * scale

    def evaluate(self, model: nn.Module) -> dict[str, float]:
        images = torch.ones(2, 4)
        return {"accuracy": 0.5, "loss": model(images).sum().item()}

    def flip_labels(self, batch: Any) -> Any:
        return batch[0], -batch[1]


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def x(toy: Toy) -> Float32:
    return initial_parameters(toy, 7)


@pytest.fixture(scope="module")
def digits() -> Any:
    return load_plugins().build("task", "digits", {"channels": 4})


def seeds(count: int) -> list[Any]:
    return [digest("test", number(place)) for place in range(count)]


def test_parameters_are_one_float32_vector_and_a_function_of_the_seed(toy: Toy) -> None:
    first, again, other = (initial_parameters(toy, seed) for seed in (1, 1, 2))
    assert first.dtype == np.float32
    assert first.shape == (4 * 8 + 8 + 8 + 8 + 8 + 1 + 3,)
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_a_gradient_depends_on_parameters_and_seed_alone(toy: Toy, x: Float32) -> None:
    fresh = Trainer(toy, 6).gradient(x, SEED)
    used = Trainer(toy, 6)
    for seed in seeds(3):
        used.gradient(x + np.float32(0.1), seed)
        used.evaluate(x)
        torch.manual_seed(99)
    again = used.gradient(x, SEED)
    assert again[0].tobytes() == fresh[0].tobytes()
    assert again[1] == fresh[1]
    assert used.gradient(x, seeds(1)[0])[0].tobytes() != fresh[0].tobytes()


def test_a_gradient_is_that_of_plain_torch(digits: Any) -> None:
    x = initial_parameters(digits, 1)
    gradient, loss = Trainer(digits, 8).gradient(x, SEED)
    torch.manual_seed(1)
    model = digits.build_model()
    low = int.from_bytes(SEED[:8], "little")
    expected = digits.loss(model, digits.batch(torch.Generator().manual_seed(low), 8))
    expected.backward()
    flat = torch.cat([p.grad.reshape(-1) for p in model.parameters()]).numpy()
    assert loss == expected.item()
    assert np.array_equal(gradient, flat)


def test_gradients_are_arrays_of_their_own(toy: Toy, x: Float32) -> None:
    trainer = Trainer(toy, 6)
    first, _ = trainer.gradient(x, SEED)
    kept = first.copy()
    second, _ = trainer.gradient(x, seeds(1)[0])
    assert np.array_equal(first, kept)
    assert not np.shares_memory(first, second)
    assert first.flags["C_CONTIGUOUS"]
    assert first[:3].tolist() == [0, 0, 0]


def test_parameters_are_left_alone_and_may_be_read_only(toy: Toy, x: Float32) -> None:
    kept = x.copy()
    x.flags.writeable = False
    trainer = Trainer(toy, 6)
    trainer.gradient(x, SEED)
    trainer.evaluate(x)
    assert np.array_equal(x, kept)


def test_gradients_are_the_same_in_another_process() -> None:
    text = (
        "from zpeer.plugins import load_plugins\n"
        "from zpeer.compute.trainer import Trainer, initial_parameters\n"
        "task = load_plugins().build('task', 'digits', {'channels': 4})\n"
        "print(Trainer(task, 8).reference_digest(initial_parameters(task, 3)).hex())\n"
    )
    first, second = (
        subprocess.run(
            [sys.executable, "-c", text],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={**os.environ, "OMP_NUM_THREADS": threads},
        ).stdout
        for threads in ("1", "2")
    )
    assert first == second
    assert len(first.strip()) == 64


def test_a_gradient_that_is_not_finite_is_zeros(toy: Toy, x: Float32) -> None:
    toy.fail = "infinite"
    gradient, _ = Trainer(toy, 6).gradient(x, SEED)
    assert not gradient.any()


def test_a_finite_gradient_whose_sum_overflows_is_kept(toy: Toy) -> None:
    trainer = Trainer(toy, 6)
    huge = np.full(trainer.dimension, 3e38, np.float32)
    assert trainer._clipped(huge) is huge
    huge[5] = np.inf
    assert not trainer._clipped(huge).any()


def test_a_gradient_is_clipped_to_the_run_s_norm(toy: Toy, x: Float32) -> None:
    free, _ = Trainer(toy, 6).gradient(x, SEED)
    limit = norm(free) / 4
    clipped, _ = Trainer(toy, 6, gradient_clip=limit).gradient(x, SEED)
    assert norm(clipped) == pytest.approx(limit, rel=1e-6)
    loose, _ = Trainer(toy, 6, gradient_clip=1e9).gradient(x, SEED)
    assert loose.tobytes() == free.tobytes()


def test_a_transform_changes_the_batch_only(toy: Toy, x: Float32) -> None:
    trainer = Trainer(toy, 6)
    honest, _ = trainer.gradient(x, SEED)
    same, _ = trainer.gradient(x, SEED, lambda batch: batch)
    flipped, _ = trainer.gradient(x, SEED, trainer.flip_labels)
    assert same.tobytes() == honest.tobytes() != flipped.tobytes()


def test_running_statistics_are_estimated_anew_for_evaluation(toy: Toy, x: Float32) -> None:
    trainer = Trainer(toy, 6)
    before = trainer.evaluate(x)
    for seed in seeds(5):
        trainer.gradient(x * 3, seed)
    assert trainer.evaluate(x) == before
    without = Trainer(toy, 6)
    without._load(x)
    without._model.eval()
    assert toy.evaluate(without._model)["loss"] != before["loss"]


def test_a_saved_model_is_loaded_by_plain_torch(toy: Toy, x: Float32, tmp_path: Path) -> None:
    trainer = Trainer(toy, 6)
    trainer.save_model(x, tmp_path / "model.safetensors")
    model = toy.build_model()
    model.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert toy.evaluate(model.eval()) == trainer.evaluate(x)


def test_a_model_of_another_size_is_refused(toy: Toy) -> None:
    with pytest.raises(StartError, match="model has 68 parameters, the run 69"):
        Trainer(toy, 6, dimension=69)


def test_what_a_task_raises_is_named_with_file_and_line(toy: Toy, x: Float32) -> None:
    toy.fail = "raise"
    with pytest.raises(PluginError, match=r"task Toy: .*test_trainer\.py:\d+: RuntimeError: no l"):
        Trainer(toy, 6).gradient(x, SEED)
    toy.fail = "shape"
    with pytest.raises(PluginError, match="returned shape \\(6, 1\\); expected a scalar"):
        Trainer(toy, 6).gradient(x, SEED)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (None, "returned NoneType"),
        (nn.ReLU(), "no parameters"),
        (nn.Linear(2, 2, dtype=torch.float64), "torch.float64"),
    ],
)
def test_a_model_that_cannot_be_trained_is_refused(toy: Toy, model: Any, said: str) -> None:
    toy.build_model = lambda: model  # type: ignore[method-assign]
    with pytest.raises(PluginError, match=said):
        Trainer(toy, 6)


def test_a_machine_with_other_gradients_is_refused_and_told_what_differs(digits: Any) -> None:
    x = initial_parameters(digits, 1)
    trainer = Trainer(digits, 8)
    here = environment()
    good = ReferenceSection(
        torch=here.torch,
        threads=1,
        instruction_set=here.instruction_set,
        gradient=trainer.reference_digest(x).hex(),
        seconds=trainer.reference_seconds(x),
        peers_per_core=1.0,
    )
    require_reference(trainer, x, good)
    other = good.model_copy(update={"gradient": "ab" * 32, "torch": "1.0"})
    with pytest.raises(StartError, match=re.escape(f"torch is {here.torch}, the run's is 1.0")):
        require_reference(trainer, x, other)


def test_the_digits_are_learned(digits: Any) -> None:
    """The shipped task reaches its accuracy with few gradients."""
    assert len(digits.held_out.labels) >= 500
    task = load_plugins().build("task", "digits_linear", {})
    x, trainer = initial_parameters(task, 1), Trainer(task, 128)  # type: ignore[arg-type]
    optimizer = Sgd(momentum=0.9, nesterov=True)
    for seed in seeds(60):
        x = optimizer.step(x, trainer.gradient(x, seed)[0], 0.3)
        optimizer.adopt()
    assert trainer.dimension == 650
    assert trainer.evaluate(x)["accuracy"] > 0.93


@pytest.mark.parametrize("name", ["digits", "digits_linear", "digits_mlp"])
def test_flipped_labels_are_all_wrong(name: str) -> None:
    task: Any = load_plugins().build("task", name, {})
    batch = task.batch(torch.Generator().manual_seed(1), 64)
    flipped = task.flip_labels(batch)
    assert not (flipped.labels == batch.labels).any()
    assert torch.equal(flipped.images, batch.images)
    assert 0 <= int(flipped.labels.min()) <= int(flipped.labels.max()) < 10


def test_training_and_held_out_samples_are_apart(digits: Any) -> None:
    count = len(digits.training.labels) + len(digits.held_out.labels)
    assert count == 1797
    assert digits.training.images.dtype == torch.uint8


# --- Fashion-MNIST: files made in the original format ---------------------------------------------


def pack(array: np.ndarray) -> bytes:
    """IDX."""
    head = bytes((0, 0, 8, array.ndim))
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return head + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def fashion(tmp_path: Path) -> Path:
    """The four files, with 20 and 10 images."""
    for start, count in (("train", 20), ("t10k", 10)):
        images = np.arange(count * 28 * 28).reshape(count, 28, 28) % 251
        write_gz(tmp_path / f"{start}-images-idx3-ubyte.gz", pack(images))
        write_gz(tmp_path / f"{start}-labels-idx1-ubyte.gz", pack(np.arange(count) % 10))
    return tmp_path


def write_gz(path: Path, data: bytes) -> None:
    with gzip.open(path, "wb") as file:
        file.write(data)


def build_fashion(directory: Path, **changes: object) -> Any:
    return load_plugins().build("task", "fashion_mnist", {"directory": str(directory), **changes})


def test_fashion_mnist_is_read_from_its_original_files(fashion: Path) -> None:
    task = build_fashion(fashion, held_out=6, channels=2)
    assert task.training.images.shape == (20, 1, 28, 28)
    assert task.training.images[1, 0, 0, 0] == 784 % 251
    assert task.training.labels.tolist() == [place % 10 for place in range(20)]
    assert len(task.held_out.labels) == 6
    trainer = Trainer(task, 4)
    x = initial_parameters(task, 1)
    gradient, loss = trainer.gradient(x, SEED)
    assert gradient.any()
    assert 1 < loss < 5
    assert set(trainer.evaluate(x)) == {"accuracy", "loss"}


def test_a_missing_file_of_fashion_mnist_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="apt-get install dataset-fashion-mnist"):
        build_fashion(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:3] + b"\x02" + data[4:], "expected an IDX file"),
        (lambda data: data[:2] + b"\x0d" + data[3:], "expected an IDX file"),
        (lambda data: data[:-1], "numbers; expected"),
        (lambda data: data + b"x", "numbers; expected"),
        (lambda data: data[:7], "expected an IDX file"),
        (
            lambda data: pack(np.zeros((20, 27, 28))),
            r"expected as many labels as images of 28 x 28",
        ),
        (lambda data: pack(np.zeros((19, 28, 28))), "expected as many labels"),
    ],
)
def test_a_damaged_file_of_fashion_mnist_is_refused(
    fashion: Path, change: Callable[[bytes], bytes], said: str
) -> None:
    path = fashion / "train-images-idx3-ubyte.gz"
    with gzip.open(path) as file:
        data = file.read()
    write_gz(path, change(data))
    with pytest.raises(ConfigError, match=said):
        build_fashion(fashion)


def test_a_torn_gzip_file_and_a_label_out_of_range_are_refused(fashion: Path) -> None:
    labels = fashion / "train-labels-idx1-ubyte.gz"
    write_gz(labels, pack(np.full(20, 10)))
    with pytest.raises(ConfigError, match="label 10; expected 0 to 9"):
        build_fashion(fashion)
    labels.write_bytes(labels.read_bytes()[:-9])
    with pytest.raises(ConfigError, match="no readable gzip file"):
        build_fashion(fashion)
    labels.write_bytes(b"plain text")
    with pytest.raises(ConfigError, match="no readable gzip file"):
        build_fashion(fashion)
