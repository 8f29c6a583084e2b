"""How well the outline of a body fits a picture: profiles across its four sides, against the shape that bone edges have."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.guesses import Quads
from detection.rules import Rules
from detection.vocabulary import Gray, Mask, View

GRID_MM = 0.5
"""Grid of the flattened picture."""
GRID_SIDE = (16, 2048)
"""Grid points along a side, least and most: 8 mm to a metre. Beyond them the scale is wrong."""
TAPS_MM = np.array([-4.5, -3, -1.5, 0, 1.5, 3, 4.5], np.float32)
"""Where a profile is read across a side; positive is inside the body."""
N_ALONG = 8
"""Profiles along each side."""
SIDES = (
    (0, 2, 0.07, 0.93),
    (1, 3, 0.07, 0.93),
    (0, 1, 0.07, 0.93),
    (2, 3, 0.07, 0.93),
    (0, 1, -1.3, -0.3),
    (0, 1, 1.3, 2.3),
    (2, 3, -1.3, -0.3),
    (2, 3, 1.3, 2.3),
)
"""Corners at the ends of each side and the part of their line that is read: superior, inferior, near and far side of the body;
then the near and the far wall of the bodies above and below, which go on in one line."""
FIRST, LAST = np.array([side[0] for side in SIDES]), np.array([side[1] for side in SIDES])
N_SPOTS = N_ALONG * TAPS_MM.size
ALONG = np.repeat([np.linspace(side[2], side[3], N_ALONG) for side in SIDES], TAPS_MM.size, axis=1).astype(np.float32)
REACH = np.tile(TAPS_MM / np.float32(GRID_MM), N_ALONG)
"""Where each of the ``N_SPOTS`` taps of a side lies along it, as a share of it, (8, n), and across it, in grid steps, (n,)."""
PART = 128
"""Outlines looked at together: what they need stays in the processor's cache, and far below what one OpenCV look-up can hold."""
SHAPES: Mapping[View, NDArray[np.float32]] = {
    View.LATERAL: np.array(
        [
            [0.62, -1.05, -1.03, 0.62, 0.72, 0.71, -1.01],
            [0.62, -1.05, -1.03, 0.62, 0.72, 0.71, -1.01],
            [-0.85, -1.67, -1.41, -0.05, 0.57, 1.87, -0.59],
            [1.07, -1.06, -0.51, 0.33, 2.05, 2.39, -0.94],
            [-0.65, -1.28, -0.81, -0.16, 0.11, 0.35, 0.12],
            [-0.65, -1.28, -0.81, -0.16, 0.11, 0.35, 0.12],
            [0.05, -0.12, -0.02, 0.03, 0.09, 0.21, -0.39],
            [0.05, -0.12, -0.02, 0.03, 0.09, 0.21, -0.39],
        ],
        np.float32,
    ),
    View.AP: np.array(
        [
            [0.24, -1.26, -0.56, 0.62, 1.25, 1.22, -0.65],
            [0.50, -0.69, -1.89, 0.83, 1.29, 1.21, 0.59],
            [0.14, -0.46, -0.73, -0.38, 0.32, 0.87, -0.01],
            [0.14, -0.46, -0.73, -0.38, 0.32, 0.87, -0.01],
            [-0.22, 0.10, 0.24, 0.31, 0.32, 0.28, 0.21],
            [-0.22, 0.10, 0.24, 0.31, 0.32, 0.28, 0.21],
            [-0.22, 0.10, 0.24, 0.31, 0.32, 0.28, 0.21],
            [-0.22, 0.10, 0.24, 0.31, 0.32, 0.28, 0.21],
        ],
        np.float32,
    ),
}
"""What each tap of each side is worth: soft disc or muscle outside, dense rim inside. Fitted as a conditional logit on drawn
patients and a real CT alike (`python -m tests.calibration.bodies`); where a picture shows no edges the sum stays near 0."""


def flatten(reference: Gray, usable: Mask, px_per_mm: float, rules: Rules) -> Gray:
    """The picture on a grid of ``GRID_MM`` in units of its own contrast nearby, held at +-2.5; 0 where not usable.

    Wide shadows go, and so does exposure: only what is brighter or darker than around it stays.
    A scale that no picture has leaves one 0: a grid of its size would take the machine's memory.
    """
    factor = 1.0 / (px_per_mm * GRID_MM)
    if min(reference.shape) * factor < GRID_SIDE[0] or max(reference.shape) * factor > GRID_SIDE[1]:
        return np.zeros((1, 1), np.float32)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    weight = usable.astype(np.float32)
    picture = np.asarray(cv2.resize(reference * weight, None, fx=factor, fy=factor, interpolation=how), np.float32)
    weight = np.asarray(cv2.resize(weight, picture.shape[::-1], interpolation=how), np.float32)
    fine = _blur(picture, 0.6) / (_blur(weight, 0.6) + 1e-3)
    detail = fine - _wide(picture, 9) / (_wide(weight, 9) + 1e-3)
    contrast = np.sqrt(_wide(detail * detail * weight, 12) / (_wide(weight, 12) + 1e-3))
    flat = np.clip(detail / (contrast + rules.body_least_contrast), -2.5, 2.5)
    return np.asarray(np.where(weight > 0.5, flat, 0), dtype=np.float32)


def fit_of(flat: Gray, quads: Quads, view: View) -> NDArray[np.float32]:
    """How much the picture speaks for each outline (n,), as a logarithm of odds; corners in grid steps of ``flat``."""
    return np.asarray((profiles_of(flat, quads) * SHAPES[view]).sum(axis=(1, 2)), dtype=np.float32)


def support_of(flat: Gray, quad: Quads, view: View) -> tuple[float, float]:
    """What bears one outline (1, 4, 2) out beyond its sum: the third weakest of its half sides, and how far its walls go on.

    A chance outline has a half side without an edge, and neighbours out of line.
    """
    worth = (_profiles(flat, quad)[0] * SHAPES[view][:, None, :]).sum(axis=2)
    halves = np.sort(worth[:4].reshape(8, N_ALONG // 2).mean(axis=1))
    return float(halves[2]), float((worth[4:] > 0).mean())


def profiles_of(flat: Gray, quads: Quads) -> NDArray[np.float32]:
    """The mean profile across each of ``SIDES``, (n, 8, taps)."""
    means = np.empty((len(quads), len(SIDES), TAPS_MM.size), np.float32)
    for begin in range(0, len(quads), PART):
        taps = _profiles(flat, quads[begin : begin + PART])
        total = means[begin : begin + PART]
        total[:] = taps[:, :, 0]
        for along in range(1, N_ALONG):
            total += taps[:, :, along]
    means /= np.float32(N_ALONG)
    return means


def _profiles(flat: Gray, quads: Quads) -> NDArray[np.float32]:
    """Profiles along each of ``SIDES``, (n, 8, ``N_ALONG``, taps), of ``PART`` outlines at most."""
    start, way = quads[:, FIRST], quads[:, LAST] - quads[:, FIRST]
    inward = np.stack([-way[..., 1], way[..., 0]], axis=2)
    inward /= np.linalg.norm(inward, axis=2, keepdims=True) + 1e-6
    inward *= np.sign(((quads.mean(axis=1)[:, None] - start) * inward).sum(axis=2, keepdims=True))
    rows, cols = (_spots(start[..., each], way[..., each], inward[..., each]).reshape(-1, N_SPOTS) for each in (0, 1))
    taps = cv2.remap(flat, cols, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(taps, dtype=np.float32).reshape(len(quads), len(SIDES), N_ALONG, TAPS_MM.size)


def _spots(start: NDArray[np.float32], way: NDArray[np.float32], inward: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows or columns of every tap along every side, (n, 8, ``N_SPOTS``); all that is given is (n, 8)."""
    spots = way[..., None] * ALONG
    spots += start[..., None]
    spots += inward[..., None] * REACH
    return spots


def _blur(picture: Gray, sigma_mm: float) -> Gray:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma_mm / GRID_MM), dtype=np.float32)


def _wide(picture: Gray, sigma_mm: float) -> Gray:
    """A wide blur, on a quarter of the grid."""
    small = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    wide = cv2.GaussianBlur(small, (0, 0), sigma_mm / GRID_MM / 4)
    return np.asarray(cv2.resize(wide, picture.shape[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.float32)
