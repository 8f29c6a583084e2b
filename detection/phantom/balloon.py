"""A balloon that makes room for cement: contrast agent in a smooth skin about the needle's line, smooth but never quite an ellipsoid.

It unfolds from a thin tube: its length is nearly there from the start, its width grows with what is pumped in. Bone that
resists at one end makes it a pear.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from detection.phantom.beam import Beam
from detection.phantom.flow import Site
from detection.vocabulary import Gray

FOLDED = 0.7
"""How long the empty balloon is, as a share of the full one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Balloon:
    """Where it lies (patient axes, mm), along which unit vector, half its length and width when full, and what it holds.

    ``pear`` is how much wider than its middle it is at the end it points to, ``per_mm`` how much (nepers) a millimetre of it takes away.
    """

    beam: Beam
    centre: tuple[float, float, float]
    along: tuple[float, float, float]
    half_mm: tuple[float, float]
    pear: float
    per_mm: float

    def picture(self, share: float) -> Gray:
        """Nepers per pixel (H, W) when this share of its contrast agent is in it."""
        beam = self.beam
        long_mm = self.half_mm[0] * (FOLDED + (1 - FOLDED) * share)
        wide_mm = self.half_mm[1] * math.sqrt(share * self.half_mm[0] / long_mm)
        right, up, ahead = beam.axes
        across, above, deep = (float(np.dot(axis, self.along)) for axis in (right, up, ahead))
        flat = max(math.hypot(across, above), 1e-6)
        shown_mm = math.hypot(long_mm * flat, wide_mm * deep)
        row, col = beam.land(self.centre)
        rows = (row - np.arange(beam.size[0], dtype=np.float32)[:, None]) * np.float32(beam.mm_per_px)
        cols = (np.arange(beam.size[1], dtype=np.float32)[None, :] - col) * np.float32(beam.mm_per_px)
        u = (cols * np.float32(across / flat) + rows * np.float32(above / flat)) / np.float32(shown_mm)
        v = (rows * np.float32(across / flat) - cols * np.float32(above / flat)) / np.float32(max(wide_mm, 1e-3))
        girth = 1 + np.float32(self.pear) * np.clip(u, -1, 1)
        round_part = np.sqrt(np.maximum(1 - u * u - np.square(v / girth), 0)) * girth
        path_mm = round_part * np.float32(2 * long_mm * wide_mm / shown_mm)
        return np.asarray(cv2.GaussianBlur(path_mm, (0, 0), 0.8) * np.float32(self.per_mm), dtype=np.float32)


def draw_balloon(site: Site, per_mm: float, aside_mm: float, rng: Generator) -> Balloon:
    """A balloon about the needle's line in the middle of the body; ``aside_mm`` nearer to the other side, where it lies mirrored.

    It is drawn apart, so that everything else stays as it is without it.
    """
    rng = rng.spawn(1)[0]
    v, tip = site.vertebra, site.tip
    side, half_long_mm = math.copysign(1.0, tip[0]), v.mid_depth * float(rng.uniform(0.24, 0.31))
    room_mm = max(v.side - 0.8 * half_long_mm - 1.0, 0.0)
    spot = (
        float(np.clip(tip[0] - side * aside_mm, -room_mm, room_mm)),
        -v.mid_depth * float(rng.uniform(0.04, 0.14)),
        float(np.clip(tip[2], -0.06 * v.height_posterior, 0.06 * v.height_posterior)),
    )
    way = np.subtract(site.hub, tip) * ((-1 if aside_mm else 1), 1, 1)
    ends = (v.place((0.0, 0.0, 0.0)), v.place((float(way[0]), float(way[1]), float(way[2]))))
    along = np.subtract(ends[1], ends[0])
    along = along / np.linalg.norm(along)
    return Balloon(
        beam=site.beam,
        centre=v.place(spot),
        along=(float(along[0]), float(along[1]), float(along[2])),
        half_mm=(half_long_mm, v.height_posterior * float(rng.uniform(0.24, 0.33))),
        pear=float(rng.uniform(-0.18, 0.18)),
        per_mm=per_mm * float(rng.uniform(0.6, 1.0)),
    )
