"""What runs past the outline of a body has left it, wherever exactly its wall lies; what creeps there is given the margin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detection.spread import after_spread, measure_spread
from detection.vocabulary import Side, View, Zone
from detection.zones import region_of
from tests.detection.films import RULES, body_of, corners, empty_scene, stamp

SIZE = (160, 160)
FINE = 2
"""Masks are written at half a millimetre to the pixel and looked at in pixels half as large."""
PX_PER_MM = 2.0 * FINE
WHERE = corners(50 * FINE, 60 * FINE, 100 * FINE, 120 * FINE)
"""25 mm high, 30 mm deep, posterior is left; in the masks rows 50 to 100, columns 60 to 120."""
BOLUS = slice(60, 90), slice(80, 110)
UNCERTAIN = replace(body_of(WHERE), trust=0.05, doubt_mm=(4.0, 4.0, 4.0, 4.0))
NONE = np.zeros(SIZE, np.bool_)


def fine(mask):
    return mask.repeat(FINE, axis=0).repeat(FINE, axis=1)


def scene(body=None, view=View.LATERAL, opaque=NONE):
    size = fine(NONE).shape
    region = region_of(body or body_of(WHERE, view), size, PX_PER_MM, fine(opaque), RULES)
    return empty_scene(size, PX_PER_MM, view=view, region=region, opaque=fine(opaque))


def cement(*places):
    mask = NONE.copy()
    for rows, cols in (BOLUS, *places):
        mask[rows, cols] = True
    return mask


def upward(row, width_px=6):
    """The bolus with a jet that reaches up to this row; the endplate is at row 50."""
    return cement((slice(row, 62), slice(92, 92 + width_px)))


def forward(col):
    """The bolus with a jet that reaches out in front up to this column; the anterior wall is at column 120."""
    return cement((slice(72, 78), slice(108, col + 1)))


STOOD = [cement()] * 13
"""The bolus, for longer than a second at ten frames a second."""


def play(masks, start, times=None, step_s=0.1):
    """The spread of each of these masks in turn."""
    told = []
    for index, mask in enumerate(masks):
        at = times[index] if times else index * step_s
        start = replace(start, cement=fine(mask))
        spread = measure_spread(start, stamp(index, at), RULES)
        start = after_spread(start, spread)
        told.append(spread)
    return told


def zones_of(spread):
    return {(piece.zone, piece.side) for piece in spread.pieces if piece.has_run}


UP = [upward(row) for row in (58, 54, 48, 48)]
"""It comes out on the last frame but one, as far as the margin, and is there on the last."""
AHEAD = [forward(col) for col in (112, 116, 122, 122)]


@pytest.mark.parametrize(
    ("jet", "zone", "side"),
    [
        (UP, Zone.DISC, Side.SUPERIOR),
        (AHEAD, Zone.VEIN, Side.ANTERIOR),
        ([cement((slice(62, 68), slice(col, 82))) for col in (72, 66, 58, 58)], Zone.CANAL, Side.POSTERIOR),
    ],
)
def test_what_runs_is_told_on_two_frames_within_a_millimetre_of_the_outline(jet, zone, side):
    told = play(STOOD + jet, scene())
    assert not any(zones_of(spread) for spread in told[:-1])
    assert zones_of(told[-1]) == {(zone, side)}
    assert play([jet[-1]], scene())[0].pieces == (), "where nobody saw it run the margin holds"


def test_half_enough_of_it_on_two_frames_is_not_yet_told_but_on_three():
    half = upward(49) | cement((slice(47, 49), slice(92, 97)))
    told = play([upward(49)] * 13 + [half] * 3, scene())
    assert [bool(spread.pieces) for spread in told[13:]] == [False, False, True]


def test_a_flash_of_one_frame_is_not_told():
    assert all(spread.pieces == () for spread in play([*STOOD, upward(48), *STOOD], scene()))


def test_what_creeps_to_the_same_place_is_given_the_margin():
    """Half a millimetre in three seconds, as in bone."""
    creeping = [upward(row) for row in range(62, 47, -1) for _ in range(3)]
    assert all(spread.pieces == () for spread in play(creeping, scene(), step_s=1.0))


def test_a_rim_that_flickers_by_a_pixel_has_not_run():
    told = play([upward(49, 16)] * 13 + [upward(row, 16) for row in (48, 49, 50, 49)] * 6, scene())
    assert all(spread.pieces == () for spread in told)


def test_what_runs_up_to_the_outline_and_a_pixel_beyond_is_the_rim_of_what_is_inside():
    assert all(spread.pieces == () for spread in play(STOOD + [upward(49, 16)] * 8, scene()))


def test_a_run_too_broad_for_a_vein_is_into_soft_tissue():
    jet = [cement((slice(64, 84), slice(108, col + 1))) for col in (112, 116, 122, 122)]
    assert zones_of(play(STOOD + jet, scene())[-1]) == {(Zone.SOFT_TISSUE, Side.ANTERIOR)}


def test_so_little_may_be_noise():
    speck = cement((slice(48, 50), slice(92, 93)), (slice(50, 62), slice(92, 93)))
    assert all(spread.pieces == () for spread in play([*STOOD, speck, speck], scene()))


def test_what_has_run_stays_told_while_it_lies_there_and_no_longer():
    told = play(STOOD + UP + [UP[-1]] * 30 + STOOD, scene())
    assert all(zones_of(spread) for spread in told[16:47])
    assert all(spread.pieces == () for spread in told[47:])


def test_what_grows_on_from_it_has_run_too_however_slowly():
    told = play(STOOD + UP + [upward(48, 6 + n // 10) for n in range(60)], scene())
    (piece,) = told[-1].pieces
    assert piece.has_run
    assert piece.area_mm2 == pytest.approx(2 * 11 / 4)


def test_what_came_while_the_beam_was_off_was_not_seen_to_run():
    out = upward(48)
    times = [n * 0.1 for n in range(13)] + [3.5 + n * 0.1 for n in range(30)]
    assert all(spread.pieces == () for spread in play(STOOD + [out] * 30, scene(), times))


def test_nor_is_what_comes_up_just_after_it():
    times = [n * 0.1 for n in range(13)] + [3.5, 3.6, 3.7, 3.8]
    late = [cement(), cement(), upward(48), upward(48)]
    assert all(spread.pieces == () for spread in play(STOOD + late, scene(), times))


def test_where_time_runs_back_nothing_runs():
    times = [n * 0.1 for n in range(13)] + [0.5, 0.4, 0.3]
    assert all(spread.pieces == () for spread in play([*STOOD, *[upward(48)] * 3], scene(), times))


def test_a_first_drop_at_the_wall_has_nothing_to_have_run_from():
    drop = NONE.copy()
    drop[48:56, 92:100] = True
    assert all(spread.pieces == () for spread in play([NONE] * 13 + [drop] * 8, scene()))


def test_along_the_needle_cement_is_read_in_steps_and_does_not_run():
    opaque = NONE.copy()
    opaque[66:74, 20:90] = True
    jet = [cement((slice(66, 74), slice(col, 82))) for col in (72, 66, 61, 58)]
    assert all(spread.pieces == () for spread in play(STOOD + jet, scene(opaque=opaque)))


def test_what_runs_from_an_uncertain_body_is_told_within_the_doubt_about_it():
    up = [upward(row) for row in (58, 54, 44, 44)]
    told = play(STOOD + up, scene(UNCERTAIN))
    assert zones_of(told[-1]) == {(Zone.DISC, Side.SUPERIOR)}
    assert told[-1].pieces[0].trust >= RULES.least_piece_trust
    assert play([up[-1]], scene(UNCERTAIN))[0].pieces == ()


def test_in_ap_too():
    told = play(STOOD + AHEAD, scene(view=View.AP))
    assert zones_of(told[-1]) == {(Zone.VEIN, Side.IMAGE_RIGHT)}


def test_what_ran_no_farther_than_soft_tissue_lets_it_is_no_vein():
    """From 2 mm within the wall to as far as the margin: 3 mm within a second."""
    told = play([forward(116)] * 13 + [forward(120), forward(122), forward(122)], scene())
    assert zones_of(told[-1]) == {(Zone.SOFT_TISSUE, Side.ANTERIOR)}


def test_what_ran_into_a_vein_is_in_a_vein_when_it_stands():
    told = play(STOOD + AHEAD + [AHEAD[-1]] * 30, scene())
    assert zones_of(told[-1]) == {(Zone.VEIN, Side.ANTERIOR)}


def test_where_the_view_tells_no_zones_nothing_runs_out_of_them():
    told = play(STOOD + AHEAD, scene(view=View.OBLIQUE))
    assert not any(piece.has_run for spread in told for piece in spread.pieces)


@pytest.mark.parametrize(("beyond_mm", "has_run"), [(1.5, False), (3.0, True)])
def test_what_runs_from_an_uncertain_body_must_run_half_of_the_doubt_beyond_its_outline(beyond_mm, has_run):
    top = round(50 - beyond_mm * PX_PER_MM / FINE)
    told = play([*STOOD, *(upward(row) for row in (58, 54, top, top))], scene(UNCERTAIN))[-1]
    assert (Zone.DISC in {zone for zone, _ in zones_of(told)}) is has_run


def spreads(across_px, along_px, jet):
    """The bolus with a jet that reaches 2.5 mm farther on the frame on which the bolus has grown by so much on these sides."""
    near, far = jet
    rows, cols = BOLUS
    grown = (slice(rows.start - along_px, rows.stop + along_px), slice(cols.start - across_px, cols.stop + across_px))
    return [cement(near)] * 13 + [cement(far, grown)] * 2


INTO_DISC = (slice(47, 62), slice(92, 98)), (slice(42, 62), slice(92, 98))
INTO_CANAL = (slice(62, 68), slice(57, 82)), (slice(62, 68), slice(52, 82))
"""From short of half of the doubt to beyond it."""


@pytest.mark.parametrize(
    ("grown_px", "is_told"),
    [((0, 0), True), ((1, 1), True), ((2, 2), False), ((2, 0), False)],
    ids=["which stands", "and leaves it far behind", "hardly faster than it", "which walls stop above and below"],
)
def test_toward_the_disc_what_runs_from_an_uncertain_body_must_outpace_the_bolus(grown_px, is_told):
    """Or it is the bolus itself that outgrows an outline that lies elsewhere."""
    told = play(spreads(*grown_px, INTO_DISC), scene(UNCERTAIN))
    assert zones_of(told[-1]) == ({(Zone.DISC, Side.SUPERIOR)} if is_told else set())


def test_toward_the_canal_it_need_not():
    told = play(spreads(2, 2, INTO_CANAL), scene(UNCERTAIN))
    assert zones_of(told[-1]) == {(Zone.CANAL, Side.POSTERIOR)}


def test_nor_where_the_body_is_sure():
    told = play(spreads(2, 2, INTO_DISC), scene())
    assert zones_of(told[-1]) == {(Zone.DISC, Side.SUPERIOR)}


def test_nor_where_no_cement_lies_within_the_body_to_be_outpaced():
    jet = NONE.copy()
    jet[42:46, 92:98] = True
    before = NONE.copy()
    before[42:43, 92:93] = True
    told = play([before] * 13 + [jet] * 2, scene(UNCERTAIN))
    assert zones_of(told[-1]) == {(Zone.DISC, Side.SUPERIOR)}


STOOD_LONG = [cement()] * 65
"""The bolus, for longer than its first drop spreads fast."""
ALONG = [forward(col) for col in range(112, 126, 2)]
"""Three millimetres broad, and on by a millimetre a frame, as in a vein."""


def in_veins(masks, **how):
    """On which of these frames cement without a body, as in an oblique view, is told as a vein's."""
    told = play(masks, empty_scene(fine(NONE).shape, PX_PER_MM, view=View.OBLIQUE), **how)
    return [any(piece.zone is Zone.VEIN and piece.has_run for piece in spread.pieces) for spread in told]


def test_without_a_body_what_runs_on_thinly_from_established_cement_is_in_a_vein_and_stays_told():
    told = in_veins([*STOOD_LONG, *ALONG, *[ALONG[-1]] * 20])
    assert not any(told[: len(STOOD_LONG) + 3]), "not before it has run three millimetres, on two frames"
    assert all(told[len(STOOD_LONG) + 5 :])


@pytest.mark.parametrize(
    ("masks", "step_s"),
    [
        ([*[NONE] * 12, *STOOD, *ALONG], 0.1),
        ([*STOOD_LONG, *ALONG], 1.0),
        ([*STOOD_LONG, *[cement((slice(60, 90), slice(108, col + 1))) for col in range(112, 126, 2)]], 0.1),
        ([*STOOD_LONG, ALONG[-1], *STOOD], 0.1),
    ],
    ids=["in its first drop", "at a millimetre a second", "as broad as a bolus", "for one frame"],
)
def test_without_a_body_nothing_else_is(masks, step_s):
    assert not any(in_veins(masks, step_s=step_s))


MISSED = round(RULES.run_missed_frames)
"""Frames on which all of it may be missing."""


@pytest.mark.parametrize(("n_missing", "is_named"), [(1, True), (MISSED, True), (MISSED + 1, False)])
def test_without_a_body_a_vein_that_is_missing_for_a_few_frames_keeps_its_name(n_missing, is_named):
    told = in_veins([*STOOD_LONG, *ALONG, *[ALONG[-1]] * 15, *[cement()] * n_missing, *[ALONG[-1]] * 40])
    assert not any(told[-40 - n_missing : -40]), "nothing is told of what is not there"
    assert set(told[-40:]) == {is_named}


def test_without_a_body_a_vein_keeps_its_name_when_it_flickers_and_loses_it_when_it_has_gone_for_good():
    lie = ALONG[-1]
    told = in_veins([*STOOD_LONG, *ALONG, *[lie] * 3, *[cement(), cement(), lie] * 10, *[cement()] * 20, *[lie] * 20])
    assert all(told[-41::-3][:10])
    assert not any(told[-40:])


def test_without_a_body_a_vein_keeps_its_name_after_a_pause_of_the_beam_from_cement_that_nobody_saw_come():
    """The bolus was there when the view began, so nothing may begin to run from it within five seconds of the pause."""
    masks = [*STOOD_LONG, *ALONG, *[ALONG[-1]] * 20]
    n_before = len(masks) - 15
    times = [*np.arange(n_before) / 10, *(n_before / 10 + 2.0 + np.arange(15) / 10)]
    assert all(in_veins(masks, times=times)[n_before:])


def test_where_a_body_is_known_what_has_run_is_told_at_once_when_it_was_missing_for_a_frame():
    told = play(STOOD + UP + [UP[-1]] * 20 + [cement(), UP[-1]], scene())
    assert not zones_of(told[-2])
    assert zones_of(told[-1]) == {(Zone.DISC, Side.SUPERIOR)}


@pytest.mark.parametrize(("after", "is_gone"), [(ALONG[-1], False), (cement(), True)])
def test_without_a_body_a_vein_that_was_missing_until_it_lost_its_name_has_not_been_carried_away_once_it_is_seen(
    after, is_gone
):
    start = empty_scene(fine(NONE).shape, PX_PER_MM, view=View.OBLIQUE)
    told = play([*STOOD_LONG, *ALONG, *[ALONG[-1]] * 15, *[cement()] * (MISSED + 1), *[after] * 20], start)
    assert bool(told[-1].vanished) is is_gone


def test_without_a_body_a_first_drop_that_came_in_a_pause_of_the_beam_is_as_new_as_any():
    """Nobody saw it come, so it may be a second old; what stood before the pause is established."""
    masks, times = [*[NONE] * 12, *STOOD, *ALONG], [*np.arange(12) / 10, *(8.0 + np.arange(20) / 10)]
    assert not any(in_veins(masks, times=times))
    times = [*np.arange(77) / 10, *(20.0 + np.arange(20) / 10)]
    assert any(in_veins([*[NONE] * 12, *STOOD_LONG, *STOOD, *ALONG], times=times))
