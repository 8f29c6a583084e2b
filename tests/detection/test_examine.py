"""From one frame to findings: the whole of detection on small patients, with and without landmarks."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest

from detection.examine import examine
from detection.memory import Memory
from detection.phantom.obstacles import ObstacleKind
from detection.phantom.scene import Motion
from detection.vocabulary import Flag, Intensity, Landmarks, Origin, Plan, Polarity, View, Zone
from detection.zones import not_visible
from tests.detection.films import (
    AP,
    CANAL,
    DISC,
    NO_PLAN,
    RULES,
    SMALL,
    STILL,
    VEIN,
    disturbed,
    film,
    flags_of,
    frame_of,
    leaked,
    stamp,
    watch,
    watched,
)

BUILDING = int(RULES.reference_frames)
JUDGED = slice(BUILDING, None)
EXPOSED = disturbed(ObstacleKind.EXPOSURE_STEP, 4.0, 6.0)
BREATHING = replace(STILL, name="breathing", motion=Motion(breathing_mm=3.0, breaths_per_min=18.0))
NEEDLE = replace(STILL, name="needle", duration_s=8.0, motion=Motion(breathing_mm=0.0, needle_mm=2.5))


def onset(findings, zone):
    """The index of the first frame with a piece in a zone."""
    return next(index for index, one in enumerate(findings) if zone in {piece.zone for piece in one.pieces})


def visible_onset(script):
    """The index of the first frame on which the leak can be seen."""
    return next(shot.index for shot in film(script).shots if shot.truth.leak_visible)


# what is injected, is found


def test_the_first_frames_build_the_reference_and_say_so():
    findings, _ = watched(SMALL)
    assert [Flag.REFERENCE_BUILDING in one.flags for one in findings[: BUILDING + 1]] == [True] * (BUILDING - 1) + [
        False
    ] * 2
    assert all(one.is_fit and one.pieces == () and one.front is None for one in findings[: BUILDING - 1])
    assert all(one.zones_watched == () for one in findings[: BUILDING - 1]), "nobody is told that a zone is watched yet"


@pytest.mark.parametrize("script", [STILL, SMALL, AP, BREATHING], ids=lambda script: script.name)
def test_no_leak_is_told_where_none_is(script):
    findings, memory = watched(script)
    assert leaked(findings) == frozenset()
    assert not any(one.vanished for one in findings)
    assert all(one.is_fit for one in findings)
    assert memory.n_scenes == 1


@pytest.mark.parametrize("script", [SMALL, AP], ids=lambda script: script.name)
def test_contained_cement_is_measured(script):
    findings, _ = watched(script)
    truth = film(script).shots[-1].truth
    true_mm2 = truth.cement.sum() * script.mm_per_px**2
    assert findings[-1].cement_area_mm2 == pytest.approx(true_mm2, rel=0.3)
    assert findings[-1].cement_volume_ml.low < truth.volume_ml < findings[-1].cement_volume_ml.high


@pytest.mark.parametrize("script", [SMALL, CANAL], ids=lambda script: script.name)
def test_the_distance_to_the_wall_is_right_within_about_a_millimetre_and_a_half(script):
    """In the median, at half a millimetre to the pixel; the first few square millimetres of cement lag behind."""
    findings, _ = watched(script)
    pairs = [
        (one.front.distance_mm, shot.truth.distance_to_wall_mm)
        for one, shot in zip(findings, film(script).shots, strict=True)
        if one.front is not None and not shot.truth.leak_3d and shot.truth.distance_to_wall_mm is not None
    ]
    assert len(pairs) > 10
    assert np.median([abs(told - true) for told, true in pairs]) < 1.75


def test_a_front_nearing_the_wall_has_a_speed():
    findings, _ = watched(CANAL)
    before = findings[film(CANAL).moment(8.0)]
    assert before.front.speed_mm_s > 0.3
    assert before.front.seconds_to_wall is not None


def test_a_canal_leak_is_told_soon_after_it_can_be_seen():
    findings, _ = watched(CANAL)
    assert 0 <= onset(findings, Zone.CANAL) - visible_onset(CANAL) <= 5
    assert Zone.CANAL in {piece.zone for piece in findings[-1].pieces}


def test_a_disc_leak_is_told_with_its_side():
    findings, _ = watched(DISC)
    assert onset(findings, Zone.DISC) - visible_onset(DISC) <= 5
    (piece,) = [piece for piece in findings[-1].pieces if piece.zone is Zone.DISC]
    assert piece.side == "superior"


def test_a_vein_beside_the_body_in_ap_is_told():
    findings, _ = watched(VEIN)
    told = min(onset(findings, zone) for zone in leaked(findings))
    assert leaked(findings) <= {Zone.VEIN, Zone.SOFT_TISSUE}
    assert told - visible_onset(VEIN) <= 5


def test_without_landmarks_the_body_is_found_and_the_leak_named_all_the_same():
    findings, _ = watched(CANAL, is_planned=False)
    assert findings[-1].body.origin is Origin.FOUND
    assert Zone.CANAL in leaked(findings)
    assert all(Flag.BODY_NOT_FOUND in one.flags for one in findings[: BUILDING - 1])
    assert not any(Flag.BODY_NOT_FOUND in one.flags for one in findings[JUDGED])


def test_outlines_lie_on_the_cement():
    findings, _ = watched(SMALL)
    truth = film(SMALL).shots[-1].truth.cement
    near = cv2.dilate(truth.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(np.bool_)
    rows, cols = np.round(np.array(findings[-1].cement_outlines[0])).astype(int).T
    assert near[rows, cols].all()


# what comes between


def test_breathing_is_followed():
    findings, _ = watched(BREATHING)
    for one, shot in zip(findings, film(BREATHING).shots, strict=True):
        assert np.hypot(*np.subtract(one.shift_px, shot.truth.shift_px)) < 2.0
        assert np.hypot(*np.subtract(one.body.corners.near_superior, shot.truth.corners.near_superior)) < 2.5


def test_an_exposure_step_is_named_and_is_no_cement():
    findings, _ = watched(EXPOSED)
    named = [index for index, one in enumerate(findings) if Flag.EXPOSURE_STEP in one.flags]
    assert named
    assert film(EXPOSED).moment(4.0) <= named[0] <= film(EXPOSED).moment(4.0) + 2
    assert leaked(findings) == frozenset()
    assert all(one.cement_area_mm2 in (None, 0.0) for one in findings)


@pytest.mark.xfail(
    reason="at half a millimetre to the pixel a needle that moves 2.5 mm leaves a canal piece", strict=True
)
def test_a_moving_needle_is_no_cement():
    assert not leaked(watched(NEEDLE)[0]) & {Zone.CANAL, Zone.FORAMEN}


def test_a_hand_from_the_border_makes_frames_unfit():
    played = film(STILL)
    hand = np.ones((256, 256), np.float32)
    hand[:90, 40:200] = 0.5
    hidden = [
        replace(frame, pixels=frame.pixels * hand, stamp=stamp(100 + n)) for n, frame in enumerate(played.frames[:4])
    ]
    findings, memory = watch(played.frames, played.plan())
    covered, after = watch(hidden, played.plan(), memory)
    assert all(not one.is_fit and one.flags & {Flag.BIG_OBJECT, Flag.MOTION_NOT_TRUSTED} for one in covered[:2])
    assert leaked(covered) == frozenset()
    gone, _ = watch([replace(played.frames[-1], stamp=stamp(200))], played.plan(), after)
    assert gone[0].scene == findings[-1].scene
    assert gone[0].is_fit


def test_a_collimator_that_closes_and_opens_is_named_and_is_no_cement():
    shut = disturbed(ObstacleKind.BLADES, 4.0, 6.0)
    findings, _ = watched(shut)
    closing, opening = film(shut).moment(4.0), film(shut).moment(6.0)
    assert all(one.flags for one in findings[closing:opening])
    assert not any(one.is_fit for one in findings[closing : closing + 3])
    assert Flag.NEW_SCENE in flags_of(findings[closing:opening])
    assert leaked(findings) == frozenset()
    assert findings[-1].scene == findings[0].scene
    assert findings[-1].flags == frozenset()


def test_a_swing_to_ap_is_a_new_scene_and_back_is_the_old_one():
    lateral, ap = film(STILL), film(AP)
    frames = [*lateral.frames[:12], *ap.frames[:12], *lateral.frames[12:]]
    findings, memory = watch([replace(frame, stamp=stamp(n)) for n, frame in enumerate(frames)], lateral.plan())
    assert [one.scene for one in findings] == [0] * 12 + [1] * 12 + [0] * 8
    assert [n for n, one in enumerate(findings) if Flag.NEW_SCENE in one.flags] == [12, 24]
    assert memory.n_scenes == 2
    assert not any(Flag.REFERENCE_BUILDING in one.flags for one in findings[24:])
    assert findings[-1].body.origin is Origin.OPERATOR


# what may not be judged


@pytest.mark.parametrize(
    ("changed", "flag"),
    [
        ({"pixels": np.zeros((256, 256), np.float32)}, Flag.TOO_DARK),
        ({"pixels": np.full((256, 256), 4095, np.float32)}, Flag.SATURATED),
        ({"pixels": np.full((256, 256), 1500, np.float32)}, Flag.NO_DETAIL),
        ({"is_subtracted": True}, Flag.SUBTRACTED),
    ],
)
def test_an_unfit_frame_says_why_and_changes_nothing_but_what_was_last_seen(changed, flag):
    played = film(SMALL)
    _, memory = watched(SMALL)
    findings, after = examine(replace(played.frames[20], **changed), memory, played.plan(), RULES)
    assert not findings.is_fit
    assert flag in findings.flags
    assert findings.pieces == ()
    assert findings.front is None
    assert findings.zones_watched == ()
    assert after.scenes == memory.scenes
    assert after.current == memory.current


def test_the_same_picture_again_is_unfit_and_changes_nothing():
    played = film(SMALL)
    doubled = [
        replace(frame, stamp=stamp(n))
        for frame in played.frames[:24]
        for n in (2 * frame.stamp.arrival, 2 * frame.stamp.arrival + 1)
    ]
    twice, memory = watch(doubled, played.plan())
    once, memory_once = watch([doubled[n] for n in range(0, len(doubled), 2)], played.plan())
    assert all(Flag.DUPLICATE in one.flags and not one.is_fit for one in twice[1::2])
    assert twice[::2] == once
    assert np.array_equal(memory.scene.seen, memory_once.scene.seen)


def test_a_frame_of_another_picture_with_the_same_thumbnail_pixels_is_told_apart_from_one_that_is_the_same():
    played = film(SMALL)
    findings, _ = watch(played.frames[:12], played.plan())
    assert not any(Flag.DUPLICATE in one.flags for one in findings)


def test_without_a_needle_the_body_is_not_found_and_cement_is_elsewhere():
    """A picture with neither needle nor body: the same patient's texture, the needle painted over."""
    rng = np.random.default_rng(1)
    rows, cols = np.indices((256, 256))
    patient = 1500 + 150 * np.sin(rows / 9) * np.cos(cols / 11)
    frames = []
    for index in range(22):
        shadow = 1 - 0.3 * (np.hypot(rows - 128, cols - 128) < 12) * (index >= 12)
        frames.append(frame_of(patient * shadow + rng.normal(0, 15, patient.shape), stamp=stamp(index)))
    findings, _ = watch(frames)
    assert all(Flag.BODY_NOT_FOUND in one.flags for one in findings)
    assert all(one.body is None and one.zones_watched == () and one.front is None for one in findings)
    assert leaked(findings) == {Zone.ELSEWHERE}


# what is not known


def test_without_a_scale_shares_are_known_and_millimetres_are_not():
    played = film(SMALL)
    findings, _ = watch([replace(frame, mm_per_px=None) for frame in played.frames], played.plan())
    told, _ = watched(SMALL)
    assert all(Flag.SCALE_UNKNOWN in one.flags for one in findings)
    last = findings[-1]
    assert (last.mm_per_px, last.cement_area_mm2, last.cement_volume_ml) == (None, None, None)
    assert (last.front.distance_mm, last.front.speed_mm_s, last.front.depth_mm) == (None, None, None)
    assert last.front.share == pytest.approx(told[-1].front.share, abs=0.05)


def test_a_scale_from_the_plan_takes_the_flag_back():
    played = film(SMALL)
    given = played.plan().landmarks[View.LATERAL]
    plan = Plan(landmarks={View.LATERAL: replace(given, body=replace(given.body, mm_per_px=0.5))})
    findings, _ = watch([replace(frame, mm_per_px=None) for frame in played.frames[:12]], plan)
    assert findings[-1].mm_per_px == pytest.approx(0.5)
    assert Flag.SCALE_UNKNOWN not in findings[-1].flags


@pytest.mark.parametrize("view", [View.UNKNOWN, View.OBLIQUE])
def test_a_view_that_nobody_knows_is_flagged_and_watches_nothing(view):
    frames = [replace(frame, view=view) for frame in film(SMALL).frames[:12]]
    findings, _ = watch(frames)
    assert all(Flag.VIEW_UNKNOWN in one.flags for one in findings)
    assert findings[-1].zones_watched == ()
    assert set(findings[-1].zones_not_visible) == set(Zone) - {Zone.BODY, Zone.ELSEWHERE}


@pytest.mark.parametrize("script", [STILL, AP, EXPOSED], ids=lambda script: script.name)
def test_every_finding_lists_what_this_view_cannot_show(script):
    findings, _ = watched(script)
    assert all(one.zones_not_visible == not_visible(script.view) for one in findings)


# symmetries


def test_more_light_changes_nothing():
    played = film(SMALL)
    bright = [replace(frame, pixels=frame.pixels * np.float32(1.25), ceiling=6000.0) for frame in played.frames]
    dim = [replace(frame, ceiling=6000.0) for frame in played.frames]
    one, other = watch(bright, played.plan())[0][-1], watch(dim, played.plan())[0][-1]
    assert one.cement_area_mm2 == pytest.approx(other.cement_area_mm2, rel=0.02)
    assert one.front.distance_mm == pytest.approx(other.front.distance_mm, abs=0.3)
    assert [piece.zone for piece in one.pieces] == [piece.zone for piece in other.pieces]


@pytest.mark.parametrize("intensity", [Intensity.LOG, Intensity.DISPLAY])
def test_a_negative_film_gives_the_same_findings_to_the_bit(intensity):
    frames = [
        replace(frame, pixels=np.float32(4095 / 9) * np.log2(np.maximum(frame.pixels, 8) / 8), intensity=intensity)
        for frame in film(SMALL).frames
    ]
    frames = [replace(frame, pixels=np.round(frame.pixels)) for frame in frames]
    negative = [
        replace(frame, pixels=np.float32(4095) - frame.pixels, polarity=Polarity.DENSE_IS_BRIGHT) for frame in frames
    ]
    plan = film(SMALL).plan()
    assert watch(frames, plan)[0] == watch(negative, plan)[0]


@pytest.mark.parametrize("script", [CANAL, DISC], ids=lambda script: script.name)
def test_a_mirrored_film_gives_mirrored_findings(script):
    played, width = film(script), script.size[1]
    given = played.plan().landmarks[script.view].body.corners
    mirrored = type(given)(**{entry.name: flip(getattr(given, entry.name), width) for entry in fields(given)})
    plan = Plan(
        landmarks={script.view: Landmarks(body=replace(played.plan().landmarks[script.view].body, corners=mirrored))}
    )
    frames = [replace(frame, pixels=np.ascontiguousarray(frame.pixels[:, ::-1])) for frame in played.frames]
    findings, _ = watch(frames, plan)
    plain, _ = watched(script)
    zone = Zone.CANAL if script is CANAL else Zone.DISC
    assert abs(onset(findings, zone) - onset(plain, zone)) <= 1
    assert findings[-1].cement_area_mm2 == pytest.approx(plain[-1].cement_area_mm2, rel=0.03)
    assert findings[-1].front.distance_mm == pytest.approx(plain[-1].front.distance_mm, abs=0.6)
    assert findings[-1].body.corners.near_superior == pytest.approx(
        flip(plain[-1].body.corners.near_superior, width), abs=0.5
    )


def flip(point, width):
    return point[0], width - 1 - point[1]


def test_a_picture_moved_by_whole_pixels_gives_the_same_findings_moved():
    played = film(SMALL)
    row, col = 6, -4
    moved = [replace(frame, pixels=np.roll(frame.pixels, (row, col), axis=(0, 1))) for frame in played.frames]
    given = played.plan().landmarks[View.LATERAL]
    shifted = type(given.body.corners)(
        **{
            entry.name: tuple(np.add(getattr(given.body.corners, entry.name), (row, col)))
            for entry in fields(given.body.corners)
        }
    )
    plan = Plan(landmarks={View.LATERAL: replace(given, body=replace(given.body, corners=shifted))})
    one, other = watch(moved, plan)[0][-1], watched(SMALL)[0][-1]
    assert one.front.distance_mm == pytest.approx(other.front.distance_mm, abs=0.5)
    assert one.cement_area_mm2 == pytest.approx(other.cement_area_mm2, rel=0.05)


def test_twice_the_pixels_give_the_same_millimetres():
    """1024 x 1024 is worked on at half its size, and answered in its own pixels."""
    played = film(SMALL)
    frames = [
        replace(frame, pixels=np.repeat(np.repeat(frame.pixels, 4, axis=0), 4, axis=1), mm_per_px=0.125)
        for frame in played.frames
    ]
    given = played.plan().landmarks[View.LATERAL]
    grown = type(given.body.corners)(
        **{
            entry.name: tuple(4 * (x + 0.5) - 0.5 for x in getattr(given.body.corners, entry.name))
            for entry in fields(given.body.corners)
        }
    )
    plan = Plan(landmarks={View.LATERAL: replace(given, body=replace(given.body, corners=grown))})
    one, other = watch(frames, plan)[0][-1], watched(SMALL)[0][-1]
    assert one.shape == (1024, 1024)
    assert one.front.distance_mm == pytest.approx(other.front.distance_mm, abs=1.0)
    assert one.cement_area_mm2 == pytest.approx(other.cement_area_mm2, rel=0.15)
    assert one.body.corners.near_superior == pytest.approx(grown.near_superior, abs=1.0)


# promises of a pure function


def same_memory(one, other):
    """Every array of two memories, to the bit."""
    for left, right in zip(one.scenes, other.scenes, strict=True):
        for entry in fields(left):
            a, b = getattr(left, entry.name), getattr(right, entry.name)
            if isinstance(a, np.ndarray):
                assert a.tobytes() == b.tobytes(), entry.name
    assert (one.current, one.n_scenes) == (other.current, other.n_scenes)
    return True


def test_the_same_film_gives_the_same_findings_to_the_bit():
    played = film(CANAL)
    findings, memory = watch(played.frames, played.plan())
    assert findings == list(watched(CANAL)[0])
    assert same_memory(memory, watched(CANAL)[1])


def test_the_number_of_threads_changes_no_bit():
    played = film(CANAL)
    before = cv2.getNumThreads()
    told = []
    try:
        for n_threads in (1, 4):
            cv2.setNumThreads(n_threads)
            told.append(watch(played.frames[:50], played.plan()))
    finally:
        cv2.setNumThreads(before)
    assert told[0][0] == told[1][0]
    assert same_memory(told[0][1], told[1][1])


def test_eight_threads_give_what_one_gives():
    played = film(VEIN)
    alone, memory = watched(VEIN)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda _: watch(played.frames, played.plan()), range(8)))
    for findings, left in together:
        assert findings == list(alone)
        assert same_memory(left, memory)


def frozen(memory):
    """The memory with every array locked, and a copy of each to compare."""
    copies = []
    for scene in memory.scenes:
        for entry in fields(scene):
            value = getattr(scene, entry.name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)
                copies.append((entry.name, value, value.copy()))
    return copies


def test_what_is_handed_in_is_never_written_to():
    lateral, ap = film(CANAL), film(AP)
    frames = [*lateral.frames[:30], *ap.frames[:3], *lateral.frames[30:34]]
    memory, copies = Memory(), []
    for frame in frames:
        before = frame.pixels.copy()
        _, memory = examine(frame, memory, lateral.plan(), RULES)
        copies += frozen(memory)
        assert np.array_equal(frame.pixels, before)
    assert all(np.array_equal(value, copy) for _, value, copy in copies)


def test_findings_hold_no_arrays():
    findings, _ = watched(CANAL)
    for one in findings[::10]:
        for entry in fields(one):
            assert not isinstance(getattr(one, entry.name), np.ndarray | np.generic), entry.name
        numbers = [x for piece in one.pieces for x in (piece.area_px, piece.tubularity, piece.n_seen, piece.trust)]
        json.dumps([numbers, one.shift_px, one.trust, one.cement_area_mm2, one.shape])


def test_landmarks_given_late_count_from_then_on():
    played = film(SMALL)
    early, memory = watch(played.frames[:20], NO_PLAN)
    late, _ = watch(played.frames[20:], played.plan(), memory)
    assert early[-1].body.origin is Origin.FOUND
    assert all(one.body.origin is Origin.OPERATOR for one in late)
    assert late[-1].front.distance_mm == pytest.approx(watched(SMALL)[0][-1].front.distance_mm, abs=0.5)


def test_landmarks_drawn_on_a_moved_frame_are_taken_back_to_the_reference():
    played = film(BREATHING)
    shot = played.shots[8]
    assert np.hypot(*shot.truth.shift_px) > 3
    findings, memory = watch(played.frames[:9], NO_PLAN)
    drawn = Landmarks(
        body=replace(played.plan().landmarks[View.LATERAL].body, corners=shot.truth.corners),
        scene=findings[-1].scene,
        shift_px=findings[-1].shift_px,
    )
    after, _ = watch(played.frames[9:], Plan(landmarks={View.LATERAL: drawn}), memory)
    for one, then in zip(after, played.shots[9:], strict=True):
        assert np.hypot(*np.subtract(one.body.corners.near_superior, then.truth.corners.near_superior)) < 2.5


def test_landmarks_of_another_scene_are_matched_to_this_one():
    """The collimator closes and the table moves: the operator's body goes along."""
    played = film(SMALL)
    first, memory = watch(played.frames[:10], NO_PLAN)
    given = played.plan().landmarks[View.LATERAL]
    plan = Plan(landmarks={View.LATERAL: replace(given, scene=first[-1].scene, shift_px=first[-1].shift_px)})
    shut = np.ones((256, 256), np.bool_)
    shut[:36], shut[-36:] = False, False
    later = [
        replace(frame, pixels=np.roll(frame.pixels, (6, -4), axis=(0, 1)), field=shut) for frame in played.frames[10:14]
    ]
    findings, _ = watch(later, plan, memory)
    assert findings[-1].scene != first[-1].scene
    assert findings[-1].body.origin is Origin.OPERATOR
    expected = np.add(given.body.corners.near_superior, (6, -4))
    assert findings[-1].body.corners.near_superior == pytest.approx(tuple(expected), abs=1.0)


@pytest.mark.parametrize("mm_per_px", [0.001, 20.0])
def test_a_scale_that_no_picture_has_is_unknown_whoever_tells_it(mm_per_px):
    """A plan that was stored before it was refused, or a frame from elsewhere."""
    frames = [replace(frame, mm_per_px=mm_per_px) for frame in film(STILL).frames[: BUILDING + 1]]
    (given,) = film(STILL).plan().landmarks.values()
    plan = Plan(landmarks={given.body.view: replace(given, body=replace(given.body, mm_per_px=mm_per_px))})
    findings, memory = watch(frames, plan)
    assert findings[-1].is_fit
    assert Flag.SCALE_UNKNOWN in findings[-1].flags
    assert 0.5 < memory.scene.px_per_mm < 10
