"""Peak memory of a peer, in gradients above a process that computes the same ones without zpeer.

Sixteen peers on this machine, 11.2 million parameters (a gradient: 44.7 MB). The other process
computes the same kind of gradients with plain torch and imports nothing of zpeer. All figures are
the kernel's: peaks (VmHWM), and the most seen of a process's own memory (RssAnon), which leaves out
the pages of memory-mapped parameter files: the kernel drops those when it needs room. Processes
that import only tell how much of it is code.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from tools.experiment import QUADRATIC, ROOT, RUNS, Plan, markdown, report, run_plan
from tools.kernel import Memory, find_peers, read_memory
from zpeer.swarm.view import PlainView, say_bytes

if TYPE_CHECKING:
    from zpeer.swarm.scoreboard import Scoreboard

DIMENSION = 11_173_962
PEERS = 16
FLOAT_BYTES = 4
PLAIN = """
import torch
from pathlib import Path
torch.set_num_threads(1)
{work}
lines = [line.split() for line in Path("/proc/self/status").read_text().splitlines()]
print(*(int(words[1]) * 1024 for words in lines if words[0] in ("VmHWM:", "RssAnon:")))
"""
GRADIENTS = """
position = torch.nn.Parameter(torch.ones({dimension}))
for seed in range(3):
    noise = torch.randn({dimension}, generator=torch.Generator().manual_seed(seed)).div_(32**0.5)
    loss = (position - noise).square().sum() * 0.5
    position.grad = None
    loss.backward()
"""
IMPORTS = """
import zpeer.peer
from zpeer.plugins import load_plugins
load_plugins()
"""


class Watching(PlainView):
    """Lines, and beside them the largest peak of every peer."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.peaks: dict[int, Memory] = {}

    def update(self, board: Scoreboard, now: float) -> None:
        """Look at all peers; a peak never falls, so the last look before the end counts."""
        super().update(board, now)
        for pid in find_peers():
            self.peaks[pid] = self.peaks.get(pid, Memory()).most(read_memory(pid))


def measure_process(work: str) -> Memory:
    """Of a process that does this with plain torch, at its end."""
    command = [sys.executable, "-c", PLAIN.format(work=work)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    peak, own = done.stdout.split()
    return Memory(int(peak), int(own))


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

    plain = measure_process(GRADIENTS.format(dimension=options.dimension))
    torch_only, zpeer_only = measure_process(""), measure_process(IMPORTS)
    gradient = options.dimension * FLOAT_BYTES
    peers = sorted(view.peaks.values())
    rows = [
        [
            what,
            say_bytes(memory.peak),
            f"{(memory.peak - plain.peak) / gradient:+.1f}",
            say_bytes(memory.own),
            f"{(memory.own - plain.own) / gradient:+.1f}",
        ]
        for what, memory in (
            ("plain torch, same gradients", plain),
            ("a peer, median", peers[len(peers) // 2]),
            ("a peer, largest", peers[-1]),
            ("imports of torch", torch_only),
            ("imports of torch and zpeer", zpeer_only),
        )
    ]
    print(f"{options.peers} peers, d = {options.dimension:,}, a gradient: {say_bytes(gradient)}\n")
    header = ["process", "peak", "gradients above plain", "own memory", "gradients above plain"]
    print(markdown(header, rows))
    above = (peers[-1].peak - plain.peak) / gradient
    if options.gradients_max is not None and not above <= options.gradients_max:
        problems.append(f"{above:.1f} gradients above, expected {options.gradients_max} at most")
    return report(problems)


if __name__ == "__main__":
    sys.exit(main())
