"""Any minority, any behaviour, any delays within Delta: no honest peer differs, is banned, or
waits for ever.

A seed is one run. One that fails is repeated, with its story, by

    python -m tests.core.test_agreement_seeds SEED --story

and A:B instead of SEED runs many, and counts.
"""

from __future__ import annotations

import sys
from collections import Counter
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.core.adversary import Adversary, count_liars
from tests.core.checkers import Watch, check_end
from tests.core.lies import all_of
from tests.core.plain import peer
from tests.core.scenes import most_delay
from tests.core.story import print_story, say
from tests.core.test_collusion import KINDS, TAMPERS
from tests.core.timed import Stream, Tamper, Timed, any_delay, edge_delay, quick_delay
from tests.core.twins import Twins
from zpeer.errors import WireError
from zpeer.record import Outcome, Record

if TYPE_CHECKING:
    from tests.core.shell import Toy
    from zpeer import effects as fx

SEEDS = 100


class Plot(NamedTuple):
    """A run, and who watched it."""

    net: Timed
    adversary: Adversary
    watch: Watch


def draw(seed: int) -> Plot:
    """The run of a seed, before it starts."""
    stream = Stream("plot", seed)
    n = stream.pick((3, 4, 4, 5, 5, 6, 7))
    most = count_liars(n)
    count = most if stream.below(4) else 1 + stream.below(most)
    liars = sorted(range(n), key=lambda i: Stream(seed, "liar", i).below(2**30))[:count]
    budget = stream.pick((1, 1, 2, 3, 5, 9))
    rest = draw_network(stream, liars)
    if stream.below(6) == 0:
        twins = Twins(n, seed=seed, doubled=liars, lives=budget, **rest)
        return Plot(twins, Adversary(twins, seed, [], 0), Watch(twins))
    net = Timed(n, seed=seed, **rest)
    for i in rest["toys"]:
        deeds = [stream.pick(sorted(TAMPERS)) for _ in range(stream.below(3))]
        victims = [each for each in range(n) if each != i]
        tampers = [TAMPERS[name](stream.pick(victims)) for name in sorted(deeds, key=is_junk)]
        net.tampers[peer(i)] = undaunted(all_of(*tampers))
    net.restoring = stream.pick((0, 0, 0, 97))
    return Plot(net, Adversary(net, seed, liars, budget), Watch(net))


def draw_network(stream: Stream, liars: list[int]) -> dict[str, Any]:
    """Delays, deadlines, limits, and liars who lie in their numbers, too."""
    computing = stream.pick((0.0, 0.0, 0.3))
    lies = stream.pick((False, False, True))
    return {
        "steps": stream.pick((1, 2, 3)),
        "delays": stream.pick((any_delay, edge_delay, quick_delay, most_delay)),
        "duplicates": stream.pick((0.0, 0.0, 0.1)),
        "computing": computing,
        "timers_last": stream.chance(0.5),
        "validators": 1 + stream.below(2),
        "work": stream.pick((10 * computing, 40.0)),
        "radius": stream.pick((inf, inf, 0.6)) if lies else inf,
        "toys": {i: stream.pick(KINDS) for i in liars if lies},
        "charges_max": stream.pick((0, 1, 2)),
    }


def undaunted(tamper: Tamper) -> Tamper:
    """Who stumbles over what another liar signed says what its core says."""

    def carry_on(ring: Any, toy: Toy, effects: list[fx.Effect]) -> list[fx.Effect]:
        try:
            return tamper(ring, toy, list(effects))
        except WireError:
            return effects

    return carry_on


def is_junk(name: str) -> bool:
    """What does not decode is said last: nothing can be changed in it."""
    return name == "junk"


def play(seed: int, *, story: bool = False) -> tuple[Plot, list[Record]]:
    """Run a seed and check what came of it."""
    plot = draw(seed)
    if story:
        plot.net.trace = []
    try:
        plot.net.run()
        return plot, check_end(plot.net)
    except Exception as problem:
        problem.add_note(f"repeat: python -m tests.core.test_agreement_seeds {seed} --story")
        if story:
            print_story(plot.net, plot.adversary.moods)
        raise


def test_no_plot_of_a_minority_splits_or_stops_the_honest() -> None:
    records = 0
    for seed in range(SEEDS):
        records += len(play(seed)[1])
    assert records > SEEDS


def test_a_seed_is_the_same_run_each_time() -> None:
    for seed in (3, 4):
        first, again = play(seed)[1], play(seed)[1]
        assert [record.head for record in first] == [record.head for record in again]


def run_many(first: int, last: int) -> int:
    """Run seeds, and print what fails and what was seen."""
    counts: Counter[str] = Counter()
    skews = [0.0, 0.0]
    start = perf_counter()
    for seed in range(first, last):
        if counts["seeds"] % 500 == 499:
            say(f"up to seed {seed}: {counts['records']} records, {counts['failed']} failed")
        counts["seeds"] += 1
        try:
            plot, records = play(seed)
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is what is looked for
            counts["failed"] += 1
            what = str(problem).splitlines() or [""]
            say(f"seed {seed}: {type(problem).__name__}: {what[0][:150]}")
            continue
        counts["records"] += len(records)
        counts["void"] += sum(record.outcome is Outcome.VOID for record in records)
        counts["by views"] += sum(bool(record.views) for record in records)
        counts.update(d.fault.name for record in records for d in record.departures)
        joined = plot.watch.find_skew(plot.watch.joined)
        skews = [max(skews[0], joined), max(skews[1], plot.watch.find_skew(plot.watch.started))]
    counts["seconds"] = int(perf_counter() - start)
    say(f"{dict(counts)}, joins {skews[0]:.2f} Delta apart at most, starts {skews[1]:.2f}")
    return counts["failed"]


if __name__ == "__main__":
    lower, _, upper = sys.argv[1].partition(":")
    if "--story" in sys.argv:
        play(int(lower), story=True)
    else:
        sys.exit(bool(run_many(int(lower), int(upper or int(lower) + 1))))
