"""`zpeer simulate`: what it prints, what it leaves, and what it exits with.

0: no promise was broken. 1: some were, each with the one command that repeats it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from zpeer.errors import ConfigError
from zpeer.simulate.futures import find_turning_point
from zpeer.simulate.ingredients import plugins
from zpeer.simulate.logs import run_with_logs
from zpeer.simulate.plan import change_plan, encode_plan, load_plan
from zpeer.simulate.plans.drawing import draw_plan
from zpeer.simulate.plans.exhaustive import list_plans
from zpeer.simulate.running import run_plan
from zpeer.simulate.shrink import shrink
from zpeer.simulate.sweep import (
    Source,
    Totals,
    append_done,
    digest_code,
    draw,
    parse_range,
    read_done,
    sweep,
)

if TYPE_CHECKING:
    from zpeer.simulate.plan import Plan
    from zpeer.simulate.sweep import Finished

PASSED, FAILED = 0, 1
FAILURES_SHOWN = 20


def simulate(
    *,
    seed: int | None = None,
    seeds: str = "",
    plan: Path | None = None,
    exhaustive: bool = False,
    done: Path | None = None,
    out: Path | None = None,
    processes: int = 0,
    real_signatures: bool = False,
    console: Console | None = None,
) -> int:
    """One seed, one plan, or many seeds; gives the exit code. Raises ConfigError."""
    console = console or Console(highlight=False, soft_wrap=True)
    if sum(each is not None for each in (seed, plan)) + bool(seeds) + exhaustive != 1:
        raise ConfigError("expected just one of --seed, --seeds, --plan and --exhaustive")
    many = bool(seeds) or exhaustive
    if done is not None and not many:
        raise ConfigError("--done belongs to --seeds and --exhaustive")
    if many:
        source = Source.SCRIPTS if exhaustive else Source.SEEDS
        numbers = range(len(list_plans())) if exhaustive else parse_range(seeds)
        sweeper = Sweeper(source, numbers, done, out, processes, real_signatures)
        return sweeper.run(console)
    if plan is not None:
        chosen, repeat = load_plan(plan), f"zpeer simulate --plan {plan}"
    else:
        assert seed is not None, "one of the three was given"
        chosen, repeat = draw_plan(seed, plugins()), f"zpeer simulate --seed {seed}"
    if real_signatures:
        chosen = change_plan(chosen, real_signatures=True)
        repeat += " --real-signatures"
    return run_one(chosen, repeat, out or Path(f"simulated-{chosen.seed}"), console)


def run_one(plan: Plan, repeat: str, out: Path, console: Console) -> int:
    """Run a plan; explain its failure if it fails."""
    outcome = run_plan(plan)
    console.print(describe_plan(plan))
    console.print(
        f"{outcome.steps} peer-steps, {outcome.records} records, {outcome.events} events,"
        f" {outcome.time:.1f} virtual s in {outcome.seconds:.2f} s:"
        f" {outcome.steps / outcome.seconds:.0f} peer-steps/s; trace {outcome.trace[:16]}"
    )
    for fallen in outcome.fallen:
        console.print(Text(f"an adversary's own code broke: peer {fallen}", style="yellow"))
    if outcome.failure is None:
        console.print(Text("no promise was broken", style="green"))
        return PASSED
    console.print(Text(f"FAILED {outcome.failure.check}: {outcome.failure.text}", style="bold red"))
    console.print(f"repeat it: {repeat}")
    explain(plan, out, console)
    return FAILED


def explain(plan: Plan, out: Path, console: Console) -> None:
    """Shrink, find the turning point, leave plans and logs."""
    small, outcome = shrink(plan, run_plan)
    failure = outcome.failure
    assert failure is not None, "a plan shrinks to one that fails"
    point = find_turning_point(lambda branch: run_plan(small, branch=branch), failure)
    out.mkdir(parents=True, exist_ok=True)
    (out / "plan.json").write_bytes(encode_plan(plan))
    (out / "shrunk.json").write_bytes(encode_plan(small))
    run_with_logs(small, out)
    console.print(f"shrunk: {describe_plan(small)}")
    console.print(Text(f"which fails so: {failure.check}: {failure.text}", style="red"))
    console.print(
        f"event {failure.event}, time {failure.time:.4f}; whatever is drawn after event {point}, it"
        " fails"
    )
    console.print(f"repeat it: zpeer simulate --plan {out / 'shrunk.json'}")
    console.print(f"logs of honest peers: zpeer replay {out / 'logs'}/NAME")
    if small.pardon:
        console.print("bans were pardoned: a replay shows what the core does without that")


def describe_plan(plan: Plan) -> str:
    """A plan in one line."""
    faults = ", ".join(type(fault).__name__.lower() for fault in plan.faults)
    liars = ", ".join(describe_adversary(each) for each in plan.adversaries)
    pardon = f", pardon {plan.pardon}" if plan.pardon else ""
    return (
        f"seed {plan.seed}: {len(plan.members)} peers, {plan.validators} validators,"
        f" {plan.steps} steps, adversaries: {liars or 'none'}; faults: {faults or 'none'}{pardon}"
    )


def describe_adversary(adversary: object) -> str:
    """Its kind or its attack, and its peer."""
    kind = getattr(adversary, "attack", type(adversary).__name__.lower())
    return f"{kind} (peer {getattr(adversary, 'peer', '?')})"


class Sweeper(NamedTuple):
    """Many plans, by the numbers of their source."""

    source: Source
    numbers: range
    done: Path | None
    out: Path | None
    processes: int
    real_signatures: bool

    def run(self, console: Console) -> int:
        """Run them, go on where a file of finished ones ends, sum up."""
        code = digest_code()
        finished = read_done(self.done, self.source, code) if self.done else []
        known = {each.seed: each for each in finished if each.seed in self.numbers}
        totals = Totals()
        for each in known.values():
            totals.add(each)
        processes = self.processes or os.cpu_count() or 1
        todo = [number for number in self.numbers if number not in known]
        bar = make_progress(console)
        with bar:
            total = len(self.numbers)
            task = bar.add_task(self.source, total=total, completed=len(known), failed=0, rate=0.0)
            for each in sweep(
                self.source,
                todo,
                processes=processes,
                real_signatures=self.real_signatures,
                code=code,
            ):
                totals.add(each)
                self._note(each, bar.console)
                bar.update(task, advance=1, failed=len(totals.failed), rate=totals.rate)
        report(totals, processes, console)
        return FAILED if totals.failed else PASSED

    def _note(self, each: Finished, console: Console) -> None:
        """One more is done."""
        if self.done is not None:
            append_done(self.done, each)
        if each.check:
            console.print(describe_failure(each))
        if each.check and (self.out is not None or self.source is Source.SCRIPTS):
            out = self.out or Path("simulated-scripts")
            out.mkdir(parents=True, exist_ok=True)
            path = out / f"{self.source}-{each.seed}.json"
            path.write_bytes(encode_plan(draw(self.source, each.seed)))
            console.print(f"repeat it: zpeer simulate --plan {path}")


def make_progress(console: Console) -> Progress:
    """A bar; on no terminal nothing until the end."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed, {task.fields[rate]:.0f} peer-steps/s a core"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)


def describe_failure(done: Finished) -> Text:
    """One failing seed, and how to repeat it."""
    line = Text(f"FAILED {done.check}: ", style="bold red")
    repeat = f"--seed {done.seed}" if done.source is Source.SEEDS else f"script {done.seed}"
    return line.append(f"{done.text}; zpeer simulate {repeat}", style="not bold default")


def report(totals: Totals, processes: int, console: Console) -> None:
    """What a sweep came to."""
    mean = totals.steps / totals.seeds if totals.seeds else 0.0
    console.print(
        f"{totals.seeds} plans, {totals.large} of them with 5 peers or more, {totals.records}"
        f" records, {totals.steps} peer-steps ({mean:.0f} a seed), {totals.rate:.0f} a second and"
        f" core; a night of 10 hours on {processes} cores covers {totals.night * processes:.0f}"
        " such plans"
    )
    met = ", ".join(f"{name} {count}" for name, count in sorted(totals.met.items()) if count)
    console.print(f"met: {met or 'nothing'}")
    for each in totals.fallen[:FAILURES_SHOWN]:
        line = f"seed {each.seed}: an adversary's own code broke: {'; '.join(each.fallen)}"
        console.print(Text(line, style="yellow"))
    for each in totals.failed[:FAILURES_SHOWN]:
        console.print(describe_failure(each))
    verdict = f"{len(totals.failed)} failed" if totals.failed else "none failed"
    console.print(Text(verdict, style="bold red" if totals.failed else "green"))
