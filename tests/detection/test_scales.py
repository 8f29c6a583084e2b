"""Broad and faint cement is found on coarser pictures, where noise averages out and cement does not."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from detection.patches import patch_of
from detection.scales import THUMB, Quiet, _reduced, _reduced_together, _whole, find_hits, full, thumb
from detection.zones import region_of
from tests.detection.films import RULES, body_of, corners, empty_scene

SIZE = (192, 192)
PX_PER_MM = 4.0
OPEN = np.ones(SIZE, np.bool_)
NOISE = 0.04
FINE_ONLY = replace(RULES, broad_mm=0.0)


def grain(seed, sigma=NOISE):
    return np.random.default_rng(seed).normal(0, sigma, SIZE).astype(np.float32)


def quiet_in(usable):
    weight = usable.astype(np.float32)
    return Quiet(weight=weight, thumb=thumb(weight))


def treated():
    """A scene whose body is known: cement may come to all of the picture."""
    region = region_of(body_of(corners(60, 60, 130, 130)), SIZE, PX_PER_MM, None, RULES)
    return replace(empty_scene(SIZE, PX_PER_MM), region=region)


def disc(radius_mm, contrast):
    picture = np.zeros(SIZE, np.float32)
    return cv2.circle(picture, (96, 96), round(radius_mm * PX_PER_MM), contrast, -1)


def hits_of(picture, rules=RULES, scene=None, usable=OPEN):
    """What is new in a picture whose noise has been known for a while."""
    scene = scene or empty_scene(SIZE, PX_PER_MM)
    for seed in range(6):
        _, noise = find_hits(grain(seed), quiet_in(OPEN), OPEN, scene, rules)
        scene = replace(scene, noise=noise)
    return find_hits(picture + grain(99), quiet_in(usable), usable, scene, rules)[0]


def test_what_is_broad_is_found_although_no_pixel_of_it_stands_out():
    """Twice the noise of a pixel: below the Rose criterion of 5 there, far above it over 5 mm."""
    cloud = disc(5.0, 2 * NOISE)
    found = hits_of(cloud)
    assert (found & (cloud > 0)).sum() > 0.6 * (cloud > 0).sum()
    assert not hits_of(cloud, FINE_ONLY).any()


def test_what_is_small_and_as_faint_is_not():
    assert not hits_of(disc(0.5, 2 * NOISE)).any()


def test_haze_is_not_cement_however_broad_it_is():
    assert not hits_of(disc(12.0, 0.8 * NOISE)).any()


def test_noise_alone_has_no_hits():
    for seed in range(200, 210):
        assert not hits_of(grain(seed) - grain(99)).any()


@pytest.mark.parametrize("radius_mm", [3.0, 8.0])
def test_the_outline_of_dense_cement_is_not_widened_by_the_coarse_pictures(radius_mm):
    dense = cv2.GaussianBlur(disc(radius_mm, 0.5), (0, 0), 1.5)
    area_mm2 = hits_of(dense).sum() / PX_PER_MM**2
    found_mm = float(np.sqrt(area_mm2 / np.pi))
    assert found_mm == pytest.approx(radius_mm, abs=0.7)


def test_noise_is_bounded_by_what_lightens():
    """Cement that nobody has found yet only darkens: it does not count as noise."""
    scene = treated()
    quiet = find_hits(grain(1), quiet_in(OPEN), OPEN, scene, RULES)[1]
    beside = find_hits(grain(1) + disc(8.0, 0.2), quiet_in(OPEN), OPEN, scene, RULES)[1]
    assert (
        beside[0].max() < 2.5 * quiet[0].max()
    )  # a part is taken for haze at first; its own contrast is five times the noise


def test_where_nothing_lightens_the_noise_stays_what_it_was():
    scene = treated()
    before = find_hits(grain(1), quiet_in(OPEN), OPEN, scene, RULES)[1]
    risen = find_hits(grain(2) + 1.0, quiet_in(OPEN), OPEN, replace(scene, noise=before), RULES)[1]
    for old, new in zip(before, risen, strict=True):
        assert new == pytest.approx(old, rel=0.1)


def test_nothing_is_found_where_nothing_can_be_seen():
    half = OPEN.copy()
    half[:, 96:] = False
    found = hits_of(disc(8.0, 0.5), usable=half)
    assert found[:, :96].any()
    assert not found[:, 96 + round(2 * RULES.broad_mm * PX_PER_MM) :].any()


def test_the_maps_of_noise_are_of_one_size_at_every_scale():
    noise = find_hits(grain(1), quiet_in(OPEN), OPEN, empty_scene(SIZE, PX_PER_MM), RULES)[1]
    assert [each.shape for each in noise] == [(24, 24)] * 3
    assert [float(each.mean()) for each in noise] == sorted((float(each.mean()) for each in noise), reverse=True)


def test_coarse_maps_leave_out_what_fills_no_cell():
    picture = np.arange(21 * 35, dtype=np.float32).reshape(21, 35)
    means = picture[:16, :32].reshape(2, THUMB, 4, THUMB).mean(axis=(1, 3))
    assert np.allclose(thumb(picture), means)


@pytest.mark.parametrize("size", [(187, 203), (192, 192)])
def test_broad_cement_lies_where_it_is_in_pictures_of_any_size(size):
    usable = np.ones(size, np.bool_)
    picture = np.random.default_rng(3).normal(0, NOISE, size).astype(np.float32)
    scene = empty_scene(size, PX_PER_MM)
    _, noise = find_hits(picture, quiet_in(usable), usable, scene, RULES)
    row, col = size[0] - 40, size[1] - 40
    cv2.circle(picture, (col, row), 16, 0.5, -1)
    hits, _ = find_hits(picture, quiet_in(usable), usable, replace(scene, noise=noise), RULES)
    rows, cols = np.nonzero(hits)
    assert abs(rows.mean() - row) < 1.5
    assert abs(cols.mean() - col) < 1.5


@pytest.mark.parametrize("factor", [2, 3, 5, 6])
def test_what_a_coarse_picture_shows_lies_at_the_nearest_pixels(factor):
    coarse = np.random.default_rng(factor).random((203 // factor, 187 // factor)) > 0.98
    where = patch_of(coarse)
    whole = np.zeros((203, 187), np.bool_)
    patch, within = _whole((where, coarse[where]), coarse.shape, whole.shape)
    whole[patch] = within
    expected = cv2.resize(coarse.astype(np.uint8), (187, 203), interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(whole, expected.astype(np.bool_))


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_pictures_reduced_together_are_what_each_is_alone(factor):
    pictures = tuple(np.random.default_rng(seed).random((120, 98), np.float32) for seed in range(3))
    for each, alone in zip(_reduced_together(pictures, factor), pictures, strict=True):
        assert np.array_equal(each, _reduced(alone, factor))


@pytest.mark.parametrize("size", [(160, 192), (161, 190)])
def test_a_patch_of_a_map_is_that_of_the_whole_map(size):
    like = np.zeros(size, np.float32)
    coarse = thumb(np.random.default_rng(5).random(size, np.float32))
    for patch in (np.s_[0:9, 0:160], np.s_[37:38, 41:99], np.s_[100:160, 150:190]):
        assert np.array_equal(full(coarse, like, patch), full(coarse, like)[patch])
