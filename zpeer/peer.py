"""One peer as a process: the ZeroMQ loop around a session.

    poll -> bytes, finished jobs, time -> session -> effects

Start: everything is checked (`preparation.py`), sockets are bound, all peers of the run are waited
for (`muster.py`), the key claims the run on disk, and only then is anything signed. End: whatever
ends the run, the log is closed whole, the last model is saved, and the last line says why and where
things lie.

<state>/log/NAME.*.zlog  parameters/*.f32  evidence/*.evidence  model.safetensors
observations.jsonl
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Self

import msgspec

from zpeer.compute.hand import Hand
from zpeer.crypto import Verifier
from zpeer.effects import Stop
from zpeer.errors import StartError, ZpeerError
from zpeer.events import Started
from zpeer.genesis import WARNINGS
from zpeer.observations import Evaluated
from zpeer.parts import Layout
from zpeer.recorded.recording import Recorder, SegmentLimits
from zpeer.shell.assembly import Own, Peer, Plot, assemble
from zpeer.shell.interruption import handling_signals
from zpeer.shell.journal import SlotJournal
from zpeer.shell.leavers import Leavers
from zpeer.shell.listening import Ear
from zpeer.shell.logs import log_observation, make_logger
from zpeer.shell.muster import Muster, note
from zpeer.shell.preparation import Prepared, prepare
from zpeer.shell.readiness import is_words
from zpeer.shell.reporting import Traffic
from zpeer.transport import BulkFrame, ControlFrame, Incoming, Listen, Sizes, Transport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zpeer.compute.worker import Job
    from zpeer.core.machine import Core
    from zpeer.observations import Observation
    from zpeer.record import Record
    from zpeer.shell.interruption import Interruption

FINISHED, CRASHED, REMOVED, STOPPED = 0, 1, 4, 5
WORKERS_LEAST = 2
"""Of a roster of three: what makes a part largest."""
IDLE_SECONDS = 1.0
"""Who has nothing to do for so long gets its log to the disk."""
LINGER_SECONDS = 2.0
"""After a stop in disagreement sets are still shown to peers that look for who lied."""
JOIN_SECONDS = 60.0
FLUSH_SECONDS = 5.0
"""At most so long for the last VERDICT to get out: on a busy machine that takes a while, or a
connection breaks, and who misses it waits for it until its deadline."""
STAY_POLL_SECONDS = 0.02


def run_peer(peer_file: Path, *, observe: Callable[[Observation], None] | None = None) -> int:
    """Run one peer to its end, and return its exit code, that of `Stop` (or of a ZpeerError).

    Raises ZpeerError where it cannot start; later ends are reported by the peer itself.
    """
    prepared = prepare(peer_file)
    with Watchers(prepared, observe) as watchers, handling_signals() as interruption:
        transport = open_transport(prepared)
        interruption.wake = transport.wake
        if warning := WARNINGS.get(prepared.shared.genesis.protection):
            watchers.logger.error(warning)  # red where there are colours
        try:
            muster = Muster(prepared, transport, observe=watchers, logger=watchers.logger)
            muster.wait(lambda: interruption.signal)
            return Process(prepared, transport, watchers, interruption).live(muster.early)
        finally:
            interruption.wake = lambda: None
            transport.close(FLUSH_SECONDS)


def open_transport(prepared: Prepared) -> Transport:
    """Sockets, listening and reaching out; StartError where a port is taken."""
    run, genesis, file = prepared.run, prepared.shared.genesis, prepared.file
    host = file.bind.rpartition(":")[0]
    transport = Transport(
        prepared.identity,
        run=genesis.run,
        sections=run.sections(),
        roster=dict(zip(run.peer_ids, run.identities, strict=True)),
        sizes=Sizes(
            control=prepared.shared.limits.control_bytes_max,
            tensor=Layout(genesis.dimension, genesis.block, WORKERS_LEAST).size_bytes(0),
        ),
        listen=Listen(
            control=file.bind,
            bulk=f"{host}:{file.bulk_port or 0}",
            advertised_bulk_port=file.advertise_bulk_port,
            advertised=file.advertise,
        ),
    )
    try:
        transport.start({peer.identity.peer: peer.address for peer in run.peers})
    except StartError:
        transport.close()
        raise
    return transport


class Watchers:
    """Who is told: standard output, `observations.jsonl`, and the caller."""

    def __init__(self, prepared: Prepared, observe: Callable[[Observation], None] | None) -> None:
        self.logger = make_logger(prepared.name, prepared.file.log_level)
        self._observe = observe
        prepared.directory.mkdir(parents=True, exist_ok=True)
        self._file = (prepared.directory / "observations.jsonl").open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __call__(self, observation: Observation) -> None:
        """Tell all of them."""
        log_observation(self.logger, observation)
        self._file.write(msgspec.json.encode(observation) + b"\n")
        self._file.flush()
        if self._observe:
            self._observe(observation)


class Process:
    """The loop of one run. Used once."""

    def __init__(
        self,
        prepared: Prepared,
        transport: Transport,
        watchers: Watchers,
        interruption: Interruption,
    ) -> None:
        self._prepared = prepared
        self._transport = transport
        self._watchers = watchers
        self._interruption = interruption
        self._ear = Ear(transport.poll)
        self._heard = 0.0
        self._recorder: Recorder | None = None
        self._leavers = Leavers()
        genesis = prepared.shared.genesis
        self._names = dict(zip(genesis.peers, genesis.names, strict=True))
        self._claim = SlotJournal.claim(
            prepared.file.key_path, genesis.run, prepared.identity.signing
        )
        self._peer = self._assemble()
        self._hand = Hand(self._peer.worker.run, transport.wake)

    def live(self, early: list[ControlFrame | BulkFrame]) -> int:
        """From Started to the last word."""
        session = self._peer.session
        try:
            self._hand.start()
            session.feed(Started(), self._ear.time())
            for item in early:
                self._take(item)
            self._loop()
            stop = session.stopped or Stop(STOPPED, f"ended by {self._interruption.signal}")
        except ZpeerError as problem:
            stop = Stop(problem.exit_code, f"{type(problem).__name__}: {problem}")
        except Exception as problem:
            self._watchers.logger.exception("a bug of zpeer or of a plugin; the log replays it")
            stop = Stop(CRASHED, f"{type(problem).__name__}: {problem} ({find_place(problem)})")
        finally:
            if self._recorder:
                self._recorder.close()
            self._claim.close()
        return self._say_last(stop)

    # --- putting together -------------------------------------------------------------------------

    def _assemble(self) -> Peer:
        """The peer, between its sockets and its worker's thread."""
        prepared = self._prepared
        file, run = prepared.file, prepared.run
        own = Own(
            name=prepared.name,
            me=prepared.me,
            directory=prepared.directory,
            entropy=prepared.entropy,
            sign=self._claim.sign,
            verify=Verifier(identity.key for identity in run.identities).verify,
            observe=self._watchers,
            traffic=self._traffic,
            evaluate_every=run.run.evaluate_every if file.evaluate else 0,
            plot=self._plot(),
            on_record=self._forget_departed,
        )
        return assemble(
            prepared.shared,
            own,
            prepared.numerics,
            network=self._transport,
            submit=self._submit,
            opener=self._open,
            record=None if file.record == "off" else self._record,
            record_payloads=file.record == "full",
        )

    def _plot(self) -> Plot | None:
        prepared = self._prepared
        if prepared.attack is None or prepared.file.attack is None:
            return None
        sign = prepared.identity.signing.sign
        return Plot(prepared.attack, prepared.file.attack.start, prepared.colluders, sign)

    def _record(self, core: Core) -> Recorder:
        """The log, which opens with the core's first state."""
        file = self._prepared.file
        prefix = self._prepared.directory / "log" / self._prepared.name
        limits = SegmentLimits(segments_max=file.log_segments_max)
        self._recorder = Recorder(prefix, self._prepared.header, core.snapshot(), limits)
        return self._recorder

    def _submit(self, job: Job) -> None:
        self._hand.submit(job)

    def _open(self, frame: object) -> bytes | None:
        return self._transport.open(frame) if isinstance(frame, BulkFrame) else None

    def _traffic(self) -> Traffic:
        seen = self._transport.counters
        sent = seen.control_sent + seen.bulk_sent
        return Traffic(sent, seen.control_received + seen.bulk_received)

    # --- the loop ---------------------------------------------------------------------------------

    def _loop(self) -> None:
        """Until the core stops, and a little longer."""
        session = self._peer.session
        while session.stopped is None and not self._interruption.signal:
            self._turn(session.deadline)
        if session.stopped is not None and session.stopped.code == STOPPED:
            self._stay(LINGER_SECONDS, lambda: True)
        elif session.stopped is not None and session.stopped.code in (FINISHED, REMOVED):
            self._transport.take_leave()
            self._stay(FLUSH_SECONDS, self._is_awaited)

    def _stay(self, seconds: float, is_wanted: Callable[[], bool]) -> None:
        """Answer others, who may need what this peer holds, at most so long."""
        end = self._ear.time() + seconds
        while is_wanted() and self._ear.time() < end and not self._interruption.signal:
            self._turn(min(end, self._ear.time() + STAY_POLL_SECONDS))

    def _is_awaited(self) -> bool:
        """Whether somebody of the last roster may not have heard all that I said: its connection
        may have broken just now, and without the last VERDICT it does not come to its end."""
        record = self._peer.session.record
        return bool(self._transport.list_waiting() & set(record.roster if record else ()))

    def _turn(self, until: float) -> None:
        """Wait for something to happen, and deal with it."""
        session = self._peer.session
        is_idle = True
        for item in self._ear.listen(until):
            self._take(item)
            is_idle = False
        answers = self._hand.take()
        for done in answers:
            if done.problem is not None:
                raise done.problem
            session.answer(done.job, done.answer, self._ear.time())
        session.tick(self._ear.time())
        self._rest(is_idle=is_idle and not answers)

    def _rest(self, *, is_idle: bool) -> None:
        """Write the log out while nothing happens."""
        now = self._ear.time()
        if not is_idle:
            self._heard = now
        elif self._recorder and now >= self._heard + IDLE_SECONDS:
            self._recorder.flush()
            self._heard = now

    def _take(self, item: Incoming) -> None:
        """One thing that the transport gave."""
        session = self._peer.session
        if isinstance(item, ControlFrame) and is_words(item.data):
            return  # of one who started later
        if isinstance(item, ControlFrame):
            session.receive_control(item.peer, item.data, self._ear.time())
        elif isinstance(item, BulkFrame):
            session.receive_bulk(item.peer, item.header, item, len(item.sealed))
        else:
            note(self._watchers.logger, self._names, item)

    def _forget_departed(self, record: Record) -> None:
        """Turn away who left some time ago."""
        for peer in self._leavers.turn(record, self._ear.time()):
            self._transport.forget(peer)

    # --- the end ----------------------------------------------------------------------------------

    def _say_last(self, stop: Stop) -> int:
        """Save the last model, and say why the run ended and where things lie."""
        session = self._peer.session
        is_idle = self._hand.stop(JOIN_SECONDS, give_up=session.stopped is None)
        for done in self._hand.take():
            if isinstance(done.answer, Evaluated):
                self._watchers(done.answer)
        model = self._save_model() if is_idle else ""
        self._peer.reporter.ended(
            stop,
            session.record,
            model=model,
            log=str(self._recorder.prefix) if self._recorder else "",
            evidence=session.evidence,
        )
        return stop.code

    def _save_model(self) -> str:
        """The model of the last record, loadable by plain torch; empty if it cannot be saved."""
        path = self._prepared.directory / "model.safetensors"
        files = self._peer.files
        record = self._peer.session.record
        name = record.parameters if record else self._prepared.shared.genesis.parameters
        try:
            self._prepared.trainer.save_model(files.load(name), path)
        except ZpeerError as problem:
            self._watchers.logger.error("the model could not be saved", why=str(problem))  # noqa: TRY400 - no traceback
            return ""
        return str(path)


def find_place(problem: Exception) -> str:
    """File and line that raised."""
    frames = traceback.extract_tb(problem.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "nowhere"
