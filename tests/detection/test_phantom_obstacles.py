"""Confounders look like what they are, and truth does not call them cement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detection.phantom.balloon import Balloon
from detection.phantom.beam import Beam
from detection.phantom.obstacles import Obstacle, ObstacleKind, Sight
from detection.phantom.scene import SCENARIOS, Motion, Scene, Shot, Stage, build, play, vary
from detection.vocabulary import View

EMPTY = Scene(
    name="empty",
    seed=7,
    size=(256, 256),
    mm_per_px=0.5,
    frame_rate=4.0,
    duration_s=8.0,
    knots=((8.0, 0.0),),
    motion=Motion(breathing_mm=0.0),
)


def shots_with(kind: ObstacleKind, from_s: float = 3.0, until_s: float = 5.0) -> list[Shot]:
    return list(play(replace(EMPTY, obstacles=(Obstacle(kind=kind, from_s=from_s, until_s=until_s),))))


def light(shot: Shot) -> float:
    return float(shot.pixels[64:192, 64:192].mean())


@pytest.mark.parametrize("kind", list(ObstacleKind))
def test_no_obstacle_is_cement_under_treatment(kind):
    assert all(shot.truth.volume_ml < 1e-3 and not shot.truth.leak_3d for shot in shots_with(kind))


@pytest.mark.parametrize("kind", [ObstacleKind.HAND, ObstacleKind.BALLOON, ObstacleKind.VENOGRAPHY])
def test_what_comes_and_goes_is_gone_at_the_end(kind):
    until = 7.0 if kind is ObstacleKind.BALLOON else 4.0
    scene = replace(EMPTY, duration_s=12.0, obstacles=(Obstacle(kind=kind, from_s=2.5, until_s=until),))
    shots = list(play(scene))
    first = np.mean([shot.pixels.astype(float) for shot in shots[:8]], axis=0)
    change = [float(np.abs(first - shot.pixels).mean()) for shot in shots]
    at = round((until - 0.2) * scene.frame_rate)
    assert change[at] > 1.05 * change[9]
    assert change[-1] < 1.03 * change[9]


BALLOON = Obstacle(kind=ObstacleKind.BALLOON, from_s=0.0, until_s=6.0, left=0.25)


@pytest.fixture(scope="module")
def two_balloons() -> Stage:
    """A stage in the AP view with one balloon about the needle's line, and one beside it."""
    obstacles = (BALLOON, replace(BALLOON, aside_mm=13.0))
    return build(replace(EMPTY, view=View.AP, primary_deg=0.0, obstacles=obstacles))


def shown(sight: Sight, time_s: float) -> np.ndarray:
    return sight.shown(sight.weight(time_s))


def test_a_balloon_fills_evenly_and_keeps_what_it_is_told_to(two_balloons):
    full, half, rest = (shown(two_balloons.subject.sights[0], at).sum() for at in (5.0, 2.0, 9.0))
    assert half == pytest.approx(full / 2, rel=0.03)
    assert rest == pytest.approx(full / 4, rel=0.03)


def test_a_balloon_unfolds_from_a_thin_tube():
    along = Balloon(
        beam=Beam(primary_deg=90, secondary_deg=0, mm_per_px=0.5, size=(128, 128), is_mirrored=False, centre=(64, 64)),
        centre=(0, 0, 0), along=(0, 1, 0), half_mm=(9.0, 6.0), pear=0.0, per_mm=0.1,
    )  # fmt: skip
    folded, full = (along.picture(share) > 0.01 for share in (0.1, 1.0))
    high, wide = (full.any(axis=axis).sum() / folded.any(axis=axis).sum() for axis in (1, 0))
    assert high > 2.0
    assert wide < 1.5


def test_two_balloons_lie_on_both_sides_of_the_body(two_balloons):
    apart = [np.average(np.arange(256), weights=shown(each, 5.0).sum(axis=0)) for each in two_balloons.subject.sights]
    assert abs(apart[0] - apart[1]) * EMPTY.mm_per_px > 6.0


def test_cement_is_poured_as_it_is_without_a_balloon(two_balloons):
    alone = build(replace(two_balloons.scene, obstacles=()))
    assert np.array_equal(two_balloons.cells.on_s, alone.cells.on_s)
    assert np.array_equal(two_balloons.cells.ray, alone.cells.ray)


def test_an_exposure_step_lights_the_whole_picture():
    shots = shots_with(ObstacleKind.EXPOSURE_STEP)
    assert light(shots[18]) > 1.3 * light(shots[8])
    assert light(shots[-1]) == pytest.approx(light(shots[8]), rel=0.05)


def test_blades_close_the_field_to_black():
    shots = shots_with(ObstacleKind.BLADES)
    assert shots[18].pixels[:20].mean() < 0.05 * shots[8].pixels[:20].mean()
    assert shots[-1].pixels[:20].mean() > 0.8 * shots[8].pixels[:20].mean()


@pytest.mark.parametrize("kind", [ObstacleKind.SCREWS, ObstacleKind.OLD_CEMENT])
def test_old_things_are_there_from_the_first_frame(kind):
    with_it = next(iter(play(replace(EMPTY, obstacles=(Obstacle(kind=kind),)))))
    without = next(iter(play(EMPTY)))
    darker = without.pixels.astype(float) * light(with_it) / light(without) - with_it.pixels
    assert (darker > 150).sum() > 200


def test_a_sight_rises_and_falls():
    sight = Sight(picture=np.ones((2, 2), np.float32), from_s=2.0, until_s=4.0, rise_s=1.0, fall_s=2.0)
    assert [sight.weight(t) for t in (1.0, 2.5, 3.5, 4.0, 5.0, 7.0)] == [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]


def test_repeated_frames_are_the_same_bits():
    shots = list(play(replace(EMPTY, duration_s=2.0, n_repeats=4)))
    assert all(np.array_equal(shots[0].pixels, shot.pixels) for shot in shots[:4])
    assert not np.array_equal(shots[3].pixels, shots[4].pixels)
    assert [shot.index for shot in shots] == list(range(8))


def test_variations_keep_the_story_and_change_the_rest():
    canal = SCENARIOS["canal_leak"]
    first, again, other = vary(canal, 1), vary(canal, 1), vary(canal, 2)
    assert first == again
    assert first != other
    assert first.leak == other.leak == canal.leak
    assert first.knots == canal.knots
    assert vary(SCENARIOS["vein_leak_ap"], 3).view is View.AP


def test_exam_and_development_never_share_a_scene():
    canal = SCENARIOS["canal_leak"]
    assert all(vary(canal, seed) != vary(canal, seed, is_exam=True) for seed in range(5))
