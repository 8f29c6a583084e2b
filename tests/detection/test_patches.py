"""Work done where a mask is set gives what work over the whole picture gives."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.patches import EVERYWHERE, among, linked, on_edge, patch_of, widened

SEEDS = st.integers(0, 2**32 - 1)


def specks(seed, share=None):
    """A mask with a few specks and blobs, now and then with none."""
    rng = np.random.default_rng(seed)
    size = tuple(rng.integers(1, 60, 2))
    return rng.random(size) < (rng.choice([0.0, 0.003, 0.05, 0.4]) if share is None else share)


def test_a_patch_holds_what_is_set_and_its_surroundings():
    mask = np.zeros((20, 30), np.bool_)
    assert patch_of(mask) is None
    mask[4, 7], mask[9, 28] = True, True
    assert patch_of(mask) == (slice(4, 10), slice(7, 29))
    assert patch_of(mask, 5) == (slice(0, 15), slice(2, 30))


@settings(max_examples=200, deadline=None)
@given(SEEDS, st.integers(0, 12))
def test_widening_is_a_dilation(seed, reach):
    mask = specks(seed)
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    assert np.array_equal(widened(mask, reach), cv2.dilate(mask.astype(np.uint8), kernel).astype(np.bool_))


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_parts_are_what_opencv_labels(seed):
    mask = specks(seed)
    places, part, count = linked(mask)
    expected, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    assert count == expected
    assert np.array_equal(places, np.flatnonzero(mask))
    assert np.array_equal(part, labels.ravel()[places])


def test_an_edge_is_where_the_picture_goes_on():
    patch = (slice(0, 3), slice(2, 6))
    places = np.arange(12)
    right = [3, 7, 11]
    left, bottom = [0, 4, 8], [8, 9, 10, 11]
    assert np.flatnonzero(on_edge(places, patch, (3, 6))).tolist() == left
    assert np.flatnonzero(on_edge(places, patch, (4, 7))).tolist() == sorted({*left, *right, *bottom})
    assert patch is not EVERYWHERE


@pytest.mark.parametrize("wanted", [(), (3,), (0, 2, 8)])
def test_numbers_among_a_few(wanted):
    numbers = np.random.default_rng(4).integers(0, 9, (40, 50), dtype=np.uint8)
    assert np.array_equal(among(numbers, wanted), np.isin(numbers, wanted))
