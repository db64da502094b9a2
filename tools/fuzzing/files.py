"""The other doors: logs, evidence, settings, keys, greetings. Each names what it may raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.fuzzing.records import (
    EvidenceFiles,
    LogFiles,
    make_real_exhibits,
    make_rings,
    make_toy_exhibits,
)
from tools.fuzzing.settings import Greetings, Settings

if TYPE_CHECKING:
    from pathlib import Path

    from tools.fuzzing.doors import Tally
    from zpeer.simulate.streams import Stream

CASE = 50


class FilesDoor:
    """See the module."""

    name = "files"
    case_inputs = CASE

    def __init__(self, directory: Path, *, real: bool = True) -> None:
        """Files lie in the directory, one at a time. `real`: evidence of runs with real numerics,
        too, which take half a minute."""
        rings = make_rings()
        exhibits = make_toy_exhibits(rings) + (make_real_exhibits() if real else [])
        self._kinds = (
            ("evidence", EvidenceFiles(exhibits)),
            ("logs", LogFiles(rings, directory)),
            ("settings and keys", Settings(directory)),
            ("greetings", Greetings()),
        )

    def run(self, case: int, stream: Stream, tally: Tally) -> None:
        """Fifty of one kind, in turn."""
        name, kind = self._kinds[case % len(self._kinds)]
        for _ in range(CASE):
            tally.inputs += 1
            tally.count(name)
            tally.read += kind.try_one(stream)
