"""A balloon in the body is told by its shape while it swells, and for certain when it deflates; cement is not forgotten."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from detection.balloon import RESTS, watch_balloon, without_shape
from detection.cement import Evidence
from detection.examine import examine
from detection.memory import Memory
from detection.phantom.flow import Leak, LeakKind
from detection.phantom.obstacles import Obstacle, ObstacleKind
from detection.running import LONG_AGO, NEVER, arrivals_of
from detection.vocabulary import Flag, View, Zone
from detection.zones import region_of
from tests.detection.films import (
    RULES,
    SMALL,
    body_of,
    corners,
    empty_scene,
    film,
    flags_of,
    frame_of,
    leaked,
    mottle,
    plan_for,
    stamp,
    watched,
)

SIZE = (200, 200)
PX_PER_MM = 4.0
WHERE = corners(50, 40, 150, 160)
"""25 mm high, 30 mm deep; posterior is left."""
NONE = np.zeros(SIZE, np.bool_)
NO_FLAGS: frozenset[Flag] = frozenset()
LOOKS = round(RULES.balloon_smooth_frames)
FADES = round(RULES.balloon_faded_frames) + 1
"""So many frames until it is told: on the first it still falls."""


def ellipse(row=100, col=100, half_long=34, half_wide=24, tilt_deg=12.0):
    """About 160 mm2 unless told."""
    image = np.zeros(SIZE, np.uint8)
    cv2.ellipse(image, (col, row), (half_long, half_wide), tilt_deg, 0, 360, 1, -1)
    return image.astype(np.bool_)


def lobed(share=0.12):
    """A bolus of that size whose radius goes up and down by a share of it."""
    rows, cols = np.mgrid[: SIZE[0], : SIZE[1]] - 100.0
    angle = np.arctan2(rows, cols)
    return np.hypot(rows, cols) <= 28 * (1 + share * np.sin(5 * angle))


NEEDLE = NONE.copy()
NEEDLE[96:106, :110] = True


def scene(opaque=None, view=View.LATERAL):
    region = region_of(body_of(WHERE, view), SIZE, PX_PER_MM, opaque, RULES)
    return empty_scene(SIZE, PX_PER_MM, view=view, region=region, opaque=opaque)


def seen(before, mask, dense=0.3, hits=None, flags=NO_FLAGS):
    """The scene after a frame with this cement, so dense, of which this is hit; and what is told."""
    dense = np.float32(dense) if np.isscalar(dense) else dense
    shown = replace(
        before,
        cement=mask,
        seen=np.where(mask, np.uint8(12), np.uint8(0)),
        change=np.where(mask, dense, np.float32(0)).astype(np.float32),
    )
    evidence = Evidence(
        change=shown.change,
        noise=(),
        hits=mask if hits is None else hits,
        unseen=NONE,
        shadow=None,
        offset=0.0,
        big_share=0.0,
    )
    return watch_balloon(shown, evidence, flags, RULES)


def played(masks, before=None, **how):
    """The scene after these frames, and what was told on each."""
    before, told = scene() if before is None else before, []
    for mask in masks:
        before, flags = seen(before, mask, **how)
        told.append(flags)
    return before, told


def faded(before, mask, left=0.1, hits=NONE, n=FADES):
    """Frames on which what was cement has so much of its density left, and this of it is hit."""
    return played([mask] * n, before, dense=0.3 * left, hits=hits)


def test_what_stays_a_smooth_ellipse_in_the_body_looks_like_a_balloon_after_some_seconds():
    _, told = played([ellipse()] * (LOOKS + 2))
    assert not any(told[: LOOKS - 1])
    assert told[LOOKS - 1 :] == [{Flag.BALLOON}] * 3


def test_it_may_swell_meanwhile():
    _, told = played([ellipse(half_long=26 + k, half_wide=20 + k) for k in range(LOOKS)])
    assert told[-1] == {Flag.BALLOON}


def test_what_has_lobes_is_cement():
    _, told = played([lobed()] * 2 * LOOKS)
    assert not any(told)


def test_what_grows_a_lobe_is_cement_from_that_frame_on():
    tongue = ellipse() | ellipse(row=78, col=128, half_long=16, half_wide=8, tilt_deg=100)
    _, told = played([*[ellipse()] * LOOKS, tongue])
    assert told[-2:] == [{Flag.BALLOON}, NO_FLAGS]


def test_what_looked_rough_for_a_frame_is_told_a_little_later():
    _, told = played([lobed(), *[ellipse()] * (RESTS + LOOKS)])
    assert told[-2:] == [NO_FLAGS, {Flag.BALLOON}]


def test_what_reaches_beyond_the_body_is_cement_from_that_frame_on():
    leak = ellipse()
    leak[100:104, 160:172] = True
    _, told = played([*[ellipse()] * LOOKS, leak, ellipse()])
    assert told[-3:] == [{Flag.BALLOON}, NO_FLAGS, NO_FLAGS]


def test_a_drop_is_not_told_by_its_shape():
    _, told = played([ellipse(half_long=14, half_wide=12)] * 2 * LOOKS)
    assert not any(told)


def test_a_needle_that_cuts_it_in_two_hides_no_balloon():
    _, told = played([ellipse() & ~NEEDLE] * LOOKS, scene(NEEDLE))
    assert told[-1] == {Flag.BALLOON}


def test_two_beside_each_other_are_told_and_one_beside_cement_is_not():
    left, right = (ellipse(col=col, half_long=20, half_wide=24, tilt_deg=0) for col in (70, 130))
    ragged = right & ~ellipse(row=90, col=142, half_long=8, half_wide=8)
    _, both = played([left | right] * LOOKS, scene(view=View.AP))
    _, one = played([left | ragged] * LOOKS, scene(view=View.AP))
    assert (both[-1], one[-1]) == ({Flag.BALLOON}, NO_FLAGS)


def test_what_fades_was_a_balloon_and_is_forgotten():
    before, _ = played([ellipse()] * LOOKS, scene(NEEDLE))
    old = arrivals_of(ellipse(), None, 1.0, RULES)
    before = replace(before, front=((1.0, 30.0),), arrivals=replace(old, came=np.where(ellipse(), LONG_AGO, NEVER)))
    after, told = faded(before, ellipse())
    assert told == [NO_FLAGS] * (FADES - 1) + [{Flag.BALLOON_GONE}]
    assert not after.cement.any()
    assert not after.seen.any()
    assert after.front == ()
    assert after.arrivals.came.min() == NEVER


def test_what_never_looked_like_a_balloon_is_not_forgotten_however_it_fades():
    before, _ = played([lobed()] * 2 * LOOKS)
    after, told = faded(before, lobed(), left=0.0, n=3 * FADES)
    assert not any(told)
    assert np.array_equal(after.cement, lobed())


def test_what_still_deflates_is_not_told_before_it_is_at_rest():
    before, _ = played([ellipse()] * LOOKS)
    after, told = before, []
    for left in (0.35, 0.28, 0.21, 0.14, 0.07):
        after, more = faded(after, ellipse(), left=left, n=1)
        told += more
    assert not any(told)
    _, told = faded(after, ellipse(), left=0.06)
    assert told[FADES - 2] == {Flag.BALLOON_GONE}


def test_what_has_looked_like_one_may_be_rough_while_it_deflates():
    before, _ = played([*[ellipse()] * LOOKS, lobed()])
    _, told = faded(before, ellipse())
    assert told[-1] == {Flag.BALLOON_GONE}


def test_what_is_left_of_it_goes_on_counting():
    before, _ = played([ellipse()] * LOOKS)
    rest = ellipse(half_long=20, half_wide=12)
    after, told = faded(before, ellipse(), left=0.3, hits=rest)
    assert told[-1] == {Flag.BALLOON_GONE}
    assert np.array_equal(after.cement, rest)


def test_after_it_has_deflated_cement_that_fills_its_hollow_is_cement():
    before, _ = played([ellipse()] * LOOKS)
    after, _ = faded(before, ellipse())
    _, told = played([ellipse()] * 2 * LOOKS, after)
    assert not any(told)


def test_in_another_view_cement_that_fills_its_hollow_is_cement_too():
    before, _ = played([ellipse()] * LOOKS)
    after, _ = faded(before, ellipse())
    elsewhere, swelling = scene(view=View.AP), played([ellipse()] * LOOKS)[0]
    for other in (elsewhere, swelling):
        _, told = played([ellipse()] * 2 * LOOKS, without_shape(other, [after]))
        _, as_ever = played([ellipse()] * 2 * LOOKS, without_shape(other, [other]))
        assert not any(told)
        assert any(as_ever)


@pytest.mark.parametrize("flag", [Flag.CONTRAST_AGENT, Flag.BORDER_OBJECT, Flag.EXPOSURE_STEP])
def test_what_is_veiled_has_not_faded(flag):
    before, _ = played([ellipse()] * LOOKS)
    after, told = played([ellipse()] * 2 * FADES, before, dense=0.0, hits=NONE, flags=frozenset({flag}))
    assert not any(told)
    assert np.array_equal(after.cement, ellipse())


def test_a_bad_frame_or_two_fade_nothing():
    before, _ = played([ellipse()] * LOOKS)
    after, _ = faded(before, ellipse(), n=FADES - 1)
    after, told = played([ellipse()], after)
    after, more = faded(after, ellipse(), n=FADES - 1)
    assert not any([*told, *more])
    assert np.array_equal(after.cement, ellipse())


def test_what_has_moved_has_not_faded():
    """A patient who moved unseen takes cement to another place, where it is as dense as before."""
    before, _ = played([ellipse()] * LOOKS)
    _, told = played([ellipse(row=104, col=112)] * 2 * FADES, before)
    assert Flag.BALLOON_GONE not in frozenset().union(*told)


@pytest.mark.parametrize("half_px", [8, 16])
def test_what_lay_behind_an_instrument_that_is_taken_away_has_not_faded(half_px):
    """A cannula end on is not found, so the reference has it; pulled out, it leaves the picture lighter than that."""
    was_steel = ellipse(half_long=half_px, half_wide=half_px, tilt_deg=0)
    before, _ = played([ellipse()] * LOOKS)
    bared = np.where(was_steel, np.float32(0.3 - 1.4), np.float32(0.3))
    after, told = played([ellipse()] * 2 * FADES, before, dense=bared, hits=ellipse() & ~was_steel)
    assert Flag.BALLOON_GONE not in frozenset().union(*told)
    assert np.array_equal(after.cement, ellipse())


def test_a_hollow_that_is_lighter_than_the_bone_before_it_was_a_balloon():
    before, _ = played([ellipse()] * LOOKS)
    _, told = played([ellipse()] * FADES, before, dense=-0.1, hits=NONE)
    assert told[-1] == {Flag.BALLOON_GONE}


def test_a_vein_that_washes_out_is_no_balloon():
    """Most of what was seen lay beyond the body."""
    cast = ellipse(row=100, col=186, half_long=10, half_wide=30, tilt_deg=0) | ellipse(half_long=16, half_wide=16)
    before, _ = played([cast] * LOOKS)
    _, told = faded(before, cast)
    assert not any(told)


def test_without_a_body_nothing_is_told():
    _, told = played([ellipse()] * 2 * LOOKS, replace(scene(), region=None))
    assert not any(told)


# through the whole of detection

FILLED = replace(
    SMALL,
    name="balloon",
    duration_s=20.0,
    start_s=14.5,
    knots=((17.0, 0.45), (20.0, 0.5)),
    obstacles=(Obstacle(kind=ObstacleKind.BALLOON, from_s=2.0, until_s=11.0),),
    leak=Leak(kind=LeakKind.DISC_SUPERIOR, at_s=17.0, speed_mm_s=6.0, length_mm=20.0),
)


def test_a_balloon_is_told_and_forgotten_and_the_leak_of_the_cement_after_it_is_found():
    findings, _ = watched(FILLED)
    deflated = film(FILLED).moment(12.5)
    gone = [index for index, one in enumerate(findings) if Flag.BALLOON_GONE in one.flags]
    assert max(one.cement_area_mm2 or 0.0 for one in findings[:deflated]) > 60.0
    assert gone[0] <= deflated + 5
    assert len(gone) == 1
    assert findings[film(FILLED).moment(14.0)].cement_area_mm2 == 0.0
    assert leaked(findings[: film(FILLED).moment(17.0)]) == frozenset()
    alone, _ = watched(replace(FILLED, obstacles=()))
    first, as_alone = (
        next(index for index, one in enumerate(seen) if any(piece.zone is Zone.DISC for piece in one.pieces))
        for seen in (findings, alone)
    )
    assert first == as_alone
    assert not flags_of(alone) & {Flag.BALLOON, Flag.BALLOON_GONE}


def test_cement_behind_a_white_shutter_is_not_forgotten():
    """What a shutter hides is written white by some devices, and lighter than the reference there."""
    size, memory, areas = (256, 256), Memory(), []
    rng, body = np.random.default_rng(0), body_of(corners(100, 8, 150, 73), View.AP)
    rows, cols = np.mgrid[: size[0], : size[1]]
    away = np.hypot(rows - 125, cols - 36) / (1 + 0.15 * np.sin(5 * np.arctan2(rows - 125, cols - 36)))
    for index in range(48):
        blob = 0.3 * (away <= min(16, index - 12))
        rays = np.exp(-1.2 - 0.12 * mottle(size) - blob - 0.01 * rng.standard_normal(size))
        pixels, field = 4000 * rays, np.ones(size, np.bool_)
        if index >= 40:
            pixels[:, :44], field[:, :44] = 4095, False
        frame = frame_of(pixels, stamp=stamp(index), view=View.AP, field=field)
        findings, memory = examine(frame, memory, plan_for(body), RULES)
        assert Flag.BALLOON_GONE not in findings.flags
        areas.append(findings.cement_area_mm2)
    assert areas[-1] > 0.9 * areas[39] > 150.0
