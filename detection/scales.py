"""What is new at several scales: thin and dense things on the fine picture, broad and faint ones on coarser ones.

Found by a threshold with hysteresis in units of the noise that the same neighbourhood showed without cement. Averaged over
more pixels noise falls and cement does not, so what is broad may be fainter (Rose criterion at each scale).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.memory import Scene
from detection.patches import Parts, Patch, linked, on_edge, patch_of, with_margin
from detection.rules import Rules
from detection.vocabulary import Corners, Gray, Mask, Point

THUMB = 8
"""Working pixels to one pixel of the coarse maps of background and noise."""

Grid = tuple[int, int]
"""Size (w, h) of those maps."""
Found = tuple[Patch, Mask]
"""A part of a picture and what is set there; nothing is set elsewhere."""

MOST_PLACES = 12
"""Scenes whose map of where cement is awaited is remembered."""
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
    near = _near_of(*_places_of(scene, change.shape, rules), rules.beside_mm * scene.px_per_mm)
    haze = np.clip(_haze(change, quiet, rules.haze_mm * scene.px_per_mm), 0.0, np.float32(rules.haze_most))
    seen = usable.astype(np.float32)
    # where nothing can be seen nothing must leak in
    shown = change * seen
    hits, noises = np.zeros(change.shape, np.bool_), []
    for k, factor in enumerate(_factors(scene, rules)):
        scale = _fine(change, quiet, usable, haze) if factor == 1 else _coarse((shown, seen), quiet, factor, haze)
        noises.append(_noise(scale, near, scene.noise[k] if k < len(scene.noise) else None, rules))
        found = _hits_at(scale, noises[k], scene, rules)
        if found is not None:
            patch, within = _whole(found, scale.usable.shape, change.shape)
            hits[patch] |= within
    return hits, tuple(noises)


def home_of(scene: Scene, shape: tuple[int, ...], rules: Rules) -> NDArray[np.uint8]:
    """1 where cement is awaited: the body, and about the needle's tip; (h, w) uint8, not to be written to."""
    return _home_of(*_places_of(scene, shape, rules))


Places = tuple[tuple[int, ...], Point | None, int, Corners | None]
"""A picture's shape, the needle's tip and how far about it cement is awaited (px), and a body: the same for a whole scene."""


def _places_of(scene: Scene, shape: tuple[int, ...], rules: Rules) -> Places:
    tip = None if scene.needle is None else scene.needle.tip
    corners = None if scene.region is None else scene.region.body.corners
    return shape, tip, round(rules.tip_reach_mm * scene.px_per_mm), corners


@lru_cache(maxsize=MOST_PLACES)
def _home_of(shape: tuple[int, ...], tip: Point | None, reach_px: int, c: Corners | None) -> NDArray[np.uint8]:
    home = np.zeros(shape, np.uint8)
    if tip is not None:
        cv2.circle(home, (round(tip[1]), round(tip[0])), reach_px, 1, -1)
    if c is not None:
        quad = [c.near_superior, c.near_inferior, c.far_inferior, c.far_superior]
        cv2.fillPoly(home, [np.array([[round(col), round(row)] for row, col in quad], np.int32)], 1)
    home.flags.writeable = False
    return home


@lru_cache(maxsize=MOST_PLACES)
def _near_of(
    shape: tuple[int, ...], tip: Point | None, reach_px: int, corners: Corners | None, beside_px: float
) -> Mask:
    """Where cement may come to, on the grid of the maps; not to be written to."""
    home = _home_of(shape, tip, reach_px, corners)
    size = 2 * round(beside_px / THUMB) + 1
    coarse = (thumb(home.astype(np.float32)) > 0.0).astype(np.uint8)
    near = np.asarray(cv2.dilate(coarse, np.ones((size, size), np.uint8)), dtype=np.bool_)
    near.flags.writeable = False
    return near


def _factors(scene: Scene, rules: Rules) -> tuple[int, ...]:
    """Working pixels to a pixel of each scale, finest first."""
    broad = (round(mm * scene.px_per_mm) for mm in (rules.broad_mm, 2.0 * rules.broad_mm))
    return tuple(sorted({1, *(max(1, factor) for factor in broad)}))


def _fine(change: Gray, quiet: Quiet, usable: Mask, haze: Gray) -> Scale:
    sharp = full(haze, change)
    cv2.subtract(change, sharp, dst=sharp)
    return Scale(factor=1, change=sharp, quiet=quiet, usable=usable)


def _coarse(shown_and_seen: tuple[Gray, Gray], quiet: Quiet, factor: int, haze: Gray) -> Scale:
    """Of the change where it can be judged and 0 elsewhere, and of 1 where it can, both (h, w)."""
    small, seen, weight = _reduced_together((*shown_and_seen, quiet.weight), factor)
    small /= np.maximum(seen, np.float32(0.5))
    small -= full(haze, small)
    return Scale(
        factor=factor,
        change=np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0), dtype=np.float32),
        quiet=Quiet(weight=weight, thumb=quiet.thumb),
        usable=np.asarray(seen > 0.5),
    )


def _reduced(picture: Gray, factor: int) -> Gray:
    """A picture (h, w) averaged down; where ``factor`` does not divide its size, a pixel here is a little more than that."""
    if factor == 1:
        return picture
    size = (max(1, picture.shape[1] // factor), max(1, picture.shape[0] // factor))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _reduced_together(pictures: tuple[Gray, ...], factor: int) -> tuple[Gray, ...]:
    """As ``_reduced``, of several pictures: where pixels are cut apart three take little longer than one."""
    height, width = pictures[0].shape
    if height % factor == 0 and width % factor == 0:
        return tuple(_reduced(each, factor) for each in pictures)
    small = cv2.resize(
        cv2.merge(pictures), (max(1, width // factor), max(1, height // factor)), interpolation=cv2.INTER_AREA
    )
    return tuple(np.asarray(each, dtype=np.float32) for each in cv2.split(small))


def _whole(found: Found, shape: tuple[int, ...], full_shape: tuple[int, ...]) -> Found:
    """What was found in a picture of one shape where it lies in a larger one, by the nearest pixel."""
    if shape == full_shape:
        return found
    (rows, cols), within = found
    on_rows, from_rows = _nearest(rows, shape[0], full_shape[0])
    on_cols, from_cols = _nearest(cols, shape[1], full_shape[1])
    return (on_rows, on_cols), within.take(from_rows, axis=0).take(from_cols, axis=1)


def _nearest(side: slice, n: int, n_full: int) -> tuple[slice, NDArray[np.intp]]:
    """Which of ``n_full`` pixels have their nearest one of ``n`` on this side of a patch, and which of the side that is."""
    # as OpenCV has it
    nearest = np.minimum((np.arange(n_full) * (1.0 / (n_full / n))).astype(np.intp), n - 1)
    first, last = (int(each) for each in np.searchsorted(nearest, [side.start, side.stop]))
    return slice(first, last), nearest[first:last] - side.start


def _haze(change: Gray, quiet: Quiet, reach_px: float) -> Gray:
    """What scatter and glare of dense cement spread about it, as a map on the grid: the median of a neighbourhood.

    A median is deaf to a vein, which fills less than half of it; behind cement the average of what surrounds it stands in.
    """
    total, share = thumb(change * quiet.weight), quiet.thumb
    size = 2 * round(reach_px / THUMB / 2) + 1
    around = cv2.blur(total, (size, size)) / (cv2.blur(share, (size, size)) + 1e-2)
    cells = np.where(share > 0.5, total / np.maximum(share, 0.5), around).astype(np.float32)
    return np.asarray(cv2.blur(cv2.medianBlur(cells, 5), (3, 3)), dtype=np.float32)


def _noise(scale: Scale, near: Mask, before: Gray | None, rules: Rules) -> Gray:
    """Coarse map of noise; where little quiet picture is left, what was known before stays.

    Noise lightens as often as it darkens, cement never does. So where cement may come to what became lighter bounds the
    noise, and slow cement that nobody has found yet cannot hide in the noise that it makes itself.
    """
    weight, share = scale.quiet.weight, cv2.blur(scale.quiet.thumb, (5, 5))
    grid: Grid = (scale.quiet.thumb.shape[1], scale.quiet.thumb.shape[0])
    square = scale.change * scale.change
    square *= weight
    whole = thumb(square, grid)
    lighter = np.asarray(cv2.threshold(scale.change, 0.0, 1.0, cv2.THRESH_BINARY_INV)[1], dtype=np.float32)
    square *= lighter
    lighter *= weight
    light = thumb(square, grid), thumb(lighter, grid)
    bound = np.asarray(rules.noise_skew * _local_rms(light[0], light[1]), dtype=np.float32)
    now = _local_rms(whole, scale.quiet.thumb)
    now = np.asarray(cv2.copyTo(np.minimum(now, bound), near.view(np.uint8), now), dtype=np.float32)
    if before is None:
        return np.asarray(np.maximum(now, rules.noise_floor), dtype=np.float32)
    rate = rules.noise_rate * np.clip(share * 2.0 - 0.6, 0.0, 1.0)
    # where hardly anything lightens, what is there is no noise and tells nothing about it
    rate *= np.where(near, np.clip(10.0 * cv2.blur(light[1], (5, 5)), 0.0, 1.0), 1.0)
    # A new leak must not hide itself in its own noise: upward the estimate follows slowly.
    rate = np.where(now > before, rate * 0.25, rate)
    return np.asarray(np.maximum(before + rate * (now - before), rules.noise_floor), dtype=np.float32)


def _hits_at(scale: Scale, noise: Gray, scene: Scene, rules: Rules) -> Found | None:
    """What is new at one scale, by threshold with hysteresis. Weak pixels are looked at only about strong ones."""
    change, px_per_mm = scale.change, scene.px_per_mm / scale.factor
    strong = change > full(np.maximum(rules.strong_sigma * noise, np.float32(rules.least_contrast)), change)
    strong &= scale.usable
    enough = np.maximum(rules.weak_sigma * noise, np.float32(rules.least_contrast / 2))

    def weak_in(patch: Patch) -> Mask:
        weak = change[patch] > full(enough, change, patch)
        weak &= scale.usable[patch]
        weak &= ~_skirt(scale, patch, rules)
        return weak

    return _grow(strong, weak_in, rules.least_piece_mm2 * px_per_mm**2)


def _skirt(scale: Scale, patch: Patch, rules: Rules) -> Mask:
    """What blur spreads about dense cement, a mask of the patch: next to something much stronger."""
    reach, share = (
        (round(2 * rules.smooth_px), rules.skirt_share) if scale.factor == 1 else (2, rules.broad_skirt_share)
    )
    size = 2 * reach + 1
    wide, inner = with_margin(patch, reach, scale.change.shape)
    strongest = cv2.dilate(scale.change[wide], np.ones((size, size), np.uint8))[inner]
    return np.asarray(scale.change[patch] < share * strongest)


def _grow(strong: Mask, weak_in: Callable[[Patch], Mask], least_px: float) -> Found | None:
    """Hysteresis: connected weak pixels that hold strong ones and are large enough; None where nothing is strong."""
    patch = patch_of(strong, GROWTH_PX)
    if patch is None:
        return None
    weak = weak_in(patch)
    parts = linked(weak)
    held = _held(parts, strong[patch])
    if held[on_edge(parts.labels, patch, strong.shape)].any():
        # what goes on beyond the patch is not known from it
        patch = (slice(0, strong.shape[0]), slice(0, strong.shape[1]))
        weak = weak_in(patch)
        parts = linked(weak)
        held = _held(parts, strong)
    keep = (np.bincount(parts.of, minlength=parts.n_with_none) >= least_px) & (held >= 3)
    within = np.zeros(weak.shape, np.bool_)
    within.ravel()[parts.places] = keep[parts.of]
    return patch, within


def _held(parts: Parts, strong: Mask) -> NDArray[np.intp]:
    """How many strong pixels each part holds."""
    return np.bincount(parts.of[strong.ravel()[parts.places]], minlength=parts.n_with_none)


def _local_rms(square: Gray, weight: Gray) -> Gray:
    """Coarse map of the root of a mean; both are coarse maps: the squares, weighed, and their weight."""
    power = cv2.blur(square, (5, 5))
    # running sums may round to a little less than nothing
    rest = np.maximum(power, 0.0) / (np.maximum(cv2.blur(weight, (5, 5)), 0.0) + 1e-3)
    return np.asarray(np.sqrt(rest), dtype=np.float32)


def thumb(image: Gray, grid: Grid | None = None) -> Gray:
    """A picture (h, w) float32 averaged down to the maps' grid; the few rows and columns that are left over do not count."""
    size = grid or (max(1, image.shape[1] // THUMB), max(1, image.shape[0] // THUMB))
    if grid is None and min(image.shape) >= THUMB:
        image = image[: size[1] * THUMB, : size[0] * THUMB]
    ratio = image.shape[0] // size[1]
    if image.shape == (ratio * size[1], ratio * size[0]):
        while ratio > 2 and ratio % 2 == 0:  # half by half takes half the time
            image, ratio = _reduced(image, 2), ratio // 2
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def full(coarse: Gray, like: Gray, patch: Patch | None = None) -> Gray:
    """A map of the grid as large as another picture, (h, w) float32, or a patch of that."""
    height, width = like.shape
    if patch is not None:
        ratio = height // coarse.shape[0]
        if like.shape != (ratio * coarse.shape[0], ratio * coarse.shape[1]):
            return full(coarse, like)[patch]
        # the same to the bit: a pixel hangs on its cell and the next one
        cells, _ = with_margin((_cells(patch[0], ratio), _cells(patch[1], ratio)), 1, coarse.shape)
        coarse = coarse[cells]
        height, width = coarse.shape[0] * ratio, coarse.shape[1] * ratio
    whole = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    if patch is None:
        return np.asarray(whole, dtype=np.float32)
    rows, cols = (
        slice(side.start - ratio * cell.start, side.stop - ratio * cell.start)
        for side, cell in zip(patch, cells, strict=True)
    )
    return np.asarray(whole[rows, cols], dtype=np.float32)


def _cells(side: slice, ratio: int) -> slice:
    return slice(side.start // ratio, -(-side.stop // ratio))
