"""What a scene is made of: pure values that decide every pixel, and the motion that follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

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
    hammer_mm: float = 0.0
    hammer_s: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swing:
    """The C-arm goes to another place at ``at_s``, without beam for ``lasts_s``; what is None is as the scene began.

    ``zoom`` divides the mm per pixel, ``roll_deg`` turns the picture in its plane, and ``off_mm`` (row, col) is how far
    the patient then lies from where the scene had him: nobody comes back to the very same place.
    """

    at_s: float
    view: View | None = None
    primary_deg: float | None = None
    zoom: float = 1.0
    roll_deg: float = 0.0
    off_mm: tuple[float, float] = (0.0, 0.0)
    lasts_s: float = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """The foot is off the pedal: no frames, or the last image held."""

    from_s: float
    until_s: float
    is_held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that decides a scene; the same scene gives the same pixels.

    ``knots`` are (time s, share of the way from needle tip to posterior wall) of the cement front.
    ``n_repeats`` is how often each real frame is shown, as on displays that run faster than the beam. ``lysis_mm`` is the
    radius of a hole that a metastasis has eaten into the body.
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
    roll_deg: float = 0.0
    is_mirrored: bool = False
    height_loss: float = 0.15
    lysis_mm: float = 0.0
    start_s: float = 3.0
    knots: tuple[tuple[float, float], ...] = ((20.0, 0.45),)
    leak: Leak | None = None
    obstacles: tuple[Obstacle, ...] = ()
    swings: tuple[Swing, ...] = ()
    gaps: tuple[Gap, ...] = ()
    n_repeats: int = 1
    motion: Motion = field(default_factory=Motion)
    chain: Chain = field(default_factory=Chain)
    scan: Scan | None = field(default=None, repr=False)

    @property
    def n_frames(self) -> int:
        """Frames in the scene, if the beam is never off."""
        return round(self.frame_rate * self.duration_s)


def leg_of(scene: Scene, time_s: float) -> int:
    """How often the C-arm has swung by then."""
    return sum(swing.at_s <= time_s for swing in scene.swings)


def arrangement(scene: Scene, leg: int) -> Scene:
    """The scene as the C-arm stands after so many swings."""
    if leg == 0:
        return scene
    swing = scene.swings[leg - 1]
    return replace(
        scene,
        view=swing.view or scene.view,
        primary_deg=scene.primary_deg if swing.primary_deg is None else swing.primary_deg,
        mm_per_px=scene.mm_per_px / swing.zoom,
        roll_deg=scene.roll_deg + swing.roll_deg,
    )


def has_beam(scene: Scene, time_s: float) -> bool:
    """Whether the beam is on: not between runs, and not while the C-arm swings."""
    is_swinging = any(swing.at_s <= time_s < swing.at_s + swing.lasts_s for swing in scene.swings)
    return not is_swinging and gap_at(scene, time_s) is None


def gap_at(scene: Scene, time_s: float) -> Gap | None:
    """The pause that a moment lies in."""
    return next((gap for gap in scene.gaps if gap.from_s <= time_s < gap.until_s), None)


def shift_at(scene: Scene, time_s: float) -> Point:
    """How far the patient has moved (row, col) px since the first frame; ``scene`` as the C-arm stands then."""
    motion = scene.motion
    phase = 2 * np.pi * motion.breaths_per_min / 60 * time_s
    breath = motion.breathing_mm * (1 - np.cos(phase)) / 2
    row, col = float(breath), 0.3 * float(breath)
    if motion.table_at_s is not None and time_s >= motion.table_at_s:
        row, col = row + motion.table_mm[0], col + motion.table_mm[1]
    if (leg := leg_of(scene, time_s)) > 0:
        off = scene.swings[leg - 1].off_mm
        row, col = row + off[0], col + off[1]
    jerk = hammer_jerk(motion, time_s)
    return (row + jerk[0]) / scene.mm_per_px, (col + jerk[1]) / scene.mm_per_px


BLOWS_PER_S = 1.7


def hammer_jerk(motion: Motion, time_s: float) -> Point:
    """How far (row, col) mm the blows of a hammer on the cannula push the body: forwards, and back within half a second."""
    from_s, until_s = motion.hammer_s
    if motion.hammer_mm == 0 or not from_s <= time_s < until_s:
        return 0.0, 0.0
    since = (time_s - from_s) % (1 / BLOWS_PER_S)
    push = motion.hammer_mm * float(np.exp(-since / 0.12) * np.cos(2 * np.pi * 3.0 * since))
    return 0.4 * push, push


def needle_slip(scene: Scene, time_s: float) -> Point:
    """Extra shift (px) of the needle against the bone while the operator works on it."""
    reach = scene.motion.needle_mm / scene.mm_per_px
    if reach == 0 or time_s < scene.start_s:
        return 0.0, 0.0
    beat = np.sin(2 * np.pi * 0.35 * (time_s - scene.start_s))
    return 0.35 * reach * float(beat), reach * float(beat)
