"""What meddles with real runs does what it says, and what becomes of them is judged rightly."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.swarm.test_scoreboard import decided, ended
from tools.faults import CUT_OFF, KILLED, NAMES, REMOVED, Fault, make_faults, nothing
from tools.process_faults import find_problems, show_row
from tools.relay import Line, Relay, open_door
from tools.scene import Outcome, Player, Scene, Span
from zpeer.observations import Left
from zpeer.swarm.scoreboard import Member, Scoreboard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.scene import Wait

VICTIM = "peer-3"
OTHERS = [name for name in NAMES if name != VICTIM]
GONE = Fault("gone", nothing, 0, {VICTIM: (KILLED, CUT_OFF)})
WELL = Fault("well", nothing, 0)


def make_outcome(
    codes: dict[str, int],
    *,
    left: dict[str, bool] | None = None,
    parameters: dict[str, str] | None = None,
    hanging: list[str] | None = None,
    is_played: bool = True,
) -> Outcome:
    """A run of which this became; `left`: who left, and whether banned."""
    gone = left or {}
    board = Scoreboard([Member(name) for name in NAMES], run="faults", steps=10)
    departures = [Left(who, "SILENT", "was silent", banned=banned) for who, banned in gone.items()]
    board.hear(NAMES[0], decided(NAMES[0], 3, departures=departures))
    roster = [name for name in NAMES if name not in gone]
    for name in NAMES:
        code = codes.get(name, 0)
        if code >= 0:
            last = ended(name, code=code, roster=roster)
            changed = (parameters or {}).get(name, last.parameters)
            board.hear(name, ended(name, code=code, roster=roster, parameters=changed))
        if name not in (hanging or ()):
            board.exited(name, code)
    return Outcome(Path("nowhere"), board, Span({}, {}), 10.0, is_played, hanging or [])


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (WELL, make_outcome({})),
        (GONE, make_outcome({VICTIM: KILLED}, left={VICTIM: False})),
        (GONE, make_outcome({VICTIM: CUT_OFF}, left={VICTIM: False})),
    ],
)
def test_a_run_that_ended_as_it_must_is_no_problem(fault: Fault, outcome: Outcome) -> None:
    assert find_problems(fault, outcome) == []


@pytest.mark.parametrize(
    ("fault", "outcome", "says"),
    [
        (GONE, make_outcome({VICTIM: REMOVED}, left={VICTIM: False}), "ended with 4, expected -9"),
        (GONE, make_outcome({VICTIM: KILLED}), "removed were [], expected ['peer-3']"),
        (GONE, make_outcome({VICTIM: KILLED}, left={VICTIM: True}), "peer-3 was banned"),
        (WELL, make_outcome({"peer-1": CUT_OFF}), "peer-1 ended with 5, expected 0"),
        (WELL, make_outcome({}, left={"peer-1": False}), "peer-1 was removed"),
        (WELL, make_outcome({"peer-2": KILLED}), "peer-2 ended with -9, expected 0"),
        (WELL, make_outcome({}, parameters={"peer-5": "other"}), "differ in parameters"),
        (WELL, make_outcome({}, hanging=["peer-4"]), "peer-4 had to be ended"),
        (WELL, make_outcome({}, is_played=False), "was over before the fault was"),
    ],
)
def test_anything_else_is_named(fault: Fault, outcome: Outcome, says: str) -> None:
    found = find_problems(fault, outcome)
    assert any(says in problem for problem in found), found
    assert all(problem.startswith(f"{fault.label}: ") for problem in found)


def test_no_fault_lets_a_peer_be_banned_and_every_one_says_who_may_leave() -> None:
    for packets in (False, True):
        for fault in make_faults(packets):
            assert set(fault.fates) <= set(NAMES)
            assert all(0 not in codes for codes in fault.fates.values())


def test_a_row_shows_how_those_ended_whom_it_struck() -> None:
    outcome = make_outcome({VICTIM: CUT_OFF, **dict.fromkeys(OTHERS, CUT_OFF)})
    fault = Fault("halves", nothing, 0, dict.fromkeys(NAMES, (CUT_OFF,)))
    assert show_row(fault, outcome)[2:4] == ["8 cut off", "0"]


# --- scripts --------------------------------------------------------------------------------------


def test_a_script_goes_on_when_what_it_waits_for_has_come() -> None:
    said: list[str] = []
    is_there = [False]

    def script(scene: Scene) -> Iterator[Wait]:
        said.append("begin")
        yield lambda: is_there[0]
        said.append("there")
        yield 5.0
        said.append("later")

    player = Player(script(Scene(Scoreboard([], run="", steps=1), None)))
    player.turn(0.0)
    player.turn(1.0)
    assert said == ["begin"]
    is_there[0] = True
    player.turn(2.0)
    player.turn(6.9)
    assert said == ["begin", "there"]
    ends = [player.is_over]
    player.turn(7.0)
    assert said == ["begin", "there", "later"]
    assert [*ends, player.is_over] == [False, True]
    player.turn(8.0)


# --- the relay ------------------------------------------------------------------------------------


class Echo:
    """A port that gives back what it is sent."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(caller,), daemon=True).start()

    def _echo(self, caller: socket.socket) -> None:
        with caller:
            try:
                while data := caller.recv(1 << 16):
                    caller.sendall(data)
            except OSError:
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def door() -> Iterator[tuple[Relay, int]]:
    """Peer b behind a relay, and the relay's port; whoever calls is peer a."""
    with closing(Echo()) as echo:
        inside = open_door("b", echo.port)
        with Relay([inside], lambda _address: "a") as relay:
            yield relay, inside.port


def receive(caller: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = caller.recv(count - len(data))
        assert more, data
        data += more
    return data


@pytest.mark.loopback
def test_a_relay_carries_everything_in_order_also_where_pieces_are_lost(
    door: tuple[Relay, int],
) -> None:
    relay, port = door
    relay.impair(Line(delay_s=0.01, loss=0.3))
    with socket.create_connection(("127.0.0.1", port), timeout=20.0) as caller:
        said = [b"%04d" % place for place in range(20)]
        for piece in said:
            caller.sendall(piece)
        assert receive(caller, 80) == b"".join(said)


@pytest.mark.loopback
def test_nothing_passes_between_parted_peers_until_they_are_together_again(
    door: tuple[Relay, int],
) -> None:
    relay, port = door
    with socket.create_connection(("127.0.0.1", port), timeout=20.0) as caller:
        caller.sendall(b"before")
        assert receive(caller, 6) == b"before"
        relay.part(("a",), ("b",))
        caller.sendall(b"after")
        with socket.create_connection(("127.0.0.1", port), timeout=20.0) as other:
            other.sendall(b"other")
            for parted in (caller, other):
                parted.settimeout(0.2)
                with pytest.raises(TimeoutError):
                    parted.recv(1)
                parted.settimeout(20.0)
            relay.heal()
            assert receive(caller, 5) == b"after"
            assert receive(other, 5) == b"other"


@pytest.mark.loopback
@pytest.mark.parametrize(("named", "is_cut"), [((), True), (("b",), True), (("c",), False)])
def test_a_reset_ends_the_connections_of_those_named(
    door: tuple[Relay, int], named: tuple[str, ...], is_cut: bool
) -> None:
    relay, port = door
    with socket.create_connection(("127.0.0.1", port), timeout=20.0) as caller:
        caller.sendall(b"before")
        assert receive(caller, 6) == b"before"
        relay.reset(*named)
        if is_cut:
            with pytest.raises(ConnectionResetError):
                caller.recv(1)
        else:
            caller.sendall(b"after")
            assert receive(caller, 5) == b"after"
