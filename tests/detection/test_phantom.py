"""The phantom keeps its word: what is injected is what lies there, leaks go where told, truth comes in order."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from detection.phantom.attenuation import Cement, cement_attenuation
from detection.phantom.chain import Chain
from detection.phantom.flow import ZONE_OF, Leak, LeakKind, draw_push
from detection.phantom.scene import SCENARIOS, Motion, Scene, Shot, build, play, play_stage
from detection.phantom.vertebra import LEVELS, draw_vertebra
from detection.vocabulary import ZONE_ORDER, Intensity, View, Zone

SMALL = Scene(
    name="small",
    seed=3,
    size=(256, 256),
    mm_per_px=0.5,
    frame_rate=4.0,
    duration_s=14.0,
    start_s=2.0,
    knots=((10.0, 0.45),),
    motion=Motion(breathing_mm=0.0),
)
CANAL = replace(
    SMALL,
    name="small canal",
    duration_s=18.0,
    knots=((8.0, 0.7), (13.0, 0.99), (18.0, 1.02)),
    leak=Leak(kind=LeakKind.CANAL, at_s=13.0, speed_mm_s=4.0, radius_mm=1.5, length_mm=16.0),
)


@pytest.fixture(scope="module")
def contained() -> list[Shot]:
    return list(play(SMALL))


@pytest.fixture(scope="module")
def canal() -> list[Shot]:
    return list(play(CANAL))


def test_frames_are_what_a_detector_stores(contained):
    assert len(contained) == SMALL.n_frames
    assert all(shot.pixels.shape == (256, 256) and shot.pixels.dtype == np.uint16 for shot in contained)
    assert max(int(shot.pixels.max()) for shot in contained) <= 4095
    assert [shot.time_s for shot in contained[:3]] == [0.0, 0.25, 0.5]


def test_there_is_a_reference_before_cement(contained):
    before = [shot.truth for shot in contained if shot.time_s < SMALL.start_s]
    assert len(before) >= 8
    assert all(truth.volume_ml == 0 and truth.cement is None and truth.distance_to_wall_mm is None for truth in before)


def test_same_seed_same_bits_other_seed_other_bits():
    short = replace(SMALL, duration_s=1.0)
    first, again, other = (list(play(scene)) for scene in (short, short, replace(short, seed=4)))
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0].pixels, other[0].pixels)


def test_cement_never_shrinks_and_ends_between_half_and_five_millilitres(contained):
    volumes = [shot.truth.volume_ml for shot in contained]
    assert volumes == sorted(volumes)
    assert 0.3 < volumes[-1] < 5.0


def test_the_shadow_holds_the_volume_that_was_injected():
    stage = build(SMALL)
    cells, mm = stage.cells, stage.beam.ray_mm
    # At the origin's depth a ray covers one square of its spacing; the body lies within 3 % of that depth.
    shadow_ml = float(cells.path_mm.sum()) * mm * mm / 1000
    assert shadow_ml == pytest.approx(float(cells.ml.sum()), rel=0.05)


def test_contained_cement_never_leaves_the_body(contained):
    for shot in contained:
        assert set(shot.truth.zone_ml) <= {Zone.BODY}
        assert not shot.truth.leak_3d
        assert not shot.truth.leak_visible
    assert contained[-1].truth.distance_to_wall_mm > 5.0


def test_cement_darkens_the_picture_where_truth_says(contained):
    last, first = contained[-1], contained[0]
    mask = last.truth.cement
    fall = first.pixels.astype(float) - last.pixels
    assert fall[mask].mean() > 5 * abs(fall[~mask].mean())


def test_the_front_comes_nearer_until_contact(canal):
    seen = [shot.truth for shot in canal if shot.truth.distance_to_wall_mm is not None and shot.time_s < 13.0]
    distances = [truth.distance_to_wall_mm for truth in seen]
    assert all(later <= earlier + 0.6 for earlier, later in itertools.pairwise(distances))
    assert distances[0] > 12
    assert distances[-1] < 4
    assert canal[-1].truth.distance_to_wall_mm < -2


def test_a_canal_leak_is_real_before_it_is_visible(canal):
    real = next(shot.time_s for shot in canal if shot.truth.leak_3d)
    visible = next(shot.time_s for shot in canal if shot.truth.leak_visible)
    assert CANAL.leak.at_s <= real <= visible <= real + 2.0


def test_a_canal_leak_casts_at_least_two_by_ten_millimetres(canal):
    rows, cols = np.nonzero(canal[-1].truth.zones[Zone.CANAL])
    assert np.ptp(rows) * CANAL.mm_per_px >= 10
    assert np.ptp(cols) * CANAL.mm_per_px >= 2


def test_the_canal_leak_lies_behind_the_posterior_wall(canal):
    truth = canal[-1].truth
    _, cols = np.nonzero(truth.zones[Zone.CANAL])
    corners = truth.corners
    wall = (corners.near_superior[1] + corners.near_inferior[1]) / 2
    behind = np.sign(wall - (corners.far_superior[1] + corners.far_inferior[1]) / 2)
    assert np.mean((cols - wall) * behind > -4) > 0.95


@pytest.mark.parametrize("kind", list(LeakKind))
def test_every_leak_reaches_its_zone_and_no_other(kind):
    view = View.AP if kind in (LeakKind.SEGMENTAL_VEIN, LeakKind.SOFT_TISSUE_LATERAL) else View.LATERAL
    leak = Leak(kind=kind, at_s=2.0, speed_mm_s=20.0, radius_mm=1.3, length_mm=16.0)
    scene = replace(SMALL, view=view, primary_deg=0.0 if view is View.AP else 90.0, leak=leak)
    cells = build(scene).cells
    leaked = {ZONE_ORDER[k] for k in np.unique(cells.zone)} - {Zone.BODY}
    assert leaked == {ZONE_OF[kind]}
    ml = float(cells.ml[cells.zone == ZONE_ORDER.index(ZONE_OF[kind])].sum())
    assert 0.01 < ml < 2.0


@pytest.mark.parametrize("kind", [LeakKind.SEGMENTAL_VEIN, LeakKind.PREVERTEBRAL_VEIN, LeakKind.DISC_SUPERIOR])
def test_a_leak_seen_from_its_side_becomes_visible(kind):
    is_ap = kind is LeakKind.SEGMENTAL_VEIN
    leak = Leak(kind=kind, at_s=3.0, speed_mm_s=8.0, radius_mm=1.2, length_mm=18.0)
    turned = {"view": View.AP, "primary_deg": 0.0} if is_ap else {}
    scene = replace(SMALL, duration_s=8.0, leak=leak, **turned)
    assert any(shot.truth.leak_visible for shot in play(scene))


def test_a_vein_may_wash_out():
    leak = Leak(kind=LeakKind.PREVERTEBRAL_VEIN, at_s=3.0, speed_mm_s=10.0, washout_s=2.0)
    shots = list(play(replace(SMALL, duration_s=10.0, leak=leak)))
    held = [shot.truth.zone_ml.get(Zone.VEIN, 0.0) for shot in shots]
    assert max(held) > 0.01
    assert held[-1] == pytest.approx(0, abs=1e-6)


def test_noise_is_as_strong_as_the_dose_allows():
    chain = Chain(lag=0.0, recursion=1.0, has_control=False, dose_ngy=30.0)
    shots = list(play(replace(SMALL, duration_s=2.0, knots=((2.0, 0.0),), chain=chain)))
    stack = np.stack([shot.pixels for shot in shots]).astype(float)
    beam = build(SMALL).beam
    photons = 30.0 * 21.0 * (beam.mm_per_px * beam.magnification) ** 2
    flat = stack[:, 64:192, 64:192]
    mean = flat.mean(axis=0)
    # Poisson: the relative noise of a pixel falls with the root of its own light.
    expected = np.sqrt(mean.mean() / mean) / np.sqrt(photons)
    assert np.median(flat.std(axis=0, ddof=1) / mean / expected) == pytest.approx(1.0, abs=0.15)


def test_less_dose_is_noisier():
    def noise(dose):
        chain = Chain(dose_ngy=dose, recursion=1.0)
        stack = np.stack([s.pixels for s in play(replace(SMALL, duration_s=2.0, chain=chain))]).astype(float)
        return float(stack[:, 100:150, 100:150].std(axis=0).mean())

    assert noise(10.0) > 1.5 * noise(40.0)


def test_breathing_moves_picture_and_truth_together():
    scene = replace(
        SMALL, knots=((14.0, 0.0),), motion=Motion(breathing_mm=3.0, breaths_per_min=15.0), chain=Chain(dose_ngy=2000.0)
    )
    shots = list(play(scene))
    still, moved = shots[0], shots[8]
    assert moved.truth.shift_px[0] == pytest.approx(6.0, abs=0.1)
    by = round(moved.truth.shift_px[0]), round(moved.truth.shift_px[1])
    rolled = np.roll(still.pixels.astype(float), by, axis=(0, 1))[40:-40, 40:-40]
    here, before = moved.pixels[40:-40, 40:-40].astype(float), still.pixels[40:-40, 40:-40].astype(float)
    assert np.abs(here - rolled).mean() < 0.5 * np.abs(here - before).mean()
    assert moved.truth.corners.near_superior[0] - still.truth.corners.near_superior[0] == pytest.approx(6.0, abs=0.1)


def test_needle_motion_alone_is_no_cement():
    scene = replace(SMALL, knots=((14.0, 0.0),), motion=Motion(breathing_mm=0.0, needle_mm=3.0))
    shots = list(play(scene))
    assert all(shot.truth.cement is None or shot.truth.volume_ml < 1e-3 for shot in shots)
    assert np.abs(shots[11].pixels.astype(float) - shots[0].pixels).max() > 200


@pytest.mark.parametrize("intensity", list(Intensity))
@pytest.mark.parametrize("is_inverted", [False, True])
def test_dense_is_dark_unless_inverted(intensity, is_inverted):
    bits = 8 if intensity is Intensity.DISPLAY else 12
    chain = Chain(intensity=intensity, bits=bits, is_inverted=is_inverted)
    shots = list(play(replace(SMALL, chain=chain)))
    mask = shots[-1].truth.cement
    change = shots[-1].pixels.astype(float)[mask].mean() - shots[0].pixels.astype(float)[mask].mean()
    assert (change > 0) == is_inverted
    assert int(shots[-1].pixels.max()) <= (1 << bits) - 1


def test_corners_name_the_posterior_side_near_whichever_way_the_picture_is_turned():
    for is_mirrored in (False, True):
        corners = build(replace(SMALL, is_mirrored=is_mirrored)).subject.corners
        is_right = corners.near_superior[1] > corners.far_superior[1]
        assert is_right != is_mirrored
        assert corners.near_superior[0] < corners.near_inferior[0]


def test_in_ap_near_is_image_left():
    corners = build(replace(SMALL, view=View.AP, primary_deg=0.0)).subject.corners
    assert corners.near_superior[1] < corners.far_superior[1]


@pytest.mark.parametrize("level", LEVELS[1:-1])
def test_every_level_can_be_treated(level):
    stage = build(replace(SMALL, level=level))
    assert 0.1 < float(stage.cells.ml.sum()) < 8.0


def test_sizes_follow_the_level():
    rng = np.random.default_rng(0)
    depths = {level: np.mean([draw_vertebra(level, rng).mid_depth for _ in range(40)]) for level in ("T5", "T9", "L2")}
    assert depths["T5"] < depths["T9"] < depths["L2"]
    assert depths["L2"] == pytest.approx(34.75, abs=1.5)


def test_thick_cement_hardens_the_beam():
    thin, thick = cement_attenuation(np.array([1.0, 20.0], np.float32), 90.0, Cement.BARIUM_20)
    assert thin * 10 == pytest.approx(1.56, rel=0.05)
    assert thick / 2.0 == pytest.approx(1.28, rel=0.05)


def test_a_push_passes_its_knots_in_time():
    push = draw_push(2.0, ((8.0, 0.5), (12.0, 1.0)), np.random.default_rng(1))
    times = push.time_of(np.array([0.0, 0.5, 1.0, 1.01], np.float32))
    assert times[0] == 2.0
    assert 6.5 < times[1] <= 8.0
    assert 11.0 < times[2] <= 12.0
    assert np.isinf(times[3])


def test_the_named_scenarios_exist_and_start():
    for name in (
        "contained",
        "canal_leak",
        "disc_leak",
        "vein_leak_ap",
        "soft_tissue_leak",
        "needle_motion_only",
        "breathing_only",
    ):
        scene = SCENARIOS[name]
        assert scene.name == name
        assert scene.start_s >= 2.0


def test_a_stage_can_be_played_twice():
    stage = build(replace(SMALL, duration_s=3.0))
    first, again = ([shot.pixels for shot in play_stage(stage)] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
