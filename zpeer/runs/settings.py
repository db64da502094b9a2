"""The sections of run file, template and peer file: every key, its type, limits and default.

Strict: an unknown key is an error, a number is not read from a string, and nothing is NaN or
infinite except where a plugin takes it. `config/digits.toml` shows every key with a comment.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from zpeer.addresses import PORT_MAX, read_address
from zpeer.errors import IdentityError
from zpeer.genesis import Agreement, Protection
from zpeer.identity import PublicIdentity, verified
from zpeer.signed import PROTOCOL_VERSION

PATIENCE_LEAST = 0.6
"""A message then has a tenth of a second: less is lost to scheduling on a busy machine."""
CHARGES_MOST = 100
"""Charges of every pair stand in each record."""
UNPROTECTED = (Protection.CLIP, Protection.NONE)
PEERS_LEAST = 3
"""Below three peers a run stops (protocol, section 1)."""
ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):(\d{1,5})")

Scalar = str | int | float | bool
Value = Scalar | list[Scalar]
"""What a plugin's parameter in a file may be."""


def _require_address(text: str) -> str:
    found = ADDRESS.fullmatch(text)
    if found is None or not 0 < int(found[2]) <= PORT_MAX:
        raise ValueError(f"found {text!r}, expected host:port with a port from 1 to {PORT_MAX}")
    return text


def _require_hex(text: str) -> str:
    if re.fullmatch(r"[0-9a-f]{64}", text) is None:
        raise ValueError(f"found {len(text)} characters, expected 64 lower-case hex digits")
    return text


def _require_reachable(text: str) -> str:
    read_address(text)
    return text


Address = Annotated[str, AfterValidator(_require_address)]
"""host:port; an IPv6 host stands in brackets."""
Reachable = Annotated[str, AfterValidator(_require_reachable)]
"""The same, and others can be told to dial it."""
Port = Annotated[int, Field(ge=1, le=PORT_MAX)]
Hex32 = Annotated[str, AfterValidator(_require_hex)]
"""32 bytes as 64 hex digits."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Texts = Annotated[tuple[str, ...], Field(strict=False)]


class Section(BaseModel):
    """Base of all: strict, frozen, and no key that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    LOCAL: ClassVar[frozenset[str]] = frozenset()
    """Keys that are not part of the run's digest."""


class Choice(Section):
    """A plugin by name; every further key is one of its parameters."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=True)
    __pydantic_extra__: dict[str, Value] = Field(init=False)

    name: str = Field(min_length=1)

    @property
    def parameters(self) -> dict[str, Value]:
        """The plugin's own keys."""
        return dict(self.__pydantic_extra__)


class TaskChoice(Choice):
    """[task]: model, data and loss."""

    batch_size: int = Field(ge=1)
    """Samples of one peer's minibatch."""

    LOCAL: ClassVar[frozenset[str]] = frozenset({"directory"})
    """A task's parameter `directory` says where its data lie on this machine; that they are the
    same is held by the reference gradient."""


class AttackChoice(Choice):
    """[attack] of a peer file, for tests and experiments."""

    start: int = Field(default=0, ge=0)
    """The first step in which it attacks."""
    colluders: Texts = ()
    """Names of other peers that attack together with this one."""


class OptimizerSection(Section):
    """[optimizer]"""

    kind: Literal["sgd", "adam"]
    learning_rate: Positive
    schedule: Literal["constant", "cosine"] = "constant"
    """`cosine` falls from `learning_rate` to zero over the run's steps."""
    warmup: int = Field(default=0, ge=0)
    """Steps in which the learning rate rises to its value."""
    momentum: Share = 0.0
    """sgd only."""
    nesterov: bool = False
    """sgd with momentum only."""
    weight_decay: NotNegative = 0.0
    beta1: Share = 0.9
    """adam only."""
    beta2: Share = 0.999
    """adam only."""
    epsilon: float = Field(default=1e-8, ge=1e-30, lt=1)
    """adam only."""
    gradient_clip: NotNegative = 0.0
    """Norm to which each peer clips its own gradient first (section 4, lambda); 0 for none."""


class RunKeys(Section):
    """[run] of a template."""

    name: Name
    steps: int = Field(ge=1)
    """Counted steps."""
    validators: int = Field(default=1, ge=1)
    """m: peers that check instead of compute in a step, at most (n-1)/2 in force."""
    protection: Annotated[Protection, Field(strict=False)] = Protection.FULL
    agreement: Annotated[Agreement, Field(strict=False)] = Agreement.FULL
    """What becomes of an attempt in which something is missing: `full` goes on without who is at
    fault, `stop` ends the run at the first missed deadline. Without protection always `stop`."""
    patience: float = Field(default=10.0, ge=PATIENCE_LEAST)
    """Least seconds a stage is given: the one key for slow networks. A message between honest peers
    must arrive within a sixth of it."""
    charges_max: int = Field(default=3, ge=0, le=CHARGES_MOST)
    """Disputes that nobody can judge which a pair of peers may have; one more and both leave."""
    charge_lifetime: int = Field(default=1000, ge=1)
    """Counted steps after which such a dispute is forgotten."""
    evaluate_every: int = Field(default=10, ge=0)
    """Steps between evaluations on held-out samples; 0 for none."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_agreement(cls, data: Any) -> Any:
        """Where nothing is checked, nobody can be told to leave."""
        if isinstance(data, dict) and data.get("protection") in UNPROTECTED:
            return {"agreement": Agreement.STOP, **data}
        return data

    @field_validator("agreement")
    @classmethod
    def _require_protection(cls, value: Agreement, info: ValidationInfo) -> Agreement:
        protection = info.data.get("protection", Protection.FULL)
        if value is Agreement.FULL and protection in UNPROTECTED:
            raise ValueError(
                f'found "full" with run.protection = "{protection}", expected "stop": where '
                "nothing is checked a run ends at the first missed deadline. Leave run.agreement "
                'out, or set run.protection = "full"'
            )
        return value


class RunSection(RunKeys):
    """[run]"""

    nonce: Hex32
    """New with every run, so that no two runs have one id."""
    protocol: int
    """Version of the protocol."""

    @field_validator("protocol")
    @classmethod
    def _require_version(cls, value: int) -> int:
        if value != PROTOCOL_VERSION:
            raise ValueError(
                f"found version {value}, this zpeer speaks {PROTOCOL_VERSION}; "
                "all peers need the same"
            )
        return value


class LimitKeys(Section):
    """[limits] of a template; what is left out is measured when a run is made."""

    typical_norm: Positive | None = None
    """First value of a residual's norm per square root of a part's length."""
    delta_multiple: Positive = 4.0
    """Delta_max in typical norms: what more than half must report before an average is checked."""
    typical_growth: float = Field(default=0.01, ge=0, le=1)
    """Most that the typical norm moves in a step, as a share of it."""
    typical_window: int = Field(default=50, ge=1, le=1000)
    """Counted steps whose median it follows."""
    block: int | None = Field(default=None, ge=1)
    """Numbers of a block: gradients are dealt to parts in blocks."""
    directions: int = Field(default=4, ge=1, le=16)
    """Random directions on which residuals are projected."""


class LimitSection(LimitKeys):
    """[limits]"""

    typical_norm: Positive
    block: int = Field(ge=1)


class ReferenceKeys(Section):
    """[reference] of a template."""

    threads: int = Field(default=1, ge=1)
    """Threads of torch: gradients differ between thread counts."""


class ReferenceSection(ReferenceKeys):
    """[reference]: what a peer's gradients must agree with, bit for bit."""

    torch: str
    """Version of torch."""
    instruction_set: str
    """Of the CPU, as torch names it."""
    gradient: Hex32
    """Digest of reference gradients at the initial parameters."""
    seconds: NotNegative
    """What one took when the run was made: COMMIT and CHECK, in which gradients are computed, get
    more time by it."""
    peers_per_core: float = Field(ge=1)
    """Peers that share a core, where several of the run are on one host."""


class ParameterSection(Section):
    """[parameters]: x_0."""

    dimension: int = Field(ge=1)
    digest: Hex32
    """Of their bytes as little-endian float32."""
    file: str
    """Safetensors, relative to the run file. Not part of the run's digest."""

    LOCAL: ClassVar[frozenset[str]] = frozenset({"file"})


class PeerEntry(Section):
    """[[peers]]: a public identity file, and where its owner listens."""

    name: Name
    ecdsa: str
    curve: str
    signature: str
    address: Reachable
    """host:port. Not part of the run's digest: a peer may move."""

    LOCAL: ClassVar[frozenset[str]] = frozenset({"address"})

    @cached_property
    def identity(self) -> PublicIdentity:
        """The public identity in it."""
        fields = {key: getattr(self, key) for key in ("name", "ecdsa", "curve", "signature")}
        return PublicIdentity(**fields)

    @model_validator(mode="after")
    def _require_signed(self) -> PeerEntry:
        try:
            verified(self.identity)
        except IdentityError as problem:
            raise ValueError(str(problem)) from None
        return self
