"""Cement: new, dense, connected and persistent; judged against the noise of its own neighbourhood."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from detection.cement import remember, weigh_change
from detection.memory import Needle
from detection.scales import GROWTH_PX, _grow
from detection.zones import region_of
from tests.detection.films import RULES, body_of, corners, empty_scene

SIZE = (128, 128)
OPEN = np.ones(SIZE, np.bool_)
NOISE = 0.02
BODY = body_of(corners(40, 40, 80, 90))


def grain(seed):
    return np.random.default_rng(seed).normal(0, NOISE, SIZE).astype(np.float32)


def disc_at(row, col, radius, contrast=0.3):
    return cv2.circle(np.zeros(SIZE, np.float32), (col, row), radius, contrast, -1)


def tube(start, end, width=2, contrast=0.2):
    return cv2.line(np.zeros(SIZE, np.float32), start[::-1], end[::-1], contrast, width)


def body_scene(**changed):
    scene = empty_scene(SIZE, 2.0, **changed)
    return replace(scene, region=region_of(BODY, SIZE, 2.0, None, RULES))


def see(pictures, scene, usable=OPEN):
    """The scene after these aligned pictures, noise added."""
    for seed, picture in enumerate(pictures):
        scene = remember(scene, weigh_change(picture + grain(seed), usable, scene, RULES), RULES)
    return scene


NOTHING = [np.zeros(SIZE, np.float32)] * 4


def test_noise_alone_is_no_cement():
    scene = see(NOTHING * 6, body_scene())
    assert scene.cement is not None
    assert not scene.cement.any()


def test_cement_that_comes_slowly_does_not_hide_in_the_noise_that_it_makes():
    slow = [disc_at(60, 64, 14, contrast=0.002 * step) for step in range(80)]
    scene = see([*NOTHING, *slow], body_scene())
    truth = slow[-1] > 0
    assert (scene.cement & truth).sum() > 0.8 * truth.sum()


def test_a_blob_in_the_body_is_cement_after_two_frames():
    blob = disc_at(60, 60, 8)
    once = see([*NOTHING, blob], body_scene())
    assert not once.cement.any()
    thrice = see([*NOTHING, blob, blob, blob], body_scene())
    truth = blob > 0
    overlap = 2 * (thrice.cement & truth).sum() / (thrice.cement.sum() + truth.sum())
    assert overlap > 0.85


def test_a_flash_of_one_frame_is_no_cement():
    assert not see([*NOTHING, disc_at(60, 60, 8), *NOTHING], body_scene()).cement.any()


def test_a_thin_vein_is_seen():
    vein = tube((60, 60), (60, 100))
    cement = see([*NOTHING, vein, vein, vein, vein], body_scene()).cement
    assert cement[59:62, 62:98].any(axis=0).mean() > 0.9


def test_a_shift_of_exposure_is_no_cement_and_is_told_as_offset():
    scene = see(NOTHING, body_scene())
    evidence = weigh_change(np.full(SIZE, 0.4, np.float32) + grain(9), OPEN, scene, RULES)
    assert not evidence.hits.any()
    assert evidence.offset == pytest.approx(0.4, abs=0.02)


def test_a_slow_slope_over_the_picture_is_no_cement():
    slope = np.linspace(0, 0.15, SIZE[1], dtype=np.float32)[None, :].repeat(SIZE[0], axis=0)
    assert not see([*NOTHING, slope, slope, slope, slope], body_scene()).cement.any()


def test_cement_does_not_pull_the_offset():
    blobs = [disc_at(60, 60, radius) for radius in (4, 6, 8, 10, 12)]
    scene = see([*NOTHING, *blobs], body_scene())
    assert abs(scene.offset) < 0.02


def test_what_becomes_brighter_is_no_cement():
    assert not see([*NOTHING, *[-disc_at(60, 60, 8)] * 4], body_scene()).cement.any()


def test_behind_an_instrument_nothing_is_called_cement():
    usable = OPEN.copy()
    usable[:, :64] = False
    scene = body_scene()
    for seed in range(8):
        scene = remember(scene, weigh_change(disc_at(60, 50, 8) + grain(seed), usable, scene, RULES), RULES)
    assert not scene.cement.any()


def test_far_from_body_tip_and_cement_a_piece_must_stay_long():
    scene = empty_scene(SIZE, 2.0)
    blob = disc_at(30, 30, 6)
    brief, long = int(RULES.steady_frames) - 2, int(RULES.steady_frames) + 2
    assert not see([*NOTHING, *[blob] * brief], scene).cement.any()
    assert see([*NOTHING, *[blob] * long], scene).cement.any()


@pytest.mark.parametrize(("row", "is_cement"), [(36, True), (100, False)])
def test_cement_starts_at_the_needle_tip(row, is_cement):
    scene = empty_scene(SIZE, 2.0, needle=Needle(tip=(30.0, 30.0), tail=(30.0, 127.0), width_px=5.0))
    cement = see([*NOTHING, *[disc_at(row, 30, 5)] * 4], scene).cement
    assert cement.any() == is_cement


def test_what_stands_alone_at_the_rim_of_the_field_is_no_cement_however_long_it_stays():
    """Breathing moves the patient behind a collimator, and the edge is sharpened and full of scatter."""
    speck, inside = disc_at(12, 8, 4), disc_at(20, 100, 4)
    scene = see([*NOTHING, *[speck + inside] * (int(RULES.steady_frames) + 2)], body_scene())
    assert scene.cement[20, 100]
    assert not scene.cement[12, 8]


def test_what_reaches_the_rim_from_the_body_is_cement():
    far = tube((60, 60), (4, 60))
    scene = see([*NOTHING, *[far] * 4], body_scene())
    assert scene.cement[8, 60]


def test_cement_that_is_carried_off_is_forgotten():
    vein = tube((60, 60), (60, 100))
    there = see([*NOTHING, *[vein] * 6], body_scene())
    assert there.cement.any()
    assert not see(NOTHING * 5, there).cement.any()


def test_a_leak_does_not_hide_in_its_own_noise():
    blob = disc_at(60, 60, 10)
    before = see(NOTHING, body_scene())
    after = see([blob] * 20, before)
    assert after.noise[0][7, 7] < 2 * before.noise[0][7, 7]
    assert after.cement[60, 60]


def test_noisier_pictures_ask_for_more():
    faint = disc_at(60, 60, 5, contrast=0.06)
    loud = [np.random.default_rng(n).normal(0, 0.2, SIZE).astype(np.float32) for n in range(12)]
    assert not see([faint * (n > 3) + one for n, one in enumerate(loud)], body_scene()).cement.any()
    assert see([*NOTHING, *[faint] * 8], body_scene()).cement.any()


def test_a_large_thing_at_the_border_is_told_by_its_share():
    scene = see(NOTHING, body_scene())
    hand = np.zeros(SIZE, np.float32)
    hand[:40, 30:90] = 0.8
    at_border = weigh_change(hand + grain(5), OPEN, scene, RULES)
    inside = weigh_change(np.roll(hand, 45, axis=0) + grain(5), OPEN, scene, RULES)
    assert at_border.big_share == pytest.approx(40 * 60 / 128**2, rel=0.25)
    assert inside.big_share == 0.0


def test_cement_around_the_needle_tip_is_no_large_thing_at_the_border():
    usable = OPEN.copy()
    usable[58:66, 64:] = False
    scene = body_scene()
    for seed in range(4):
        scene = remember(scene, weigh_change(grain(seed), usable, scene, RULES), RULES)
    assert weigh_change(disc_at(60, 64, 25) + grain(5), usable, scene, RULES).big_share == 0.0


def test_specks_are_no_cement():
    speck = np.zeros(SIZE, np.float32)
    speck[60, 60] = 6 * NOISE
    assert not see([*NOTHING, *[speck] * 6], body_scene()).cement.any()


def test_what_is_handed_in_is_left_as_it_was():
    scene = see(NOTHING, body_scene())
    held = [scene.reference, scene.change, *scene.noise, scene.seen, scene.cement]
    for one in held:
        one.setflags(write=False)
    picture = disc_at(60, 60, 8)
    picture.setflags(write=False)
    remember(scene, weigh_change(picture, OPEN, scene, RULES), RULES)


def grown_everywhere(strong, weak, least_px):
    """Hysteresis over the whole picture."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(weak.astype(np.uint8), connectivity=8)
    held = np.bincount(labels[strong], minlength=count)
    keep = (stats[:, cv2.CC_STAT_AREA] >= least_px) & (held >= 3)
    keep[0] = False
    return keep[labels]


def grown(strong, weak):
    whole = np.zeros_like(weak)
    found = _grow(strong, lambda patch: weak[patch], 8.0)
    if found is not None:
        patch, within = found
        whole[patch] = within
    return whole


@pytest.mark.parametrize("seed", range(12))
def test_what_grows_is_the_same_wherever_it_is_looked_for(seed):
    rng = np.random.default_rng(seed)
    rough = cv2.GaussianBlur(rng.standard_normal((160, 220)).astype(np.float32), (0, 0), float(rng.uniform(1.0, 6.0)))
    weak = rough > rng.uniform(0.3, 1.2) * rough.std()
    strong = np.zeros_like(weak)
    row, col = rng.integers(10, 150), rng.integers(10, 210)
    strong[row - 6 : row + 6, col - 6 : col + 6] = weak[row - 6 : row + 6, col - 6 : col + 6]
    assert np.array_equal(grown(strong, weak), grown_everywhere(strong, weak, 8.0))


def test_a_long_faint_tail_of_something_sure_is_kept_whole():
    weak = np.zeros((100, 40 + 4 * GROWTH_PX), np.bool_)
    weak[50, 20:-10] = True
    weak[40:48, -30:-5] = True
    strong = np.zeros_like(weak)
    strong[50, 20:24] = True
    kept = grown(strong, weak)
    assert kept[50, 20:-10].all()
    assert not kept[:49].any()


@pytest.mark.parametrize(("top", "is_behind"), [(44, True), (62, False)])
def test_between_cement_on_both_sides_of_a_needle_there_is_cement_behind_it(top, is_behind):
    needle = np.zeros(SIZE, np.bool_)
    needle[58:63, 50:] = True
    blob = np.zeros(SIZE, np.float32)
    blob[top:76, 56:80] = 0.3
    cement = see([*NOTHING, *[blob] * 4], body_scene(opaque=needle), usable=~needle).cement
    assert cement[68, 68]
    assert cement[60, 58:78].all() == cement[60, 58:78].any() == is_behind
    assert not cement[60, 84:].any(), "beyond the cement, and beyond the body, nothing is known of what it hides"
