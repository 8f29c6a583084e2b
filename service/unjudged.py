"""What is not judged is told: frames passed over, frames that cannot be decoded, objects that are given up.

An object that failed lies in the quarantine too, where somebody sees it.
"""

from __future__ import annotations

import logging

from db.arrivals import ArrivalRow, Progress, Status
from detection.vocabulary import Entry, EntryType
from dicom_gateway.arrival import Arrival
from dicom_gateway.spool import Spool
from service.journey import Desk
from service.lines import Job
from service.recall import Key

LOG = logging.getLogger(__name__)


class Unjudged:
    """Writes what ``watch`` could not, or would not yet, judge."""

    def __init__(self, desk: Desk, spool: Spool) -> None:
        self._desk, self._spool = desk, spool

    def fail(self, job: Job, key: Key, reason: str) -> None:
        """The next frame of ``job`` cannot be decoded, and so none after it is judged."""
        procedure, source, _ = key
        entry = Entry(
            at=self._desk.now(),
            type=EntryType.FRAME_FAILED,
            procedure=procedure,
            source=source,
            cause=reason,
            data={"arrival": job.arrival.number, "index": job.start, "n_frames": job.header.n_frames},
        )
        progress = Progress(arrival=job.arrival.number, n_judged=job.start, status=Status.FAILED)
        self._desk.pen.append([entry], progress=progress)
        self._set_aside(job.arrival, reason)
        self._desk.ring()

    def give_up(self, number: int, known: ArrivalRow | None, reason: str) -> None:
        """An object of which nothing more is judged; ``known`` is what the journal has of it."""
        progress = Progress(arrival=number, n_judged=known.n_judged if known else 0, status=Status.FAILED)
        entry = Entry(
            at=self._desk.now(),
            type=EntryType.FRAME_FAILED,
            procedure=(known.procedure if known else None) or "",
            cause=reason,
            data={"arrival": number},
        )
        self._desk.pen.append([entry], progress=progress)
        arrival = self._spool.find(number)
        if arrival is not None:
            self._set_aside(arrival, reason)
        LOG.error("object %d given up: %s", number, reason)

    def pass_over(self, key: Key, n_frames: int) -> None:
        """So many frames wait until the newest is judged."""
        entry = Entry(
            at=self._desk.now(),
            type=EntryType.FRAMES_SKIPPED,
            procedure=key[0],
            source=key[1],
            cause="analysis late: the newest frame is judged first",
            data={"n_frames": n_frames},
        )
        self._desk.pen.append([entry])

    def _set_aside(self, arrival: Arrival, reason: str) -> None:
        try:
            self._spool.set_aside(arrival, reason)
        except OSError as error:
            LOG.warning("object %d could not be set aside: %s", arrival.number, error.strerror)
