"""Every run in config/ runs as it is, and so do the protections that are there for comparison."""

from __future__ import annotations

import gzip
import io
import math
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from tests.loopback.processes import last_words, make_run, run_peers
from tools.experiment import ROOT
from zpeer.runs.initialise import init_local
from zpeer.swarm.driver import run_swarm

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.loopback

TEMPLATES = {path.stem: path for path in sorted((ROOT / "config").glob("*.toml"))}
STEPS = 2
PEERS = ("peer-0", "peer-1", "peer-2")
RED = "\x1b[1;31m"


def write_idx(path: Path, shape: tuple[int, ...], classes: int) -> None:
    """A file in the original format: type and dimensions, their sizes, the numbers."""
    head = bytes((0, 0, 8, len(shape))) + b"".join(size.to_bytes(4, "big") for size in shape)
    numbers = bytes(place * 7 % classes for place in range(math.prod(shape)))
    path.write_bytes(gzip.compress(head + numbers))


def write_fashion(directory: Path) -> Path:
    directory.mkdir()
    for half, count in (("train", 60), ("t10k", 20)):
        write_idx(directory / f"{half}-images-idx3-ubyte.gz", (count, 28, 28), 256)
        write_idx(directory / f"{half}-labels-idx1-ubyte.gz", (count,), 10)
    return directory


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_runs(tmp_path: Path, name: str) -> None:
    changes: dict[str, Any] = {"run.steps": STEPS, "run.evaluate_every": STEPS}
    changes["optimizer.warmup"] = 0
    if name == "fashion_mnist":
        changes["task.directory"] = str(write_fashion(tmp_path / "data"))
    run = tmp_path / "run"
    init_local(TEMPLATES[name], run, len(PEERS), changes=changes)
    board = run_peers(run)
    assert board.problems() == []
    assert {last_words(run, peer).step for peer in PEERS} == {STEPS}
    assert math.isfinite(board.evaluations[STEPS]["loss"])


@pytest.mark.parametrize(
    ("protection", "says"),
    [("none", "NOT PROTECTED: plain averaging"), ("clip", "NOT PROTECTED: clipped averages")],
)
def test_a_run_without_protection_runs_and_says_so_in_red(
    tmp_path: Path, protection: str, says: str
) -> None:
    attack = {"name": "sign_flip", "start": 1}
    changes = {"run.steps": STEPS, "run.protection": protection}
    run = make_run(tmp_path / "run", attacks={"peer-2": attack}, changes=changes)
    output = io.StringIO()
    code = run_swarm(run, plain=True, console=Console(file=output, force_terminal=True, width=200))
    assert code == 0, output.getvalue()
    assert RED + says in output.getvalue()
    assert last_words(run, "peer-0").roster == list(PEERS)
    assert says in (run / "state" / "peer-0.out").read_text(), "a peer started alone says so too"
