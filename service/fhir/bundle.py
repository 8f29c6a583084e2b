"""One transaction of everything. Sent twice it doubles nothing.

What is ours is put under an id that follows from what it is about. Patient and study belong to others: each is created
only where the server does not know it by its number or UID.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import quote

from service.api.answers import time_of
from service.fhir.actors import device_of, patient_of, procedure_of, studies_of
from service.fhir.alarms import audits_of, communications_of, issues_of
from service.fhir.datatypes import Element, element, id_of, identifier, system_of
from service.fhir.dossier import Dossier
from service.fhir.findings import observations_of

TEST_DATA = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}
"""What every resource of a replay is marked with: it is no care of a patient."""


def bundle_of(dossier: Dossier) -> Element:
    """The transaction."""
    maker, procedure = dossier.maker, dossier.procedure
    name = identifier(system_of("bundles", maker.installation), id_of(maker.installation, procedure.id))
    entries = [_entry(each, is_replay=procedure.replay is not None) for each in _resources(dossier)]
    return element(
        resourceType="Bundle", identifier=name, type="transaction", timestamp=time_of(dossier.at), entry=entries
    )


def as_json(bundle: Element) -> bytes:
    """The bundle as it is sent and written."""
    return json.dumps(bundle, ensure_ascii=False, indent=1).encode()


def _resources(dossier: Dossier) -> Iterator[Element]:
    """Whatever is referred to comes first."""
    yield device_of(dossier)
    yield patient_of(dossier)
    yield procedure_of(dossier)
    yield from studies_of(dossier).values()
    evidence: dict[str, list[str]] = defaultdict(list)
    for sighting, observation in observations_of(dossier):
        evidence[sighting.id].append(observation["id"])
        yield observation
    yield from issues_of(dossier, evidence)
    yield from communications_of(dossier)
    yield from audits_of(dossier)


def _entry(resource: Element, *, is_replay: bool) -> Element:
    """A resource with what the server is to do with it."""
    kind, id = resource["resourceType"], resource["id"]
    if is_replay:
        resource = resource | {"meta": {"security": [TEST_DATA]}}
    full_url = f"urn:uuid:{id}"
    known = next((each for each in resource.get("identifier", ()) if "system" in each), None)
    if kind in {"Patient", "ImagingStudy"} and known is not None:
        condition = f"identifier={_literal(known['system'])}%7C{_literal(known['value'])}"
        own = {name: part for name, part in resource.items() if name != "id"}
        request = element(method="POST", url=kind, ifNoneExist=condition)
        return element(fullUrl=full_url, resource=own, request=request)
    return element(fullUrl=full_url, resource=resource, request=element(method="PUT", url=f"{kind}/{id}"))


def _literal(told: str) -> str:
    """As a search takes it for what it is: a bare comma would mean *or*, and find somebody else."""
    return quote(re.sub(r"([\\,|$])", r"\\\1", told), safe="")
