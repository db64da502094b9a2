"""Every peer is drawn with equal probability: in the order of a hash of the beacon and its id.

The rule of the protocol (section 2): validators by `H("validator" || q || id)`, targets by
`H("target" || q || id)`, under domains of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.hookspecs import hookimpl
from zpeer.ids import Digest, PeerId, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zpeer.interfaces import ValidatorPolicy


class Uniform:
    """Draws validators and targets with equal probability."""

    def validators(
        self, beacon: Digest, roster: Sequence[PeerId], count: int
    ) -> tuple[PeerId, ...]:
        """The first `count` of the roster by hash."""
        return draw("zpeer/validator", beacon, roster, count)

    def targets(self, beacon: Digest, workers: Sequence[PeerId], count: int) -> tuple[PeerId, ...]:
        """The first `count` of the workers by hash."""
        return draw("zpeer/target", beacon, workers, count)


def draw(domain: str, beacon: Digest, peers: Sequence[PeerId], count: int) -> tuple[PeerId, ...]:
    """Peers in the order of their hashes under a domain; independent of the order they come in."""
    return tuple(sorted(peers, key=lambda peer: digest(domain, beacon, peer))[:count])


@hookimpl
def zpeer_validator_policies() -> dict[str, Callable[..., ValidatorPolicy]]:
    """`uniform`."""
    return {"uniform": Uniform}
