"""What a plugin is: plain objects with these methods; `hookspecs` collects factories for them.

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

    from zpeer.effects import Broadcast, Effect
    from zpeer.events import Event, Scalars
    from zpeer.ids import Digest, PeerId
    from zpeer.messages import Message
    from zpeer.parts import Layout
    from zpeer.record import Matter
    from zpeer.signed import Signed, Stage

    Float32 = NDArray[np.float32]
    Bytes = bytes | memoryview
    """A tensor as it travels: little-endian float32."""

Batch = Any
"""Whatever a task's loss takes; made and used by the task alone."""


@runtime_checkable
class Aggregator(Protocol):
    """A rule that makes one vector of the rows of a part.

    With `verification = "residual"` the aggregate v satisfies sum_i psi_i = 0, where psi_i is
    weight(||g_i - v||) (g_i - v): then it is checked by projections. `audit` is refused at start-up
    until audits exist.
    """

    verification: Literal["residual", "audit"]

    def aggregate(self, rows_ND: Float32, radius: float) -> Float32:
        """The aggregate, shape (D,). Every row is finite."""
        ...

    def radius(self, typical: float) -> float:
        """Clipping radius per square root of a part's length; `typical` is in the same unit.

        A function of its argument and of the plugin's parameters alone; infinity for no clipping.
        """
        ...

    def weight(self, norm: float, radius: float) -> float:
        """Factor in [0, 1] by which a residual of this norm counts; times norm at most radius."""
        ...


class ValidatorPolicy(Protocol):
    """Who checks whom: a deterministic function of what all share plus the draw's beacon q."""

    def validators(
        self, beacon: Digest, roster: Sequence[PeerId], count: int
    ) -> tuple[PeerId, ...]:
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
        """The batch with every label replaced by a wrong one, for the label flip attack."""
        ...


class AttackContext(Protocol):
    """What an attacker knows and can do: all that a real one could.

    Data are public, and colluders agree.
    """

    me: PeerId
    roster: tuple[PeerId, ...]
    workers: tuple[PeerId, ...]
    """Worker j owns part j."""
    validators: tuple[PeerId, ...]
    colluders: tuple[PeerId, ...]
    """Me and those of my colluders that are still in the roster, in roster order."""
    honest_workers: tuple[PeerId, ...]
    """Workers that are no colluders, in worker order."""
    step: int
    attempt: int
    head: Digest
    parts: int
    my_part: int
    """The part I own; -1 as a validator."""
    radii: tuple[float, ...]
    """Clipping radius of every part."""
    delta_max: tuple[float, ...]
    """What more than half must report on a part before its average is checked."""
    duties: dict[PeerId, tuple[PeerId, ...]]
    """For each validator of this attempt, the targets it must report on."""
    matters: tuple[Matter, ...]
    """Open accusations, of which each CHECK of this attempt holds findings."""
    place: Digest
    """What secrets and shares of this attempt are bound to."""
    secret: Digest
    """My a_i; NOTHING until it is drawn."""
    delta: float
    """Δ: seconds within which a message between honest peers arrives."""
    now: float
    """Seconds on this peer's clock, whose zero is arbitrary."""
    started: float
    """When this attempt began here."""

    @property
    def layout(self) -> Layout:
        """How this attempt's gradients are dealt."""
        ...

    def honest_gradient(
        self, peer: PeerId, transform: Callable[[Batch], Batch] | None = None
    ) -> Float32:
        """What an honest `peer` computes this step, shape (dimension,).

        Of its minibatch as `transform` changes it, if that is given.
        """
        ...

    def shared_vector(self, label: str) -> Float32:
        """Standard normal numbers from run and label, shape (dimension,): alike at colluders."""
        ...

    def deal(self, gradient: Float32) -> list[Float32]:
        """A gradient cut into this attempt's parts."""
        ...

    def result(self, owner: PeerId) -> Float32:
        """The aggregate that an owner sent, shape (length of its part,)."""
        ...

    def stated_honestly(self, part: int, beacon: Digest) -> tuple[Scalars, ...]:
        """What each worker, if honest, would state on a part in PROJECTIONS; in worker order."""
        ...

    def committed(self, worker: PeerId, part: int) -> Digest:
        """H(g_i[j]) as a worker committed to it in this attempt; NOTHING if not seen yet."""
        ...

    def due(self, stage: Stage) -> float:
        """When a stage is due at peers that started this attempt when I did."""
        ...

    def draw(self, beacon: Digest) -> tuple[tuple[PeerId, ...], tuple[PeerId, ...]]:
        """Validators of the next step and targets in this one that q draws if nobody leaves."""
        ...

    def decode(self, effect: Broadcast | Signed) -> Message:
        """The message in one of my broadcasts or in what another sent; raises WireError."""
        ...

    def sign(self, stage: Stage, payload: bytes, head: Digest | None = None) -> Signed:
        """Sign anything with my own key, for this attempt's head or another."""
        ...

    def flip_labels(self, batch: Batch) -> Batch:
        """The task's wrong labels."""
        ...


class Attack(Protocol):
    """A Byzantine peer's plan, wrapped around an honest one.

    Subclass `zpeer.attacker.HonestAttack` and override what it lies about. Asked from the step on
    that the peer file names (`start`); only `observe` is called from the first one on.
    """

    def observe(self, context: AttackContext, event: Event) -> Sequence[Effect | Extra] | None:
        """See an event before my core does, from the first step on; what to do about it."""
        ...

    def hears_after(self, context: AttackContext, event: Event) -> float:
        """Seconds after which my core hears of an event; infinity: never."""
        ...

    def gradient(self, context: AttackContext, honest: Float32) -> Float32:
        """The gradient to commit to instead of the honest one, shape (dimension,)."""
        ...

    def committed_part(self, context: AttackContext, part: int, data: Bytes) -> Bytes:
        """The bytes to commit to and send as my part number `part`."""
        ...

    def part(self, context: AttackContext, part: int, data: Bytes) -> Bytes:
        """The bytes to send as PART, whatever was committed to."""
        ...

    def aggregate(self, context: AttackContext, honest: Float32) -> Float32:
        """The aggregate to commit to and send as RESULT."""
        ...

    def message(self, context: AttackContext, message: Message) -> Message | bytes:
        """My stage message before it is signed; bytes are signed as they are."""
        ...

    def effects(self, context: AttackContext, effects: list[Effect]) -> Sequence[Effect | Extra]:
        """My outgoing effects before signing: change, drop, delay, duplicate or re-target any.

        Besides effects it may return what `zpeer.conduct` has for attacks: `After`, `SendSigned`,
        `SendBytes` and `Hear`.
        """
        ...


Extra = Any
"""`After`, `SendSigned`, `SendBytes` or `Hear` of `zpeer.conduct`, which only attacks make."""
