"""One simulated process: a peer's session and worker, and all that can befall a process.

It runs, stands still (what comes waits, its timers fire late), is down for a while (what comes is
lost; then it goes on with its state) or for good. Jobs take no virtual time, or so much as the plan
says; they are done one after another, as by a peer's worker thread.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from zpeer.effects import Broadcast, ComputeParts, Recompute
from zpeer.shell.reporting import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable

    from zpeer.compute.store import Bytes
    from zpeer.compute.worker import Job
    from zpeer.effects import Effect
    from zpeer.events import Event
    from zpeer.ids import PeerId
    from zpeer.shell.assembly import Peer
    from zpeer.shell.session import Session
    from zpeer.simulate.plan import Moment
    from zpeer.simulate.watch import WatchedCore
    from zpeer.simulate.world import World


class State(Enum):
    """What a process is at."""

    UP = auto()
    FROZEN = auto()
    DOWN = auto()


class Parcel(NamedTuple):
    """Something under way. A tensor has a header, a control message none."""

    sender: PeerId
    to: PeerId
    header: bytes
    data: bytes
    sent: float


class Waiting(NamedTuple):
    """Something that happens when its peer has come that far."""

    moment: Moment
    later: float
    happen: Callable[[], None]


class Host:
    """The process of one peer. `post` carries a parcel away; `cost` says how long a job takes."""

    peer: Peer
    """Session, worker, stores."""
    core: WatchedCore
    """The watched core."""
    session: Session
    """The peer's session."""

    def __init__(
        self,
        world: World,
        number: int,
        me: PeerId,
        *,
        side: int,
        trusted: bool,
        post: Callable[[Host, Parcel], None],
        cost: Callable[[], float],
    ) -> None:
        self.world = world
        self.number = number
        self.me = me
        self.side = side
        """Which of two twins it is."""
        self.trusted = trusted
        """Whether it is honest, however slow or cut off it may be."""
        self.state = State.UP
        self._gone = False
        self.fell = ""
        """What an untrusted peer's own code raised: it went down of it."""
        self.sent_bytes = 0
        self.received_bytes = 0
        self._post = post
        self._cost = cost
        self._armed = inf
        self._busy = False
        self._jobs: deque[Job] = deque()
        self._backlog: deque[tuple[Callable[..., None], tuple[object, ...]]] = deque()
        self._outbox: list[Parcel] = []
        self._waiting: list[Waiting] = []
        self.speaking: tuple[int, str] = (-1, "")
        """Step and stage of what it said last."""
        self._copies = 0

    def settle(self, peer: Peer, core: WatchedCore) -> None:
        """Join what `assemble` made for this host, before anything happens to it."""
        self.peer = peer
        self.session = peer.session
        self.core = core

    @property
    def is_running(self) -> bool:
        """Whether anything may still be expected of it."""
        return not self._gone and self.session.stopped is None

    @property
    def is_idle(self) -> bool:
        """Whether no job waits."""
        return not self._busy

    # --- what comes in ----------------------------------------------------------------------------

    def start(self, event: Event) -> None:
        """Hand the core its first event."""
        self._do(self.session.feed, event, self.world.now)

    def deliver(self, parcel: Parcel) -> None:
        """What has arrived; lost where the process is down."""
        if self.state is State.UP:
            sender, _, header, data, _ = parcel
            self.received_bytes += len(header) + len(data)
            if header:
                self._do(self.session.receive_bulk, sender, header, data, len(data))
            else:
                self._do(self.session.receive_control, sender, data, self.world.now)
        elif self.state is State.FROZEN:
            self._backlog.append((self.deliver, (parcel,)))

    def _tick(self, due: float) -> None:
        """The session's timer, unless it has been set anew."""
        if due != self._armed or self.state is State.DOWN:
            return
        if self.state is State.FROZEN:
            self._backlog.append((self._tick, (due,)))
            return
        self._armed = inf
        self._do(self.session.tick, self.world.now)

    def _do(self, action: Callable[..., object], *args: object) -> None:
        """Turn the session, and arm its timer. An attacker whose own code breaks is down."""
        try:
            action(*args)
        except Exception as problem:
            if self.trusted:
                raise
            self.fell = f"{type(problem).__name__}: {problem}"
            self.crash()
            return
        due = self.session.deadline
        if due != self._armed:
            if due != inf:
                self.world.at(due, self._tick, due)
            self._armed = due

    # --- its work ---------------------------------------------------------------------------------

    def submit(self, job: Job) -> None:
        """Do a job when those before it are done."""
        if self._busy:
            self._jobs.append(job)
        else:
            self._begin(job)

    def _begin(self, job: Job) -> None:
        seconds = self._cost() if isinstance(job, ComputeParts | Recompute) else 0.0
        if seconds > 0:
            self._busy = True
            self.world.after(seconds, self._finish, job)
        else:
            self.session.answer(job, self.peer.worker.run(job), self.world.now)

    def _finish(self, job: Job) -> None:
        if self.state is not State.UP:
            self._backlog.append((self._finish, (job,)))
        else:
            self._do(self._answer, job)

    def _answer(self, job: Job) -> None:
        self._busy = False
        self.session.answer(job, self.peer.worker.run(job), self.world.now)
        while self._jobs and not self._busy:
            self._begin(self._jobs.popleft())

    # --- what goes out (`zpeer.shell.session.Network`) --------------------------------------------

    def send_control(self, to: PeerId, data: bytes) -> None:
        """A control message."""
        self._send(to, b"", data)
        self._copies += 1
        if self._waiting:
            self._look()

    def send_bulk(self, to: PeerId, header: bytes, data: Bytes) -> None:
        """A tensor."""
        self._send(to, header, bytes(data))

    def _send(self, to: PeerId, header: bytes, data: bytes) -> None:
        parcel = Parcel(self.me, to, header, data, self.world.now)
        if self.state is State.UP:
            self.sent_bytes += len(header) + len(data)
            self._post(self, parcel)
        elif self.state is State.FROZEN:
            self._outbox.append(parcel)

    def throw(self, to: PeerId, data: bytes) -> None:
        """Bytes of an attacker that are no message at all."""
        self._send(to, b"", data)

    def traffic(self) -> Traffic:
        """Bytes of payloads; there are no frames here."""
        return Traffic(self.sent_bytes, self.received_bytes)

    # --- what befalls it --------------------------------------------------------------------------

    def freeze(self, seconds: float) -> None:
        """Stand still."""
        if self.state is State.UP:
            self.state = State.FROZEN
            self.world.after(seconds, self._thaw)

    def _thaw(self) -> None:
        if self.state is not State.FROZEN:
            return
        self.state = State.UP
        for parcel in self._outbox:
            self._send(parcel.to, parcel.header, parcel.data)
        self._outbox = []
        self._catch_up()

    def crash(self) -> None:
        """Be gone for good."""
        self.state = State.DOWN
        self._gone = True

    def restart(self, seconds: float, rise: Callable[[WatchedCore], None]) -> None:
        """Be down, then go on with the state that was kept; `rise` makes a core of it."""
        if self.state is State.UP:
            self.state = State.DOWN
            self.world.after(seconds, self._rise, rise)

    def _rise(self, rise: Callable[[WatchedCore], None]) -> None:
        if self._gone:
            return
        rise(self.core)
        self.state = State.UP
        self._catch_up()

    def _catch_up(self) -> None:
        """Do what has waited, then what is due."""
        while self._backlog and self.state is State.UP:
            action, args = self._backlog.popleft()
            action(*args)
        if self.state is State.UP and self.session.deadline <= self.world.now:
            self._armed = inf
            self._do(self.session.tick, self.world.now)

    # --- when it befalls it -----------------------------------------------------------------------

    def wait_for(self, moment: Moment, later: float, happen: Callable[[], None]) -> None:
        """Let something happen so many seconds after this peer has come that far."""
        self._waiting.append(Waiting(moment, later, happen))

    def notice(self, step: int, effects: list[Effect]) -> None:
        """What the core is about to say."""
        for effect in effects:
            if isinstance(effect, Broadcast):
                self.speaking, self._copies = (step, effect.stage.name), 0
                if self._waiting:
                    self._look()

    def _look(self) -> None:
        step, stage = self.speaking
        due = [
            waiting
            for waiting in self._waiting
            if waiting.moment.stage == stage
            and waiting.moment.step <= step
            and waiting.moment.copies <= self._copies
        ]
        for waiting in due:
            self._waiting.remove(waiting)
            if waiting.later > 0:
                self.world.after(waiting.later, waiting.happen)
            else:
                waiting.happen()
