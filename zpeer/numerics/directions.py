"""The random directions of the sum check, and projections on them (numerics, *The sum check*).

Direction number k of part j is z = vec(r s^T) cut at the part's length p: with q = ceil(sqrt(p)),
z[a q + b] = r[a] s[b], 0 <= a, b < q. A Kronecker product costs 2 q random numbers instead of p,
and one matrix product projects on all.

*Specification.* `BLAKE3("z" || beacon || j || k)` as an extendable output, where "z" is the byte
0x7a, the beacon has 32 bytes, j and k have eight each, little-endian (`ids.number`): the message is
49 bytes long, so no two pairs share one. The first 8 q bytes of output are 2 q little-endian uint32
numbers w, first those of r, then those of s. Each becomes (w + 1/2) / 2^32 * (2 sqrt 3) - sqrt 3 in
double precision, evaluated from the left, and is rounded to float32: uniform in (-sqrt 3, sqrt 3),
of variance 1, never 0 for all of a vector. The products r[a] s[b] are meant exactly. Test vectors:
`tests/numerics/vectors_directions.json`. No library's sampler is used, for none promises its
stream.

*Precision of a projection.* Float32 residuals are multiplied in chunks of CHUNK = 32 rows of the
q-by-q matrix in float32 and added up in double. z is random and known only after the residual is
fixed, so sums within a chunk are random walks: for a column of entries near d, after t terms of
size d sqrt t, each rounded with an error of 0.4 u of its size in the root mean square. A column's
sum of c terms is off by 0.4 u d sqrt(c^2 / 2), that is 0.3 u sqrt c of the column's norm, and since
errors of columns and chunks add up as their squares do, just like the norm, the whole is off by
0.3 u sqrt 32 = 1.7 u * norm in the root mean square, whatever the length (1.3 measured).

For ordinary residuals that error is normally distributed, and 20 u, where honest values may not be
apart, are twelve deviations. The worst residual has equal columns (one number repeated): then the
errors of columns agree and are weighed with the sum of s, so that the whole is the product of two
normal numbers, beyond x deviations with probability e^-x. Two libraries are 20 u apart in one of
10^4 to 10^5 projections of such a residual, and 60 u, where an honest peer accuses, in one of
10^11. (A plain matrix product has chunks of q rows: a deviation of 20 u for q = 4,000.)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from blake3 import blake3

from zpeer.ids import DIGEST_SIZE, number
from zpeer.numerics.fixed import norms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zpeer.ids import Digest
    from zpeer.interfaces import Float32

    Float64 = NDArray[np.float64]

ROOT3 = 1.7320508075688772
CHUNK = 32
"""Rows whose products are added in float32: see the module's note on precision."""


class Directions(NamedTuple):
    """K directions for parts of one length. Shapes: K directions, Q = ceil(sqrt(length))."""

    length: int
    left: Float32
    """r of every direction, shape (K, Q)."""
    right: Float32
    """s of every direction, shape (K, Q)."""

    def project(self, residual: Float32 | Float64) -> tuple[float, ...]:
        """Inner product of a vector, shape (length,), with every direction.

        Float64 vectors are projected in double throughout. Float32 ones must be finite and of a
        norm for which `fixed.rounded_norm` has an answer, else products may overflow: give those in
        float64.
        """
        if residual.shape != (self.length,):
            raise ValueError(f"a residual of shape {residual.shape}; expected ({self.length},)")
        sums_KQ = self._project_rows(residual)
        return tuple(np.vecdot(sums_KQ, self.right.astype(np.float64)).tolist())

    def _project_rows(self, residual: Float32 | Float64) -> Float64:
        """r^T M for every direction, M the residual as a q-by-q matrix; shape (K, Q)."""
        side = self.left.shape[1]
        left_KQ = self.left.astype(residual.dtype, copy=False)
        sums_KQ = np.zeros((len(left_KQ), side))
        full = self.length // side if side else 0
        rows = residual[: full * side].reshape(full, side)
        for start in range(0, full, CHUNK):
            stop = min(start + CHUNK, full)
            sums_KQ += np.matmul(left_KQ[:, start:stop], rows[start:stop])
        tail = residual[full * side :]
        if len(tail):
            sums_KQ[:, : len(tail)] += left_KQ[:, full, None].astype(np.float64) * tail
        return sums_KQ

    def norms(self) -> tuple[float, ...]:
        """Norm of every direction with the cut at `length`; bit-equal on any hardware.

        The last row of r s^T is cut short: sqrt(|r|^2 |s|^2 + r_last^2 |s_cut|^2).
        """
        side = self.left.shape[1]
        if not side:
            return (0.0,) * len(self.left)
        full, tail = divmod(self.length, side)
        pieces = (
            norms(self.left[:, :full]),
            norms(self.right),
            norms(self.left[:, full : full + 1]),
            norms(self.right[:, :tail]),
        )
        return tuple(_product_norm(*four) for four in zip(*pieces, strict=True))


def _product_norm(left: float, right: float, last: float, cut: float) -> float:
    body = left * right
    edge = last * cut
    return math.sqrt(body * body + edge * edge)


def directions(beacon: Digest, part: int, length: int, count: int) -> Directions:
    """The first `count` directions of a part of `length` numbers, from the step's beacon r."""
    if len(beacon) != DIGEST_SIZE:
        raise ValueError(f"a beacon of {len(beacon)} bytes; expected {DIGEST_SIZE}")
    side = math.isqrt(length - 1) + 1 if length else 0
    start = b"z" + beacon + number(part)
    words = [blake3(start + number(index)).digest(length=8 * side) for index in range(count)]
    pairs = _uniform(b"".join(words)).reshape(count, 2, side)
    return Directions(length, pairs[:, 0], pairs[:, 1])


def _uniform(drawn: bytes) -> Float32:
    """Numbers uniform in (-sqrt 3, sqrt 3), as specified in the module's docstring."""
    words = np.frombuffer(drawn, dtype="<u4")
    return ((words + 0.5) / 2.0**32 * (2 * ROOT3) - ROOT3).astype(np.float32)
