"""The last journal entries as event text, read and written out once for all live listeners."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from itertools import takewhile

from db.connect import Engine
from db.queries import entries_after
from detection.vocabulary import Entry
from service.api.answers import entry_of

LENGTH = 400
"""Entries kept: more than ten seconds of two sources at 15 frames/s."""
PAGE = 200
MOST_AT_ONCE = 32
"""Entries written to a listener in one go: what one that does not read can hold."""
MOST_PLACES = 64
"""Words put together that are kept: whoever asks from everywhere fills no memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry as a server-sent event."""

    number: int
    procedure: str
    text: bytes


class Tape:
    """Written by the pulse's thread, read by listeners. Holds every entry above ``start``, without a gap."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._events: deque[Event] = deque()
        self._start = 0
        self._end = 0
        self._told: dict[tuple[int, str | None], tuple[bytes, int]] = {}

    def wind(self, head: int) -> None:
        """Bring the tape up to ``head``; after a pause it begins anew rather than read everything between."""
        if head - self._end > PAGE:
            with self._lock:
                self._events.clear()
                self._told.clear()
                self._start = self._end = head
        while self._end < head:
            fresh = read_events(self._engine, self._end, None)
            if not fresh:
                return
            with self._lock:
                self._events.extend(fresh)
                self._told.clear()
                self._end = fresh[-1].number
                while len(self._events) > LENGTH:
                    self._start = self._events.popleft().number

    def since(self, after: int, procedure: str | None) -> tuple[bytes, int] | None:
        """The next events above ``after`` and how far they reach; None when the tape does not reach back that far.

        Most listeners have come equally far: what follows is put together once for all of them.
        """
        with self._lock:
            if after < self._start or self._end == 0:
                return None
            place = after, procedure
            if (told := self._told.get(place)) is None:
                told = self._between(after, procedure)
                if len(self._told) < MOST_PLACES:
                    self._told[place] = told
            return told

    def _between(self, after: int, procedure: str | None) -> tuple[bytes, int]:
        # from the end, for most listeners lack the last one only
        newer = list(takewhile(lambda each: each.number > after, reversed(self._events)))
        next_ones = newer[::-1][:MOST_AT_ONCE]
        end = next_ones[-1].number if len(newer) > MOST_AT_ONCE else max(after, self._end)
        return b"".join(each.text for each in next_ones if procedure in {None, each.procedure}), end


def read_events(engine: Engine, after: int, procedure: str | None) -> list[Event]:
    """The next page of events from the database."""
    return [event_of(entry) for entry in entries_after(engine, after, procedure=procedure, limit=PAGE)]


def event_of(entry: Entry) -> Event:
    """``id:`` is the number, ``event:`` the type, ``data:`` the entry."""
    wire = entry_of(entry)
    text = f"id: {wire.number}\nevent: {wire.type}\ndata: {wire.model_dump_json(by_alias=True)}\n\n"
    return Event(number=wire.number, procedure=wire.procedure, text=text.encode())
