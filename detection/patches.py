"""Masks that are mostly empty, and what is done to them where they are not: the same answer as over the whole picture.

A mask (h, w) bool is handed to OpenCV as it lies, without a copy: true is 1.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.vocabulary import Mask

Patch = tuple[slice, slice]
"""Rows and columns of a part of a picture."""
NOWHERE: Patch = (slice(0, 0), slice(0, 0))
EVERYWHERE: Patch = (slice(None), slice(None))


def patch_of(mask: Mask, reach_px: int = 0) -> Patch | None:
    """The smallest patch that holds a mask (h, w) and ``reach_px`` about it; None where nothing is set."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    if width == 0:
        return None
    rows = slice(max(0, top - reach_px), min(mask.shape[0], top + height + reach_px))
    return rows, slice(max(0, left - reach_px), min(mask.shape[1], left + width + reach_px))


def widened(mask: Mask, reach_px: int) -> Mask:
    """A mask (h, w) and all that lies within a square of ``reach_px`` about what is set."""
    wide = np.zeros(mask.shape, np.bool_)
    patch = patch_of(mask, reach_px)
    if patch is not None:
        size = 2 * reach_px + 1
        near = cv2.dilate(mask[patch].view(np.uint8), np.ones((size, size), np.uint8))
        wide[patch] = near.view(np.bool_)
    return wide


def on_edge(places: NDArray[np.intp], patch: Patch, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which places (n,) of a flattened patch lie where the patch ends but the picture of this shape goes on."""
    (top, bottom), (left, right) = ((side.start, side.stop) for side in patch)
    rows, cols = np.divmod(places, right - left)
    is_on = (rows == 0) & (top > 0)
    is_on |= (rows == bottom - top - 1) & (bottom < shape[0])
    is_on |= (cols == 0) & (left > 0)
    is_on |= (cols == right - left - 1) & (right < shape[1])
    return np.asarray(is_on)


def among(numbers: NDArray[np.uint8], wanted: Iterable[int]) -> Mask:
    """Where numbers (h, w) are one of a few: a hundredth of the time of ``np.isin``."""
    found = np.zeros(numbers.shape, np.bool_)
    for number in wanted:
        found |= numbers == number
    return found


def linked(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.int32], int]:
    """Places (n,) of what is set in a flattened mask (h, w), to which connected part each belongs, and how many parts with 0."""
    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    places = np.flatnonzero(mask)
    return places, np.asarray(labels, dtype=np.int32).ravel()[places], count
