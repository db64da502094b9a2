"""Extra traffic over plain Butterfly All-Reduce, per peer and step: no more with a larger model.

Eight peers over real sockets train a synthetic task of 10^4 and of 10^7 parameters, dealt in the
same number of blocks. Extra: bytes on the TCP streams less the tensor bytes of PART and RESULT,
heartbeats apart, without accusations. Bound: the two dimensions differ by at most 1%.

What zpeer counts itself is held against what the kernel counts for the peers' TCP sockets: it must
have seen no less, and at most 5% more (heartbeats, pings, what is already sent of the next step).
"""

from __future__ import annotations

import argparse
import sys
from statistics import mean
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console

from tools.experiment import QUADRATIC, RUNS, Plan, Result, markdown, report, run_plan
from tools.kernel import find_peers, tcp_bytes_sent
from zpeer.swarm.view import PlainView, say_bytes

if TYPE_CHECKING:
    from zpeer.swarm.scoreboard import Scoreboard

PEERS = 8
BLOCKS = 1250
"""Of 8 and of 8,000 numbers."""
SMALL, LARGE = 10**4, 10**7
DIFFERENCE_MAX = 0.01
KERNEL_MORE_MAX = 0.05
KERNEL_LESS_MAX = 0.01
"""The two are not read at the same moment."""
SKIPPED = 2
"""Steps at the start that still carry what was sent while peers connected."""


class Sample(NamedTuple):
    """Bytes that all peers have sent, by the two ways of counting."""

    kernel: int
    told: int


class Watching(PlainView):
    """Lines, and beside them the kernel's counts whenever a step has ended."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self.samples: list[Sample] = []
        self._seen = 0

    def update(self, board: Scoreboard, now: float) -> None:
        """Take a sample whenever all peers have told of the same new step, and go on."""
        super().update(board, now)
        members = board.members.values()
        steps = {member.steps for member in members}
        is_over = board.leader is None or board.leader.outcome != "counted"
        if len(steps) > 1 or steps == {self._seen} or is_over:
            return
        (self._seen,) = steps
        kernel = sum(tcp_bytes_sent(pid) for pid in find_peers())
        self.samples.append(Sample(kernel, sum(member.bytes_sent for member in members)))


def make_plan(dimension: int, steps: int) -> Plan:
    """A run of that many parameters."""
    changes = {
        "run.steps": steps,
        "task.dimension": dimension,
        "limits.block": dimension // BLOCKS,
    }
    return Plan(f"d = {dimension:,}", PEERS, changes=changes, template=QUADRATIC)


def measure(result: Result) -> tuple[float, float]:
    """Mean extra and tensor bytes of a peer in a counted step."""
    steps = [each for name in result.names for each in result.steps(name)[SKIPPED:]]
    extra = mean(each.bytes_sent - each.bulk_bytes_sent for each in steps)
    return extra, mean(each.bulk_bytes_sent for each in steps)


def judge_kernel(samples: list[Sample]) -> tuple[float, list[str]]:
    """The kernel's count over zpeer's, less one; and what is wrong with it."""
    first, last = samples[0], samples[-1]
    more = (last.kernel - first.kernel) / (last.told - first.told) - 1
    if -KERNEL_LESS_MAX <= more <= KERNEL_MORE_MAX:
        return more, []
    return more, [
        f"the kernel counts {more:+.2%} against zpeer's own count; expected about nothing"
    ]


def main() -> int:
    """Both dimensions."""
    parser = argparse.ArgumentParser(prog="tools/traffic", description=__doc__)
    parser.add_argument("--small-steps", type=int, default=100)
    parser.add_argument("--large-steps", type=int, default=5)
    options = parser.parse_args()
    console = Console(stderr=True)
    rows, extras, problems = [], [], []
    for dimension, steps in ((SMALL, options.small_steps), (LARGE, options.large_steps)):
        plan = make_plan(dimension, steps)
        console.rule(plan.label)
        view = Watching(console)
        result = run_plan(plan, RUNS / "traffic" / str(dimension), view)
        extra, tensors = measure(result)
        extras.append(extra)
        more, wrong = judge_kernel(view.samples)
        problems += result.board.problems()
        problems += wrong
        row = [plan.label, f"{extra:,.0f} B", say_bytes(tensors), f"{more:+.2%}"]
        rows.append([*row, f"{result.board.step_seconds:.2f}"])
    print(f"{PEERS} peers, {BLOCKS} blocks, a peer and step\n")
    print(markdown(["", "extra", "tensors", "kernel's count", "s a step"], rows))
    difference = extras[1] / extras[0] - 1
    print(f"\ndifference: {difference:+.2%}")
    if not abs(difference) <= DIFFERENCE_MAX:
        problems.append(f"extra traffic differs by {difference:+.2%}; expected at most 1%")
    return report(problems)


if __name__ == "__main__":
    sys.exit(main())
