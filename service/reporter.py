"""When a procedure has ended its findings leave by themselves, once its images are judged and the room has been quiet."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import groupby

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


def ended(engine: Engine, reader: int, now: float, *, before: float) -> Iterator[Procedure]:
    """What ``reader`` has to do, in the order of the ends, until one whose images wait to be judged.

    Whoever asks for the next one has done the one before. Those that closed at one moment are done together or again, for
    the cursor knows moments only.
    """
    since = commitments.inbox_reach(engine, reader) / PER_S
    for closed_at, together in groupby(closed_after(engine, since, before=before), lambda each: each.closed_at or 0.0):
        for procedure in together:
            if now - closed_at < WAITED_FOR_S and has_unjudged(engine, procedure.id):
                return
            yield procedure
        commitments.note_inbox(engine, int(closed_at * PER_S) + 1, reader)


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
        n_done = 0
        for procedure in ended(self._engine, READER, now, before=now - self._settings.report_after_s):
            if procedure.replay is None and not self._report(procedure, now):
                break
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
