"""What earlier frames left behind: handed in with a frame, handed back with its findings.

Images are at working resolution and in the coordinates of the scene's reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.pacing import Pace
from detection.vocabulary import (
    Body,
    Gray,
    Landmarks,
    Mask,
    Outline,
    Point,
    Polarity,
    Side,
    Stamp,
    View,
    Zone,
    ZoneMap,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needle:
    """The cannula as seen in the reference: a straight line from the picture's border to its tip.

    ``faintness`` is how often the contrast that is asked for had to be lowered until it showed; it is followed with the same.
    """

    tip: Point
    tail: Point
    width_px: float
    faintness: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Column:
    """The pixels of the needle's shadow by their distance from its tip, all arrays (n,).

    ``steps`` is that distance in whole millimetres, ``is_core`` is what a trembling needle still covers, ``counts`` how
    many such pixels each step has.
    """

    rows: NDArray[np.intp]
    cols: NDArray[np.intp]
    steps: NDArray[np.intp]
    is_core: NDArray[np.bool_]
    counts: NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Cement in one zone over time. ``first_reach_px`` is how far it reached from the body when it was first seen."""

    zone: Zone
    side: Side | None
    first_seen: Stamp
    first_reach_px: float
    n_seen: int = 0
    n_missed: int = 0
    peak_px: float = 0.0
    outline: Outline = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layout:
    """Where which zone lies: ``zones`` (h, w), ``beyond`` (h, w) float32 the distance in pixels to where cement may be."""

    zones: ZoneMap
    beyond: Gray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrivals:
    """When each pixel first held cement: ``came`` (h, w) float32 in s since ``origin_s``, -inf where nobody saw it come, inf where none is.

    Cement has been looked at without a pause since ``since_s``.
    """

    at_s: float
    origin_s: float
    since_s: float
    came: Gray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Region:
    """A body and the zones around it, at working resolution.

    ``body`` has its corners in working pixels. ``to_wall`` (h, w) float32 is the signed distance to the posterior
    wall line in pixels, positive on the body's side, None where the view shows no posterior wall. ``breached`` is the
    layout without a margin behind the wall, for cement that has been seen to cross it; ``bare`` has none on any side, or
    half of its doubt, for cement that has been seen to run out.
    """

    body: Body
    intact: Layout
    breached: Layout
    bare: Layout
    watched: tuple[Zone, ...]
    not_visible: tuple[Zone, ...]
    outlines: tuple[tuple[Zone, Outline], ...]
    to_wall: Gray | None
    depth_px: float
    centre: Point
    down: Point
    is_sure: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clutter:
    """What is new in a scene, since when, and what of it is no cement.

    ``age`` (h, w) float32 says for how many seconds each pixel has been new, ``held`` (h, w) is what is named as no cement and
    ``peak`` (h, w) float32 how dense that was at most of late. ``object`` (h, w) is what hangs on the border. ``began_s`` is when
    the last wave began, ``wave_s`` when something last came with it.
    """

    at_s: float
    age: Gray | None = None
    held: Mask | None = None
    peak: Gray | None = None
    object: Mask | None = None
    began_s: float | None = None
    wave_s: float | None = None

    def is_wave(self, time_s: float, tail_s: float) -> bool:
        """Whether a wave is under way, or has just passed."""
        return self.wave_s is not None and 0 <= time_s - self.wave_s <= tail_s


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Swelling:
    """What swells in a body and may be a balloon.

    ``mask`` (h, w) is all cement when it was densest, of the frames on which it lay within the body, and ``most`` how dense it was in all, ``n_smooth`` on how many frames in a
    row it was smooth, ``was_told`` whether that was ever often enough to tell it, and ``n_faded`` on how many frames it has faded, with so much density ``left`` on the last; its shape is looked at again after ``n_rest`` frames. ``is_over`` once a balloon has deflated in this scene.
    """

    mask: Mask | None = None
    most: float = 0.0
    n_smooth: int = 0
    was_told: bool = False
    n_faded: int = 0
    left: float = 0.0
    n_rest: int = 0
    is_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """One still arrangement of C-arm and patient.

    ``reference`` and ``change`` (h, w) float32, ``seen`` (h, w) uint8 counts judged frames that held cement,
    ``out`` (h, w) says how much has been seen of cement that runs out of the body, ``casts`` counts on how many frames in a row a pixel was a cast, ``rim`` is the edge of the open field, ``noise`` coarse maps of the standard deviation of the change, one a scale, ``shift_px`` is in working pixels.
    ``cells`` is how bright the frames of the reference are, and ``blades`` (h, w) bool what is shut by what they show of blades.
    """

    number: int
    view: View
    factor: int
    px_per_mm: float
    is_scale_known: bool
    reference: Gray
    texture: Gray
    field: Mask
    rim: Mask
    n_averaged: int
    cells: Gray | None = None
    blades: Mask | None = None
    shift_px: Point = (0.0, 0.0)
    offset: float = 0.0
    n_lost: int = 0
    n_unlike: int = 0
    usual_trust: float = 0.0
    needle: Needle | None = None
    opaque: Mask | None = None
    column: Column | None = None
    shadow: NDArray[np.float32] | None = None
    change: Gray | None = None
    noise: tuple[Gray, ...] = ()
    seen: NDArray[np.uint8] | None = None
    cement: Mask | None = None
    clutter: Clutter | None = None
    swelling: Swelling | None = None
    region: Region | None = None
    planned: Landmarks | None = None
    is_searched: bool = False
    is_seeded: bool = False
    front: tuple[tuple[float, float], ...] = ()
    is_breached: bool = False
    tracks: tuple[Track, ...] = ()
    arrivals: Arrivals | None = None
    out: NDArray[np.uint8] | None = None
    casts: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Memory:
    """All that one source's frames of one case left behind; ``scenes`` newest last, bounded.

    ``polarity`` is what the pictures told of it, None before they did.
    """

    scenes: tuple[Scene, ...] = ()
    current: int | None = None
    n_scenes: int = 0
    thumbnail: Gray | None = None
    pace: Pace | None = None
    polarity: Polarity | None = None

    @property
    def scene(self) -> Scene | None:
        """The scene that the last frame belonged to."""
        return next((scene for scene in self.scenes if scene.number == self.current), None)
