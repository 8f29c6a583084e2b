"""When a procedure has ended its findings leave by themselves, once its images are judged and the room has been quiet."""

from __future__ import annotations

import logging

from db import commitments
from db.connect import Engine, StoreFailure
from db.procedures import Procedure
from db.queries import closed_after, has_unjudged
from service.dispatch import dispatch
from service.gather import NothingToReport
from service.settings import Settings

LOG = logging.getLogger(__name__)

READER = 3
PER_S = 1_000_000
"""The cursor is the closing time of the last procedure that was dealt with, in microseconds."""
WAITED_FOR_S = 3600.0
"""How long images that are still to be judged are waited for."""


class Reporter:
    """Follows the procedures of one installation as they close. Those that closed before its first start are left alone."""

    def __init__(self, settings: Settings, engine: Engine, *, now: float) -> None:
        self._settings, self._engine = settings, engine
        self._is_on = settings.report_at_end and bool(settings.archives)
        if self._is_on:
            commitments.meet_reader(engine, READER, int(now * PER_S))

    def step(self, now: float) -> int:
        """Report what is due; how many procedures were dealt with. StoreFailure when the database does not answer."""
        if not self._is_on:
            return 0
        since = commitments.inbox_reach(self._engine, READER) / PER_S
        n_done = 0
        for procedure in closed_after(self._engine, since, before=now - self._settings.report_after_s):
            closed_at = procedure.closed_at or 0.0
            if now - closed_at < WAITED_FOR_S and has_unjudged(self._engine, procedure.id):
                break
            if procedure.replay is None and not self._report(procedure, now):
                break
            commitments.note_inbox(self._engine, int(closed_at * PER_S) + 1, READER)
            n_done += 1
        return n_done

    def _report(self, procedure: Procedure, now: float) -> bool:
        """False when it is worth another try: the disk is full, not the images at fault."""
        try:
            made = dispatch(self._settings, self._engine, procedure.id, at=now)
            LOG.info("findings written as objects", extra={"procedure": procedure.id, "n_objects": len(made)})
        except NothingToReport as nothing:
            LOG.info("nothing to report", extra={"procedure": procedure.id, "reason": str(nothing)})
        except StoreFailure:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a library stumbles over in a header
            is_disk = isinstance(error, OSError) and error.errno is not None  # pydicom's own name no number
            words = "objects cannot be written" if is_disk else "no objects could be made"
            LOG.error(words, extra={"procedure": procedure.id, "error": type(error).__name__})  # noqa: TRY400 - the text may quote a patient
            # one that cannot be made must not stop those behind it; the command tells more
            return not is_disk
        return True
