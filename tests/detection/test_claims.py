"""What one frame says deserves an alarm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detection.claims import claims_of, ruler_of, tier_of, wall_of
from detection.priorities import LEAK_LADDERS, Pace, Tier
from detection.vocabulary import (
    Flag,
    Kind,
    Landmarks,
    Plan,
    Priority,
    Side,
    TechnicalCause,
    View,
    Wall,
    Zone,
)
from tests.detection.alarm_words import CLEAN, RULES, UNFIT, body, frame, front, piece

PLAN = Plan(level="L2")


def claims(findings, plan=PLAN):
    return claims_of(findings, RULES, plan)


def only(findings, plan=PLAN):
    (claim,) = claims(findings, plan)
    return claim


def test_a_clean_frame_claims_nothing():
    assert claims(CLEAN) == ()


@pytest.mark.parametrize("zone", LEAK_LADDERS)
def test_a_piece_beyond_the_body_is_a_leak(zone):
    claim = only(frame(piece(zone)))
    assert (claim.kind, claim.zone, claim.level, claim.view) == (Kind.LEAK, zone, "L2", View.LATERAL)


def test_cement_in_the_body_is_what_is_wanted():
    assert claims(frame(piece(Zone.BODY, 300.0))) == ()


def test_an_unfit_frame_claims_no_cement():
    assert [claim.kind for claim in claims(UNFIT)] == [Kind.TECHNICAL]


def test_a_piece_that_is_not_trusted_claims_nothing():
    assert claims(frame(piece(Zone.CANAL, trust=0.1))) == ()


def test_pieces_of_one_zone_are_merged_with_the_largest_outline():
    small, large = piece(Zone.VEIN, 3.0, side=Side.IMAGE_LEFT, col=50.0), piece(Zone.VEIN, 9.0, side=Side.IMAGE_RIGHT)
    claim = only(frame(small, large))
    assert (claim.area_mm2, claim.outline, claim.side) == (12.0, large.outline, Side.IMAGE_RIGHT)
    assert claim.sides == {Side.IMAGE_LEFT, Side.IMAGE_RIGHT}


def test_disc_sides_stay_apart():
    found = claims(frame(piece(Zone.DISC, side=Side.SUPERIOR), piece(Zone.DISC, side=Side.INFERIOR)))
    assert {claim.side for claim in found} == {Side.SUPERIOR, Side.INFERIOR}


def test_without_a_scale_areas_stay_unknown_and_thresholds_use_a_nominal_body():
    claim = only(frame(piece(Zone.SOFT_TISSUE, None, length_mm=None), mm_per_px=None))
    assert claim.area_mm2 is None
    assert claim.length_mm is None
    assert claim.area_px == pytest.approx(12.0 / 0.09)
    assert claim.size_mm2 == pytest.approx(12.0)
    assert claim.reach_mm > 0


def test_the_ruler_is_scale_then_body_then_field():
    assert ruler_of(frame(mm_per_px=0.2), RULES) == 0.2
    assert ruler_of(frame(mm_per_px=None), RULES) == pytest.approx(RULES.nominal_depth_mm / 110)
    bare = frame(mm_per_px=None, body=None)
    assert ruler_of(bare, RULES) == RULES.nominal_field_mm / max(bare.shape)


def test_cement_of_unknown_place_is_low_while_the_body_is_not_known():
    lost = frame(piece(Zone.ELSEWHERE), body=None)
    assert claims(lost)[0].priority_at(Pace.GROWING) is Priority.LOW
    assert claims(frame(piece(Zone.ELSEWHERE)))[0].priority_at(Pace.STILL) is Priority.MEDIUM


@pytest.mark.parametrize("share", [0.3, 0.2, RULES.contact_share])
def test_what_looks_like_a_balloon_nears_the_wall_as_loud_as_cement(share):
    """A balloon at the wall does harm, and smooth cement may look like one."""
    like_one = frame(front=front(share), flags=frozenset({Flag.BALLOON}))
    told, cement = (
        next(claim for claim in claims(each) if claim.kind is Kind.APPROACH)
        for each in (like_one, frame(front=front(share)))
    )
    assert (told.ladder, told.tier) == (cement.ladder, cement.tier)


@pytest.mark.parametrize("zone", LEAK_LADDERS)
def test_a_leak_beside_a_balloon_is_as_urgent_as_ever(zone):
    beside = frame(piece(zone), flags=frozenset({Flag.BALLOON}))
    claim = next(claim for claim in claims(beside) if claim.kind is Kind.LEAK)
    assert claim.ladder == only(frame(piece(zone))).ladder


def test_what_runs_as_in_a_vein_sounds_without_a_body_but_is_not_high():
    (claim,) = claims(frame(piece(Zone.VEIN), body=None))
    assert {claim.priority_at(pace) for pace in Pace} == {Priority.MEDIUM}


UNSURE = frozenset({Flag.BODY_UNCERTAIN})


@pytest.mark.parametrize(
    ("zone", "still", "fast"),
    [
        (Zone.CANAL, Priority.HIGH, Priority.HIGH),
        (Zone.FORAMEN, Priority.HIGH, Priority.HIGH),
        (Zone.VEIN, Priority.MEDIUM, Priority.MEDIUM),
        (Zone.DISC, Priority.MEDIUM, Priority.MEDIUM),
        (Zone.SOFT_TISSUE, Priority.LOW, Priority.MEDIUM),
        (Zone.ELSEWHERE, Priority.LOW, Priority.MEDIUM),
    ],
)
def test_outside_an_uncertain_body_cement_is_audible_but_only_what_is_feared_most_is_high(zone, still, fast):
    claim = next(claim for claim in claims(frame(piece(zone), flags=UNSURE)) if claim.kind is Kind.LEAK)
    assert not claim.is_body_sure
    assert (claim.priority_at(Pace.STILL), claim.priority_at(Pace.FAST)) == (still, fast)


def test_an_uncertain_body_does_not_make_what_lies_beyond_its_margins_less_sure():
    """The margins are as wide as the doubt; the trust in the body itself is in the piece already."""
    unsure = frame(piece(Zone.DISC, trust=0.9), body=replace(body(), trust=0.05), flags=UNSURE)
    assert next(claim for claim in claims(unsure) if claim.kind is Kind.LEAK).trust == 0.9


@pytest.mark.parametrize(
    ("share", "depth_mm", "tier"),
    [
        (0.50, 33.0, None),
        (0.334, 33.0, None),
        (0.333, 33.0, Tier.FAR),
        (0.251, 33.0, Tier.FAR),
        (0.25, 33.0, Tier.NEAR),
        (0.10, 33.0, Tier.NEAR),
        (0.09, 33.0, Tier.CONTACT),  # 3 mm
        (0.085, 40.0, Tier.NEAR),  # 3.4 mm of 40: contact is 3.2
        (0.079, 40.0, Tier.CONTACT),
        (0.12, 24.0, Tier.CONTACT),  # 2.9 mm of a thoracic body
        (0.09, None, Tier.CONTACT),  # ruled by the nominal depth
        (-0.05, 33.0, Tier.CONTACT),
    ],
)
def test_tiers_by_the_share_of_the_depth(share, depth_mm, tier):
    assert tier_of(front(share, depth_mm=depth_mm), Wall.INTACT, RULES) is tier


@pytest.mark.parametrize(("share", "tier"), [(0.44, Tier.FAR), (0.33, Tier.NEAR), (0.12, Tier.CONTACT), (0.45, None)])
def test_a_broken_wall_moves_tiers_by_one_third(share, tier):
    assert tier_of(front(share), Wall.BROKEN, RULES) is tier


@pytest.mark.parametrize(("seconds", "tier"), [(5.0, Tier.SOON), (5.1, None)])
def test_soon_is_five_seconds(seconds, tier):
    assert tier_of(front(0.5, seconds=seconds), Wall.INTACT, RULES) is tier


def test_a_wall_marked_broken_in_any_view_counts():
    marked = Plan(landmarks={View.AP: Landmarks(body=body(view=View.AP, wall=Wall.BROKEN))})
    assert wall_of(CLEAN, marked) is Wall.BROKEN
    assert wall_of(CLEAN, Plan()) is Wall.INTACT
    assert wall_of(frame(body=body(wall=Wall.BROKEN)), Plan()) is Wall.BROKEN


def test_cement_in_the_band_without_a_front_is_near():
    claim = only(frame(piece(Zone.POSTERIOR_BAND)))
    assert (claim.kind, claim.tier, claim.front) == (Kind.APPROACH, Tier.NEAR, None)


def test_the_level_of_the_landmarks_wins():
    assert only(frame(piece(Zone.CANAL), body=body(level="T12"))).level == "T12"


def test_trust_is_that_of_the_weakest_link():
    assert only(frame(piece(Zone.CANAL, trust=0.6))).trust == 0.6
    assert only(frame(piece(Zone.CANAL, trust=0.99), trust=0.4)).trust == 0.4


def test_vanished_cement_of_one_zone_is_one_claim():
    claim = only(frame(vanished=(piece(Zone.VEIN, 4.0), piece(Zone.VEIN, 5.0))))
    assert (claim.kind, claim.area_mm2) == (Kind.VANISHED, 9.0)


def test_causes_come_in_the_order_of_the_vocabulary():
    flags = frozenset({Flag.CONTRAST_AGENT, Flag.SCALE_UNKNOWN, Flag.LOSSY})
    assert [claim.technical_cause for claim in claims(frame(flags=flags))] == [
        TechnicalCause.SCALE_UNKNOWN,
        TechnicalCause.CONTRAST_AGENT,
    ]
