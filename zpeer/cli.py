"""The command line: parse and call, no logic.

What a command needs is imported when it runs, so that `zpeer --help` is quick. What zpeer refuses
is printed without a traceback, and the process ends with the error's exit code.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from zpeer.errors import ConfigError, InterruptedStartError, ZpeerError

app = typer.Typer(
    name="zpeer",
    help="Peers that do not trust each other train one model together; who cheats is banned with "
    "proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

PluginFiles = Annotated[
    list[Path], typer.Option("--plugin", help="A plugin file; may be given several times.")
]


def main() -> None:
    """Run a command."""
    try:
        app()
    except InterruptedStartError as end:
        Console(stderr=True, soft_wrap=True).print(Text(str(end)))
        sys.exit(end.exit_code)
    except ZpeerError as problem:
        line = Text("error: ", style="bold red").append(str(problem), style="not bold default")
        Console(stderr=True, soft_wrap=True).print(line)
        sys.exit(problem.exit_code)


def show_version(wanted: bool) -> None:
    """Answer --version."""
    if wanted:
        typer.echo(f"zpeer {version('zpeer')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Options before a command."""


@app.command()
def keygen(
    path: Annotated[Path, typer.Argument(help="Writes PATH.key (keep it) and PATH.pub (show it).")],
    name: Annotated[str, typer.Option(help="What people call it; PATH's name if left out.")] = "",
) -> None:
    """Make an identity: a private key file and a public identity file."""
    from zpeer import identity  # noqa: PLC0415

    made = identity.keygen(path, name or path.name.removesuffix(".key"))
    typer.echo(f"peer {made.peer.hex()}")
    typer.echo(f"{identity.with_suffix(path, '.key')}: private, never send it")
    typer.echo(f"{identity.with_suffix(path, '.pub')}: public, for who makes the run")


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="A new directory; with --join a peer file.")],
    *,
    template: Annotated[
        str, typer.Option("--from", help="A template file, or the name of one that ships.")
    ] = "",
    peers: Annotated[int, typer.Option(help="Make that many peers on this machine.")] = 0,
    identity: Annotated[
        list[str],
        typer.Option(help="NAME.pub=HOST:PORT of somebody's peer; once for each peer."),
    ] = [],  # noqa: B006 - typer copies it
    attackers: Annotated[int, typer.Option(help="The last so many peers attack together.")] = 0,
    attack: Annotated[str, typer.Option(help="With which attack; `zpeer plugins` lists.")] = "",
    attack_start: Annotated[int, typer.Option(help="The first step in which they do.")] = 0,
    attack_set: Annotated[
        list[str], typer.Option(help="A parameter of the attack, as KEY=VALUE.")
    ] = [],  # noqa: B006 - typer copies it
    set_: Annotated[
        list[str], typer.Option("--set", help="A key of the template, as run.steps=60.")
    ] = [],  # noqa: B006 - typer copies it
    peer_set: Annotated[
        list[str], typer.Option(help="A key of every peer file, as record=full.")
    ] = [],  # noqa: B006 - typer copies it
    seed: Annotated[int, typer.Option(help="For the initial parameters.")] = 0,
    entropy: Annotated[
        str, typer.Option(help="For tests: any text; fixes the secrets of all peers.")
    ] = "",
    join: Annotated[
        Path | None, typer.Option(help="A run file: write a peer file for it instead.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="With --join: my private key file.")] = None,
    bind: Annotated[str, typer.Option(help="With --join: HOST:PORT to listen on.")] = "",
    advertise: Annotated[
        str, typer.Option(help="With --join: HOST:PORT where others reach me, if another.")
    ] = "",
) -> None:
    """Make a run from a template: on this machine, or of the public identities of its peers."""
    if join is not None:
        peer_file(directory, run=join, key=require("--key", key), bind=bind, advertise=advertise)
        return
    from zpeer.runs.initialise import Attackers, init_local, init_shared  # noqa: PLC0415
    from zpeer.runs.templates import find_template, read_changes  # noqa: PLC0415

    path = find_template(require("--from", template))
    changes = read_changes(set_)
    if bool(peers) == bool(identity):
        raise ConfigError(
            "expected either --peers N, or --identity NAME.pub=HOST:PORT for each peer"
        )
    if identity:
        made = init_shared(path, directory, read_members(identity), changes=changes, seed=seed)
    else:
        made = init_local(
            path,
            directory,
            peers,
            attackers=Attackers(attackers, attack, attack_start, read_changes(attack_set)),
            changes=changes,
            settings=read_changes(peer_set),
            seed=seed,
            entropy=entropy or None,
        )
    typer.echo(f"run {made.id.hex()}")
    typer.echo(f"{made.path}: {len(made.peers)} peers, {made.parameters.dimension} parameters")
    if not identity:
        typer.echo(f"start all peers: zpeer swarm {directory}")


@app.command(name="peer-file")
def peer_file(
    path: Annotated[Path, typer.Argument(help="The peer file to write.")],
    run: Annotated[Path, typer.Option(help="The run file.")],
    key: Annotated[Path, typer.Option(help="My private key file.")],
    bind: Annotated[
        str, typer.Option(help="HOST:PORT to listen on; mine in the run if empty.")
    ] = "",
    advertise: Annotated[str, typer.Option(help="Where others reach me, if another.")] = "",
) -> None:
    """Write my own peer file for a run of several owners."""
    from zpeer.runs.config import load_run  # noqa: PLC0415
    from zpeer.runs.peerfile import join_run  # noqa: PLC0415

    made = join_run(run, key, path, bind=bind or None, advertise=advertise or None)
    for code in load_run(run).plugin_paths:
        typer.echo(
            f"{code}: code that came with the run and will run here; read it before you start"
        )
    typer.echo(f"{path}: listens on {made.bind}; start it with: zpeer run {path}")


@app.command()
def run(peer: Annotated[Path, typer.Argument(help="A peer file.")]) -> None:
    """Run one peer. Exits with 0 finished, 3 banned, 4 removed, 5 stopped."""
    from zpeer.peer import run_peer  # noqa: PLC0415

    raise typer.Exit(run_peer(peer))


@app.command()
def swarm(
    directory: Annotated[Path, typer.Argument(help="A run's directory, or its run file.")],
    plain: Annotated[bool, typer.Option(help="Plain lines instead of a live view.")] = False,
    again: Annotated[
        bool,
        typer.Option(help="Keep the run's nonce: only if none of its keys was used in it yet."),
    ] = False,
) -> None:
    """Run all peers of a run on this machine, and watch them."""
    from zpeer.swarm.driver import run_swarm  # noqa: PLC0415

    raise typer.Exit(run_swarm(directory, plain=plain, fresh=not again))


@app.command()
def simulate(
    *,
    seed: Annotated[int | None, typer.Option(help="Run this seed, and explain a failure.")] = None,
    seeds: Annotated[str, typer.Option(help="Run the seeds of A:B, on all cores.")] = "",
    plan: Annotated[Path | None, typer.Option(help="Run a plan that was saved.")] = None,
    exhaustive: Annotated[
        bool, typer.Option("--exhaustive", help="Run every script of who sees what, on all cores.")
    ] = False,
    done: Annotated[
        Path | None, typer.Option(help="With many: keeps finished ones, and goes on from it.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where a failure leaves plans and logs.")] = None,
    processes: Annotated[int, typer.Option(help="With many: how many; 0: one a core.")] = 0,
    real_signatures: Annotated[
        bool, typer.Option("--real-signatures", help="Sign and check with real keys.")
    ] = False,
) -> None:
    """Simulate whole runs under attack from seeds. Exits with 0 all well, 1 a promise broken."""
    from zpeer.simulate.command import simulate as run_simulation  # noqa: PLC0415

    code = run_simulation(
        seed=seed,
        seeds=seeds,
        plan=plan,
        exhaustive=exhaustive,
        done=done,
        out=out,
        processes=processes,
        real_signatures=real_signatures,
    )
    raise typer.Exit(code)


@app.command()
def replay(
    log: Annotated[Path, typer.Argument(help="A log: its directory, its name or one file.")],
    *,
    step: Annotated[int | None, typer.Option(help="Show this step only.")] = None,
    peer: Annotated[str | None, typer.Option(help="Show what is of this peer.")] = None,
    kind: Annotated[str | None, typer.Option(help="Show this stage, event or effect.")] = None,
    until: Annotated[float | None, typer.Option(help="Stop at this time, in s.")] = None,
    plugin: PluginFiles = [],  # noqa: B006 - typer copies it
    quiet: Annotated[bool, typer.Option(help="Show differences only.")] = False,
    go_on: Annotated[bool, typer.Option(help="Go on after a difference.")] = False,
) -> None:
    """Run a recorded log through a fresh core. Exits with 0 equal, 1 different."""
    from zpeer.recorded.replay import replay_log  # noqa: PLC0415

    code = replay_log(
        log,
        step=step,
        peer=peer,
        kind=kind,
        until=until,
        plugin_files=plugin,
        quiet=quiet,
        go_on=go_on,
    )
    raise typer.Exit(code)


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="Any file of zpeer's.")],
    why: Annotated[
        str | None, typer.Option(help="Of a log: tell why this peer was banned or removed.")
    ] = None,
) -> None:
    """Show what a file holds: log, record, evidence, run or peer file, key, model."""
    from zpeer.inspect import inspect_file  # noqa: PLC0415

    raise typer.Exit(inspect_file(path, why=why))


@app.command()
def plugins(
    plugin: PluginFiles = [],  # noqa: B006 - typer copies it
) -> None:
    """List aggregators, policies, attacks and tasks with their parameters."""
    from zpeer.listing import print_plugins  # noqa: PLC0415
    from zpeer.plugins import load_plugins  # noqa: PLC0415

    print_plugins(load_plugins(plugin))


@app.command(name="verify-evidence")
def verify_evidence(
    evidence: Annotated[Path, typer.Argument(help="An evidence file.")],
    run: Annotated[Path, typer.Option(help="The run file.")],
) -> None:
    """Judge a ban offline. Exits with 0 proven, 1 not proven, 2 unreadable or altered."""
    from zpeer.judging.evidence_cli import verify_file  # noqa: PLC0415

    raise typer.Exit(verify_file(evidence, run))


@app.command(name="export-log")
def export_log(
    log: Annotated[Path, typer.Argument(help="A log: its directory, its name or one file.")],
    out: Annotated[Path, typer.Argument(help="The MCAP file to write.")],
) -> None:
    """Write a log as MCAP, for other tools to show."""
    from zpeer.recorded.export import export_mcap  # noqa: PLC0415

    typer.echo(f"{out}: {export_mcap(log, out)} messages")


def require(option: str, value: Any) -> Any:
    """An option that this use of a command needs."""
    if not value:
        raise ConfigError(f"{option} is missing; see `zpeer init --help`")
    return value


def read_members(texts: list[str]) -> list[Any]:
    """NAME.pub=HOST:PORT, once for each peer."""
    from zpeer.identity import load_public  # noqa: PLC0415
    from zpeer.runs.initialise import Member  # noqa: PLC0415

    members = []
    for text in texts:
        path, equals, address = text.rpartition("=")
        if not equals:
            raise ConfigError(f"--identity {text}: expected NAME.pub=HOST:PORT")
        members.append(Member(load_public(Path(path)), address))
    return members
