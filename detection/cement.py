"""What is new, dense and connected: subtraction against the reference, judged against the local noise.

Found by a threshold with hysteresis, at several scales, in units of the noise that the same neighbourhood showed without cement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.column import read_shadow
from detection.kept import kept
from detection.memory import Scene
from detection.patches import linked, patch_of, widened
from detection.rules import Rules
from detection.scales import THUMB, Quiet, find_hits, full, home_of, thumb
from detection.vocabulary import Gray, Mask


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What one aligned frame shows beyond the reference.

    ``change`` (h, w) float32 in attenuation units, accumulated over frames; ``noise`` a coarse map of it for each scale; ``hits`` (h, w) bool; ``unseen`` (h, w) bool could not be
    looked at; ``shadow`` is the profile behind the needle; ``offset`` is the
    exposure difference that was taken out; ``big_share`` the share of the field that one new object at its border covers.
    """

    change: Gray
    noise: tuple[Gray, ...]
    hits: Mask
    unseen: Mask
    shadow: NDArray[np.float32] | None
    offset: float
    big_share: float


def weigh_change(aligned: Gray, usable: Mask, scene: Scene, rules: Rules) -> Evidence:
    """Evidence in a picture (h, w) that has been brought back onto the scene's reference.

    ``usable`` (h, w) is the open field of both without what instruments hide.
    """
    quiet = _quiet(usable, scene, rules)
    raw = _as_exposed(aligned, quiet, scene, rules) - scene.reference
    background = _background(raw, quiet, rules.background_mm * scene.px_per_mm)
    raw -= background
    fresh = np.asarray(cv2.GaussianBlur(raw, (0, 0), rules.smooth_px), dtype=np.float32)
    unseen = ~usable
    change = fresh if scene.change is None else _accumulated(scene.change, fresh, unseen, rules)
    hits, noise = find_hits(change, quiet, usable, scene, rules)
    shadow = read_shadow(fresh, scene, rules)
    if shadow.filled is not None and scene.column is not None:
        hits |= shadow.filled
        unseen[scene.column.rows, scene.column.cols] = False
    offset = float(np.vdot(background, quiet.weight)) / max(float(cv2.countNonZero(quiet.weight)), 1.0)
    return Evidence(
        change=change,
        noise=noise,
        hits=hits,
        unseen=unseen,
        shadow=shadow.profile,
        offset=offset,
        big_share=_big_share(hits, scene, rules),
    )


def remember(scene: Scene, evidence: Evidence, rules: Rules) -> Scene:
    """The scene with this frame's evidence counted; a pixel is cement once it has been seen often enough.

    What ``clutter`` holds has been taken out of the evidence's hits, and is not remembered as seen either.
    """
    before = np.zeros(evidence.hits.shape, np.uint8) if scene.seen is None else scene.seen
    stays = widened(evidence.hits, 1) | evidence.unseen
    # 1 more where it was hit, as many where it stays, 1 less elsewhere but never less than none
    more = cv2.add(stays.view(np.uint8), evidence.hits.view(np.uint8))
    bounded = np.clip(np.arange(256) - 1, 0, rules.seen_cap).astype(np.uint8)
    seen = np.asarray(cv2.LUT(cv2.add(before, more), bounded), dtype=np.uint8)
    if scene.clutter is not None and scene.clutter.held is not None:
        seen[scene.clutter.held] = 0
    cement = _bridged(_accept(seen >= rules.confirm_frames, seen, scene, rules), scene, rules)
    # the offset is followed slowly: recursive filters smear a step over several frames
    offset = scene.offset + rules.noise_rate * (evidence.offset - scene.offset)
    return replace(
        scene,
        change=evidence.change,
        noise=evidence.noise,
        seen=seen,
        cement=cement,
        shadow=evidence.shadow,
        offset=offset,
    )


def _accumulated(before: Gray, fresh: Gray, unseen: Mask, rules: Rules) -> Gray:
    step = np.asarray(cv2.addWeighted(before, 1.0 - rules.accumulate, fresh, rules.accumulate, 0.0), dtype=np.float32)
    # behind an instrument nothing new is learnt, and its shadow must not linger when it moves on
    patch = patch_of(unseen)
    if patch is not None:
        least = cv2.min(before[patch], fresh[patch])
        step[patch] = cv2.copyTo(least, unseen[patch].view(np.uint8), step[patch])
    return step


def _quiet(usable: Mask, scene: Scene, rules: Rules) -> Quiet:
    quiet, guard_px = usable, round(rules.guard_mm * scene.px_per_mm)
    if scene.cement is not None:
        quiet = quiet & ~widened(scene.cement, guard_px, is_kept=True)
    if scene.clutter is not None and scene.clutter.held is not None:
        quiet = quiet & ~widened(scene.clutter.held, guard_px)
    weight = quiet.astype(np.float32)
    return Quiet(weight=weight, thumb=thumb(weight))


def _as_exposed(aligned: Gray, weight: Quiet, scene: Scene, rules: Rules) -> Gray:
    """The picture as it would look at the reference's tube voltage: another one scales all attenuation alike.

    The slope is that of the quiet picture against the reference; the level is left to the background.
    """
    before, now = _thumb_of(scene.reference), thumb(aligned)
    quiet = (weight.thumb > 0.9).astype(np.float32)
    n_quiet = np.float32(cv2.countNonZero(quiet))
    if n_quiet < 64:
        return aligned
    x, y = (quiet * (each - np.vdot(quiet, each) / n_quiet) for each in (before, now))
    slope = float(np.vdot(x, y)) / max(float(np.vdot(x, x)), 1e-6)
    if not rules.least_slope <= slope <= 1.0 / rules.least_slope or abs(slope - 1.0) < rules.slope_slack:
        return aligned
    return np.asarray(aligned / np.float32(slope), dtype=np.float32)


_thumb_of = kept(thumb)


def _background(raw: Gray, quiet: Quiet, width_px: float) -> Gray:
    size = 2 * round(width_px / THUMB / 2) + 1
    top = cv2.blur(thumb(raw * quiet.weight), (size, size))
    bottom = cv2.blur(quiet.thumb, (size, size))
    return full(top / (bottom + 1e-3), raw)


def _big_share(hits: Mask, scene: Scene, rules: Rules) -> float:
    """Share of the open field covered by the largest broad new object that touches the rim of the open field."""
    if not (hits & scene.rim).any():
        return 0.0
    small, field = (thumb(mask.astype(np.float32)) > 0.5 for mask in (hits, scene.field))
    rim = thumb(scene.rim.astype(np.float32)) > 0
    size = max(1, round(rules.vessel_mm * scene.px_per_mm / THUMB))
    broad = cv2.morphologyEx(small.astype(np.uint8), cv2.MORPH_OPEN, np.ones((size, size), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(broad, connectivity=8)
    touching = np.unique(labels[rim & (broad > 0)])
    return float(max((stats[label, cv2.CC_STAT_AREA] for label in touching), default=0)) / max(int(field.sum()), 1)


def _accept(candidates: Mask, seen: NDArray[np.uint8], scene: Scene, rules: Rules) -> Mask:
    """Candidates that hang together with body, needle tip or earlier cement, or that have stayed for long amid the field."""
    accepted = np.zeros(candidates.shape, np.bool_)
    patch = patch_of(candidates)
    if patch is None:
        return accepted
    places, part, count, _ = linked(candidates[patch])
    is_seed = _seeds(scene, candidates.shape, rules)[patch].ravel()[places]
    is_steady = seen[patch].ravel()[places] >= rules.steady_frames
    seeded = np.bincount(part[is_seed], minlength=count) > 0
    steady = np.bincount(part[is_steady], minlength=count) > rules.least_piece_mm2 * scene.px_per_mm**2
    if (steady & ~seeded).any():
        rim = widened(scene.rim, round(rules.rim_mm * scene.px_per_mm), is_kept=True)[patch].ravel()[places]
        steady &= np.bincount(part[rim], minlength=count) == 0
    within = np.zeros(candidates[patch].shape, np.bool_)
    within.ravel()[places] = (seeded | steady)[part]
    accepted[patch] = within
    return accepted


def _bridged(cement: Mask, scene: Scene, rules: Rules) -> Mask:
    """Cement (h, w) with what a needle hides in body or about its tip between cement on both of its sides: it goes on behind it."""
    patch = patch_of(cement)
    if patch is None or scene.opaque is None:
        return cement
    hidden = scene.opaque[patch] & home_of(scene, cement.shape, rules)[patch].view(np.bool_)
    if not hidden.any():
        return cement
    reach = round((rules.needle_width_mm / 2 + 2 * rules.needle_margin_mm) * scene.px_per_mm)
    framed = cv2.copyMakeBorder(cement[patch].view(np.uint8), reach, reach, reach, reach, cv2.BORDER_CONSTANT)
    closed = cv2.morphologyEx(framed, cv2.MORPH_CLOSE, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    cement[patch] |= hidden & closed[reach:-reach, reach:-reach].view(np.bool_)
    return cement


def _seeds(scene: Scene, shape: tuple[int, ...], rules: Rules) -> Mask:
    seeds = home_of(scene, shape, rules).view(np.bool_)
    if scene.cement is not None:
        return seeds | widened(scene.cement, round(rules.reach_mm * scene.px_per_mm), is_kept=True)
    return seeds
