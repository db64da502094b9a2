"""`zpeer inspect FILE`: says what a file is and what stands in it, peers by name and by id.

Knows logs, evidence, records, run files, templates, peer files, keys (of a private one only what is
public), models and parameter vectors. Reads, judges nothing, and writes nothing.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from safetensors import SafetensorError, safe_open

from zpeer import identity
from zpeer.effects import Decide, Warn
from zpeer.errors import ConfigError, EvidenceError, ZpeerError
from zpeer.ids import digest_bytes, short
from zpeer.judging import evidence
from zpeer.narrator import Narrator, printable, say_agreement
from zpeer.recorded import zlog
from zpeer.recorded.selection import find_peer
from zpeer.recorded.why import new_charges, tell_why
from zpeer.runs import config
from zpeer.wire import WireLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import TextIO

    from zpeer.effects import Effect
    from zpeer.genesis import Genesis
    from zpeer.identity import PublicIdentity
    from zpeer.record import Charge, Record

Row = tuple[str, str]

FLOAT_BYTES = 4
PIPE_COLUMNS = 400
"""Columns where nobody looks: a digest on two lines cannot be searched for."""


def inspect_file(path: Path, out: TextIO | None = None, *, why: str | None = None) -> int:
    """Print what a file is; 0, or ZpeerError where it is nothing of ours or cannot be read.

    `why`: a peer (a name, or the start of an id); prints instead why it left, from a log.
    """
    title, rows = describe_file(path) if why is None else describe_why(path, why)
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in rows:
        table.add_row(printable(key), printable(value))
    to = out or sys.stdout
    width = None if to.isatty() else PIPE_COLUMNS
    Console(file=to, width=width, highlight=False, markup=False).print(table)
    return 0


def describe_file(path: Path) -> tuple[str, list[Row]]:
    """Title and rows for any file; ZpeerError where there are none."""
    if not path.exists() and not zlog.segments_of(path):
        raise ZpeerError(f"{path}: no such file or directory, and no log of that name")
    kind, rows = recognise(path)
    return f"{path.name}: {kind}", list(rows(path))


def describe_why(path: Path, wanted: str) -> tuple[str, list[Row]]:
    """Title and rows on why a peer left; ZpeerError where the file is no log."""
    if path.exists():
        kind, rows = recognise(path)
        if rows is not describe_log:
            raise ZpeerError(f"{path}: found a {kind}, expected a recorded log with --why")
    log = zlog.read_log(path)
    peer = find_peer(log.header.genesis, wanted, "--why")
    return f"{path.name}: why {wanted} left", list(tell_why(log, peer))


def recognise(path: Path) -> tuple[str, Callable[[Path], Iterable[Row]]]:
    """What a file is, by its first bytes and its keys, and what describes it."""
    if path.is_dir() and (path / config.RUN_FILE).exists():
        return "run", describe_run
    if not path.is_file() or path.suffix == zlog.SUFFIX:
        return "recorded log", describe_log
    with path.open("rb") as file:
        start = file.read(len(zlog.MAGIC))
    if start.startswith(zlog.MAGIC[:8]):
        return "recorded log", describe_log
    if start.startswith(evidence.MAGIC[:8]):
        return "evidence", describe_evidence
    for suffix, kind, rows in BY_SUFFIX:
        if path.suffix == suffix:
            return kind, rows
    return "record", describe_record


# --- logs -----------------------------------------------------------------------------------------


def describe_log(path: Path) -> Iterator[Row]:
    """Whose log, how much of it, and what happened."""
    log = zlog.read_log(path)
    header = log.header
    narrator = Narrator.of(header.genesis)
    yield "of", f"{narrator.name(header.me)} {header.me.hex()}"
    yield from describe_genesis(header.genesis)
    yield "aggregator", describe_choice(header.aggregator)
    yield "validator policy", describe_choice(header.policy)
    yield "signatures", "checked with the peers' keys" if header.keys else "ideal: a simulation"
    yield "core", f"{header.core.hex() or 'unknown'}, protocol version {header.protocol}"
    yield from describe_frames(log, narrator)


def describe_frames(log: zlog.LogReader, narrator: Narrator) -> Iterator[Row]:
    """Counts, what became final, and what was torn off."""
    kinds: Counter[str] = Counter()
    payload_bytes = 0
    happened = Happened(narrator)
    for _, frame in log:
        match frame:
            case zlog.Entry(event=event, effects=effects):
                kinds[type(event).__name__] += 1
                for effect in effects:
                    happened.see(effect)
            case zlog.Payload(data=data):
                payload_bytes += len(data)
            case zlog.Crash(error=error):
                happened.said.append(f"the core raised: {error}")
            case _:
                continue
    for segment in log.segments:
        torn = log.dropped.get(segment, 0)
        note = f", its last {torn} bytes are torn" if torn else ""
        yield "segment", f"{segment.name}, {segment.stat().st_size} bytes{note}"
    yield "events", ", ".join(f"{name} {count}" for name, count in kinds.most_common()) or "none"
    yield "payloads", f"{payload_bytes} bytes" if payload_bytes else "not recorded"
    yield "last record", happened.last
    if happened.warnings:
        yield "warnings", f"{happened.warnings}, told by --why PEER or `zpeer replay --kind Warn`"
    for line in happened.said:
        yield "", line


@dataclass
class Happened:
    """What became final in a log, and what did not go well."""

    narrator: Narrator
    last: str = "nothing yet"
    warnings: int = 0
    said: list[str] = field(default_factory=list)
    charges: tuple[Charge, ...] = ()

    def see(self, effect: Effect) -> None:
        """Note a record, or trouble."""
        if isinstance(effect, Warn):
            self.warnings += 1
        elif isinstance(effect, Decide):
            record, narrator = effect.record, self.narrator
            self.last, *_ = narrator.record(record)
            place = f"step {record.step}.{record.attempt}"
            if record.views:
                self.said.append(f"{place}: {say_agreement(record, effect.verdicts)}")
            self.said += [narrator.say_departure(each) for each in record.departures]
            fresh = new_charges(self.charges, record.charges)
            if fresh:
                self.said.append(f"{place}: charged {narrator.say_charges(fresh)}")
            self.charges = record.charges


def describe_choice(choice: zlog.Choice) -> str:
    """A plugin with its parameters."""
    keys = ", ".join(f"{key} = {value!r}" for key, value in sorted(choice.parameters.items()))
    source = f" (file {short(choice.source)})" if choice.source else ""
    return f"{choice.name}({keys}){source}"


def describe_genesis(genesis: Genesis) -> Iterator[Row]:
    """What the core knows of a run."""
    yield "run", genesis.run.hex()
    yield "protection", genesis.protection.value
    yield "agreement", f"{genesis.agreement.value}, patience {genesis.patience:g} s"
    yield "steps", f"{genesis.steps}, {genesis.validators} validators"
    yield "parameters", f"{genesis.dimension} numbers, at the start {genesis.parameters.hex()}"
    for name, peer in zip(genesis.names, genesis.peers, strict=True):
        yield "peer", f"{name} {peer.hex()}"


# --- evidence and records -------------------------------------------------------------------------


def describe_evidence(path: Path) -> Iterator[Row]:
    """What it claims and what it rests on; `zpeer verify-evidence` judges it."""
    found = evidence.read_evidence(path)
    for witness in found.witnesses:
        yield "peer", f"{witness.name} {witness.peer.hex()}"
    for line in evidence.render_evidence(found):
        yield "", line


def describe_record(path: Path) -> Iterator[Row]:
    """A record by itself: its ids have no names here."""
    data = path.read_bytes()
    try:
        record = evidence.decode_record(data)
    except EvidenceError:
        known = ", ".join(("*.zlog", *(suffix for suffix, _, _ in BY_SUFFIX)))
        raise ZpeerError(
            f"{path}: nothing that zpeer knows; expected a log, evidence, record, or one of {known}"
        ) from None
    yield from describe_one_record(record)


def describe_one_record(record: Record) -> Iterator[Row]:
    """Every field of a record that is not in its paragraph."""
    narrator = Narrator({}, WireLimits(1, 1), record.previous)
    for line in narrator.record(record):
        yield "", line
    yield "head", record.head.hex()
    yield "previous", record.previous.hex()
    yield "parameters", record.parameters.hex()
    yield "beacons", f"r {short(record.beacon)}, q {short(record.secret_beacon)}"
    yield "sets", ", ".join(short(each) for each in record.sets)
    yield "views", ", ".join(short(each) for each in record.views) or "none: by its stage sets"
    yield "checked", record.checked.hex()


# --- files for people -----------------------------------------------------------------------------


def describe_toml(path: Path) -> Iterator[Row]:
    """A run file, a template or a peer file, told apart by their keys."""
    keys = config.read_toml(path)
    if "peers" in keys:
        return describe_run(path)
    if "state" in keys or "key" in keys:
        return describe_peer(path)
    if "task" in keys:
        return describe_template(path)
    raise ConfigError(
        f"{path}: neither run file, template nor peer file; found the keys {', '.join(keys)}"
    )


def describe_run(path: Path) -> Iterator[Row]:
    """A run file: its id, and who is in it."""
    run = config.load_run(path)
    yield "is a", "run file"
    yield from describe_genesis(config.genesis(run))
    for entry in run.peers:
        yield "address", f"{entry.name} at {entry.address}"
    yield from describe_sections(run.model_dump(mode="json", exclude={"peers", "plugins"}))


def describe_template(path: Path) -> Iterator[Row]:
    """What `zpeer init --from` makes runs of."""
    yield "is a", "template: `zpeer init --from` makes a run of it"
    template = config.load_template(path)
    yield from describe_sections(template.model_dump(mode="json", exclude={"plugins"}))


def describe_sections(sections: dict[str, object]) -> Iterator[Row]:
    """Sections as they were validated, defaults filled in."""
    for name, section in sections.items():
        keys = section if isinstance(section, dict) else {"": section}
        yield f"[{name}]", ", ".join(f"{key} = {value!r}" for key, value in keys.items())


def describe_peer(path: Path) -> Iterator[Row]:
    """One peer's own settings; secrets are named, not shown."""
    peer = config.load_peer(path)
    yield "is a", "peer file"
    shown = peer.model_dump(mode="json", exclude={"entropy"}, exclude_none=True)
    for key, value in shown.items():
        yield key, str(value)
    if peer.entropy is not None:
        yield "entropy", "fixed (for tests; not shown)"
    public = identity.with_suffix(peer.key_path, ".pub")
    if public.exists():
        yield from describe_identity(identity.load_public(public))


def describe_public(path: Path) -> Iterator[Row]:
    """A public identity file, its signature verified."""
    yield from describe_identity(identity.load_public(path))


def describe_private(path: Path) -> Iterator[Row]:
    """Only what is public of a private key."""
    yield "note", "the secrets are not shown"
    yield from describe_identity(identity.load_private(path).public)


def describe_identity(public: PublicIdentity) -> Iterator[Row]:
    """Names and keys."""
    yield "name", public.name
    yield "peer", public.peer.hex()
    yield "ecdsa", public.ecdsa
    yield "curve", public.curve


# --- numbers --------------------------------------------------------------------------------------


def describe_safetensors(path: Path) -> Iterator[Row]:
    """Tensors of a model."""
    yield "file digest", digest_bytes(path.read_bytes()).hex()
    try:
        with safe_open(path, framework="numpy") as tensors:
            yield from (tensors.metadata() or {}).items()
            for name in tensors.keys():  # noqa: SIM118 - no mapping
                part = tensors.get_slice(name)
                shape = " x ".join(map(str, part.get_shape())) or "scalar"
                yield name, f"{part.get_dtype()} {shape}"
    except (SafetensorError, OSError) as problem:
        raise ZpeerError(f"{path}: no readable safetensors file: {problem}") from problem


def describe_vector(path: Path) -> Iterator[Row]:
    """A parameter vector: raw float32, named by its digest."""
    data = path.read_bytes()
    found = digest_bytes(data).hex()
    yield "numbers", str(len(data) // FLOAT_BYTES)
    yield "digest", found
    yield "name", "fits" if path.stem == found else "DOES NOT FIT: the file was renamed or damaged"


BY_SUFFIX: tuple[tuple[str, str, Callable[[Path], Iterable[Row]]], ...] = (
    (".toml", "configuration", describe_toml),
    (".pub", "public identity", describe_public),
    (".key", "private key", describe_private),
    (".safetensors", "model", describe_safetensors),
    (".f32", "parameter vector", describe_vector),
)
