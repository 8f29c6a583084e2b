"""The small parts that resources of FHIR R4 are made of. An element without content is left out: the standard has no null."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Any, TypeAlias

from dicom_gateway.report.naming import uid_of
from dicom_gateway.report.nouns import Coded, Unit
from dicom_gateway.report.terms import OURS, SCHEME

Element: TypeAlias = dict[str, Any]

UCUM, URI, DICOM_UID = "http://unitsofmeasure.org", "urn:ietf:rfc:3986", "urn:dicom:uid"
SYSTEMS = {"SCT": "http://snomed.info/sct", "DCM": "http://dicom.nema.org/resources/ontology/DCM", "UCUM": UCUM}
"""How FHIR calls the coding schemes that we use; one that is private is called by an OID that follows from its name."""
_NAMESPACE = uuid.UUID("7be9f2a4-0f86-5f0b-8d8e-2f9b6c1f5e02")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
LONGEST = 4000
"""Letters of one text; more were never written by us."""


def element(**parts: Any) -> Element:
    """An element of those parts that have content; ``class_`` and the like lose the bar that Python needs."""
    return {name.rstrip("_"): part for name, part in parts.items() if part not in (None, "", [], {})}


def text_of(value: object) -> str:
    """Words that FHIR takes as a string: without what cannot be printed, empty where nothing is left."""
    return _UNPRINTABLE.sub("", str(value)).strip()[:LONGEST].strip()


def id_of(*parts: object) -> str:
    """The logical id that these parts always give."""
    return str(uuid.uuid5(_NAMESPACE, "\0".join(map(str, parts))))


def system_of(*parts: object) -> str:
    """A system of identifiers or codes that is ours alone."""
    return f"urn:oid:{uid_of('system', *parts)}"


def oid(uid: str) -> str:
    """A DICOM UID as FHIR writes it."""
    return f"urn:oid:{uid}"


def reference(id: str, display: str = "") -> Element:
    """To a resource of the same transaction."""
    return element(reference=f"urn:uuid:{id}", display=text_of(display))


def named(display: object) -> Element:
    """Somebody whom we know by name only."""
    return element(display=text_of(display) or "unknown")


def identifier(system: str | None, value: object, type: str = "") -> Element:
    """A name in a system, None where nobody told which; ``type`` is a code of HL7 table 0203."""
    kind = element(coding=[element(system="http://terminology.hl7.org/CodeSystem/v2-0203", code=type)] if type else [])
    return element(type=kind, system=system, value=text_of(value))


def coding(told: Coded) -> Element:
    """One code; of a scheme that nobody here knows the address of, only its letters."""
    system = SYSTEMS.get(told.scheme) or (system_of("scheme", told.scheme) if told.scheme.startswith("99") else None)
    return element(system=system, code=" ".join(told.value.split()), display=text_of(told.meaning))


def concept(*told: Coded, text: str = "") -> Element:
    """What codes and words say together."""
    return element(coding=[coding(each) for each in told], text=text_of(text))


def own(value: str) -> Coded:
    """A code of our scheme that stands for itself whatever the site has mapped."""
    return OURS.get(value) or Coded(value=value, scheme=SCHEME, meaning=value.replace("_", " ").capitalize())


def quantity(value: float, unit: Unit) -> Element:
    """A number with its unit."""
    return element(value=value, unit=unit.value, system=UCUM, code=unit.value)


def notes(texts: Iterable[str]) -> list[Element]:
    """Annotations, empty ones left out."""
    return [element(text=told) for text in texts if (told := text_of(text))]
