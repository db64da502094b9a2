"""Every paragraph of the agreement has a rule in the registry."""

from __future__ import annotations

from zpeer.core.rules_of_agreement import AGREEMENT

PARAGRAPHS = ("schedule", "asking", "commit", "call", "slow path", "settling", "certificates")


def test_every_paragraph_of_the_agreement_has_a_rule() -> None:
    assert {rule.place for rule in AGREEMENT} == set(PARAGRAPHS)
