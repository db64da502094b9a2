"""The worker's checks: what one peer states, another computes, and nothing that is no part."""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.bench import (
    BEACON,
    WORKERS,
    ask,
    exchange,
    head_of,
    length,
    make_project,
    peers_of,
    recompute,
)
from tests.swarms import DIMENSION, Softmax
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.compute.worker import Arrival, digest_report
from zpeer.ids import NOTHING, PeerId, digest
from zpeer.parts import Bulk

if TYPE_CHECKING:
    from pathlib import Path

    from zpeer.shell.assembly import Peer

# --- projections ----------------------------------------------------------------------------------


def test_what_a_worker_states_is_what_the_owner_of_the_part_computes(tmp_path: Path) -> None:
    _, projected = exchange(tmp_path)
    for worker in range(WORKERS):
        for part in range(WORKERS):
            assert projected[worker].row[part] == projected[part].column[worker]


def test_the_projections_of_a_part_sum_to_zero_within_rounding(tmp_path: Path) -> None:
    _, projected = exchange(tmp_path)
    for part in range(WORKERS):
        columns = zip(*(each.row[part].projections for each in projected), strict=True)
        pulls = sum(min(each.row[part].norm, 2.0) for each in projected)
        assert all(abs(fsum(values)) < 96 * 2**-24 * pulls for values in columns)


def test_a_validator_gets_the_norms_that_all_compute_alike_and_no_rows(tmp_path: Path) -> None:
    peers, projected = exchange(tmp_path)
    seen = ask(peers[0], make_project(peers[0], -1), ev.Projected)
    assert (seen.row, seen.column) == ((), ())
    assert seen.result_norms == projected[1].result_norms
    assert seen.direction_norms == projected[2].direction_norms
    assert all(norm > 0 for norms in seen.direction_norms for norm in norms)


def test_a_recomputed_gradient_gives_what_its_owner_committed_to_and_stated(tmp_path: Path) -> None:
    peers, projected = exchange(tmp_path)
    ids = peers_of(peers[0])
    seed = digest("seed of", ids[1])
    answer = recompute(peers[0], 1, seed=seed)
    head = head_of(peers[0])
    assert answer.digests == tuple(peers[1].store.own(head, part).digest for part in range(3))
    assert answer.row == projected[1].row
    gradient, _ = Softmax().gradient(np.zeros(DIMENSION, np.float32), seed)
    assert answer.reports == (digest("zpeer/report", ids[0], gradient.tobytes()),)


def test_a_report_depends_on_the_validator_and_on_every_number() -> None:
    gradient = np.arange(5, dtype=np.float32)
    other = gradient.copy()
    other[4] = np.nextafter(other[4], np.float32(9))
    reports = {
        digest_report(validator, vector)
        for validator in (PeerId(b"a" * 32), PeerId(b"b" * 32))
        for vector in (gradient, other)
    }
    assert len(reports) == 4


def project_blob(peer: Peer, data: bytes, part: int = 1) -> ev.BlobProjected:
    answer = ask(peer, Arrival(Bulk.BLOB, NOTHING, peers_of(peer)[2], data), ev.BlobArrived)
    owner = peers_of(peer)[part]
    effect = fx.ProjectBlob(head_of(peer), part, owner, WORKERS, answer.digest, BEACON, 2.0)
    return ask(peer, effect, ev.BlobProjected)


def test_a_published_part_gives_what_its_worker_stated(tmp_path: Path) -> None:
    peers, projected = exchange(tmp_path)
    data = bytes(peers[2].store.own(head_of(peers[0]), 1).data)
    assert project_blob(peers[0], data).scalars == projected[2].row[1]


@pytest.mark.parametrize("data", [b"", b"123", b"\0" * 16, b"\xff" * (4 * length(1))])
def test_published_bytes_that_are_no_part_give_nothing(tmp_path: Path, data: bytes) -> None:
    peers, _ = exchange(tmp_path)
    assert project_blob(peers[0], data).scalars is None


def test_an_honest_average_has_no_residual_and_a_moved_one_has(tmp_path: Path) -> None:
    peers, projected = exchange(tmp_path)
    head = head_of(peers[0])
    ids = peers_of(peers[0])
    blobs = tuple(peer.store.own(head, 0).digest for peer in peers)
    owner = peers[0]
    effect = fx.TestAverage(head, 0, ids[0], WORKERS, blobs, 2.0)
    honest = ask(owner, effect, ev.AverageTested)
    assert honest.residual < 1e-6
    assert honest.norms == tuple(each.norm for each in projected[0].column)
    lacking = fx.TestAverage(head, 0, ids[0], WORKERS, (*blobs[:2], None), 2.0)
    without = ask(owner, lacking, ev.AverageTested)
    assert without.residual > 1e-3
