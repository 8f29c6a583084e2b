"""Which objects may leave the spool: none by default, and never one that somebody may still need.

The decision is one pure function. What is about to go is written into the log of its procedure first.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum

from db.arrivals import Status
from db.connect import Engine
from db.deliveries import undelivered
from db.facts import Fact, facts_of
from db.journal import Journal
from detection.vocabulary import Entry, EntryType
from dicom_gateway.spool import Spool

LOG = logging.getLogger(__name__)

DAY_S = 86_400.0
N_AT_ONCE = 200
"""Objects looked at in one step: some ten milliseconds, between two frames of a quiet room."""
PAUSE_S = 600.0
"""From the end of the spool to the next look at its beginning."""


class Hold(StrEnum):
    """Why an object stays."""

    UNKNOWN = "the journal does not know it yet"
    UNJUDGED = "not every frame of it has been judged"
    NO_CASE = "it belongs to no procedure"
    OPEN_CASE = "its procedure is open"
    UNACKNOWLEDGED = "an alert of its procedure sounds or was never acknowledged"
    UNFORWARDED = "the archive does not have it yet"
    YOUNG = "its procedure has not been closed for long enough"


_NOTHING_TO_JUDGE = frozenset({Status.KEPT, Status.INCOMPLETE, Status.GROWN})


def hold_of(
    fact: Fact | None, *, now: float, keep_s: float, awaits_archive: bool = False, is_dismissed: bool = False
) -> Hold | None:
    """Why the object stays, or None: it may go. ``awaits_archive``: it is to be forwarded and that is not confirmed.

    ``is_dismissed``: it could not be judged, and somebody has said that nobody needs it.
    """
    if fact is None:
        return Hold.UNKNOWN
    is_judged = fact.status is Status.DONE and fact.n_frames is not None and fact.n_judged >= fact.n_frames
    if not is_judged and fact.status not in _NOTHING_TO_JUDGE and not (fact.status is Status.FAILED and is_dismissed):
        return Hold.UNJUDGED
    if fact.procedure is None:
        return Hold.NO_CASE
    if fact.closed_at is None:
        return Hold.OPEN_CASE
    if fact.n_unacknowledged:
        return Hold.UNACKNOWLEDGED
    if awaits_archive:
        return Hold.UNFORWARDED
    return Hold.YOUNG if now - fact.closed_at < keep_s else None


class Retention:
    """Goes through the spool from its oldest object on, a few at a time."""

    def __init__(self, spool: Spool, engine: Engine, *, keep_days: float, archives: Sequence[str] = ()) -> None:
        """``archives`` are the names of those that must have an object for sure before it goes; a replay goes without."""
        self._archives = archives
        self._spool, self._engine, self._keep_s = spool, engine, keep_days * DAY_S
        self._seen, self._next_at = 0, 0.0

    def step(self, now: float) -> int:
        """Remove what may go among the next few objects; how many went. StoreFailure when the journal does not answer."""
        if not self._keep_s or now < self._next_at:
            return 0
        arrivals = self._spool.some_after(self._seen, N_AT_ONCE)
        if not arrivals:
            self._seen, self._next_at = 0, now + PAUSE_S
            return 0
        facts = facts_of(self._engine, [each.number for each in arrivals])
        owed = undelivered(self._engine, [each.number for each in arrivals if each.replay is None], self._archives)
        going: dict[str, list[int]] = defaultdict(list)
        for each in arrivals:
            fact, is_owed = facts.get(each.number), each.number in owed
            hold = hold_of(fact, now=now, keep_s=self._keep_s, awaits_archive=is_owed)
            if fact is not None and hold is None:
                going[fact.procedure or ""].append(each.number)
        self._seen = arrivals[-1].number
        self._write(going, now)
        for number in (number for numbers in going.values() for number in numbers):
            self._spool.remove(number)
        return sum(map(len, going.values()))

    def _write(self, going: dict[str, list[int]], now: float) -> None:
        entries = [
            Entry(
                at=now,
                type=EntryType.OBJECTS_REMOVED,
                procedure=procedure,
                cause=f"its procedure closed more than {self._keep_s / DAY_S:g} days ago",
                data={"arrivals": numbers, "n_objects": len(numbers)},
            )
            for procedure, numbers in going.items()
        ]
        if entries:
            Journal(self._engine).append(entries)
            LOG.info("objects removed from the spool", extra={"n_objects": sum(map(len, going.values()))})
