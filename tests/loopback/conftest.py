"""A recorded swarm that many tests look at."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.loopback.processes import TEMPLATE, Done, end_all, make_run, zpeer

if TYPE_CHECKING:
    from collections.abc import Iterator

RULE = Path(__file__).with_name("rule.py")
STEPS = 40
START = 2
HONEST = ("peer-0", "peer-1", "peer-2")
FLIPPER, LIAR = "peer-3", "peer-4"


class Recorded(NamedTuple):
    """A swarm that has run, and a copy of it from before."""

    run: Path
    copy: Path
    """The same genesis and secrets; its keys were never used."""
    done: Done


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Five peers, of which one turns its gradients round and one lies about a projection."""
    home = tmp_path_factory.mktemp("recorded")
    shutil.copy(RULE, home)
    template = f'plugins = ["{RULE.name}"]\n{TEMPLATE}'.replace("centered_clip", "rule")
    run = make_run(
        home / "run",
        peers=5,
        template=template,
        attacks={
            FLIPPER: {"name": "sign_flip", "start": START, "colluders": [LIAR]},
            LIAR: {"name": "wrong_projection", "start": START, "colluders": [FLIPPER]},
        },
        changes={"run.steps": STEPS, "run.evaluate_every": STEPS // 2},
        settings={"record": "full"},
        entropy="the same",
    )
    copy = shutil.copytree(run, home / "copy")
    return Recorded(run, copy, zpeer("swarm", run, "--plain", "--again"))


@pytest.fixture(autouse=True)
def no_process_outlives_its_test() -> Iterator[None]:
    """Also where the test fails."""
    yield
    end_all()
