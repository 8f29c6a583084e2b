"""How far the journal is, kept in memory so that a quiet poll never touches the database.

One thread listens to the bell, looks at the journal and wakes whoever waits in the event loop. A lost ring costs
half a second: the thread looks by itself that often. When the journal does not answer, ``Beat.trouble`` says so,
because a screen must not take silence for safety.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from db.connect import Engine, StoreFailure
from db.heartbeat import Heartbeat, heartbeats
from db.journal import Journal
from service.api.tape import Tape
from service.bell import Bell
from service.unlogged import Told, told_from

PATIENCE_S = 0.5
SHARED_S = 0.02
"""Listeners that are woken together hear the same words; ages in them are this much older at most."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The journal as it was last seen: last number, last number that changed an alert, heartbeat of each source.

    ``told`` is what ``watch`` says past the journal while it cannot write, by source.
    """

    head: int
    alerts_head: int
    sources: tuple[Heartbeat, ...]
    trouble: str | None
    told: Mapping[str, Told] = field(default_factory=dict)


class Pulse:
    """Follows the journal from a thread of its own; waited for from the event loop."""

    def __init__(
        self, engine: Engine, bell: Bell, past_journal: Bell, look_too: Callable[[], None] = lambda: None
    ) -> None:
        """``look_too`` is called in the pulse's thread whenever the journal has moved on."""
        self._past_journal = past_journal
        self._engine, self._journal, self._bell = engine, Journal(engine), bell
        self._look_too = look_too
        self._stopping = threading.Event()
        self._looking = threading.Lock()
        self._waiters: set[asyncio.Future[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._threads: tuple[threading.Thread, ...] = ()
        self.tape = Tape(engine)
        self.n_listeners = 0
        self.beat = Beat(head=0, alerts_head=0, sources=(), trouble="The journal has not been read yet.")
        self._said = self.beat, float("-inf"), b""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to follow, and look once before returning."""
        self._loop = loop
        self.look()
        followers = {"pulse": self._follow, "past-journal": self._hear}
        self._threads = tuple(
            threading.Thread(target=follow, name=name, daemon=True) for name, follow in followers.items()
        )
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop following; returns when the thread has ended."""
        self._stopping.set()
        self._bell.ring()
        self._past_journal.ring()
        for thread in self._threads:
            thread.join(timeout=10)

    def look(self) -> Beat:
        """Read the journal now; blocks for a few queries."""
        with self._looking:
            before = self.beat
            self.beat = self._read(before)
        if _news_of(before) != _news_of(self.beat):
            self._wake()
        return self.beat

    def shared(self, beat: Beat, now: float, write: Callable[[Beat, float], bytes]) -> bytes:
        """What ``write`` says of this beat, written once for all who ask within ``SHARED_S``; in the event loop only."""
        about, at, words = self._said
        if about is not beat or not 0 <= now - at < SHARED_S:
            words = write(beat, now)
            self._said = beat, now, words
        return words

    async def change(self, since: Beat, timeout_s: float) -> Beat:
        """The beat as soon as it differs from ``since``, or the present one when ``timeout_s`` has passed."""
        if timeout_s > 0 and _news_of(self.beat) == _news_of(since):
            loop = asyncio.get_running_loop()
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.add(waiter)
            # half of what an event and a timeout cost, for each listener and each entry
            alarm = loop.call_later(timeout_s, _wake_one, waiter)
            try:
                await waiter
            finally:
                alarm.cancel()
                self._waiters.discard(waiter)
        return self.beat

    @contextmanager
    def listener(self) -> Iterator[None]:
        """While somebody listens, entries are kept in memory for all who do."""
        self.n_listeners += 1
        try:
            yield
        finally:
            self.n_listeners -= 1

    def _read(self, before: Beat) -> Beat:
        try:
            # Heads first: an entry written in between is found at the next look, never lost.
            head, alerts_head = self._journal.heads()
            if head != before.head or before.trouble is not None:
                self._look_too()
            sources = tuple(heartbeats(self._engine))
            if self.n_listeners:
                # before the beat tells of it: who heard of an entry that is not on the tape would ask the database
                self.tape.wind(head)
            return Beat(head=head, alerts_head=alerts_head, sources=sources, trouble=None, told=before.told)
        except StoreFailure as failure:
            if before.trouble is None:
                log.warning("journal does not answer: %s", type(failure).__name__)
            return replace(before, trouble="The journal does not answer. Alerts on this screen may be old.")

    def _follow(self) -> None:
        with self._bell.listen() as ear:
            while not self._stopping.is_set():
                ear.wait(PATIENCE_S)
                try:
                    self.look()
                except Exception:
                    log.exception("the journal could not be followed")

    def _hear(self) -> None:
        """What ``watch`` says past the journal."""
        with self._past_journal.listen() as ear:
            while not self._stopping.is_set():
                message = ear.take(PATIENCE_S)
                told = told_from(message) if message else None
                if told is not None:
                    with self._looking:
                        self.beat = replace(self.beat, told={**self.beat.told, told.beat.source: told})
                    self._wake()

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._announce)

    def _announce(self) -> None:
        """In the event loop: wake all who wait now."""
        for waiter in self._waiters:
            _wake_one(waiter)


def _wake_one(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _news_of(beat: Beat) -> tuple[object, ...]:
    """What a waiting client is woken for; heartbeats come by themselves."""
    return beat.head, beat.trouble, tuple(map(id, beat.told.values()))
