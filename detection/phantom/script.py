"""What a scene is made of: pure values that decide every pixel, and the motion that follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detection.phantom.chain import Chain
from detection.phantom.flow import Leak
from detection.phantom.obstacles import Obstacle
from detection.vocabulary import Point, View


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scan:
    """A CT: Hounsfield units (Z, Y, X) float32 and labels uint8; z to the head, y to the back, x to the left.

    ``spacing_mm`` is (z, y, x).
    """

    hounsfield: NDArray[np.float32]
    labels: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """How the patient and the needle move; lengths in mm at the object plane."""

    breathing_mm: float = 1.0
    breaths_per_min: float = 15.0
    needle_mm: float = 0.0
    table_at_s: float | None = None
    table_mm: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that decides a scene; the same scene gives the same pixels.

    ``knots`` are (time s, share of the way from needle tip to posterior wall) of the cement front.
    ``n_repeats`` is how often each real frame is shown, as on displays that run faster than the beam.
    With a ``scan`` the patient is that CT instead of a drawn one.
    """

    name: str
    seed: int
    view: View = View.LATERAL
    size: tuple[int, int] = (512, 512)
    frame_rate: float = 10.0
    duration_s: float = 25.0
    level: str = "L1"
    mm_per_px: float = 0.25
    primary_deg: float = 90.0
    secondary_deg: float = 0.0
    is_mirrored: bool = False
    height_loss: float = 0.15
    start_s: float = 3.0
    knots: tuple[tuple[float, float], ...] = ((20.0, 0.45),)
    leak: Leak | None = None
    obstacles: tuple[Obstacle, ...] = ()
    n_repeats: int = 1
    motion: Motion = field(default_factory=Motion)
    chain: Chain = field(default_factory=Chain)
    scan: Scan | None = field(default=None, repr=False)

    @property
    def n_frames(self) -> int:
        """Frames in the scene."""
        return round(self.frame_rate * self.duration_s)


def shift_at(scene: Scene, time_s: float) -> Point:
    """How far the patient has moved (row, col) px since the first frame."""
    motion = scene.motion
    phase = 2 * np.pi * motion.breaths_per_min / 60 * time_s
    breath = motion.breathing_mm * (1 - np.cos(phase)) / 2
    row, col = float(breath), 0.3 * float(breath)
    if motion.table_at_s is not None and time_s >= motion.table_at_s:
        row, col = row + motion.table_mm[0], col + motion.table_mm[1]
    return row / scene.mm_per_px, col / scene.mm_per_px


def needle_slip(scene: Scene, time_s: float) -> Point:
    """Extra shift (px) of the needle against the bone while the operator works on it."""
    reach = scene.motion.needle_mm / scene.mm_per_px
    if reach == 0 or time_s < scene.start_s:
        return 0.0, 0.0
    beat = np.sin(2 * np.pi * 0.35 * (time_s - scene.start_s))
    return 0.35 * reach * float(beat), reach * float(beat)
