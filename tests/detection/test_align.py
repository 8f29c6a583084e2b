"""Motion: found to a fraction of a pixel, not pulled by cement, and not believed where there is nothing to hold on to."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.align import bring_back, bring_field_back, find_shift, guess_shift, texture_of
from tests.detection.films import mottle

SIZE = (256, 256)
OPEN = np.ones(SIZE, np.bool_)
USABLE = np.ones((128, 128), np.bool_)
PATIENT = mottle(SIZE, seed=5, grain_px=5.0)


def moved(image, row, col):
    matrix = np.array([[1.0, 0.0, col], [0.0, 1.0, row]])
    return cv2.warpAffine(image, matrix, image.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def blob(centre, radius_px):
    rows, cols = np.indices(SIZE, dtype=np.float32)
    away = np.hypot(rows - centre[0], cols - centre[1])
    return np.clip(radius_px - away, 0.0, 1.0).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(st.floats(-6, 6), st.floats(-6, 6))
def test_a_small_move_is_found_to_a_quarter_of_a_pixel(row, col):
    shift = find_shift(texture_of(PATIENT, OPEN), texture_of(moved(PATIENT, row, col), OPEN), USABLE)
    assert shift.row == pytest.approx(row, abs=0.25)
    assert shift.col == pytest.approx(col, abs=0.25)
    assert shift.trust > 0.8


@settings(max_examples=10, deadline=None)
@given(st.floats(-1.0, 1.0))
def test_an_exposure_step_moves_nothing(step):
    texture = texture_of(PATIENT, OPEN)
    shift = find_shift(texture, texture_of(PATIENT + np.float32(step), OPEN), USABLE)
    assert abs(shift.row) + abs(shift.col) < 0.02
    assert shift.trust > 0.99


def test_a_large_move_is_guessed_and_then_found():
    before, after = texture_of(PATIENT, OPEN), texture_of(moved(PATIENT, 31.0, -44.0), OPEN)
    start = guess_shift(before, after)
    assert start == pytest.approx((31.0, -44.0), abs=2.0)
    shift = find_shift(before, after, USABLE, start)
    assert (shift.row, shift.col) == pytest.approx((31.0, -44.0), abs=0.5)


@pytest.mark.parametrize("radius_px", [6, 12, 20])
def test_a_growing_blob_does_not_pull_the_shift(radius_px):
    grown = PATIENT + 4.0 * blob((140, 150), radius_px)
    shift = find_shift(texture_of(PATIENT, OPEN), texture_of(grown, OPEN), USABLE)
    assert abs(shift.row) < 0.5
    assert abs(shift.col) < 0.5


def test_what_is_marked_unusable_may_move_as_it_likes():
    needle_before, needle_now = PATIENT + 6.0 * blob((120, 100), 25), PATIENT + 6.0 * blob((120, 112), 25)
    usable = ~(cv2.dilate((blob((120, 106), 48) > 0).astype(np.uint8), np.ones((31, 31))) > 0)[::2, ::2]
    shift = find_shift(texture_of(needle_before, OPEN), texture_of(needle_now, OPEN), usable)
    assert abs(shift.row) + abs(shift.col) < 0.1


def test_another_picture_is_not_trusted():
    other = texture_of(mottle(SIZE, seed=6, grain_px=5.0), OPEN)
    assert find_shift(texture_of(PATIENT, OPEN), other, USABLE).trust < 0.3


def test_a_flat_picture_gives_no_trust_and_no_shift():
    flat = texture_of(np.zeros(SIZE, np.float32), OPEN)
    shift = find_shift(flat, flat, USABLE, (3.0, 4.0))
    assert (shift.row, shift.col, shift.trust) == (3.0, 4.0, 0.0)


def test_where_nothing_is_usable_nothing_is_trusted():
    texture = texture_of(PATIENT, OPEN)
    assert find_shift(texture, texture, ~USABLE).trust == 0.0


def test_texture_is_half_the_size_and_empty_outside_the_field():
    field = OPEN.copy()
    field[:, :60] = False
    texture = texture_of(PATIENT, field)
    assert texture.shape == (128, 128)
    assert texture.dtype == np.float32
    assert not texture[:, :20].any()


def test_bringing_back_undoes_the_move():
    back = bring_back(moved(PATIENT, 3.0, -2.0), (3.0, -2.0))
    assert np.abs(back - PATIENT)[10:-10, 10:-10].max() < 1e-4


def test_what_was_not_seen_is_filled_as_told():
    one = np.ones((8, 8), np.float32)
    assert bring_back(one, (3.0, 0.0), outside=0.0)[:, 4].tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    assert bring_back(one, (3.0, 0.0))[:, 4].tolist() == [1] * 8


def test_guessing_leaves_both_pictures_as_they_were():
    before, after = texture_of(PATIENT, OPEN), texture_of(moved(PATIENT, 31.0, -44.0), OPEN)
    kept = before.copy(), after.copy()
    guess_shift(before, after)
    assert np.array_equal(before, kept[0])
    assert np.array_equal(after, kept[1])


WAYS = st.one_of(
    st.floats(-80.0, 80.0),
    st.integers(-80, 80).map(lambda halves: halves / 2),
    st.integers(-2600, 2600).map(lambda steps: steps / 64),
    st.integers(-50_000, 50_000).map(lambda steps: steps / 1024),
)
"""Whole, halves, the 32nds and 1024ths that OpenCV counts in and their middles; beyond the small pictures below, too."""


def by_look_up(image, shift, how):
    """The general routine of OpenCV that looks every pixel up."""
    matrix = np.array([[1.0, 0.0, shift[1]], [0.0, 1.0, shift[0]]])
    return cv2.warpAffine(image, matrix, image.shape[::-1], flags=how | cv2.WARP_INVERSE_MAP, borderMode=EDGE[how])


EDGE = {cv2.INTER_LINEAR: cv2.BORDER_REPLICATE, cv2.INTER_NEAREST: cv2.BORDER_CONSTANT}


@settings(max_examples=300, deadline=None)
@given(WAYS, WAYS)
def test_a_picture_and_its_field_move_as_opencv_looks_them_up(row, col):
    patch = PATIENT[40:70, 50:91]
    assert np.abs(bring_back(patch, (row, col)) - by_look_up(patch, (row, col), cv2.INTER_LINEAR)).max() < 2e-6
    field = patch > 0
    expected = by_look_up(field.astype(np.uint8), (row, col), cv2.INTER_NEAREST).astype(np.bool_)
    assert np.array_equal(bring_field_back(field, (row, col)), expected)


@pytest.mark.parametrize("way", [float("nan"), float("inf"), 1e30])
def test_a_shift_that_is_none_shows_nothing(way):
    assert not bring_back(np.ones((8, 9), np.float32), (way, 0.0), outside=0.0).any()
