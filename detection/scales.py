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
from detection.rules import Rules
from detection.vocabulary import Gray, Mask

THUMB = 8
"""Working pixels to one pixel of the coarse maps of background and noise."""

Grid = tuple[int, int]
"""Size (w, h) of those maps."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scale:
    """The accumulated change as one sharpness sees it: ``change`` and ``weight`` (h, w) float32, ``usable`` (h, w) bool.

    ``factor`` working pixels make one pixel here; ``grid`` is that of the maps, the same at every scale.
    """

    factor: int
    change: Gray
    weight: Gray
    usable: Mask
    grid: Grid


def find_hits(change: Gray, weight: Gray, usable: Mask, scene: Scene, rules: Rules) -> tuple[Mask, tuple[Gray, ...]]:
    """Working pixels (h, w) that hold something new, and the noise map of each scale with this frame counted.

    ``change`` (h, w) float32 in attenuation units; ``weight`` 1 where nothing is suspected; ``usable`` what can be judged.
    """
    near = _near(home_of(scene, change.shape, rules), rules.beside_mm * scene.px_per_mm)
    haze = np.clip(_haze(change, weight, rules.haze_mm * scene.px_per_mm), 0.0, np.float32(rules.haze_most))
    hits, noises = np.zeros(change.shape, np.bool_), []
    for k, factor in enumerate(_factors(scene, rules)):
        scale = _at_scale(change, weight, usable, factor, haze)
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


def _at_scale(change: Gray, weight: Gray, usable: Mask, factor: int, haze: Gray) -> Scale:
    grid = max(1, change.shape[1] // THUMB), max(1, change.shape[0] // THUMB)
    if factor == 1:
        return Scale(factor=1, change=change - full(haze, change), weight=weight, usable=usable, grid=grid)
    size = (change.shape[1] // factor, change.shape[0] // factor)
    # where nothing can be seen nothing must leak in
    seen = cv2.resize(usable.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(np.where(usable, change, np.float32(0)), size, interpolation=cv2.INTER_AREA)
    small = np.asarray(mean / np.maximum(seen, 0.5), dtype=np.float32)
    quiet = np.asarray(cv2.resize(weight, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    return Scale(
        factor=factor,
        change=np.asarray(cv2.GaussianBlur(small - full(haze, small), (0, 0), 1.0), dtype=np.float32),
        weight=quiet,
        usable=np.asarray(seen > 0.5),
        grid=grid,
    )


def _whole(hits: Mask, like: Gray) -> Mask:
    if hits.shape == like.shape:
        return hits
    size = (like.shape[1], like.shape[0])
    return np.asarray(cv2.resize(hits.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST), dtype=np.bool_)


def _haze(change: Gray, weight: Gray, reach_px: float) -> Gray:
    """What scatter and glare of dense cement spread about it, as a map on the grid: the median of a neighbourhood.

    A median is deaf to a vein, which fills less than half of it; behind cement the average of what surrounds it stands in.
    """
    total, share = thumb(change * weight), thumb(weight)
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
    lighter = np.asarray(scale.weight * (scale.change < 0.0), dtype=np.float32)
    bound = rules.noise_skew * _local_rms(scale.change, lighter, scale.grid)
    now = _local_rms(scale.change, scale.weight, scale.grid)
    now = np.asarray(np.where(near, np.minimum(now, bound), now), dtype=np.float32)
    if before is None:
        return np.asarray(np.maximum(now, rules.noise_floor), dtype=np.float32)
    share = cv2.blur(thumb(scale.weight, scale.grid), (5, 5))
    rate = rules.noise_rate * np.clip(share * 2.0 - 0.6, 0.0, 1.0)
    # where hardly anything lightens, what is there is no noise and tells nothing about it
    rate *= np.where(near, np.clip(10.0 * cv2.blur(thumb(lighter, scale.grid), (5, 5)), 0.0, 1.0), 1.0)
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
        crest = _crest(change, scale.weight, rules.ridge_mm * px_per_mm, rules)
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
    typical = np.maximum(
        _local_rms(ridge, quiet, (max(1, small.shape[1] // THUMB), max(1, small.shape[0] // THUMB))), 1e-6
    )
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
    count, labels, stats, _ = cv2.connectedComponentsWithStats(weak.astype(np.uint8), connectivity=8)
    held = np.bincount(labels[strong], minlength=count)
    keep = (stats[:, cv2.CC_STAT_AREA] >= least_px) & (held >= 3)
    keep[0] = False
    return np.asarray(keep[labels])


def _local_rms(image: Gray, weight: Gray, grid: Grid) -> Gray:
    power = cv2.blur(thumb(image * image * weight, grid), (5, 5))
    # running sums may round to a little less than nothing
    rest = np.maximum(power, 0.0) / (np.maximum(cv2.blur(thumb(weight, grid), (5, 5)), 0.0) + 1e-3)
    return np.asarray(np.sqrt(rest), dtype=np.float32)


def thumb(image: Gray, grid: Grid | None = None) -> Gray:
    """A picture (h, w) float32 averaged down to the maps' grid."""
    size = grid or (max(1, image.shape[1] // THUMB), max(1, image.shape[0] // THUMB))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def full(coarse: Gray, like: Gray) -> Gray:
    """A map of the grid as large as another picture, (h, w) float32."""
    whole = cv2.resize(coarse, (like.shape[1], like.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole, dtype=np.float32)
