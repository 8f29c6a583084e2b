"""What a vertebral body can look like before one looks: quadrilaterals about a seed, as likely as anatomy makes them.

A guess is seven numbers in units of their own spread, so that a guess near 0 is the average body and the plain normal
density is its prior. Turning guesses into corners is all that knows about anatomy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detection.vocabulary import Point, View

Guesses = NDArray[np.float32]
"""Guesses (n, 7): turn, depth, posterior height, anterior height, seed along depth, seed along height, shear."""
Quads = NDArray[np.float32]
"""Corners (n, 4, 2) as (row, col): near superior, near inferior, far superior, far inferior."""

WIDEST = 2.7
"""Guesses beyond so many spreads are held there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A point that surely lies inside the body (working px), and what it tells.

    ``posterior`` is -1 when the near wall is image-left (always in AP), 1 when it is image-right.
    ``lean_deg`` is the slope of the needle towards its tip, None without one. ``slack`` widens where in the body the seed may lie.
    """

    at: Point
    posterior: int
    lean_deg: float | None = None
    slack: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """Mean and spread of what varies between bodies in one view; lengths mm, shares of depth or height, degrees.

    ``slimmer`` is how much the share of height to depth falls for each mm of depth.
    """

    turn_deg: tuple[float, float]
    depth_mm: tuple[float, float]
    height_share: tuple[float, float]
    slimmer: float
    anterior_share: tuple[float, float]
    seed_depth: tuple[float, float]
    seed_height: tuple[float, float]
    shear: tuple[float, float]


HABITS: Mapping[View, Habit] = {
    # depth 24-36 and height 15-27 mm from T5 to L5, men and women; fractures lose the anterior height first
    View.LATERAL: Habit(
        turn_deg=(0.0, 13.0),
        depth_mm=(29.5, 4.0),
        height_share=(0.74, 0.1),
        slimmer=0.0,
        anterior_share=(0.88, 0.13),
        seed_depth=(0.69, 0.1),
        seed_height=(0.5, 0.12),
        shear=(0.0, 0.05),
    ),
    # width 25-50 mm; wider bodies are flatter
    View.AP: Habit(
        turn_deg=(0.0, 5.0),
        depth_mm=(36.0, 8.0),
        height_share=(0.565, 0.075),
        slimmer=0.0055,
        anterior_share=(1.0, 0.03),
        seed_depth=(0.5, 0.13),
        seed_height=(0.5, 0.13),
        shear=(0.0, 0.03),
    ),
}
"""Sources: adult dry-bone means of T5 to L5; needle tip in the anterior third at mid-height, by the paramedian pedicle."""

LEAN_DEG = (-11.0, 8.0)
"""A transpedicular needle falls towards its tip: the body's depth axis lies so many degrees (mean, spread) from it."""


def draw_guesses(n: int, rng: np.random.Generator) -> Guesses:
    """Guesses (n, 7) from the prior."""
    return np.clip(rng.standard_normal((n, 7), dtype=np.float32), -WIDEST, WIDEST)


def quads_of(guesses: Guesses, view: View, seed: Seed) -> Quads:
    """Corners (n, 4, 2) of guesses (n, 7), in mm from the seed."""
    habit = HABITS[view]
    turn, depth, high, front, along, up, shear = guesses.T.astype(np.float64)
    turn_deg, spread_deg = _turn(habit, seed)
    depth_mm = np.maximum(habit.depth_mm[0] + habit.depth_mm[1] * depth, 18.0)
    share = habit.height_share[0] + habit.height_share[1] * high - habit.slimmer * (depth_mm - habit.depth_mm[0])
    near_mm = depth_mm * np.maximum(share, 0.3)
    far_mm = near_mm * np.maximum(habit.anterior_share[0] + habit.anterior_share[1] * front, 0.4)
    in_depth = np.clip(habit.seed_depth[0] + habit.seed_depth[1] * seed.slack * along, 0.15, 0.95)
    in_height = np.clip(habit.seed_height[0] + habit.seed_height[1] * seed.slack * up, 0.1, 0.9)
    middle = (0.5 - in_height) * (near_mm + (far_mm - near_mm) * in_depth)
    down = np.stack([middle - near_mm / 2, middle + near_mm / 2, middle - far_mm / 2, middle + far_mm / 2], axis=1)
    zero = np.zeros_like(depth_mm)
    ahead = np.stack([zero, zero, depth_mm, depth_mm], axis=1) - (in_depth * depth_mm)[:, None]
    ahead -= (habit.shear[0] + habit.shear[1] * shear)[:, None] * down
    angle = np.deg2rad(turn_deg + spread_deg * turn)[:, None]
    rows = np.sin(angle) * ahead + np.cos(angle) * down
    cols = (np.cos(angle) * ahead - np.sin(angle) * down) * -seed.posterior
    return np.stack([rows, cols], axis=2).astype(np.float32)


def _turn(habit: Habit, seed: Seed) -> tuple[float, float]:
    """Mean and spread of the turn: what the spine and the needle say, each weighed by its spread."""
    if seed.lean_deg is None:
        return habit.turn_deg
    trust_spine, trust_needle = habit.turn_deg[1] ** -2, LEAN_DEG[1] ** -2
    mean = habit.turn_deg[0] * trust_spine + (seed.lean_deg + LEAN_DEG[0]) * trust_needle
    total = trust_spine + trust_needle
    return mean / total, float(total**-0.5)
