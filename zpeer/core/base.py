"""What an attempt starts from: the genesis or a record, spread out (section 1, *Chain*).

A function of what all honest peers agree on, so every one of them starts the same attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from zpeer.core.limits import scale
from zpeer.core.mprng import compute_place
from zpeer.core.schedule import compute_allowance
from zpeer.core.state import Base
from zpeer.ids import NOTHING, PeerId
from zpeer.parts import Layout
from zpeer.record import Outcome, Record
from zpeer.signed import STEP_STAGES

if TYPE_CHECKING:
    from zpeer.genesis import Genesis
    from zpeer.ids import Digest
    from zpeer.interfaces import Aggregator
    from zpeer.record import Charge, Draw, Matter


def make_first_base(genesis: Genesis, aggregator: Aggregator) -> Base:
    """Step 0: there is nothing to check, and everybody works."""
    return spread(
        genesis,
        aggregator,
        head=genesis.run,
        record=b"",
        step=0,
        attempt=0,
        counted=0,
        roster=genesis.peers,
        validators=(),
        duties=(),
        draws=(),
        matters=(),
        parameters=genesis.parameters,
        seed_beacon=genesis.run,
        draw_beacon=NOTHING,
        typical=genesis.typical_norm,
        typical_window=(),
        delta_floor=0.0,
        checked=NOTHING,
        charges=(),
        durations=(),
    )


def make_next_base(genesis: Genesis, aggregator: Aggregator, record: Record) -> Base:
    """The attempt after a record: the next step if it counted, the same step again if it was
    void."""
    counted = record.outcome is Outcome.COUNTED
    return spread(
        genesis,
        aggregator,
        head=record.head,
        record=msgspec.msgpack.encode(record),
        step=record.step + 1 if counted else record.step,
        attempt=0 if counted else record.attempt + 1,
        counted=record.counted,
        roster=record.roster,
        validators=record.validators,
        duties=record.duties,
        draws=record.draws,
        matters=record.matters,
        parameters=record.parameters,
        seed_beacon=record.seed_beacon,
        draw_beacon=record.draw_beacon,
        typical=record.typical,
        typical_window=record.typical_window,
        delta_floor=record.delta_floor,
        checked=record.checked,
        charges=record.charges,
        durations=record.durations,
    )


def spread(
    genesis: Genesis,
    aggregator: Aggregator,
    *,
    head: Digest,
    record: bytes,
    step: int,
    attempt: int,
    counted: int,
    roster: tuple[PeerId, ...],
    validators: tuple[PeerId, ...],
    duties: tuple[tuple[Draw, ...], ...],
    draws: tuple[Draw, ...],
    matters: tuple[Matter, ...],
    parameters: Digest,
    seed_beacon: Digest,
    draw_beacon: Digest,
    typical: float,
    typical_window: tuple[float, ...],
    delta_floor: float,
    checked: Digest,
    charges: tuple[Charge, ...],
    durations: tuple[float, ...],
) -> Base:
    """Add what follows: who works, and the limits of every part."""
    closing = counted >= genesis.steps
    workers = () if closing else tuple(peer for peer in roster if peer not in validators)
    layout = Layout(genesis.dimension, genesis.block, len(workers))
    delta = max(genesis.delta_multiple * typical, delta_floor)
    return Base(
        head=head,
        place=compute_place(genesis.run, step, attempt),
        record=record,
        step=step,
        attempt=attempt,
        counted=counted,
        closing=closing,
        roster=roster,
        validators=validators,
        workers=workers,
        duties=duties,
        draws=draws,
        matters=matters,
        parameters=parameters,
        seed_beacon=seed_beacon,
        draw_beacon=draw_beacon,
        typical=typical,
        typical_window=typical_window,
        delta_floor=delta_floor,
        radii=scale(aggregator.radius(typical), layout),
        delta_max=scale(delta, layout),
        checked=checked,
        charges=charges,
        durations=durations,
        allowances=tuple(compute_allowance(genesis, durations, each) for each in STEP_STAGES),
    )
