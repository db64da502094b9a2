"""What comes before its head is known: kept in few slots, delivered when it has come."""

from __future__ import annotations

from tests.core.lies import attempt_of, check_honest
from tests.core.pieces import commit_of, run_to, started, view_of, witness
from tests.core.plain import peer
from tests.core.toy import Ring
from zpeer import events as ev
from zpeer.core.early import HEADS_REMEMBERED, keep_early, keep_early_chain
from zpeer.ids import NOTHING, Digest, PeerId, digest
from zpeer.signed import Signed, Stage

NEXT = digest("the next head")


def test_messages_of_strangers_other_heads_and_other_stages_fill_no_slot() -> None:
    ring = started(4)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    for signed in (commit_of(77, head), commit_of(77, digest("other"))):
        toy.tell(ev.MessageReceived(signed), 0.0)
    assert not attempt_of(toy).messages
    assert not toy.core._context.state.early


def test_what_builds_on_the_next_head_waits_for_it_in_one_slot_a_sender_and_kind() -> None:
    ring = started(4)
    core = ring.toys[peer(0)].core
    for k in range(50):
        core.handle(ev.MessageReceived(commit_of(1, digest("head", bytes([k])))), 0.0)
        head = digest("head", bytes([k]))
        core.handle(ev.PartArrived(head, peer(1), head, 8, finite=True), 0.0)
        core.handle(ev.ResultArrived(head, peer(1), head, 8, finite=True), 0.0)
    early = core._context.state.early
    assert len(early) == 3
    assert {e.head for e in early.values()} == {digest("head", bytes([49]))}


def test_what_comes_for_a_past_head_is_late_and_dropped() -> None:
    ring = Ring(4)
    toy = run_to(ring, Stage.COMMIT, records=1)
    toy.tell(ev.MessageReceived(commit_of(1, ring.genesis.run, 5)), ring.now)
    assert ring.genesis.run not in {e.head for e in toy.core._context.state.early.values()}
    assert not keep_early(toy.core._context, ring.genesis.run, peer(1), 1)
    assert keep_early(toy.core._context, NEXT, peer(1), 1)


def test_only_the_last_heads_are_remembered() -> None:
    ring = Ring(4, steps=HEADS_REMEMBERED + 6).run()
    records = check_honest(ring)
    state = ring.toys[peer(0)].core._context.state
    heads = [ring.genesis.run, *(r.head for r in records)][: len(records)]
    assert state.known_heads == heads[-HEADS_REMEMBERED:]


class Late(Ring):
    """Peer 0 starts two seconds after the others."""

    def run(self, limit: int = 200_000) -> Ring:
        self.push(peer(0), ev.Started(), delay=2.0)
        for i in range(1, len(self.toys)):
            self.push(peer(i), ev.Started())
        while self.step():
            pass
        return self


def test_first_words_before_the_start_are_not_lost() -> None:
    check_honest(Late(4).run())
    core = Ring(4).toys[peer(0)].core
    assert core.handle(ev.TimerFired(), 0.0) == []
    assert core.head == Ring(4).genesis.run
    assert core.handle(ev.MessageReceived(commit_of(77, core.head)), 0.0) == []
    assert not core._context.state.early


def test_a_call_before_the_start_is_joined_at_the_start() -> None:
    ring = Ring(4)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    view = view_of(1, head, claims=(peer(2),))
    assert toy.tell(ev.ChainReceived(view, (witness(3, view),)), 0.0) == []
    assert toy.tell(ev.MessageReceived(view_of(2, head)), 0.0) == []
    toy.tell(ev.Started(), 0.0)
    attempt = attempt_of(toy)
    assert attempt.slow is not None
    assert set(attempt.views) == {peer(1), peer(2)}
    assert attempt.chains[view.body] == (witness(3, view),)


def test_parts_before_their_commit_are_used_after_it() -> None:
    class PartsFirst(Ring):
        def push(self, to: PeerId, event: ev.Event, delay: float = 0.001) -> None:
            is_commit = isinstance(event, ev.MessageReceived) and event.signed.stage is Stage.COMMIT
            super().push(to, event, delay + 0.5 * is_commit)

    check_honest(PartsFirst(4).run())


def test_a_delivered_part_is_not_replaced_by_a_later_one() -> None:
    ring = started(4)
    toy, head = ring.toys[peer(0)], ring.genesis.run
    for k in (1, 2):
        name = digest("part", bytes([k]))
        toy.tell(ev.PartArrived(head, peer(1), name, 8, finite=True), 0.0)
    toy.tell(ev.PartArrived(head, peer(77), NOTHING, 8, finite=True), 0.0)
    assert {p: a.digest for p, a in attempt_of(toy).parts.items()} == {
        peer(1): digest("part", bytes([1]))
    }


# --- chains ---------------------------------------------------------------------------------------


def next_view(i: int, variant: int = 0, head: Digest = NEXT) -> Signed:
    """A VIEW of peer i for the next head."""
    return view_of(i, head, secret=digest("secret", bytes([variant])))


def test_of_a_head_to_come_two_views_of_each_origin_are_kept_for_who_passed_them_on() -> None:
    context = started(4).toys[peer(0)].core._context
    kept = context.state.early_chains
    for k in range(40):
        view = next_view(k % 4, k)
        keep_early_chain(context, view, (witness(1, view),))
    assert set(kept) == {peer(1)}
    assert len(kept[peer(1)]) == 8
    view = next_view(2)
    keep_early_chain(context, view, (witness(1, view), witness(3, view)))
    assert [each.view for each in kept[peer(3)]] == [view]


def test_chains_of_strangers_or_through_nobody_or_of_a_past_head_are_not_kept() -> None:
    ring = Ring(4)
    toy = run_to(ring, Stage.COMMIT, records=1)
    context = toy.core._context
    view, strange, old = next_view(1), next_view(77), next_view(1, head=ring.genesis.run)
    keep_early_chain(context, view, ())
    keep_early_chain(context, view, (witness(77, view),))
    keep_early_chain(context, strange, (witness(2, strange),))
    keep_early_chain(context, old, (witness(2, old),))
    assert not context.state.early_chains


def test_another_head_to_come_takes_the_place_of_the_one_before() -> None:
    context = started(4).toys[peer(0)].core._context
    for head in (NEXT, digest("another")):
        for k in range(3):
            view = next_view(k, head=head)
            keep_early_chain(context, view, (witness(1, view),))
    held = context.state.early_chains[peer(1)]
    assert [each.view.head for each in held] == [digest("another")] * 3


def test_of_what_was_kept_only_what_is_of_the_head_that_came_is_taken() -> None:
    head = run_to(Ring(4), Stage.COMMIT, records=1).records[0].head
    ring = Ring(4)
    toy = run_to(ring, Stage.VERDICT)
    good, never = next_view(1, head=head), next_view(2)
    toy.tell(ev.ChainReceived(good, (witness(3, good),)), ring.now)
    toy.tell(ev.ChainReceived(never, (witness(2, never),)), ring.now)
    run_to(ring, Stage.COMMIT, records=1)
    attempt = attempt_of(toy)
    assert attempt.base.head == head
    assert attempt.views == {peer(1): (good,)}
    assert attempt.chains == {good.body: (witness(3, good),)}
    assert not toy.core._context.state.early_chains
