"""A run told line by line, for whoever has to find out what went wrong."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from zpeer import effects as fx
from zpeer import events as ev
from zpeer.errors import WireError
from zpeer.ids import short
from zpeer.wire import WireLimits, decode_payload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.core.timed import Timed
    from zpeer.signed import Signed

QUIET_EVENTS = (ev.PartArrived, ev.ResultArrived, ev.SecretDrawn, ev.PartsComputed, ev.Projected,
                ev.PartAggregated, ev.Updated, ev.Recomputed)  # fmt: skip
QUIET_EFFECTS = (fx.SetTimer, fx.Release, fx.DrawSecret, fx.ComputeParts, fx.AggregatePart,
                 fx.Project, fx.Update, fx.Recompute, fx.SendPart, fx.SendResult)  # fmt: skip


def say(line: str) -> None:
    """For people who run a seed by hand."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def print_story(net: Timed, moods: Mapping[Any, Any]) -> None:
    """All that happened, and what the liars were up to."""
    for (liar, head), mood in moods.items():
        say(f"peer {liar[0]} at {short(head)}: {mood}")
    for now, me, event, effects in net.trace or []:
        done = [tell_effect(net, effect) for effect in effects]
        told = [each for each in done if each]
        if told or not isinstance(event, QUIET_EVENTS):
            say(f"{now:9.3f}  {me[0]}  {tell_event(net, event)}")
            for each in told:
                say(f"              -> {each}")


def tell_event(net: Timed, event: ev.Event) -> str:
    """One event."""
    match event:
        case ev.MessageReceived(signed=signed):
            return tell_signed(net, signed)
        case ev.ChainReceived(view=view, witnesses=witnesses):
            through = ", ".join(str(each.sender[0]) for each in witnesses)
            return f"chain of {tell_signed(net, view)} through {through}"
        case ev.SetReceived(peer=peer, stage=stage, messages=messages):
            senders = ",".join(str(each.sender[0]) for each in messages)
            return f"set {stage.name} from {peer[0]}: {senders}"
        case ev.SetRequested(peer=peer, head=head, stage=stage):
            return f"asked by {peer[0]} for {stage.name} at {short(head)}"
        case ev.CertificateReceived(messages=messages):
            return f"certificate by {','.join(str(each.sender[0]) for each in messages)}"
        case _:
            return type(event).__name__


def tell_signed(net: Timed, signed: Signed) -> str:
    """One signed body."""
    said = (
        f"{signed.stage.name} of {signed.sender[0]} at {short(signed.head)} [{short(signed.body)}]"
    )
    try:
        limits = WireLimits(len(net.genesis.peers), net.genesis.directions)
        return f"{said} {tell_fields(decode_payload(signed.stage, signed.payload, limits))}"
    except WireError:
        return f"{said} (not readable)"


def tell_fields(message: Any) -> str:
    """What distinguishes one body from another."""
    found = []
    for field in ("echo", "record", "views", "commits", "secret", "claims", "proofs"):
        value = getattr(message, field, None)
        if isinstance(value, bytes):
            found.append(f"{field} {short(value)}")
        elif value:
            known = field == "claims"
            found.append(f"{field} {[each[0] for each in value] if known else len(value)}")
    return ", ".join(found)


def tell_effect(net: Timed, effect: fx.Effect) -> str:  # noqa: PLR0911 - one table
    """One effect; nothing of what only computes."""
    match effect:
        case fx.Broadcast(stage=stage, payload=payload):
            limits = WireLimits(len(net.genesis.peers), net.genesis.directions)
            return f"{stage.name}: {tell_fields(decode_payload(stage, payload, limits))}"
        case fx.Decide(record=record):
            gone = ", ".join(f"{d.peer[0]} {d.fault.name}" for d in record.departures)
            by = f"by {len(record.views)} views" if record.views else "by sets"
            return (
                f"DECIDES {short(record.head)}: step {record.step}.{record.attempt}"
                f" {record.outcome.name} {by}; {gone}"
            )
        case fx.PassOn(view=view, witnesses=witnesses):
            return (
                f"passes on {view.stage.name} of {view.sender[0]}, {len(witnesses) + 1} witnesses"
            )
        case fx.SendSetRequest(to=to, stage=stage):
            return f"asks {to[0]} for {stage.name}"
        case fx.SendSet(to=to, stage=stage, messages=messages):
            return f"shows {to[0]} {len(messages)} {stage.name}"
        case fx.Warn(reason=reason):
            return f"warns: {reason}"
        case fx.Stop(code=code, reason=reason):
            return f"STOPS {code}: {reason}"
        case _:
            return "" if isinstance(effect, QUIET_EFFECTS) else type(effect).__name__
