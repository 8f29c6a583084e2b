"""What lies behind the needle, read from its shadow."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from detection.column import column_of, read_shadow
from detection.needle import find_needle
from tests.detection.films import RULES, empty_scene

PX_PER_MM = 4.0
SIZE = (200, 360)
TIP_COL, WIDTH_PX = 60, 12
"""A needle of 3 mm that comes in from the right and ends at column 60; its shadow has a margin of 0.6 mm."""


def opaque(row=100.0):
    mask = np.zeros(SIZE, np.uint8)
    margin = round(RULES.needle_margin_mm * PX_PER_MM)
    half = WIDTH_PX // 2 + margin
    mask[round(row) - half : round(row) + half + 1, TIP_COL - margin :] = 1
    return mask.astype(np.bool_)


def scene(**changed):
    needle = find_needle(opaque(), np.ones(SIZE, np.bool_), margin_px=RULES.needle_margin_mm * PX_PER_MM)
    column = column_of(needle, opaque(), PX_PER_MM, RULES)
    return empty_scene(SIZE, PX_PER_MM, needle=needle, opaque=opaque(), column=column, **changed)


def change_behind(*stretches_mm, contrast=0.1, level=0.0, noise=0.0):
    """A change of this contrast behind stretches of the needle, in mm from its tip."""
    rng = np.random.default_rng(3)
    fresh = np.full(SIZE, level, np.float32) + noise * rng.standard_normal(SIZE).astype(np.float32)
    for start, end in stretches_mm:
        fresh[:, round(TIP_COL + start * PX_PER_MM) : round(TIP_COL + end * PX_PER_MM)] += contrast
    return fresh


def reach_mm(fresh, of=None):
    """How far from the tip cement is seen behind the needle, 0 where none is."""
    filled = read_shadow(fresh, of or scene(), RULES).filled
    cols = np.nonzero(filled.any(axis=0))[0]
    return 0.0 if cols.size == 0 else (cols.max() - TIP_COL) / PX_PER_MM


def test_nothing_behind_the_needle_is_nothing():
    assert reach_mm(change_behind(noise=0.02)) == 0.0


@pytest.mark.parametrize("end_mm", [8.0, 20.0, 35.0])
def test_cement_behind_the_needle_is_seen_as_far_as_it_reaches(end_mm):
    assert reach_mm(change_behind((0.0, end_mm), noise=0.02)) == pytest.approx(end_mm, abs=1.5)


def test_it_fills_the_whole_width_of_the_shadow():
    filled = read_shadow(change_behind((0.0, 20.0)), scene(), RULES).filled
    assert (filled[:, TIP_COL + 40] == opaque()[:, TIP_COL + 40]).all()


def test_exposure_that_changes_the_whole_shadow_alike_is_not_cement():
    assert reach_mm(change_behind(level=0.05, noise=0.02)) == 0.0
    assert reach_mm(change_behind((0.0, 20.0), level=0.05)) == pytest.approx(20.0, abs=1.5)


def test_a_needle_that_has_moved_tells_nothing_and_forgets_nothing():
    before = np.full(75, 0.1, np.float32)
    shadow = read_shadow(change_behind((0.0, 20.0), level=-0.2), scene(shadow=before), RULES)
    assert shadow.filled is None
    assert shadow.profile is before


def test_what_does_not_hang_together_with_the_tip_is_not_cement_that_crept_back():
    assert reach_mm(change_behind((0.0, 10.0), (20.0, 30.0))) == pytest.approx(10.0, abs=1.5)


def test_a_faint_change_beside_dense_cement_is_scatter():
    fresh = change_behind((0.0, 10.0), contrast=0.3) + change_behind((10.0, 20.0), contrast=0.05)
    assert reach_mm(fresh) == pytest.approx(10.0, abs=1.5)


def test_a_needle_too_short_or_too_thin_is_not_read():
    short = replace(scene().needle, tail=(100.0, TIP_COL + 20.0))
    assert column_of(short, opaque(), PX_PER_MM, RULES) is None
    thin = cv2.erode(opaque().astype(np.uint8), np.ones((15, 15), np.uint8)).astype(np.bool_)
    assert column_of(scene().needle, thin, PX_PER_MM, RULES) is None


def test_without_a_needle_there_is_no_shadow():
    shadow = read_shadow(change_behind((0.0, 20.0)), empty_scene(SIZE, PX_PER_MM), RULES)
    assert (shadow.profile, shadow.filled) == (None, None)


def test_a_disturbed_stretch_far_from_the_tip_is_not_cement():
    assert reach_mm(change_behind((25.0, 35.0))) == 0.0
