"""The role ``watch``: takes arrivals from the spool, judges their frames, writes the journal.

It may die at any time. What the journal knows is not judged again; what it does not know is still in the spool.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from db import arrivals, heartbeat
from db.arrivals import ArrivalRow, Progress, Status
from db.connect import Engine, StoreFailure
from db.heartbeat import Heartbeat
from detection.vocabulary import Entry, EntryType, Silence, TechnicalCause
from dicom_gateway.callers import REPLAY_CALLER
from dicom_gateway.frames import mode_of
from dicom_gateway.header import read_header
from dicom_gateway.refusal import Undecodable, Unreadable
from dicom_gateway.spool import Arrival, Spool
from service.ahead import Ahead, Lanes
from service.cases import ACTIVE_S, Cases
from service.growth import EarlyRun, Growth
from service.journey import Desk, follow, look_back
from service.lines import Job, Line, in_turn, row_of
from service.settings import Settings
from service.standing import beat_of

LOG = logging.getLogger(__name__)

REPLAY_STAYS_S = 60.0
MOST_ATTEMPTS = 3
"""An object at which the role has ended so many times after a restart takes it down; it is set aside."""


@dataclass(slots=True, kw_only=True)
class Run:
    """An arrival whose frames are being judged, one a turn."""

    job: Job
    frames: Ahead
    key: tuple[str, str]


class Watch:
    """The watcher of one spool and one journal. ``turn`` does one frame's work."""

    def __init__(self, settings: Settings, desk: Desk, engine: Engine, spool: Spool, cases: Cases) -> None:
        self._settings, self._desk, self._engine, self._spool, self._cases = settings, desk, engine, spool, cases
        self._lanes = Lanes(settings, desk.ring)
        self._growth = Growth(settings, desk, engine, (spool, cases, self._lanes))
        self._lines: dict[str, Line] = {}
        self._runs: dict[str, Run] = {}
        self._failing: set[str] = set()
        self._served: str | None = None
        self._newest = arrivals.newest_arrival(engine)
        self._beat_at = 0.0
        self._resume()

    def turn(self) -> bool:
        """Take in what has arrived and judge one frame; whether there was one."""
        self._take_in(self._spool.after(self._newest))
        for source in self._growth.look():
            self._lines.setdefault(source, Line(source=source))
        has_worked = any(self._serve(line) for line in in_turn(self._lines, self._served))
        now = self._desk.now()
        if now - self._beat_at >= 0.5 or not has_worked:
            self._cases.hear_acts(now)
        if now - self._beat_at >= 0.5:
            self._beat(now)
        return has_worked

    def _resume(self) -> None:
        """Take up what was open when the role last ended."""
        for number in (number for number in arrivals.open_arrivals(self._engine) if number > 0):
            arrival = self._spool.find(number)
            known = arrivals.find_arrival(self._engine, number)
            if arrival is None or known is None:
                self._give_up(number, known, "the object is no longer in the spool")
            else:
                self._enqueue(arrival, start=known.n_judged, is_resumed=True)
        rows = heartbeat.heartbeats(self._engine)
        self._cases.resume((row.procedure, row.source) for row in rows if row.procedure is not None)
        skipped = {row.source: row.frames_skipped for row in rows}
        for source, (n_received, n_judged) in arrivals.counts_by_source(self._engine).items():
            if REPLAY_CALLER.fullmatch(source) and source not in skipped:
                continue
            line = self._lines.setdefault(source, Line(source=source))
            line.n_received, line.n_judged, line.n_skipped = n_received, n_judged, skipped.get(source, 0)

    def _take_in(self, fresh: list[Arrival]) -> None:
        """Note new arrivals before any of them is judged, so that a restart finds them."""
        for arrival in fresh:
            self._enqueue(arrival, start=0)
            self._newest = arrival.number

    def _enqueue(self, arrival: Arrival, *, start: int, is_resumed: bool = False) -> None:
        try:
            header = read_header(arrival.path, default_rate=self._settings.default_frame_rate)
        except (Unreadable, OSError) as error:
            arrivals.note_arrivals(self._engine, [row_of(arrival, None, Status.OPEN)])
            reason = str(error) if isinstance(error, Unreadable) else f"the file cannot be read: {error.strerror}"
            self._give_up(arrival.number, None, reason)
            return
        job = Job(arrival=arrival, header=header, start=start, is_resumed=is_resumed)
        if not is_resumed:
            row = row_of(arrival, header, Status.OPEN if header.is_image else Status.KEPT)
            job = replace(job, start=self._growth.settle(job, row))
        if not header.is_image:
            self._cases.note_kept(job)
            return
        line = self._lines.setdefault(arrival.source, Line(source=arrival.source))
        if not is_resumed:
            line.n_received += header.n_frames - job.start
        if job.start < header.n_frames:
            line.waiting.append(job)

    def _serve(self, line: Line) -> bool:
        """One frame of one source; False when it has none."""
        run = self._runs.get(line.source)
        early = None if run is not None or line.waiting else self._growth.next_of(line.source)
        if early is not None:
            return self._serve_early(line, early)
        run = run or self._begin(line)
        if run is None or not run.frames.is_ready(run.job.start):
            return False
        self._served = line.source
        try:
            self._advance(line, run)
        except Undecodable as error:
            self._runs.pop(line.source, None)
            self._failing.add(line.source)
            self._fail(run, str(error))
        except StoreFailure:
            # Nothing is lost: what was not written is judged again from the last line written.
            self._runs.pop(line.source, None)
            self._cases.drop(run.key)
            line.waiting.appendleft(replace(run.job, start=run.job.start))
            raise
        return True

    def _serve_early(self, line: Line, run: EarlyRun) -> bool:
        """One frame of a run that is not whole yet."""
        self._served = line.source
        try:
            if self._growth.advance(run):
                line.n_received += 1
                line.n_judged += 1
        except StoreFailure:
            self._growth.forget(run)
            raise
        return True

    def _begin(self, line: Line) -> Run | None:
        job, n_passed = line.take(self._desk.now(), self._settings.skip_after_s)
        if job is None:
            return None
        number = job.arrival.number
        if job.is_resumed and arrivals.count_attempt(self._engine, number) > MOST_ATTEMPTS:
            known = arrivals.find_arrival(self._engine, number)
            self._give_up(number, known, "judging this object has ended the analysis repeatedly")
            return self._begin(line)
        key = self._cases.key_of(job)
        mode = mode_of(job.arrival, job.header)
        self._cases.case(key, mode)
        if n_passed:
            if len(line.passed_over) == n_passed:
                self._cases.set_aside(key, mode)
            line.n_skipped += n_passed
            self._write_skipped(key, n_passed)
        run = Run(job=job, frames=Ahead(job.arrival, job.header, self._lanes), key=key)
        self._runs[line.source] = run
        return run

    def _advance(self, line: Line, run: Run) -> None:
        frame = run.frames.take(run.job.start, run.job.header.n_frames)
        self._failing.discard(line.source)
        case = self._cases.case(run.key, mode_of(run.job.arrival, run.job.header))
        if run.job.is_afterwards:
            case = look_back(frame, case, self._desk)
        else:
            case = follow(frame, run.job.header.n_frames, case, self._desk)
        run.job = replace(run.job, start=frame.stamp.index + 1)
        line.n_judged += 1
        self._cases.keep(run.key, case, self._desk.now())
        if frame.stamp.index + 1 >= run.job.header.n_frames:
            self._runs.pop(line.source, None)

    def _fail(self, run: Run, reason: str) -> None:
        procedure, source = run.key
        entry = Entry(
            at=self._desk.now(),
            type=EntryType.FRAME_FAILED,
            procedure=procedure,
            source=source,
            cause=reason,
            data={"arrival": run.job.arrival.number, "index": run.job.start, "n_frames": run.job.header.n_frames},
        )
        progress = Progress(arrival=run.job.arrival.number, n_judged=run.job.start, status=Status.FAILED)
        self._desk.journal.append([entry], progress=progress)
        self._set_aside(run.job.arrival, reason)
        self._desk.ring()

    def _set_aside(self, arrival: Arrival, reason: str) -> None:
        try:
            self._spool.set_aside(arrival, reason)
        except OSError as error:
            LOG.warning("object %d could not be set aside: %s", arrival.number, error.strerror)

    def _give_up(self, number: int, known: ArrivalRow | None, reason: str) -> None:
        progress = Progress(arrival=number, n_judged=known.n_judged if known else 0, status=Status.FAILED)
        entry = Entry(
            at=self._desk.now(),
            type=EntryType.FRAME_FAILED,
            procedure=(known.procedure if known else None) or "",
            cause=reason,
            data={"arrival": number},
        )
        self._desk.journal.append([entry], progress=progress)
        arrival = self._spool.find(number)
        if arrival is not None:
            self._set_aside(arrival, reason)
        LOG.error("object %d given up: %s", number, reason)

    def _write_skipped(self, key: tuple[str, str], n_passed: int) -> None:
        entry = Entry(
            at=self._desk.now(),
            type=EntryType.FRAMES_SKIPPED,
            procedure=key[0],
            source=key[1],
            cause="analysis late: the newest frame is judged first",
            data={"n_frames": n_passed},
        )
        self._desk.journal.append([entry])

    def _beat(self, now: float) -> None:
        """Hear the silence of every source, and tell the screens how each one stands."""
        self._beat_at = now
        is_disk_low = self._spool.free_bytes() < 2 * self._settings.min_free_mb * 2**20
        rows = []
        for line in self._lines.values():
            key = self._cases.newest_of(line.source)
            causes = self._causes(line, key, now, is_disk_low=is_disk_low)
            if key is not None:
                self._cases.hear(key, Silence(source=line.source, at=now, causes=causes))
            for older in self._cases.older_of(line.source):
                self._cases.hear(older, Silence(source=line.source, at=now, causes=frozenset()))
            last = self._cases.peek(key) if key else None
            rows.append(beat_of(line, last, causes, now))
        heartbeat.beat(self._engine, rows, at=now)
        self._growth.beat()
        self._rest_lanes(rows, now)
        self._drop_ended_replays(rows, now)
        self._cases.close_idle(now)

    def _rest_lanes(self, rows: list[Heartbeat], now: float) -> None:
        """A source that has nothing to decode and has been quiet for long needs no decoder."""
        busy = {line.source for line in self._lines.values() if line.waiting or line.passed_over}
        active = {row.source for row in rows if row.last_frame_at and now - row.last_frame_at < ACTIVE_S}
        self._lanes.keep(busy | active | self._runs.keys() | self._growth.sources())

    def _drop_ended_replays(self, rows: list[Heartbeat], now: float) -> None:
        """A replay is a source of its own; when it is over it must not stand beside those of patients."""
        for row in rows:
            line = self._lines[row.source]
            is_over = row.last_frame_at is not None and now - row.last_frame_at > REPLAY_STAYS_S and not line.waiting
            if is_over and REPLAY_CALLER.fullmatch(row.source):
                del self._lines[row.source]
                heartbeat.forget(self._engine, row.source)

    def _causes(
        self, line: Line, key: tuple[str, str] | None, now: float, *, is_disk_low: bool
    ) -> frozenset[TechnicalCause]:
        causes = set()
        if line.age_s(now) > self._settings.late_after_s:
            causes.add(TechnicalCause.ANALYSIS_LATE)
        if line.source in self._failing:
            causes.add(TechnicalCause.DECODER_FAILURE)
        if is_disk_low:
            causes.add(TechnicalCause.DISK_FILLING)
        if key is not None and self._cases.is_silent(key, now) and not line.waiting:
            causes.add(TechnicalCause.NO_FRAMES)
        return frozenset(causes)
