"""The role ``forward``: brings every stored object to every archive, however long that takes.

Theory. The queue stands in the database, one row for each object and destination; a restart goes on where it stood.
An object is sent first and noted afterwards, so a crash between the two sends it once more: the archive knows it by its
SOP Instance UID, and one copy remains. Each destination has a thread of its own: one that is slow or down delays no
other. While a destination does not answer, no row is touched; only the pause before the next attempt grows.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from db import deliveries
from db.connect import Engine, StoreFailure
from db.deliveries import Delivery, Outgoing, Stage, Step
from dicom_gateway.arrival import Arrival
from dicom_gateway.forward import Answer, Identity, StoreCarrier, Verdict, digest_of, identity_of
from dicom_gateway.refusal import Unreachable, Unreadable
from dicom_gateway.spool import Spool
from service.archives import Archive
from service.entrance import peer_of
from service.settings import Settings
from service.stow import StowCarrier

LOG = logging.getLogger(__name__)

N_FED = 200
"""Arrivals that are put into the queue in one transaction."""
N_AT_ONCE = 50
NOTE_AFTER_S = 1.0
"""Answers are noted together: each transaction makes the journal wait for a disk."""
FIRST_PAUSE_S = 1.0
MOST_DOUBTS = 3
"""Times that an archive may fail to understand an object before that counts as its last word."""
MOST_IN_A_ROW = 3
"""Objects refused for now, one after another, after which the archive as a whole is left alone for a while."""
COMMIT_AFTER_S = 2.0
"""From an object's success to the question whether it will be kept: objects that come together are asked for together."""
ASK_AT_LEAST_S = 30.0
GONE = "the object is no longer in the data folder"


class Carrier(Protocol):
    """A way to one archive: C-STORE or STOW-RS. ``deliver`` raises Unreachable; ``rest`` lets go of what is open."""

    def deliver(self, path: Path, identity: Identity) -> Answer: ...  # noqa: D102 - see above
    def rest(self) -> None: ...  # noqa: D102 - see above


def carrier_of(archive: Archive, settings: Settings) -> Carrier:
    """How objects get to ``archive``."""
    return StowCarrier(archive) if archive.url is not None else StoreCarrier(peer_of(archive, settings))


def pause_s(n_failed: int, most_s: float) -> float:
    """How long to leave something alone that failed ``n_failed`` times in a row: doubled each time, up to ``most_s``."""
    return min(most_s, FIRST_PAUSE_S * 2.0 ** min(n_failed - 1, 30))


def enqueue_files(engine: Engine, data_dir: Path, paths: Sequence[Path], names: Sequence[str], *, at: float) -> int:
    """Put objects of our own making, below the data folder, into the queue of these archives; how many rows are new.

    A file must stay as it is until it is delivered. Raises ``Unreadable`` for one that is no DICOM object.
    """
    items = []
    for path in paths:
        identity = identity_of(path)
        items.append(
            Outgoing(
                path=str(path.relative_to(data_dir)),
                sop_class_uid=identity.sop_class_uid,
                sop_instance_uid=identity.sop_instance_uid,
                digest=digest_of(path),
            )
        )
    return deliveries.enqueue(engine, items, names, at=at)


class Feeder:
    """Puts what has arrived into the queue of every archive. A replay is not sent where it came from."""

    def __init__(self, settings: Settings, engine: Engine, spool: Spool) -> None:
        self._settings, self._engine, self._spool = settings, engine, spool
        self._reach = {archive.name: deliveries.standing(engine, archive.name).reach for archive in settings.archives}

    def step(self, now: float) -> int:
        """The next few arrivals that some queue lacks; how many there were. StoreFailure when the database does not answer."""
        n_seen = 0
        for reach in sorted(set(self._reach.values())):
            names = [name for name, at in self._reach.items() if at == reach]
            arrivals = self._spool.some_after(reach, N_FED)
            if not arrivals:
                continue
            items = [_outgoing(each, self._settings.data_dir) for each in arrivals if each.replay is None]
            deliveries.enqueue(self._engine, items, names, at=now, reach=arrivals[-1].number)
            self._reach |= dict.fromkeys(names, arrivals[-1].number)
            n_seen += len(arrivals)
        return n_seen


def _outgoing(arrival: Arrival, data_dir: Path) -> Outgoing:
    path = str(arrival.path.relative_to(data_dir))
    try:
        identity = identity_of(arrival.path)
    except (Unreadable, OSError):
        trouble = "the object cannot be read"
        return Outgoing(
            path=path,
            sop_class_uid="",
            sop_instance_uid="",
            digest=arrival.digest,
            arrival=arrival.number,
            trouble=trouble,
        )
    return Outgoing(
        path=path,
        sop_class_uid=identity.sop_class_uid,
        sop_instance_uid=identity.sop_instance_uid,
        digest=arrival.digest,
        arrival=arrival.number,
    )


class Courier:
    """Empties the queue of one archive. ``turn`` sends what is due, and says how long it may sleep."""

    def __init__(
        self,
        archive: Archive,
        settings: Settings,
        engine: Engine,
        carrier: Carrier,
        ask: Callable[[float], object] = lambda _: None,
    ) -> None:
        """``ask`` is called between batches, for storage commitment."""
        self.name = archive.name
        self._ask, self._has_questions, self._asked_at = ask, archive.commit, 0.0
        self._settings, self._engine, self._carrier = settings, engine, carrier
        self._settled = Stage.SENT if archive.commit else Stage.STORED
        self._n_failed = 0

    @property
    def is_failing(self) -> bool:
        """Whether the archive did not answer the last time; a new arrival is then no reason to ask it again."""
        return self._n_failed > 0

    def turn(self, now: Callable[[], float], should_stop: Callable[[], bool] = lambda: False) -> float:
        """Send what is due; seconds until it makes sense to look again. StoreFailure when the database does not answer."""
        try:
            batch = deliveries.due(self._engine, self.name, now(), N_AT_ONCE)
            if not batch:
                self._carrier.rest()
                self._inquire(now())
                return self._idle_s(now())
            self._send(batch, now, should_stop)
            if now() - self._asked_at > ASK_AT_LEAST_S:
                self._inquire(now())
        except Unreachable as trouble:
            self._n_failed += 1
            self._carrier.rest()
            deliveries.note_trouble(self._engine, self.name, trouble.reason, at=now())
            LOG.warning("archive out of reach", extra={"archive": self.name, "reason": trouble.reason})
            return pause_s(self._n_failed, self._settings.forward_pause_s)
        self._n_failed = 0
        return 0.0

    def _inquire(self, now: float) -> None:
        self._asked_at = now
        self._ask(now)

    def _send(self, batch: Sequence[Delivery], now: Callable[[], float], should_stop: Callable[[], bool]) -> None:
        steps: list[Step] = []
        noted_at, n_later = now(), 0
        try:
            for each in batch:
                if should_stop():
                    return
                answer = self._deliver(each)
                steps.append(self._step(each, answer, now()))
                n_later = n_later + 1 if answer.verdict is Verdict.LATER else 0
                if n_later >= MOST_IN_A_ROW:
                    raise Unreachable(answer.reason)
                if now() - noted_at >= NOTE_AFTER_S:
                    deliveries.note_steps(self._engine, self.name, steps)
                    steps, noted_at = [], now()
        finally:
            deliveries.note_steps(self._engine, self.name, steps)

    def _deliver(self, each: Delivery) -> Answer:
        path = self._settings.data_dir / each.path
        try:
            return self._carrier.deliver(path, identity_of(path))
        except Unreadable:
            return Answer(verdict=Verdict.NEVER, reason="the object cannot be read")
        except OSError:
            return Answer(verdict=Verdict.NEVER if not path.exists() else Verdict.LATER, reason=GONE)

    def _step(self, each: Delivery, answer: Answer, at: float) -> Step:
        n_tried = each.attempts + 1
        is_over = answer.verdict is Verdict.NEVER or (answer.verdict is Verdict.DOUBTFUL and n_tried >= MOST_DOUBTS)
        state = self._settled if answer.verdict is Verdict.STORED else Stage.REFUSED if is_over else Stage.WAITING
        if state is not self._settled:
            extra = {"archive": self.name, "arrival": each.arrival, "status": answer.status, "reason": answer.reason}
            LOG.warning("object not taken by the archive", extra=extra | {"is_final": is_over})
        wait_s = COMMIT_AFTER_S if state is Stage.SENT else 0.0
        if state is Stage.WAITING:
            wait_s = pause_s(n_tried, self._settings.forward_pause_s)
        return Step(path=each.path, state=state, at=at, due_at=at + wait_s, status=answer.status, reason=answer.reason)

    def _idle_s(self, now: float) -> float:
        at = deliveries.next_due_at(self._engine, self.name)
        most_s = 1.0 if self._has_questions else 60.0
        return most_s if at is None else min(most_s, max(0.05, at - now))


class Forwarding:
    """Feeder and couriers with their threads. ``wake`` after an arrival; ``stop`` lets the present object end."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        spool: Spool,
        now: Callable[[], float],
        questions: Mapping[str, Callable[[float], object]] = MappingProxyType({}),
    ) -> None:
        """``questions`` by archive: who asks it for storage commitment."""
        self._now = now
        self._feeder = Feeder(settings, engine, spool)
        self._stop = threading.Event()
        self._wakes: list[threading.Event] = []
        self._threads: list[threading.Thread] = []
        for archive in settings.archives:
            ask = questions.get(archive.name, lambda _: None)
            courier = Courier(archive, settings, engine, carrier_of(archive, settings), ask)
            self._wakes.append(threading.Event())
            arguments = (courier, self._wakes[-1])
            self._threads.append(threading.Thread(target=self._go, args=arguments, name=archive.name, daemon=True))

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def feed(self) -> int:
        """Put what has arrived into the queues, and wake the couriers if that was anything."""
        n_seen = self._feeder.step(self._now())
        if n_seen:
            for wake in self._wakes:
                wake.set()
        return n_seen

    def stop(self, patience_s: float = 5.0) -> None:
        """End: an object on its way gets ``patience_s`` to arrive, else it is sent again after the next start."""
        self._stop.set()
        for wake in self._wakes:
            wake.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(patience_s)

    def _go(self, courier: Courier, wake: threading.Event) -> None:
        while not self._stop.is_set():
            wake.clear()
            try:
                rest_s = courier.turn(self._now, self._stop.is_set)
            except StoreFailure as failure:
                LOG.error("the queue cannot be read or written: %s", type(failure).__name__)  # noqa: TRY400 - a row may name a patient
                rest_s = 1.0
            except Exception as error:  # noqa: BLE001 - a courier that dies would leave its archive without objects for good
                LOG.error("courier in trouble", extra={"archive": courier.name, "error": type(error).__name__})  # noqa: TRY400 - as above
                rest_s = 5.0
            if rest_s > 0:
                (self._stop if courier.is_failing else wake).wait(rest_s)
