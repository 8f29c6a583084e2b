"""Blades of a collimator that let some light through: what lies behind them is no field, though it is not black.

A pixel there has hardly a photon, so its logarithm trembles far beyond all that is called noise elsewhere, and the rim is taken
for contrast agent. They are told once for a scene, from the mean of its first frames: a level that lies by chance amid
what they let through would open and shut them from frame to frame.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.patches import touching_border
from detection.rules import Rules
from detection.vocabulary import Gray, Mask

CELL = 4
"""Working pixels to a cell in which blades are looked for."""
SHARES = (0.25, 0.5, 1.0)
"""Shares of ``blade_most`` that are tried, darkest first: how dim blades look hangs on curve and window."""


def cells_of(darkness: Gray) -> Gray:
    """A picture (h, w) whose dense parts are low, averaged down to the cells in which blades are looked for."""
    size = tuple(max(1, side // CELL) for side in darkness.shape[::-1])
    return np.asarray(cv2.resize(darkness, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def blades_in(cells: Gray, shape: tuple[int, ...], rules: Rules) -> Mask | None:
    """What blades shut of a picture of this shape, with the margin of every rim, (h, w); None where there are none.

    They end in an edge, and a dark part of a patient does not: right beside a blade it is several times as bright. A level
    that cuts through what is dim finds no edge.
    """
    for share in SHARES:
        shut = _dim_parts(cells, share * rules.blade_most * _usual(cells), rules)
        if shut.any() and np.count_nonzero(shut == 0) >= rules.least_field * shut.size:
            whole = cv2.resize(shut, shape[::-1], interpolation=cv2.INTER_NEAREST)
            margin = 2 * round(rules.field_margin_px) + 1
            return np.asarray(cv2.dilate(whole, np.ones((margin, margin), np.uint8)), dtype=np.bool_)
    return None


def lifted_in(cells: Gray, before: Gray, blades: Mask, rules: Rules) -> int:
    """How many pixels of what blades shut are open now: as bright beside the rest of the picture as no blade lets through.

    ``cells`` are those of a frame, ``before`` those of the scene that ``blades`` (h, w) were told in.
    """
    shut = cv2.resize(blades.view(np.uint8), cells.shape[::-1], interpolation=cv2.INTER_NEAREST).view(np.bool_)
    now, then = cells[shut] / _usual(cells), before[shut] / _usual(before)
    return CELL**2 * int(np.count_nonzero((now > rules.blade_most) & (now > rules.blade_edge * then)))


def _usual(cells: Gray) -> float:
    high, wide = cells.shape
    middle = cells[high // 4 : high - high // 4, wide // 4 : wide - wide // 4]
    return max(float(np.median(middle)), float(np.finfo(np.float32).tiny))


def _dim_parts(cells: Gray, dim: float, rules: Rules) -> NDArray[np.uint8]:
    """1 in what is dimmer, joined to the border and behind an edge, (h, w)."""
    rim = touching_border(np.asarray(cells < dim, dtype=np.bool_))
    shut = np.zeros(rim.shape, np.uint8)
    count, labels = cv2.connectedComponents(rim.view(np.uint8), connectivity=4)
    for label in range(1, count):
        part = (labels == label).astype(np.uint8)
        beside = cv2.dilate(part, np.ones((7, 7), np.uint8)) > cv2.dilate(part, np.ones((3, 3), np.uint8))
        if beside.any() and np.quantile(cells[beside], rules.blade_blurred) > rules.blade_edge * dim:
            shut |= part
    return shut
