"""What is new but no cement: contrast agent that rushes through its vessels, and hands that reach in from the border.

Cement creeps. In a vein its tip runs at 1 to 16 mm/s, so whatever it reaches lies a few millimetres from where it was
half a second before. Contrast agent fills many millimetres of vessel out of reach of everything within a frame or three,
and is gone again in two to five seconds. Three rules follow:

* *Probation.* New pixels out of reach of what was there are not counted for a moment when there are several of them.
* *The wave.* Enough of them within half a second, spread wide, are named, and with them everything new until they have cleared,
  except what lies within reach of cement that is established: a leak from the bolus is told as ever.
* *Release.* What stays, neither fading nor leaving, was no contrast agent: it is cement after ``stay_s`` at the latest,
  for an unnamed leak is worse than a false alarm. Only what hangs on the border of the field stays held.

After a pause of the beam nothing can be said about speed, so what appeared meanwhile is taken for cement at once.
All held pixels are told by flag, never in silence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from detection.memory import Clutter, Scene
from detection.rules import Rules
from detection.vocabulary import Flag, Gray, Mask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sifted:
    """New pixels (h, w) that may be cement, what is remembered of the others, and what to say about them.

    ``covered`` (h, w) is what something from the border hides, None where nothing reaches in.
    """

    hits: Mask
    clutter: Clutter
    flags: frozenset[Flag] = frozenset()
    covered: Mask | None = None


def sift(hits: Mask, change: Gray, scene: Scene, time_s: float, rules: Rules) -> Sifted:
    """Take what is no cement out of the new pixels ``hits`` (h, w) of a frame.

    ``change`` (h, w) float32 is how much denser each pixel is than the reference. Times are those of the frames.
    """
    before = scene.clutter
    if not hits.any() and (before is None or before.held is None):
        wave_s = None if before is None else before.wave_s
        return Sifted(hits=hits, clutter=Clutter(at_s=time_s, wave_s=wave_s))
    age = _aged(hits, before, time_s, rules)
    clutter = replace(before or Clutter(at_s=time_s), at_s=time_s, age=age)
    fresh = hits & (age <= rules.onset_s)
    far = _far(fresh, age, scene, rules)
    if not far.any() and clutter.held is None:
        return Sifted(hits=hits, clutter=clutter)
    held = np.zeros(hits.shape, np.bool_) if clutter.held is None else clutter.held & (age > 0)
    border = _from_the_border(fresh | held, scene, rules)
    is_wave = _is_wave(far & ~border, held & ~border, clutter, scene, rules)
    if is_wave:
        clutter = replace(clutter, wave_s=time_s)
    is_wave = is_wave or clutter.is_wave(time_s, rules.wave_tail_s)
    held |= fresh & ~_settled(age, scene, rules) & (border | is_wave)
    clutter = _released(replace(clutter, held=held), hits, change, border, rules)
    waits = far & (age <= rules.probation_s) if _mm2(far, scene) >= rules.suspect_mm2 else np.zeros_like(far)
    out = waits if clutter.held is None else waits | clutter.held
    is_told = is_wave or _mm2(out & ~border, scene) >= rules.suspect_mm2
    return Sifted(
        hits=hits & ~out,
        clutter=clutter,
        flags=frozenset({Flag.CONTRAST_AGENT} if is_told else ()),
        covered=out & border if border.any() else None,
    )


def _is_wave(far: Mask, held: Mask, clutter: Clutter, scene: Scene, rules: Rules) -> bool:
    """Whether enough is new at once, or enough is left of what was."""
    if _mm2(far, scene) >= rules.wave_mm2 and _extent_mm(far, scene) >= rules.wave_mm:
        return True
    return clutter.is_wave(clutter.at_s, rules.wave_tail_s) and _mm2(held, scene) >= rules.wave_left_mm2


def _aged(hits: Mask, before: Clutter | None, time_s: float, rules: Rules) -> Gray:
    """For how long (s) each pixel has been new without a break, (h, w) float32; a flickering edge is no break."""
    step = 1e-3 if before is None else max(time_s - before.at_s, 1e-3)
    age = np.zeros(hits.shape, np.float32) if before is None or before.age is None else before.age
    # what came while nobody looked is neither fast nor slow
    first = rules.onset_s + 1e-3 if before is None or step > rules.beam_pause_s else min(step, rules.onset_s)
    near = cv2.dilate(hits.astype(np.uint8), np.ones((3, 3), np.uint8))
    # new pixels are few: by their places is ten times as quick as by masks
    kept, here = np.flatnonzero(near), np.flatnonzero(hits)
    old = age.ravel()[here]
    aged = np.zeros(hits.size, np.float32)
    aged[kept] = age.ravel()[kept]
    aged[here] = np.where(old > 0, old + np.float32(step), np.float32(first))
    return aged.reshape(hits.shape)


def _far(fresh: Mask, age: Gray, scene: Scene, rules: Rules) -> Mask:
    """Fresh pixels that cement could not have reached from where it was, nor along the needle.

    Looked at half a millimetre to the pixel.
    """
    if scene.opaque is not None:
        fresh = fresh & ~scene.opaque
    if not fresh.any():
        return fresh
    old = age > rules.onset_s
    if scene.cement is not None:
        old |= scene.cement & ~fresh
    factor = max(1, round(scene.px_per_mm / 2))
    size = (max(1, old.shape[1] // factor), max(1, old.shape[0] // factor))
    small = cv2.resize(old.astype(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    near = _within((small > 0).astype(np.uint8), rules.reach_mm * scene.px_per_mm / factor)
    reached = cv2.resize(near, (old.shape[1], old.shape[0]), interpolation=cv2.INTER_NEAREST)
    if scene.needle is not None:
        row, col = scene.needle.tip
        cv2.circle(reached, (round(col), round(row)), round(rules.tip_reach_mm * scene.px_per_mm), 1, -1)
    return np.asarray(fresh & (reached == 0), np.bool_)


def _within(mask: np.ndarray, reach_px: float) -> np.ndarray:
    size = 2 * round(reach_px) + 1
    return cv2.dilate(mask, np.ones((size, size), np.uint8))


def _settled(age: Gray, scene: Scene, rules: Rules) -> Mask:
    """What lies within reach of established cement, (h, w) bool: whatever comes up there is cement."""
    if scene.cement is None:
        return np.zeros(age.shape, np.bool_)
    old = (scene.cement & (age >= rules.settled_s)).astype(np.uint8)
    return _within(old, rules.reach_mm * scene.px_per_mm).astype(np.bool_)


def _released(clutter: Clutter, hits: Mask, change: Gray, border: Mask, rules: Rules) -> Clutter:
    """The clutter without what has stayed and does not fade."""
    held, age = clutter.held, clutter.age
    assert held is not None and age is not None  # noqa: S101, PT018 - only called where something is held
    if not held.any():
        return replace(clutter, held=None, peak=None)
    peak = np.where(held, change if clutter.peak is None else np.maximum(clutter.peak, change), np.float32(0))
    stays = hits & ~border & (age >= rules.stay_s) & (change >= rules.fading_share * peak)
    return replace(clutter, held=held & ~stays, peak=peak)


def _from_the_border(new: Mask, scene: Scene, rules: Rules) -> Mask:
    """Large parts (h, w) of what is new at once that touch the border of the open field and are broader than a vessel.

    Looked at a millimetre to the pixel: bones and fingers leave gaps.
    """
    if not (new & scene.rim).any():
        return np.zeros(new.shape, np.bool_)
    factor = max(1, round(scene.px_per_mm))
    size = (max(1, new.shape[1] // factor), max(1, new.shape[0] // factor))
    small = (cv2.resize(new.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0).astype(np.uint8)
    rim = cv2.resize(scene.rim.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    broad = cv2.morphologyEx(_within(small, 1), cv2.MORPH_OPEN, np.ones((round(rules.vessel_mm),) * 2, np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(broad, connectivity=8)
    touches = np.bincount(labels[rim & (broad > 0)], minlength=len(stats)) > 0
    keep = touches & (stats[:, cv2.CC_STAT_AREA] >= rules.border_mm2 * (scene.px_per_mm / factor) ** 2)
    keep[0] = False
    near = _within(keep[labels].astype(np.uint8), rules.vessel_mm / 2)
    kept = cv2.resize(near, (new.shape[1], new.shape[0]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(kept, np.bool_) & new


def _extent_mm(mask: Mask, scene: Scene) -> float:
    """How far apart nine tenths of the pixels lie: a tree is wide, a first drop of cement is not."""
    low, high = np.percentile(np.nonzero(mask), [5, 95], axis=1)
    return float(np.hypot(*(high - low))) / scene.px_per_mm


def _mm2(mask: Mask, scene: Scene) -> float:
    return float(np.count_nonzero(mask)) / scene.px_per_mm**2
