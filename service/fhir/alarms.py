"""What was told: a DetectedIssue for each alert, a Communication for each time that it was told or acknowledged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from db.convert import alert_from
from db.queries import Listed
from detection.vocabulary import Condition, Entry, EntryType, Kind, Priority
from dicom_gateway.report.concepts import EXPORT, FINDINGS, PATIENT_RECORD
from service.api.answers import time_of
from service.fhir.actors import device_id, id_in, patient_id, term
from service.fhir.datatypes import (
    Element,
    coding,
    concept,
    element,
    identifier,
    named,
    notes,
    reference,
    system_of,
    text_of,
)
from service.fhir.dossier import TOLD, Dossier
from service.fhir.findings import STATUS

SEVERITIES = {Priority.HIGH: "high", Priority.MEDIUM: "moderate", Priority.LOW: "low"}
URGENCIES = {Priority.HIGH: "urgent", Priority.MEDIUM: "urgent", Priority.LOW: "routine"}
AUDITED = {EntryType.EXPORTED: EXPORT, EntryType.PATIENT_VIEWED: PATIENT_RECORD}


def issues_of(dossier: Dossier, evidence: Mapping[str, Sequence[str]]) -> Iterator[Element]:
    """Every alert as it stands now; ``evidence`` are the ids of Observations by what was sighted."""
    for each in dossier.alerts:
        yield _issue(dossier, each, evidence.get(f"alert {each.alert.id}", ()))


def _issue(dossier: Dossier, listed: Listed, evidence: Sequence[str]) -> Element:
    alert = listed.alert
    cause = str(alert.technical_cause or "unknown").replace("_", " ")
    is_technical = alert.kind is Kind.TECHNICAL
    code = concept(text=f"Technical: {cause}") if is_technical else concept(term(dossier, FINDINGS[alert.kind]))
    is_over = alert.condition is Condition.ABSENT
    return element(
        resourceType="DetectedIssue",
        id=id_in(dossier, "alert", alert.id),
        identifier=[identifier(system_of("alerts", dossier.maker.installation), alert.id)],
        status=STATUS,
        code=code,
        severity=SEVERITIES[alert.priority],
        patient=reference(patient_id(dossier)),
        identifiedPeriod=element(start=time_of(alert.raised_at), end=time_of(alert.changed_at) if is_over else None),
        author=reference(device_id(dossier), dossier.maker.name),
        implicated=[reference(id_in(dossier, "procedure"))],
        evidence=[element(detail=[reference(id) for id in evidence])] if evidence else [],
        detail=f"{text_of(alert.message)} {dossier.words}",
    )


def communications_of(dossier: Dossier) -> Iterator[Element]:
    """What was told, in order, each answered by who acknowledged it. That somebody heard it is not said."""
    told_last: dict[str, str] = {}
    notes_asked: dict[str, list[str]] = defaultdict(list)
    for line in dossier.lines:
        if line.alert is None:
            continue
        if line.type in TOLD:
            told_last[line.alert] = id_in(dossier, "communication", line.number)
            yield _told(dossier, line)
        elif line.type is EntryType.ACKNOWLEDGE:
            notes_asked[line.alert] = [str(line.data.get("note") or "")]
        else:
            yield _acknowledged(dossier, line, told_last.get(line.alert), notes_asked.pop(line.alert, []))


def _told(dossier: Dossier, line: Entry) -> Element:
    alert = alert_from(line.data["alert"])
    sender = reference(device_id(dossier), dossier.maker.name)
    shared = _communication(dossier, line, sender, [alert.message, dossier.words])
    return shared | {"priority": URGENCIES[alert.priority]}


def _acknowledged(dossier: Dossier, line: Entry, to: str | None, words: Sequence[str]) -> Element:
    shared = _communication(dossier, line, named(line.actor), ["The alert was acknowledged.", *words])
    return shared if to is None else shared | {"inResponseTo": [reference(to)]}


def _communication(dossier: Dossier, line: Entry, sender: Element, words: Sequence[str]) -> Element:
    return element(
        resourceType="Communication",
        id=id_in(dossier, "communication", line.number),
        status="completed",
        category=[element(text=line.type.replace("_", " "))],
        subject=reference(patient_id(dossier)),
        about=[reference(id_in(dossier, "alert", line.alert))],
        sent=time_of(line.at),
        sender=sender,
        payload=[element(contentString=each["text"]) for each in notes(words)],
        note=notes([dossier.words]),
    )


def audits_of(dossier: Dossier) -> Iterator[Element]:
    """Who looked at the patient's data or took them away, as far as the journal says that it was this procedure."""
    for line in dossier.audit:
        yield element(
            resourceType="AuditEvent",
            id=id_in(dossier, "audit", line.number),
            type=coding(AUDITED[line.type]),
            action="R",
            recorded=time_of(line.at),
            outcome="0",
            agent=[element(who=named(line.actor), requestor=True)],
            source=element(observer=reference(device_id(dossier), dossier.maker.name)),
            entity=[
                element(
                    what=reference(id_in(dossier, "procedure")),
                    description=str(line.data.get("address") or line.data.get("form") or line.type),
                )
            ],
        )
