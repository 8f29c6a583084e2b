"""What a radiation dose structured report tells (PS3.16 TID 10001, 10002, 10004): totals in units that people use.

Only the totals that the device accumulated are read, one set for each plane; single irradiation events are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.errors import InvalidDicomError

from dicom_gateway import sop_classes
from dicom_gateway.refusal import Unreadable
from dicom_gateway.told import Told

REPORTS = frozenset({sop_classes.RDSR, sop_classes.ENHANCED_RDSR})
MOST_BYTES = 256 * 2**20
DEEPEST = 8
SCOPE, ACCUMULATED, EVENT = "113705", "113702", "113706"
KERMA, PRODUCT, BEAM = ("113725", "113728", "113729"), ("113722", "113726", "113727"), ("113730", None, None)
"""DCM codes of a total, and of its parts for fluoroscopy and acquisition where a device tells only those (TID 10004)."""
TO_MGY = {"Gy": 1e3, "mGy": 1.0, "uGy": 1e-3, "cGy": 10.0}
TO_GY_CM2 = {
    "Gy.m2": 1e4,
    "mGy.m2": 10.0,
    "uGy.m2": 1e-2,
    "Gy.cm2": 1.0,
    "dGy.cm2": 0.1,
    "cGy.cm2": 1e-2,
    "mGy.cm2": 1e-3,
}
TO_S = {"s": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}
"""UCUM units that devices use, and the factor to ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseTold:
    """The totals of one report, summed over its planes; None is not told. ``scope_uid``: what they were accumulated over."""

    study_instance_uid: str
    scope_uid: str
    air_kerma_mgy: float | None
    dose_area_product_gy_cm2: float | None
    fluoroscopy_s: float | None
    n_events: int
    n_planes: int


def read_dose(path: Path) -> DoseTold:
    """The dose of a report. Raises ``Unreadable`` for what is no report about projection X-ray, or too large to be one."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise Unreadable("a dose report larger than any")
        report = Told(pydicom.dcmread(path, stop_before_pixels=True))
    except (InvalidDicomError, ValueError, KeyError, AttributeError, EOFError, RecursionError):
        raise Unreadable("no dose report") from None
    items = list(_items(report))
    planes = [item for item in items if _code(item, "ConceptNameCodeSequence") == ACCUMULATED]
    if not planes:
        raise Unreadable("a dose report without totals of projection X-ray")
    return DoseTold(
        study_instance_uid=report.text("StudyInstanceUID"),
        scope_uid=_scope(items) or report.text("StudyInstanceUID"),
        air_kerma_mgy=_sum([_total(plane, KERMA, TO_MGY) for plane in planes]),
        dose_area_product_gy_cm2=_sum([_total(plane, PRODUCT, TO_GY_CM2) for plane in planes]),
        fluoroscopy_s=_sum([_total(plane, BEAM, TO_S) for plane in planes]),
        n_events=sum(_code(item, "ConceptNameCodeSequence") == EVENT for item in items),
        n_planes=len(planes),
    )


def _items(told: Told, depth: int = 0) -> Iterator[Told]:
    """The content items below, outermost first."""
    if depth < DEEPEST:
        for item in told.items("ContentSequence"):
            yield item
            yield from _items(item, depth + 1)


def _code(item: Told, sequence: str) -> str:
    code = item.first(sequence)
    return code.text("CodeValue") if code is not None else ""


def _scope(items: list[Told]) -> str:
    """The UID that qualifies the scope of accumulation: of a study, a series, a step or an event."""
    for item in items:
        if _code(item, "ConceptNameCodeSequence") == SCOPE:
            return next((uid for below in item.items("ContentSequence") if (uid := below.text("UID"))), "")
    return ""


def _total(plane: Told, codes: tuple[str | None, ...], factors: dict[str, float]) -> float | None:
    told = {_code(item, "ConceptNameCodeSequence"): _number(item, factors) for item in plane.items("ContentSequence")}
    whole, *parts = (told.get(code or "") for code in codes)
    return whole if whole is not None else _sum(parts)


def _number(item: Told, factors: dict[str, float]) -> float | None:
    """The value of a NUM item in our unit; None when its unit is not one that we know, never a guess."""
    measured = item.first("MeasuredValueSequence")
    if measured is None:
        return None
    value, factor = measured.number("NumericValue"), factors.get(_code(measured, "MeasurementUnitsCodeSequence"))
    return None if value is None or factor is None or value < 0 else value * factor


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
