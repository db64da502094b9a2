"""What a plugin is: plain objects with these methods. Factories for them are collected by `hookspecs`.

The core sees only the policies' scalar methods; tensors are seen by the numerics alone.
Arrays are float32 numpy arrays unless said otherwise; shapes: N rows, D length of a part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from zpeer.effects import Effect
    from zpeer.ids import Digest, PeerId
    from zpeer.messages import Signed, Stage

    Float32 = NDArray[np.float32]

Batch = Any
"""Whatever a task's loss takes; made and used by the task alone."""


@runtime_checkable
class Aggregator(Protocol):
    """A rule that makes one vector of the rows of a part.

    With `verification = "residual"` the aggregate v satisfies sum_i psi_i = 0, psi_i = weight(||g_i - v||) (g_i - v):
    then it is checked by projections (architecture, section 4). `audit` is refused at start-up until audits exist.
    """

    verification: Literal["residual", "audit"]

    def aggregate(self, rows_ND: Float32, radius: float) -> Float32:
        """The aggregate, shape (D,). Every row is finite."""
        ...

    def radius(self, typical: float) -> float:
        """Clipping radius per square root of a part's length, from the agreed typical norm in the same unit.

        A function of its argument and of the plugin's parameters alone; infinity for no clipping.
        """
        ...

    def weight(self, norm: float, radius: float) -> float:
        """Factor in [0, 1] by which a residual of this norm counts; weight * norm never exceeds radius."""
        ...


class ValidatorPolicy(Protocol):
    """Who checks whom: a deterministic function of what all peers share plus the draw's beacon q."""

    def validators(self, beacon: Digest, roster: Sequence[PeerId], count: int) -> tuple[PeerId, ...]:
        """The first `count` of the roster, in drawn order."""
        ...

    def targets(self, beacon: Digest, workers: Sequence[PeerId], count: int) -> tuple[PeerId, ...]:
        """The first `count` of the workers, in drawn order."""
        ...


class SybilPolicy(Protocol):
    """Who may join. `closed` lets nobody in."""

    def admits(self, candidate: PeerId, honest_steps: int) -> bool:
        """Whether a candidate with that many consecutive honest steps becomes active."""
        ...


class Task(Protocol):
    """Model, data and loss. Data are public: a minibatch is a function of a seed."""

    def build_model(self) -> torch.nn.Module:
        """The architecture, with freshly initialised parameters (the caller has seeded torch)."""
        ...

    def batch(self, generator: torch.Generator, size: int) -> Batch:
        """A minibatch of training samples; a function of the generator's state alone."""
        ...

    def loss(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        """Mean loss over the batch, a scalar to differentiate."""
        ...

    def evaluate(self, model: torch.nn.Module) -> dict[str, float]:
        """Figures on held-out samples, `accuracy` and `loss` among them."""
        ...

    def flip_labels(self, batch: Batch) -> Batch:
        """The batch with every label replaced by a wrong one: what the label flip attack trains on."""
        ...


class AttackContext(Protocol):
    """What an attacker knows and can do: all that a real one could (data are public, colluders agree)."""

    me: PeerId
    roster: tuple[PeerId, ...]
    workers: tuple[PeerId, ...]
    colluders: tuple[PeerId, ...]
    """Me and those of my colluders that are still in the roster, in roster order."""
    step: int
    attempt: int
    head: Digest
    parts: int

    def honest_gradient(self, peer: PeerId, transform: Callable[[Batch], Batch] | None = None) -> Float32:
        """What an honest `peer` computes this step, shape (dimension,); with the batch transformed if asked."""
        ...

    def shared_vector(self, label: str) -> Float32:
        """A vector that all colluders can compute alike, shape (dimension,), standard normal, from the run and label."""
        ...

    def deal(self, gradient: Float32) -> list[Float32]:
        """A gradient cut into this attempt's parts."""
        ...

    def sign(self, stage: Stage, payload: bytes) -> Signed:
        """Sign anything with my own key, for this attempt's head."""
        ...

    def flip_labels(self, batch: Batch) -> Batch:
        """The task's wrong labels."""
        ...


class Attack(Protocol):
    """A Byzantine peer's plan, wrapped around an honest one. Subclass `zpeer.hookspecs.HonestAttack` and
    override what it lies about."""

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:
        """The gradient to commit to instead of the honest one."""
        ...

    def part(self, context: AttackContext, part: int, data: bytes) -> bytes:
        """The bytes to send as PART, after they were committed to (`gradient` lies before)."""
        ...

    def committed_part(self, context: AttackContext, part: int, data: bytes) -> bytes:
        """The bytes to commit to and send as my part number `part`."""
        ...

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:
        """The aggregate to commit to and send as RESULT."""
        ...

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Effect | Delayed]:
        """My outgoing effects before signing: change, drop, delay, duplicate or re-target any."""
        ...


class Delayed(Protocol):
    """An effect to be carried out later (see `zpeer.attacker.After`)."""

    seconds: float
    effect: Effect
