"""Spread: how much cement is where, how fast it nears the wall, and what has vanished."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from detection.spread import after_spread, measure_spread, outlines_of
from detection.vocabulary import Side, View, Zone
from detection.zones import region_of
from tests.detection.films import RULES, body_of, corners, empty_scene, stamp

SIZE = (160, 160)
PX_PER_MM = 2.0
WHERE = corners(50, 60, 100, 120)
"""25 mm high, 30 mm deep, posterior is left, at half a millimetre to the pixel."""


def scene(view=View.LATERAL, where=WHERE, **changed):
    region = region_of(body_of(where, view), SIZE, PX_PER_MM, None, RULES)
    return empty_scene(SIZE, PX_PER_MM, view=view, region=region, **changed)


def box(top, left, bottom, right):
    mask = np.zeros(SIZE, np.bool_)
    mask[top:bottom, left:right] = True
    return mask


NONE = np.zeros(SIZE, np.bool_)


def play(masks, start, step_s=0.1):
    """The spread of each of these cement masks in turn."""
    told = []
    for index, mask in enumerate(masks):
        start = replace(start, cement=mask)
        spread = measure_spread(start, stamp(index, index * step_s), RULES)
        start = after_spread(start, spread)
        told.append(spread)
    return told


def last(mask, start=None, **given):
    return play([mask], start or scene(), **given)[-1]


def test_no_cement_is_nothing():
    spread = last(NONE)
    assert (spread.pieces, spread.vanished, spread.zones, spread.front) == ((), (), {}, None)
    assert spread.area_mm2 == 0.0


def test_cement_in_the_body_has_an_area_and_a_front_but_is_no_piece():
    spread = last(box(65, 90, 85, 110))
    assert spread.pieces == ()
    assert spread.area_mm2 == pytest.approx(100.0)
    assert spread.zones[Zone.BODY].area_mm2 == pytest.approx(100.0)
    assert spread.front.distance_mm == pytest.approx((90 - 60) / PX_PER_MM, abs=0.6)
    assert spread.front.share == pytest.approx(0.5, abs=0.02)
    assert spread.front.depth_mm == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("mask", "zone", "side"),
    [
        (box(55, 40, 65, 54), Zone.CANAL, Side.POSTERIOR),
        (box(82, 40, 92, 54), Zone.FORAMEN, Side.POSTERIOR),
        (box(38, 80, 46, 100), Zone.DISC, Side.SUPERIOR),
        (box(104, 80, 112, 100), Zone.DISC, Side.INFERIOR),
        (box(66, 128, 82, 144), Zone.SOFT_TISSUE, Side.ANTERIOR),
        (box(66, 124, 69, 158), Zone.VEIN, Side.ANTERIOR),
        (box(5, 80, 15, 90), Zone.ELSEWHERE, None),
    ],
)
def test_a_piece_outside_is_named_by_zone_and_side(mask, zone, side):
    (piece,) = last(mask).pieces
    assert (piece.zone, piece.side) == (zone, side)
    assert piece.area_mm2 == pytest.approx(mask.sum() / 4, abs=0.1)
    rows, cols = np.array(piece.outline).T
    assert mask[rows.astype(int), cols.astype(int)].all()


def reaching(col, top=64):
    """Cement in the body with a finger that reaches this far toward the wall."""
    return box(60, 90, 90, 110) | box(top, col, top + 6, 90)


@pytest.mark.parametrize(("top", "zone"), [(62, Zone.CANAL), (82, Zone.FORAMEN)])
def test_cement_that_rushes_past_the_wall_line_is_no_longer_given_the_margin_behind_it(top, zone):
    rushing = play([reaching(66, top), reaching(62, top), reaching(58, top)], scene())
    assert rushing[1].pieces == ()
    assert [piece.zone for piece in rushing[2].pieces] == [zone]


def test_cement_that_creeps_to_the_same_place_still_has_the_margin():
    creeping = play([reaching(col) for col in (66, 64, 62, 61, 60, 59, 58)], scene(), step_s=1.0)
    assert all(spread.pieces == () for spread in creeping)


def test_a_rush_that_stays_before_the_wall_line_is_no_breach():
    assert all(spread.pieces == () for spread in play([reaching(col) for col in (85, 75, 61)], scene()))


def test_a_breach_lasts_as_long_as_cement_stands_in_it_and_ends_when_it_goes_back():
    start = scene()
    masks = [reaching(66), reaching(58), *[reaching(58)] * 20, reaching(70), reaching(70)]
    told = play(masks, start, step_s=0.2)
    assert all(spread.is_breached for spread in told[1:22])
    assert not told[-1].is_breached


def with_needle():
    opaque = box(66, 20, 74, 90)
    region = region_of(body_of(WHERE), SIZE, PX_PER_MM, opaque, RULES)
    return empty_scene(SIZE, PX_PER_MM, region=region, opaque=opaque)


def test_canal_cement_that_reaches_beyond_the_needles_shadow_stays_canal_up_to_it():
    leak = box(52, 40, 66, 54)
    pieces = last(box(66, 30, 74, 100) | leak, with_needle()).pieces
    canal = next(piece for piece in pieces if piece.zone is Zone.CANAL)
    assert canal.area_mm2 == pytest.approx(leak.sum() / 4, rel=0.05)


@pytest.mark.parametrize(("left", "side"), [(20, Side.IMAGE_LEFT), (130, Side.IMAGE_RIGHT)])
def test_beside_the_body_in_ap_the_image_side_is_told(left, side):
    (piece,) = last(box(66, left, 82, left + 16), scene(View.AP)).pieces
    assert (piece.zone, piece.side) == (Zone.SOFT_TISSUE, side)


def test_a_mirrored_patient_gives_mirrored_findings():
    mirrored = corners(50, 160 - 60, 100, 160 - 120)
    blob = box(55, 38, 65, 75)
    one, other = last(blob), last(blob[:, ::-1], scene(where=mirrored))
    assert (
        [(p.zone, p.side) for p in one.pieces]
        == [(p.zone, p.side) for p in other.pieces]
        == [(Zone.CANAL, Side.POSTERIOR)]
    )
    assert one.front.distance_mm == pytest.approx(other.front.distance_mm, abs=0.6)
    assert one.area_mm2 == other.area_mm2


def test_two_discs_are_two_pieces_of_one_zone():
    spread = last(box(38, 80, 46, 100) | box(104, 80, 112, 90))
    assert {piece.side for piece in spread.pieces} == {Side.SUPERIOR, Side.INFERIOR}
    assert spread.zones[Zone.DISC].area_mm2 == pytest.approx((160 + 80) / 4)
    assert spread.zones[Zone.DISC].length_mm == pytest.approx(10.0, abs=0.6)


def test_a_tube_is_long_thin_and_tubular():
    tube = cv2.line(np.zeros(SIZE, np.uint8), (124, 60), (150, 86), 1, 3).astype(np.bool_)
    (piece,) = last(tube).pieces
    assert piece.length_mm == pytest.approx(np.hypot(26, 26) / 2, abs=2.5)
    assert piece.width_mm == pytest.approx(1.5, abs=0.6)
    assert piece.tubularity > 0.8


def test_a_rim_at_the_outline_is_no_leak():
    assert last(box(60, 119, 90, 123)).pieces == ()


def test_a_speck_outside_is_no_leak():
    assert last(box(60, 40, 62, 42)).pieces == ()


def approaching(speed_px):
    return [box(65, round(100 - speed_px * n), 85, 112) for n in range(31)]


def test_the_front_has_a_speed_and_a_time_to_the_wall():
    front = play(approaching(0.5), scene())[-1].front
    assert front.distance_mm == pytest.approx(12.5, abs=0.6)
    assert front.speed_mm_s == pytest.approx(2.5, rel=0.1)
    assert front.seconds_to_wall.low <= 5.0 <= front.seconds_to_wall.high
    assert front.seconds_to_wall.value == pytest.approx(5.0, rel=0.15)


def test_a_front_that_stands_or_withdraws_has_no_time_to_the_wall():
    for masks in ([box(65, 90, 85, 110)] * 20, approaching(0.5)[::-1]):
        assert play(masks, scene())[-1].front.seconds_to_wall is None


def test_too_short_a_time_gives_no_speed():
    assert play(approaching(0.5)[:6], scene())[-1].front.speed_mm_s is None


def test_one_wild_frame_does_not_make_a_speed():
    masks = [box(65, 90, 85, 110)] * 20
    masks[12] = box(65, 70, 85, 110)
    assert play(masks, scene())[-1].front.speed_mm_s == pytest.approx(0.0, abs=0.05)


def test_specks_do_not_lead_the_front():
    speck = box(75, 62, 76, 64)
    assert last(box(65, 90, 85, 110) | speck).front.distance_mm == pytest.approx(15.0, abs=0.6)


def test_behind_the_wall_the_distance_is_negative():
    assert last(box(65, 50, 75, 110)).front.distance_mm == pytest.approx(-5.0, abs=0.6)


def test_ap_tells_no_front():
    assert last(box(65, 90, 85, 110), scene(View.AP)).front is None


VEIN = box(66, 124, 69, 150)


def test_a_vein_that_washes_out_has_vanished():
    told = play([VEIN] * 6 + [NONE] * 5, scene())
    (gone,) = told[-1].vanished
    assert (gone.zone, gone.side) == (Zone.VEIN, Side.ANTERIOR)
    assert gone.area_mm2 == pytest.approx(VEIN.sum() / 4)
    assert gone.outline
    first = next(index for index, spread in enumerate(told) if spread.vanished)
    assert first == 6 + RULES.vanish_frames - 1


@pytest.mark.parametrize(
    ("why", "masks"),
    [
        ("seen too briefly", [VEIN] * 2 + [NONE] * 6),
        ("too small", [box(66, 126, 68, 134)] * 6 + [NONE] * 6),
        ("in bone nothing flows", [box(65, 90, 85, 110)] * 6 + [NONE] * 6),
        ("a disc keeps it", [box(38, 80, 46, 100)] * 6 + [NONE] * 6),
        ("still there", [VEIN] * 12),
        ("flickers", [VEIN] * 6 + [NONE, VEIN] * 3),
    ],
)
def test_what_has_not_vanished(why, masks):
    assert not any(spread.vanished for spread in play(masks, scene())), why


def test_a_vein_that_thickens_to_a_lake_has_not_vanished():
    told = play([VEIN] * 6 + [box(60, 124, 90, 150)] * 6, scene())
    assert told[-1].pieces[0].zone is Zone.SOFT_TISSUE
    assert not any(spread.vanished for spread in told)


def grown_to(reach_px):
    """Cement in front of the body, 5 mm wide, that reaches so far from it."""
    return box(65, 124, 75, 124 + reach_px)


def test_what_runs_beside_the_body_is_in_a_vein_however_wide_it_is():
    """2 px a frame are 10 mm/s."""
    told = play([grown_to(4 + 2 * step) for step in range(4)], scene())
    assert told[0].pieces[0].zone is Zone.SOFT_TISSUE
    assert [spread.pieces[0].zone for spread in told[2:]] == [Zone.VEIN] * 2


def test_what_creeps_beside_the_body_is_in_soft_tissue():
    """1 px in three frames is 1.7 mm/s."""
    told = play([grown_to(4 + step // 3) for step in range(12)], scene())
    assert {spread.pieces[0].zone for spread in told} == {Zone.SOFT_TISSUE}


def test_a_pixel_more_within_two_frames_is_no_run_into_a_vein():
    """3.6 mm/s, but over half a millimetre: an outline is no surer than that."""
    told = play([grown_to(4), grown_to(4), grown_to(5)], scene(), step_s=0.07)
    assert told[-1].pieces[0].zone is Zone.SOFT_TISSUE


def test_a_thin_strip_along_the_wall_is_no_vein():
    assert last(box(60, 124, 90, 128)).pieces[0].zone is Zone.SOFT_TISSUE


def test_cement_known_to_be_in_a_vein_stays_there_when_it_slows():
    told = play([grown_to(4 + 2 * step) for step in range(4)] + [grown_to(11)] * 20, scene())
    assert told[-1].pieces[0].zone is Zone.VEIN
    assert not told[-1].vanished


def test_what_vanished_is_forgotten_in_the_end():
    told = play([VEIN] * 6 + [NONE] * (int(RULES.forget_frames) + 2), scene())
    assert told[-1].vanished == ()
    assert told[-1].tracks == ()


def test_a_piece_remembers_when_it_was_first_seen():
    told = play([NONE, VEIN, VEIN, VEIN], scene())
    assert told[-1].pieces[0].first_seen == stamp(1, 0.1)
    assert told[-1].pieces[0].n_seen == 3


def test_without_a_scale_there_are_no_millimetres_but_shares():
    spread = play(approaching(0.5), scene(is_scale_known=False))[-1]
    assert spread.area_mm2 is None
    assert spread.volume_ml is None
    assert spread.front.distance_mm is None
    assert spread.front.speed_mm_s is None
    assert spread.front.share == pytest.approx(25 / 60, abs=0.02)
    assert spread.front.seconds_to_wall is not None
    assert spread.zones[Zone.BODY].area_mm2 is None
    assert spread.zones[Zone.BODY].area_px > 0
    (piece,) = last(VEIN, scene(is_scale_known=False)).pieces
    assert (piece.area_mm2, piece.length_mm, piece.width_mm) == (None, None, None)


def test_areas_in_pixels_are_the_frame_s_own_pixels():
    (piece,) = last(VEIN, scene(factor=2)).pieces
    assert piece.area_px == VEIN.sum() * 4


def test_without_a_body_all_cement_is_elsewhere():
    (piece,) = last(box(65, 90, 85, 110), empty_scene(SIZE, PX_PER_MM)).pieces
    assert (piece.zone, piece.side) == (Zone.ELSEWHERE, None)


def test_outlines_run_around_what_they_enclose():
    assert outlines_of(NONE) == ()
    assert set(outlines_of(box(10, 20, 13, 26))[0]) == {(10.0, 20.0), (12.0, 20.0), (12.0, 25.0), (10.0, 25.0)}
    assert len(outlines_of(box(10, 20, 13, 26) | box(50, 20, 70, 26))) == 2
