"""Storage commitment: archives are asked for it, devices that ask us are answered.

We are not the archive of record: a device is told success only for what every archive that we ask has committed to, or,
where ``keeps_for_good`` says so, for what lies in our spool. Everything else is a failure of that instance, never silence.
"""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Callable

from db import arrivals, commitments
from db.commitments import CLASS_CONFLICT, NO_SUCH_INSTANCE, Course, Item, Transaction
from db.connect import Engine
from db.deliveries import Delivery, Stage, note_trouble
from dicom_gateway import commitment
from dicom_gateway.forward import identity_of
from dicom_gateway.refusal import Unreachable, Unreadable
from dicom_gateway.spool import Spool
from dicom_gateway.workflow import Workflow
from service.archives import Archive
from service.entrance import peer_of
from service.forward import pause_s
from service.settings import Settings
from service.sources import Sources

LOG = logging.getLogger(__name__)

MOST_ITEMS = 500
DUPLICATE_TRANSACTION, NOT_YET = 0x0131, 0x0110
"""A transaction UID that the archive has seen; processing failure, which is not known to be held."""
GIVE_UP_AFTER_S = 7 * 86_400.0
LOOK_AGAIN_S = 1.0


class Asking:
    """Asks one archive to commit to what it was sent, until it has answered."""

    def __init__(self, archive: Archive, settings: Settings, engine: Engine, workflow: Workflow) -> None:
        self._archive, self._settings, self._engine, self._workflow = archive, settings, engine, workflow

    def turn(self, now: float) -> int:
        """Ask what is due; how many transactions were asked. StoreFailure when the database does not answer."""
        name = self._archive.name
        commitments.make_ours(self._engine, name, f"2.25.{uuid.uuid4().int}", at=now, limit=MOST_ITEMS)
        waiting = commitments.due_transactions(self._engine, at=now, is_ours=True, peer=name)
        for each in waiting:
            if each.state is Course.ASKED:
                LOG.warning("storage commitment was not answered in time", extra={"archive": name})
                commitments.note_transaction(self._engine, each, Course.LAPSED, due_at=now)
            else:
                self._ask(each, now)
        return len(waiting)

    def _ask(self, each: Transaction, now: float) -> None:
        again_at = now + pause_s(each.attempts + 1, self._settings.forward_pause_s)
        within_s = self._settings.commitment_within_s
        try:
            peer = peer_of(self._archive, self._settings)
            # written first: the answer may come before the question's own status does
            status = commitment.ask(peer, each.transaction_uid, each.items, self._workflow.answer_report)
        except Unreachable as trouble:
            note_trouble(self._engine, self._archive.name, trouble.reason, at=now)
            commitments.note_transaction(self._engine, each, Course.MADE, due_at=again_at, reason=trouble.reason)
            return
        if status == 0:
            commitments.note_transaction(self._engine, each, Course.ASKED, due_at=now + within_s)
        elif status == DUPLICATE_TRANSACTION:
            commitments.note_transaction(self._engine, each, Course.LAPSED, due_at=now)
        else:
            reason = f"the archive answers 0x{status:04X} to a request for storage commitment"
            LOG.warning("storage commitment refused", extra={"archive": self._archive.name, "reason": reason})
            commitments.note_transaction(self._engine, each, Course.MADE, due_at=again_at, reason=reason)


class Answering:
    """Tells devices what is held, on an association of our own making each time, until they have taken it."""

    def __init__(self, settings: Settings, engine: Engine, spool: Spool, sources: Sources) -> None:
        self._settings, self._engine, self._spool, self._sources = settings, engine, spool, sources
        self._committing = frozenset(archive.name for archive in settings.archives if archive.commit)

    def turn(self, now: Callable[[], float]) -> int:
        """Answer what can be answered; how many devices were told. StoreFailure when the database does not answer."""
        return sum(
            self._answer(each, now()) for each in commitments.due_transactions(self._engine, at=now(), is_ours=False)
        )

    def judge(self, items: tuple[Item, ...], *, is_last: bool) -> dict[Item, int] | None:
        """Failure reason by item, those held left out; None while an archive may still say more and it is not the last look."""
        sent: dict[str, list[Delivery]] = defaultdict(list)
        for each in commitments.deliveries_of(self._engine, [uid for _, uid in items]):
            if each.destination in self._committing:
                sent[each.sop_instance_uid].append(each)
        failed: dict[Item, int] = {}
        for item in items:
            reason = self._reason(item, sent[item[1]], is_last=is_last)
            if reason is None:
                return None
            if reason:
                failed[item] = reason
        return failed

    def _reason(self, item: Item, sent: list[Delivery], *, is_last: bool) -> int | None:
        """0 when it is held, None when that cannot be said yet."""
        if self._settings.keeps_for_good:
            reason = self._kept(item)
            return reason if reason != NO_SUCH_INSTANCE or is_last else None
        if any(each.sop_class_uid != item[0] for each in sent):
            return CLASS_CONFLICT
        if {each.destination for each in sent} == self._committing and self._committing:
            if all(each.state is Stage.COMMITTED for each in sent):
                return 0
            if any(each.state in {Stage.REFUSED, Stage.DISMISSED} for each in sent):
                return NOT_YET
        if not self._committing:
            return NOT_YET
        return (NOT_YET if sent else NO_SUCH_INSTANCE) if is_last else None

    def _kept(self, item: Item) -> int:
        """As ``_reason``, for an installation that keeps everything: the object is there, and is what it is asked for."""
        known = arrivals.arrival_of(self._engine, item[1])
        arrival = None if known is None else self._spool.find(known.number)
        if arrival is None:
            return NO_SUCH_INSTANCE
        try:
            return 0 if identity_of(arrival.path).sop_class_uid == item[0] else CLASS_CONFLICT
        except (Unreadable, OSError):
            return NO_SUCH_INSTANCE

    def _answer(self, each: Transaction, now: float) -> bool:
        waited_s = now - each.opened_at
        failed = self.judge(each.items, is_last=waited_s >= self._settings.commitment_answer_s)
        if failed is None:
            commitments.note_transaction(self._engine, each, Course.MADE, due_at=now + LOOK_AGAIN_S)
            return False
        try:
            self._report(each, failed)
        except Unreachable as trouble:
            state = Course.GIVEN_UP if waited_s > GIVE_UP_AFTER_S else Course.MADE
            due_at = now + pause_s(each.attempts + 1, self._settings.forward_pause_s)
            commitments.note_transaction(self._engine, each, state, due_at=due_at, reason=trouble.reason)
            LOG.warning("storage commitment not reported", extra={"source": each.peer, "reason": trouble.reason})
            return False
        commitments.note_transaction(self._engine, each, Course.ANSWERED, due_at=now)
        LOG.info("storage commitment reported", extra={"source": each.peer, "n_failed": len(failed)})
        return True

    def _report(self, each: Transaction, failed: dict[Item, int]) -> None:
        peer = self._sources.of(each.peer).peer(self._settings)
        if peer is None:
            raise Unreachable("no address of this device is known any more")
        held = [item for item in each.items if item not in failed]
        status = commitment.report(peer, each.transaction_uid, held, failed)
        if status != 0:
            raise Unreachable(f"the device answers 0x{status:04X} to a report of storage commitment")
