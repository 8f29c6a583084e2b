"""Numbers of projection geometry, from plain values (PS3.3 C.8.7.2, C.8.7.3, C.8.7.5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from detection.vocabulary import SCALE_MM_PER_PX, Mask, View

LATERAL_DEG = (70.0, 110.0)
AP_DEG = 20.0
TILT_DEG = 25.0
MAX_ANISOTROPY = 1.05
_VIEW_POSITIONS = {
    "AP": View.AP,
    "PA": View.AP,
    "LL": View.LATERAL,
    "RL": View.LATERAL,
    "LAT": View.LATERAL,
    "LLO": View.OBLIQUE,
    "RLO": View.OBLIQUE,
    "RAO": View.OBLIQUE,
    "LAO": View.OBLIQUE,
    "RPO": View.OBLIQUE,
    "LPO": View.OBLIQUE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rectangle:
    """Open between these edges, 0-based pixels, both inclusive; ``is_shut``: open everywhere else."""

    top: float
    bottom: float
    left: float
    right: float
    is_shut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """Open within ``radius`` px of the centre."""

    row: float
    col: float
    radius: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Polygon:
    """Open inside these (row, col) corners."""

    corners: tuple[tuple[float, float], ...]


Aperture = Rectangle | Circle | Polygon


def view_of(primary: float | None, secondary: float | None, position: str, orientation: tuple[str, ...]) -> View:
    """The view from the angles in degrees, else from the words of a still, else UNKNOWN.

    Never a side: angles are patient-referenced, and prone entered as supine swaps them.
    """
    if primary is not None:
        turned = abs((primary + 180) % 360 - 180)
        if abs(secondary or 0.0) > TILT_DEG:
            return View.OBLIQUE
        if LATERAL_DEG[0] <= turned <= LATERAL_DEG[1]:
            return View.LATERAL
        return View.AP if turned <= AP_DEG or turned >= 180 - AP_DEG else View.OBLIQUE
    if position.upper() in _VIEW_POSITIONS:
        return _VIEW_POSITIONS[position.upper()]
    along_rows = orientation[0][:1] if orientation else ""
    if along_rows in {"A", "P"}:
        return View.LATERAL
    return View.AP if along_rows in {"L", "R"} else View.UNKNOWN


def scale_of(imager: tuple[float, ...], calibrated: tuple[float, ...], magnification: float | None) -> float | None:
    """mm per pixel at the object plane, or None.

    A calibrated spacing counts as it is; a detector spacing only with a known magnification: without it the
    truth lies anywhere between 1.3 and 1.9 times smaller. A scale that no fluoroscope has (metres for millimetres) is
    unknown, too: every length in pixels follows from it.
    """
    if (spacing := _square(calibrated)) is not None:
        return _possible(spacing)
    spacing = _square(imager)
    if spacing is None or magnification is None or not 1 <= magnification <= 4:
        return None
    return _possible(spacing / magnification)


def _possible(mm_per_px: float) -> float | None:
    least, most = SCALE_MM_PER_PX
    return mm_per_px if least <= mm_per_px <= most else None


def _square(spacing: tuple[float, ...]) -> float | None:
    if len(spacing) != 2 or min(spacing) <= 0 or max(spacing) / min(spacing) > MAX_ANISOTROPY:
        return None
    return math.sqrt(spacing[0] * spacing[1])


def apertures_of(
    numbers: Callable[[str], tuple[float, ...]], texts: Callable[[str], tuple[str, ...]]
) -> tuple[Aperture, ...]:
    """Collimator and display shutter; positions in DICOM are 1-based, ours 0-based."""
    found: list[Aperture] = []
    for name in ("Collimator", "Shutter"):
        shapes = texts(f"{name}Shape")
        edges = [
            numbers(f"{name}{edge}Edge")
            for edge in ("UpperHorizontal", "LowerHorizontal", "LeftVertical", "RightVertical")
        ]
        if "RECTANGULAR" in shapes and all(edges):
            top, bottom, left, right = (edge[0] for edge in edges)
            # the edges themselves are covered (PS3.3 C.8.7.3.1.1)
            found.append(Rectangle(top=top, bottom=bottom - 2, left=left, right=right - 2))
        centre, radius = numbers(f"CenterOfCircular{name}"), numbers(f"RadiusOfCircular{name}")
        if "CIRCULAR" in shapes and len(centre) == 2 and radius:
            found.append(Circle(row=centre[0] - 1, col=centre[1] - 1, radius=radius[0]))
        flat = numbers(f"VerticesOfThePolygonal{name}")
        if "POLYGONAL" in shapes and len(flat) >= 6:
            corners = tuple((row - 1, col - 1) for row, col in zip(flat[::2], flat[1::2], strict=False))
            found.append(Polygon(corners=corners))
    return tuple(found)


def open_field(apertures: tuple[Aperture, ...], rows: int, cols: int) -> Mask | None:
    """(rows, cols) bool, True where every aperture is open; None when they cover nothing or everything."""
    if not apertures:
        return None
    field = open_pixels(apertures, rows, cols)
    return None if field.all() or not field.any() else field


def open_pixels(apertures: tuple[Aperture, ...], rows: int, cols: int) -> Mask:
    """(rows, cols) bool, True where every aperture is open."""
    field = np.ones((rows, cols), dtype=np.bool_)
    for aperture in apertures:
        field &= _inside(aperture, rows, cols)
    return field


def _inside(aperture: Aperture, rows: int, cols: int) -> Mask:
    row, col = np.ogrid[0:rows, 0:cols]
    if isinstance(aperture, Rectangle):
        within = (row >= aperture.top) & (row <= aperture.bottom) & (col >= aperture.left) & (col <= aperture.right)
        return np.asarray(within != aperture.is_shut)
    if isinstance(aperture, Circle):
        return np.asarray((row - aperture.row) ** 2 + (col - aperture.col) ** 2 <= aperture.radius**2)
    inside = np.zeros((rows, cols), dtype=np.bool_)
    corners = aperture.corners
    for (row_a, col_a), (row_b, col_b) in zip(corners, corners[1:] + corners[:1], strict=True):
        if row_a == row_b:
            continue
        crosses = (row >= min(row_a, row_b)) & (row < max(row_a, row_b))
        inside ^= crosses & (col < col_a + (row - row_a) * (col_b - col_a) / (row_b - row_a))
    return inside
