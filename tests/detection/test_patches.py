"""Work done where a mask is set gives what work over the whole picture gives."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection.patches import among, linked, on_edge, patch_of, widened, with_margin

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
    places, part, count, labels_of_all = linked(mask)
    expected, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    assert count == expected
    assert np.array_equal(places, np.flatnonzero(mask))
    assert np.array_equal(part, labels.ravel()[places])
    assert np.array_equal(labels_of_all, labels)


def test_an_edge_is_where_the_picture_goes_on():
    labels = np.array([[1, 0, 2, 2], [1, 0, 0, 3], [0, 4, 0, 0]], np.int32)
    patch = (slice(0, 3), slice(2, 6))
    assert sorted(on_edge(labels, patch, (3, 6))) == [1, 1]
    assert sorted(on_edge(labels, patch, (4, 7))) == [1, 1, 2, 3, 4]
    assert on_edge(labels, (slice(0, 3), slice(0, 4)), (3, 4)).size == 0


def test_a_margin_ends_where_the_picture_does():
    wide, inner = with_margin((slice(1, 4), slice(5, 9)), 2, (8, 10))
    assert wide == (slice(0, 6), slice(3, 10))
    assert inner == (slice(1, 4), slice(2, 6))


@pytest.mark.parametrize("wanted", [(), (3,), (0, 2, 8)])
def test_numbers_among_a_few(wanted):
    numbers = np.random.default_rng(4).integers(0, 9, (40, 50), dtype=np.uint8)
    assert np.array_equal(among(numbers, wanted), np.isin(numbers, wanted))
