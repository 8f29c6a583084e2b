"""Landmarks as a hand sets them: a posterior wall marked too far in front, or every corner a little off."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from detection.vocabulary import Corners, Landmarks, Plan, Point, View

SHORT_MM = 1.0
"""As far off as a careful hand sets a wall line (rule ``wall_margin_mm``)."""
CORNERS = ("near_superior", "near_inferior", "far_superior", "far_inferior")


@dataclass(frozen=True, slots=True)
class Exact:
    """Every corner where it truly is."""

    def __call__(self, corners: Corners, view: View) -> Corners:
        return corners


@dataclass(frozen=True, slots=True)
class Short:
    """The posterior wall of a lateral view so far in front of where it is."""

    by_px: float

    def __call__(self, corners: Corners, view: View) -> Corners:
        if view is not View.LATERAL:
            return corners
        return replace(
            corners,
            near_superior=_towards(corners.near_superior, corners.far_superior, self.by_px),
            near_inferior=_towards(corners.near_inferior, corners.far_inferior, self.by_px),
        )


@dataclass(frozen=True, slots=True)
class ByHand:
    """All corners off together, and each a little more: standard deviations (mm) in each direction."""

    seed: int
    px_per_mm: float
    together_mm: float = 0.5
    each_mm: float = 0.7

    def __call__(self, corners: Corners, view: View) -> Corners:
        rng = np.random.default_rng([self.seed, view is View.AP])
        off = self.together_mm * rng.standard_normal(2) + self.each_mm * rng.standard_normal((4, 2))
        moved = {
            name: tuple((np.array(getattr(corners, name)) + self.px_per_mm * each).tolist())
            for name, each in zip(CORNERS, off, strict=True)
        }
        return replace(corners, **moved)


Hand = Exact | Short | ByHand


def marked_by(hand: Hand, plan: Plan, before: Plan) -> Plan:
    """The plan with what is new in it as this hand marks it."""
    given = {
        view: each if view in before.landmarks else _as_set(hand, each, view) for view, each in plan.landmarks.items()
    }
    return replace(plan, landmarks=given)


def _as_set(hand: Hand, given: Landmarks, view: View) -> Landmarks:
    return replace(given, body=replace(given.body, corners=hand(given.body.corners, view)))


def _towards(point: Point, other: Point, by_px: float) -> Point:
    share = by_px / math.dist(point, other)
    return point[0] + share * (other[0] - point[0]), point[1] + share * (other[1] - point[1])
