"""What the shells of a swarm answer when nothing is computed: shapes, digests and sums that fit.

A gradient is a digest of its parameters and minibatch, so who computes it again gets the same one;
projections of a part sum to zero exactly; whatever else is asked follows from the question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer import effects as fx
from zpeer import events as ev
from zpeer.ids import Digest, PeerId, digest, number

if TYPE_CHECKING:
    from collections.abc import Sequence

NORM = 1.0
STEP = 2.0**-4


def name_part(parameters: Digest, seed: Digest, part: int) -> Digest:
    """H(g_i[j])."""
    return digest("fuzz/part", parameters, seed, number(part))


def state_part(place: int, workers: int, directions: int) -> ev.Scalars:
    """The scalars of one worker on any part: over all workers they sum to zero."""
    value = (place - (workers - 1) / 2) * STEP
    return ev.Scalars((value,) * directions, NORM)


def answer(effect: fx.Computation, me: PeerId, directions: int) -> ev.Event:  # noqa: PLR0911 - one table
    """The event that answers a computation of this peer."""
    match effect:
        case fx.DrawSecret(head=head, place=place):
            return ev.SecretDrawn(head, digest("fuzz/secret", me, place))
        case fx.ComputeParts(head=head, parameters=before, batch_seed=seed, parts=parts):
            digests = tuple(name_part(before, seed, part) for part in range(parts))
            return ev.PartsComputed(head, digests)
        case fx.AggregatePart(head=head, part=part, rows=rows):
            known = b"".join(row or b"-" for row in rows)
            return ev.PartAggregated(head, digest("fuzz/result", head, number(part), known))
        case fx.Project():
            return project(effect, me, directions)
        case fx.Recompute():
            return recompute(effect, directions)
        case fx.ProjectBlob(head=head, part=part, blob=blob):
            scalars = ev.Scalars((0.0,) * directions, NORM) if blob[0] & 3 else None
            return ev.BlobProjected(head, part, blob, scalars)
        case fx.TestAverage(head=head, part=part, blobs=blobs):
            residual = 0.0 if head[0] & 1 else 1e3
            return ev.AverageTested(head, part, residual, (NORM,) * len(blobs))
        case fx.Update(head=head, parameters=before):
            return ev.Updated(head, digest("fuzz/x", before, head), digest("fuzz/optimizer", head))


def project(effect: fx.Project, me: PeerId, directions: int) -> ev.Projected:
    """My row and column; both empty from a validator."""
    n = len(effect.workers)
    row: Sequence[ev.Scalars] = ()
    column: Sequence[ev.Scalars] = ()
    if effect.part >= 0:
        row = (state_part(effect.workers.index(me), n, directions),) * n
        column = [state_part(place, n, directions) for place in range(n)]
    lengths = ((NORM,) * directions,) * n
    return ev.Projected(effect.head, tuple(row), tuple(column), (NORM,) * n, lengths)


def recompute(effect: fx.Recompute, directions: int) -> ev.Recomputed:
    """The gradient of another, as it is."""
    n = len(effect.workers)
    place = effect.workers.index(effect.target) if effect.target in effect.workers else 0
    return ev.Recomputed(
        effect.head,
        effect.target,
        tuple(name_part(effect.parameters, effect.batch_seed, part) for part in range(n)),
        (state_part(place, n, directions),) * n if effect.radii else (),
        tuple(
            digest("fuzz/report", validator, effect.parameters, effect.batch_seed)
            for validator in effect.validators
        ),
    )
