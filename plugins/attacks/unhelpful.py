"""Answers nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.effects import PassOn, SendBlob, SendCertificate, SendProof, SendSet
from zpeer.hookspecs import hookimpl

from ._colluder import Colluder

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.conduct import Outgoing
    from zpeer.effects import Effect
    from zpeer.interfaces import Attack, AttackContext


class Unhelpful(Colluder):
    """Says what it has to, but passes nothing on: no sets, bytes, views, proofs or certificates.

    No fault: everything can be had from an honest peer.
    """

    def effects(self, context: AttackContext, effects: list[Effect]) -> list[Outgoing]:
        """Only what is its own."""
        favours = PassOn | SendBlob | SendCertificate | SendProof | SendSet
        return [e for e in super().effects(context, effects) if not isinstance(e, favours)]


@hookimpl
def zpeer_attacks() -> dict[str, Callable[..., Attack]]:
    """See `zpeer.hookspecs`."""
    return {"unhelpful": Unhelpful}
