"""What a swarm's scoreboard makes of what peers say, and how view, summary and figure show it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console

from zpeer.observations import Assembling, Ended, Evaluated, Left, StepDecided, Waited
from zpeer.swarm.figure import curve_of, draw
from zpeer.swarm.scoreboard import Condition, Member, Scoreboard
from zpeer.swarm.summary import summarize
from zpeer.swarm.view import LiveView, PlainView, say_bytes

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("ann", "bob", "eve")
BAN = Left(
    "eve", "WRONG_SUM", "aggregated a part whose projections do not sum to zero", banned=True
)
SILENT = Left("eve", "SILENT", "was not heard when an attempt got stuck", banned=False)


def make_board(protection: str = "full") -> Scoreboard:
    members = [Member("ann", mark="aaaaaaaa"), Member("bob", mark="bbbbbbbb")]
    members.append(Member("eve", attack="sign_flip", mark="eeeeeeee"))
    return Scoreboard(members, run="test-run", steps=10, protection=protection)


def decided(peer: str, step: int, **changes: object) -> StepDecided:
    base = StepDecided(
        peer=peer,
        head="00",
        step=step,
        attempt=0,
        outcome="counted",
        roster=list(NAMES),
        validators=["bob"],
        departures=[],
        parameters="11",
        loss=1.0,
        seconds=0.5,
        stage_seconds={},
        bytes_sent=1000,
        bytes_received=900,
        bulk_bytes_sent=800,
        open_draws=1,
        open_matters=0,
    )
    return msgspec.structs.replace(base, **changes)


def ended(peer: str, **changes: object) -> Ended:
    base = Ended(peer, 0, "finished", 10, "aa", "bb", ["ann", "bob"])
    return msgspec.structs.replace(base, **changes)


def finish(board: Scoreboard, **changes: object) -> Scoreboard:
    """Everybody ends in order; bob's last word is changed."""
    board.hear("ann", decided("ann", 5, departures=[BAN]))
    board.hear("ann", ended("ann", evidence=["s/ann/wrong-sum-eeeeeeee-00.evidence"]))
    board.hear("bob", ended("bob", **changes))
    board.hear("eve", ended("eve", code=3))
    for name, code in (("ann", 0), ("bob", 0), ("eve", 3)):
        board.exited(name, code)
    return board


def test_a_swarm_in_which_all_end_in_order_and_agree_has_no_problems() -> None:
    board = finish(make_board())
    assert board.problems() == []
    assert [each.name for each in board.finished] == ["ann", "bob"]
    assert board.members["eve"].condition is Condition.BANNED
    assert board.evidence == {"eve": "s/ann/wrong-sum-eeeeeeee-00.evidence"}


def test_finished_peers_with_different_parameters_are_a_problem_that_names_both() -> None:
    board = finish(make_board(), parameters="cc")
    (problem,) = board.problems()
    assert "parameters" in problem
    assert "ann: bb" in problem
    assert "bob: cc" in problem


def test_finished_peers_with_different_heads_are_a_problem() -> None:
    assert "head" in finish(make_board(), head="dd").disagreement()


def test_a_peer_that_dies_is_a_problem_also_if_the_others_finish() -> None:
    board = finish(make_board())
    other = make_board()
    for name in ("ann", "bob"):
        other.hear(name, ended(name))
        other.exited(name, 0)
    other.exited("eve", -9)
    assert board.problems() == []
    (problem,) = other.problems()
    assert "eve" in problem
    assert "signal 9" in problem


def test_a_peer_that_says_finished_and_then_crashes_is_not_counted_as_finished() -> None:
    board = make_board()
    board.hear("ann", ended("ann"))
    board.exited("ann", -11)
    assert board.finished == []
    assert board.problems()


def test_a_swarm_in_which_nobody_finishes_is_a_problem() -> None:
    board = make_board()
    for name in NAMES:
        board.hear(name, ended(name, code=3))
        board.exited(name, 3)
    assert "no peer finished" in board.problems()[-1]


def test_what_an_attacker_says_about_bans_and_figures_is_not_taken() -> None:
    board = make_board()
    slander = Left("ann", "WRONG_SUM", "slander", banned=True)
    board.hear("eve", decided("eve", 3, departures=[slander], loss=99.0))
    board.hear("eve", Evaluated("eve", 3, {"accuracy": 1.0}))
    assert board.bans == []
    assert board.leader is None
    assert board.losses == []
    assert board.evaluations == {}


def test_a_ban_is_told_once_however_many_peers_report_it() -> None:
    board = make_board()
    for name in ("ann", "bob"):
        board.hear(name, decided(name, 4, departures=[BAN]))
    assert [(ban.step, ban.left.peer) for ban in board.bans] == [(4, "eve")]
    assert len(board.news) == 1


def test_a_removal_is_no_ban_and_looks_like_none() -> None:
    board = make_board()
    board.hear("ann", decided("ann", 4, departures=[SILENT], outcome="void"))
    assert board.members["eve"].condition is Condition.REMOVED
    assert list(board.news) == ["step 4: eve removed: was not heard when an attempt got stuck"]
    for terminal in (False, True):
        other = make_board()
        other.hear("ann", decided("ann", 4, departures=[SILENT], outcome="void"))
        text = show(other, terminal=terminal)
        assert "eve removed: was not heard" in text
        assert "banned" not in text


def test_an_attempt_that_gets_stuck_is_told_once_for_each_whom_one_waits_for() -> None:
    board = make_board()
    board.hear("ann", decided("ann", 3))
    board.hear("bob", decided("bob", 3))
    called = Waited("ann", "CHECK", "I call: CHECK from eve", ["eve"], 4)
    board.hear("eve", msgspec.structs.replace(called, peer="eve", waited_for=["ann"]))
    board.hear("ann", called)
    board.hear("bob", Waited("bob", "CHECK", "ann calls: it waits for eve", [], 4))
    assert board.members["ann"].why == "stuck at CHECK: I call: CHECK from eve"
    board.hear("bob", Waited("bob", "CHECK", "I call: CHECK from ann", ["ann"], 4))
    assert list(board.news) == [
        "step 4 stuck at CHECK; ann: I call: CHECK from eve",
        "step 4 stuck at CHECK; bob: I call: CHECK from ann",
    ]
    board.hear("ann", decided("ann", 4, outcome="void", departures=[SILENT]))
    assert board.members["ann"].why == ""
    board.hear("ann", called)
    assert len(board.stuck) == 2


def test_who_dies_and_is_removed_for_it_is_a_problem_that_says_both() -> None:
    for removed_first in (False, True):
        board = make_board()
        if not removed_first:
            board.exited("eve", -9)
            assert board.members["eve"].condition is Condition.DIED
        board.hear("ann", decided("ann", 4, departures=[SILENT]))
        if removed_first:
            board.exited("eve", -9)
        assert board.members["eve"].condition is Condition.REMOVED
        for name in ("ann", "bob"):
            board.hear(name, ended(name))
            board.exited(name, 0)
        (problem,) = board.problems()
        assert problem == (
            "eve removed: was not heard when an attempt got stuck; its process: ended without a "
            "last word (killed by signal 9)"
        )


def test_who_was_removed_before_it_could_say_why_it_stopped_is_a_problem_that_says_both() -> None:
    board = make_board()
    board.hear("ann", decided("ann", 4, departures=[SILENT]))
    for name, code in (("ann", 0), ("bob", 0), ("eve", 5)):
        board.hear(name, ended(name, code=code, reason="cut off"))
        board.exited(name, code)
    (problem,) = board.problems()
    assert problem.endswith("got stuck; its process: cut off")


def test_void_attempts_do_not_count_as_steps_and_closing_ones_not_beyond_the_last() -> None:
    board = make_board()
    board.hear("ann", decided("ann", 9))
    assert board.counted == 10
    board.hear("ann", decided("ann", 10, outcome="closing"))
    assert board.counted == 10
    other = make_board()
    other.hear("ann", decided("ann", 4, outcome="void"))
    assert other.counted == 4


def test_the_result_is_the_mean_of_the_last_evaluations() -> None:
    board = make_board()
    for step in range(1, 8):
        board.hear("ann", Evaluated("ann", step, {"accuracy": step / 10}))
    value = board.figure("accuracy")
    assert value is not None
    assert abs(value - 0.5) < 1e-12
    assert board.figure("nothing") is None


def test_traffic_is_a_mean_over_honest_peers_and_their_steps() -> None:
    board = make_board()
    board.hear("ann", decided("ann", 0))
    board.hear("ann", decided("ann", 1, bytes_sent=3000))
    board.hear("eve", decided("eve", 0, bytes_sent=10**9))
    assert board.traffic() == (2000.0, 800.0)


def show(board: Scoreboard, *, terminal: bool) -> str:
    console = Console(file=io.StringIO(), width=140, height=50, force_terminal=terminal)
    with (LiveView if terminal else PlainView)(console) as view:
        view.update(board, 1.0)
    text = console.file
    assert isinstance(text, io.StringIO)
    return text.getvalue()


def test_both_views_show_progress_and_bans_with_their_reason() -> None:
    for terminal in (False, True):
        board = make_board()
        board.hear("ann", decided("ann", 9, departures=[BAN]))
        text = show(board, terminal=terminal)
        assert "step 10/10" in text
        assert "eve banned: aggregated a part" in text


def test_a_run_without_protection_says_so_in_both_views_and_in_red_on_a_terminal() -> None:
    for terminal in (False, True):
        text = show(make_board("none"), terminal=terminal)
        assert "NOT PROTECTED" in text
        assert ("\x1b[1;31m" in text) == terminal
    assert "NOT PROTECTED" not in show(make_board(), terminal=False)


def test_the_live_view_survives_every_peer_state_and_losses_that_are_not_finite() -> None:
    board = make_board()
    board.hear("ann", Assembling("ann", 1, 3, ["bob", "eve"]))
    assert "1 of 3 connected" in show(board, terminal=True)
    board.hear("bob", decided("bob", 0, loss=float("nan")))
    board.hear("ann", ended("ann", code=5, reason="[stage COMMIT] nothing of eve\nsecond line"))
    board.exited("eve", -9)
    text = show(board, terminal=True)
    assert "[stage COMMIT] nothing of eve" in text
    assert "died" in text


def test_the_summary_tells_agreement_files_and_problems() -> None:
    console = Console(file=io.StringIO(), width=160)
    board = finish(make_board(), model="s/bob/model.safetensors")
    board.hear("ann", ended("ann", model="p/../s/ann/model.safetensors", log="s/ann.zlog"))
    board.hear("ann", Waited("ann", "CHECK", "I call: CHECK from eve", ["eve"], 4))
    summarize(console, board, None)
    board.exited("bob", 1)
    summarize(console, board, None)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "the 2 finished peers agree" in text
    assert "model: s/ann/model.safetensors" in text
    assert "problem: bob" in text
    assert "attempts that got stuck: 1; `zpeer inspect LOG --why PEER` tells" in text


def test_the_figure_is_drawn_also_of_runs_that_diverged_or_never_evaluated(tmp_path: Path) -> None:
    board = finish(make_board())
    board.hear("ann", Evaluated("ann", 2, {"accuracy": 0.5, "loss": float("inf")}))
    curves = [curve_of(board, "attacked"), curve_of(make_board(), "empty")]
    draw(tmp_path / "figure.png", curves, "test", attack_start=3)
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_amounts_of_bytes_are_shown_in_the_unit_that_fits() -> None:
    shown = [say_bytes(count) for count in (12, 1200, 44_700_000, 2.5e9)]
    assert shown == ["12 B", "1.2 KB", "44.7 MB", "2.50 GB"]
