"""Codes: the standard's where it has one (CID 7603, 7604, DCM, UCUM), else those of our scheme 99CEMENT.

No table of DICOM names bone cement, its leaks or vertebroplasty; a site may map ours to terms that it has licensed.
"""

from __future__ import annotations

from collections.abc import Mapping

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from detection.vocabulary import Kind, Side, Zone
from dicom_gateway.report.nouns import Bound, Coded, Name, Unit
from dicom_gateway.report.terms import OURS, SCHEME, SCHEME_NAME

FINDINGS: Mapping[Kind | None, str] = {
    None: "CEMENT_SEEN",
    Kind.APPROACH: "CEMENT_APPROACH",
    Kind.LEAK: "CEMENT_LEAK",
    Kind.VANISHED: "CEMENT_VANISHED",
}
NOT_SEEN = "CEMENT_NOT_SEEN"
MEASURES: Mapping[Name, CodedConcept | str] = {
    Name.AREA: codes.SCT.Area,
    Name.LENGTH: codes.SCT.Length,
    Name.WIDTH: codes.SCT.Width,
    Name.VOLUME: codes.SCT.Volume,
    Name.DISTANCE_TO_WALL: "DISTANCE_TO_WALL",
    Name.SPEED: "FRONT_SPEED",
    Name.TIME_TO_WALL: "TIME_TO_WALL",
    Name.TRUST: "TRUST",
}
BOUNDS = {Bound.LOWEST: codes.SCT.Minimum, Bound.HIGHEST: codes.SCT.Maximum}
_UNIT_WORDS = {Unit.RATIO: "no units", Unit.PIXELS: "Pixels"}
_PLACES = {Zone.CANAL: "VertebralCanal", Zone.FORAMEN: "VertebralForamen"}
_SPINE = (*(f"C{n}" for n in range(1, 8)), *(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6)), "S1")


class Codebook:
    """Our codes, or what the site has put in their place."""

    def __init__(self, mapped: Mapping[str, Coded]) -> None:
        self._told = {**OURS, **mapped}

    def __getitem__(self, value: str) -> CodedConcept:
        told = self._told[value]
        return CodedConcept(value=told.value, scheme_designator=told.scheme, meaning=told.meaning)

    def schemes(self) -> list[Dataset]:
        """Items of the Coding Scheme Identification Sequence (PS3.3 C.12.1): every scheme here that is private."""
        private = sorted({told.scheme for told in self._told.values() if told.scheme.startswith("99")})
        return [
            CodingSchemeIdentificationItem(scheme, name=SCHEME_NAME if scheme == SCHEME else None) for scheme in private
        ]


def unit_of(unit: Unit) -> CodedConcept:
    """A unit of measurement, in UCUM."""
    return CodedConcept(value=unit.value, scheme_designator="UCUM", meaning=_UNIT_WORDS.get(unit, unit.value))


def vertebra_of(level: str | None) -> CodedConcept | None:
    """The vertebra of CID 7603 that is called so; None for an unknown word."""
    return _concept(f"{level}Vertebra") if level in _SPINE else None


def places_of(zone: Zone | None, level: str | None, side: Side | None) -> tuple[CodedConcept, ...]:
    """Finding sites: the vertebra, and the canal, foramen or disc beside it, as far as they are known (CID 7604)."""
    keyword = _PLACES.get(zone, "") if zone is not None else ""
    if zone is Zone.DISC and level is not None and side is not None:
        keyword = _disc(level, side)
    return tuple(each for each in (vertebra_of(level), _concept(keyword)) if each is not None)


def _disc(level: str, side: Side) -> str:
    """The keyword of the disc above or below a vertebra; empty when there is none."""
    if level not in _SPINE or side not in {Side.SUPERIOR, Side.INFERIOR}:
        return ""
    at = _SPINE.index(level) - (side is Side.SUPERIOR)
    return "{}{}Disc".format(*_SPINE[at : at + 2]) if 0 <= at < len(_SPINE) - 1 else ""


def _concept(keyword: str) -> CodedConcept | None:
    """The concept of pydicom's table of SNOMED codes with this keyword; None when it has none."""
    found = getattr(codes.SCT, keyword, None) if keyword else None
    return None if found is None else CodedConcept.from_code(found)
