"""What is new, dense and connected: subtraction against the reference, judged against the local noise.

Thin casts are found by a ridge measure (largest negative curvature of the smoothed change, Frangi 1998), broad ones by
a threshold with hysteresis; both in units of the noise that the same neighbourhood showed without cement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.column import read_shadow
from detection.memory import Scene
from detection.patches import EVERYWHERE, linked, on_edge, patch_of, widened
from detection.rules import Rules
from detection.vocabulary import Gray, Mask

THUMB = 8
"""Working pixels to one pixel of the coarse maps of background and noise."""
GROWTH_PX = 32
"""So far about what is surely new its weak surroundings are looked at first; where they go on farther, everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """What one aligned frame shows beyond the reference.

    ``change`` (h, w) float32 in attenuation units, accumulated over frames; ``hits`` (h, w) bool; ``unseen`` (h, w) bool could not be
    looked at; ``shadow`` is the profile behind the needle; ``offset`` is the
    exposure difference that was taken out; ``big_share`` the share of the field that one new object at its border covers.
    """

    change: Gray
    noise: Gray
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
    change = fresh if scene.change is None else _accumulated(scene.change, fresh, usable, rules)
    noise = _noise(change, quiet, scene, rules)
    shadow = read_shadow(fresh, scene, rules)
    hits = _hits(change, noise, quiet.weight, usable, scene, rules)
    unseen = ~usable
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
    before = np.zeros(evidence.hits.shape, np.float32) if scene.seen is None else scene.seen
    stays = widened(evidence.hits, 1) | evidence.unseen
    # 1 more where it was hit, as many where it stays, 1 less elsewhere
    seen = before + np.asarray(stays.view(np.uint8) + evidence.hits.view(np.uint8), dtype=np.float32)
    seen -= np.float32(1)
    np.clip(seen, 0.0, rules.seen_cap, out=seen)
    if scene.clutter is not None and scene.clutter.held is not None:
        seen[scene.clutter.held] = 0
    cement = _accept(seen >= rules.confirm_frames, seen, scene, rules)
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


def _accumulated(before: Gray, fresh: Gray, usable: Mask, rules: Rules) -> Gray:
    step = fresh - before
    step *= np.float32(rules.accumulate)
    step += before
    # behind an instrument nothing new is learnt, and its shadow must not linger when it moves on
    return np.asarray(cv2.copyTo(step, usable.view(np.uint8), np.minimum(before, fresh)), dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quiet:
    """``weight`` (h, w) float32 is 1 where neither cement nor instrument is suspected; ``thumb`` is its coarse map."""

    weight: Gray
    thumb: Gray


def _quiet(usable: Mask, scene: Scene, rules: Rules) -> Quiet:
    quiet, suspected = usable, scene.cement
    held = scene.clutter.held if scene.clutter is not None else None
    if held is not None:
        suspected = held if suspected is None else suspected | held
    if suspected is not None:
        quiet = quiet & ~widened(suspected, round(rules.guard_mm * scene.px_per_mm))
    weight = quiet.astype(np.float32)
    return Quiet(weight=weight, thumb=_thumb(weight))


def _thumb(image: Gray) -> Gray:
    size = (max(1, image.shape[1] // THUMB), max(1, image.shape[0] // THUMB))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _full(thumb: Gray, like: Gray) -> Gray:
    full = cv2.resize(thumb, (like.shape[1], like.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full, dtype=np.float32)


def _as_exposed(aligned: Gray, weight: Quiet, scene: Scene, rules: Rules) -> Gray:
    """The picture as it would look at the reference's tube voltage: another one scales all attenuation alike.

    The slope is that of the quiet picture against the reference; the level is left to the background.
    """
    before, now, quiet = _thumb(scene.reference), _thumb(aligned), weight.thumb > 0.9
    if quiet.sum() < 64:
        return aligned
    x, y = before[quiet] - before[quiet].mean(), now[quiet] - now[quiet].mean()
    slope = float(np.vdot(x, y)) / max(float(np.vdot(x, x)), 1e-6)
    if not rules.least_slope <= slope <= 1.0 / rules.least_slope or abs(slope - 1.0) < rules.slope_slack:
        return aligned
    return np.asarray(aligned / np.float32(slope), dtype=np.float32)


def _background(raw: Gray, quiet: Quiet, width_px: float) -> Gray:
    size = 2 * round(width_px / THUMB / 2) + 1
    top = cv2.blur(_thumb(raw * quiet.weight), (size, size))
    bottom = cv2.blur(quiet.thumb, (size, size))
    return _full(top / (bottom + 1e-3), raw)


def _local_rms(square: Gray, weight: Gray) -> Gray:
    """Coarse map of the root of a mean; both are coarse maps: the squares, weighed, and their weight."""
    power = cv2.blur(square, (5, 5))
    # running sums may round to a little less than nothing
    rest = np.maximum(power, 0.0) / (np.maximum(cv2.blur(weight, (5, 5)), 0.0) + 1e-3)
    return np.asarray(np.sqrt(rest), dtype=np.float32)


def _noise(change: Gray, quiet: Quiet, scene: Scene, rules: Rules) -> Gray:
    """Coarse map of noise; where little quiet picture is left, what was known before stays.

    Noise lightens as often as it darkens, cement never does. So where cement is awaited what became lighter bounds the
    noise, and slow cement that nobody has found yet cannot hide in the noise that it makes itself.
    """
    square = change * change
    square *= quiet.weight
    before, now = scene.noise, _local_rms(_thumb(square), quiet.thumb)
    if before is None:
        return np.asarray(np.maximum(now, rules.noise_floor), dtype=np.float32)
    awaited = _thumb(_home(scene, change.shape, rules).astype(np.float32)) > 0.5
    lighter = (change < 0.0).view(np.uint8)
    bound = rules.noise_skew * _local_rms(
        *(_thumb(np.asarray(cv2.copyTo(each, lighter), dtype=np.float32)) for each in (square, quiet.weight))
    )
    now = np.where(awaited, np.minimum(now, bound), now)
    share = cv2.blur(quiet.thumb, (5, 5))
    rate = rules.noise_rate * np.clip(share * 2.0 - 0.6, 0.0, 1.0)
    # A new leak must not hide itself in its own noise: upward the estimate follows slowly.
    rate = np.where(now > before, rate * 0.25, rate)
    return np.asarray(np.maximum(before + rate * (now - before), rules.noise_floor), dtype=np.float32)


def _hits(change: Gray, noise: Gray, weight: Gray, usable: Mask, scene: Scene, rules: Rules) -> Mask:
    """Pixels (h, w) that hold something new: broad by threshold with hysteresis, thin by their crest."""
    least = rules.least_contrast
    strong = (change > _full(np.maximum(rules.strong_sigma * noise, least), change)) & usable
    weak = (change > _full(np.maximum(rules.weak_sigma * noise, least / 2), change)) & usable & ~_skirt(change, rules)
    crest = _crest(change, weight, rules.ridge_mm * scene.px_per_mm, rules)
    lines = crest & usable & (change > _full(rules.weak_sigma * noise, change))
    return _grow(strong | lines, weak | lines, rules.least_piece_mm2 * scene.px_per_mm**2)


def _skirt(change: Gray, rules: Rules) -> Mask:
    """What blur spreads about dense cement, (h, w) bool: next to something many times as strong."""
    size = 2 * round(2 * rules.smooth_px) + 1
    return np.asarray(change < rules.skirt_share * cv2.dilate(change, np.ones((size, size), np.uint8)))


def _crest(change: Gray, weight: Gray, width_px: float, rules: Rules) -> Mask:
    """Where the curvature across a thin cast stands out from that of the noise, (h, w) bool.

    Looked at as coarsely as its width allows.
    """
    factor = max(1, round(width_px))
    size = (change.shape[1] // factor, change.shape[0] // factor)
    small, quiet = change, weight
    if factor > 1:
        small = np.asarray(cv2.resize(change, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
        quiet = np.asarray(cv2.resize(weight, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    ridge = _ridge(small, width_px / factor)
    typical = np.maximum(_local_rms(_thumb(ridge * ridge * quiet), _thumb(quiet)), 1e-6)
    least = np.asarray(rules.ridge_sigma * typical, dtype=np.float32)
    crest = (ridge > _full(least, ridge)).astype(np.uint8)
    if factor == 1:
        return crest.astype(np.bool_)
    whole = cv2.resize(crest, (change.shape[1], change.shape[0]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(whole, dtype=np.bool_)


def _ridge(change: Gray, width_px: float) -> Gray:
    """Largest negative curvature of the smoothed change, 0 where there is none."""
    calm = cv2.GaussianBlur(change, (0, 0), max(1.0, width_px))
    rr = cv2.Sobel(calm, cv2.CV_32F, 0, 2, ksize=3)
    cc = cv2.Sobel(calm, cv2.CV_32F, 2, 0, ksize=3)
    rc = cv2.Sobel(calm, cv2.CV_32F, 1, 1, ksize=3)
    spread = cv2.magnitude(rr - cc, 2.0 * rc)
    return np.asarray(np.maximum(0.5 * (spread - rr - cc), 0.0), dtype=np.float32)


def _grow(strong: Mask, weak: Mask, least_px: float) -> Mask:
    """Hysteresis: connected weak pixels that hold strong ones and are large enough."""
    grown = np.zeros(weak.shape, np.bool_)
    for patch in (patch_of(strong, GROWTH_PX), EVERYWHERE):
        if patch is None:
            break
        places, part, count = linked(weak[patch])
        held = np.bincount(part[strong[patch].ravel()[places]], minlength=count)
        if patch is not EVERYWHERE and held[part[on_edge(places, patch, weak.shape)]].any():
            continue  # what goes on beyond the patch is not known from it
        keep = (np.bincount(part, minlength=count) >= least_px) & (held >= 3)
        within = np.zeros(weak[patch].shape, np.bool_)
        within.ravel()[places] = keep[part]
        grown[patch] = within
        break
    return grown


def _big_share(hits: Mask, scene: Scene, rules: Rules) -> float:
    """Share of the open field covered by the largest broad new object that touches the rim of the open field."""
    if not (hits & scene.rim).any():
        return 0.0
    small, field = (_thumb(mask.astype(np.float32)) > 0.5 for mask in (hits, scene.field))
    rim = _thumb(scene.rim.astype(np.float32)) > 0
    size = max(1, round(rules.vessel_mm * scene.px_per_mm / THUMB))
    broad = cv2.morphologyEx(small.astype(np.uint8), cv2.MORPH_OPEN, np.ones((size, size), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(broad, connectivity=8)
    touching = np.unique(labels[rim & (broad > 0)])
    return float(max((stats[label, cv2.CC_STAT_AREA] for label in touching), default=0)) / max(int(field.sum()), 1)


def _accept(candidates: Mask, seen: Gray, scene: Scene, rules: Rules) -> Mask:
    """Candidates that hang together with body, needle tip or earlier cement, or that have stayed for long."""
    accepted = np.zeros(candidates.shape, np.bool_)
    patch = patch_of(candidates)
    if patch is None:
        return accepted
    places, part, count = linked(candidates[patch])
    is_seed = _seeds(scene, candidates.shape, rules)[patch].ravel()[places]
    is_steady = seen[patch].ravel()[places] >= rules.steady_frames
    seeded = np.bincount(part[is_seed], minlength=count) > 0
    steady = np.bincount(part[is_steady], minlength=count) > rules.least_piece_mm2 * scene.px_per_mm**2
    within = np.zeros(candidates[patch].shape, np.bool_)
    within.ravel()[places] = (seeded | steady)[part]
    accepted[patch] = within
    return accepted


def _seeds(scene: Scene, shape: tuple[int, ...], rules: Rules) -> Mask:
    seeds = _home(scene, shape, rules).view(np.bool_)
    if scene.cement is not None:
        seeds |= widened(scene.cement, round(rules.reach_mm * scene.px_per_mm))
    return seeds


def _home(scene: Scene, shape: tuple[int, ...], rules: Rules) -> NDArray[np.uint8]:
    """1 where cement is awaited: the body, and about the needle's tip; (h, w) uint8."""
    home = np.zeros(shape, np.uint8)
    if scene.needle is not None:
        row, col = scene.needle.tip
        cv2.circle(home, (round(col), round(row)), round(rules.tip_reach_mm * scene.px_per_mm), 1, -1)
    if scene.region is not None:
        c = scene.region.body.corners
        quad = [c.near_superior, c.near_inferior, c.far_inferior, c.far_superior]
        cv2.fillPoly(home, [np.array([[round(col), round(row)] for row, col in quad], np.int32)], 1)
    return home
