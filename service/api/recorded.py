"""Live meets record: a finished procedure's record from the journal, its whole, its confirmation, and how alerts agree."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import Field, create_model

from db import record as store
from db.cohort import Condition
from db.dose import doses_of
from db.watched import acts_of, frame_times_of, leak_alerts_of
from service.api import wire
from service.api.answers import time_of
from service.api.asks import Ask
from service.api.cohorts import answered
from service.api.deps import Actor, Deps, DepsHere
from service.api.errors import Refused, not_found
from service.api.procedures import find as find_procedure
from service.api.record import checked, find, write
from service.api.record_wire import ROWS, row_of
from service.clinical.cohort_answers import Agreement, Answer
from service.clinical.prefill import Watched, propose
from service.clinical.questions import Cohort, conditions_of
from service.clinical.record import given_of
from service.clinical.remarks import Whole, remarks_on
from service.clinical.shape import Id
from service.clinical.whole import operation_of, whole_of
from service.safety import SAFETY_WORDS

router = APIRouter(tags=["record"])


class FromJournal(Ask):
    """Whose record it is."""

    patient: Id = Field(description="Id of the patient in the record; add the patient first.")


class Confirmation(Ask):
    """The record is complete as it stands."""

    version: int = Field(ge=1, description="The version of the operation that was read.")


class RemarkAnswer(Answer):
    """Something odd within a record."""

    kind: str = Field(description="Kind of the thing.")
    id: str = Field(description="Id of the thing.")
    field: str = Field(description="Its field.")
    words: str = Field(description="What is odd.")


def _whole_model() -> Any:
    several = {
        kind: (list[ROWS[kind]], Field(description=f"Every {kind.replace('_', '-')}."))  # type: ignore[valid-type]
        for kind in ROWS
        if kind not in {"patient", "operation"}
    }
    fields: dict[str, Any] = {
        "safety": (str, Field(description="What every screen and export must say.")),
        "patient": (ROWS["patient"], Field(description="The patient.")),
        "operation": (ROWS["operation"], Field(description="The operation.")),
        **several,
        "remarks": (list[RemarkAnswer], Field(description="What does not add up; nothing is repaired.")),
        "unplaced": (list[str], Field([], description="What the journal told and the record could not place.")),
    }
    return create_model(
        "WholeRecord", __base__=wire.Wire, __doc__="One operation with all that belongs to it.", **fields
    )


WholeRecord = _whole_model()


@router.post("/procedures/{id}/record", response_model=WholeRecord, status_code=201)
def make_record(deps: DepsHere, actor: Actor, id: str, body: FromJournal) -> dict[str, Any]:
    """The record as the journal knows it: levels, needles, aliquots, leaks seen live (proposed), fluoroscopy time."""
    procedure = find_procedure(deps, id)
    there = operation_of(deps.engine, id)
    if there is not None:
        raise Refused(409, "This procedure has a record.", code="taken", operation=there.id)
    engine = deps.engine
    watched = Watched(
        procedure=procedure,
        acts=acts_of(engine, id),
        alerts=leak_alerts_of(engine, [id]),
        frame_times=frame_times_of(engine, id),
        doses=doses_of(engine, procedure),
    )
    proposal = propose(watched, body.patient)
    write(deps, actor, proposal.drafts)
    made = operation_of(engine, id)
    assert made is not None  # noqa: S101 - written a moment ago
    return told(whole_of(engine, made)) | {"unplaced": list(proposal.remarks)}


@router.get("/procedures/{id}/record", response_model=WholeRecord)
def get_record(deps: DepsHere, id: str) -> dict[str, Any]:
    """The record of a procedure that was watched live."""
    find_procedure(deps, id)
    there = operation_of(deps.engine, id)
    if there is None:
        raise not_found("record of this procedure")
    return told(whole_of(deps.engine, there))


@router.get("/record/operations/{id}/whole", response_model=WholeRecord)
def get_whole(deps: DepsHere, id: str) -> dict[str, Any]:
    """An operation with everything that belongs to it, and what does not add up."""
    return told(whole_of(deps.engine, find(deps, "operation", id)))


@router.post("/record/operations/{id}/confirm", response_model=ROWS["operation"])
def confirm(deps: DepsHere, actor: Actor, id: str, body: Confirmation) -> dict[str, Any]:
    """A physician has read the record and decided about every proposed leak; 409 while some wait."""
    operation = find(deps, "operation", id)
    waiting = [leak.id for leak in _leaks(deps, operation) if leak.fields["finding"] == "proposed"]
    if waiting:
        raise Refused(409, "Confirm or reject the proposed leaks first.", code="undecided", leaks=waiting)
    seen = find(deps, "operation", id, body.version)
    confirmed = {"confirmed_at": time_of(deps.now()), "confirmed_by": actor}
    fields = checked("operation", given_of(seen) | confirmed)
    draft = store.Draft(kind="operation", id=id, base=body.version, fields=fields, reason="confirmed")
    return row_of(write(deps, actor, [draft])[0])


@router.get("/procedures/{id}/agreement", response_model=Agreement)
def get_agreement(deps: DepsHere, id: str) -> Agreement:
    """The live alerts of one procedure against its record."""
    from service.clinical.agreement import agreement

    find_procedure(deps, id)
    if operation_of(deps.engine, id) is None:
        raise not_found("record of this procedure")
    return agreement(deps.engine, [Condition(field="operation.procedure", among=(id,))])


@router.post("/cohorts/agreement", response_model=Agreement)
def get_agreement_of_many(deps: DepsHere, body: Cohort) -> Agreement:
    """The live alerts of all recorded procedures that meet the conditions; ``group`` is not used."""
    from service.clinical.agreement import agreement

    return answered(lambda engine, ask: agreement(engine, conditions_of(ask)), deps.engine, body)


def told(whole: Whole) -> dict[str, Any]:
    """A whole record as it is told."""
    return {
        "safety": SAFETY_WORDS,
        "patient": row_of(whole.patient),
        "operation": row_of(whole.operation),
        **{kind: [row_of(each) for each in things] for kind, things in whole.things.items()},
        "remarks": [RemarkAnswer.model_validate(each) for each in remarks_on(whole)],
    }


def _leaks(deps: Deps, operation: store.Version) -> list[store.Version]:
    return list(whole_of(deps.engine, operation).things["leak"])
