"""`zpeer verify-evidence FILE --run RUN`: judges an evidence file, given the run file alone.

Exit codes: 0 proven, 1 not proven; what is unreadable, altered or of another run raises, and ends
in 2. A gradient is computed again only where the fault asks for it, with the plugins that the run
file names, and only on a machine whose reference gradients are the run's.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

import numpy as np

from zpeer.compute.initial import read_initial
from zpeer.compute.parameters import SUFFIX
from zpeer.crypto import Verifier
from zpeer.errors import EvidenceError
from zpeer.ids import Digest, digest_bytes
from zpeer.judging.case import Court
from zpeer.judging.evidence import read_evidence
from zpeer.judging.judge import judge
from zpeer.narrator import Narrator, printable
from zpeer.plugins import Kind, load_plugins
from zpeer.runs.config import genesis, load_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import TextIO

    from zpeer.compute.trainer import Trainer
    from zpeer.interfaces import Aggregator, Float32, Task, ValidatorPolicy
    from zpeer.plugins import Plugins
    from zpeer.runs.config import RunFile

PROVEN, NOT_PROVEN = 0, 1
PARAMETERS = "parameters"
"""Beside the directory of evidence a peer keeps its parameter files under this name."""


def verify_file(
    evidence: Path,
    run: Path,
    *,
    plugin_files: Iterable[Path] = (),
    out: TextIO | None = None,
) -> int:
    """Judge a file and print what was found; 0 proven, 1 not proven.

    Raises EvidenceError for a file that is unreadable, altered or of another run, or where
    parameters are lacking; ConfigError, PluginError or StartError where the run is not usable here.
    """
    found = read_evidence(evidence)
    file = load_run(run)
    plugins = load_plugins((*file.plugin_paths, *plugin_files))
    shared = genesis(file)
    recomputer = Recomputer(file, plugins, places(evidence))
    ruling = judge(
        found,
        Court(
            genesis=shared,
            aggregator=cast("Aggregator", plugins.choose(Kind.AGGREGATOR, file.aggregator)),
            policy=cast(
                "ValidatorPolicy", plugins.choose(Kind.VALIDATOR_POLICY, file.validator_policy)
            ),
            verify=Verifier(identity.key for identity in file.identities).verify,
            gradient=recomputer.gradient,
        ),
    )
    claim = Narrator.of(shared).say_departure(found.departure)
    verdict = "PROVEN" if ruling.proven else "NOT PROVEN"
    text = f"{evidence.name}: {claim}\n{verdict}: {ruling.reason}"
    (out or sys.stdout).write(printable(text) + "\n")
    return PROVEN if ruling.proven else NOT_PROVEN


def places(evidence: Path) -> list[Path]:
    """Where parameters files may lie: beside the evidence, and where its peer keeps its own."""
    directory = evidence.resolve().parent
    return [directory, directory.parent / PARAMETERS]


class Recomputer:
    """Computes gradients of a run; builds the trainer when the first one is asked for."""

    def __init__(self, run: RunFile, plugins: Plugins, directories: list[Path]) -> None:
        self._run = run
        self._plugins = plugins
        self._directories = directories
        self._trainer: Trainer | None = None

    def gradient(self, parameters: Digest, batch_seed: Digest) -> Float32:
        """The gradient at the parameters of that digest, shape (dimension,)."""
        vector = self._load(parameters)
        if self._trainer is None:
            self._trainer = self._make_trainer()
        return self._trainer.gradient(vector, batch_seed)[0]

    def _make_trainer(self) -> Trainer:
        from zpeer.compute.trainer import make_trainer, require_reference  # noqa: PLC0415 - slow to import

        task = cast("Task", self._plugins.choose(Kind.TASK, self._run.task))
        trainer = make_trainer(self._run, task)
        require_reference(trainer, read_initial(self._run), self._run.reference)
        return trainer

    def _load(self, name: Digest) -> Float32:
        """A parameter vector by its digest: x_0 of the run, or a file named by it."""
        if name.hex() == self._run.parameters.digest:
            return read_initial(self._run)
        for path in self._candidates(f"{name.hex()}{SUFFIX}"):
            data = path.read_bytes()
            if digest_bytes(data) == name and len(data) == 4 * self._run.parameters.dimension:
                return np.frombuffer(data, dtype="<f4").astype(np.float32, copy=False)
        looked = ", ".join(str(each) for each in (*self._directories, self._run.path.parent))
        raise EvidenceError(
            f"a gradient has to be computed again from the parameters {name.hex()}{SUFFIX}, which"
            f" are not in {looked}; ask who wrote the evidence for that file"
        )

    def _candidates(self, file: str) -> Iterator[Path]:
        """Beside the evidence, and anywhere in the run's own directory."""
        for directory in self._directories:
            if (directory / file).is_file():
                yield directory / file
        yield from sorted(self._run.path.resolve().parent.rglob(file))
