"""What lies beside the arrivals and may go in its time: objects that somebody has dismissed, and runs that never became whole.

Nothing goes unasked: a dismissed object after ``keep_dismissed_days``, the rest of a run under the rule of any object.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from db.connect import Engine
from db.deliveries import undelivered
from db.facts import facts_of
from db.journal import Journal
from detection.vocabulary import NO_PROCEDURE, Entry, EntryType
from dicom_gateway import quarantine
from dicom_gateway.growing import Growing
from dicom_gateway.quarantine import Note
from dicom_gateway.spool import Spool
from service.retention import DAY_S, hold_of
from service.settings import Settings

LOG = logging.getLogger(__name__)

EVERY_S = 600.0
N_AT_ONCE = 100


class Leftovers:
    """Looks every now and then, writes what goes, and takes it away."""

    def __init__(self, settings: Settings, spool: Spool, engine: Engine) -> None:
        self._spool, self._engine, self._growing = spool, engine, Growing(spool.folder)
        self._keep_s, self._keep_dismissed_s = settings.keep_days * DAY_S, settings.keep_dismissed_days * DAY_S
        self._archives = [archive.name for archive in settings.archives]
        self._next_at = 0.0

    def step(self, now: float) -> int:
        """How many objects went. StoreFailure when the journal does not answer."""
        if now < self._next_at:
            return 0
        self._next_at = now + EVERY_S
        return self._take_dismissed(now) + self._take_incomplete(now)

    def _take_dismissed(self, now: float) -> int:
        if not self._keep_dismissed_s:
            return 0
        folder = self._spool.quarantined
        found = quarantine.notes(quarantine.dismissed(folder), limit=quarantine.N_QUARANTINED)
        due = [note for note in found if now - (note.dismissed_at or now) >= self._keep_dismissed_s]
        free = self._free([note.arrival for note in due if note.arrival is not None], now)
        going = [note for note in due if note.arrival is None or not self._keep_s or note.arrival in free]
        going = going[:N_AT_ONCE]
        self._write(NO_PROCEDURE, [note.name for note in going], "dismissed from the quarantine", now)
        for note in going:
            self._remove(note)
        return len(going)

    def _remove(self, note: Note) -> None:
        """The dismissed file; its arrival too where arrivals are to go at all."""
        if note.arrival is not None and self._keep_s:
            self._spool.remove(note.arrival)
        quarantine.remove(self._spool.quarantined, note)

    def _take_incomplete(self, now: float) -> int:
        if not self._keep_s:
            return 0
        ended = [run.number for run in self._growing.all() if self._growing.has_ended(run)]
        free = self._free(ended, now)
        for procedure in sorted(set(free.values())):
            numbers = [number for number, owner in free.items() if owner == procedure]
            self._write(procedure, numbers, "of runs that never became whole", now)
        for number in free:
            self._growing.remove(number)
        return len(free)

    def _free(self, numbers: Sequence[int], now: float) -> dict[int, str]:
        """Those that nothing holds, each with its procedure."""
        facts = facts_of(self._engine, numbers)
        owed = undelivered(
            self._engine, [number for number in numbers if self._is_to_be_forwarded(number)], self._archives
        )
        return {
            number: fact.procedure or NO_PROCEDURE
            for number, fact in facts.items()
            if hold_of(fact, now=now, keep_s=self._keep_s, awaits_archive=number in owed, is_dismissed=True) is None
        }

    def _is_to_be_forwarded(self, number: int) -> bool:
        """Whether archives want it: a device's object, whole."""
        arrival = self._spool.find(number) if number > 0 else None
        return arrival is not None and arrival.replay is None

    def _write(self, procedure: str, objects: Sequence[object], cause: str, now: float) -> None:
        if not objects:
            return
        said = {"objects": list(objects), "n_objects": len(objects)}
        entry = Entry(at=now, type=EntryType.OBJECTS_REMOVED, procedure=procedure, cause=cause, data=said)
        Journal(self._engine).append([entry])
        LOG.info("objects removed", extra={"n_objects": len(objects), "cause": cause})
