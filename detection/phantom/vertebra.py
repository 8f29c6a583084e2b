"""One vertebra as a signed distance: body, pedicles, arch, processes.

Distances are mm, negative inside. Local axes as the patient's, with the origin at the centre of the body.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from detection.phantom.beam import Points

Distance = NDArray[np.float32]
Spot = tuple[float, float, float]

LEVELS = ("T4", "T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5", "S1")
"""From head to foot; T4 and S1 only ever appear as neighbours."""

# width up, width low, depth up, depth low, posterior height, canal width, canal AP, pedicle width, disc below (mm)
_TABLE: Mapping[str, tuple[float, ...]] = {
    "T4": (25, 26, 23, 25, 15.5, 17, 16, 4.6, 3.5),
    "T5": (25, 27, 24, 26, 16, 17, 16, 4.8, 3.5),
    "T6": (26, 28, 26, 27, 17.4, 17, 16.5, 5, 3.5),
    "T7": (28, 29, 27, 28.5, 18.2, 17, 16, 5.5, 4),
    "T8": (29.5, 30.5, 28, 29.5, 18.7, 17.5, 16, 5.8, 4),
    "T9": (30.5, 33, 29, 31, 19.3, 18, 16, 6.2, 4.5),
    "T10": (32, 35.5, 30.5, 31.5, 20.2, 18, 15.5, 6.8, 5),
    "T11": (35, 39, 32, 32, 21.3, 19.5, 16, 8.5, 5.5),
    "T12": (39, 42, 33, 33.5, 22.7, 22, 18, 8.8, 6),
    "L1": (41, 43, 34, 35, 23.8, 23.7, 19, 8.5, 7.5),
    "L2": (42.5, 45.5, 34.5, 35, 24.3, 23.8, 18, 8.8, 8.5),
    "L3": (44, 48, 35, 35, 23.8, 24.3, 17.5, 10, 9.5),
    "L4": (46.5, 49.5, 35.5, 34, 24.1, 25.4, 18.5, 13, 10.5),
    "L5": (47, 49.5, 34.7, 33, 22.9, 27, 19.7, 17, 10),
    "S1": (49, 46, 33, 30, 24, 28, 18, 18, 10),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Vertebra:
    """Sizes (mm), place and tilt of one vertebra."""

    level: str
    width: tuple[float, float]
    depth: tuple[float, float]
    height_anterior: float
    height_posterior: float
    canal_width: float
    canal_depth: float
    pedicle_width: float
    disc: float
    waist: float = 0.12
    dish: float = 1.5
    concavity: float = 1.0
    shell: float = 0.45
    centre: Spot = (0.0, 0.0, 0.0)
    tilt_deg: float = 0.0

    @property
    def mid_depth(self) -> float:
        """Depth of the body between its endplates."""
        return (self.depth[0] + self.depth[1]) / 2

    @property
    def back(self) -> float:
        """y of the posterior wall."""
        return self.mid_depth / 2

    @property
    def side(self) -> float:
        """x of the lateral wall at the waist."""
        return (self.width[0] + self.width[1]) / 4 * (1 - self.waist)

    @property
    def corners(self) -> Points:
        """The eight corners of the body's bounding block, local, (3, 8)."""
        x, y = max(self.width) / 2, max(self.depth) / 2
        z = max(self.height_anterior, self.height_posterior) / 2
        return np.array([(a * x, b * y, c * z) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)], np.float32).T

    @property
    def pedicle_x(self) -> float:
        """x of the pedicle's axis."""
        return (self.canal_width + self.pedicle_width) / 2

    def height_at(self, y: float) -> float:
        """Height of the body at y."""
        share = min(max(0.5 - y / self.mid_depth, 0.0), 1.0)
        return self.height_posterior + (self.height_anterior - self.height_posterior) * share

    def place(self, spot: Spot) -> Spot:
        """From local axes to the patient's."""
        cos, sin = math.cos(math.radians(self.tilt_deg)), math.sin(math.radians(self.tilt_deg))
        x, y, z = spot
        return x + self.centre[0], y * cos - z * sin + self.centre[1], y * sin + z * cos + self.centre[2]

    def localise(self, points: Points) -> Points:
        """From the patient's axes (3, ...) to local ones."""
        cos, sin = math.cos(math.radians(self.tilt_deg)), math.sin(math.radians(self.tilt_deg))
        x, y, z = (points[k] - self.centre[k] for k in range(3))
        return np.stack([x, y * cos + z * sin, z * cos - y * sin])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rod:
    """A rounded bar between two local spots; ``tall`` stretches it along z."""

    start: Spot
    end: Spot
    radius: float
    tall: float = 1.0


def draw_vertebra(level: str, rng: Generator) -> Vertebra:
    """A vertebra of that level, 10 % about the mean, osteoporotic to normal."""
    size = rng.normal(1, 0.05)
    row = [value * size * rng.normal(1, 0.03) for value in _TABLE[level]]
    is_lumbar = level.startswith("L")
    return Vertebra(
        level=level,
        width=(row[0], row[1]),
        depth=(row[2], row[3]),
        height_anterior=row[4] * rng.uniform(0.97, 1.1 if is_lumbar else 1.0),
        height_posterior=row[4] * 1.03,
        canal_width=row[5],
        canal_depth=row[6],
        pedicle_width=row[7],
        disc=row[8],
        waist=rng.uniform(0.09, 0.15),
        dish=rng.uniform(0.6, 2.2),
        concavity=rng.uniform(0.3, 1.0) if is_lumbar else rng.uniform(1.5, 3.5),
        shell=rng.uniform(0.35, 0.6),
    )


def fracture(vertebra: Vertebra, loss: float) -> Vertebra:
    """The same vertebra wedged: its anterior height reduced by a share."""
    return replace(vertebra, height_anterior=vertebra.height_anterior * (1 - loss), dish=vertebra.dish + 1.5 * loss)


def body_distance(local: Points, vertebra: Vertebra) -> Distance:
    """Signed distance to the surface of the body: superellipse with waist, dished endplates, concave back."""
    x, y, z = local
    depth, share = vertebra.mid_depth, np.clip(0.5 - y / vertebra.mid_depth, 0, 1)
    half = (vertebra.height_posterior + (vertebra.height_anterior - vertebra.height_posterior) * share) / 2
    rel = np.clip(z / half, -1, 1)
    waist = 1 - np.float32(vertebra.waist) * (1 - rel * rel)
    wide = (sum(vertebra.width) / 4 + rel * (vertebra.width[0] - vertebra.width[1]) / 4) * waist
    deep = (depth / 2 + rel * (vertebra.depth[0] - vertebra.depth[1]) / 4) * (1 - (1 - waist) * 0.5)
    u, w = x / wide, y / deep
    square = u * u + w * w
    # The fourth-power mean flattens front and back as real bodies are.
    ring = np.sqrt(0.4 * square + 0.6 * np.sqrt(u * u * u * u + w * w * w * w))
    around = (1 - 1 / np.maximum(ring, 0.05)) * np.sqrt(x * x + y * y)
    hollow = vertebra.concavity * np.maximum(0, 1 - np.square(x / (0.165 * sum(vertebra.width))))
    around = np.maximum(around, y - deep + hollow)
    along = np.abs(z) - half + vertebra.dish * np.clip(1 - square * 1.15, 0, 1)
    return _rounded_max(around, along, 2.0)


def _rounded_max(a: Distance, b: Distance, rim_mm: float) -> Distance:
    edge = np.maximum(rim_mm - np.abs(a - b), 0)
    joined: Distance = (np.maximum(a, b) + edge * edge / (4 * rim_mm)).astype(np.float32)
    return joined


def rod_distance(local: Points, rod: Rod) -> Distance:
    """Signed distance to the surface of a rod."""
    stretch = np.array([1, 1, 1 / rod.tall], np.float32)
    start, end = np.array(rod.start, np.float32) * stretch, np.array(rod.end, np.float32) * stretch
    x, y, z = local[0] - start[0], local[1] - start[1], local[2] * stretch[2] - start[2]
    axis = end - start
    along = np.clip((x * axis[0] + y * axis[1] + z * axis[2]) / max(float(axis @ axis), 1e-6), 0, 1)
    gap = (x - along * axis[0]) ** 2 + (y - along * axis[1]) ** 2 + (z - along * axis[2]) ** 2
    distance: Distance = (np.sqrt(gap) - rod.radius).astype(np.float32)
    return distance


def rods_of(vertebra: Vertebra) -> tuple[Rod, ...]:
    """Pedicles, articular and transverse processes, laminae and the spinous process."""
    v = vertebra
    is_lumbar = v.level[0] in "LS"
    back, far = v.back, v.back + v.canal_depth
    high = v.height_posterior * 0.22
    ridge = 2.2 if is_lumbar else 1.2
    rods = []
    for side in (-1.0, 1.0):
        px = side * v.pedicle_x
        joint = side * (v.canal_width / 2 + 3.5)
        rods += [
            Rod(
                start=(px, back - 3, high),
                end=(px, far - 4, high),
                radius=v.pedicle_width / 2,
                tall=max(1.0, 13 / v.pedicle_width),
            ),
            Rod(start=(px, far - 5, high), end=(joint, far - 3.5, high + v.height_posterior * 0.62), radius=4.0),
            Rod(start=(joint, far + 1, -2), end=(joint * 0.85, far + 4, -v.height_posterior * 0.85), radius=3.8),
            Rod(start=(joint, far, high - 2), end=(side * 1.5, far + 6.5, -6), radius=3.0, tall=2.0),
            Rod(
                start=(px, far - 3, high),
                end=(px + side * (22 if is_lumbar else 16), far + (2 if is_lumbar else 9), high + 1),
                radius=3.6,
            ),
        ]
    tip = (0.0, far + (27 if is_lumbar else 24), -8.0 if is_lumbar else -24.0)
    rods.append(Rod(start=(0, far + 7, -6), end=tip, radius=2.8, tall=ridge * 1.5))
    return tuple(rods)
