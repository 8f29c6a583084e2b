"""Whom and what a bundle is about: the patient as the images name them, we as a device, the study, the procedure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from dicom_gateway.report.concepts import vertebra_of
from dicom_gateway.report.nouns import Coded
from dicom_gateway.report.stored import Instance
from service.api.answers import time_of, time_or_none
from service.fhir.datatypes import (
    DICOM_UID,
    URI,
    Element,
    coding,
    concept,
    element,
    id_of,
    identifier,
    notes,
    oid,
    own,
    reference,
    system_of,
    text_of,
)
from service.fhir.dossier import Dossier

SEXES = {"M": "male", "F": "female", "O": "other"}


def term(dossier: Dossier, value: str) -> Coded:
    """A code of ours, or what the site has put in its place."""
    return dossier.terms.get(value) or own(value)


def id_in(dossier: Dossier, *parts: object) -> str:
    """The id of a resource about this procedure, of this installation."""
    return id_of(dossier.maker.installation, dossier.procedure.id, *parts)


def patient_id(dossier: Dossier) -> str:
    """One for each number where the site says whose numbers they are; else one for each procedure.

    Two hospitals count alike: without a system of its own a number would make two patients one.
    """
    number = patient_number(dossier)
    if dossier.patient_system is None or not number:
        return id_in(dossier, "patient")
    return id_of(dossier.patient_system, number)


def patient_number(dossier: Dossier) -> str:
    """As the images tell it; empty where they do not."""
    return text_of(dossier.procedure.patient.get("id") or "")


def patient_of(dossier: Dossier) -> Element:
    """As the images tell; the pseudonym of the clinical record is not in it, for both together would be its key."""
    told = dossier.procedure.patient
    number, name = patient_number(dossier), text_of(told.get("name") or "")
    return element(
        resourceType="Patient",
        id=patient_id(dossier),
        identifier=[identifier(dossier.patient_system, number, type="MR")] if number else [],
        name=[_name(name)] if name.strip("^= ") else [],
        gender=SEXES.get(str(told.get("sex") or "").strip().upper(), "unknown"),
        birthDate=_day(str(told.get("birth_date") or "")),
    )


def _day(told: str) -> str | None:
    """A day as DICOM or ISO 8601 writes it; None for what is none."""
    try:
        return date.fromisoformat(told.strip()).isoformat()
    except ValueError:
        return None


def _name(told: str) -> Element:
    """A person name of DICOM (PS3.5 6.2.1): the first of its groups, family^given^middle^prefix^suffix."""
    group = next(part for part in told.split("=") if part.strip("^ "))
    parts = [part.strip() for part in (*group.split("^"), *[""] * 5)[:5]]
    family, given, middle, prefix, suffix = parts
    return element(
        text=" ".join(filter(None, (prefix, given, middle, family, suffix))),
        family=family,
        given=[each for each in (given, middle) if each],
        prefix=[prefix] if prefix else [],
        suffix=[suffix] if suffix else [],
    )


def device_id(dossier: Dossier) -> str:
    """One for each version of software, algorithm and rules of one installation."""
    maker = dossier.maker
    return id_of("device", maker.installation, maker.software, maker.algorithm, maker.rules)


def device_of(dossier: Dossier) -> Element:
    """We, who judged."""
    maker = dossier.maker
    kinds = (("software", maker.software), ("algorithm", maker.algorithm), ("rules", maker.rules))
    return element(
        resourceType="Device",
        id=device_id(dossier),
        identifier=[identifier(system_of("installations"), maker.installation)],
        status="active",
        manufacturer=maker.name,
        deviceName=[element(name=maker.name, type="model-name")],
        type=element(text="Research software that watches fluoroscopy for bone cement"),
        version=[element(type=element(text=kind), value=text_of(value)) for kind, value in kinds],
        safety=[element(text=dossier.words)],
        note=notes([dossier.words]),
    )


def study_id(study_instance_uid: str) -> str:
    """The same for whoever tells of this study."""
    return id_of("study", study_instance_uid)


def studies_of(dossier: Dossier) -> dict[str, Element]:
    """An ImagingStudy for each study, by its UID, with every object that lies here."""
    by_study: dict[str, list[Instance]] = {uid: [] for uid in dossier.procedure.study_instance_uids}
    for each in dossier.instances:
        by_study.setdefault(each.study_instance_uid, []).append(each)
    return {uid: _study(dossier, uid, instances) for uid, instances in by_study.items()}


def _study(dossier: Dossier, uid: str, instances: Sequence[Instance]) -> Element:
    by_series: dict[str, list[Instance]] = {}
    for each in instances:
        by_series.setdefault(each.series_instance_uid, []).append(each)
    accession = text_of(dossier.procedure.accession_number or "")
    number = identifier(None, accession, type="ACSN")
    n_gone = dossier.n_gone.get(uid, 0)
    gone = f"{n_gone} objects are left out: they have left the spool." if n_gone else ""
    return element(
        resourceType="ImagingStudy",
        id=study_id(uid),
        identifier=[identifier(DICOM_UID, oid(uid)), *([number] if accession else [])],
        status="available",
        modality=[coding(_modality(name)) for name in sorted({each.modality for each in instances})],
        subject=reference(patient_id(dossier)),
        procedureReference=reference(id_in(dossier, "procedure")),
        numberOfSeries=len(by_series) or None,
        numberOfInstances=len(instances) or None,
        note=notes([dossier.words, gone]),
        series=[_series(uid, each) for uid, each in by_series.items()],
    )


def _series(uid: str, instances: Sequence[Instance]) -> Element:
    first = instances[0]
    return element(
        uid=uid,
        number=first.series_number,
        modality=coding(_modality(first.modality)),
        numberOfInstances=len(instances),
        instance=[_instance(each) for each in instances],
    )


def _instance(told: Instance) -> Element:
    sop_class = element(system=URI, code=oid(told.sop_class_uid))
    return element(uid=told.sop_instance_uid, number=told.number, sopClass=sop_class)


def _modality(name: str) -> Coded:
    return Coded(value=name, scheme="DCM", meaning=name)


def procedure_of(dossier: Dossier) -> Element:
    """The procedure as it was watched; it is not the record of an operation."""
    told = dossier.procedure
    levels = [(level, vertebra_of(level)) for level in told.levels]
    system = system_of("procedures", dossier.maker.installation)
    return element(
        resourceType="Procedure",
        id=id_in(dossier, "procedure"),
        identifier=[identifier(system, told.id)],
        status=_status(dossier),
        code=concept(term(dossier, "VERTEBROPLASTY"), text=f"Vertebroplasty ({told.kind}) watched by fluoroscopy"),
        subject=reference(patient_id(dossier)),
        performedPeriod=element(start=time_of(told.opened_at), end=time_or_none(told.closed_at)),
        bodySite=[concept(*([code] if code else []), text=level) for level, code in levels],
        usedReference=[reference(device_id(dossier), dossier.maker.name)],
        note=notes(dossier.remarks),
    )


def _status(dossier: Dossier) -> str:
    """A procedure of which nothing was seen may never have begun."""
    if not dossier.found:
        return "unknown"
    return "in-progress" if dossier.procedure.closed_at is None else "completed"
