"""Needles and cannulae in the reference: straight, parallel-edged, much denser than what is around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.memory import Needle, Scene
from detection.patches import widened
from detection.rules import Rules
from detection.vocabulary import Gray, Mask, Point

MOST_POINTS = 400
"""So many points of a part decide its line; more cost time and move it by nothing."""
SURELY_NEAR = 0.9
"""Where the plain line leaves nothing farther off than this share of what a needle may, the robust line would leave nothing out
either: it costs a hundred times as much, and the needle of nine frames in ten needs none."""
SOFT_PX = 2.985
"""What lies so far off a line counts a third (Welsch 1975, as OpenCV has it)."""
SAME_LINE = 1e-4
"""An angle (rad) by which a line that is found may still turn: a hundredth of a pixel at the end of a needle."""
MOST_STEPS = 30
FAINTEST = 2
"""How often the contrast that is asked of a needle is lowered at most."""


def see_needle(reference: Gray, field: Mask, px_per_mm: float, rules: Rules) -> tuple[Mask, Needle | None]:
    """What instruments hide, and the needle from where it enters the picture to its tip, followed where it is faint."""
    opaque, faintness = _opaque_and_faintness(reference, field, px_per_mm, rules)
    needle = find_needle(opaque, field, margin_px=rules.needle_margin_mm * px_per_mm)
    if needle is None:
        return opaque, None
    needle = replace(follow(needle, reference, field, px_per_mm, rules), faintness=faintness)
    line = np.zeros(opaque.shape, np.uint8)
    # the steel alone, without its margin: where the needle was seen the mask stays as it was; short of the tip, where cement comes out
    thick = max(1, round(needle.width_px - 2 * rules.needle_margin_mm * px_per_mm))
    short = needle.width_px / max(float(np.hypot(*np.subtract(needle.tip, needle.tail))), 1.0)
    end = [a + (b - a) * short for a, b in zip(needle.tip, needle.tail, strict=True)]
    cv2.line(line, (round(end[1]), round(end[0])), (round(needle.tail[1]), round(needle.tail[0])), 1, thick)
    return opaque | line.astype(np.bool_), needle


def opaque_in(reference: Gray, field: Mask, px_per_mm: float, rules: Rules) -> Mask:
    """Where thin, dense, straight things hide what lies behind them, (h, w) bool with a small margin."""
    return _opaque_and_faintness(reference, field, px_per_mm, rules)[0]


def _opaque_and_faintness(reference: Gray, field: Mask, px_per_mm: float, rules: Rules) -> tuple[Mask, int]:
    """The mask of instruments, and in how many steps the contrast that is asked for was lowered until they showed."""
    step = 0
    opaque = _straight_in(_slim(reference, field, px_per_mm, rules), px_per_mm, rules)
    while not opaque.any() and step < FAINTEST:
        step += 1
        faint = _for_faint(step, rules)
        opaque = _straight_in(_slim(reference, field, px_per_mm, faint), px_per_mm, faint)
        if not _comes_from_outside(opaque.astype(np.bool_), reference, field, px_per_mm, rules):
            opaque[:] = 0
    margin = 2 * max(1, round(rules.needle_margin_mm * px_per_mm)) + 1
    return cv2.dilate(opaque, np.ones((margin, margin), np.uint8)).astype(np.bool_), step


def _for_faint(step: int, rules: Rules) -> Rules:
    """Behind much scatter steel is faint; then only what is long and comes from the border is no endplate and no rib."""
    if step == 0:
        return rules
    return replace(
        rules,
        needle_contrast=rules.needle_contrast * rules.needle_faint_share**step,
        needle_length_mm=rules.needle_faint_mm,
    )


def _straight_in(slim: NDArray[np.uint8], px_per_mm: float, rules: Rules) -> NDArray[np.uint8]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(slim, connectivity=8)
    opaque = np.zeros(slim.shape, np.uint8)
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_AREA] >= rules.needle_length_mm * px_per_mm**2:
            opaque |= _straight_part(labels == label, px_per_mm, rules).astype(np.uint8)
    return opaque


def find_needle(opaque: Mask, field: Mask, margin_px: float = 0.0) -> Needle | None:
    """The longest instrument, without its margin; its tip is the end farther from the border of the open field."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opaque.astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    extent = np.hypot(stats[1:, cv2.CC_STAT_WIDTH], stats[1:, cv2.CC_STAT_HEIGHT])
    longest = 1 + int(np.argmax(extent))
    part = np.isin(labels, [longest, *_in_line(np.asarray(labels, dtype=np.int32), longest, count)])
    first, last = _ends(part, margin_px)
    inner = _inner_of(field)
    depth_first, depth_last = _depth(inner, first), _depth(inner, last)
    tip, tail = (first, last) if depth_first > depth_last else (last, first)
    width = float(part.sum()) / max(1.0, float(np.hypot(tip[0] - tail[0], tip[1] - tail[1])))
    return Needle(tip=tip, tail=tail, width_px=width)


def _comes_from_outside(opaque: Mask, reference: Gray, field: Mask, px_per_mm: float, rules: Rules) -> bool:
    needle = find_needle(opaque, field)
    if needle is None:
        return False
    tail = follow(needle, reference, field, px_per_mm, rules).tail
    return _depth(_inner_of(field), tail) <= rules.needle_entry_mm * px_per_mm


def follow(needle: Needle, reference: Gray, field: Mask, px_per_mm: float, rules: Rules) -> Needle:
    """The same needle to its true ends: behind dense bone it is too faint for the mask, but not for a sum along its line.

    Contrast (nats) of the line to both its flanks is summed outwards from the ends of what was seen; it ends where the sum is largest.
    """
    first, last = np.array(needle.tail), np.array(needle.tip)
    length = float(np.linalg.norm(last - first))
    along = (last - first) / max(length, 1e-6)
    beyond = rules.needle_follow_mm * px_per_mm
    at = np.arange(-beyond, length + beyond, 1.0, dtype=np.float32)
    contrast, level = _contrast_along(reference, field, first, along, (at, needle.width_px + px_per_mm))
    n_before = int(np.count_nonzero(at < 0))
    step = max(2, round(rules.needle_step_mm * px_per_mm))
    forth = _reach(contrast[n_before:], round(length), step, rules)
    forth += _behind_skin(contrast[n_before:], level[n_before:], round(length) + forth, step, rules)
    back = _reach(contrast[: n_before + round(length)][::-1], round(length), step, rules)
    back += _behind_skin(
        contrast[: n_before + round(length)][::-1],
        level[: n_before + round(length)][::-1],
        round(length) + back,
        step,
        rules,
    )
    ends = first - along * back, last + along * forth
    middle = _middle_of(field)
    tip, tail = sorted(ends, key=lambda end: float(np.linalg.norm(end - middle)))
    return replace(needle, tip=(float(tip[0]), float(tip[1])), tail=(float(tail[0]), float(tail[1])))


def _middle_of(field: Mask) -> NDArray[np.float64]:
    """The mean (row, col) of a mask; nan where it is empty."""
    n_open = np.count_nonzero(field)
    if n_open == 0:
        return np.full(2, np.nan)
    counts = np.count_nonzero(field, axis=1), np.count_nonzero(field, axis=0)
    return np.array([float(each @ np.arange(each.size)) / n_open for each in counts])


def _contrast_along(
    reference: Gray,
    field: Mask,
    start: NDArray[np.float64],
    along: NDArray[np.float64],
    at_and_width: tuple[Gray, float],
) -> tuple[Gray, Gray]:
    """Middle of a band less both its flanks, and the mean of these, for each distance along a line; nan outside the field."""
    at, width = at_and_width
    across = np.array([-along[1], along[0]])
    off = np.arange(-1.2, 1.21, 0.2) * width
    rows = (start[0] + at[:, None] * along[0] + off[None, :] * across[0]).astype(np.float32)
    cols = (start[1] + at[:, None] * along[1] + off[None, :] * across[1]).astype(np.float32)
    band = cv2.remap(reference, cols, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    is_open = cv2.remap(field.astype(np.uint8), cols, rows, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    middle = np.abs(off) < 0.3 * width
    left, right = off < -0.7 * width, off > 0.7 * width
    # denser than either side: a step beside the line is no needle
    sides = band[:, left].mean(axis=1), band[:, right].mean(axis=1)
    contrast = band[:, middle].mean(axis=1) - (sides[0] + sides[1]) / 2 - np.abs(sides[0] - sides[1]) / 4
    shut = ~is_open.all(axis=1)
    contrast, level = (
        np.where(shut, np.nan, each).astype(np.float32) for each in (contrast, (sides[0] + sides[1]) / 2)
    )
    return contrast, level


def _behind_skin(contrast: Gray, level: Gray, end: int, step: int, rules: Rules) -> int:
    """How many steps a line goes on from ``end`` where it comes from air into the patient: scatter makes steel fainter at once.

    Only where what surrounds the line grows denser there, and the line is unbroken behind.
    """
    before, behind, ahead = level[max(0, end - step) : end], level[end : end + 2 * step], contrast[end : end + 2 * step]
    if before.size < step or ahead.size < 2 * step or np.isnan([*before, *behind, *ahead]).any():
        return 0
    known = float(np.median(ahead))
    is_unbroken = known > rules.needle_least_contrast and np.quantile(ahead, 0.1) > rules.needle_follow_share * known
    if not is_unbroken or np.median(behind) - np.median(before) < rules.needle_skin:
        return 0
    return 2 * step + _reach(contrast, end + 2 * step, step, rules)


def _reach(contrast: Gray, start: int, step: int, rules: Rules) -> int:
    """How many steps a line goes on beyond ``start``; the newest bit of it is the measure of the next, for steel fades slowly and ends at once."""
    end = min(start, contrast.size)
    while 0 < end < contrast.size and not np.isnan(contrast[max(0, end - step) : end]).all():
        known = float(np.nanmedian(contrast[max(0, end - step) : end]))
        ahead = np.nan_to_num(contrast[end : end + step], nan=-1.0)
        if not known > rules.needle_least_contrast:
            break
        # dense bone crossed on the way counts no more than the needle itself
        sums = np.cumsum(np.clip(ahead, -known, known) - rules.needle_follow_share * known)
        best = int(np.argmax(sums))
        if sums[best] > 0:
            end += best + 1
        if best + 1 < step:
            break
    return end - min(start, contrast.size)


def _in_line(labels: NDArray[np.int32], longest: int, count: int) -> list[int]:
    """Other parts along the same line: a needle is cut where it crosses something as dense."""
    start, end = (np.array(point) for point in _ends(labels == longest, 0.0))
    along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-6)
    width = float((labels == longest).sum()) / max(float(np.linalg.norm(end - start)), 1.0)
    found = []
    for label in range(1, count):
        rows, cols = np.nonzero(labels == label)
        off = np.abs((rows - start[0]) * along[1] - (cols - start[1]) * along[0])
        if label != longest and float(np.percentile(off, 90)) < width:
            found.append(label)
    return found


def hidden_now(aligned: Gray, scene: Scene, rules: Rules) -> Mask:
    """What instruments hide in this frame: where the reference had them, and where the needle has moved to.

    ``aligned`` (h, w) is brought back onto the reference. Only the needle's neighbourhood is looked at.
    """
    before = scene.opaque if scene.opaque is not None else np.zeros(aligned.shape, np.bool_)
    if scene.needle is None:
        return before
    rules = _for_faint(scene.needle.faintness, rules)
    reach = round(rules.needle_play_mm * scene.px_per_mm)
    top, left, bottom, right = _around(scene.needle, reach, aligned.shape)
    part = (slice(top, bottom), slice(left, right))
    near = cv2.dilate(before[part].astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    slim = _slim(np.ascontiguousarray(aligned[part]), near.astype(np.bool_), scene.px_per_mm, rules)
    known = replace(scene.needle, tip=_less(scene.needle.tip, (top, left)), tail=_less(scene.needle.tail, (top, left)))
    moved = _straight_part(slim.view(np.bool_), scene.px_per_mm, rules, known) if slim.any() else slim
    size = _odd(2 * rules.needle_margin_mm * scene.px_per_mm)
    # what is faint shows in part only in one noisy frame: the rest may be anywhere within its tremor
    hidden = (
        widened(before, round(rules.needle_tremor_mm * scene.px_per_mm)) if scene.needle.faintness else before.copy()
    )
    hidden[part] |= cv2.dilate(moved.astype(np.uint8), np.ones((size, size), np.uint8)).astype(np.bool_)
    return hidden


def _less(point: Point, corner: tuple[int, int]) -> Point:
    """A point of the picture in a part that begins at a corner."""
    return point[0] - corner[0], point[1] - corner[1]


def _around(needle: Needle, reach: int, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Top, left, bottom and right of the needle's surroundings."""
    rows, cols = (needle.tip[0], needle.tail[0]), (needle.tip[1], needle.tail[1])
    margin = 2 * reach
    top, left = max(0, round(min(rows)) - margin), max(0, round(min(cols)) - margin)
    return top, left, min(shape[0], round(max(rows)) + margin), min(shape[1], round(max(cols)) + margin)


def _slim(reference: Gray, field: Mask, px_per_mm: float, rules: Rules) -> NDArray[np.uint8]:
    """Dense things no broader than a needle and no thinner than one: endplates are dropped by the opening.

    Square kernels, because OpenCV runs them row by column.
    """
    broad = np.ones((_odd(rules.needle_width_mm * 1.4 * px_per_mm),) * 2, np.uint8)
    thin = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_odd(rules.needle_thinnest_mm * px_per_mm),) * 2)
    calm = cv2.GaussianBlur(reference, (0, 0), 0.8)
    hat = cv2.morphologyEx(calm, cv2.MORPH_TOPHAT, broad)
    dense = np.asarray((hat > rules.needle_contrast) & field, dtype=np.uint8)
    return np.asarray(cv2.morphologyEx(dense, cv2.MORPH_OPEN, thin), dtype=np.uint8)


def _odd(size_px: float) -> int:
    return 2 * max(1, round(size_px / 2)) + 1


def _straight_part(part: Mask, px_per_mm: float, rules: Rules, known: Needle | None = None) -> Mask:
    """The pixels of a part that lie along one line, if they make a needle; else nothing.

    A needle often touches other dense things, so the line is fitted robustly and what lies off it is left out. One that
    is ``known``, in pixels of this mask, lies near to where it was; else lines are tried at random, in ten times the time.
    """
    rows, cols = np.nonzero(part)
    points = np.stack([cols, rows], axis=1).astype(np.float32)
    points = points[:: max(1, len(points) // MOST_POINTS)]
    reach = rules.needle_width_mm * 0.7 * px_per_mm
    line = cv2.fitLine(points, cv2.DIST_L2, 0, 0.01, 0.01).ravel()
    off = np.abs((cols - line[2]) * line[1] - (rows - line[3]) * line[0])
    if off.max() > SURELY_NEAR * reach:
        if known is None:
            line = cv2.fitLine(points, cv2.DIST_WELSCH, 0, 0.01, 0.01).ravel()
        else:
            line = _line_through(points, (line, _line_of(known)))
        off = np.abs((cols - line[2]) * line[1] - (rows - line[3]) * line[0])
    along = (cols - line[2]) * line[0] + (rows - line[3]) * line[1]
    is_near = off <= reach
    straight = np.zeros(part.shape, np.bool_)
    if is_near.mean() < 0.6:
        return straight
    length = float(np.ptp(along[is_near]))
    width = is_near.sum() / max(length, 1.0)
    if length >= rules.needle_length_mm * px_per_mm and width >= rules.needle_thinnest_mm * px_per_mm:
        straight[rows[is_near], cols[is_near]] = True
    return straight


def _line_of(needle: Needle) -> NDArray[np.float64]:
    """Direction and place (x, y, x0, y0) as OpenCV has a line."""
    along = np.subtract(needle.tail, needle.tip)
    along = along / max(float(np.linalg.norm(along)), 1e-6)
    return np.array([along[1], along[0], needle.tip[1], needle.tip[0]])


def _line_through(points: Gray, starts: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """The line (x, y, x0, y0) that most of some points (n, 2) lie along, found from the better one of a few starts (Welsch 1975)."""
    x, y = points.T.astype(np.float64)
    most, weights = -1.0, np.ones_like(x)
    for line in starts:
        off = (x - line[2]) * line[1] - (y - line[3]) * line[0]
        off -= np.median(off)
        near = np.exp(off * off * (-1.0 / SOFT_PX**2))
        if near.sum() > most:
            most, weights = near.sum(), near
    before = 10.0
    for _ in range(MOST_STEPS):
        weights /= weights.sum()
        x0, y0 = float(weights @ x), float(weights @ y)
        dx, dy = x - x0, y - y0
        weighed = weights * dx
        angle = 0.5 * np.arctan2(2.0 * float(weighed @ dy), float(weighed @ dx) - float(weights @ (dy * dy)))
        off = dx * np.sin(angle) - dy * np.cos(angle)
        weights = np.exp(off * off * (-1.0 / SOFT_PX**2))
        if abs(angle - before) < SAME_LINE:
            break
        before = angle
    return np.array([np.cos(angle), np.sin(angle), x0, y0])


def _ends(part: Mask, margin_px: float) -> tuple[Point, Point]:
    rows, cols = np.nonzero(part)
    centre = np.array([rows.mean(), cols.mean()])
    offsets = np.stack([rows, cols], axis=1) - centre
    _, axes = np.linalg.eigh(offsets.T @ offsets)
    along = offsets @ axes[:, 1]
    low = centre + axes[:, 1] * (along.min() + margin_px)
    high = centre + axes[:, 1] * (along.max() - margin_px)
    return (float(low[0]), float(low[1])), (float(high[0]), float(high[1]))


def _inner_of(field: Mask) -> Gray:
    """Distance to the border of the open field, (h + 2, w + 2) px."""
    framed = cv2.copyMakeBorder(field.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    return np.asarray(cv2.distanceTransform(framed, cv2.DIST_L2, 3), dtype=np.float32)


def _depth(inner: Gray, point: Point) -> float:
    row = min(max(round(point[0]) + 1, 0), inner.shape[0] - 1)
    col = min(max(round(point[1]) + 1, 0), inner.shape[1] - 1)
    return float(inner[row, col])
