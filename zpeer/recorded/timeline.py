"""Readable lines for people: what a core saw, and what it wanted done.

    12.345s  COMMIT from peer-3: 7 parts  (head 1a2b3c4d, step 7.0)

Pure: values in, text out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from zpeer import effects as fx
from zpeer import events as ev
from zpeer.ids import short
from zpeer.narrator import say_agreement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.ids import PeerId
    from zpeer.narrator import Narrator

INDENT = " " * 12

Relayed = (
    ev.SetRequested | ev.SetReceived | ev.ProofReceived | ev.ChainReceived | ev.CertificateReceived
)
Bulk = ev.PartArrived | ev.ResultArrived | ev.BlobArrived | ev.BlobRequested
Computed = (
    ev.SecretDrawn
    | ev.PartsComputed
    | ev.PartAggregated
    | ev.Projected
    | ev.Recomputed
    | ev.BlobProjected
    | ev.AverageTested
    | ev.Updated
)
Sending = (
    fx.SendPart
    | fx.SendResult
    | fx.SendSetRequest
    | fx.SendSet
    | fx.SendProof
    | fx.SendBlob
    | fx.SendBlobRequest
    | fx.PassOn
    | fx.SendCertificate
)


def render_event(narrator: Narrator, now: float, event: Event) -> str:
    """One line for an event."""
    return f"{now:10.3f}s  {say_event(narrator, event)}"


def say_event(narrator: Narrator, event: Event) -> str:
    """The same without the time."""
    match event:
        case ev.Started():
            return "all peers are connected: the run starts"
        case ev.MessageReceived(signed=signed):
            return narrator.say_signed(signed)
        case (
            ev.SetRequested()
            | ev.SetReceived()
            | ev.ProofReceived()
            | ev.ChainReceived()
            | ev.CertificateReceived()
        ):
            return _say_relay(narrator, event)
        case ev.PartArrived() | ev.ResultArrived() | ev.BlobArrived() | ev.BlobRequested():
            return _say_bulk(narrator, event)
        case ev.TimerFired():
            return "timer"
        case _:
            return _say_result(narrator, event)


def _say_relay(narrator: Narrator, event: Relayed) -> str:
    match event:
        case ev.SetRequested(peer=peer, head=head, stage=stage):
            return f"{narrator.name(peer)} asks for {stage.name} messages  {narrator.place(head)}"
        case ev.SetReceived(peer=peer, head=head, stage=stage, messages=messages):
            what = f"{len(messages)} {stage.name} messages"
            return f"{what} from {narrator.name(peer)}  {narrator.place(head)}"
        case ev.ProofReceived(proof=proof):
            return f"somebody {narrator.say_proof(proof)}  {narrator.place(proof.first.head)}"
        case ev.ChainReceived(view=view, witnesses=witnesses):
            through = narrator.list_names(each.sender for each in witnesses)
            return f"passed on by {through}: {narrator.say_signed(view)}"
        case ev.CertificateReceived(record=record, messages=messages):
            return f"certificate: {narrator.say_certificate(record, messages)}"


def _say_bulk(narrator: Narrator, event: Bulk) -> str:
    if isinstance(event, ev.BlobRequested):
        return f"{narrator.name(event.peer)} asks for the bytes {short(event.digest)}"
    size = f"{event.size_bytes} bytes {short(event.digest)}"
    size += "" if event.finite else ", NOT FINITE"
    match event:
        case ev.PartArrived(sender=sender, head=head):
            return f"PART from {narrator.name(sender)}: {size}  {narrator.place(head)}"
        case ev.ResultArrived(sender=sender, head=head):
            return f"RESULT from {narrator.name(sender)}: {size}  {narrator.place(head)}"
        case ev.BlobArrived():
            return f"bytes by their digest: {size}"


def _say_result(
    narrator: Narrator,
    event: Computed,
) -> str:
    return f"{_say_computed(narrator, event)}  {narrator.place(event.head)}"


def _say_computed(  # noqa: PLR0911 - one a case
    narrator: Narrator,
    event: Computed,
) -> str:
    match event:
        case ev.SecretDrawn():
            return "secret drawn"
        case ev.PartsComputed(digests=digests):
            return f"gradient computed, {len(digests)} parts"
        case ev.PartAggregated(digest=digest):
            return f"part aggregated: {short(digest)}"
        case ev.Projected(row=row):
            return f"residuals projected, {len(row)} parts"
        case ev.Recomputed(target=target):
            return f"gradient of {narrator.name(target)} computed again"
        case ev.BlobProjected(part=part, scalars=scalars):
            outcome = "unusable" if scalars is None else f"norm {scalars.norm:.6g}"
            return f"published part {part} projected: {outcome}"
        case ev.AverageTested(part=part, residual=residual):
            return f"averaging of part {part} tested: residual {residual:.3g}"
        case ev.Updated(parameters=parameters):
            return f"parameters updated: {short(parameters)}"
        case _:
            assert_never(event)


def render_effect(narrator: Narrator, effect: Effect) -> str:
    """One indented line for an effect; a paragraph for a record."""
    if isinstance(effect, fx.Decide):
        lines = narrator.record(effect.record)
        lines.insert(1, f"decided {say_agreement(effect.record, effect.verdicts)}")
        return "\n".join([f"{INDENT}-> {lines[0]}", *(f"{INDENT}   {x}" for x in lines[1:])])
    return f"{INDENT}-> {say_effect(narrator, effect)}"


def say_effect(narrator: Narrator, effect: Effect) -> str:  # noqa: PLR0911 - one a case
    """The same without the indent."""
    match effect:
        case fx.Broadcast(stage=stage, payload=payload, head=head):
            gist = narrator.gist(stage, payload)
            return f"broadcast {stage.name}{gist}  {narrator.place(head)}"
        case (
            fx.SendPart()
            | fx.SendResult()
            | fx.SendSetRequest()
            | fx.SendSet()
            | fx.SendProof()
            | fx.SendBlob()
            | fx.SendBlobRequest()
            | fx.PassOn()
            | fx.SendCertificate()
        ):
            return _say_sending(narrator, effect)
        case fx.SetTimer(at=at):
            return f"set timer to {at:.3f}s"
        case fx.Decide(record=record):
            return f"decide record {short(record.head)}"
        case fx.Release(heads=heads):
            return f"release {', '.join(map(short, heads)) or 'parameters'}"
        case fx.WriteEvidence(departure=departure):
            return f"write evidence: {narrator.say_departure(departure)}"
        case fx.Place(kind=kind, sender=sender, blob=blob, head=head):
            whose = f"the {kind.name} of {narrator.name(sender)}"
            return f"take bytes {short(blob)} as {whose}  {narrator.place(head)}"
        case fx.Warn(stage=stage, reason=reason, peers=peers):
            return f"WARN at {stage.name}: {reason}{_say_named(narrator, peers)}"
        case fx.Stop(code=code, reason=reason, peers=peers):
            return f"STOP with code {code}: {reason}{_say_named(narrator, peers)}"
        case _:
            return f"{_say_computation(narrator, effect)}  {narrator.place(effect.head)}"


def _say_named(narrator: Narrator, peers: Sequence[PeerId]) -> str:
    return f" [{narrator.list_names(peers)}]" if peers else ""


def _say_sending(  # noqa: PLR0911 - one a case
    narrator: Narrator,
    effect: Sending,
) -> str:
    match effect:
        case fx.SendPart(part=part, to=to):
            return f"send part {part} to {narrator.name(to)}"
        case fx.SendResult(to=several):
            return f"send result to {narrator.list_names(several)}"
        case fx.SendSetRequest(to=to, stage=stage):
            return f"ask {narrator.name(to)} for {stage.name} messages"
        case fx.SendSet(to=to, stage=stage, messages=messages):
            return f"send {narrator.name(to)} {len(messages)} {stage.name} messages"
        case fx.SendProof(to=several, proof=proof):
            return f"show {narrator.list_names(several)} what {narrator.say_proof(proof)}"
        case fx.SendBlob(digest=digest, to=several):
            return f"send bytes {short(digest)} to {narrator.list_names(several)}"
        case fx.SendBlobRequest(digest=digest, to=several):
            return f"ask {narrator.list_names(several)} for bytes {short(digest)}"
        case fx.PassOn(view=view, to=several):
            return f"pass on to {narrator.list_names(several)}: {narrator.say_signed(view)}"
        case fx.SendCertificate(record=record, messages=messages, to=several):
            what = narrator.say_certificate(record, messages)
            return f"show {narrator.list_names(several)} the certificate: {what}"
        case _:
            assert_never(effect)


def _say_computation(narrator: Narrator, effect: fx.Computation) -> str:  # noqa: PLR0911 - one a case
    match effect:
        case fx.DrawSecret():
            return "draw a secret"
        case fx.ComputeParts(parts=parts):
            return f"compute my gradient, {parts} parts"
        case fx.AggregatePart(part=part, rows=rows, radius=radius):
            return f"aggregate part {part} of {narrator.list_names(rows)}, radius {radius:.4g}"
        case fx.Project(beacon=beacon):
            return f"project residuals along {short(beacon)}"
        case fx.Recompute(target=target):
            return f"compute the gradient of {narrator.name(target)} again"
        case fx.ProjectBlob(part=part, blob=blob):
            return f"project published part {part} {short(blob)}"
        case fx.TestAverage(part=part):
            return f"test the averaging of part {part}"
        case fx.Update(step=step, parameters=parameters):
            return f"update parameters {short(parameters)} by step {step}"
        case _:
            assert_never(effect)
