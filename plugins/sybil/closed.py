"""Nobody joins: the peers of the run file are all there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.ids import PeerId
    from zpeer.interfaces import SybilPolicy


class Closed:
    """Admits nobody."""

    def admits(self, candidate: PeerId, honest_steps: int) -> bool:  # noqa: ARG002 - the interface
        """Never."""
        return False


@hookimpl
def zpeer_sybil_policies() -> dict[str, Callable[..., SybilPolicy]]:
    """`closed`."""
    return {"closed": Closed}
