"""The role ``watch``: takes arrivals from the spool, judges their frames, writes the journal.

It may die at any time. What the journal knows is not judged again; what it does not know is still in the spool.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from db import arrivals, deliveries, heartbeat
from db.arrivals import Status
from db.connect import Engine, StoreFailure, StoreUnreachable
from db.heartbeat import Heartbeat
from detection.vocabulary import Sight, Silence, TechnicalCause
from dicom_gateway.arrival import Arrival
from dicom_gateway.callers import REPLAY_CALLER
from dicom_gateway.refusal import Undecodable, Unreadable
from dicom_gateway.spool import Spool
from service import unlogged
from service.ahead import Ahead, Lanes
from service.cases import ACTIVE_S, Cases
from service.growth import EarlyRun, Growth
from service.journey import Desk, follow, look_back
from service.lines import Job, Line, in_turn, row_of
from service.recall import Key
from service.settings import Settings
from service.sources import Sources
from service.standing import beat_of, in_trouble
from service.unjudged import Unjudged

LOG = logging.getLogger(__name__)

REPLAY_STAYS_S = 60.0
ARCHIVES_EVERY_S = 10.0
MOST_ATTEMPTS = 3
"""An object at which the role has ended so many times after a restart takes it down; it is set aside."""


@dataclass(slots=True, kw_only=True)
class Run:
    """An arrival whose frames are being judged, one a turn."""

    job: Job
    frames: Ahead
    key: Key


class Watch:
    """The watcher of one spool and one journal. ``turn`` does one frame's work."""

    def __init__(self, settings: Settings, desk: Desk, engine: Engine, spool: Spool, cases: Cases) -> None:
        self._settings, self._desk, self._engine, self._spool, self._cases = settings, desk, engine, spool, cases
        self._sources, self._unjudged = Sources(settings), Unjudged(desk, spool)
        self._lanes = Lanes(settings, desk.ring)
        self._growth = Growth(settings, desk, engine, (spool, cases, self._lanes))
        self._lines: dict[str, Line] = {}
        self._runs: dict[str, Run] = {}
        self._failing: set[str] = set()
        self._stopped: set[str] = set()
        self._served: str | None = None
        self._newest = arrivals.newest_arrival(engine)
        self._beat_at, self._n_told = 0.0, 0
        self._archives_at, self._lacks = 0.0, False
        self._resume()

    def turn(self) -> bool:
        """Take in what has arrived and judge one frame; whether there was one."""
        self._take_in(self._spool.after(self._newest))
        for source in self._growth.look():
            self._lines.setdefault(source, Line(source=source))
        has_worked = any(self._serve(line) for line in in_turn(self._lines, self._served))
        now = self._desk.now()
        if self._desk.pen.trouble is None and (now - self._beat_at >= 0.5 or not has_worked):
            self._cases.hear_acts(now)
        if now - self._beat_at >= 0.5 or self._desk.pen.n_unlogged != self._n_told:
            self._beat(now)
        return has_worked

    @property
    def must_start_over(self) -> bool:
        """More was judged while the journal failed than could wait for it: a new watch judges that again."""
        return self._desk.pen.must_start_over

    def close(self) -> None:
        """Write what waits to be written."""
        self._desk.pen.close()

    def _resume(self) -> None:
        """Take up what was open when the role last ended."""
        for number in (number for number in arrivals.open_arrivals(self._engine) if number > 0):
            arrival = self._spool.find(number)
            known = arrivals.find_arrival(self._engine, number)
            if arrival is None or known is None:
                self._unjudged.give_up(number, known, "the object is no longer in the spool")
            else:
                self._enqueue(arrival, start=known.n_judged, is_resumed=True)
        rows = heartbeat.heartbeats(self._engine)
        self._stopped = {row.source for row in rows if self._cases.was_cut_off(row, self._desk.now())}
        self._cases.resume({(row.procedure, row.source) for row in rows if row.procedure is not None})
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
        self._growth.write_rows()

    def _enqueue(self, arrival: Arrival, *, start: int, is_resumed: bool = False) -> None:
        try:
            header = self._sources.header_of(arrival)
        except (Unreadable, OSError) as error:
            self._growth.await_row(row_of(arrival, None, Status.OPEN))
            self._growth.write_rows()
            reason = str(error) if isinstance(error, Unreadable) else f"the file cannot be read: {error.strerror}"
            self._unjudged.give_up(arrival.number, None, reason)
            return
        job = Job(arrival=arrival, header=header, start=start, is_resumed=is_resumed)
        if not is_resumed:
            row = row_of(arrival, header, Status.OPEN if header.is_image else Status.KEPT)
            job = replace(job, start=self._growth.settle(job, row))
        if not header.is_image:
            self._desk.pen.note(partial(self._cases.note_kept, job))
            return
        line = self._lines.setdefault(arrival.source, Line(source=arrival.source))
        if not is_resumed:
            line.n_received += header.n_frames - job.start
        if job.start < header.n_frames:
            line.add(job)

    def _serve(self, line: Line) -> bool:
        """One frame of one source; False when it has none."""
        run = self._runs.get(line.source)
        early = self._early_of(line, run)
        if run is not None and not run.job.is_live and (line.waiting or early is not None):
            line.put_back(self._runs.pop(line.source).job)
            run = None
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
            self._unjudged.fail(run.job, run.key, str(error))
        return True

    def _early_of(self, line: Line, run: Run | None) -> EarlyRun | None:
        """The run on its way in whose turn it is: before stored ones, but not amid one, nor out of a replay's order."""
        if line.waiting or (run is not None and run.job.is_live):
            return None
        first = run.job if run is not None else next(iter(line.stored), None)
        if first is not None and (first.start > 0 or first.arrival.replay is not None):
            return None
        return self._growth.next_of(line.source)

    def _serve_early(self, line: Line, run: EarlyRun) -> bool:
        """One frame of a run that is not whole yet."""
        try:
            is_judged = self._growth.advance(run)
        except StoreFailure as failure:
            LOG.warning("a run on its way in waits: %s", failure)
            return False
        self._served = line.source
        if is_judged:
            self._failing.discard(line.source)
            self._stopped.discard(line.source)
            line.n_received += 1
            line.n_judged += 1
        return True

    def _begin(self, line: Line) -> Run | None:
        job, n_passed = line.take(self._desk.now(), self._settings.skip_after_s)
        if job is None:
            return None
        try:
            key = self._open(job)
        except StoreFailure as failure:
            # a case that is under watch goes on without the journal; a new one waits for it
            LOG.warning("no case can be opened: %s", failure)
            line.put_back(job, n_passed)
            return None
        if key is None:
            return self._begin(line)
        if n_passed:
            if len(line.passed_over) == n_passed:
                self._cases.set_aside(key)
            line.n_skipped += n_passed
            self._unjudged.pass_over(key, n_passed)
        run = Run(job=job, frames=Ahead(job.arrival, job.header, self._lanes), key=key)
        self._runs[line.source] = run
        return run

    def _open(self, job: Job) -> Key | None:
        """The case of a job, recalled or opened; None for a job that is given up."""
        if self._desk.pen.trouble is not None and (job.is_resumed or not self._cases.is_met(job)):
            raise StoreUnreachable(self._desk.pen.trouble)
        number = job.arrival.number
        if job.is_resumed and arrivals.count_attempt(self._engine, number) > MOST_ATTEMPTS:
            known = arrivals.find_arrival(self._engine, number)
            self._unjudged.give_up(number, known, "judging this object has ended the analysis repeatedly")
            return None
        key = self._cases.key_of(job)
        self._cases.case(key)
        return key

    def _advance(self, line: Line, run: Run) -> None:
        frame = run.frames.take(run.job.start, run.job.header.n_frames)
        self._failing.discard(line.source)
        self._stopped.discard(line.source)
        case = self._cases.case(run.key)
        if run.job.is_afterwards:
            case = look_back(frame, case, self._desk)
        else:
            case = follow(frame, run.job.header.n_frames, case, self._desk)
        run.job = replace(run.job, start=frame.stamp.index + 1)
        line.n_judged += 1
        self._cases.keep(run.key, case, self._desk.now())
        if frame.stamp.index + 1 >= run.job.header.n_frames:
            self._runs.pop(line.source, None)

    def _beat(self, now: float) -> None:
        """Hear the silence of every source, and tell the screens how each one stands."""
        self._beat_at = now
        is_disk_low = self._spool.free_bytes() < 2 * self._settings.min_free_mb * 2**20
        always = {TechnicalCause.DISK_FILLING} if is_disk_low else set()
        if self._is_forwarding_late(now):
            always.add(TechnicalCause.FORWARD_QUEUE)
        rows = []
        for line in self._lines.values():
            key = self._cases.foremost_of(line.source, now)
            causes = self._causes(line, key, now) | always
            if key is not None:
                self._cases.hear(key, Silence(source=line.source, at=now, causes=causes))
                if line.is_empty and line.source not in self._runs.keys() | self._growth.sources():
                    self._stopped.discard(line.source)  # said once; there is nothing to catch up with
            for other in self._cases.others_of(line.source, key):
                self._cases.hear(other, Silence(source=line.source, at=now, causes=frozenset()))
            last = self._cases.peek(key) if key else None
            sight = self._cases.sight_of(key, now) if key else Sight()
            rows.append(beat_of(line, last, causes, now, sight))
        pen, told = self._desk.pen, tuple(rows)
        pen.beat(lambda: heartbeat.beat(self._engine, told, at=now))
        if pen.trouble is not None:
            self._n_told = pen.n_unlogged
            for message in unlogged.messages(told, self._cases.alerts(), pen.unlogged(), words=pen.trouble):
                self._desk.tell(message)
            return
        self._growth.beat()
        self._rest_lanes(rows, now)
        self._drop_ended_replays(rows, now)
        self._cases.close_idle(now)

    def _rest_lanes(self, rows: list[Heartbeat], now: float) -> None:
        """A source that has nothing to decode and has been quiet for long needs no decoder."""
        busy = {line.source for line in self._lines.values() if not line.is_empty}
        active = {row.source for row in rows if row.last_frame_at and now - row.last_frame_at < ACTIVE_S}
        self._lanes.keep(busy | active | self._runs.keys() | self._growth.sources())

    def _drop_ended_replays(self, rows: list[Heartbeat], now: float) -> None:
        """A replay is a source of its own; when it is over it must not stand beside those of patients."""
        for row in rows:
            line = self._lines[row.source]
            is_over = row.last_frame_at is not None and now - row.last_frame_at > REPLAY_STAYS_S and line.is_empty
            if is_over and REPLAY_CALLER.fullmatch(row.source):
                del self._lines[row.source]
                self._desk.pen.note(partial(heartbeat.forget, self._engine, row.source))

    def _is_forwarding_late(self, now: float) -> bool:
        """Whether an archive lacks objects for too long, refuses some or does not commit to them; looked at every now and then."""
        if now - self._archives_at >= ARCHIVES_EVERY_S:
            self._archives_at = now
            with suppress(StoreFailure):
                standings = [deliveries.standing(self._engine, each.name) for each in self._settings.archives]
                self._lacks = any(in_trouble(each, now, self._settings) for each in standings)
        return self._lacks

    def _causes(self, line: Line, key: Key | None, now: float) -> frozenset[TechnicalCause]:
        causes = set()
        if line.age_s(now) > self._settings.late_after_s:
            causes.add(TechnicalCause.ANALYSIS_LATE)
        if line.source in self._stopped:
            causes.add(TechnicalCause.ANALYSIS_STOPPED)
        if line.source in self._failing:
            causes.add(TechnicalCause.DECODER_FAILURE)
        if self._desk.pen.trouble is not None:
            causes.add(TechnicalCause.JOURNAL_FAILING)
        if key is not None and self._cases.is_silent(key, now) and not line.waiting:
            causes.add(TechnicalCause.NO_FRAMES)
        return frozenset(causes)
