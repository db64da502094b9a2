"""One mind for all Byzantine peers of a timed run, drawn from a seed.

In each attempt every one of them is in some *mood*, for its words, its bulk bytes, its calls, its
views, its CLOSED, its DECIDED, its relaying and its answers: it keeps quiet towards some, speaks at
the last moment, tells two stories, says what cannot be read, echoes what never was, calls with
claims true and false, hides its view and lets colluders sign for it, ends the rounds for one alone.
After so many attempts all of them are honest again, as far as their cores still follow.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from tests.core.forging import (
    A_LITTLE,
    JUNK,
    chain_of,
    echo_otherwise,
    last_moment,
    last_round,
    make_view,
    read,
    resign,
    say_otherwise,
    tell,
)
from tests.core.moods import CAMPAIGNS, CLOSEDS, CONTENTS, Mood
from tests.core.plain import peer, sign
from tests.core.timed import DELTA, Delivery, Stream, attempt_of, has_started
from zpeer import effects as fx
from zpeer import events as ev
from zpeer.core.broadcast import faulty_max
from zpeer.ids import NOTHING, Digest, PeerId, digest, digest_bytes
from zpeer.messages import Closed, Decided, View
from zpeer.proofs import Equivocation, Misdeed
from zpeer.signed import STEP_STAGES, Signed, Stage
from zpeer.wire import encode_payload

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.core.shell import Toy
    from tests.core.timed import Sent, Timed


class Adversary:
    """All Byzantine peers of a run. `budget`: in how many attempts they misbehave."""

    def __init__(self, net: Timed, seed: int, liars: Iterable[int], budget: int) -> None:
        self.net = net
        self.seed = seed
        self.liars = [peer(i) for i in liars]
        self.budget = budget
        self.campaign = Stream("campaign", seed).pick(("none", "none", *CAMPAIGNS))
        self.heights: dict[Digest, int] = {net.genesis.run: 0}
        self.moods: dict[tuple[PeerId, Digest], Mood] = {}
        self.views: dict[tuple[PeerId, Digest], list[Signed]] = defaultdict(list)
        self.seen: dict[Digest, list[Signed]] = defaultdict(list)
        """Signed by honest peers, by head."""
        self.crashed: set[PeerId] = set()
        self.called: set[Digest] = set()
        for liar in self.liars:
            net.minds[liar] = self.speak
        net.watchers.append(self.watch)

    def get_mood(self, liar: PeerId, head: Digest) -> Mood | None:
        """What it is up to; None if it is honest by now."""
        height = self.heights.get(head)
        if height is None or height >= self.budget:
            return None
        if (liar, head) not in self.moods:
            stream = Stream("mood", self.seed, liar[0], height)
            others = [each for each in self.net.genesis.peers if each != liar]
            honest = [each for each in others if each not in self.liars]
            always = Stream("victim", self.seed).pick(honest)
            victim = stream.pick((always, stream.pick(honest)))
            shown_to = stream.pick((victim, *honest))
            plans = CAMPAIGNS[self.campaign]
            self.moods[liar, head] = Mood(stream, others, victim, plans[height % len(plans)])
            self.moods[liar, head].shown_to = shown_to
        return self.moods[liar, head]

    # --- what it sees -----------------------------------------------------------------------------

    def watch(self, net: Timed, toy: Toy, event: ev.Event, effects: list[Any]) -> None:
        """Every event of every peer."""
        if toy.me in self.liars:
            return
        for effect in effects:
            if isinstance(effect, fx.Decide):
                record = effect.record
                self.heights[record.head] = self.heights[record.previous] + 1
                self.plan_calls(record.head)
            elif isinstance(effect, fx.Broadcast):
                signed = sign(effect.stage, effect.head, toy.me, effect.payload)
                self.seen[effect.head].append(signed)
                if effect.stage is Stage.VIEW:
                    self.on_join(toy, effect.head)
                elif effect.stage is Stage.CLOSED:
                    self.on_closed(toy, effect.head, signed)
        if isinstance(event, ev.Started):
            self.plan_calls(net.genesis.run)

    # --- calls and views --------------------------------------------------------------------------

    def plan_calls(self, head: Digest) -> None:
        """Call at some time of the attempt."""
        if head not in self.called:
            self.called.add(head)
            for liar in self.liars:
                mood = self.get_mood(liar, head)
                if mood is not None and mood.call != "no":
                    self.net.later(self.net.now + mood.call_after, partial(self.call, liar, head))

    def call(self, liar: PeerId, head: Digest) -> None:
        """Show a view with claims."""
        mood = self.get_mood(liar, head)
        assert mood is not None
        if liar in self.crashed or self.views[liar, head]:
            return
        view = self.make_view(liar, head, self.draw_claims(liar, mood))
        signers = self.colluders(liar, mood) if mood.call == "through chains" else []
        for to in mood.to if mood.call == "to some" else self.net.genesis.peers:
            if to not in self.liars:
                self.net.at(self.net.now, Delivery(to, chain_of(view, signers)))

    def draw_claims(self, liar: PeerId, mood: Mood) -> tuple[PeerId, ...]:
        """Sometimes nobody, oneself, a stranger, or one twice: then nobody may take it."""
        stream = mood.stream
        peers = [each for each in self.net.genesis.peers if each != liar]
        claims = [stream.pick(peers)] if stream.below(3) else list(stream.some(peers))
        odd = stream.below(12)
        extra = {0: [liar], 1: [PeerId(digest("stranger"))], 2: claims[:1], 3: []}.get(odd)
        if extra is not None:
            return tuple(claims + extra) if odd < 3 else ()
        return tuple(dict.fromkeys(claims))

    def make_view(
        self, liar: PeerId, head: Digest, claims: tuple[PeerId, ...] | None = None
    ) -> Signed:
        """One more view of this liar."""
        mood = self.get_mood(liar, head)
        held = self.views[liar, head]
        changes: dict[str, Any] = {}
        if mood is not None:
            changes = self.draw_content(liar, head, mood, len(held))
        if claims is not None:
            changes["claims"] = claims
        toy = self.net.toys[liar]
        made = make_view(toy, head, **changes) if has_started(toy) else None
        signed = made or sign(Stage.VIEW, head, liar, encode_payload(View(**changes)))
        if any(each.body == signed.body for each in held):
            message = read(toy, signed)
            signed = resign(signed, say_otherwise(message, Stage.VIEW, len(held)))
        held.append(signed)
        return signed

    def draw_content(self, liar: PeerId, head: Digest, mood: Mood, which: int) -> dict[str, Any]:  # noqa: PLR0911 - one table
        """What is different in this view."""
        content = mood.content if which == 0 else mood.stream.pick(CONTENTS)
        match content:
            case "no secret":
                return {"secret": NOTHING}
            case "wrong secret":
                return {"secret": digest(f"wrong {which}")}
            case "no vote":
                return {"record": NOTHING}
            case "false vote":
                return {"record": digest("no such record")}
            case "no commits":
                return {"commits": NOTHING}
            case "false commits":
                return {"commits": digest("no such set")}
            case "claims":
                return {"claims": self.draw_claims(liar, mood)}
            case "frame" if self.seen[head]:
                return {"proofs": (self.frame(head, mood.stream),)}
        return {}

    def frame(self, head: Digest, stream: Stream) -> Equivocation | Misdeed:
        """What looks like a proof against an honest peer."""
        said = [each for each in self.seen[head] if each.stage in STEP_STAGES[:4]]
        first = stream.pick(said or self.seen[head])
        same = [each for each in self.seen[head] if each.sender == first.sender]
        second = stream.pick(same)
        if stream.below(3) == 0 or first not in said:
            return Equivocation(first.statement, second.statement)
        return Misdeed((first, second) if second in said and stream.below(2) else (first,))

    def colluders(self, liar: PeerId, mood: Mood) -> list[PeerId]:
        """Who signs under its words besides itself."""
        return [each for each in self.liars if each != liar][: mood.signatures - 1]

    def on_join(self, toy: Toy, head: Digest) -> None:
        """An honest peer has joined: views are shown to it at the edge of some round."""
        for liar in self.liars:
            mood = self.get_mood(liar, head)
            if mood is None or "edge" not in mood.view or mood.shown_to != toy.me:
                continue
            signers = self.colluders(liar, mood)
            until = last_round(self.net, toy.me, head, 1 + len(signers))
            for _ in range(1 + mood.stream.below(2)):
                view = self.make_view(liar, head)
                self.net.at(until, Delivery(toy.me, chain_of(view, signers)))

    # --- the end of the rounds --------------------------------------------------------------------

    def on_closed(self, toy: Toy, head: Digest, closed: Signed) -> None:
        """An honest peer has closed: end the rounds for it alone, at the last moment."""
        attempt = attempt_of(toy)
        plotters = [
            (liar, mood)
            for liar in self.liars
            if (mood := self.get_mood(liar, head)) and mood.victim == toy.me
        ]
        if attempt.slow is None or not any(mood.closed in CLOSEDS[5:] for _, mood in plotters):
            return
        mood = next(mood for _, mood in plotters if mood.closed in CLOSEDS[5:])
        same = {each: resign(replace(closed, sender=each), closed.payload) for each in self.liars}
        voices: list[PeerId] = []
        carrier = closed
        if mood.closed == "voices":
            carrier = same[self.liars[0]]
            voices = self.liars[1 : 1 + mood.signatures]
        elif mood.closed == "borrowed voices":
            by = [each for each in self.seen[head] if each.payload == closed.payload]
            carrier = mood.stream.pick([each for each in by if each.stage is Stage.CLOSED])
            voices = self.liars[: mood.signatures]
        late = mood.stream.pick((0.0, 0.0, 6.0)) * mood.stream.share()
        until = attempt.slow.joined + (7 + 3 * len(voices) + late) * DELTA - A_LITTLE
        for signed in same.values():
            self.net.at(until, tell(toy.me, signed))
        others = [each for each in self.seen[head] if each.stage is Stage.CLOSED]
        shown = ev.SetReceived(self.liars[0], head, Stage.CLOSED, tuple(others))
        self.net.at(until, Delivery(toy.me, shown))
        if voices:
            self.net.at(until, Delivery(toy.me, chain_of(carrier, voices)))

    # --- what it says -----------------------------------------------------------------------------

    def speak(self, net: Timed, toy: Toy, delivery: Delivery) -> list[Sent] | None:  # noqa: PLR0911 - one table
        """What becomes of what a liar's core sends."""
        if toy.me in self.crashed:
            return []
        event = delivery.event
        head = (
            event.signed.head
            if isinstance(event, ev.MessageReceived)
            else attempt_of(toy).base.head
        )
        mood = self.get_mood(toy.me, head)
        if mood is None:
            return None
        match event:
            case ev.MessageReceived(signed=signed) if signed.stage in STEP_STAGES:
                return self.say(toy, delivery, signed, mood)
            case ev.MessageReceived(signed=signed) if signed.stage is Stage.VIEW:
                return self.show_view(toy, delivery, signed, mood)
            case ev.MessageReceived(signed=signed):
                kind = mood.closed if signed.stage is Stage.CLOSED else mood.decided
                return self.conclude(delivery, signed, mood, kind)
            case ev.PartArrived() | ev.ResultArrived():
                return self.send_bulk(delivery, mood)
            case ev.ChainReceived():
                return self.choose(delivery, mood, mood.relay)
            case _:
                return self.answer(delivery, mood)

    def choose(self, delivery: Delivery, mood: Mood, kind: str) -> list[Sent] | None:
        """To all, to some, to nobody, or late."""
        if kind == "none" or (kind == "to some" and delivery.to not in mood.to):
            return []
        return [(mood.stream.share() * 9 * DELTA, delivery)] if kind == "late" else None

    def say(self, toy: Toy, delivery: Delivery, signed: Signed, mood: Mood) -> list[Sent] | None:  # noqa: C901, PLR0911 - one table
        """A word of the step."""
        if signed.stage is Stage.CHECK and mood.check != "as it is":
            signed = self.change_check(toy, signed, mood)
            delivery = tell(delivery.to, signed)
        message = read(toy, signed)
        is_now = signed.stage is mood.stage
        chosen = delivery.to in mood.to
        match mood.words:
            case "mute" if signed.stage >= mood.stage:
                return []
            case "crash" if is_now:
                self.crashed.add(toy.me)
                return []
            case "freeze" if is_now and toy.me not in self.net.frozen:
                until = self.net.now + mood.stream.share() * mood.stream.pick((4.0, 12.0, 60.0))
                self.net.frozen[toy.me] = (self.net.now, until)
                return [(until - self.net.now + mood.stream.share(), delivery)]
            case "to some" if is_now and chosen:
                return []
            case "late" if is_now and chosen:
                late = last_moment(self.net, delivery.to, signed)
                return [(late - self.net.now, delivery)]
            case "two" if is_now and chosen and message:
                other = resign(signed, say_otherwise(message, signed.stage))
                return [(mood.stream.share(), tell(delivery.to, other))]
            case "junk" if is_now and (chosen or mood.signatures > 2):
                return [(mood.stream.share(), tell(delivery.to, resign(signed, JUNK)))]
            case "echo" if is_now and chosen and message:
                other = resign(signed, echo_otherwise(message))
                return [(mood.stream.share(), tell(delivery.to, other))]
            case "noise" if mood.stream.below(4) == 0:
                return self.make_noise(delivery, signed, message, mood)
        return [(mood.stream.share(), delivery)] if mood.check != "as it is" else None

    def make_noise(
        self, delivery: Delivery, signed: Signed, message: Any, mood: Mood
    ) -> list[Sent]:
        """Nothing, something later, something else, or both."""
        stream = mood.stream
        sent: list[Sent] = []
        if stream.below(2):
            sent.append((stream.share() * 12 * DELTA, delivery))
        if message and stream.below(2):
            other = resign(signed, say_otherwise(message, signed.stage, stream.below(3)))
            sent.append((stream.share() * 4 * DELTA, tell(delivery.to, other)))
        return sent

    def change_check(self, toy: Toy, signed: Signed, mood: Mood) -> Signed:
        """Leave out what calls left to settle, or add what settles nothing; the same to all."""
        check = read(toy, signed)
        if check is None:
            return signed
        old = [each for said in self.seen.values() for each in said if each.stage is Stage.VIEW]
        old += [each for views in self.views.values() for each in views]
        count = toy.core._context.limits.peers
        head = signed.head
        match mood.check:
            case "frame" if self.seen[head]:
                proofs = tuple(self.frame(head, Stream(self.seed, k)) for k in range(3))
                check = replace(check, proofs=proofs)
            case "old views":
                check = replace(check, views=tuple(old[-count:]))
            case "no views":
                check = replace(check, views=(), proofs=())
        return resign(signed, encode_payload(check))

    def show_view(self, toy: Toy, delivery: Delivery, signed: Signed, mood: Mood) -> list[Sent]:
        """A view: its core has signed one, but a liar shows what it likes."""
        held = self.views[toy.me, signed.head]
        while len(held) < {"two": 2, "three": 3}.get(mood.view, 1):
            self.make_view(toy.me, signed.head)
        place = self.net.genesis.peers.index(delivery.to)
        shown = {
            "none": [],
            "edge": [],
            "to some": held[:1] if delivery.to in mood.to else [],
            "two": held[delivery.to in mood.to :][:1],
            "three": [view for k, view in enumerate(held) if k != place % 3],
        }.get(mood.view, held[:1])
        delay = mood.stream.share() * mood.stream.pick((1, 1, 4)) * DELTA
        return [(delay, tell(delivery.to, view)) for view in shown]

    def conclude(
        self, delivery: Delivery, signed: Signed, mood: Mood, kind: str
    ) -> list[Sent] | None:
        """CLOSED and DECIDED."""
        said = Closed(digest("other")) if signed.stage is Stage.CLOSED else Decided(digest("other"))
        other = tell(delivery.to, resign(signed, encode_payload(said)))
        if kind == "false" or (kind == "two" and delivery.to in mood.to):
            return [(mood.stream.share() * DELTA, other)]
        if kind in CLOSEDS[5:]:
            return []
        return self.choose(delivery, mood, kind)

    def send_bulk(self, delivery: Delivery, mood: Mood) -> list[Sent] | None:
        """PART or RESULT."""
        event = delivery.event
        kind = "part" if isinstance(event, ev.PartArrived) else "result"
        if delivery.to not in mood.to or kind not in mood.bulk:
            return None
        if mood.bulk.startswith("no"):
            return []
        data = bytes(len(delivery.data))
        event = replace(event, digest=digest_bytes(data), finite=True)
        return [(mood.stream.share() * DELTA, Delivery(delivery.to, event, data))]

    def answer(self, delivery: Delivery, mood: Mood) -> list[Sent] | None:
        """Questions and answers."""
        event = delivery.event
        if mood.answers == "parts" and isinstance(event, ev.SetReceived):
            kept = mood.stream.some(event.messages)
            event = replace(event, messages=kept)
            return [(mood.stream.share() * DELTA, Delivery(delivery.to, event))]
        return self.choose(delivery, mood, mood.answers)


def count_liars(n: int) -> int:
    """F: any minority."""
    return faulty_max(n)
