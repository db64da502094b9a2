"""Runs a swarm under attack and holds it to what every attack must leave unharmed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from tests.swarms import Softmax, make_shared, names
from zpeer.faults import FaultKind, is_ban
from zpeer.judging.case import Court
from zpeer.judging.evidence import evidence_name, read_evidence
from zpeer.judging.judge import judge
from zpeer.plugins import Kind, Plugins, load_plugins
from zpeer.simulation import LocalSwarm, Result, Signatures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from tests.attacks.cases import Case
    from tests.attacks.mixes import Mix
    from zpeer.ids import Digest
    from zpeer.interfaces import Attack, Float32
    from zpeer.record import Departure, Record


SEEDS = 4


@cache
def plugins() -> Plugins:
    """All that is installed: attacks come through the door that everybody's do."""
    return load_plugins()


def build(name: str, parameters: Mapping[str, object]) -> Attack:
    """An attack as a peer file asks for it."""
    return cast("Attack", plugins().build(Kind.ATTACK, name, parameters))


class Trial(NamedTuple):
    """A swarm that has run."""

    swarm: LocalSwarm
    directory: Path
    signatures: Signatures
    results: tuple[Result, ...]

    @property
    def honest(self) -> list[Result]:
        """Peers without an attack."""
        return [result for result in self.results if result.honest]

    @property
    def attackers(self) -> list[Result]:
        """The others."""
        return [result for result in self.results if not result.honest]

    @property
    def witness(self) -> Result:
        """An honest peer that was there to the end."""
        return max(self.honest, key=lambda result: len(result.records))

    @property
    def records(self) -> tuple[Record, ...]:
        """Of an honest peer."""
        return self.witness.records

    @property
    def departures(self) -> list[Departure]:
        """Of an honest peer."""
        return [each for record in self.records for each in record.departures]

    @property
    def faults(self) -> dict[str, FaultKind]:
        """What each peer left for first, by name."""
        left: dict[str, FaultKind] = {}
        for each in self.departures:
            left.setdefault(self.name_of(each), each.fault)
        return left

    def name_of(self, departure: Departure) -> str:
        """Who left."""
        genesis = self.swarm.shared.genesis
        return genesis.names[genesis.peers.index(departure.peer)]


def run(
    directory: Path,
    attacks: Mapping[int, Attack],
    *,
    peers: int = 6,
    steps: int = 8,
    start: int = 0,
    seed: int = 0,
    **changes: Any,
) -> Trial:
    """A whole run; `attacks` by the place of their peers."""
    signatures = Signatures()
    called = names(peers)
    swarm = LocalSwarm(
        make_shared(peers, steps, **changes),
        Softmax(),
        directory,
        attacks={called[place]: attack for place, attack in attacks.items()},
        start=start,
        seed=seed,
        signatures=signatures,
    )
    return Trial(swarm, directory, signatures, tuple(swarm.run()))


def run_plot(
    directory: Path,
    name: str,
    parameters: Mapping[str, object],
    places: Iterable[int],
    *,
    peers: int = 6,
    steps: int = 8,
    start: int = 0,
    seed: int = 0,
    **changes: Any,
) -> Trial:
    """A whole run in which the peers at these places make the same attack together."""
    attacks = {place: build(name, parameters) for place in places}
    return run(directory, attacks, peers=peers, steps=steps, start=start, seed=seed, **changes)


def run_mix(directory: Path, mix: Mix, seed: int = 0) -> Trial:
    """A whole run with a different attack by each attacker."""
    attacks = {place: build(name, parameters) for place, (name, parameters) in mix.attacks.items()}
    return run(directory, attacks, peers=mix.peers, steps=mix.steps, seed=seed, charges_max=1)


def until_gone(make: Callable[[int], Trial], *, takes_one: bool = False) -> Trial:
    """Runs by other entropy until one sees all attackers go; none of them may do harm.

    In a short run not everybody is drawn, and who validates in its last step is not checked then.
    """
    for seed in range(SEEDS):
        trial = make(seed)
        check_unharmed(trial, takes_one=takes_one)
        if all(result.name in trial.faults for result in trial.attackers):
            break
    return trial


def try_case(directory: Path, case: Case, places: Sequence[int], peers: int) -> Trial:
    """A case with attackers at these places, held to what it must leave unharmed and to who must
    go for what."""

    def make(seed: int) -> Trial:
        return run_plot(
            directory / str(seed),
            case.name,
            case.parameters,
            places,
            peers=peers,
            steps=case.steps,
            seed=seed,
            charges_max=1,
        )

    trial = until_gone(make, takes_one=case.takes_one)
    check_gone(trial, case.alone if len(places) == 1 else case.plot)
    check_evidence(trial)
    return trial


def check_unharmed(trial: Trial, *, takes_one: bool = False) -> None:
    """All honest peers are through to the end, together, and none has left; or at most one for each
    attacker, with which it was in dispute."""
    lost = [result for result in trial.honest if result.name in trial.faults]
    there = [result for result in trial.honest if result not in lost]
    assert {result.code for result in there} == {0}, [result.reason for result in there]
    assert len({(r.head, r.parameters, r.roster, r.departures) for r in there}) == 1
    for peer in trial.swarm.honest:
        assert np.isfinite(peer.files.current).all()
    assert not lost or takes_one, trial.faults
    check_pairs(trial, lost)


def check_pairs(trial: Trial, lost: list[Result]) -> None:
    """Who was lost left with an attacker, another one each."""
    genesis, names = trial.swarm.shared.genesis, {result.name for result in lost}
    pairs = [each for each in trial.departures if trial.name_of(each) in names]
    assert {each.fault for each in pairs} <= {FaultKind.PAIR_ELIMINATED}, trial.faults
    partners = [genesis.names[genesis.peers.index(each.accuser)] for each in pairs]
    assert len(set(partners)) == len(lost), "an attacker takes one other with it"
    assert set(partners) <= {result.name for result in trial.attackers}
    assert {result.code for result in lost} <= {4}


def check_gone(trial: Trial, faults: Iterable[FaultKind]) -> None:
    """Every attacker has left for one of these faults, and knows it, unless it hears nothing."""
    assert {result.name for result in trial.attackers} <= set(trial.faults)
    lost = [result for result in trial.honest if result.name in trial.faults]
    assert len(trial.witness.roster) == len(trial.honest) - len(lost)
    for result in trial.attackers:
        first = trial.faults[result.name]
        assert first in faults, trial.faults
        deaf = (-1, 5) if first is FaultKind.SILENT else ()
        assert result.code in (3 if is_ban(first) else 4, *deaf), result.reason


def check_evidence(trial: Trial) -> None:
    """Every ban is written down by every honest peer, and proven by that alone."""
    court = make_court(trial)
    for departure in trial.departures:
        if not is_ban(departure.fault):
            continue
        files = [
            [path for path in result.evidence if path.name == evidence_name(departure)]
            for result in trial.honest
            if result.name not in trial.faults
        ]
        assert all(len(found) == 1 for found in files), departure
        ruling = judge(read_evidence(files[0][0]), court)
        assert ruling.proven, f"{departure.fault.name}: {ruling.reason}"


def make_court(trial: Trial) -> Court:
    """A stranger with the run file and the files of the first honest peer."""
    shared = trial.swarm.shared
    directory = trial.directory / trial.witness.name / "parameters"

    def gradient(parameters: Digest, batch_seed: Digest) -> Float32:
        vector = np.fromfile(directory / f"{parameters.hex()}.f32", dtype="<f4")
        return Softmax().gradient(vector, batch_seed)[0]

    return Court(
        shared.genesis, shared.aggregator, shared.policy, trial.signatures.verify, gradient
    )
