"""The DICOM objects that the findings of a procedure leave as, and how far each archive has them."""

from __future__ import annotations

from collections import defaultdict

from fastapi import APIRouter
from pydantic import Field

from db.commitments import deliveries_of
from db.deliveries import Stage
from dicom_gateway.refusal import GatewayError
from dicom_gateway.report.forms import Form
from dicom_gateway.report.stored import Made
from service.api import wire
from service.api.deps import Actor, Deps, DepsHere
from service.api.errors import Refused, unavailable
from service.api.procedures import find
from service.dispatch import dispatch_apart, dispatched, is_dispatched
from service.gather import NothingToReport
from service.safety import SAFETY_WORDS

router = APIRouter(prefix="/procedures", tags=["objects"])


class ObjectDelivery(wire.Wire):
    """One object on its way to one archive."""

    archive: str = Field(description="What the settings call it.")
    state: Stage = Field(description="How far it is.")
    reason: str | None = Field(None, description="The archive's last answer, a fixed phrase.")


class ResultObject(wire.Wire):
    """One object made of the findings."""

    form: Form = Field(description="What it is: sr, kos, gsps, seg, sc or pdf.")
    sop_class_uid: str = Field(description="Its SOP Class UID.")
    sop_instance_uid: str = Field(description="Its SOP Instance UID, which follows from what it says.")
    series_instance_uid: str = Field(description="Its Series Instance UID.")
    description: str = Field(description="Its Series Description.")
    bytes: int = Field(description="Its size; bytes.")
    deliveries: list[ObjectDelivery] = Field(description="By archive; none for a replay, or without archives.")


class ResultObjects(wire.Wire):
    """Every object that was made of the findings of one procedure."""

    safety: str = Field(description="What every screen and export must say.")
    items: list[ResultObject] = Field(description="By form.")


@router.get("/{id}/results", response_model=ResultObjects)
def list_objects(deps: DepsHere, id: str) -> ResultObjects:
    """What was made so far, and where it is."""
    find(deps, id)
    return _listed(deps, id)


@router.post("/{id}/results", response_model=ResultObjects)
def make_objects(deps: DepsHere, actor: Actor, id: str) -> ResultObjects:
    """Make the objects of what was found so far, and queue them for every archive. Doing it again changes nothing."""
    find(deps, id)
    try:
        if not is_dispatched(deps.settings, deps.engine, id):
            dispatch_apart(deps.environment, id, actor)
            deps.bell.ring()
    except NothingToReport as nothing:
        raise Refused(409, f"There is nothing to report: {nothing}.", code="nothing_to_report") from None
    except GatewayError as error:
        raise unavailable(f"The objects could not be made: {error.reason}.") from None
    return _listed(deps, id)


def _listed(deps: Deps, id: str) -> ResultObjects:
    made = dispatched(deps.settings, id)
    sent: dict[str, list[ObjectDelivery]] = defaultdict(list)
    for each in deliveries_of(deps.engine, [one.sop_instance_uid for one in made]):
        told = ObjectDelivery(archive=each.destination, state=each.state, reason=each.reason)
        sent[each.sop_instance_uid].append(told)
    return ResultObjects(safety=SAFETY_WORDS, items=[_told(each, sent[each.sop_instance_uid]) for each in made])


def _told(made: Made, deliveries: list[ObjectDelivery]) -> ResultObject:
    return ResultObject(
        form=made.form,
        sop_class_uid=made.sop_class_uid,
        sop_instance_uid=made.sop_instance_uid,
        series_instance_uid=made.series_instance_uid,
        description=made.description,
        bytes=made.n_bytes,
        deliveries=deliveries,
    )
