"""Connections that break: what was under way comes again at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.transport.harness import P0, P1, Relay, relayed
from zpeer.transport import BulkFrame, links
from zpeer.transport.guard import HAS_TCP_INFO

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.transport.harness import Group

pytestmark = pytest.mark.loopback

LINUX = pytest.mark.skipif(not HAS_TCP_INFO, reason="only on Linux connections are watched")
NEVER_S = 1000.0


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
        next_beats = [link.next_beat for t in group.transports for link in t._links.values()]
        group.until(
            lambda: all(
                link.next_beat not in next_beats and link.next_beat - links.BEAT_S > 0
                for t in group.transports
                for link in t._links.values()
            ),
            "the last beats for a long time",
        )
        control.cut()
        bulk.cut()
        assert send(group)
        group.until(lambda: has_come(group), "what was sent into the broken connection")
