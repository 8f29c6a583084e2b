"""Zones: from a body and a view to what each pixel is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detection.vocabulary import ZONE_ORDER, View, Wall, Zone
from detection.zones import PARTLY, WATCHED, not_visible, region_of
from tests.detection.films import RULES, body_of, corners

SIZE = (160, 160)
PX_PER_MM = 2.0
BODY = corners(50, 60, 100, 120)
"""25 mm high, 30 mm deep; posterior is left."""
MIRRORED = corners(50, 100, 100, 40)


def region(where=BODY, view=View.LATERAL, wall=Wall.INTACT, opaque=None):
    return region_of(body_of(where, view, wall), SIZE, PX_PER_MM, opaque, RULES)


def zone_at(row, col, **given):
    return ZONE_ORDER[region(**given).intact.zones[row, col]]


@pytest.mark.parametrize(
    ("row", "col", "zone"),
    [
        (75, 90, Zone.BODY),
        (75, 62, Zone.POSTERIOR_BAND),
        (75, 59, Zone.POSTERIOR_BAND),
        (60, 50, Zone.CANAL),
        (90, 50, Zone.FORAMEN),
        (42, 90, Zone.DISC),
        (108, 90, Zone.DISC),
        (75, 140, Zone.SOFT_TISSUE),
        (10, 90, Zone.ELSEWHERE),
        (75, 5, Zone.ELSEWHERE),
    ],
)
def test_zones_of_a_lateral_view(row, col, zone):
    assert zone_at(row, col) is zone
    assert zone_at(row, 160 - col, where=MIRRORED) is zone


@pytest.mark.parametrize(
    ("row", "col", "zone"),
    [
        (75, 90, Zone.BODY),
        (75, 62, Zone.BODY),
        (75, 30, Zone.SOFT_TISSUE),
        (75, 140, Zone.SOFT_TISSUE),
        (42, 90, Zone.DISC),
        (108, 90, Zone.DISC),
    ],
)
def test_zones_of_an_ap_view(row, col, zone):
    assert zone_at(row, col, view=View.AP) is zone


def test_the_posterior_band_is_the_last_quarter_and_a_third_behind_a_broken_wall():
    def front_of_band(wall):
        row = region(wall=wall).intact.zones[75]
        return np.nonzero(row == ZONE_ORDER.index(Zone.POSTERIOR_BAND))[0].max()

    assert front_of_band(Wall.INTACT) == pytest.approx(60 + 60 / 4, abs=1)
    assert front_of_band(Wall.BROKEN) == pytest.approx(60 + 60 / 3, abs=1)


def test_the_canal_begins_a_margin_behind_the_wall_line():
    row = region().intact.zones[60]
    canal = np.nonzero(row == ZONE_ORDER.index(Zone.CANAL))[0]
    assert canal.max() == pytest.approx(60 - RULES.wall_margin_mm * PX_PER_MM, abs=1.5)
    assert canal.min() == pytest.approx(60 - RULES.canal_depth_mm * PX_PER_MM, abs=1.5)


def test_endplates_have_a_margin_that_is_not_yet_disc():
    assert zone_at(49, 90) is Zone.BODY
    assert zone_at(46, 90) is Zone.DISC


def test_distance_to_the_wall_is_positive_in_the_body_and_negative_behind_it():
    for where, mirror in ((BODY, False), (MIRRORED, True)):
        to_wall = region(where=where).to_wall
        assert to_wall is not None
        col = (lambda c: 160 - c) if mirror else (lambda c: c)
        assert to_wall[75, col(90)] == pytest.approx(30)
        assert to_wall[75, col(50)] == pytest.approx(-10)


def test_distance_to_a_slanted_wall_is_square_to_it():
    tilted = corners(50, 60, 100, 120)
    to_wall = region(
        where=type(tilted)(
            near_superior=(50, 60), near_inferior=(90, 90), far_superior=(14, 108), far_inferior=(54, 138)
        )
    ).to_wall
    assert to_wall[14, 108] == pytest.approx(60, abs=0.1)
    assert to_wall[54, 138] == pytest.approx(60, abs=0.1)


def test_ap_shows_no_wall():
    assert region(view=View.AP).to_wall is None


def test_beyond_is_zero_where_cement_may_be():
    beyond = region().intact.beyond
    assert beyond[75, 90] == 0
    assert beyond[75, 62] == 0
    assert beyond[75, 140] > 10


@pytest.mark.parametrize("view", list(View))
def test_a_view_watches_a_zone_or_says_that_it_cannot_show_it(view):
    every = set(Zone) - {Zone.BODY, Zone.ELSEWHERE}
    assert set(WATCHED[view]) | set(not_visible(view)) == every
    # beside the body a lateral view shows nothing of what it watches in front of it, and says so
    assert set(WATCHED[view]) & set(not_visible(view)) == set(PARTLY.get(view, ()))


def test_ap_cannot_show_the_canal():
    assert {Zone.CANAL, Zone.FORAMEN, Zone.POSTERIOR_BAND} <= set(not_visible(View.AP))


@pytest.mark.parametrize("view", [View.OBLIQUE, View.UNKNOWN])
def test_a_view_that_nobody_knows_watches_nothing(view):
    seen = region(view=view)
    assert seen.watched == ()
    assert (seen.intact.zones == ZONE_ORDER.index(Zone.ELSEWHERE)).all()


def test_in_the_cannulas_shadow_lies_the_tract_but_never_over_the_body():
    opaque = np.zeros(SIZE, np.bool_)
    opaque[70:76, :110] = True
    zones = region(opaque=opaque).intact.zones
    assert ZONE_ORDER[zones[73, 8]] is Zone.NEEDLE_TRACT
    assert ZONE_ORDER[zones[73, 50]] is Zone.NEEDLE_TRACT
    assert ZONE_ORDER[zones[66, 50]] is Zone.CANAL
    assert ZONE_ORDER[zones[73, 90]] is Zone.BODY


@pytest.mark.parametrize("view", [View.LATERAL, View.AP])
def test_outlines_for_the_screen_name_every_watched_zone_that_has_a_place(view):
    drawn = {zone for zone, _ in region(view=view).outlines}
    # a vein shares the strip beside the body; the tract lies wherever the cannula does
    assert set(WATCHED[view]) - {Zone.VEIN, Zone.NEEDLE_TRACT} <= drawn


def test_a_zone_that_doubt_covers_is_watched_for_thin_casts_only_and_said_to_be_hardly_visible():
    doubtful = replace(body_of(BODY), trust=0.3, doubt_mm=(4.0, 4.0, 6.0, 3.0))
    seen = region_of(doubtful, SIZE, PX_PER_MM, None, RULES)
    assert Zone.DISC in seen.watched
    assert Zone.DISC in seen.not_visible
    assert Zone.POSTERIOR_BAND not in seen.watched
    assert Zone.POSTERIOR_BAND in seen.not_visible
    assert Zone.CANAL in seen.watched
    assert Zone.CANAL not in seen.not_visible


def test_each_side_of_an_uncertain_body_has_the_margin_of_its_own_doubt():
    doubtful = replace(body_of(BODY), trust=0.3, doubt_mm=(4.0, 3.0, 6.0, 2.5))
    seen = region_of(doubtful, SIZE, PX_PER_MM, None, RULES)
    held = seen.intact.beyond == 0
    rows, cols = np.nonzero(held[:, 90])[0], np.nonzero(held[60])[0]
    assert rows.min() == pytest.approx(50 - (6.0 + RULES.end_margin_mm) * PX_PER_MM, abs=1)
    assert rows.max() == pytest.approx(100 + (2.5 + RULES.end_margin_mm) * PX_PER_MM, abs=1)
    assert cols.min() == pytest.approx(60 - (4.0 + RULES.wall_margin_mm) * PX_PER_MM, abs=1)
    assert cols.max() == pytest.approx(120 + (3.0 + RULES.side_margin_mm) * PX_PER_MM, abs=1)


def test_doubt_about_a_sure_body_counts_for_nothing():
    """Its trust has been weighed already."""
    sure = replace(body_of(BODY), doubt_mm=(4.0, 4.0, 6.0, 3.0))
    assert np.array_equal(region_of(sure, SIZE, PX_PER_MM, None, RULES).intact.zones, region().intact.zones)
