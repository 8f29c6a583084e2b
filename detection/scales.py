"""What is new at several scales: thin and dense things on the fine picture, broad and faint ones on coarser ones.

Thin casts are found by a ridge measure (largest negative curvature of the smoothed change, Frangi 1998), broad ones by
a threshold with hysteresis; both in units of the noise that the same neighbourhood showed without cement. Averaged over
more pixels noise falls and cement does not, so what is broad may be fainter (Rose criterion at each scale).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.memory import Scene
from detection.patches import EVERYWHERE, linked, on_edge, patch_of
from detection.rules import Rules
from detection.vocabulary import Gray, Mask

THUMB = 8
"""Working pixels to one pixel of the coarse maps of background and noise."""

Grid = tuple[int, int]
"""Size (w, h) of those maps."""


GROWTH_PX = 32
"""So far about what is surely new its weak surroundings are looked at first; where they go on farther, everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quiet:
    """``weight`` (h, w) float32 is 1 where neither cement nor instrument is suspected; ``thumb`` is its coarse map."""

    weight: Gray
    thumb: Gray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scale:
    """The accumulated change as one sharpness sees it: ``change`` (h, w) float32, ``usable`` (h, w) bool.

    ``factor`` working pixels make one pixel here; the maps have one size at every scale.
    """

    factor: int
    change: Gray
    quiet: Quiet
    usable: Mask


def find_hits(change: Gray, quiet: Quiet, usable: Mask, scene: Scene, rules: Rules) -> tuple[Mask, tuple[Gray, ...]]:
    """Working pixels (h, w) that hold something new, and the noise map of each scale with this frame counted.

    ``change`` (h, w) float32 in attenuation units; ``usable`` (h, w) is what can be judged.
    """
    near = _near(home_of(scene, change.shape, rules), rules.beside_mm * scene.px_per_mm)
    haze = np.clip(_haze(change, quiet, rules.haze_mm * scene.px_per_mm), 0.0, np.float32(rules.haze_most))
    hits, noises = np.zeros(change.shape, np.bool_), []
    for k, factor in enumerate(_factors(scene, rules)):
        scale = _at_scale(change, quiet, usable, factor, haze)
        noises.append(_noise(scale, near, scene.noise[k] if k < len(scene.noise) else None, rules))
        haze_sigma = rules.haze_sigma if k else 0.0
        least = np.maximum(np.float32(haze_sigma) * noises[0], np.float32(rules.least_contrast))
        hits |= _whole(_hits_at(scale, noises[k], least, scene, rules), change)
    return hits, tuple(noises)


def home_of(scene: Scene, shape: tuple[int, ...], rules: Rules) -> NDArray[np.uint8]:
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


def _factors(scene: Scene, rules: Rules) -> tuple[int, ...]:
    """Working pixels to a pixel of each scale, finest first."""
    broad = (round(mm * scene.px_per_mm) for mm in (rules.broad_mm, 2.0 * rules.broad_mm))
    return tuple(sorted({1, *(max(1, factor) for factor in broad)}))


def _at_scale(change: Gray, quiet: Quiet, usable: Mask, factor: int, haze: Gray) -> Scale:
    if factor == 1:
        return Scale(factor=1, change=change - full(haze, change), quiet=quiet, usable=usable)
    size = (change.shape[1] // factor, change.shape[0] // factor)
    # where nothing can be seen nothing must leak in
    seen = cv2.resize(usable.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    shown = cv2.copyTo(change, usable.view(np.uint8))
    small = np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    small /= np.maximum(seen, np.float32(0.5))
    small -= full(haze, small)
    weight = np.asarray(cv2.resize(quiet.weight, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    return Scale(
        factor=factor,
        change=np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0), dtype=np.float32),
        quiet=Quiet(weight=weight, thumb=quiet.thumb),
        usable=np.asarray(seen > 0.5),
    )


def _whole(hits: Mask, like: Gray) -> Mask:
    if hits.shape == like.shape:
        return hits
    size = (like.shape[1], like.shape[0])
    return np.asarray(cv2.resize(hits.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST), dtype=np.bool_)


def _haze(change: Gray, quiet: Quiet, reach_px: float) -> Gray:
    """What scatter and glare of dense cement spread about it, as a map on the grid: the median of a neighbourhood.

    A median is deaf to a vein, which fills less than half of it; behind cement the average of what surrounds it stands in.
    """
    total, share = thumb(change * quiet.weight), quiet.thumb
    size = 2 * round(reach_px / THUMB / 2) + 1
    around = cv2.blur(total, (size, size)) / (cv2.blur(share, (size, size)) + 1e-2)
    cells = np.where(share > 0.5, total / np.maximum(share, 0.5), around).astype(np.float32)
    return np.asarray(cv2.blur(cv2.medianBlur(cells, 5), (3, 3)), dtype=np.float32)


def _near(home: NDArray[np.uint8], reach_px: float) -> Mask:
    """Where cement may come to, on the grid of the maps."""
    size = 2 * round(reach_px / THUMB) + 1
    coarse = (thumb(home.astype(np.float32)) > 0.0).astype(np.uint8)
    return np.asarray(cv2.dilate(coarse, np.ones((size, size), np.uint8)), dtype=np.bool_)


def _noise(scale: Scale, near: Mask, before: Gray | None, rules: Rules) -> Gray:
    """Coarse map of noise; where little quiet picture is left, what was known before stays.

    Noise lightens as often as it darkens, cement never does. So where cement may come to what became lighter bounds the
    noise, and slow cement that nobody has found yet cannot hide in the noise that it makes itself.
    """
    weight, share = scale.quiet.weight, cv2.blur(scale.quiet.thumb, (5, 5))
    grid: Grid = (scale.quiet.thumb.shape[1], scale.quiet.thumb.shape[0])
    square = scale.change * scale.change
    square *= weight
    lighter = (scale.change < 0.0).view(np.uint8)
    light = [thumb(np.asarray(cv2.copyTo(each, lighter), dtype=np.float32), grid) for each in (square, weight)]
    bound = rules.noise_skew * _local_rms(light[0], light[1])
    now = _local_rms(thumb(square, grid), scale.quiet.thumb)
    now = np.asarray(np.where(near, np.minimum(now, bound), now), dtype=np.float32)
    if before is None:
        return np.asarray(np.maximum(now, rules.noise_floor), dtype=np.float32)
    rate = rules.noise_rate * np.clip(share * 2.0 - 0.6, 0.0, 1.0)
    # where hardly anything lightens, what is there is no noise and tells nothing about it
    rate *= np.where(near, np.clip(10.0 * cv2.blur(light[1], (5, 5)), 0.0, 1.0), 1.0)
    # A new leak must not hide itself in its own noise: upward the estimate follows slowly.
    rate = np.where(now > before, rate * 0.25, rate)
    return np.asarray(np.maximum(before + rate * (now - before), rules.noise_floor), dtype=np.float32)


def _hits_at(scale: Scale, noise: Gray, least: Gray, scene: Scene, rules: Rules) -> Mask:
    """Pixels (h, w) of one scale that hold something new: broad by threshold with hysteresis, thin by their crest.

    ``least`` is a map of the least contrast.
    """
    change, px_per_mm = scale.change, scene.px_per_mm / scale.factor
    strong = (change > full(np.maximum(rules.strong_sigma * noise, least), change)) & scale.usable
    weak = (change > full(np.maximum(rules.weak_sigma * noise, least / 2), change)) & scale.usable
    weak &= ~_skirt(scale, rules)
    if scale.factor == 1:
        crest = _crest(change, scale.quiet.weight, rules.ridge_mm * px_per_mm, rules)
        lines = crest & scale.usable & (change > full(rules.weak_sigma * noise, change))
        strong, weak = strong | lines, weak | lines
    return _grow(strong, weak, rules.least_piece_mm2 * px_per_mm**2)


def _skirt(scale: Scale, rules: Rules) -> Mask:
    """What blur spreads about dense cement, (h, w) bool: next to something much stronger."""
    reach, share = (
        (round(2 * rules.smooth_px), rules.skirt_share) if scale.factor == 1 else (2, rules.broad_skirt_share)
    )
    size = 2 * reach + 1
    return np.asarray(scale.change < share * cv2.dilate(scale.change, np.ones((size, size), np.uint8)))


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
    typical = np.maximum(_local_rms(thumb(ridge * ridge * quiet), thumb(quiet)), 1e-6)
    least = np.asarray(rules.ridge_sigma * typical, dtype=np.float32)
    crest = (ridge > full(least, ridge)).astype(np.uint8)
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


def _local_rms(square: Gray, weight: Gray) -> Gray:
    """Coarse map of the root of a mean; both are coarse maps: the squares, weighed, and their weight."""
    power = cv2.blur(square, (5, 5))
    # running sums may round to a little less than nothing
    rest = np.maximum(power, 0.0) / (np.maximum(cv2.blur(weight, (5, 5)), 0.0) + 1e-3)
    return np.asarray(np.sqrt(rest), dtype=np.float32)


def thumb(image: Gray, grid: Grid | None = None) -> Gray:
    """A picture (h, w) float32 averaged down to the maps' grid."""
    size = grid or (max(1, image.shape[1] // THUMB), max(1, image.shape[0] // THUMB))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def full(coarse: Gray, like: Gray) -> Gray:
    """A map of the grid as large as another picture, (h, w) float32."""
    whole = cv2.resize(coarse, (like.shape[1], like.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole, dtype=np.float32)
