"""Colluders who lie in several ways at once: the honest keep their places, agree, and finish.

The lies are those of the other tests, drawn at random and combined; bulk bytes go to some and not
to others; messages take times of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.lies import (
    BadParts,
    Covering,
    CoveringFar,
    Flipping,
    Shifting,
    accuse_draw,
    accuse_part,
    accusing,
    all_of,
    attempt_of,
    keep_quiet,
    misstate,
    saying,
)
from tests.core.plain import peer
from tests.core.test_adjudicate import voting
from tests.core.test_check import conceal, denounce_report, lazy
from tests.core.test_machine import Shuffled
from tests.core.toy import Ring, Toy
from zpeer import effects as fx
from zpeer.faults import FaultKind
from zpeer.ids import digest
from zpeer.messages import Guilt
from zpeer.signed import Stage

if TYPE_CHECKING:
    from collections.abc import Callable


def publishing_to_some(to: int | None) -> Callable[..., list[fx.Effect]]:
    """Publish bytes to one peer alone, or to none."""
    chosen = () if to is None else (peer(to),)
    return lambda ring, toy, effects: [
        replace(e, to=chosen) if isinstance(e, fx.SendBlob) and chosen else e
        for e in effects
        if chosen or not isinstance(e, fx.SendBlob)
    ]


TAMPERS: dict[str, Callable[[int], Any]] = {
    "misstate": lambda to: misstate(to, 100, times=9),
    "misstate much": lambda to: misstate(to, 1e4, times=2),
    "misstate little": lambda to: misstate(to, 59, times=9),
    "misstate norm": lambda to: misstate(to, 0, norm_units=300, times=2),
    "quiet": lambda to: saying(Stage.CHECK, keep_quiet, times=99),
    "lazy": lambda to: saying(Stage.CHECK, lazy, times=2),
    "conceal": lambda to: accusing(conceal),
    "denounce": lambda to: accusing(denounce_report),
    "accuse part": lambda to: accusing(accuse_part(FaultKind.PART_NOT_FINITE, to)),
    "accuse statement": lambda to: accusing(accuse_part(FaultKind.WRONG_PROJECTION, to)),
    "accuse unpublished": lambda to: accusing(
        accuse_part(FaultKind.WRONG_PROJECTION, to), publish=False
    ),
    "accuse gradient": lambda to: accusing(accuse_draw(FaultKind.WRONG_GRADIENT)),
    "accuse drawn": lambda to: accusing(accuse_draw(FaultKind.WRONG_PROJECTION, 1)),
    "guilty": lambda to: voting(Guilt.GUILTY, 99),
    "innocent": lambda to: voting(Guilt.INNOCENT, 99),
    "lacking": lambda to: voting(Guilt.LACKING, 99),
    "share": lambda to: saying(Stage.REVEAL, in_step_one(share=digest("s"))),
    "secret": lambda to: saying(Stage.CHECK, in_step_one(secret=digest("s"))),
    "junk": lambda to: saying(
        Stage.CHECK, lambda toy, _: b"x" if attempt_of(toy).base.step else None
    ),
    "to some": publishing_to_some,
    "to nobody": lambda to: publishing_to_some(None),
}
KINDS = (Toy, Flipping, Shifting, Covering, CoveringFar, BadParts)


def in_step_one(**changes: Any) -> Callable[[Toy, Any], Any]:
    """Change a message, but not in the first step."""
    return lambda toy, m: replace(m, **changes) if attempt_of(toy).base.step else None


def is_junk(deed: tuple[str, int]) -> bool:
    """What does not decode is said last: nothing can be changed in it."""
    return deed[0] == "junk"


@st.composite
def plots(draw: st.DrawFn) -> dict[str, Any]:
    """Liars, what each does, and how the network behaves."""
    n = draw(st.integers(4, 7))
    most = -(-(n - 1) // 2) - 1  # f, with one validator
    liars = draw(st.permutations(range(n)))[: draw(st.integers(1, most))]
    deeds = {
        i: draw(
            st.lists(st.tuples(st.sampled_from(sorted(TAMPERS)), st.integers(0, n - 1)), max_size=3)
        )
        for i in liars
    }
    return {
        "n": n,
        "kinds": {i: draw(st.integers(0, len(KINDS) - 1)) for i in liars},
        "deeds": deeds,
        "radius": draw(st.sampled_from([0.6, float("inf")])),
        "delta": draw(st.sampled_from([0.05, 8.0, 8.0])),
        "seed": draw(st.integers(0, 2**16)),
        "spread": draw(st.sampled_from([0.0, 0.05, 0.5])),
    }


def play(plot: dict[str, Any]) -> Ring:
    """The run of a plot."""
    tampers = {
        i: all_of(*(TAMPERS[name](to) for name, to in sorted(deeds, key=is_junk) if to != i))
        for i, deeds in plot["deeds"].items()
    }
    return Shuffled(
        plot["n"],
        steps=4,
        radius=plot["radius"],
        toys={i: KINDS[k] for i, k in plot["kinds"].items()},
        tampers=tampers,
        delta_multiple=plot["delta"],
        run=digest("plot", plot["seed"].to_bytes(4, "little")),
        seed=plot["seed"],
        spread=plot["spread"],
    ).run()


@settings(max_examples=25, deadline=None)
@given(plots())
def test_no_plot_costs_an_honest_peer_its_place(plot: dict[str, Any]) -> None:
    ring = play(plot)
    liars = tuple(plot["deeds"])
    records = ring.check_agreement(*liars)
    assert set(ring.departures(*liars)) <= set(liars)
    for toy in ring.honest(*liars):
        assert toy.stop is not None
        few = len(records[-1].roster) < 3
        assert toy.ended.code == (5 if few else 0), toy.ended.reason
        assert toy.me in records[-1].roster
    assert sum(len(r.departures) for r in records) <= 2 * len(liars)
