"""Connections that break: what was under way comes again at once."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.transport.harness import P0, P1, Group, Relay, make, relayed
from zpeer.runs.settings import RunKeys
from zpeer.transport import BulkFrame, links, sockets
from zpeer.transport.guard import HAS_TCP_INFO

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.transport.handshake import Link

pytestmark = pytest.mark.loopback

LINUX = pytest.mark.skipif(not HAS_TCP_INFO, reason="only on Linux connections are watched")
NEVER_S = 1000.0


def list_links(group: Group) -> list[Link]:
    """Between the two transports that there are."""
    first, second = group.transports
    return [first._links[P1], second._links[P0]]


@LINUX
@pytest.mark.parametrize(
    ("send", "has_come"),
    [
        pytest.param(
            lambda group: group.transports[0].send_control(P1, b"word"),
            lambda group: group.control(1, P0) == [b"word"],
            id="control",
        ),
        pytest.param(
            lambda group: group.transports[0].send_bulk(P1, b"head", b"numbers"),
            lambda group: len(group.seen(1, BulkFrame)) == 1,
            id="bulk",
        ),
    ],
)
def test_what_was_lost_with_a_connection_does_not_wait_for_the_next_beat(
    monkeypatch: pytest.MonkeyPatch,
    send: Callable[[Group], bool],
    has_come: Callable[[Group], bool],
) -> None:
    with Relay() as control, Relay() as bulk, relayed(control, bulk) as group:
        monkeypatch.setattr(links, "BEAT_S", NEVER_S)
        until = monotonic() + NEVER_S / 2
        group.until(lambda: all(link.next_beat > until for link in list_links(group)))
        control.cut()
        bulk.cut()
        assert send(group)
        group.until(lambda: has_come(group), "what was sent into the broken connection")


def test_who_has_taken_leave_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    with Group(make(0), make(1)).start() as group:
        group.until(lambda: all(t.connected() for t in group.transports))
        first, second = group.transports
        monkeypatch.setattr(links, "BEAT_S", NEVER_S)
        until = monotonic() + NEVER_S / 2
        group.until(lambda: all(link.next_beat > until for link in list_links(group)))
        assert first.send_control(P1, b"the last word")
        group.until(lambda: group.control(1, P0) == [b"the last word"])
        assert first.list_waiting() == {P1}
        second.take_leave()
        group.until(lambda: not first.list_waiting())
        assert first.send_control(P1, b"another")
        assert not first.list_waiting()
        assert not second.list_waiting()


def test_who_still_lacks_something_is_known_until_its_new_connection_has_brought_it() -> None:
    with Relay() as control, Relay() as bulk, relayed(control, bulk) as group:
        control.cut()
        assert group.transports[0].send_control(P1, b"the last word")
        assert group.transports[0].list_waiting() == {P1}
        group.until(lambda: not group.transports[0].list_waiting())
        group.until(lambda: group.control(1, P0) == [b"the last word"])


def test_a_connection_that_died_without_a_word_is_noticed_before_a_stage_is_over() -> None:
    patience_s = RunKeys(name="usual", steps=1).patience
    noticed_s = (sockets.HEARTBEAT_MS + sockets.HEARTBEAT_TIMEOUT_MS) / 1000
    assert noticed_s + 2 * sockets.RECONNECT_MS / 1000 <= patience_s - 2 * patience_s / 6


def test_what_was_sent_into_a_connection_that_died_without_a_word_comes_over_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sockets, "HEARTBEAT_MS", 100)
    monkeypatch.setattr(sockets, "HEARTBEAT_TIMEOUT_MS", 300)
    with Relay() as control, Relay() as bulk, relayed(control, bulk) as group:
        control.forget()
        bulk.forget()
        assert group.transports[0].send_control(P1, b"word")
        assert group.transports[0].send_bulk(P1, b"head", b"numbers")
        group.until(lambda: group.control(1, P0) == [b"word"])
        group.until(lambda: len(group.seen(1, BulkFrame)) == 1)
