"""Where the vertebral body is, when nobody has said: edges around a seed that surely lies inside.

The needle's tip is the seed and its tail tells where posterior is. A rectangle is fitted to signed edges of the
reference (bone denser than what is around it), then each side by itself. The answer carries a trust; no seed, or no
edges, is an honest "not found".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.memory import Needle
from detection.rules import Rules
from detection.vocabulary import Body, Corners, Gray, Mask, Origin, Point, View

HALF_MM = 57
"""Half the side of the patch that is searched."""
STEP_MM = 0.75
"""Grid of the search."""
STRIP = 4
"""Grid steps on either side of an edge that are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in a turned patch, in grid steps: rows ``top`` to ``bottom``, columns ``left`` to ``right``."""

    top: int
    bottom: int
    left: int
    right: int
    score: float
    weakest: float
    turn_deg: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patchwork:
    """What the search looks at: the reference without instruments (h, w), what of it may be used, seed and scale."""

    calm: Gray
    usable: Mask
    seed: Point
    px_per_mm: float
    near: int

    def cost_of(self, left: int, right: int, rules: Rules) -> float:
        """What speaks against sides at these distances from the seed: a needle's tip lies before the middle.

        ``near`` is -1 when posterior is image-left, 1 when it is image-right, 0 when the view does not tell.
        """
        if self.near == 0:
            return 0.0
        share = (-left if self.near < 0 else right) / (right - left)
        return rules.body_tip_cost * max(0.0, abs(share - rules.body_tip_share) - 0.22)


def find_body(
    reference: Gray, field: Mask, opaque: Mask, needle: Needle | None, view: View, px_per_mm: float, rules: Rules
) -> Body | None:
    """The body around the needle's tip in working pixels of a reference (h, w), or None when it cannot be told."""
    if needle is None or view not in (View.LATERAL, View.AP):
        return None
    hidden = opaque | ~field
    picture = Patchwork(
        calm=_without(reference, hidden),
        usable=~hidden,
        seed=needle.tip,
        px_per_mm=px_per_mm,
        near=_near_side(view, needle),
    )
    best = _best(_search(picture, turn, view, None, rules) for turn in range(-24, 25, 6))
    if best is not None:
        best = _best(_search(picture, best.turn_deg + turn, view, best, rules) for turn in (-4, -2, 0, 2, 4))
    if best is None or best.score < rules.body_score or best.weakest < rules.body_weakest:
        return None
    points = _corners(best, needle.tip, px_per_mm)
    is_near_left = view is View.AP or needle.tail[1] < needle.tip[1]
    near, far = (points[:2], points[2:]) if is_near_left else (points[2:], points[:2])
    corners = Corners(near_superior=near[0], near_inferior=near[1], far_superior=far[0], far_inferior=far[1])
    trust = float(np.clip(0.5 + 0.5 * (best.score - rules.body_score) / rules.body_score, 0.5, 0.95))
    return Body(view=view, corners=corners, origin=Origin.FOUND, trust=round(trust, 3))


def _near_side(view: View, needle: Needle) -> int:
    if view is View.AP:
        return 0
    return -1 if needle.tail[1] < needle.tip[1] else 1


def _best(boxes: Iterable[Box | None]) -> Box | None:
    return max((box for box in boxes if box is not None), key=lambda box: box.score, default=None)


def _without(reference: Gray, hidden: Mask) -> Gray:
    """The reference with instruments and closed field filled in from around."""
    weight = (~hidden).astype(np.float32)
    filled = cv2.blur(reference * weight, (25, 25)) / (cv2.blur(weight, (25, 25)) + 1e-3)
    return np.where(hidden, filled, reference).astype(np.float32)


def _patch(image: Gray, centre: Point, turn_deg: float, px_per_mm: float) -> Gray:
    """A square patch around ``centre``, turned, on the search grid; smoothed to the grid first."""
    side = 2 * round(HALF_MM / STEP_MM) + 1
    turn = np.deg2rad(turn_deg)
    scale = STEP_MM * px_per_mm
    cos, sin = np.cos(turn) * scale, np.sin(turn) * scale
    half = side // 2
    matrix = np.array(
        [[cos, -sin, centre[1] - cos * half + sin * half], [sin, cos, centre[0] - sin * half - cos * half]]
    )
    calm = cv2.GaussianBlur(image, (0, 0), max(0.8, scale * 0.6))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    turned = cv2.warpAffine(calm, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, dtype=np.float32)


def _edge_sums(picture: Patchwork, turn: float) -> tuple[Gray, Gray]:
    """Running sums of signed edges: downward ones along rows, rightward ones along columns."""
    patch = _patch(picture.calm, picture.seed, turn, picture.px_per_mm)
    inside = _patch(picture.usable.astype(np.float32), picture.seed, turn, picture.px_per_mm) > 0.9
    # three millimetres on either side: an endplate's own line weighs less than bone against disc
    step = np.repeat([-1.0, 1.0], STRIP).astype(np.float32)[:, None] / STRIP
    down = cv2.filter2D(patch, cv2.CV_32F, step, anchor=(0, STRIP), borderType=cv2.BORDER_REPLICATE) * inside
    right = cv2.filter2D(patch, cv2.CV_32F, step.T, anchor=(STRIP, 0), borderType=cv2.BORDER_REPLICATE) * inside
    spread = float(np.sqrt(np.mean(down * down + right * right))) + 1e-6
    down_sums = cv2.integral(np.clip(down / spread, -2, 2))[1:] - cv2.integral(np.clip(down / spread, -2, 2))[:-1]
    right_sums = cv2.integral(np.clip(right / spread, -2, 2))
    return down_sums.astype(np.float32), (right_sums[:, 1:] - right_sums[:, :-1]).astype(np.float32)


def _span(near: float, far: float, step: int, around: int | None) -> NDArray[np.intp]:
    """Distances from the seed, in grid steps, to try for one side; close ``around`` a first answer the second time."""
    if around is None:
        return np.arange(round(near / STEP_MM), round(far / STEP_MM), step)
    return np.arange(max(2, around - 4), around + 5)


def _search(picture: Patchwork, turn: float, view: View, first: Box | None, rules: Rules) -> Box | None:
    """Every box around the seed; edges by running sums, so that each costs a few look-ups."""
    down_sums, right_sums = _edge_sums(picture, turn)
    centre = down_sums.shape[0] // 2
    widest, narrowest = (55, 24) if view is View.AP else (42, 22)
    step = 3
    lefts = centre - _span(3, widest - 3, step, None if first is None else centre - first.left)
    rights = centre + _span(3, widest - 3, step, None if first is None else first.right - centre)
    tops = centre - _span(3, 27, 1, None if first is None else centre - first.top)
    bottoms = centre + _span(3, 27, 1, None if first is None else first.bottom - centre)
    rows = (bottoms[None, :] - tops[:, None]).astype(np.float32)
    is_high = (rows * STEP_MM >= 13) & (rows * STEP_MM <= 34)
    best: Box | None = None
    for left in lefts:
        falls_in = (right_sums[bottoms[None, :], left] - right_sums[tops[:, None], left]) / np.maximum(rows, 1)
        for right in rights[((rights - left) * STEP_MM >= narrowest) & ((rights - left) * STEP_MM <= widest)]:
            upper = (down_sums[tops, right - 2] - down_sums[tops, left + 2]) / (right - left - 4)
            lower = (down_sums[bottoms, left + 2] - down_sums[bottoms, right - 2]) / (right - left - 4)
            falls_out = (right_sums[tops[:, None], right] - right_sums[bottoms[None, :], right]) / np.maximum(rows, 1)
            long = np.sqrt((right - left) * STEP_MM / 30.0)
            score = long * (upper[:, None] + lower[None, :]) + rules.body_wall_weight * (falls_in + falls_out)
            score = (
                np.where(is_high, score, -9.0)
                - abs(turn) * rules.body_turn_cost
                - picture.cost_of(left - centre, right - centre, rules)
            )
            i, j = divmod(int(np.argmax(score)), bottoms.size)
            if best is None or score[i, j] > best.score:
                weakest = min(float(upper[i]), float(lower[j]))
                sides = {"top": int(tops[i]), "bottom": int(bottoms[j]), "left": int(left), "right": int(right)}
                best = Box(**sides, score=float(score[i, j]), weakest=weakest, turn_deg=turn)
    return best


def _corners(box: Box, seed: Point, px_per_mm: float) -> tuple[Point, Point, Point, Point]:
    """Left superior, left inferior, right superior, right inferior in working pixels."""
    half = round(HALF_MM / STEP_MM)
    turn = np.deg2rad(box.turn_deg)
    scale = STEP_MM * px_per_mm

    def back(row: int, col: int) -> Point:
        r, c = (row - half) * scale, (col - half) * scale
        return float(seed[0] + np.sin(turn) * c + np.cos(turn) * r), float(
            seed[1] + np.cos(turn) * c - np.sin(turn) * r
        )

    return back(box.top, box.left), back(box.bottom, box.left), back(box.top, box.right), back(box.bottom, box.right)
