"""Runs that are judged while they arrive: each frame as soon as it is whole, and none of them again later.

Until the object is whole its frames are written under the number it grows as, which is negative. When it has become an
arrival, its row says how many frames were judged already. When it has not, the row ends as incomplete and the log says
so; the same object sent again, byte for byte as far as it came, goes on where the first transfer ended.

While the journal fails, runs of cases under watch are judged on by what this process knows of them; what only the journal
could tell waits, or is judged again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from db import arrivals
from db.arrivals import ArrivalRow, Progress, Status
from db.connect import Engine, StoreFailure
from detection.vocabulary import Entry, EntryType, Frame
from dicom_gateway.arrival import Arrival
from dicom_gateway.frames import Film
from dicom_gateway.growing import Growing
from dicom_gateway.refusal import GatewayError, Undecodable
from dicom_gateway.spool import Spool
from service.ahead import Ahead, Lanes
from service.cases import Cases
from service.journey import Desk, follow
from service.lines import Job, row_of
from service.recall import Key
from service.settings import Settings
from service.sources import Sources

LOG = logging.getLogger(__name__)

MOST_ATTEMPTS = 3
"""A run at which the role has ended so many times waits until it is whole."""
N_BEATS_GONE = 4
"""A run that is nowhere for so long is not coming back: two seconds."""


@dataclass(slots=True, kw_only=True)
class EarlyRun:
    """A run that is not whole yet. ``is_left``: no more of it is judged before its end."""

    job: Job
    frames: Ahead
    key: Key
    has_ended: bool = False
    is_left: bool = False

    @property
    def has_frame(self) -> bool:
        """Whether a frame is whole, decoded and not judged yet."""
        if self.is_left or self.frames.film.n_whole() <= self.job.start:
            return False
        return self.frames.is_ready(self.job.start)

    @property
    def is_judged(self) -> bool:
        """Whether no frame that is whole will be judged any more."""
        return self.is_left or self.frames.film.n_whole() <= self.job.start

    def row(self) -> ArrivalRow:
        """What the journal knows of this run, or will when it takes lines again."""
        row = row_of(self.job.arrival, self.job.header, Status.OPEN)
        return replace(row, n_judged=self.job.start, procedure=self.key[0])


class Growth:
    """All runs that are on their way in, for one ``watch``."""

    def __init__(self, settings: Settings, desk: Desk, engine: Engine, place: tuple[Spool, Cases, Lanes]) -> None:
        self._desk, self._engine = desk, engine
        spool, self._cases, self._lanes = place
        self._sources = Sources(settings)
        self._growing = Growing(spool.folder)
        self._runs: dict[int, EarlyRun] = {}
        self._settled: set[int] = set()
        self._rows: list[ArrivalRow] = []
        self._n_gone = {number: 0 for number in arrivals.open_arrivals(engine) if number < 0}

    def look(self) -> set[str]:
        """Take up what has begun to arrive, and end what has ended; the sources with frames to judge."""
        for each in self._growing.all(but=self._settled):
            run = self._runs.get(each.number) or self._begin(each)
            if run is not None and not run.has_ended and self._growing.has_ended(each):
                run.has_ended = True
        for run in list(self._runs.values()):
            if run.has_ended and not self._has_frame(run) and run.is_judged:
                self._end(run)
        return {run.job.arrival.source for run in self._runs.values() if self._has_frame(run)}

    def sources(self) -> set[str]:
        """Who is sending a run."""
        return {run.job.arrival.source for run in self._runs.values()}

    def next_of(self, source: str) -> EarlyRun | None:
        """The oldest run of a source that has a frame to judge."""
        mine = (run for run in self._runs.values() if run.job.arrival.source == source)
        return next((run for run in mine if self._has_frame(run)), None)

    def advance(self, run: EarlyRun) -> bool:
        """Judge the next frame of a run; False when it cannot be decoded: its end will tell why.

        StoreFailure when its case is known to the journal only, and that does not answer.
        """
        index = run.job.start
        try:
            frame = run.frames.take(index, run.frames.film.n_whole())
        except Undecodable:
            run.is_left = True
            return False
        case = self._cases.case(run.key)
        case = follow(_received(frame, run.frames.film.changed_at()), None, case, self._desk)
        run.job = replace(run.job, start=index + 1)
        self._cases.keep(run.key, case, self._desk.now())
        return True

    def settle(self, job: Job, row: ArrivalRow) -> int:
        """How many frames of an arrival were judged before it was whole, or in an earlier transfer; ``write_rows`` notes its row."""
        grew_as = job.arrival.grew_as
        known = None if grew_as is None else self._known(grew_as)
        if grew_as is not None:
            self._put_away(grew_as)
        if known is None:
            known = self._begun_before(job)
        return self._note(row, known)

    def beat(self) -> None:
        """End what is nowhere any more: neither on its way, nor incomplete, nor an arrival."""
        if not self._n_gone:
            return
        there = {each.number for each in self._growing.all()}
        for number in [number for number in self._n_gone if number not in there]:
            self._n_gone[number] += 1
            if self._n_gone[number] >= N_BEATS_GONE:
                self._write_end(number, n_whole=None, cause="the object was not received whole, and could not be kept")

    def _begin(self, arrival: Arrival) -> EarlyRun | None:
        if any(_is_same_object(run.job.arrival, arrival) for run in self._runs.values()):
            return None  # the same object on two ways at once: the first shows what the second need not
        try:
            job = Job(arrival=arrival, header=self._sources.header_of(arrival))
            frames = Ahead(arrival, job.header, self._lanes)
            frames.film.n_whole()
        except FileNotFoundError:
            return None  # it has become whole this very moment
        except (GatewayError, OSError):
            self._settled.add(arrival.number)
            return None
        if self._must_wait(job) or self._is_behind(job):
            return None
        try:
            return self._open(job, frames)
        except StoreFailure as failure:
            LOG.warning("a run on its way in waits: %s", failure)
            return None

    def _must_wait(self, job: Job) -> bool:
        """Whether the journal has to be asked about this run, and does not answer."""
        if self._desk.pen.trouble is None:
            return False
        return job.arrival.number in self._n_gone or not self._cases.is_met(job)

    def _open(self, job: Job, frames: Ahead) -> EarlyRun | None:
        """A run with its case; None for one that is settled. StoreFailure leaves it for the next time."""
        number = job.arrival.number
        is_new = self._desk.pen.trouble is not None
        known = None if is_new else arrivals.find_arrival(self._engine, number)
        if known is not None and known.status is not Status.OPEN:
            self._settled.add(number)
            return None
        # the procedure is open and the case recalled before the first frame is whole: that one need not wait for it
        key = self._cases.key_of(job)
        self._cases.case(key)
        is_left = False
        if known is None:
            start = self._note(row_of(job.arrival, job.header, Status.OPEN), self._begun_before(job))
            self.write_rows()
        else:
            start = known.n_judged
            is_left = arrivals.count_attempt(self._engine, number) > MOST_ATTEMPTS
        run = EarlyRun(job=replace(job, start=start), frames=frames, key=key, is_left=is_left)
        self._runs[number] = run
        self._n_gone[number] = 0
        return run

    def _known(self, number: int) -> ArrivalRow | None:
        """What is known of a run: by this process, or else by the journal if it can be asked."""
        run = self._runs.get(number)
        if run is not None:
            return run.row()
        return self._ask(lambda: arrivals.find_arrival(self._engine, number))

    def _ask(self, question: Callable[[], ArrivalRow | None]) -> ArrivalRow | None:
        """What the journal knows; None also while it fails, for then it is better to judge again than to wait."""
        if self._desk.pen.trouble is not None:
            return None
        try:
            return question()
        except StoreFailure as failure:
            LOG.warning("the journal cannot be asked about a run: %s", failure)
            return None

    def _has_frame(self, run: EarlyRun) -> bool:
        try:
            return run.has_frame
        except Undecodable:
            run.is_left = True
            return False

    def _begun_before(self, job: Job) -> ArrivalRow | None:
        """The transfer, incomplete or hanging, that ``job`` repeats byte for byte as far as that was judged."""
        found = self._films(job)
        if found is None:
            return None
        before, old, new = found
        try:
            return before if old.n_whole() >= before.n_judged and new.continues(old, before.n_judged) else None
        except (GatewayError, OSError):
            return None

    def _is_behind(self, job: Job) -> bool:
        """Whether ``job`` repeats what an earlier transfer brought and has not come as far: none of it is news.

        One that is on its way may still bring some; one that has ended so is done with.
        """
        found = self._films(job)
        if found is None:
            return False
        before, old, new = found
        has_ended = self._growing.has_ended(job.arrival)
        try:
            repeats = new.only_repeats if has_ended else new.falls_short_of
            is_behind = old.n_whole() >= before.n_judged and repeats(old, before.n_judged)
            if is_behind and has_ended:
                self._pass_over(job, before, new.n_whole())
        except (GatewayError, OSError):
            return False
        return is_behind

    def _pass_over(self, job: Job, before: ArrivalRow, n_whole: int) -> None:
        """Its frames are accounted for: ``before`` has them all, and stays what another transfer goes on from."""
        told = replace(row_of(job.arrival, job.header, Status.GROWN), n_frames=n_whole, procedure=before.procedure)
        self._settled.add(told.number)
        self._desk.pen.note(lambda: arrivals.note_arrivals(self._engine, [told]))
        LOG.warning("run %d ended before it came as far as an earlier transfer of it", -told.number)

    def _films(self, job: Job) -> tuple[ArrivalRow, Film, Film] | None:
        """An earlier transfer of the same object of which frames were judged, its frames, and those of ``job``."""
        before = self._earlier(job)
        left = self._growing.find(before.number) if before is not None and before.n_judged > 0 else None
        if before is None or left is None or left.source != job.arrival.source:
            return None
        try:
            return before, Film(left, self._sources.header_of(left)), Film(job.arrival, job.header)
        except (GatewayError, OSError):
            return None

    def _earlier(self, job: Job) -> ArrivalRow | None:
        rival = next(
            (run.job.arrival.number for run in self._runs.values() if _is_same_object(run.job.arrival, job.arrival)),
            None,
        )
        if rival is not None:
            return self._known(rival)
        others = (each for each in self._growing.all() if each.number != job.arrival.number)
        if not any(_is_same_object(each, job.arrival) for each in others):
            return None  # without its file nothing can go on from it, and most objects come once
        uid, replay = job.header.sop_instance_uid, job.arrival.replay
        return self._ask(lambda: arrivals.incomplete_of(self._engine, uid, replay))

    def await_row(self, row: ArrivalRow) -> None:
        """A new row is to be written, after those that wait already: a restart goes on after the newest that it finds."""
        self._rows.append(row)

    def write_rows(self) -> None:
        """Write the rows that wait, all at once: before any of their arrivals is judged."""
        rows, self._rows = self._rows, []
        if rows:
            self._desk.pen.note(lambda: arrivals.note_arrivals(self._engine, rows))

    def _note(self, row: ArrivalRow, known: ArrivalRow | None) -> int:
        if known is None:
            self.await_row(row)
            return 0
        is_done = row.n_frames is not None and known.n_judged >= row.n_frames
        status = Status.DONE if is_done else row.status
        self._put_away(known.number)
        told = replace(row, n_judged=known.n_judged, procedure=known.procedure, status=status)
        self.write_rows()
        self._desk.pen.note(lambda: arrivals.note_successor(self._engine, told, known.number))
        return known.n_judged

    def _put_away(self, number: int) -> None:
        """Its frames are accounted for under another number, or it has ended."""
        self._settled.add(number)
        self._n_gone.pop(number, None)
        self._runs.pop(number, None)

    def _end(self, run: EarlyRun) -> None:
        """No more of it comes, and what came is judged."""
        number = run.job.arrival.number
        self._write_end(
            number, n_whole=run.frames.film.n_whole(), cause="the transfer ended before the object was whole"
        )

    def _write_end(self, number: int, *, n_whole: int | None, cause: str) -> None:
        run = self._runs.get(number)
        known = run.row() if run is not None else arrivals.find_arrival(self._engine, number)
        self._put_away(number)
        if known is None:
            return
        told = {
            "arrival": number,
            "n_judged": known.n_judged,
            "n_whole": n_whole,
            "sop_instance_uid": known.sop_instance_uid,
        }
        entry = Entry(
            at=self._desk.now(),
            type=EntryType.OBJECT_INCOMPLETE,
            procedure=known.procedure or "",
            source=known.source,
            cause=cause,
            data=told,
        )
        n_frames = known.n_judged if n_whole is None else n_whole
        progress = Progress(arrival=number, n_judged=known.n_judged, status=Status.INCOMPLETE, n_frames=n_frames)
        self._desk.pen.append([entry] if known.n_judged else [], progress=progress)
        self._desk.ring()
        LOG.warning("run %d ended before it was whole", -number, extra={"n_judged": known.n_judged})


def _is_same_object(one: Arrival, other: Arrival) -> bool:
    return (one.uid_hash, one.replay) == (other.uid_hash, other.replay)


def _received(frame: Frame, at: float) -> Frame:
    """The frame, received when the file was last written to: the object itself tells only when it began."""
    return replace(frame, stamp=replace(frame.stamp, received_at=at))
