"""A run's peers as cores in one process, made from the same files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zpeer.compute.trainer import make_trainer
from zpeer.plugins import Kind, load_plugins
from zpeer.runs.config import load_peer, load_run
from zpeer.shell.preparation import build_attack, make_ingredients
from zpeer.simulation import LocalSwarm, Result

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


def run_local(run: Path, directory: Path) -> list[Result]:
    """Run them with the attacks, all from one step on, and the entropy of their peer files."""
    file = load_run(run)
    plugins = load_plugins(file.plugin_paths)
    task: Any = plugins.choose(Kind.TASK, file.task)
    peers = {peer.name: load_peer(run / "peers" / f"{peer.name}.toml") for peer in file.peers}
    attacks = {
        name: attack for name, peer in peers.items() if (attack := build_attack(peer, plugins))
    }
    (start,) = {peer.attack.start for peer in peers.values() if peer.attack}
    swarm = LocalSwarm(
        make_ingredients(file, plugins),
        make_trainer(file, task),
        directory,
        attacks=attacks,
        start=start,
    )
    for member, peer in zip(file.peers, peers.values(), strict=True):
        assert peer.entropy is not None
        worker = swarm.peers[member.identity.peer].worker
        worker._entropy = bytes.fromhex(peer.entropy)
    return swarm.run()
