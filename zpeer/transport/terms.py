"""What a transport is told when it is made: where to listen, what to announce, how much to take."""

from __future__ import annotations

from typing import NamedTuple

from zpeer.addresses import read_address
from zpeer.errors import StartError
from zpeer.transport.bulk import TENSOR_BYTES_MAX


class Listen(NamedTuple):
    """Where this peer listens, and where others reach it."""

    control: str
    """HOST:PORT; with port 0 the system chooses."""
    bulk: str
    """The same for the bulk plane."""
    advertised_bulk_port: int | None = None
    """Where others reach the bulk plane, on the host of the control plane; None: the same port."""
    advertised: str | None = None
    """HOST:PORT where others reach the control plane; None: this peer's own address in the run."""

    def find_announced(self, own: str) -> str:
        """What others are told, with `own` from the run; StartError if nobody could use it."""
        address = self.advertised or own
        if address:
            try:
                read_address(address)
            except ValueError as problem:
                raise StartError(f"the address told to others: {problem}") from problem
        return address


class Sizes(NamedTuple):
    """Largest messages, in bytes. Larger frames cost their sender the connection, for a while."""

    control: int
    tensor: int

    def require_sealable(self) -> None:
        """StartError for tensors larger than the cipher takes."""
        if self.tensor > TENSOR_BYTES_MAX:
            raise StartError(
                f"tensors of {self.tensor} bytes cannot be sealed in one piece; at most "
                f"{TENSOR_BYTES_MAX} can: make the model smaller or the peers more"
            )
