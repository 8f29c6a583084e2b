"""An uncertain body: a blob is held against wide margins, a long thin cast against the outline that is most likely."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detection.casts import casts_in
from detection.spread import after_spread, measure_spread
from detection.vocabulary import Side, Zone
from detection.zones import region_of
from tests.detection.films import RULES, body_of, corners, empty_scene, stamp

SIZE = (200, 200)
PX_PER_MM = 2.0
WHERE = corners(70, 70, 120, 130)
"""25 mm high, 30 mm deep; posterior is left."""
BOLUS = (slice(82, 108), slice(85, 115))
DOUBT_MM = (4.0, 4.0, 5.0, 5.0)
UNCERTAIN = replace(body_of(WHERE), trust=0.05, doubt_mm=DOUBT_MM)


def region(body=UNCERTAIN):
    return region_of(body, SIZE, PX_PER_MM, None, RULES)


def cement(*places):
    mask = np.zeros(SIZE, np.bool_)
    for rows, cols in (BOLUS, *places):
        mask[rows, cols] = True
    return mask


def told(mask, body=UNCERTAIN):
    scene = replace(empty_scene(SIZE, PX_PER_MM, region=region(body)), cement=mask)
    spread = measure_spread(scene, stamp(0, 0.0), RULES)
    return {(piece.zone, piece.side) for piece in spread.pieces}


LAYER = slice(56, 62), slice(80, 124)
"""3 x 22 mm above the body, 4 mm beyond the endplate: nearer than the doubt about it."""
FILM = slice(76, 116), slice(60, 65)
"""20 x 2.5 mm behind the posterior wall, 2.5 mm beyond it."""


def test_a_layer_above_the_likely_outline_is_told_as_disc():
    assert told(cement(LAYER)) == {(Zone.DISC, Side.SUPERIOR)}


def test_a_film_behind_the_likely_wall_is_told_as_canal_or_foramen():
    assert {zone for zone, _ in told(cement(FILM))} <= {Zone.CANAL, Zone.FORAMEN}
    assert told(cement(FILM))


@pytest.mark.parametrize("height", [14, 20])
def test_a_broad_bolus_that_passes_the_likely_outline_may_still_be_inside(height):
    assert not told(cement((slice(70 - height // 2, 90), slice(85, 115))))


def test_a_broad_bolus_beyond_all_doubt_is_told():
    assert (Zone.DISC, Side.SUPERIOR) in told(cement((slice(44, 90), slice(85, 115))))


def test_a_short_spur_of_the_bolus_is_no_cast():
    assert not told(cement((slice(62, 82), slice(98, 102))))


def test_a_thin_cast_within_the_likely_outline_is_where_cement_belongs():
    assert not told(cement((slice(76, 79), slice(76, 124))))


def test_a_sure_body_needs_no_casts():
    sure = replace(UNCERTAIN, trust=1.0)
    small = slice(60, 66), slice(98, 106)
    assert told(cement(small), sure) == {(Zone.DISC, Side.SUPERIOR)}
    assert not told(cement(small))


def test_what_is_told_of_an_uncertain_body_is_as_sure_as_its_margins_not_as_its_outline():
    scene = replace(empty_scene(SIZE, PX_PER_MM, region=region()), cement=cement(LAYER))
    (piece,) = measure_spread(scene, stamp(0, 0.0), RULES).pieces
    assert piece.trust >= RULES.least_piece_trust > UNCERTAIN.trust


def last(masks):
    """The spread of the last of these frames."""
    scene, spread = empty_scene(SIZE, PX_PER_MM, region=region()), None
    for n, mask in enumerate(masks):
        scene = replace(scene, cement=mask)
        spread = measure_spread(scene, stamp(n, n / 7.5), RULES)
        scene = after_spread(scene, spread)
    return spread


def gone(*masks):
    """Zones from which cement has vanished at the end of a few frames of each mask."""
    return {piece.zone for piece in last([mask for mask in masks for _ in range(6)]).vanished}


@pytest.mark.parametrize(
    ("cast", "bolus"),
    [
        ((slice(76, 116), slice(61, 65)), (slice(70, 120), slice(61, 90))),
        ((slice(80, 112), slice(131, 137)), (slice(78, 114), slice(110, 137))),
    ],
)
def test_a_cast_that_the_bolus_has_grown_about_has_not_been_carried_away(cast, bolus):
    assert not told(cement(bolus)), "it is no cast any more"
    assert not gone(cement(cast), cement(bolus))
    assert gone(cement(cast), cement())


ROUND_IT = slice(70, 120), slice(61, 90)
"""A bolus that has grown about the film."""


@pytest.mark.parametrize(("n_frames", "is_told"), [(RULES.cast_frames - 1, False), (RULES.cast_frames, True)])
def test_what_was_told_as_a_cast_stays_one_although_a_bolus_grows_about_it(n_frames, is_told):
    film = slice(76, 116), slice(61, 65)
    spread = last([cement(film)] * int(n_frames) + [cement(film, ROUND_IT)] * 4)
    assert {piece.zone for piece in spread.pieces} == ({Zone.CANAL, Zone.FORAMEN} if is_told else set())
    assert sum(piece.area_mm2 for piece in spread.pieces) == pytest.approx(40.0 if is_told else 0.0, rel=0.1)


def test_a_cast_ends_when_its_cement_is_gone():
    assert not last([cement(LAYER)] * 5 + [cement()] * 2 + [cement((slice(62, 90), slice(85, 115)))]).pieces


def test_casts_have_a_least_length_and_area():
    likely = region().breached
    layer = cement(LAYER)
    assert casts_in(layer, likely, PX_PER_MM, RULES)[LAYER].all()
    for stricter in (replace(RULES, cast_mm=25.0), replace(RULES, cast_mm2=80.0), replace(RULES, cast_width_mm=2.0)):
        assert not casts_in(layer, likely, PX_PER_MM, stricter).any()
