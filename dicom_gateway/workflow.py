"""What the listener answers beside C-STORE: storage commitment (PS3.4 annex J) and performed procedure steps (PS3.4 F.7).

Nothing is decided here. A message that makes sense is kept as a notice and answered 0x0000 at once; the role that has the
database acts on it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from dicom_gateway import sop_classes
from dicom_gateway.notices import Kind, Notices
from dicom_gateway.told import Told

LOG = logging.getLogger(__name__)

IN_PROGRESS, COMPLETED, DISCONTINUED = "IN PROGRESS", "COMPLETED", "DISCONTINUED"
ASK, ALL_HELD, SOME_FAILED = 1, 1, 2
"""Action type 1; event types 1 and 2 (PS3.4 J.3.2, J.3.3)."""
STATUSES = {
    0x0000: "kept, to be acted on",
    0x0106: "no UID of a step, or a status that is not allowed",
    0x0110: "a step that has ended is changed; or the message failed here",
    0x0111: "a step that is there already",
    0x0112: "no such step",
    0x0115: "an argument is missing or makes no sense",
    0x0123: "no such action or event",
    0x0124: "no address is known to answer this peer at",
    0x0213: "it cannot be kept now",
}
"""Every status that is answered here (PS3.7 annex C)."""
PATIENT = {"name": "PatientName", "id": "PatientID", "birth_date": "PatientBirthDate", "sex": "PatientSex"}


class Odd(Exception):
    """A message that is answered with this status, for this reason, and not kept."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        assert status in STATUSES  # noqa: S101 - the table is what docs/conformance.md says
        self.status, self.reason = status, reason


class Workflow:
    """Takes notices in. ``may_ask``: whether storage commitment can be answered to the entity of this title."""

    def __init__(
        self,
        notices: Notices,
        *,
        may_ask: Callable[[str], bool],
        now_ns: Callable[[], int],
        on_notice: Callable[[], object] = lambda: None,
        log: logging.Logger = LOG,
    ) -> None:
        self._notices, self._may_ask, self._now_ns, self._on_notice, self._log = (
            notices,
            may_ask,
            now_ns,
            on_notice,
            log,
        )
        self._lock = threading.Lock()
        self._steps: dict[str, str] = {}
        after = 0
        while known := notices.after(after, 1000):
            after = known[-1].number
            self._steps |= {each.told["step"]: each.told["status"] for each in known if "step" in each.told}

    def add_contexts(self, entity: AE) -> None:
        """Let ``entity`` take both services; for commitment in both roles, for answers come on associations of their own."""
        native = list(sop_classes.NATIVE)
        entity.add_supported_context(sop_classes.COMMITMENT, native, scu_role=True, scp_role=True)
        entity.add_supported_context(sop_classes.MPPS, native)

    @property
    def answers(self) -> list[Any]:
        """The events and who answers them."""
        return [
            (evt.EVT_N_ACTION, lambda event: self._answer(event, Kind.COMMITMENT_ASKED)),
            (evt.EVT_N_EVENT_REPORT, lambda event: self._answer(event, Kind.COMMITMENT_ANSWERED)),
            (evt.EVT_N_CREATE, lambda event: self._answer(event, Kind.STEP_CREATED)),
            (evt.EVT_N_SET, lambda event: self._answer(event, Kind.STEP_SET)),
        ]

    def answer_report(self, event: evt.Event) -> tuple[int, Dataset | None]:
        """An N-EVENT-REPORT that comes on an association of our own making."""
        return self._answer(event, Kind.COMMITMENT_ANSWERED)

    def _answer(self, event: evt.Event, kind: Kind) -> tuple[int, Dataset | None]:
        primitive = event.assoc.requestor.primitive
        # on an association of our own making the peer is the one we called
        peer = event.assoc.acceptor if event.assoc.is_requestor else event.assoc.requestor
        source = str(
            peer.ae_title if primitive is None or event.assoc.is_requestor else primitive.calling_ae_title
        ).strip()
        extra: dict[str, Any] = {"source": source, "notice": str(kind)}
        try:
            with self._lock:
                told = self._told(event, kind, source)
                self._notices.add(kind, source=source, received_ns=self._now_ns(), told=told)
                if "step" in told:
                    self._steps[told["step"]] = told["status"]
        except Odd as odd:
            self._log.warning("message refused", extra=extra | {"status": f"0x{odd.status:04X}", "reason": odd.reason})
            return odd.status, None
        except OSError:
            self._log.error("a notice cannot be kept", extra=extra)
            return 0x0213, None
        except Exception as error:  # noqa: BLE001 - a peer must get an answer; the text of a foreign error may quote the message
            self._log.error("message failed", extra=extra | {"error": type(error).__name__})
            return 0x0110, None
        self._log.info("message kept", extra=extra)
        self._on_notice()
        return 0x0000, Dataset() if kind in {Kind.STEP_CREATED, Kind.STEP_SET} else None

    def _told(self, event: evt.Event, kind: Kind, source: str) -> dict[str, Any]:
        if kind is Kind.COMMITMENT_ASKED:
            return self._asked(event, source)
        if kind is Kind.COMMITMENT_ANSWERED:
            return _answered(event)
        return self._created(event) if kind is Kind.STEP_CREATED else self._set(event)

    def _asked(self, event: evt.Event, source: str) -> dict[str, Any]:
        if event.action_type != ASK:
            raise Odd(0x0123, "no such action")
        told = Told(event.action_information)
        items = _items(told, "ReferencedSOPSequence")
        if not told.text("TransactionUID") or not items:
            raise Odd(0x0115, "expected a transaction UID and at least one instance")
        if not self._may_ask(source):
            raise Odd(0x0124, "the settings know no address to answer this title at")
        return {"transaction_uid": told.text("TransactionUID"), "items": items}

    def _created(self, event: evt.Event) -> dict[str, Any]:
        step = str(getattr(event.request, "AffectedSOPInstanceUID", None) or "")
        told = Told(event.attribute_list)
        if not step:
            raise Odd(0x0106, "expected the UID of the step")
        if step in self._steps:
            raise Odd(0x0111, "this step is there already")
        if told.text("PerformedProcedureStepStatus") != IN_PROGRESS:
            raise Odd(0x0106, "a step begins IN PROGRESS")
        scheduled = told.items("ScheduledStepAttributesSequence")
        return {
            "step": step,
            "status": IN_PROGRESS,
            "studies": [uid for each in scheduled if (uid := each.text("StudyInstanceUID"))],
            "accession_number": next((n for each in scheduled if (n := each.text("AccessionNumber"))), ""),
            "patient": {name: value for name, word in PATIENT.items() if (value := told.text(word))},
            "description": told.text("PerformedProcedureStepDescription"),
        }

    def _set(self, event: evt.Event) -> dict[str, Any]:
        step = str(getattr(event.request, "RequestedSOPInstanceUID", None) or "")
        told = Told(event.modification_list)
        before = self._steps.get(step)
        if before is None:
            raise Odd(0x0112, "no such step")
        if before != IN_PROGRESS:
            raise Odd(0x0110, "this step has ended and may not be changed")
        status = told.text("PerformedProcedureStepStatus") or before
        if status not in {IN_PROGRESS, COMPLETED, DISCONTINUED}:
            raise Odd(0x0106, "expected IN PROGRESS, COMPLETED or DISCONTINUED")
        reason = told.first("PerformedProcedureStepDiscontinuationReasonCodeSequence")
        series = told.items("PerformedSeriesSequence")
        return {
            "step": step,
            "status": status,
            "reason": reason.text("CodeMeaning") if reason else "",
            "n_series": len(series),
            "n_images": sum(len(each.items("ReferencedImageSequence")) for each in series),
        }


def _answered(event: evt.Event) -> dict[str, Any]:
    if event.event_type not in {ALL_HELD, SOME_FAILED}:
        raise Odd(0x0123, "no such event")
    told = Told(event.event_information)
    if not told.text("TransactionUID"):
        raise Odd(0x0115, "expected a transaction UID")
    failed = [
        [each.text("ReferencedSOPInstanceUID"), each.count("FailureReason")] for each in told.items("FailedSOPSequence")
    ]
    return {
        "transaction_uid": told.text("TransactionUID"),
        "held": [uid for _, uid in _items(told, "ReferencedSOPSequence")],
        "failed": failed,
    }


def _items(told: Told, sequence: str) -> list[tuple[str, str]]:
    """Class and instance of each reference; Odd when one has no instance."""
    items = [
        (each.text("ReferencedSOPClassUID"), each.text("ReferencedSOPInstanceUID")) for each in told.items(sequence)
    ]
    if not all(uid for _, uid in items):
        raise Odd(0x0115, "expected an instance UID in every reference")
    return items
