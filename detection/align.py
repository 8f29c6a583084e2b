"""How far the patient moved, and whether to believe it.

Lucas-Kanade on a band-passed picture, coarse to fine, with suspected cement and instruments left out
(Baker and Matthews 2004, inverse compositional form). Plain phase correlation follows a growing cement blob;
it serves only as a starting guess after a large move.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

import cv2
import numpy as np

from detection.kept import kept
from detection.vocabulary import Gray, Mask, Point

TEXTURE_SHRINK = 2
"""Texture is kept at half the working size: sub-pixel there is a quarter of a millimetre."""
NEAREST = 1024
"""Steps to a pixel in which OpenCV tells the nearest pixel of a moved picture; a copy of whole pixels is thirty times as quick."""


class Sloped(NamedTuple):
    """A picture (h, w) and how it changes downwards and to the right."""

    image: Gray
    down: Gray
    right: Gray


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Motion from reference to frame in working pixels (row, col); ``trust`` is the correlation, 0 to 1."""

    row: float
    col: float
    trust: float


def texture_of(attenuation: Gray, field: Mask) -> Gray:
    """Band-passed attenuation at half the working size, (h/2, w/2) float32, zero outside the field, unit spread."""
    size = (attenuation.shape[1] // TEXTURE_SHRINK, attenuation.shape[0] // TEXTURE_SHRINK)
    small = np.asarray(cv2.resize(attenuation, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
    is_open, n_open = field.all(), float(small.size)
    if is_open:
        small -= cv2.blur(small, (31, 31)) / np.float32(1.001)
    else:
        inside = np.asarray(cv2.resize(field.astype(np.float32), size, interpolation=cv2.INTER_AREA), dtype=np.float32)
        n_open = max(float(inside.sum()), 1e-3 * small.size)
        small -= cv2.blur(small * inside, (31, 31)) / (cv2.blur(inside, (31, 31)) + np.float32(1e-3))
        small *= inside
    band = np.asarray(cv2.GaussianBlur(small, (0, 0), 1.2), dtype=np.float32)
    spread = float(np.sqrt(float(np.vdot(band, band)) / n_open)) + 1e-6
    band *= np.float32(1 / spread)
    return np.clip(band, -2.5, 2.5, out=band)


def find_shift(reference: Gray, current: Gray, usable: Mask, start: Point = (0.0, 0.0)) -> Shift:
    """The shift of ``current`` against ``reference``, both from ``texture_of``, over the ``usable`` pixels.

    ``usable`` is (h/2, w/2) bool. ``start`` is in working pixels. Trust 0 means that there was nothing to hold on to.
    """
    row, col = start[0] / TEXTURE_SHRINK, start[1] / TEXTURE_SHRINK
    weight = usable.astype(np.float32)
    for level, before in zip((2, 1), _sloped(reference), strict=True):
        now, held = _half(current, level), _half(weight, level)
        row, col = _refine(before, now, held, (row / level, col / level), n_steps=5 if level > 1 else 2)
        row, col = row * level, col * level
    trust = _correlation(reference, _moved(current, row, col), weight)
    return Shift(row=row * TEXTURE_SHRINK, col=col * TEXTURE_SHRINK, trust=trust)


def guess_shift(reference: Gray, current: Gray) -> Point:
    """A starting guess (row, col) in working pixels after a large move, by phase correlation."""
    window = cv2.createHanningWindow((reference.shape[1], reference.shape[0]), cv2.CV_32F)
    # copies: where no padding is needed OpenCV multiplies its inputs by the window in place
    (col, row), _ = cv2.phaseCorrelate(reference.copy(), current.copy(), window)
    return row * TEXTURE_SHRINK, col * TEXTURE_SHRINK


def bring_back(image: Gray, shift: Point, *, outside: float | None = None) -> Gray:
    """The image as it would look had the patient not moved; ``outside`` fills what was not seen (None: edge value)."""
    border = cv2.BORDER_REPLICATE if outside is None else cv2.BORDER_CONSTANT
    return _warp(image, shift[0], shift[1], border, outside or 0.0)


def bring_field_back(field: Mask, shift: Point) -> Mask:
    """The open field (h, w) as ``bring_back`` would move it; what was not seen is closed."""
    down, right = (
        max(-size, min(size, (round(way * NEAREST) + NEAREST // 2) // NEAREST))
        for way, size in zip(shift, field.shape, strict=True)
    )
    height, width = field.shape
    moved = np.zeros_like(field)
    seen = field[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)]
    moved[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)] = seen
    return moved


def _half(image: Gray, level: int) -> Gray:
    if level == 1:
        return image
    half = cv2.resize(image, (image.shape[1] // level, image.shape[0] // level), interpolation=cv2.INTER_AREA)
    return np.asarray(half, dtype=np.float32)


def _warp(image: Gray, row: float, col: float, border: int, fill: float) -> Gray:
    """What ``cv2.warpAffine`` gives for a mere shift, but for the last bit, in a quarter of its time."""
    height, width = image.shape
    (down, lower), (right, farther) = _whole_and_rest(row, height), _whole_and_rest(col, width)
    sides = max(0, -down), max(0, down + 1), max(0, -right), max(0, right + 1)
    wide = cv2.copyMakeBorder(image, *sides, border, value=fill)
    here = wide[max(0, down) :, max(0, right) :]
    beside = cv2.addWeighted(here[: height + 1, :width], 1 - farther, here[: height + 1, 1 : width + 1], farther, 0.0)
    return np.asarray(cv2.addWeighted(beside[:-1], 1 - lower, beside[1:], lower, 0.0), dtype=np.float32)


def _whole_and_rest(way: float, size: int) -> tuple[int, float]:
    """A way as whole pixels and the rest, in the 32nds that OpenCV interpolates in; beyond the picture where it is no number."""
    if not isfinite(way):
        return size, 0.0
    steps = (round(way * NEAREST) + NEAREST // 64) // (NEAREST // 32)
    return max(-size - 1, min(size, steps // 32)), steps % 32 / 32


def _moved(image: Gray, row: float, col: float) -> Gray:
    return _warp(image, row, col, cv2.BORDER_CONSTANT, 0.0)


@kept
def _sloped(reference: Gray) -> tuple[Sloped, Sloped]:
    """A texture at half its size, and as it is."""
    half = _half(reference, 2)
    return _with_slopes(half), _with_slopes(reference)


def _with_slopes(image: Gray) -> Sloped:
    down, right = (cv2.Sobel(image, cv2.CV_32F, *way, ksize=3, scale=1 / 8) for way in ((0, 1), (1, 0)))
    return Sloped(image, np.asarray(down, dtype=np.float32), np.asarray(right, dtype=np.float32))


def _refine(sloped: Sloped, current: Gray, weight: Gray, start: Point, n_steps: int) -> Point:
    reference, slope_row, slope_col = sloped
    row, col = start
    for _ in range(n_steps):
        rest = _moved(current, row, col) - reference
        # Huber weights: new cement that nobody suspected yet pulls with bounded force.
        pull = np.abs(rest)
        pull += np.float32(1e-6)
        np.divide(np.float32(0.8), pull, out=pull)
        np.minimum(pull, np.float32(1.0), out=pull)
        pull *= weight
        wr, wc = pull * slope_row, pull * slope_col
        down, across, right = (float(np.vdot(*pair)) for pair in ((wr, slope_row), (wr, slope_col), (wc, slope_col)))
        size = down * right - across * across
        if size < 1e-3:
            return start
        pulls = float(np.vdot(wr, rest)), float(np.vdot(wc, rest))
        step = (right * pulls[0] - across * pulls[1]) / size, (down * pulls[1] - across * pulls[0]) / size
        row, col = row - step[0], col - step[1]
        if abs(step[0]) + abs(step[1]) < 0.02:
            break
    return row, col


def _correlation(reference: Gray, current: Gray, weight: Gray) -> float:
    seen = weight * (current != 0.0)
    before = seen * reference
    power = float(np.vdot(before, reference)) * float(np.vdot(seen * current, current))
    if power <= 0.0:
        return 0.0
    return max(0.0, float(np.vdot(before, current)) / float(np.sqrt(power)))
