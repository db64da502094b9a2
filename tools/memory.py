"""Peak memory of a peer, in gradients above a process that computes the same ones without zpeer.

Sixteen peers on this machine, 11.2 million parameters (a gradient: 44.7 MB). The other process
computes the same kind of gradients with plain torch and imports nothing of zpeer. All peaks are
the kernel's (VmHWM), also those of processes that import only: they tell how much of it is code.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from statistics import median
from typing import TYPE_CHECKING

from rich.console import Console

from tools.experiment import QUADRATIC, ROOT, RUNS, Plan, markdown, report, run_plan
from tools.kernel import find_peers, peak_memory_bytes
from zpeer.view import PlainView, say_bytes

if TYPE_CHECKING:
    from zpeer.scoreboard import Scoreboard

DIMENSION = 11_173_962
PEERS = 16
FLOAT_BYTES = 4
PLAIN = """
import torch
from pathlib import Path
torch.set_num_threads(1)
{work}
lines = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")))
"""
GRADIENTS = """
position = torch.nn.Parameter(torch.ones({dimension}))
for seed in range(3):
    noise = torch.randn({dimension}, generator=torch.Generator().manual_seed(seed)).div_(32**0.5)
    loss = (position - noise).square().sum() * 0.5
    position.grad = None
    loss.backward()
"""


class Watching(PlainView):
    """Lines, and beside them the largest peak of every peer."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.peaks: dict[int, int] = {}

    def update(self, board: Scoreboard, now: float) -> None:
        """Look at all peers; a peak never falls, so the last look before the end counts."""
        super().update(board, now)
        for pid in find_peers():
            self.peaks[pid] = max(self.peaks.get(pid, 0), peak_memory_bytes(pid))


def measure_process(work: str) -> int:
    """Peak of a process that does this with plain torch."""
    command = [sys.executable, "-c", PLAIN.format(work=work)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return int(done.stdout)


def main() -> int:
    """One run, and the processes beside it."""
    parser = argparse.ArgumentParser(prog="tools/memory", description=__doc__)
    parser.add_argument("--peers", type=int, default=PEERS)
    parser.add_argument("--dimension", type=int, default=DIMENSION)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--gradients-max", type=float, default=None, help="fail above this many")
    options = parser.parse_args()
    console = Console(stderr=True)
    changes = {"run.steps": options.steps, "task.dimension": options.dimension}
    plan = Plan("memory", options.peers, changes=changes, template=QUADRATIC)
    view = Watching(console)
    result = run_plan(plan, RUNS / "memory", view)
    problems = result.board.problems()

    gradient = options.dimension * FLOAT_BYTES
    peaks = sorted(view.peaks.values())
    plain = measure_process(GRADIENTS.format(dimension=options.dimension))
    torch_only = measure_process("")
    zpeer_only = measure_process(
        "import zpeer.peer\nfrom zpeer.plugins import load_plugins\nload_plugins()"
    )
    code = zpeer_only - torch_only
    rows = [
        [what, say_bytes(value), f"{(value - plain) / gradient:+.1f}"]
        for what, value in (
            ("plain torch, same gradients", plain),
            ("a peer, median", median(peaks)),
            ("a peer, largest", peaks[-1]),
            ("a peer, median, less zpeer's code", median(peaks) - code),
        )
    ]
    print(
        f"{options.peers} peers, d = {options.dimension:,}; a gradient is {say_bytes(gradient)}\n"
    )
    print(markdown(["process", "peak", "gradients above plain"], rows))
    print(f"\nimports alone: torch {say_bytes(torch_only)}, with zpeer {say_bytes(code)} more")
    above = (peaks[-1] - plain) / gradient
    if options.gradients_max is not None and not above <= options.gradients_max:
        problems.append(f"{above:.1f} gradients above, expected {options.gradients_max} at most")
    return report(problems)


if __name__ == "__main__":
    sys.exit(main())
