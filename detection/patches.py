"""Masks that are mostly empty, and what is done to them where they are not: the same answer as over the whole picture.

A mask (h, w) bool is handed to OpenCV as it lies, without a copy: true is 1.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.vocabulary import Mask

Patch = tuple[slice, slice]
"""Rows and columns of a part of a picture."""
NOWHERE: Patch = (slice(0, 0), slice(0, 0))


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


def linked(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.int32], int]:
    """Places (n,) of what is set in a flattened mask (h, w), to which connected part each belongs, and how many parts with 0."""
    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    places = np.flatnonzero(mask)
    return places, np.asarray(labels, dtype=np.int32).ravel()[places], count
