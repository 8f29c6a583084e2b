"""What was seen, one Observation for each thing on each key frame: where, what, and numbers with UCUM units.

Nobody has verified any of it: every status is preliminary, and stays so.
"""

from __future__ import annotations

from collections.abc import Iterator

from detection.vocabulary import Entry
from dicom_gateway.report.concepts import FINDINGS, MEASURES, NOT_SEEN, vertebra_of
from dicom_gateway.report.nouns import Bound, Measure, Name, Sighting
from service.api.answers import time_of
from service.fhir.actors import device_id, id_in, patient_id, study_id, term
from service.fhir.datatypes import Element, concept, element, notes, quantity, reference
from service.fhir.dossier import Dossier

STATUS = "preliminary"


def observations_of(dossier: Dossier) -> Iterator[tuple[Sighting, Element]]:
    """Each thing that was seen on a key frame, or was looked for and is not there."""
    for found in dossier.found:
        for place, sighting in enumerate(found.sightings):
            yield sighting, _observation(dossier, found.entry, sighting, place)


def _observation(dossier: Dossier, entry: Entry, sighting: Sighting, place: int) -> Element:
    study = str(entry.data.get("study_instance_uid") or "")
    vertebra = vertebra_of(sighting.level)
    words = sighting.words or "A piece of cement on the last frame of this view that showed any."
    return element(
        resourceType="Observation",
        id=id_in(dossier, "observation", entry.number, sighting.id, place),
        status=STATUS,
        code=concept(term(dossier, "CEMENT")),
        subject=reference(patient_id(dossier)),
        partOf=[reference(id_in(dossier, "procedure"))],
        effectiveDateTime=_made_at(entry),
        issued=time_of(entry.at),
        valueCodeableConcept=concept(term(dossier, FINDINGS[sighting.kind] if sighting.is_seen else NOT_SEEN)),
        bodySite=concept(*([vertebra] if vertebra else []), text=sighting.level or ""),
        device=reference(device_id(dossier), dossier.maker.name),
        derivedFrom=[reference(study_id(study))] if study in dossier.procedure.study_instance_uids else [],
        component=[*_words_about(dossier, entry, sighting), *_numbers(dossier, sighting)],
        note=notes([words, *dossier.remarks]),
    )


def _made_at(entry: Entry) -> str:
    """When the device made the frame, by its clock; else when it was received."""
    frame = entry.frame
    at = entry.at if frame is None else frame.received_at if frame.acquired_at is None else frame.acquired_at
    return time_of(at)


def _words_about(dossier: Dossier, entry: Entry, sighting: Sighting) -> Iterator[Element]:
    """Zone, side and priority as codes; the view and the frame, as DICOMweb names it from its study on."""
    for name, told in (("ZONE", sighting.zone), ("SIDE", sighting.side), ("PRIORITY", sighting.priority)):
        if told is not None:
            value = concept(term(dossier, f"{name}_{told.name}"))
            yield element(code=concept(term(dossier, name)), valueCodeableConcept=value)
    yield element(code=concept(text="View"), valueString=str(entry.data.get("view") or "unknown"))
    if entry.frame is not None:
        frame = f"instances/{entry.frame.sop_instance_uid}/frames/{entry.frame.index + 1}"
        yield element(code=concept(text="Frame"), valueString=frame)


def _numbers(dossier: Dossier, sighting: Sighting) -> Iterator[Element]:
    """Each number, and the range that the truth surely lies in; a volume has a range and no best value."""
    volume = {each.bound: each for each in sighting.measures if each.name is Name.VOLUME}
    for each in sighting.measures:
        if each.name is Name.VOLUME:
            continue
        yield element(code=_code(dossier, each.name), valueQuantity=quantity(each.value, each.unit))
        if each.below is not None and each.above is not None:
            yield _range(dossier, each, round(each.value - each.below, 3), round(each.value + each.above, 3))
    if volume:
        low_end, high_end = volume.get(Bound.LOWEST), volume.get(Bound.HIGHEST)
        any_end = next(iter(volume.values()))
        low, high = (None if end is None else end.value for end in (low_end, high_end))
        yield _range(dossier, any_end, low, high)


def _range(dossier: Dossier, measure: Measure, low: float | None, high: float | None) -> Element:
    ends = {name: quantity(end, measure.unit) for name, end in (("low", low), ("high", high)) if end is not None}
    return element(code=_code(dossier, measure.name, "range of uncertainty"), valueRange=ends)


def _code(dossier: Dossier, name: Name, words: str = "") -> Element:
    told = MEASURES[name]
    code = term(dossier, told) if isinstance(told, str) else told
    return concept(code, text=f"{code.meaning}, {words}" if words else "")
