"""Calm pixels: dense is high, whatever the device stores, and only where the picture shows patient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.pixels import DISPLAY_SPAN, calm, shrink
from detection.rules import Rules
from detection.vocabulary import Flag, Intensity, Polarity
from tests.detection.films import CEILING, RULES, frame_of


def test_attenuation_is_the_log_of_what_the_beam_lost():
    half_the_light = calm(frame_of([[2047.5, 1023.25]]), RULES).attenuation
    assert half_the_light[0, 0] == pytest.approx(np.log(2), abs=1e-3)
    assert half_the_light[0, 1] == pytest.approx(np.log(4), abs=1e-3)


def test_log_and_display_pictures_are_taken_as_they_are():
    for intensity in (Intensity.LOG, Intensity.DISPLAY):
        grey = calm(frame_of([[0.0, CEILING / 2, CEILING]], intensity=intensity), RULES).attenuation
        assert grey[0] == pytest.approx([DISPLAY_SPAN, DISPLAY_SPAN / 2, 0.0], abs=1e-5)


@given(st.sampled_from([Intensity.LOG, Intensity.DISPLAY]), st.integers(0, 99))
def test_a_negative_picture_says_the_same_as_its_positive(intensity, seed):
    stored = np.random.default_rng(seed).integers(100, 4000, (24, 24)).astype(np.float32)
    positive = calm(frame_of(stored, intensity=intensity), RULES)
    negative = calm(frame_of(CEILING - stored, intensity=intensity, polarity=Polarity.DENSE_IS_BRIGHT), RULES)
    assert np.array_equal(positive.attenuation, negative.attenuation)
    assert np.array_equal(positive.field, negative.field)


@given(st.floats(1.0, 3.0), st.integers(0, 99))
def test_more_light_moves_the_whole_picture_by_one_number(gain, seed):
    stored = np.random.default_rng(seed).uniform(200, 1300, (16, 16)).astype(np.float32)
    dim, bright = (calm(frame_of(light), RULES).attenuation for light in (stored, stored * np.float32(gain)))
    assert np.ptp(dim - bright) < 0.01
    assert float(np.mean(dim - bright)) == pytest.approx(np.log(gain), abs=0.01)


def test_photons_are_added_before_the_log_is_taken():
    rules = Rules(working_px=1)
    assert calm(frame_of([[4095.0, 1.0], [4095.0, 1.0]]), rules).attenuation[0, 0] == pytest.approx(0.693, abs=1e-3)


@pytest.mark.parametrize(
    ("size", "factor", "working"),
    [
        ((512, 512), 1, (512, 512)),
        ((1024, 1024), 2, (512, 512)),
        ((1536, 1025), 3, (512, 341)),
        ((256, 200), 1, (256, 200)),
    ],
)
def test_large_pictures_are_worked_on_at_a_whole_fraction(size, factor, working):
    picture = calm(frame_of(np.full(size, 1000.0)), RULES)
    assert picture.factor == factor
    assert picture.attenuation.shape == picture.field.shape == working


def test_averaging_drops_what_does_not_fill_a_block():
    assert shrink(np.array([[1, 3, 9], [5, 7, 9]], np.float32), 2).tolist() == [[4.0]]


def test_black_corners_are_no_field_but_a_black_screw_inside_is():
    stored = np.full((40, 40), 1500.0)
    stored[:8, :8] = 0.0
    stored[18:22, 18:22] = 0.0
    field = calm(frame_of(stored), RULES).field
    assert not field[4, 4]
    assert not field[9, 9], "the rim of a shut part is not trusted"
    assert field[20, 20]
    assert field[30, 5]


def test_direct_beam_is_no_field():
    stored = np.full((40, 40), 1500.0)
    stored[:, 30:] = CEILING
    field = calm(frame_of(stored), RULES).field
    assert field[20, 20]
    assert not field[20, 35]


def test_what_the_header_shuts_is_no_field():
    told = np.ones((40, 40), np.bool_)
    told[:, :10] = False
    field = calm(frame_of(np.full((40, 40), 1500.0), field=told), RULES).field
    assert not field[20, 5]
    assert field[20, 20]


def test_a_header_that_shuts_at_full_size_shuts_at_working_size():
    told = np.ones((1024, 1024), np.bool_)
    told[:, :401] = False
    field = calm(frame_of(np.full((1024, 1024), 1500.0), field=told), RULES).field
    assert not field[256, 200]
    assert field[256, 210]


def test_cautions_of_the_picture_are_named():
    stored = np.full((8, 8), 1500.0)
    assert calm(frame_of(stored), RULES).flags == frozenset()
    assert calm(frame_of(stored, is_lossy=True), RULES).flags == {Flag.LOSSY}
    assert calm(frame_of(stored, polarity=Polarity.UNCERTAIN), RULES).flags == {Flag.POLARITY_UNCERTAIN}


@pytest.mark.parametrize("intensity", list(Intensity))
@pytest.mark.parametrize("polarity", list(Polarity))
def test_dense_is_high_and_finite_in_every_kind_of_picture(intensity, polarity):
    thin, dense = (300.0, 3000.0) if polarity is Polarity.DENSE_IS_BRIGHT else (3000.0, 300.0)
    grey = calm(frame_of([[thin, dense], [0.0, CEILING]], intensity=intensity, polarity=polarity), RULES).attenuation
    assert grey.dtype == np.float32
    assert np.isfinite(grey).all()
    assert grey[0, 0] < grey[0, 1]
