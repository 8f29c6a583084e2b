"""Which code says what, as plain nouns: of the standard where it has one (CID 7603, 7604), else of our scheme 99CEMENT."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from detection.vocabulary import Kind, Side, Zone
from dicom_gateway.report.nouns import Coded, Name, Unit

FINDINGS: Mapping[Kind | None, str] = MappingProxyType(
    {
        None: "CEMENT_SEEN",
        Kind.APPROACH: "CEMENT_APPROACH",
        Kind.LEAK: "CEMENT_LEAK",
        Kind.VANISHED: "CEMENT_VANISHED",
    }
)
NOT_SEEN = "CEMENT_NOT_SEEN"
UNIT_WORDS: Mapping[Unit, str] = MappingProxyType({Unit.RATIO: "no units", Unit.PIXELS: "Pixels"})
_PLACES = {Zone.CANAL: "VertebralCanal", Zone.FORAMEN: "VertebralForamen"}
_SPINE = (*(f"C{n}" for n in range(1, 8)), *(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 6)), "S1")


MEASURES: Mapping[Name, Coded | str] = MappingProxyType(
    {
        Name.AREA: Coded(value="42798000", scheme="SCT", meaning="Area"),
        Name.LENGTH: Coded(value="410668003", scheme="SCT", meaning="Length"),
        Name.WIDTH: Coded(value="103355008", scheme="SCT", meaning="Width"),
        Name.VOLUME: Coded(value="118565006", scheme="SCT", meaning="Volume"),
        Name.DISTANCE_TO_WALL: "DISTANCE_TO_WALL",
        Name.SPEED: "FRONT_SPEED",
        Name.TIME_TO_WALL: "TIME_TO_WALL",
        Name.TRUST: "TRUST",
    }
)
"""The code of each number; a word is one of our own scheme."""
EXPORT = Coded(value="110106", scheme="DCM", meaning="Export")
PATIENT_RECORD = Coded(value="110110", scheme="DCM", meaning="Patient Record")
"""What an audit message is about (CID 400)."""


def vertebra_of(level: str | None) -> Coded | None:
    """The vertebra of CID 7603 that is called so; None for an unknown word."""
    return _named(f"{level}Vertebra") if level in _SPINE else None


def places_of(zone: Zone | None, level: str | None, side: Side | None) -> tuple[Coded, ...]:
    """Finding sites: the vertebra, and the canal, foramen or disc beside it, as far as they are known (CID 7604)."""
    keyword = _PLACES.get(zone, "") if zone is not None else ""
    if zone is Zone.DISC and level is not None and side is not None:
        keyword = _disc(level, side)
    return tuple(each for each in (vertebra_of(level), _named(keyword)) if each is not None)


def _disc(level: str, side: Side) -> str:
    """The keyword of the disc above or below a vertebra; empty when there is none."""
    if level not in _SPINE or side not in {Side.SUPERIOR, Side.INFERIOR}:
        return ""
    at = _SPINE.index(level) - (side is Side.SUPERIOR)
    return "{}{}Disc".format(*_SPINE[at : at + 2]) if 0 <= at < len(_SPINE) - 1 else ""


def _named(keyword: str) -> Coded | None:
    """The concept of pydicom's table of SNOMED codes with this keyword; None when it has none."""
    from pydicom.sr.codedict import codes  # eighteen megabytes of tables, which no role should start with

    found = getattr(codes.SCT, keyword, None) if keyword else None
    return found and Coded(value=found.value, scheme=found.scheme_designator, meaning=found.meaning)
