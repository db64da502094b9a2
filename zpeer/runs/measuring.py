"""What a run states of itself but nobody can know before: measured when it is made."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from zpeer.compute.trainer import environment
from zpeer.core.limits import measure_typical
from zpeer.errors import ConfigError
from zpeer.ids import digest, digest_bytes, number
from zpeer.numerics.dealing import deal, to_bytes
from zpeer.numerics.fixed import norm
from zpeer.parts import Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zpeer.compute.trainer import Trainer
    from zpeer.interfaces import Float32
    from zpeer.runs.config import Template

PARAMETERS_FILE = "parameters.safetensors"
BLOCKS_A_PART = 32
"""A part gets about that many blocks: then parts differ little in norm."""
BLOCK_LEAST, BLOCK_MOST = 16, 65_536
GRADIENTS_MAX = 8
"""From which the typical norm is measured; each is as large as the model."""
DIGITS = 6


def measure_run(
    trainer: Trainer, parameters: Float32, template: Template, hosts: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """The measured keys of [limits], [reference] and [parameters], by section.

    `hosts`: where each peer runs.
    """
    limits, peers = template.limits, len(hosts)
    workers = peers - min(template.run.validators, (peers - 1) // 2)
    block = limits.block or choose_block(len(parameters), workers)
    layout = Layout(len(parameters), block, workers)
    typical = limits.typical_norm or measure_norm(trainer, parameters, layout)
    here = environment()
    return {
        "limits": {"typical_norm": typical, "block": block},
        "reference": {
            "torch": here.torch,
            "instruction_set": here.instruction_set,
            "gradient": trainer.reference_digest(parameters).hex(),
            "seconds": round(trainer.reference_seconds(parameters), DIGITS),
            "peers_per_core": count_peers_per_core(hosts, os.cpu_count() or 1),
        },
        "parameters": {
            "dimension": len(parameters),
            "digest": digest_bytes(to_bytes(parameters)).hex(),
            "file": PARAMETERS_FILE,
        },
    }


def count_peers_per_core(hosts: Sequence[str], cores: int) -> float:
    """Peers that share a core on the host with most of them, taken to have `cores`; at least 1."""
    most = max(Counter(hosts).values())
    return max(round(most / cores, DIGITS), 1.0)


def choose_block(dimension: int, workers: int) -> int:
    """A power of two that gives every part tens of blocks, and can be hashed and sent uncopied."""
    fitting = max(dimension // (workers * BLOCKS_A_PART), 1)
    return min(max(1 << (fitting.bit_length() - 1), BLOCK_LEAST), BLOCK_MOST)


def measure_norm(trainer: Trainer, parameters: Float32, layout: Layout) -> float:
    """Typical norm of a residual per square root of a part's length, as peers measure it later.

    Median over parts of the median over gradients, of their distance from their mean.
    """
    count = min(layout.parts, GRADIENTS_MAX)
    gradients = [
        trainer.gradient(parameters, digest("zpeer/typical", number(place)))[0]
        for place in range(count)
    ]
    mean = np.mean(gradients, axis=0, dtype=np.float64).astype(np.float32)
    norms = [[norm(part) for part in deal(each - mean, layout)] for each in gradients]
    typical = float(f"{measure_typical(norms, layout):.{DIGITS}g}")
    if not typical > 0:
        raise ConfigError(
            "limits.typical_norm: gradients at the initial parameters do not differ, or are not "
            "finite; look at the task, or set limits.typical_norm"
        )
    return typical
