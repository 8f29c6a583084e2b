"""Storage commitment on the wire (PS3.4 annex J): asking an archive, and answering a device on a new association."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pynetdicom import build_role, evt

from dicom_gateway import sop_classes
from dicom_gateway.peer import Peer, associated
from dicom_gateway.refusal import Unreachable
from dicom_gateway.workflow import ALL_HELD, ASK, SOME_FAILED

if TYPE_CHECKING:
    from pynetdicom.association import Association

Answer = Callable[[evt.Event], tuple[int, Dataset | None]]
Item = tuple[str, str]
"""SOP class and instance."""
STAY_S = 2.0
"""How long the association stays open after the question: many archives answer on it, others call back."""
OFFER = [(sop_classes.COMMITMENT, sop_classes.IMPLICIT_LE), (sop_classes.VERIFICATION, sop_classes.IMPLICIT_LE)]
"""Verification keeps the association when the peer does not take the service: that is an answer of its own."""


def ask(peer: Peer, transaction_uid: str, items: Sequence[Item], answer: Answer | None = None) -> int:
    """The status of an N-ACTION that asks for commitment of ``items``.

    ``answer`` takes an N-EVENT-REPORT that comes on this very association; most archives call the listener instead.
    Raises ``Unreachable`` when the peer does not answer, or does not take the service.
    """
    question = Dataset()
    question.TransactionUID = transaction_uid
    question.ReferencedSOPSequence = [_reference(item) for item in items]
    has_come = threading.Event()

    def note(event: evt.Event) -> Any:
        try:
            return answer(event) if answer is not None else (0x0110, None)
        finally:
            has_come.set()

    with associated(peer, OFFER, handlers=[(evt.EVT_N_EVENT_REPORT, note)]) as association:
        if not _takes(association, "as_scu"):
            raise Unreachable("the peer does not offer storage commitment")
        status, _ = association.send_n_action(question, ASK, sop_classes.COMMITMENT, sop_classes.COMMITMENT_INSTANCE)
        if "Status" not in status:
            raise Unreachable("the peer does not answer a request for storage commitment")
        if answer is not None and status.Status == 0:
            # from here on the library may read: no call of ours waits any longer
            del association.dimse.get_msg
            has_come.wait(STAY_S)
        return int(status.Status)


def report(peer: Peer, transaction_uid: str, held: Sequence[Item], failed: Mapping[Item, int]) -> int:
    """The status of an N-EVENT-REPORT to the device that asked; Unreachable when it does not take it."""
    told = Dataset()
    told.TransactionUID = transaction_uid
    if held:
        told.ReferencedSOPSequence = [_reference(item) for item in held]
    if failed:
        told.FailedSOPSequence = [_reference(item) for item in failed]
        for each, reason in zip(told.FailedSOPSequence, failed.values(), strict=True):
            each.FailureReason = reason
    role = build_role(sop_classes.COMMITMENT, scp_role=True)
    with associated(peer, OFFER, roles=[role]) as association:
        if not _takes(association, "as_scp"):
            raise Unreachable("the peer does not let us report storage commitment")
        status, _ = association.send_n_event_report(
            told, SOME_FAILED if failed else ALL_HELD, sop_classes.COMMITMENT, sop_classes.COMMITMENT_INSTANCE
        )
        if "Status" not in status:
            raise Unreachable("the peer does not answer a report of storage commitment")
        return int(status.Status)


def _takes(association: Association, role: str) -> bool:
    """Whether the peer lets us be this in storage commitment."""
    contexts = association.accepted_contexts
    return any(each.abstract_syntax == sop_classes.COMMITMENT and getattr(each, role) for each in contexts)


def _reference(item: Item) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = item
    return reference
