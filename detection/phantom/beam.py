"""How the beam crosses the patient: a fan of rays, and the points along them.

Patient axes in mm: x to the left, y to the back, z to the head; the origin is the centre of the body under
treatment. Everything is sampled on points that lie on rays, so that a projection is a plain sum over depth
and no edge is ever resampled.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.vocabulary import Gray, Point

Points = NDArray[np.float32]
"""Positions in patient axes, mm; the first axis holds x, y, z."""

RAY_SPACING_MM = 0.5
DEPTH_STEP_MM = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Beam:
    """Direction and scale of one view.

    ``mm_per_px`` holds in the plane through the origin. ``primary_deg`` 0 looks from the back (AP), 90 is
    lateral; ``secondary_deg`` tilts towards the head; ``roll_deg`` turns the picture in its plane. ``centre`` is where the
    origin lands (row, col).
    """

    primary_deg: float
    secondary_deg: float
    mm_per_px: float
    size: tuple[int, int]
    is_mirrored: bool
    centre: Point
    source_mm: float = 750.0
    detector_mm: float = 1050.0
    roll_deg: float = 0.0

    @property
    def magnification(self) -> float:
        """Detector size of an object of size 1 at the origin."""
        return self.detector_mm / self.source_mm

    @property
    def px_per_ray(self) -> int:
        """How many pixels apart the rays are; divides both sides of the picture."""
        wanted = max(1, round(RAY_SPACING_MM / self.mm_per_px))
        return max(n for n in range(1, wanted + 1) if not (self.size[0] % n or self.size[1] % n))

    @property
    def ray_mm(self) -> float:
        """Distance between rays in the plane through the origin."""
        return self.mm_per_px * self.px_per_ray

    @property
    def n_rays(self) -> tuple[int, int]:
        """Rays as (rows, columns)."""
        return self.size[0] // self.px_per_ray, self.size[1] // self.px_per_ray

    @property
    def axes(self) -> tuple[Points, Points, Points]:
        """Unit vectors: image right, image up, towards the detector."""
        turn, tilt = np.radians(self.primary_deg), np.radians(self.secondary_deg)
        right = np.array([np.cos(turn), np.sin(turn), 0], np.float32)
        ahead = np.array([np.sin(turn) * np.cos(tilt), -np.cos(turn) * np.cos(tilt), np.sin(tilt)], np.float32)
        up = np.cross(ahead, right).astype(np.float32)
        if self.roll_deg:
            cos, sin = np.float32(np.cos(np.radians(self.roll_deg))), np.float32(np.sin(np.radians(self.roll_deg)))
            right, up = cos * right + sin * up, cos * up - sin * right
        return (-right if self.is_mirrored else right), up, ahead

    def project(self, points: Points) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Rows and columns (px) where points (3, ...) land."""
        right, up, ahead = self.axes
        shrink = self.source_mm / (self.source_mm + np.tensordot(ahead, points, 1)) / self.mm_per_px
        row = self.centre[0] - np.tensordot(up, points, 1) * shrink
        col = self.centre[1] + np.tensordot(right, points, 1) * shrink
        return row.astype(np.float32), col.astype(np.float32)

    def land(self, point: tuple[float, float, float]) -> Point:
        """Where one point lands, (row, col)."""
        row, col = self.project(np.array(point, np.float32))
        return float(row), float(col)

    def magnify(self, rays: Gray) -> Gray:
        """One value per ray to one value per pixel."""
        if self.px_per_ray == 1:
            return rays
        return cv2.resize(rays, self.size[::-1], interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A block of points on rays: index ranges of rows and columns, and depths (mm)."""

    beam: Beam
    rows: slice
    cols: slice
    depth_from_mm: float
    n_depths: int

    @property
    def depths_mm(self) -> NDArray[np.float32]:
        """Depth of each layer, its middle."""
        return (self.depth_from_mm + (np.arange(self.n_depths) + 0.5) * DEPTH_STEP_MM).astype(np.float32)

    @property
    def points(self) -> Points:
        """Positions (3, n_depths, rows, cols) float32."""
        beam = self.beam
        right, up, ahead = beam.axes
        spread = (1 + self.depths_mm / beam.source_mm)[:, None, None]
        at = (np.arange(self.rows.start, self.rows.stop) + 0.5) * beam.px_per_ray - 0.5
        across = (np.arange(self.cols.start, self.cols.stop) + 0.5) * beam.px_per_ray - 0.5
        high = ((beam.centre[0] - at) * beam.mm_per_px).astype(np.float32)[None, :, None] * spread
        wide = ((across - beam.centre[1]) * beam.mm_per_px).astype(np.float32)[None, None, :] * spread
        deep = self.depths_mm[:, None, None]
        return np.stack([wide * right[k] + high * up[k] + deep * ahead[k] for k in range(3)])

    @property
    def cell_ml(self) -> NDArray[np.float32]:
        """Volume of one cell in each layer, (n_depths, 1, 1)."""
        spread = 1 + self.depths_mm / self.beam.source_mm
        return ((self.beam.ray_mm * spread) ** 2 * DEPTH_STEP_MM / 1000).astype(np.float32)[:, None, None]

    @property
    def ray_index(self) -> NDArray[np.int32]:
        """Flat index of the ray of each column of cells, (rows, cols)."""
        n_cols = self.beam.n_rays[1]
        rows, cols = np.arange(self.rows.start, self.rows.stop), np.arange(self.cols.start, self.cols.stop)
        return (rows[:, None] * n_cols + cols[None, :]).astype(np.int32)


def box_around(beam: Beam, points: Points, margin_mm: float) -> Box | None:
    """The block of rays and depths that holds points (3, n) and a margin; None when out of the picture."""
    row, col = beam.project(points)
    reach = margin_mm * 1.1 / beam.mm_per_px
    depth = np.tensordot(beam.axes[2], points, 1)
    rows = _span(row, reach, beam.px_per_ray, beam.n_rays[0])
    cols = _span(col, reach, beam.px_per_ray, beam.n_rays[1])
    first = float(np.floor((depth.min() - margin_mm) / DEPTH_STEP_MM)) * DEPTH_STEP_MM
    n_depths = int(np.ceil((depth.max() + margin_mm - first) / DEPTH_STEP_MM))
    if rows.start >= rows.stop or cols.start >= cols.stop:
        return None
    return Box(beam=beam, rows=rows, cols=cols, depth_from_mm=first, n_depths=n_depths)


def _span(at: NDArray[np.float32], reach: float, step: int, n: int) -> slice:
    return slice(max(0, int((at.min() - reach) / step)), min(n, int(np.ceil((at.max() + reach) / step)) + 1))
