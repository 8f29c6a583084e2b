"""Procedure steps open and close procedures: what devices perform (MPPS), and what the worklist announces.

A device's word that its step has ended is a hint, not the end: images are often exported afterwards. The procedure closes
when the room has been quiet for ``close_after_step_s`` and no alert sounds; a late image opens it again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from db import procedures, schedule
from db.connect import Engine
from db.journal import Journal
from db.procedures import Opening
from detection.rules import ALGORITHM_VERSION, Rules, rules_hash
from detection.vocabulary import Entry, EntryType
from dicom_gateway.notices import Kind, Notice
from dicom_gateway.refusal import Unreachable
from dicom_gateway.worklist import Scheduled, scheduled_steps
from service.archives import Worklist
from service.entrance import peer_of
from service.settings import Settings

LOG = logging.getLogger(__name__)

DAY_S = 86_400.0
KYPHOPLASTY = re.compile(r"kyphoplast", re.IGNORECASE)


class Steps:
    """The steps of one installation."""

    def __init__(self, settings: Settings, engine: Engine, ring: Callable[[], object]) -> None:
        self._settings, self._engine, self._ring = settings, engine, ring
        self._journal = Journal(engine)
        self._said = {"algorithm": ALGORITHM_VERSION, "rules": rules_hash(Rules())}

    def act(self, notice: Notice) -> None:
        """What a device tells of its step. StoreFailure when the database does not answer."""
        step, status = str(notice.told["step"]), str(notice.told["status"])
        if notice.kind is Kind.STEP_CREATED:
            procedure = self._procedure_of(notice)
            if procedure is not None and schedule.begin_step(
                self._engine, step, procedure, notice.source, at=notice.received_at
            ):
                self._write(procedure, notice, "the device began its procedure step")
            return
        before = schedule.set_step(self._engine, step, status, at=notice.received_at)
        if before is not None and status != before.status:
            self._write(before.procedure, notice, "the device ended its procedure step")

    def close_ended(self, now: float) -> int:
        """Close procedures whose steps have ended and that have been quiet since; how many."""
        done = schedule.to_be_closed(self._engine, before=now - self._settings.close_after_step_s)
        for procedure in done:
            procedures.close(self._engine, procedure, at=now, cause="the device ended its procedure step")
            schedule.settle_steps(self._engine, procedure)
        idle = schedule.never_begun(self._engine, before=now - DAY_S)
        for procedure in idle:
            procedures.close(self._engine, procedure, at=now, cause="scheduled, and nothing came of it in a day")
        if done or idle:
            self._ring()
        return len(done) + len(idle)

    def announce(self, step: Scheduled, now: float) -> bool:
        """Open the procedure of a scheduled step, before its first image; False when its study is known."""
        if not step.study_instance_uid or procedures.find_procedure(self._engine, step.study_instance_uid):
            return False
        told: Mapping[str, Any] = {"description": step.description, "side": step.side, "station": step.station}
        opening = Opening(
            at=now,
            study_instance_uid=step.study_instance_uid,
            kind="pkp" if KYPHOPLASTY.search(step.description) else "pvp",
            patient=step.patient,
            levels=step.levels,
            accession_number=step.accession_number or None,
            said=self._said | {"side": step.side, "from": "worklist"},
        )
        opened = procedures.open_procedure(self._engine, opening)
        schedule.note_scheduled(self._engine, opened.id, told, starts_at=step.starts_at)
        LOG.info("procedure opened from the worklist", extra={"procedure": opened.id})
        self._ring()
        return True

    def _procedure_of(self, notice: Notice) -> str | None:
        """The procedure that a step brackets, opened when there is none; None when the step names no study."""
        studies = [str(study) for study in notice.told.get("studies", [])]
        if not studies:
            LOG.warning("a procedure step without a study", extra={"source": notice.source})
            return None
        opening = Opening(
            at=notice.received_at,
            study_instance_uid=studies[0],
            patient=notice.told.get("patient", {}),
            accession_number=notice.told.get("accession_number") or None,
            levels=(),
            source=notice.source,
            said=self._said | {"from": "procedure step"},
        )
        opened = procedures.open_procedure(self._engine, opening)
        if opened.closed_at is not None:
            procedures.change(self._engine, opened.id, {"closed_at": None}, at=notice.received_at)
        more = [study for study in studies if procedures.find_procedure(self._engine, study) is None]
        if more:
            wanted = [*opened.study_instance_uids, *more]
            procedures.change(self._engine, opened.id, {"study_instance_uids": wanted}, at=notice.received_at)
        return opened.id

    def _write(self, procedure: str, notice: Notice, cause: str) -> None:
        told = {name: notice.told[name] for name in ("status", "n_series", "n_images") if name in notice.told}
        entry = Entry(
            at=notice.received_at,
            type=EntryType.PROCEDURE_CHANGED,
            procedure=procedure,
            source=notice.source,
            cause=cause,
            data={"changed": ["step"], "step": told},
        )
        self._journal.append([entry])
        self._ring()


class WorklistReader:
    """Asks the worklist every now and then, and announces the vertebroplasties on it."""

    def __init__(self, worklist: Worklist, settings: Settings, steps: Steps) -> None:
        self._worklist, self._settings, self._steps = worklist, settings, steps
        self._matches = re.compile(worklist.matches, re.IGNORECASE)
        self._asked_at = 0.0
        self.trouble: str | None = None

    def turn(self, now: float, day: str) -> int:
        """How many procedures were opened; ``day`` is today as ``YYYYMMDD``. StoreFailure as ever."""
        if now - self._asked_at < self._worklist.every_s:
            return 0
        self._asked_at = now
        try:
            found = scheduled_steps(
                peer_of(self._worklist, self._settings),
                station=self._worklist.station,
                modality=self._worklist.modality,
                day=day,
            )
        except Unreachable as trouble:
            if trouble.reason != self.trouble:
                LOG.warning("no worklist", extra={"reason": trouble.reason})
            self.trouble = trouble.reason
            return 0
        self.trouble = None
        return sum(self._steps.announce(step, now) for step in found if self._matches.search(step.description))
