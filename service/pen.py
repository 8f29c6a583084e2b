"""Writes what was judged into the journal; while that fails, judging goes on.

Written before shown, as long as the journal takes a line within the patience. Beyond that the line waits here in its
order, its alert is shown *unlogged*, and it is written, so marked, as soon as the journal takes lines again. Should the
process end meanwhile, nothing is lost: the frames lie in the spool and are judged again.

One thread writes, because a database may hang for longer than an alert may wait.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from db.arrivals import Progress
from db.connect import StoreFailure
from db.journal import Journal
from detection.vocabulary import ACTS, Act, Alert, Entry

LOG = logging.getLogger(__name__)

MOST_WAITING = 3000
"""Frames that wait for the journal; of those after them only the alerts are shown, and they are judged again later."""
MOST_PROCEDURES = 200
"""Procedures whose acts are remembered."""
AGAIN_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses between attempts; the last one repeats."""
SLOW = "The journal does not take entries."


@dataclass(slots=True, eq=False)
class Task:
    """One write, and what came of it."""

    write: Callable[[], tuple[Entry, ...]] = tuple
    alerts: tuple[Alert, ...] = ()
    is_late: bool = False
    has_been_tried: threading.Event = field(default_factory=threading.Event)
    written: tuple[Entry, ...] = ()
    error: Exception | None = None


class Pen:
    """Writes in order, and says when it could not. ``patience_s`` None waits for as long as the journal takes."""

    def __init__(self, journal: Journal, now: Callable[[], float], *, patience_s: float | None) -> None:
        self._journal, self._now, self._patience_s = journal, now, patience_s
        self._turn = threading.Condition()
        self._closing = threading.Event()
        self._tasks: deque[Task] = deque()
        self._beat: Task | None = None
        self._trouble: str | None = None
        self._unlogged: dict[str, Alert] = {}
        self._has_dropped = False
        self.n_unlogged = 0
        self._read_to = -1
        self._fresh: list[tuple[str, Act]] = []
        self._acts: OrderedDict[str, list[Act]] = OrderedDict()
        self._thread: threading.Thread | None = None

    @property
    def trouble(self) -> str | None:
        """Why lines wait, or None while the journal takes them."""
        return self._trouble

    @property
    def must_start_over(self) -> bool:
        """The journal takes lines again after more of them came than could wait: judge again what it does not know."""
        return self._has_dropped and self._trouble is None

    def unlogged(self) -> dict[str, Alert]:
        """The latest state of each alert that the journal does not know in this state, by id."""
        with self._turn:
            return dict(self._unlogged)

    def append(
        self, entries: Sequence[Entry], *, alerts: Sequence[Alert] = (), progress: Progress | None = None
    ) -> tuple[Entry, ...]:
        """As ``Journal.append``; the entries come back without numbers when they have to wait."""

        def marked() -> Sequence[Entry] | None:
            return [self._late(entry) for entry in entries] if task.is_late else None

        task = Task(alerts=tuple(alerts))
        task.write = lambda: self._journal.append(entries, alerts=alerts, progress=progress, if_late=marked)
        self._hand_in(task)
        self._note_own(task.written)
        return task.written or tuple(entries)

    def note(self, write: Callable[[], object]) -> None:
        """Another write, in order with the lines."""
        self._hand_in(Task(write=lambda: _nothing(write)))

    def beat(self, write: Callable[[], object]) -> None:
        """A sign of life: nobody waits for it, and only the newest counts."""
        with self._turn:
            self._beat = Task(write=lambda: _nothing(write))
            self._begin()
            self._turn.notify()

    def acts_since(self, procedure: str, number: int) -> tuple[Act, ...]:
        """What operators did in ``procedure`` after line ``number``; the journal is asked only when others wrote to it.

        Nothing while the journal fails: no act could be written either.
        """
        if self._trouble is not None:
            return ()
        try:
            self._read_on()
            if procedure not in self._acts:
                # all of them: another case of this procedure may have heard fewer
                self._acts[procedure] = list(self._journal.acts_since(procedure, 0))
                while len(self._acts) > MOST_PROCEDURES:
                    self._acts.popitem(last=False)
        except StoreFailure:
            return ()
        return tuple(act for act in self._acts[procedure] if act.number > number)

    def fresh_acts(self) -> list[tuple[str, Act]]:
        """What operators did in any procedure since this was last asked, oldest first, each with its procedure.

        Nothing the first time. StoreFailure when the journal does not answer.
        """
        self._read_on()
        fresh, self._fresh = self._fresh, []
        return fresh

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what waits, if that is possible soon."""
        with self._turn:
            self._turn.wait_for(lambda: not self._tasks, timeout_s if self._thread else 0)
            self._closing.set()
            self._turn.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    def _read_on(self) -> None:
        head = self._journal.head()
        if head == self._read_to:
            return
        if self._read_to >= 0:
            acts = self._journal.acts_after(self._read_to)
            self._fresh += acts
            head = max([head, *(act.number for _, act in acts)])  # more may have been written since it was asked
            for procedure, act in acts:
                known = self._acts.get(procedure)
                if known is not None and (not known or act.number > known[-1].number):
                    known.append(act)
        self._read_to = head

    def _note_own(self, written: tuple[Entry, ...]) -> None:
        """What we wrote ourselves right after what we had read need not be read."""
        is_next = bool(written) and written[0].number == self._read_to + 1
        if is_next and not any(entry.type in ACTS for entry in written):
            self._read_to = written[-1].number or self._read_to

    def _late(self, entry: Entry) -> Entry:
        times = {**entry.times, "written": self._now()} if entry.times else entry.times
        return replace(entry, times=times, data={**entry.data, "unlogged": True})

    def _hand_in(self, task: Task) -> Task:
        with self._turn:
            task.is_late = self._trouble is not None
            if task.is_late:
                self._show(task.alerts)
            if len(self._tasks) >= MOST_WAITING:
                self._has_dropped = True
                return task
            self._tasks.append(task)
            self._begin()
            self._turn.notify()
        if not task.is_late:
            task.has_been_tried.wait(self._patience_s)
            with self._turn:
                if task in self._tasks:
                    self._fall_behind(SLOW)
        if task.error is not None:
            raise task.error
        return task

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_on, name="pen", daemon=True)
            self._thread.start()

    def _next(self) -> Task | None:
        with self._turn:
            self._turn.wait_for(lambda: self._tasks or self._beat or self._closing.is_set())
            if self._closing.is_set():
                return None
            return self._tasks[0] if self._tasks else self._beat

    def _write_on(self) -> None:
        n_failed = 0
        while (task := self._next()) is not None:
            try:
                task.written = task.write()
                n_failed = 0
            except StoreFailure as failure:
                # without a traceback: it would quote the row, and with it a patient
                with self._turn:
                    self._fall_behind(f"{SLOW[:-1]} ({type(failure).__name__}).")
                task.has_been_tried.set()
                self._closing.wait(AGAIN_S[min(n_failed, len(AGAIN_S) - 1)])
                n_failed += 1
                continue
            except Exception as error:  # noqa: BLE001 - told to whoever waits for it
                task.error = error
            self._done(task)

    def _done(self, task: Task) -> None:
        with self._turn:
            if self._tasks and self._tasks[0] is task:
                self._tasks.popleft()
            elif self._beat is task:
                self._beat = None
            if not self._tasks and self._trouble is not None:
                LOG.warning("the journal takes entries again")
                self._trouble = None
                self._unlogged.clear()
            task.has_been_tried.set()
            self._turn.notify_all()
        if task.error is not None and task.is_late:
            LOG.error("a line was not written", exc_info=task.error)

    def _fall_behind(self, why: str) -> None:
        """With the turn held: from now on nobody waits for the journal."""
        if self._trouble is None:
            LOG.error("alerts are shown unlogged: %s", why)
        self._trouble = self._trouble or why
        for task in self._tasks:
            task.is_late = True
            self._show(task.alerts)

    def _show(self, alerts: Sequence[Alert]) -> None:
        self._unlogged |= {alert.id: alert for alert in alerts}
        self.n_unlogged += len(alerts)


class OwnPen(Pen):
    """The pen of a journal that nobody else writes to and nobody looks at meanwhile, as a replay's.

    A line is written at once by the thread that judges, and acts are read again only after one of our own. StoreFailure,
    which here is a full disk, goes to whoever judges: there is no alert that must be shown all the same.
    """

    def __init__(self, journal: Journal, now: Callable[[], float]) -> None:
        super().__init__(journal, now, patience_s=None)
        self._has_acted = True

    def beat(self, write: Callable[[], object]) -> None:
        """At once, too."""
        write()

    def _hand_in(self, task: Task) -> Task:
        task.written = task.write()
        self._has_acted = self._has_acted or any(entry.type in ACTS for entry in task.written)
        return task

    def _read_on(self) -> None:
        if self._has_acted:
            super()._read_on()
            self._has_acted = False


def _nothing(write: Callable[[], object]) -> tuple[Entry, ...]:
    write()
    return ()
