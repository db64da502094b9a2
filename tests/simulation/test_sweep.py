"""Sweeps keep what is done, go on from it, and say what to repeat."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from tests.loopback.processes import wait_until
from tests.simulation.small import SMALL
from zpeer.core import convict
from zpeer.errors import ConfigError
from zpeer.recorded.replay import EQUAL, replay_log
from zpeer.simulate import command
from zpeer.simulate import sweep as sweeping
from zpeer.simulate.command import FAILED, PASSED, simulate
from zpeer.simulate.plan import Known, change_plan, encode_plan, load_plan
from zpeer.simulate.plans import exhaustive
from zpeer.simulate.running import run_plan
from zpeer.simulate.sweep import (
    Finished,
    Source,
    append_done,
    digest_code,
    parse_range,
    read_done,
    run_number,
    sweep,
)

LIE = change_plan(SMALL, steps=5, adversaries=(Known(4, "equivocation", {"stage": "REVEAL"}, 1),))


def call(**options: object) -> tuple[int, str]:
    """Exit code and everything printed."""
    out = io.StringIO()
    console = Console(file=out, width=400, highlight=False)
    return simulate(console=console, **options), out.getvalue()  # type: ignore[arg-type]


def test_a_range_is_two_numbers_and_the_last_seed_is_before_the_second() -> None:
    assert list(parse_range("3:6")) == [3, 4, 5]
    for wrong in ("3", "6:3", "3:3", "a:9", "-1:4", ":"):
        with pytest.raises(ConfigError, match="expected A:B"):
            parse_range(wrong)


def test_finished_seeds_of_this_code_are_read_back_and_of_another_are_not(tmp_path: Path) -> None:
    path = tmp_path / "done"
    seeds, scripts = Source.SEEDS, Source.SCRIPTS
    assert read_done(path, seeds, "now") == []
    mine = Finished("now", seeds, 1, "", "", 5, 10, 12, 0.5)
    other = Finished("now", scripts, 1, "", "", 5, 10, 12, 0.5)
    for done in (mine, Finished("then", seeds, 2, "fork", "why", 5, 10, 12, 0.5), other):
        append_done(path, done)
    assert read_done(path, seeds, "now") == [mine]
    assert read_done(path, scripts, "now") == [other]
    path.write_bytes(path.read_bytes() + b"nonsense\n")
    with pytest.raises(ConfigError, match=r"done:4: no line"):
        read_done(path, seeds, "now")


def test_a_sweep_goes_on_where_its_file_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []

    def run(source: Source, number: int, code: str, *, real_signatures: bool) -> Finished:
        ran.append(number)
        check = "fork" if number == 12 else ""
        return Finished(code, source, number, check, "planted", 5, 100, 120, 0.25)

    monkeypatch.setattr(sweeping, "run_number", run)
    done = tmp_path / "done"
    assert call(seeds="10:12", done=done, processes=1)[0] == PASSED
    code, text = call(seeds="10:14", done=done, processes=1)
    assert ran == [10, 11, 12, 13]
    assert code == FAILED
    assert "planted; zpeer simulate --seed 12" in text
    assert "4 plans, 4 of them with 5 peers or more" in text
    assert "400 a second and core" in text
    assert f"on 1 cores covers {4 * 36_000}" in text
    assert "1 failed" in text


def test_processes_of_a_pool_run_what_one_would() -> None:
    code = digest_code()
    alone = [run_number(Source.SEEDS, seed, code, real_signatures=False) for seed in (4, 15)]
    pooled = sorted(sweep(Source.SEEDS, (4, 15), processes=2), key=lambda done: done.seed)
    assert [(each.seed, each.check, each.steps, each.code) for each in pooled] == [
        (each.seed, each.check, each.steps, each.code) for each in alone
    ]


def test_a_seed_that_passes_says_so() -> None:
    code, text = call(seed=4)
    assert code == PASSED
    assert "no promise was broken" in text
    assert "peer-steps/s" in text


def test_a_plan_that_fails_is_explained_by_smaller_plan_turning_point_and_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lie.json"
    path.write_bytes(encode_plan(LIE))
    with monkeypatch.context() as patch:
        patch.setattr(convict, "is_equivocation", lambda _context, _proof: False)
        code, text = call(plan=path, out=tmp_path / "out")
        small = load_plan(tmp_path / "out" / "shrunk.json")
        assert run_plan(small).failure is not None
        logs = sorted((tmp_path / "out" / "logs").iterdir())
        assert len(logs) == len(small.members) - 1
        for log in logs:
            assert replay_log(log, quiet=True, out=io.StringIO()) == EQUAL
    assert code == FAILED
    assert f"repeat it: zpeer simulate --plan {path}" in text
    assert "whatever is drawn after event" in text
    assert load_plan(tmp_path / "out" / "plan.json") == LIE
    assert len(small.members) <= len(LIE.members)


@pytest.mark.parametrize(
    "options",
    [{}, {"seed": 1, "seeds": "1:2"}, {"seed": 1, "plan": "x.json"}, {"seed": 1, "done": "x"}],
)
def test_a_command_that_does_not_say_what_to_run_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"expected just one|belongs to --seeds"):
        call(**options)


def test_scripts_that_fail_leave_their_plans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "list_plans", lambda: exhaustive.list_plans()[:8])
    monkeypatch.setattr(convict, "is_equivocation", lambda _context, _proof: False)
    code, text = call(exhaustive=True, out=tmp_path / "out", processes=1)
    plans = sorted((tmp_path / "out").iterdir())
    assert (code == FAILED) == bool(plans)
    assert plans
    for path in plans:
        assert f"repeat it: zpeer simulate --plan {path}" in text
        assert run_plan(load_plan(path)).failure is not None


def is_alive(process: str) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_a_sweep_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    done = tmp_path / "done"
    options = ("--seeds", "0:1000", "--processes", "2", "--done", str(done))
    driver = subprocess.Popen([sys.executable, "-m", "zpeer", "simulate", *options])
    try:
        assert wait_until(done.exists, 60.0)
        children = Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text().split()
    finally:
        driver.kill()
        driver.wait()
    assert len(children) >= 2
    assert wait_until(lambda: not any(map(is_alive, children)))
