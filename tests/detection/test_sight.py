"""What the views of one procedure show together."""

from __future__ import annotations

from dataclasses import replace

from detection.rules import Rules
from detection.sight import glanced, sight_of
from detection.vocabulary import Flag, Glance, View, Zone
from detection.zones import WATCHED, not_visible
from tests.detection.alarm_words import frame, stamp

RULES = Rules()


def seen(view: View, at: float, **more: object):
    """A frame of a view with its body, received at that time."""
    told = {"zones_watched": WATCHED[view], "zones_not_visible": not_visible(view)} | more
    return replace(frame(view=view, **told), stamp=stamp(at - 0.05))


def glances_of(*frames) -> tuple[Glance, ...]:
    glances: tuple[Glance, ...] = ()
    for each in frames:
        glances = glanced(glances, "CARM1", each)
    return glances


def test_a_lateral_view_alone_does_not_show_what_leaves_sideways():
    sight = sight_of(glances_of(seen(View.LATERAL, 10.0)), 10.5, RULES)
    assert sight.zones_blind == (Zone.VEIN, Zone.SOFT_TISSUE)


def test_an_ap_view_alone_shows_neither_canal_nor_foramen():
    sight = sight_of(glances_of(seen(View.AP, 10.0)), 10.5, RULES)
    assert sight.zones_blind == (Zone.POSTERIOR_BAND, Zone.CANAL, Zone.FORAMEN)


def test_both_together_show_every_zone_and_each_tells_when_it_was_seen():
    sight = sight_of(glances_of(seen(View.AP, 10.0), seen(View.LATERAL, 50.0)), 50.0, RULES)
    assert sight.zones_blind == ()
    assert [(each.view, each.at) for each in sight.glances] == [(View.LATERAL, 50.0), (View.AP, 10.0)]


def test_a_view_that_was_left_long_ago_is_told_but_shows_nothing_any_more():
    glances = glances_of(seen(View.AP, 10.0), seen(View.LATERAL, 100.0))
    assert sight_of(glances, 10.0 + RULES.view_stays_s, RULES).zones_blind == ()
    late = sight_of(glances, 10.1 + RULES.view_stays_s, RULES)
    assert late.zones_blind == (Zone.VEIN, Zone.SOFT_TISSUE)
    assert len(late.glances) == 2


def test_two_planes_of_the_same_view_are_two():
    glances = glanced(glances_of(seen(View.AP, 1.0)), "CARM2", seen(View.AP, 2.0))
    assert [each.source for each in sight_of(glances, 2.0, RULES).glances] == ["CARM2", "CARM1"]


def test_frames_that_cannot_be_judged_are_no_glance():
    unfit = seen(View.AP, 3.0, is_fit=False)
    building = seen(View.AP, 3.0, flags=frozenset({Flag.REFERENCE_BUILDING}))
    without_body = seen(View.AP, 3.0, zones_watched=())
    assert glances_of(unfit, building, without_body) == ()
    assert [each.at for each in glances_of(seen(View.AP, 2.0), unfit)] == [2.0]


def test_a_frame_that_was_passed_over_is_no_news():
    assert [each.at for each in glances_of(seen(View.AP, 9.0), seen(View.AP, 4.0))] == [9.0]


def test_a_collimated_zone_is_shown_by_nobody():
    watched = tuple(zone for zone in WATCHED[View.LATERAL] if zone is not Zone.CANAL)
    sight = sight_of(glances_of(seen(View.LATERAL, 1.0, zones_watched=watched), seen(View.AP, 1.0)), 1.0, RULES)
    assert sight.zones_blind == (Zone.CANAL,)


def test_before_any_frame_everything_is_blind():
    assert len(sight_of((), 0.0, RULES).zones_blind) == len(Zone) - 2  # body and elsewhere are no places for a leak
