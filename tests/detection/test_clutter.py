"""Clutter: what is new but no cement is held and told, and what proves to be cement is let go."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from detection.clutter import sift
from detection.memory import Needle
from detection.phantom.obstacles import ObstacleKind
from detection.vocabulary import ZONE_ORDER, Flag, Zone
from detection.zones import region_of
from tests.detection.films import (
    CANAL,
    RULES,
    body_of,
    corners,
    disturbed,
    empty_scene,
    film,
    flags_of,
    leaked,
    watched,
)

SIZE = (128, 128)
RATE = 10
"""Frames per second of the hand-written films; two pixels to the millimetre."""
NOTHING = np.zeros(SIZE, np.bool_)
VENOGRAM = disturbed(ObstacleKind.VENOGRAPHY, 3.0, 5.0)


def tree(reach_mm=50.0):
    """Three vessels, 2 mm wide, away from the border: 3 * 50 * 2 mm2 of contrast agent at once."""
    image = np.zeros(SIZE, np.uint8)
    for row in (34, 64, 94):
        cv2.line(image, (14, row), (14 + round(2 * reach_mm), row), 1, 4)
    return image.astype(np.bool_)


def tube(length_mm):
    """A vein from the edge of a bolus, 2 mm wide."""
    return cv2.line(np.zeros(SIZE, np.uint8), (60, 100), (60, 100 - round(2 * length_mm)), 1, 4).astype(np.bool_)


def bolus(radius_mm=5.0):
    return cv2.circle(np.zeros(SIZE, np.uint8), (60, 105), round(2 * radius_mm), 1, -1).astype(np.bool_)


def play(masks, scene=None, change=0.2, rate=RATE, pause_s=0.0):
    """What is left of each mask of new pixels, the flags, and the scene after them."""
    scene = empty_scene(SIZE, 2.0) if scene is None else scene
    start = 0.0 if scene.clutter is None else scene.clutter.at_s + 1 / rate + pause_s
    told = []
    for index, mask in enumerate(masks):
        dense = change if isinstance(change, float) else change[index]
        sifted = sift(mask, np.where(mask, np.float32(dense), np.float32(0)), scene, start + index / rate, RULES)
        scene = replace(scene, clutter=sifted.clutter)
        told.append(sifted)
    return told, scene


def with_cement(mask):
    """A scene in which this cement has been established for three seconds."""
    _, scene = play([mask] * 3 * RATE)
    return replace(scene, cement=mask)


def test_nothing_new_is_left_alone():
    told, scene = play([NOTHING] * 5)
    assert not any(one.hits.any() or one.flags for one in told)
    assert scene.clutter.age is None


def test_a_whole_tree_at_once_is_named_and_held_from_its_first_frame():
    told, _ = play([NOTHING, *[tree()] * 10])
    assert not any(one.hits.any() for one in told)
    assert all(one.flags == {Flag.CONTRAST_AGENT} for one in told[1:])


def test_a_tree_that_fills_over_four_frames_is_never_taken_for_cement():
    filling = [tree(mm) for mm in (5, 15, 25, 40, 50, 50, 50)]
    told, _ = play([NOTHING, *filling])
    assert not any(one.hits.any() for one in told)
    assert all(Flag.CONTRAST_AGENT in one.flags for one in told[1:])


def test_the_flag_ends_when_the_tree_has_cleared():
    told, scene = play([NOTHING, *[tree()] * 20, *[NOTHING] * 30])
    up = [index for index, one in enumerate(told) if one.flags]
    assert up[0] == 1
    assert up == list(range(1, 22)), "the frame that shows it gone is the last"
    assert scene.clutter.held is None


def test_a_vein_that_fills_at_cements_pace_is_cement():
    scene = with_cement(bolus())
    growing = [bolus() | tube(1.6 * n) for n in range(20)]  # 16 mm/s, the fastest of a 2 mm vein
    told, _ = play(growing, scene)
    assert all((one.hits == mask).all() for one, mask in zip(told, growing, strict=True))
    assert not any(one.flags for one in told)


def test_a_leak_from_established_cement_is_told_while_contrast_agent_flows():
    scene = with_cement(bolus())
    leaking = [bolus() | tree() | tube(0.3 * n) for n in range(20)]
    told, _ = play(leaking, scene)
    assert all(Flag.CONTRAST_AGENT in one.flags for one in told)
    assert told[-1].hits[bolus()].all()
    grown = tube(5.0) & ~tree()
    assert told[-1].hits[grown].mean() > 0.8


def test_what_stays_without_fading_is_cement_in_the_end():
    """Nothing is hidden for good: contrast agent clears in two to five seconds."""
    n_stay = round(RATE * RULES.stay_s)
    told, _ = play([NOTHING, *[tree()] * (n_stay + 5)])
    assert not told[n_stay - 2].hits.any()
    assert (told[-1].hits == tree()).all()


def test_what_fades_is_held_for_longer_but_not_for_ever():
    n_stay = round(RATE * RULES.stay_s)
    n_most = round(RATE * RULES.held_most_s)
    fading = [0.3] * 10 + list(np.linspace(0.3, 0.1, n_stay)) + list(np.linspace(0.1, 0.05, n_most))
    told, _ = play([NOTHING, *[tree()] * len(fading)], change=[0.0, *fading])
    assert not any(one.hits.any() for one in told[: 10 + n_stay])
    assert all((one.hits == tree()).all() and not one.flags for one in told[n_most + 2 :])


def test_one_dense_frame_does_not_make_a_cast_look_faded_for_ever():
    n_stay = round(RATE * RULES.stay_s)
    told, _ = play([NOTHING, *[tree()] * (n_stay + 10)], change=[0.0] + [0.2] * 5 + [0.28] + [0.2] * (n_stay + 4))
    assert (told[-1].hits == tree()).all()
    assert not told[-1].flags


def test_what_is_left_of_a_wave_keeps_it_up_no_longer():
    """Half as dense, and a vein that fills elsewhere at cement's pace: counted as it comes."""
    left = tree() & (np.arange(SIZE[1]) > 100)
    growing = [left | tube(1.0 * n) for n in range(1, 16)]
    masks = [NOTHING, *[tree()] * 20, *[left] * 25, *growing]
    told, _ = play(masks, change=[0.0] + [0.2] * 20 + [0.1] * 40)
    assert told[-1].hits[tube(10.0) & ~tree()].all()


def flickering(seconds):
    """Wide shadows that come and go every half second, now here, now there."""
    other = np.roll(tree(), 15, axis=0)
    return [other if index // 5 % 2 else tree() for index in range(seconds * RATE)]


def test_no_wave_goes_on_for_ever():
    told, _ = play([NOTHING, *flickering(25)])
    up = "".join("x" if one.flags else " " for one in told).split()
    most = RULES.held_most_s + RULES.wave_tail_s + RULES.onset_s + RULES.probation_s
    assert max(map(len, up)) <= RATE * most + 2
    assert len(up) > 2


@pytest.mark.parametrize(
    "masks",
    [[tree()] * 60, [tree()] * 20 + [tree() & (np.arange(SIZE[1]) > 122)] * 60, flickering(15)],
    ids=["stays", "a little is left", "flickers"],
)
def test_whatever_is_held_is_told(masks):
    told, _ = play([NOTHING, *masks])
    assert all(one.flags for one, mask in zip(told[1:], masks, strict=True) if (mask & ~one.hits).any())


def timed(masks, times):
    """What is left of masks at these times."""
    scene, told = empty_scene(SIZE, 2.0), []
    for mask, time_s in zip(masks, times, strict=True):
        sifted = sift(mask, np.where(mask, np.float32(0.2), np.float32(0)), scene, time_s, RULES)
        scene = replace(scene, clutter=sifted.clutter)
        told.append(sifted)
    return told


@pytest.mark.parametrize("step_s", [0.0, -0.1], ids=["the same", "backwards"])
def test_where_time_does_not_advance_nothing_is_hidden(step_s):
    """Everything would be new for ever."""
    masks = [NOTHING, *[tree() | tube(1.0 * n) for n in range(20)]]
    told = timed(masks, [100 + step_s * index for index in range(len(masks))])
    assert all((one.hits == mask).all() and not one.flags for one, mask in zip(told, masks, strict=True))


def test_a_time_told_twice_hides_nothing_afterwards():
    """What was there is not new when time goes on."""
    masks = [bolus() | tree()] * 20
    told = timed(masks, [0.1 * (index // 2) for index in range(20)])
    assert all((one.hits == masks[0]).all() for one in told)


def test_a_clock_set_back_leaves_no_wave_behind():
    told = timed(
        [NOTHING, *[tree()] * 5, *[tree()] * 20], [100 + 0.1 * n for n in range(6)] + [50 + 0.1 * n for n in range(20)]
    )
    assert all((one.hits == tree()).all() and not one.flags for one in told[6:])


def test_after_a_pause_of_the_beam_what_is_there_counts_at_once():
    """Cement that flowed while the pedal was up appears all at once, too."""
    _, scene = play([NOTHING] * 5)
    told, _ = play([bolus() | tree()] * 3, scene, pause_s=RULES.beam_pause_s)
    assert (told[0].hits == (bolus() | tree())).all()
    assert not any(one.flags for one in told)


def test_the_first_drop_of_cement_waits_at_most_for_the_probation():
    """Without a needle to say where cement comes from; a drop is no tree however fast it comes."""
    told, _ = play([NOTHING, *[bolus(6.0)] * 10])
    waits = round(RATE * RULES.probation_s)
    assert (told[waits + 2].hits == bolus(6.0)).all()
    assert not told[waits + 2].flags


def test_cement_at_the_needle_tip_does_not_wait():
    scene = empty_scene(SIZE, 2.0, needle=Needle(tip=(105.0, 60.0), tail=(105.0, 127.0), width_px=5.0))
    told, _ = play([NOTHING, *[bolus(6.0)] * 3], scene)
    assert (told[1].hits == bolus(6.0)).all()


def test_cement_along_the_cannula_is_no_wave_however_far_it_reaches():
    """Its shadow shows the tract all at once."""
    told, _ = play([NOTHING, *[tree()] * 3], empty_scene(SIZE, 2.0, opaque=tree()))
    assert (told[1].hits == tree()).all()
    assert not told[1].flags


def hand(reach_mm):
    """Two fingers, 14 mm wide, from the upper border."""
    mask = np.zeros(SIZE, np.bool_)
    mask[: round(2 * reach_mm), 20:48] = True
    mask[: round(2 * reach_mm), 60:88] = True
    return mask


def test_a_hand_that_reaches_in_is_held_and_told_with_or_without_a_body():
    sliding = [hand(4.0 * n) for n in range(9)]
    told, _ = play([*sliding, *[hand(32.0)] * 60])
    assert not any(one.hits.any() for one in told)
    assert told[-1].covered[hand(32.0)].mean() > 0.9
    assert told[-1].flags == {Flag.BORDER_OBJECT}


def test_a_hand_that_rests_is_let_go_in_the_end():
    """It may be cement at the edge of a narrow field."""
    told, _ = play([NOTHING, *[hand(32.0)] * (round(RATE * RULES.held_most_s) + 5)])
    assert not told[-8].hits.any()
    assert (told[-1].hits == hand(32.0)).all()
    assert not told[-1].flags


def test_what_creeps_up_to_a_hand_does_not_become_a_part_of_it():
    """It was held for ever with all that touched it."""
    growing = [cv2.circle(np.zeros(SIZE, np.uint8), (54, 84), 2 + n // 3, 1, -1) > 0 for n in range(60)]
    told, _ = play([NOTHING, *[hand(32.0) | drop for drop in growing]])
    beyond = growing[-1] & ~hand(40.0)
    assert told[-1].hits[beyond].mean() > 0.9
    assert not told[-1].hits[hand(30.0)].any()


def test_from_the_border_nothing_is_held_where_cement_is_feared_most():
    body = body_of(corners(50.0, 50.0, 94.0, 114.0))
    scene = empty_scene(SIZE, 2.0, region=region_of(body, SIZE, 2.0, None, RULES))
    gush = np.zeros(SIZE, np.bool_)
    gush[60:80, :20] = True
    waits = round(RATE * RULES.probation_s)
    told, _ = play([NOTHING, *[gush] * 10], scene)
    canal = gush & np.isin(scene.region.intact.zones, [ZONE_ORDER.index(Zone.CANAL), ZONE_ORDER.index(Zone.FORAMEN)])
    assert np.count_nonzero(canal) > 50
    assert told[waits + 2].hits[canal].all()


def test_from_the_border_nothing_is_held_about_the_needles_tip_or_established_cement():
    fingers = hand(32.0)
    tip = empty_scene(SIZE, 2.0, needle=Needle(tip=(50.0, 34.0), tail=(50.0, 127.0), width_px=5.0))
    old = cv2.circle(np.zeros(SIZE, np.uint8), (74, 76), 8, 1, -1) > 0
    for scene, near in ((tip, (50, 34)), (with_cement(old), (62, 74))):
        told, _ = play(
            [NOTHING if scene is tip else old, *[fingers | old if scene is not tip else fingers] * 20], scene
        )
        assert told[-1].hits[near]
        assert not told[-1].hits[:16, 20:48].any()
        assert Flag.BORDER_OBJECT in told[-1].flags


def test_brightness_and_mirroring_change_nothing():
    """What matters is where and when, not how dense; and left is as good as right."""
    films = [NOTHING, *[tree(mm) for mm in (10, 30, 50)], *[tree() | bolus()] * 8]
    plain, _ = play(films)
    dense, _ = play(films, change=2.0)
    mirrored, _ = play([mask[:, ::-1].copy() for mask in films])
    for one, other, left in zip(plain, dense, mirrored, strict=True):
        assert (one.hits == other.hits).all()
        assert one.flags == other.flags == left.flags
        assert (one.hits == left.hits[:, ::-1]).all()


@pytest.mark.parametrize("rate", [4, 7.5, 15, 30])
def test_the_frame_rate_does_not_matter(rate):
    quick = [tree()] * round(2 * rate)
    told, _ = play([NOTHING, *quick], rate=rate)
    assert not any(one.hits.any() for one in told)


# through the whole of detection


@pytest.mark.parametrize("is_planned", [True, False], ids=["given", "found"])
def test_venography_is_named_and_is_no_leak(is_planned):
    findings, memory = watched(VENOGRAM, is_planned=is_planned)
    assert leaked(findings) == frozenset()
    assert not any(one.vanished for one in findings)
    begins = film(VENOGRAM).moment(3.0)
    named = [index for index, one in enumerate(findings) if Flag.CONTRAST_AGENT in one.flags]
    assert begins <= named[0] <= begins + 3
    assert memory.scene.clutter.held is None


def test_a_canal_leak_is_never_called_contrast_agent():
    findings, _ = watched(CANAL)
    assert Zone.CANAL in leaked(findings)
    assert Flag.CONTRAST_AGENT not in flags_of(findings[film(CANAL).moment(9.0) :])


def test_a_bolus_far_from_a_wave_does_not_wait_for_it():
    """A heart beats beside the spine while cement creeps out of the needle."""
    heart = tree()
    heart[50:] = False
    scene = empty_scene(SIZE, 2.0, needle=Needle(tip=(105.0, 60.0), tail=(105.0, 127.0), width_px=5.0))
    growing = [bolus(1 + k / 4) for k in range(20)]
    told, _ = play([NOTHING, *[heart | each for each in growing]], scene)
    assert all((one.hits == each).all() for one, each in zip(told[1:], growing, strict=True))
    assert Flag.CONTRAST_AGENT in told[1].flags


def test_a_speck_beside_a_bolus_does_not_carry_a_wave_to_it():
    heart = tree()
    heart[50:] = False
    speck = np.zeros(SIZE, np.bool_)
    speck[70:72, 40:44] = True
    scene = empty_scene(SIZE, 2.0, needle=Needle(tip=(105.0, 60.0), tail=(105.0, 127.0), width_px=5.0))
    growing = [bolus(2 + k / 4) for k in range(12)]
    told, _ = play([NOTHING, *[heart | speck | each for each in growing]], scene)
    assert all((one.hits >= each).all() for one, each in zip(told[1:], growing, strict=True))
