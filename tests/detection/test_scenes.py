"""Scenes: a table move or a swing starts a new one, coming back finds the old one again, memory stays bounded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detection.memory import Memory
from detection.pixels import calm
from detection.scenes import MOST_SCENES, average_in, remembered, settle
from detection.vocabulary import Flag, View
from tests.detection.films import RULES, frame_of, mottle

SIZE = (192, 192)


def picture(seed, row=0, col=0, gain=1.0, **changed):
    """A patient, moved down and right by whole pixels, under more or less light."""
    wide = mottle((320, 320), seed=seed, grain_px=4.0)
    cut = wide[64 - row : 64 - row + SIZE[0], 64 - col : 64 - col + SIZE[1]]
    noise = np.random.default_rng([seed, abs(row), abs(col)]).normal(0, 12, SIZE)
    return frame_of((1200 * np.exp(0.25 * cut) + noise) * gain, **changed)


def place_of(frame, memory):
    place = settle(calm(frame, RULES), frame, memory, RULES)
    return place, remembered(memory, place.scene)


def walk(frames, memory=None):
    memory = Memory() if memory is None else memory
    places = []
    for frame in frames:
        place, memory = place_of(frame, memory)
        places.append(place)
    return places, memory


def numbers(places):
    return [place.scene.number for place in places]


def test_the_first_frame_begins_a_scene_and_that_is_no_news():
    (place,), memory = walk([picture(1)])
    assert place.scene.number == 0
    assert place.flags == frozenset()
    assert memory.current == 0
    assert memory.scene is place.scene


def test_breathing_stays_in_the_scene_and_is_told_as_shift():
    places, _ = walk([picture(1, row) for row in (0, 1, 2, 4, 5, 3, 1)])
    assert set(numbers(places)) == {0}
    assert [place.scene.shift_px[0] for place in places] == pytest.approx([0, 1, 2, 4, 5, 3, 1], abs=0.3)
    assert all(abs(place.scene.shift_px[1]) < 0.3 for place in places)


def test_another_picture_is_first_lost_and_then_a_new_scene():
    places, _ = walk([picture(1)] * 2 + [picture(2)] * 4)
    assert numbers(places) == [0, 0, 0, 0, 1, 1]
    assert [place.flags for place in places[2:5]] == [
        {Flag.MOTION_NOT_TRUSTED},
        {Flag.MOTION_NOT_TRUSTED},
        {Flag.NEW_SCENE},
    ]
    assert places[5].flags == frozenset()


def test_one_wild_frame_is_no_new_scene():
    places, memory = walk([picture(1), picture(2), picture(1), picture(2), picture(1)])
    assert set(numbers(places)) == {0}
    assert memory.n_scenes == 1


def turned(seed, share):
    """A patient seen from a little aside: this share of what the picture shows is another's."""
    mine, other = (mottle((320, 320), seed=each, grain_px=4.0)[64:256, 64:256] for each in (1, seed))
    noise = np.random.default_rng([seed, 7]).normal(0, 12, SIZE)
    return frame_of(1200 * np.exp(0.25 * ((1 - share) * mine + share * other)) + noise)


def settled_scene():
    """A memory whose scene has its reference and has been seen for a while."""
    places, memory = walk([picture(1)])
    scene = replace(places[0].scene, n_averaged=int(RULES.reference_frames))
    return walk([picture(1)] * 5, remembered(memory, scene))[1]


def test_a_small_turn_that_halves_the_likeness_at_once_is_a_new_scene():
    frames = [turned(9, 0.55)] * int(RULES.turn_frames)
    places, _ = walk(frames, settled_scene())
    assert all(place.flags == {Flag.MOTION_NOT_TRUSTED} for place in places[:-1])
    assert numbers(places)[-1] == 1


def test_a_hand_that_comes_and_goes_leaves_the_scene_as_it_was():
    places, _ = walk([*[turned(9, 0.55)] * 5, picture(1)], settled_scene())
    assert set(numbers(places)) == {0}
    assert places[-1].flags == frozenset()


def test_what_changes_the_picture_a_little_stays_in_the_scene():
    places, _ = walk([turned(9, 0.2)] * 4, settled_scene())
    assert set(numbers(places)) == {0}


def test_coming_back_finds_the_old_scene_at_once():
    places, memory = walk([picture(1)] * 2 + [picture(2)] * 4 + [picture(1, 3, -2)])
    assert numbers(places)[-1] == 0
    assert places[-1].flags == {Flag.NEW_SCENE}
    assert places[-1].scene.shift_px == pytest.approx((3, -2), abs=0.3)
    assert memory.n_scenes == 2


def test_a_table_move_within_reach_is_followed():
    places, _ = walk([picture(1)] * 2 + [picture(1, 24, -30)] * 2)
    assert numbers(places) == [0, 0, 0, 0]
    assert places[-1].scene.shift_px == pytest.approx((24, -30), abs=0.5)


def test_a_table_move_out_of_reach_is_a_new_scene():
    places, _ = walk([picture(1)] * 2 + [picture(1, 60, 60)] * 4)
    assert numbers(places)[-1] == 1


def test_a_swing_is_a_new_scene_at_once_and_back_is_the_old_one():
    lateral, ap = picture(1), picture(2, view=View.AP)
    places, _ = walk([lateral, lateral, ap, ap, lateral])
    assert numbers(places) == [0, 0, 1, 1, 0]
    assert [bool(place.flags) for place in places] == [False, False, True, False, True]


def test_the_same_picture_called_another_view_is_another_scene():
    places, _ = walk([picture(1), picture(1, view=View.AP)])
    assert numbers(places) == [0, 1]


def test_another_matrix_size_is_another_scene():
    small = picture(1)
    places, _ = walk([small, replace(small, pixels=small.pixels[:160, :160])])
    assert numbers(places) == [0, 1]


def closed(frame, rows):
    """The collimator closed by rows from above and below."""
    shut = np.ones(SIZE, np.bool_)
    shut[:rows], shut[-rows:] = False, False
    return replace(frame, field=shut)


def test_a_closed_collimator_is_a_new_scene_and_opened_it_is_the_old_one():
    places, _ = walk([picture(1)] * 2 + [closed(picture(1), 40)] * 4 + [picture(1, 2)])
    assert numbers(places) == [0, 0, 0, 0, 1, 1, 0]


def test_a_collimator_that_moves_a_little_stays_in_the_scene():
    places, _ = walk([picture(1)] * 2 + [closed(picture(1), 8)] * 4)
    assert set(numbers(places)) == {0}


@pytest.mark.parametrize("gain", [0.6, 1.5])
def test_more_or_less_light_stays_in_the_scene(gain):
    places, _ = walk([picture(1), picture(1, gain=gain)])
    assert numbers(places) == [0, 0]
    assert places[1].scene.shift_px == pytest.approx((0, 0), abs=0.1)


def test_memory_is_bounded_and_forgets_what_was_not_visited_longest():
    frames = [picture(seed) for seed in range(1, MOST_SCENES + 3) for _ in range(RULES_LOST)]
    _, memory = walk(frames)
    assert len(memory.scenes) == MOST_SCENES
    assert memory.n_scenes == MOST_SCENES + 2
    assert [scene.number for scene in memory.scenes] == list(range(2, MOST_SCENES + 2))
    _, memory = walk([picture(3)], memory)
    assert memory.scenes[-1].number == 2


RULES_LOST = int(RULES.lost_frames)


def test_the_reference_is_the_average_of_what_it_was_given():
    frames = [picture(1) for _ in range(3)]
    (place,), _ = walk(frames[:1])
    scene = place.scene
    for light in (1.0, 1.5, 1.5):
        scene = average_in(scene, calm(picture(1, gain=light), RULES), RULES)
    assert scene.n_averaged == 3
    assert scene.reference.dtype == np.float32
    first = calm(frames[0], RULES).attenuation
    inside = scene.field
    assert np.abs((scene.reference - first)[inside]).mean() < 0.02, "exposure was taken out"


def test_the_scale_is_the_frame_s_or_a_nominal_one():
    (told,), _ = walk([picture(1)])
    assert told.scene.is_scale_known
    assert told.scene.px_per_mm == pytest.approx(2.0)
    (untold,), _ = walk([picture(1, mm_per_px=None)])
    assert not untold.scene.is_scale_known
    assert untold.scene.px_per_mm == pytest.approx(max(untold.scene.reference.shape) / RULES.nominal_field_mm)
