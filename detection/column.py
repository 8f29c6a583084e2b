"""What lies behind the needle: its shadow read along its length.

Cement that creeps back along a cannula, or lies in front of or behind it, hides in its shadow. The picture there is too
dark and too easily moved for single pixels, but the mean across the needle, compared with the part of the needle far
from its tip, tells how far cement reaches. A needle that moves changes all of its shadow alike and tells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.ma  # the first np.median loads it: 80 ms, and not in the middle of a frame
from numpy.typing import NDArray

from detection.memory import Column, Needle, Scene
from detection.rules import Rules
from detection.vocabulary import Gray, Mask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shadow:
    """The needle's shadow in one frame.

    ``profile`` (n,) float32 is the change along the needle in attenuation units, smoothed over frames, None where the
    needle has moved away; ``filled`` (h, w) bool is where cement lies behind it.
    """

    profile: NDArray[np.float32] | None
    filled: Mask | None


def column_of(needle: Needle, opaque: Mask, px_per_mm: float, rules: Rules) -> Column | None:
    """The needle's shadow as steps of one millimetre from its tip; None where it is too short or too thin to be read."""
    tip, along = np.array(needle.tip), np.subtract(needle.tail, needle.tip)
    length = float(np.linalg.norm(along))
    if length < rules.needle_length_mm * px_per_mm:
        return None
    along = along / length
    reach = needle.width_px / 2 + 2 * rules.needle_margin_mm * px_per_mm
    rows, cols = np.nonzero(opaque)
    off = np.abs((rows - tip[0]) * along[1] - (cols - tip[1]) * along[0])
    rows, cols = rows[off <= reach], cols[off <= reach]
    size = 2 * round((rules.needle_margin_mm + rules.needle_core_mm) * px_per_mm) + 1
    core = cv2.erode(opaque.astype(np.uint8), np.ones((size, size), np.uint8)).astype(np.bool_)
    steps = ((rows - tip[0]) * along[0] + (cols - tip[1]) * along[1]) / px_per_mm
    n_steps = int(length / px_per_mm)
    places = np.clip(steps, 0, n_steps - 1).astype(np.intp)
    is_core = core[rows, cols]
    counts = np.bincount(places[is_core], minlength=n_steps)
    if np.median(counts) < 3:
        return None
    return Column(rows=rows, cols=cols, steps=places, is_core=is_core, counts=np.maximum(counts, 1))


def read_shadow(fresh: Gray, scene: Scene, rules: Rules) -> Shadow:
    """Where cement lies behind the needle, from the change (h, w) of one frame against the reference."""
    column = scene.column
    if column is None:
        return Shadow(profile=None, filled=None)
    now = _along(fresh, column)
    far = slice(round(now.size * (1 - rules.column_far_share)), None)
    level = _median(now[far])
    if abs(level) > rules.column_slack:
        return Shadow(profile=scene.shadow, filled=None)
    profile = now - np.float32(level)
    if scene.shadow is not None:
        profile = scene.shadow + np.float32(rules.accumulate) * (profile - scene.shadow)
    noise = 1.48 * _median(np.abs(profile[far] - np.float32(_median(profile[far]))))
    least = max(rules.least_contrast, rules.strong_sigma * noise, rules.column_share * float(profile.max()))
    filled = np.zeros(fresh.shape, np.bool_)
    chosen = _from_the_tip(profile > least, round(rules.tip_reach_mm))[column.steps]
    filled[column.rows[chosen], column.cols[chosen]] = True
    return Shadow(profile=profile, filled=filled)


def _along(fresh: Gray, column: Column) -> NDArray[np.float32]:
    """Mean change across the needle at each step, (n,), as the median of three neighbours: it keeps edges."""
    core = column.is_core
    values = fresh[column.rows[core], column.cols[core]]
    sums = np.bincount(column.steps[core], weights=values, minlength=column.counts.size)
    means = (sums / column.counts).astype(np.float32)
    before, after = np.append(means[:1], means[:-1]), np.append(means[1:], means[-1:])
    return np.maximum(np.minimum(before, means), np.minimum(np.maximum(before, means), after))


def _median(values: NDArray[np.float32]) -> float:
    """As ``np.median`` has it, of values (n,): a tenth of the time where they are few; nan of none."""
    if values.size == 0:
        return np.nan
    ordered = np.sort(values)
    return float((ordered[(values.size - 1) // 2] + ordered[values.size // 2]) / np.float32(2))


def _from_the_tip(is_filled: NDArray[np.bool_], n_near: int) -> NDArray[np.bool_]:
    """Only what hangs together with the tip's surroundings: cement that creeps back leaves no gap."""
    if not is_filled[:n_near].any():
        return np.zeros_like(is_filled)
    first = int(np.argmax(is_filled))
    gaps = np.flatnonzero(~is_filled[first:])
    run = is_filled.copy()
    if gaps.size:
        run[first + gaps[0] :] = False
    return run
