"""What the listener answers beside images: the status of each message, and that what it took is durable."""

from __future__ import annotations

import time

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from dicom_gateway import sop_classes
from dicom_gateway.notices import Kind, Notices
from dicom_gateway.peer import Peer, associated
from dicom_gateway.workflow import Workflow

STEP = [(sop_classes.MPPS, sop_classes.IMPLICIT_LE)]
COMMITMENT = [(sop_classes.COMMITMENT, sop_classes.IMPLICIT_LE)]
CANARY = "CANARY^NAME"


@pytest.fixture
def notices(tmp_path) -> Notices:
    return Notices(tmp_path / "notices")


@pytest.fixture
def peer(listen, notices) -> Peer:
    workflow = Workflow(notices, may_ask=lambda title: title == "ARM1", now_ns=time.time_ns)
    return Peer(host="127.0.0.1", port=listen(workflow=workflow).port, calling="ARM1")


def reference(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item


def question(transaction: str = "1.2.3", items: tuple[str, ...] = ("1.2.4",)) -> Dataset:
    told = Dataset()
    told.TransactionUID = transaction
    told.ReferencedSOPSequence = [reference(sop_classes.XA, uid) for uid in items]
    return told


def ask(peer: Peer, told: Dataset, action: int = 1) -> int:
    with associated(peer, COMMITMENT) as association:
        status, _ = association.send_n_action(told, action, sop_classes.COMMITMENT, sop_classes.COMMITMENT_INSTANCE)
        return status.Status


def beginning(**values) -> Dataset:
    scheduled = Dataset()
    scheduled.StudyInstanceUID, scheduled.AccessionNumber = "1.2.5", "A-17"
    told = Dataset()
    told.ScheduledStepAttributesSequence = [scheduled]
    told.PatientName, told.PatientID = CANARY, "P-1"
    told.PerformedProcedureStepStatus = "IN PROGRESS"
    for name, value in values.items():
        setattr(told, name, value)
    return told


def begin(peer: Peer, uid: str | None, told: Dataset) -> int:
    with associated(peer, STEP) as association:
        status, _ = association.send_n_create(told, sop_classes.MPPS, uid)
        return status.Status


def change(peer: Peer, uid: str, status: str) -> int:
    told = Dataset()
    told.PerformedProcedureStepStatus = status
    with associated(peer, STEP) as association:
        answer, _ = association.send_n_set(told, sop_classes.MPPS, uid)
        return answer.Status


def test_a_request_for_commitment_is_kept_and_answered_at_once(peer, notices):
    assert ask(peer, question(items=("1.2.4", "1.2.6"))) == 0x0000
    (notice,) = notices.after(0)
    assert (notice.kind, notice.source) == (Kind.COMMITMENT_ASKED, "ARM1")
    assert notice.told == {
        "transaction_uid": "1.2.3",
        "items": [[sop_classes.XA, "1.2.4"], [sop_classes.XA, "1.2.6"]],
    }


@pytest.mark.parametrize(
    ("told", "action", "title", "status"),
    [
        (question(items=()), 1, "ARM1", 0x0115),
        (question(transaction=""), 1, "ARM1", 0x0115),
        (question(), 2, "ARM1", 0x0123),
        (question(), 1, "STRANGER", 0x0124),
    ],
    ids=["no instance", "no transaction", "another action", "a device whose address is unknown"],
)
def test_a_request_that_cannot_be_answered_is_refused_by_its_cause(peer, notices, told, action, title, status):
    caller = Peer(host=peer.host, port=peer.port, calling=title)
    assert ask(caller, told, action) == status
    assert notices.after(0) == []


def test_a_step_begins_goes_on_and_ends_once(peer, notices, caplog):
    step = generate_uid()
    assert begin(peer, step, beginning()) == 0x0000
    assert begin(peer, step, beginning()) == 0x0111
    assert change(peer, step, "IN PROGRESS") == 0x0000
    assert change(peer, step, "NONSENSE") == 0x0106
    assert change(peer, step, "COMPLETED") == 0x0000
    assert change(peer, step, "DISCONTINUED") == 0x0110
    assert change(peer, generate_uid(), "COMPLETED") == 0x0112
    assert begin(peer, generate_uid(), beginning(PerformedProcedureStepStatus="COMPLETED")) == 0x0106
    kept = notices.after(0)
    assert [(each.kind, each.told["status"]) for each in kept] == [
        (Kind.STEP_CREATED, "IN PROGRESS"),
        (Kind.STEP_SET, "IN PROGRESS"),
        (Kind.STEP_SET, "COMPLETED"),
    ]
    created = kept[0].told
    assert (created["studies"], created["accession_number"]) == (["1.2.5"], "A-17")
    assert created["patient"] == {"name": CANARY, "id": "P-1"}
    assert "CANARY" not in caplog.text


def test_a_listener_that_starts_anew_knows_the_steps_of_before(listen, notices, peer):
    step = generate_uid()
    assert begin(peer, step, beginning()) == 0x0000
    again = Workflow(notices, may_ask=lambda _: True, now_ns=time.time_ns)
    second = Peer(host="127.0.0.1", port=listen(workflow=again).port, calling="ARM1")
    assert begin(second, step, beginning()) == 0x0111
    assert change(second, step, "COMPLETED") == 0x0000
    assert change(second, step, "COMPLETED") == 0x0110


def test_what_cannot_be_kept_is_not_answered_with_success(peer, notices, tmp_path):
    folder = tmp_path / "notices"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert ask(peer, question()) == 0x0213
    folder.mkdir()
    assert ask(peer, question()) == 0x0000


def test_notices_have_numbers_that_ascend_even_when_the_clock_is_set_back(tmp_path):
    notices = Notices(tmp_path)
    numbers = [
        notices.add(Kind.STEP_SET, source="A", received_ns=at, told={"n": at}).number
        for at in (5_000_000, 3_000_000, 9_000_000)
    ]
    assert numbers == [5000, 5001, 9000]
    assert [each.told["n"] for each in notices.after(5000)] == [3_000_000, 9_000_000]
    assert notices.prune(5001, before=1e9) == 2
    assert [each.number for each in notices.after(0)] == [9000]
