"""Acts on notices: what peers told the listener beside images. Each is acted on once; doing it twice would change nothing."""

from __future__ import annotations

import logging

from db import commitments
from db.connect import Engine
from dicom_gateway.notices import Kind, Notice, Notices
from service.settings import Settings
from service.steps import Steps

LOG = logging.getLogger(__name__)

KEPT_S = 30 * 86_400.0
"""A step may be set so long after it began; a listener that starts anew learns the steps from the notices."""


class Inbox:
    """The notices of this installation, in order."""

    def __init__(self, settings: Settings, engine: Engine, notices: Notices, steps: Steps) -> None:
        self._settings, self._engine, self._notices, self._steps = settings, engine, notices, steps
        self._reach = commitments.inbox_reach(engine)

    def step(self, now: float) -> int:
        """Act on what has come; how many notices. StoreFailure when the database does not answer."""
        fresh = self._notices.after(self._reach)
        for notice in fresh:
            try:
                self._act(notice, now)
            except (KeyError, TypeError, ValueError) as error:
                # one that makes no sense must not stop those behind it; its file stays
                told = {"notice": notice.number, "source": notice.source, "error": type(error).__name__}
                LOG.error("a notice cannot be acted on", extra=told)  # noqa: TRY400 - the text may quote it
            self._reach = notice.number
            commitments.note_inbox(self._engine, self._reach)
        if fresh:
            self._notices.prune(self._reach, now - KEPT_S)
        return len(fresh)

    def _act(self, notice: Notice, now: float) -> None:
        told = notice.told
        match notice.kind:
            case Kind.COMMITMENT_ASKED:
                items = [(sop_class, uid) for sop_class, uid in told["items"]]
                commitments.make_theirs(self._engine, notice.source, told["transaction_uid"], items, at=now)
            case Kind.COMMITMENT_ANSWERED:
                failed = {uid: int(reason) for uid, reason in told["failed"]}
                is_known = commitments.take_answer(
                    self._engine,
                    told["transaction_uid"],
                    told["held"],
                    failed,
                    at=now,
                    again_at=now + self._settings.commitment_again_s,
                )
                if not is_known:
                    LOG.warning("an answer to a question that we never asked", extra={"source": notice.source})
            case Kind.STEP_CREATED | Kind.STEP_SET:
                self._steps.act(notice)
