"""Modality worklist (PS3.4 annex K): what is scheduled, before any image exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pydicom.dataset import Dataset

from dicom_gateway import sop_classes
from dicom_gateway.peer import Peer, associated
from dicom_gateway.refusal import Unreachable
from dicom_gateway.told import Told
from dicom_gateway.workflow import PATIENT

LEVEL = re.compile(r"(?<![A-Za-z0-9])(Th|[CTDLS])\s?(1[0-2]|[1-9])(?![0-9])", re.IGNORECASE)
"""A vertebra in free text: T12, Th12, D12, L 1."""
HIGHEST = {"C": 7, "T": 12, "L": 5, "S": 5}
VERTEBRAE = {
    **dict(
        zip(
            "64864005 53733008 1626008 73071006 56401006 45296009 62487009 11068009 82687006 7610001 12989004 23215003".split(),
            (f"T{n}" for n in range(1, 13)),
            strict=True,
        )
    ),
    **dict(zip("66794005 14293000 36470004 11994002 49668003".split(), (f"L{n}" for n in range(1, 6)), strict=True)),
}
"""SNOMED CT codes of CID 7603."""
SIDES = {"24028007": "right", "7771000": "left", "51440002": "bilateral", "66459002": "unilateral"}
"""SNOMED CT codes of CID 244."""
SIDE_WORDS = re.compile(r"\b(left|right|bilateral|unilateral)\b", re.IGNORECASE)
CODES = ("RequestedProcedureCodeSequence", "ScheduledProtocolCodeSequence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """One scheduled procedure step. ``levels`` and ``side`` are read from codes, else from the descriptions."""

    study_instance_uid: str
    accession_number: str
    patient: dict[str, str]
    description: str
    levels: tuple[str, ...]
    side: str | None
    station: str
    modality: str
    starts_at: float | None


def scheduled_steps(peer: Peer, *, station: str = "", modality: str = "", day: str = "") -> list[Scheduled]:
    """What the worklist holds for a station title, modality and day (``YYYYMMDD``); an empty word matches all.

    Raises ``Unreachable`` when the peer does not answer, or refuses the question.
    """
    offers = [(sop_classes.WORKLIST, sop_classes.IMPLICIT_LE), (sop_classes.VERIFICATION, sop_classes.IMPLICIT_LE)]
    found = []
    with associated(peer, offers) as association:
        if not any(each.abstract_syntax == sop_classes.WORKLIST for each in association.accepted_contexts):
            raise Unreachable("the peer does not offer a worklist")
        for status, told in association.send_c_find(_question(station, modality, day), sop_classes.WORKLIST):
            code = status.get("Status")
            if code in {0xFF00, 0xFF01} and told is not None:
                found += list(_steps_of(Told(told)))
            elif code != 0x0000:
                raise Unreachable("the peer does not answer a question for the worklist")
    return found


def _question(station: str, modality: str, day: str) -> Dataset:
    step = Dataset()
    step.ScheduledStationAETitle, step.Modality, step.ScheduledProcedureStepStartDate = station, modality, day
    step.ScheduledProcedureStepStartTime = step.ScheduledProcedureStepDescription = ""
    step.ScheduledProcedureStepID = ""
    # of no items: Orthanc leaves out what has no code when an item with empty codes is asked for
    step.ScheduledProtocolCodeSequence = []
    asked = Dataset()
    asked.ScheduledProcedureStepSequence = [step]
    asked.RequestedProcedureCodeSequence = []
    for word in ("StudyInstanceUID", "AccessionNumber", "RequestedProcedureDescription", "SpecificCharacterSet"):
        setattr(asked, word, "")
    for word in (*PATIENT.values(), "RequestedProcedureID"):
        setattr(asked, word, "")
    return asked


def _steps_of(told: Told) -> Iterator[Scheduled]:
    for step in told.items("ScheduledProcedureStepSequence"):
        codes = [code for each in (told, step) for word in CODES for code in each.items(word)]
        words = [told.text("RequestedProcedureDescription"), step.text("ScheduledProcedureStepDescription")]
        words += [code.text("CodeMeaning") for code in codes]
        text = "; ".join(dict.fromkeys(word for word in words if word))
        values = [code.text("CodeValue") for code in codes]
        side = next((SIDES[value] for value in values if value in SIDES), None) or _side_in(text)
        yield Scheduled(
            study_instance_uid=told.text("StudyInstanceUID"),
            accession_number=told.text("AccessionNumber"),
            patient={name: value for name, word in PATIENT.items() if (value := told.text(word))},
            description=text,
            levels=tuple(dict.fromkeys([VERTEBRAE[value] for value in values if value in VERTEBRAE]))
            or levels_in(text),
            side=side,
            station=step.text("ScheduledStationAETitle"),
            modality=step.text("Modality"),
            starts_at=_moment(
                step.text("ScheduledProcedureStepStartDate"), step.text("ScheduledProcedureStepStartTime")
            ),
        )


def levels_in(text: str) -> tuple[str, ...]:
    """The vertebrae that a text names, each once, in its order."""
    found: dict[str, None] = {}
    for letter, number in LEVEL.findall(text):
        region = "T" if letter.upper() in {"TH", "D"} else letter.upper()
        if int(number) <= HIGHEST[region]:
            found[f"{region}{int(number)}"] = None
    return tuple(found)


def _side_in(text: str) -> str | None:
    found = SIDE_WORDS.search(text)
    return found[1].lower() if found else None


def _moment(day: str, clock: str) -> float | None:
    """Seconds since 1970; a worklist tells local time without a zone, taken here as that of this machine."""
    digits = (clock.partition(".")[0] + "000000")[:6]
    try:
        return datetime.strptime(f"{day}{digits}", "%Y%m%d%H%M%S").astimezone().astimezone(UTC).timestamp()
    except ValueError:
        return None
