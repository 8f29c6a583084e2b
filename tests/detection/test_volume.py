"""Cement is as thick as it is wide: balls and rods whose volume is known, and no picture of which one knew more."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from detection.rules import Rules
from detection.volume import volume_of, volume_of_piece

RULES = Rules()
SIZE = (160, 160)


def ball(radius_px, at=(80, 80)):
    mask = np.zeros(SIZE, np.uint8)
    cv2.circle(mask, (at[1], at[0]), radius_px, 1, -1)
    return mask.astype(np.bool_)


def middle(band):
    """The band reaches as many times beyond its middle as it begins below it."""
    return np.sqrt(band.low * band.high)


@pytest.mark.parametrize("px_per_mm", [2.0, 4.0])
def test_a_ball_has_the_volume_of_a_ball(px_per_mm):
    radius_mm = 10.0
    told = volume_of(ball(round(radius_mm * px_per_mm)), px_per_mm, RULES)
    true_ml = 4 / 3 * np.pi * radius_mm**3 / 1000
    assert middle(told) == pytest.approx(true_ml, rel=0.08)
    assert told.low < true_ml < told.high


def test_two_balls_hold_twice_as_much_as_one():
    both = ball(20, (60, 40)) | ball(20, (60, 110))
    assert middle(volume_of(both, 2.0, RULES)) == pytest.approx(2 * middle(volume_of(ball(20), 2.0, RULES)), rel=1e-6)


def test_a_rod_of_cement_is_told_a_quarter_too_thick():
    """2 mm thick, 30 mm long: 94 microlitres."""
    mask = np.zeros(SIZE, np.bool_)
    mask[70:78, 20:140] = True
    assert middle(volume_of(mask, 4.0, RULES)) == pytest.approx(0.094 * 4 / np.pi, rel=0.08)
    assert middle(volume_of_piece(60.0, 2.0, RULES)) == pytest.approx(0.0942, rel=0.01)


def test_where_it_lies_and_how_wide_the_picture_is_changes_nothing():
    at_the_border = np.zeros((40, 40), np.bool_)
    at_the_border[:20, :20] = True
    inside = np.zeros(SIZE, np.bool_)
    inside[50:70, 50:70] = True
    assert volume_of(at_the_border, 2.0, RULES) == volume_of(inside, 2.0, RULES)


def test_no_cement_has_no_volume():
    assert volume_of(np.zeros(SIZE, np.bool_), 2.0, RULES).high == 0.0
