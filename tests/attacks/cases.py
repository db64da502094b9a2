"""Every shipped attack that costs its peer the place, and for what.

`tools/attack_matrix` runs the same list with 16 peers, 7 of them attackers.
"""

from __future__ import annotations

from typing import NamedTuple

from zpeer.faults import FaultKind as Fault


class Case(NamedTuple):
    """An attack with parameters."""

    name: str
    alone: Fault
    """What a single attacker leaves for."""
    plot: frozenset[Fault]
    """What members of a plot leave for."""
    parameters: dict[str, object]

    @property
    def label(self) -> str:
        """Name and parameters."""
        given = ", ".join(f"{key}={value}" for key, value in self.parameters.items())
        return f"{self.name}({given})" if given else self.name


def case(name: str, alone: Fault, *more: Fault, **parameters: object) -> Case:
    """An attack whose plot leaves for the same and perhaps for `more`."""
    return Case(name, alone, frozenset((alone, *more)), parameters)


GRADIENTS = (
    case("sign_flip", Fault.WRONG_GRADIENT),
    case("sign_flip", Fault.WRONG_GRADIENT, scale=1e37),
    case("random_direction", Fault.WRONG_GRADIENT),
    case("label_flip", Fault.WRONG_GRADIENT),
    case("delayed_gradient", Fault.WRONG_GRADIENT),
    case("inner_product_manipulation", Fault.WRONG_GRADIENT),
    case("a_little_is_enough", Fault.WRONG_GRADIENT),
    case("relocated_momentum", Fault.WRONG_GRADIENT),
    case("mimic", Fault.WRONG_GRADIENT),
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
    case("result_not_finite", Fault.RESULT_NOT_FINITE),
    case("result_not_finite", Fault.RESULT_NOT_FINITE, mode="short"),
    case("wrong_share", Fault.WRONG_SHARE),
    case("wrong_beacon", Fault.WRONG_BEACON),
    case("wrong_secret", Fault.WRONG_SECRET),
    case("wrong_sum", Fault.WRONG_SUM),
    case("wrong_sum", Fault.WRONG_SUM, shift=0.001),
)
ACCUSED = (
    case("part_not_finite", Fault.PART_NOT_FINITE),
    case("part_not_finite", Fault.PART_NOT_FINITE, mode="short"),
    case("wrong_projection", Fault.WRONG_PROJECTION),
    case("wrong_projection", Fault.WRONG_PROJECTION, units=100.0),
    case("wrong_norm", Fault.WRONG_PROJECTION),
    case("wrong_sum", Fault.FALSE_ACCUSATION, shield=True),
    case("sacrifice", Fault.WRONG_SUM, Fault.WRONG_PROJECTION),
    case("false_accusation", Fault.FALSE_ACCUSATION),
    case("false_accusation", Fault.FALSE_ACCUSATION, of="part"),
    case("false_accusation", Fault.FALSE_ACCUSATION, of="report"),
    case("false_accusation", Fault.ACCUSATION_FELL, publish=False),
    case("wrong_average", Fault.WRONG_AVERAGE),
    case("unpublished_parts", Fault.PARTS_NOT_PUBLISHED),
)
DRAWN = (
    case("covered_shift", Fault.WRONG_PROJECTION),
    case("colluding_cover", Fault.WRONG_PROJECTION, Fault.CONCEALED_PROJECTION),
    case("concealed_projection", Fault.WRONG_PROJECTION, Fault.CONCEALED_PROJECTION),
    case("lazy_validator", Fault.WRONG_REPORT),
    case("wrong_report", Fault.FALSE_ACCUSATION),
    case("false_report", Fault.FALSE_ACCUSATION),
    case("false_report", Fault.FALSE_ACCUSATION, of="projection"),
    case("false_report", Fault.FALSE_ACCUSATION, of="concealed"),
    case("smokescreen", Fault.WRONG_GRADIENT, Fault.ACCUSATION_FELL),
)
CASES = (*GRADIENTS, *SEEN_BY_ALL, *ACCUSED, *DRAWN)
PLOTS = tuple(
    case for case in CASES if case.name != "invalid_body" or case.parameters == {"mode": "nan"}
)
"""One invalid body is as good as another, once each is known to be refused."""
