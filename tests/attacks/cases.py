"""Every shipped attack: what it costs its peer, or that it costs nobody anything.

`tools/attack_matrix` runs the same list in larger swarms.
"""

from __future__ import annotations

from typing import NamedTuple

from zpeer.faults import FaultKind as Fault


class Case(NamedTuple):
    """An attack with parameters."""

    name: str
    alone: frozenset[Fault]
    """What a single attacker leaves for; empty: alone it can do nothing."""
    plot: frozenset[Fault]
    """What members of a plot leave for."""
    parameters: dict[str, object]
    steps: int
    """How many steps show it."""
    takes_one: bool = False
    """ELIMINATE: nobody can tell which of a pair lies, so each attacker may cost one honest peer
    its place (protocol, section 5, *Settling claims*)."""

    @property
    def label(self) -> str:
        """Name and parameters."""
        given = ", ".join(f"{key}={value}" for key, value in self.parameters.items())
        return f"{self.name}({given})" if given else self.name


def case(name: str, alone: Fault, *more: Fault, **parameters: object) -> Case:
    """An attack whose plot leaves for the same and perhaps for `more`."""
    return Case(name, frozenset((alone,)), frozenset((alone, *more)), parameters, steps=2)


def last(steps: int, *cases: Case) -> tuple[Case, ...]:
    """Cases that need so many steps."""
    return tuple(each._replace(steps=steps) for each in cases)


def costly(name: str, *more: Fault, **parameters: object) -> Case:
    """A dispute that nobody can judge."""
    return case(name, Fault.PAIR_ELIMINATED, *more, **parameters)._replace(takes_one=True)


def plotted(name: str, *faults: Fault, **parameters: object) -> Case:
    """An attack that takes two."""
    return Case(name, frozenset(), frozenset(faults), parameters, steps=2)


def harmless(name: str, **parameters: object) -> Case:
    """What costs nobody the place."""
    return Case(name, frozenset(), frozenset(), parameters, steps=2)


STAGES = ("COMMIT", "AGGREGATED", "REVEAL", "PROJECTIONS", "CHECK", "VERDICT")
SLOW_STAGES = ("VIEW", "CLOSED", "DECIDED")

GRADIENTS = last(
    5,
    case("sign_flip", Fault.WRONG_GRADIENT),
    case("sign_flip", Fault.WRONG_GRADIENT, scale=1e37),
    case("random_direction", Fault.WRONG_GRADIENT),
    case("label_flip", Fault.WRONG_GRADIENT),
    case("delayed_gradient", Fault.WRONG_GRADIENT),
    case("inner_product_manipulation", Fault.WRONG_GRADIENT),
    case("a_little_is_enough", Fault.WRONG_GRADIENT),
    case("relocated_momentum", Fault.WRONG_GRADIENT),
    case("mimic", Fault.WRONG_GRADIENT),
    case("wild_scalar", Fault.WRONG_GRADIENT, where="part", value="1e308"),
)
SEEN_BY_ALL = (
    case("invalid_body", Fault.INVALID_BODY, stage="COMMIT"),
    case("invalid_body", Fault.INVALID_BODY, stage="AGGREGATED"),
    case("invalid_body", Fault.INVALID_BODY, stage="REVEAL"),
    case("invalid_body", Fault.INVALID_BODY, stage="PROJECTIONS"),
    case("invalid_body", Fault.INVALID_BODY, stage="CHECK"),
    case("invalid_body", Fault.INVALID_BODY, stage="COMMIT", mode="wrong_counts"),
    case("invalid_body", Fault.INVALID_BODY, stage="AGGREGATED", mode="wrong_counts"),
    case("invalid_body", Fault.INVALID_BODY, stage="CHECK", mode="wrong_counts"),
    case("invalid_body", Fault.INVALID_BODY, mode="wrong_counts"),
    case("invalid_body", Fault.INVALID_BODY, mode="nan"),
    case("invalid_body", Fault.INVALID_BODY, mode="negative_norm"),
    case("invalid_body", Fault.INVALID_BODY, mode="impossible_projection"),
    *(
        case("wild_scalar", Fault.INVALID_BODY, where=where, value=value)
        for where in ("projection", "norm", "duration")
        for value in ("nan", "inf", "-inf", "1e308")
    ),
    *(
        case("wild_scalar", Fault.RESULT_NOT_FINITE, where="result", value=value)
        for value in ("nan", "inf", "-inf")
    ),
    case("wild_scalar", Fault.WRONG_SUM, where="result", value="1e308"),
    case("result_not_finite", Fault.RESULT_NOT_FINITE),
    case("result_not_finite", Fault.RESULT_NOT_FINITE, mode="short"),
    case("wrong_share", Fault.WRONG_SHARE),
    case("wrong_beacon", Fault.WRONG_BEACON),
    case("wrong_secret", Fault.WRONG_SECRET),
    *(case("wrong_sum", Fault.WRONG_SUM, shift=shift) for shift in (1e-4, 1.0, 1000.0)),
    case("tuned_shift", Fault.WRONG_SUM, share=5.0),
)
ACCUSED = last(
    4,
    case("part_not_finite", Fault.PART_NOT_FINITE),
    case("part_not_finite", Fault.PART_NOT_FINITE, mode="short"),
    *(
        case("wild_scalar", Fault.PART_NOT_FINITE, where="part", value=value)
        for value in ("nan", "inf", "-inf")
    ),
    case("wrong_projection", Fault.WRONG_PROJECTION),
    case("wrong_projection", Fault.WRONG_PROJECTION, units=100.0),
    case("small_lies", Fault.WRONG_PROJECTION),
    case("wrong_norm", Fault.WRONG_PROJECTION),
    case("wrong_sum", Fault.FALSE_ACCUSATION, shield=True),
    case("sacrifice", Fault.WRONG_SUM, Fault.WRONG_PROJECTION),
    case("false_accusation", Fault.FALSE_ACCUSATION),
    case("false_accusation", Fault.FALSE_ACCUSATION, of="part"),
    case("false_accusation", Fault.FALSE_ACCUSATION, to="one"),
    case("false_accusation", Fault.INVALID_BODY, of="gradient"),
    case("partial_broadcast", Fault.FALSE_ACCUSATION, stage="CHECK", body="accusation"),
    case("partial_broadcast", Fault.FALSE_ACCUSATION, stage="CHECK", body="accusation", to="half"),
    case("wrong_average", Fault.WRONG_AVERAGE),
    case("covered_shift", Fault.WRONG_AVERAGE, Fault.WRONG_SUM, shift=1000.0),
    case("colluding_cover", Fault.WRONG_AVERAGE, Fault.WRONG_SUM, shift=1000.0),
    case("unpublished_parts", Fault.PARTS_NOT_PUBLISHED),
)
DRAWN = last(
    8,
    case("false_accusation", Fault.FALSE_ACCUSATION, of="report"),
    case("false_accusation", Fault.ACCUSATION_FELL, to="nobody"),
    *(case("covered_shift", Fault.WRONG_PROJECTION, shift=shift) for shift in (1e-4, 0.1, 1.0)),
    *(
        case("colluding_cover", Fault.WRONG_PROJECTION, Fault.CONCEALED_PROJECTION, shift=shift)
        for shift in (1e-4, 0.1, 1.0)
    ),
    case("colluding_cover", Fault.WRONG_PROJECTION, Fault.CONCEALED_PROJECTION, in_turns=True),
    case("concealed_projection", Fault.WRONG_PROJECTION, Fault.CONCEALED_PROJECTION),
    case("growing_limits", Fault.WRONG_PROJECTION, Fault.CONCEALED_PROJECTION),
    case("lie_when_safe", Fault.WRONG_PROJECTION),
    case("lazy_validator", Fault.WRONG_REPORT),
    case("lazy_validator", Fault.WRONG_REPORT, mode="copy"),
    case("lazy_validator", Fault.INVALID_BODY, mode="omit"),
    case("wrong_report", Fault.FALSE_ACCUSATION),
    case("false_report", Fault.FALSE_ACCUSATION),
    case("false_report", Fault.FALSE_ACCUSATION, of="projection"),
    case("false_report", Fault.FALSE_ACCUSATION, of="concealed"),
    case("smokescreen", Fault.WRONG_GRADIENT, Fault.ACCUSATION_FELL),
)
WITHHELD = (
    costly("withheld_part"),
    costly("withheld_part", mode="wrong"),
    costly("withheld_part", of="some"),
    case("withheld_part", Fault.CLAIMED_BY_MOST, of="all"),
    case("withheld_part", Fault.CLAIMED_BY_MOST, of="all", mode="wrong"),
    case("withheld_result", Fault.CLAIMED_BY_MOST, of="all"),
    case("withheld_result", Fault.CLAIMED_BY_MOST, of="all", mode="wrong"),
    *(case("silent", Fault.CLAIMED_BY_MOST, stage=stage) for stage in STAGES),
    *last(8, case("silent", Fault.CLAIMED_BY_MOST, stage="CHECK", validator=True)),
    *(costly("silent", stage=stage) for stage in SLOW_STAGES),
    *(case("crash", Fault.SILENT, stage=stage) for stage in (*STAGES, *SLOW_STAGES)),
    *(case("crash", Fault.SILENT, stage=s, told="half") for s in ("COMMIT", "VERDICT", "VIEW")),
    *(case("crash", Fault.SILENT, stage=s, told="one") for s in ("REVEAL", "CHECK", "CLOSED")),
    *(  # all have its last word; its PARTs, its RESULT, its vote never come
        case("crash", Fault.SILENT, stage=stage, told="all")
        for stage in ("COMMIT", "AGGREGATED", "VERDICT", "DECIDED")
    ),
    *(
        case("freeze", Fault.SILENT, stage=stage, seconds=100.0)
        for stage in ("COMMIT", "AGGREGATED", "REVEAL", "PROJECTIONS", "CHECK", *SLOW_STAGES)
    ),
    case("freeze", Fault.CLAIMED_BY_MOST, stage="VERDICT", seconds=100.0),
    case("last_moment", Fault.CLAIMED_BY_MOST, before_s=-0.5),
    *(case("partial_broadcast", Fault.CLAIMED_BY_MOST, stage=s, when="edge") for s in STAGES),
    case("wrong_head", Fault.SILENT, instead=True),
    case("wrong_head", Fault.SILENT, of="past", instead=True),
    *(
        case("false_echo", Fault.CLAIMED_BY_MOST, stage=stage)
        for stage in ("AGGREGATED", "REVEAL", "PROJECTIONS", "CHECK")
    ),
    case("false_echo", Fault.CLAIMED_BY_MOST, show="nothing"),
    case("wrong_verdict", Fault.CLAIMED_BY_MOST),
    case("late_chain", Fault.CLAIMED_BY_MOST),
    case("late_chain", Fault.SILENT, Fault.CLAIMED_BY_MOST, before_s=-0.5),
    case("held_secret", Fault.CLAIMED_BY_MOST, then="silence"),
    case("held_secret", Fault.SECRET_WITHHELD, then="withheld"),
    case("held_secret", Fault.WRONG_SECRET, then="wrong"),
    *last(8, case("held_secret", Fault.SECRET_WITHHELD, Fault.WRONG_GRADIENT, when="unwelcome")),
    case("lie_when_safe", Fault.CLAIMED_BY_MOST, source="views"),
)
CALLED = (
    *(costly("false_claim", stage=stage) for stage in STAGES),
    costly("false_claim", of="some"),
    costly("false_claim", to="one"),
    costly("false_claim", to="one", stage="VERDICT"),
    case("false_claim", Fault.CHARGED_WITH_MOST, of="turns"),
    case("false_claim", Fault.CLAIMS_MOST, of="all"),
    *last(4, costly("stale_claim")),
    costly("false_view", of="record"),
    costly("false_view", of="commits"),
    case("false_view", Fault.WRONG_SECRET, of="secret"),
    case("false_view", Fault.SECRET_WITHHELD, of="withheld"),
    costly("held_secret", then="call"),
    costly("equivocation", Fault.EQUIVOCATION, stage="DECIDED"),
    *(costly("partial_broadcast", stage=stage) for stage in SLOW_STAGES),
    *last(
        8,
        case("shake_off", Fault.CHARGED_WITH_MOST, Fault.WRONG_GRADIENT),
        case("shake_off", Fault.WRONG_SHARE, Fault.WRONG_GRADIENT, by="share"),
        case("shake_off", Fault.SILENT, Fault.WRONG_GRADIENT, by="crash"),
    ),
)
TWO_STORIES = (
    *(case("equivocation", Fault.EQUIVOCATION, stage=stage) for stage in (*STAGES, "VIEW")),
    *(
        case("equivocation", Fault.EQUIVOCATION, stage=stage, to="one")
        for stage in (*STAGES, "VIEW")
    ),
    *last(3, case("equivocation", Fault.EQUIVOCATION, stage="CLOSED", to="one")),
    case("equivocation", Fault.EQUIVOCATION, stage="VERDICT", bodies=3),
    case("equivocation", Fault.EQUIVOCATION, stage="VIEW", bodies=3),
    case("equivocation", Fault.EQUIVOCATION, stage="COMMIT", lie="garbage"),
    case("equivocation", Fault.EQUIVOCATION, stage="CHECK", lie="accusation"),
    *last(3, case("equivocation", Fault.EQUIVOCATION, stage="CLOSED")),
    *last(3, *(case("second_story", Fault.EQUIVOCATION, stage=stage) for stage in STAGES)),
    *(
        case("partial_broadcast", Fault.INVALID_BODY, stage=stage, body="garbage")
        for stage in STAGES
    ),
    case("partial_broadcast", Fault.INVALID_BODY, stage="COMMIT", body="garbage", to="half"),
    *(case("restart", Fault.EQUIVOCATION, stage=stage) for stage in (*STAGES, "VIEW")),
    case("restart", Fault.EQUIVOCATION, Fault.WRONG_SECRET, told="one"),
    case("restart", Fault.EQUIVOCATION, stage="VERDICT", told="half"),
    *(  # the call that it takes may cost one, if the ban of another comes first
        case("restart", Fault.EQUIVOCATION, Fault.PAIR_ELIMINATED, stage=stage)._replace(
            takes_one=True
        )
        for stage in ("CLOSED", "DECIDED")
    ),
)
PLOTTED = last(8, plotted("framed_owner", Fault.FALSE_ACCUSATION, Fault.WRONG_PROJECTION))
CASES = (
    *GRADIENTS,
    *SEEN_BY_ALL,
    *ACCUSED,
    *DRAWN,
    *WITHHELD,
    *CALLED,
    *TWO_STORIES,
    *PLOTTED,
)
ALONE = tuple(case for case in CASES if case.alone)

HARMLESS = (
    harmless("withheld_result"),
    harmless("withheld_result", of="some"),
    harmless("withheld_result", of="some", mode="wrong"),
    harmless("false_claim", of="nobody"),
    harmless("false_claim", of="itself"),
    harmless("false_claim", of="twice", stage="CHECK"),
    harmless("false_claim", of="stranger"),
    harmless("false_claim", of="proof"),
    harmless("stale_claim", age=2),
    harmless("small_lies", units=55.0),
    harmless("tuned_shift", share=0.2),
    harmless("unhelpful"),
    harmless("wrong_head"),
    harmless("wrong_head", of="past"),
    harmless("last_moment"),
    harmless("partial_broadcast", stage="COMMIT", to="half"),
    harmless("partial_broadcast", stage="VERDICT", to="half"),
    harmless("restart", stage="REVEAL", memory="kept"),
    harmless("restart", stage="VERDICT", memory="kept", told="one"),
    *(harmless("partial_broadcast", stage=stage) for stage in STAGES),
    *(harmless("freeze", stage=stage) for stage in STAGES),
)
"""What costs nobody anything (test_near_misses.py)."""
FLOODS = tuple(
    harmless("flood", kind=kind, count=3 if kind == "oversized" else 50)
    for kind in (
        *("garbage", "oversized", "signed", "requests", "replies", "chains"),
        *("certificates", "tensors"),
    )
)
LED = (
    harmless("late", seconds=9.0),
    harmless("old_view"),
    harmless("inflated_durations"),
)
"""What leads nobody anywhere."""


def pick_plots() -> tuple[Case, ...]:
    """For a plot one case of each attack and fault: once each variant is known to be seen alone."""
    kinds = {(each.name, each.plot, each.takes_one): each for each in reversed(CASES)}
    return tuple(each for each in CASES if each in kinds.values())


PLOTS = pick_plots()
