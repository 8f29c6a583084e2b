"""What is new but no cement: contrast agent that rushes through its vessels, and hands that reach in from the border.

Cement creeps. In a vein its tip runs at 1 to 16 mm/s, so whatever it reaches lies a few millimetres from where it was
half a second before. Contrast agent fills many millimetres of vessel out of reach of everything within a frame or three,
and is gone again in two to five seconds. Three rules follow:

* *Probation.* New pixels out of reach of what was there are not counted for a moment when there are several of them.
* *The wave.* Enough of them within half a second, spread wide, are named, and with them everything new about them for as long
  as more comes out of reach and two seconds beyond, except what lies within reach of cement that is established: a leak from
  the bolus is told as ever, and so is a bolus far from the wave, for a heart beats beside many a spine. A wave that goes on for ``held_most_s`` is no contrast agent, and pauses.
* *Release.* What stays ``stay_s`` without fading was no contrast agent but cement, for an unnamed leak is worse than a
  false alarm. After ``held_most_s`` everything is let go, fading or not, and what hangs on the border, too.

Something broad that comes in from the border is held as well, but never in the body, its band, the canal or the foramen, nor
within reach of the needle's tip or of established cement: there a false alarm is the lesser evil.

After a pause of the beam nothing can be said about speed, so what appeared meanwhile is taken for cement at once; where
the time of the frames does not advance nothing is held at all. As long as anything is held a flag says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.memory import Clutter, Scene
from detection.patches import among, patch_of, widened
from detection.rules import Rules
from detection.vocabulary import ZONE_ORDER, Flag, Gray, Mask, Zone

CEMENT_FIRST = (Zone.BODY, Zone.POSTERIOR_BAND, Zone.CANAL, Zone.FORAMEN)
"""Zones in which nothing from the border is held: cement lies in them, or is feared most."""


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
    if before is not None and time_s <= before.at_s:
        return Sifted(hits=hits, clutter=_without_time(hits, before, time_s, rules))
    if not hits.any() and (before is None or before.held is None):
        begun = Clutter(at_s=time_s) if before is None else before
        return Sifted(hits=hits, clutter=Clutter(at_s=time_s, wave_s=begun.wave_s, began_s=begun.began_s))
    age = _aged(hits, before, time_s, rules)
    clutter = replace(before or Clutter(at_s=time_s), at_s=time_s, age=age)
    fresh = hits & (age <= rules.onset_s)
    far = _far(fresh, age, scene, rules)
    if not far.any() and clutter.held is None:
        return Sifted(hits=hits, clutter=clutter)
    settled = _settled(age, scene, rules)
    clutter, hanging = _hung(clutter, fresh, scene, rules)
    border = hanging & ~settled & ~_cement_first(scene, hits.shape, rules)
    flow = far & ~hanging
    clutter = _waved(clutter, flow, scene, rules)
    is_wave = clutter.is_wave(time_s, rules.wave_tail_s)
    held = np.zeros(hits.shape, np.bool_) if clutter.held is None else clutter.held & (age > 0)
    held &= border | ~hanging | is_wave
    caught = _carried(flow | held, scene, rules) if is_wave else border
    held |= fresh & ~settled & (border | caught)
    step = 0.0 if before is None else time_s - before.at_s
    clutter = _released(replace(clutter, held=held), change, hits & ~border, step, rules)
    waits = far & (age <= rules.probation_s) if _mm2(far, scene) >= rules.suspect_mm2 else np.zeros_like(far)
    out = waits if clutter.held is None else waits | clutter.held
    return Sifted(
        hits=hits & ~out,
        clutter=clutter,
        flags=_told(out, border, is_wave=is_wave),
        covered=out & border if border.any() else None,
    )


def _without_time(hits: Mask, before: Clutter, time_s: float, rules: Rules) -> Clutter:
    """What is known after a frame that is no later than the one before: nothing about speed, so whatever is there is old."""
    age = np.zeros(hits.shape, np.float32) if before.age is None else before.age
    return Clutter(at_s=time_s, age=np.where(hits, np.maximum(age, np.float32(rules.onset_s + 1e-3)), np.float32(0)))


def _told(out: Mask, border: Mask, *, is_wave: bool) -> frozenset[Flag]:
    flags = set()
    if is_wave or (out & ~border).any():
        flags.add(Flag.CONTRAST_AGENT)
    if (out & border).any():
        flags.add(Flag.BORDER_OBJECT)
    return frozenset(flags)


def _waved(clutter: Clutter, far: Mask, scene: Scene, rules: Rules) -> Clutter:
    """The clutter with its wave begun, renewed or left to end; only what comes out of reach does so, never what is held."""
    now, began_s, wave_s = clutter.at_s, clutter.began_s, clutter.wave_s
    area_mm2 = _mm2(far, scene)
    if began_s is not None and wave_s is not None:
        if clutter.is_wave(now, rules.wave_tail_s):
            goes_on = area_mm2 >= rules.wave_left_mm2 and now - began_s <= rules.held_most_s
            return replace(clutter, wave_s=now) if goes_on else clutter
        was_long = wave_s - began_s > rules.held_most_s - rules.wave_tail_s
        if was_long and 0 <= now - wave_s <= 2 * rules.wave_tail_s:
            return clutter
    if area_mm2 >= rules.wave_mm2 and _extent_mm(far, scene) >= rules.wave_mm:
        return replace(clutter, wave_s=now, began_s=now)
    return clutter


def _aged(hits: Mask, before: Clutter | None, time_s: float, rules: Rules) -> Gray:
    """For how long (s) each pixel has been new without a break, (h, w) float32; flickering edges grow old, too."""
    step = 1e-3 if before is None else max(time_s - before.at_s, 1e-3)
    age = np.zeros(hits.shape, np.float32) if before is None or before.age is None else before.age
    # what came while nobody looked is neither fast nor slow
    first = rules.onset_s + 1e-3 if before is None or step > rules.beam_pause_s else min(step, rules.onset_s)
    aged = np.zeros(hits.shape, np.float32)
    patch = patch_of(hits, 1)
    if patch is None:
        return aged
    new, before_here = hits[patch], age[patch]
    near = cv2.dilate(new.view(np.uint8), np.ones((3, 3), np.uint8))
    # new pixels are few: by their places is ten times as quick as by masks
    kept, here = np.flatnonzero(near), np.flatnonzero(new)
    old, ran = before_here.ravel()[here], before_here.ravel()[kept]
    within = np.zeros(new.size, np.float32)
    within[kept] = np.where(ran > 0, ran + np.float32(step), np.float32(0))
    within[here] = np.where(old > 0, old + np.float32(step), np.float32(first))
    aged[patch] = within.reshape(new.shape)
    return aged


def _far(fresh: Mask, age: Gray, scene: Scene, rules: Rules) -> Mask:
    """Fresh pixels that cement could not have reached from where it was, nor along the needle.

    Looked at half a millimetre to the pixel.
    """
    if scene.opaque is not None:
        fresh = fresh & ~scene.opaque
    reach_px = rules.reach_mm * scene.px_per_mm
    factor = max(1, round(scene.px_per_mm / 2))
    patch = patch_of(fresh, 2 * round(reach_px) + 4 * factor)
    if patch is None:
        return fresh
    rows, cols = patch = _on_blocks(patch[0], factor), _on_blocks(patch[1], factor)
    old = age[patch] > rules.onset_s
    if scene.cement is not None:
        old |= scene.cement[patch] & ~fresh[patch]
    near = _within(_in_blocks(old, factor), reach_px / factor)
    if scene.opaque is not None:
        # behind the needle cement runs unseen and comes out on its other side
        near |= _within(near & _in_blocks(scene.opaque[patch], factor), reach_px / factor)
    far = np.zeros_like(fresh)
    # fresh pixels are few, and only they are asked about
    down, right = np.nonzero(fresh[patch])
    is_far = near[down // factor, right // factor] == 0
    down, right = down[is_far] + rows.start, right[is_far] + cols.start
    if scene.needle is not None:
        row, col = scene.needle.tip
        reach = round(rules.tip_reach_mm * scene.px_per_mm)
        off = np.hypot(down - round(row), right - round(col)) > reach + 0.5
        down, right = down[off], right[off]
    far[down, right] = True
    return far


def _on_blocks(side: slice, factor: int) -> slice:
    """A side of a patch that begins with a whole block of pixels."""
    return slice(side.start // factor * factor, side.stop)


def _in_blocks(mask: Mask, factor: int) -> NDArray[np.uint8]:
    """1 for each block of pixels, the last ones cut short, in which anything of a mask (h, w) is set."""
    if factor == 1:
        return mask.astype(np.uint8)
    height, width = (-(-n // factor) for n in mask.shape)
    whole = np.zeros((height * factor, width * factor), np.uint8)
    np.multiply(mask.view(np.uint8), np.uint8(255), out=whole[: mask.shape[0], : mask.shape[1]])
    return (cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA) > 0).view(np.uint8)


def _within(mask: np.ndarray, reach_px: float) -> np.ndarray:
    size = 2 * round(reach_px) + 1
    return cv2.dilate(mask, np.ones((size, size), np.uint8))


def _settled(age: Gray, scene: Scene, rules: Rules) -> Mask:
    """What lies within reach of established cement, (h, w) bool: whatever comes up there is cement."""
    if scene.cement is None:
        return np.zeros(age.shape, np.bool_)
    return widened(scene.cement & (age >= rules.settled_s), round(rules.reach_mm * scene.px_per_mm))


def _cement_first(scene: Scene, shape: tuple[int, ...], rules: Rules) -> Mask:
    """Where nothing is ever taken for an object from the border, (h, w) bool: cement is awaited there, or feared most."""
    here = np.zeros(shape, np.uint8)
    if scene.region is not None:
        here |= among(scene.region.intact.zones, map(ZONE_ORDER.index, CEMENT_FIRST)).view(np.uint8)
    if scene.needle is not None:
        row, col = scene.needle.tip
        cv2.circle(here, (round(col), round(row)), round(rules.tip_reach_mm * scene.px_per_mm), 1, -1)
    return here.view(np.bool_)


def _released(clutter: Clutter, change: Gray, may_stay: Mask, step_s: float, rules: Rules) -> Clutter:
    """The clutter without what has stayed and does not fade, nor what has been held for long.

    ``may_stay`` (h, w) is what is seen and does not hang on the border. The peak sinks, so that one dense frame does
    not make everything after it look faded.
    """
    held, age = clutter.held, clutter.age
    assert held is not None and age is not None  # noqa: S101, PT018 - only called where something is held
    sunk = 0 if clutter.peak is None else clutter.peak * np.float32(np.exp(-step_s / rules.held_most_s))
    peak = np.where(held, np.maximum(sunk, change), np.float32(0)).astype(np.float32)
    stays = may_stay & (age >= rules.stay_s) & (change >= rules.fading_share * peak)
    held = held & ~stays & (age <= rules.held_most_s)
    return replace(clutter, held=held, peak=peak) if held.any() else replace(clutter, held=None, peak=None)


def _hung(clutter: Clutter, fresh: Mask, scene: Scene, rules: Rules) -> tuple[Clutter, Mask]:
    """The clutter with the object that hangs on the border as it is now, and what new and held lies on it or at its edge.

    The object grows only by large parts that come at once, never by what creeps up to it.
    """
    assert clutter.age is not None  # noqa: S101 - only called where something is new
    known = np.zeros(fresh.shape, np.bool_)
    if clutter.object is not None:
        known = clutter.object & (clutter.age > 0) & (clutter.age <= rules.held_most_s)
    if not known.any() and not (fresh & scene.rim).any():
        return replace(clutter, object=None), known
    known = known | _from_the_border(fresh, known, scene, rules)
    new = fresh if clutter.held is None else fresh | clutter.held
    near = _near(known, rules.vessel_mm / 2, scene) & new
    return replace(clutter, object=known if known.any() else None), near


def _carried(wave: Mask, scene: Scene, rules: Rules) -> Mask:
    """What lies about enough of a wave (h, w) to belong to it, looked at a millimetre to the pixel; a speck carries nothing."""
    cell_mm = max(1, round(scene.px_per_mm)) / scene.px_per_mm
    size = 2 * round(rules.wave_reach_mm / cell_mm) + 1
    about_mm2 = cv2.boxFilter(_small(wave, scene), -1, (size, size), normalize=False) * cell_mm**2
    enough = (about_mm2 >= rules.wave_left_mm2).astype(np.uint8)
    return np.asarray(cv2.resize(enough, wave.shape[::-1], interpolation=cv2.INTER_NEAREST), np.bool_)


def _near(mask: Mask, reach_mm: float, scene: Scene) -> Mask:
    """What lies so near a mask (h, w), looked at a millimetre to the pixel."""
    small = (_small(mask, scene) > 0).astype(np.uint8)
    near = _within(small, reach_mm * scene.px_per_mm / max(1, round(scene.px_per_mm)))
    whole = cv2.resize(near, (mask.shape[1], mask.shape[0]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(whole, np.bool_)


def _small(mask: Mask, scene: Scene) -> Gray:
    factor = max(1, round(scene.px_per_mm))
    size = (max(1, mask.shape[1] // factor), max(1, mask.shape[0] // factor))
    return np.asarray(cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _from_the_border(fresh: Mask, known: Mask, scene: Scene, rules: Rules) -> Mask:
    """Large parts (h, w) of what is new that hang on the border or on what hangs there, and are broader than a vessel.

    Looked at a millimetre to the pixel: bones and fingers leave gaps.
    """
    least = rules.border_mm2 * (scene.px_per_mm / max(1, round(scene.px_per_mm))) ** 2
    share = _small(fresh, scene)
    count, labels = cv2.connectedComponents(_within((share > 0).astype(np.uint8), 1), connectivity=8)
    large = np.bincount(labels.ravel(), weights=share.ravel(), minlength=count) >= least
    large[0] = False
    whole = (large[labels] | (_small(known, scene) > 0)).astype(np.uint8)
    broad = cv2.morphologyEx(whole, cv2.MORPH_OPEN, np.ones((round(rules.vessel_mm),) * 2, np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(broad, connectivity=8)
    anchor = (_small(scene.rim, scene) > 0) | (_small(known, scene) > 0)
    keep = np.bincount(labels[anchor & (broad > 0)], minlength=len(stats)) > 0
    keep &= stats[:, cv2.CC_STAT_AREA] >= least
    keep[0] = False
    kept = cv2.resize(keep[labels].astype(np.uint8), fresh.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(kept, np.bool_) & fresh


def _extent_mm(mask: Mask, scene: Scene) -> float:
    """How far apart nine tenths of the pixels lie: a tree is wide, a first drop of cement is not."""
    low, high = np.percentile(np.nonzero(mask), [5, 95], axis=1)
    return float(np.hypot(*(high - low))) / scene.px_per_mm


def _mm2(mask: Mask, scene: Scene) -> float:
    return float(np.count_nonzero(mask)) / scene.px_per_mm**2
