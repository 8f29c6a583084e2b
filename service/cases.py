"""The cases under watch: opened with the first image, recalled after a restart, closed when nothing comes any more."""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from db import procedures, queries
from db.connect import Engine
from db.heartbeat import Heartbeat, SourceState
from db.journal import Journal
from db.procedures import Opening
from detection.fit import is_fit
from detection.rules import ALGORITHM_VERSION, rules_hash
from detection.sight import sight_of
from detection.vocabulary import Act, Alert, Entry, EntryType, Flag, Mode, Sight, Silence, TechnicalCause
from dicom_gateway.frames import mode_of
from dicom_gateway.spool import Spool
from service.agreed import Agreed, agreed_before
from service.checkpoint import Checkpoints
from service.journey import Case, Desk, hear
from service.lines import Job
from service.recall import MOST_ALERTS, Key, Recall, key_of_alert
from service.settings import Settings

LOG = logging.getLogger(__name__)

CUT_OFF_AFTER_S = 3.0
"""Without a sign of life for this long the screens have said that the analysis stopped, and the log says so too."""
ACTIVE_S = 600.0
"""A source whose last frame is older than this is idle; its silence is no alarm."""


@dataclass(slots=True, kw_only=True)
class Watched:
    """A case with what only this process knows of it."""

    case: Case
    last_frame_at: float | None = None
    saved_at: float = 0.0
    causes: frozenset[TechnicalCause] = frozenset()
    agreed: Agreed = field(default_factory=dict)


class Cases:
    """All cases of one ``watch``."""

    def __init__(self, settings: Settings, desk: Desk, engine: Engine, spool: Spool, checkpoints: Checkpoints) -> None:
        self._settings, self._desk, self._engine, self._checkpoints = settings, desk, engine, checkpoints
        self._recall = Recall(settings, desk, engine, spool, checkpoints)
        self._watched: OrderedDict[Key, Watched] = OrderedDict()
        self._procedures: dict[tuple[str, str | None], str] = {}
        self._journal = Journal(engine)
        self._unheard: deque[tuple[str, Act]] = deque()
        desk.pen.fresh_acts()  # what was done before is recalled with each case

    def key_of(self, job: Job) -> Key:
        """The case that an image belongs to; its procedure opens, or opens again, when it has to."""
        study = (job.header.study_instance_uid, job.arrival.replay)
        if study not in self._procedures:
            procedure = procedures.open_procedure(self._engine, self._opening(job))
            if procedure.closed_at is not None:
                procedures.change(self._engine, procedure.id, {"closed_at": None}, at=self._desk.now())
            self._procedures[study] = procedure.id
            self._desk.ring()
        return self._procedures[study], job.arrival.source, mode_of(job.arrival, job.header)

    def is_met(self, job: Job) -> bool:
        """Whether this process has met the case of this image: it can go on without the journal."""
        procedure = self._procedures.get((job.header.study_instance_uid, job.arrival.replay))
        return (procedure, job.arrival.source, mode_of(job.arrival, job.header)) in self._watched

    def was_cut_off(self, beat: Heartbeat, now: float) -> bool:
        """Whether this source was being watched when the last sign of life was given, longer ago than a restart takes."""
        is_active = beat.last_frame_at is not None and beat.beat_at - beat.last_frame_at < ACTIVE_S
        return is_active and now - beat.beat_at > CUT_OFF_AFTER_S and now - (beat.last_frame_at or 0.0) < ACTIVE_S

    def alerts(self) -> tuple[Alert, ...]:
        """What the screens must show of every case under watch."""
        shown = (alert for watched in self._watched.values() for alert in watched.case.alarm.alerts())
        return tuple({alert.id: alert for alert in shown}.values())

    def sight_of(self, key: Key, now: float) -> Sight:
        """What the views of all sources of one procedure show together."""
        return sight_of(self._watched[key].case.alarm.glances, now, self._desk.rules)

    def case(self, key: Key) -> Case:
        """The case as it stands, recalled from checkpoint and journal if this process has not met it yet."""
        if key not in self._watched:
            agreed = agreed_before(self._engine, key[0]) if key[2] is Mode.REPLAY else {}
            self._agree(key, agreed.get(None, ()))
            beside = next((each.case.alarm for other, each in self._watched.items() if _is_of(other, key)), None)
            case = self._recall.case(key, beside)
            self._watched[key] = Watched(case=case, last_frame_at=self._recall.judged_at(case), agreed=agreed)
        return self._watched[key].case

    def keep(self, key: Key, case: Case, now: float) -> None:
        """The case after a frame; saved to disk every now and then."""
        watched = self._watched[key]
        watched.case = case
        self._share(key, case)
        if case.last is not None and Flag.DUPLICATE not in case.last.flags:
            # a screen must not take old or repeated pictures for fresh ones
            watched.last_frame_at = max(watched.last_frame_at or 0.0, case.last.stamp.received_at)
        if watched.agreed and case.last is not None:
            self._agree(key, watched.agreed.get((case.last.stamp.sop_instance_uid, case.last.stamp.index), ()))
        self._watched.move_to_end(key)
        if now - watched.saved_at >= self._settings.checkpoint_every_s and self._desk.pen.trouble is None:
            watched.saved_at = now
            self._save(case)

    def set_aside(self, key: Key) -> None:
        """Keep the memory as it is now for the frames that are being passed over."""
        case = self.case(key)
        self._watched[key].case = replace(case, aside=case.memory)

    def _save(self, case: Case) -> None:
        try:
            self._checkpoints.save(case)
        except OSError as error:
            LOG.warning("no checkpoint could be saved: %s", error.strerror)

    def resume(self, standing: Collection[tuple[str, str]]) -> None:
        """Take up the cases that stood when the role last ended: silence and operators may speak before a frame does."""
        alerts = queries.alerts_after(self._engine, active=True, limit=MOST_ALERTS)
        alarmed = {key_of_alert(listed.alert) for listed in alerts}
        known = {name: procedures.procedure(self._engine, name) for name, *_ in (*standing, *alarmed)}
        stood = {(name, source, each.mode) for name, source in standing if (each := known[name]) is not None}
        for key in sorted(stood | alarmed):
            procedure = known[key[0]]
            if procedure is None:
                continue
            if procedure.closed_at is None:
                self.case(key)
            elif key in alarmed:
                self.case(key)
                self.hear(key, Silence(source=key[1], at=self._desk.now(), causes=frozenset()))
                self._forget(key)
        self._watched = OrderedDict(sorted(self._watched.items(), key=lambda item: item[1].last_frame_at or 0.0))

    def _agree(self, key: Key, plans: tuple[Entry, ...]) -> None:
        """Set landmarks in a replay where the operator set them the first time."""
        known = (
            {line.cause for line in queries.log_of(self._engine, key[0], 0, (EntryType.PLAN_SET,))} if plans else set()
        )
        for plan in plans:
            cause = f"as in entry {plan.number} of the first time"
            if cause not in known:
                entry = replace(
                    plan, procedure=key[0], at=self._desk.now(), cause=cause, number=None, hash=None, previous_hash=None
                )
                self._desk.pen.append([entry])

    def drop(self, key: Key) -> None:
        """Forget what this process knows of a case; the next frame recalls it from the journal."""
        self._watched.pop(key, None)

    def others_of(self, source: str, foremost: Key | None) -> tuple[Key, ...]:
        """The other cases of this source that are still open: of earlier studies, and of stored runs."""
        return tuple(key for key in self._watched if key[1] == source and key != foremost)

    def foremost_of(self, source: str, now: float) -> Key | None:
        """The case that this source's last frame belonged to; the live one as long as it is active."""
        keys = [key for key in reversed(self._watched) if key[1] == source]
        live = (
            key for key in keys if key[2] is Mode.LIVE and now - (self._watched[key].last_frame_at or 0.0) < ACTIVE_S
        )
        return next(live, next(iter(keys), None))

    def peek(self, key: Key) -> Watched:
        """A case and what is known of it, unchanged."""
        return self._watched[key]

    def hear(self, key: Key, silence: Silence) -> None:
        """Judge the absence of frames of one case."""
        watched = self._watched[key]
        watched.causes = silence.causes
        watched.case = hear(silence, watched.case, self._desk)
        self._share(key, watched.case)

    def _share(self, key: Key, case: Case) -> None:
        """One alarm for all cases of a procedure: what one source shows and what operators did hold for the others, too."""
        for other, watched in self._watched.items():
            if other != key and _is_of(other, key):
                watched.case = replace(watched.case, alarm=case.alarm)

    def hear_acts(self, now: float) -> None:
        """Let every case hear what operators did since the last time, frames or no frames."""
        self._unheard += self._desk.pen.fresh_acts()
        while self._unheard:
            procedure, act = self._unheard[0]
            for key in self._keys_of(procedure):
                watched = self._watched[key]
                if watched.case.acts_to < act.number:
                    self.hear(key, Silence(source=key[1], at=now, causes=watched.causes))
                if act.type is EntryType.PROCEDURE_CLOSED:
                    self._forget(key)
            self._unheard.popleft()  # only now: the journal may have failed amid it

    def is_silent(self, key: Key, now: float) -> bool:
        """Whether a source that was active a while ago has fallen silent; a replay may."""
        watched = self._watched[key]
        if watched.last_frame_at is None or watched.case.mode is not Mode.LIVE:
            return False
        return self._settings.no_frames_after_s < now - watched.last_frame_at < ACTIVE_S

    def close_idle(self, now: float) -> None:
        """Close procedures for which nothing has come for long."""
        for procedure in {key[0] for key in self._watched}:
            keys = [key for key in self._watched if key[0] == procedure]
            frames_at = [self._watched[key].last_frame_at for key in keys]
            newest = max((at for at in frames_at if at is not None), default=None)
            if newest is None or now - newest <= self._settings.close_after_s:
                continue
            if now - (queries.last_at(self._engine, procedure) or newest) <= self._settings.close_after_s:
                continue
            procedures.close(self._engine, procedure, at=now, cause="no frames and no entries for long")
            for key in keys:
                self.hear(key, Silence(source=key[1], at=now, causes=frozenset()))
                self._forget(key)

    def note_kept(self, job: Job) -> None:
        """An object that is no image: kept in the spool, and in the log of its procedure if there is one."""
        procedure = procedures.find_procedure(self._engine, job.header.study_instance_uid, job.arrival.replay)
        LOG.info("object %d kept: no image", job.arrival.number, extra={"sop_class": job.header.sop_class_uid})
        if procedure is not None:
            said = {"arrival": job.arrival.number, "sop_class_uid": job.header.sop_class_uid}
            entry = Entry(
                at=self._desk.now(),
                type=EntryType.OBJECT_KEPT,
                procedure=procedure.id,
                source=job.arrival.source,
                data=said,
            )
            self._journal.append([entry])
            self._desk.ring()

    def _opening(self, job: Job) -> Opening:
        patient = job.header.patient
        told = {"name": patient.name, "id": patient.id, "birth_date": patient.birth_date, "sex": patient.sex}
        return Opening(
            at=self._desk.now(),
            study_instance_uid=job.header.study_instance_uid,
            replay=job.arrival.replay,
            mode=mode_of(job.arrival, job.header),
            patient={name: value for name, value in told.items() if value},
            accession_number=job.header.accession_number or None,
            source=job.arrival.source,
            said={"algorithm": ALGORITHM_VERSION, "rules": rules_hash(self._desk.rules)},
        )

    def _forget(self, key: Key) -> None:
        """A case that is over; its checkpoint stays, for a late frame opens it again."""
        self._watched.pop(key, None)
        self._procedures = {study: known for study, known in self._procedures.items() if known != key[0]}

    def _keys_of(self, procedure: str) -> tuple[Key, ...]:
        """The cases of a procedure; those this process has not met are recalled if an alert of theirs stands."""
        for listed in queries.alerts_after(self._engine, procedure=procedure, active=True, limit=MOST_ALERTS):
            self.case(key_of_alert(listed.alert))
        return tuple(key for key in self._watched if key[0] == procedure)


def _is_of(key: Key, other: Key) -> bool:
    """Whether two cases are of one procedure, their images coming alike."""
    return (key[0], key[2]) == (other[0], other[2])


def state_of(watched: Watched, now: float, *, is_late: bool) -> SourceState:
    """How a source stands, in the words of the contract."""
    if watched.last_frame_at is None or now - watched.last_frame_at > 3.0:
        return SourceState.IDLE
    if is_late:
        return SourceState.LATE
    last = watched.case.last
    if last is not None and not is_fit(last.flags - {Flag.DUPLICATE}):
        return SourceState.UNFIT
    return SourceState.WATCHING
