"""Masks that are mostly empty, and what is done to them where they are not: the same answer as over the whole picture.

A mask (h, w) bool is handed to OpenCV as it lies, without a copy: true is 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.kept import kept
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


@kept
def patch_kept(mask: Mask) -> Patch | None:
    """As ``patch_of``, of a mask that a scene keeps and that nobody writes to again: looked for once."""
    return patch_of(mask)


def widened(mask: Mask, reach_px: int, *, is_kept: bool = False) -> Mask:
    """A mask (h, w) and all that lies within a square of ``reach_px`` about what is set; ``is_kept`` as for ``patch_kept``."""
    wide = np.zeros(mask.shape, np.bool_)
    patch = patch_kept(mask) if is_kept else patch_of(mask)
    if patch is not None:
        patch, _ = with_margin(patch, reach_px, mask.shape)
        size = 2 * reach_px + 1
        near = cv2.dilate(mask[patch].view(np.uint8), np.ones((size, size), np.uint8))
        wide[patch] = near.view(np.bool_)
    return wide


def with_margin(patch: Patch, reach_px: int, shape: tuple[int, ...]) -> tuple[Patch, Patch]:
    """A patch and ``reach_px`` about it in a picture of this shape, and where the patch itself lies in that."""
    wide, inner = [], []
    for side, size in zip(patch, shape, strict=True):
        start = max(0, side.start - reach_px)
        wide.append(slice(start, min(size, side.stop + reach_px)))
        inner.append(slice(side.start - start, side.stop - start))
    return (wide[0], wide[1]), (inner[0], inner[1])


def on_edge(labels: NDArray[np.int32], patch: Patch, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """The labels above 0 that a labelled patch (h, w) has where it ends but the picture of this shape goes on."""
    (top, bottom), (left, right) = ((side.start, side.stop) for side in patch)
    goes_on = (top > 0, bottom < shape[0], left > 0, right < shape[1])
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    met = np.concatenate([np.zeros(0, np.int32), *compress(sides, goes_on)])
    return np.asarray(met[met > 0])


def among(numbers: NDArray[np.uint8], wanted: Iterable[int]) -> Mask:
    """Where numbers (h, w) are one of a few: a hundredth of the time of ``np.isin``."""
    found = np.zeros(numbers.shape, np.bool_)
    for number in wanted:
        found |= numbers == number
    return found


class Parts(NamedTuple):
    """The connected parts of a mask (h, w).

    ``places`` (n,) of what is set in the flattened mask, ``of`` (n,) to which part each belongs, ``n_with_none`` how many
    parts there are with 0, and all ``labels`` (h, w).
    """

    places: NDArray[np.intp]
    of: NDArray[np.int32]
    n_with_none: int
    labels: NDArray[np.int32]


def linked(mask: Mask) -> Parts:
    """What hangs together in a mask (h, w), corners included."""
    count, found = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    labels, places = np.asarray(found, dtype=np.int32), np.flatnonzero(mask)
    return Parts(places=places, of=labels.ravel()[places], n_with_none=count, labels=labels)


def touching_border(black: Mask) -> Mask:
    """The parts of a mask (h, w) that are connected to its border."""
    if not (black[0].any() or black[-1].any() or black[:, 0].any() or black[:, -1].any()):
        return np.zeros(black.shape, np.bool_)
    # one black frame about the picture joins them all
    framed = cv2.copyMakeBorder(black.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(framed, None, (0, 0), 2, flags=4)
    return np.asarray(framed[1:-1, 1:-1] == 2)
