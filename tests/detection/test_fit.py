"""Fitness: every frame that may not be judged says why."""

from __future__ import annotations

import numpy as np
import pytest

from detection.fit import UNFIT, hidden_zones, is_fit, picture_flags
from detection.pixels import calm
from detection.vocabulary import Flag, View, Zone
from detection.zones import region_of
from tests.detection.films import CEILING, RULES, body_of, corners, empty_scene, frame_of, mottle

CAUTIONS = {
    Flag.EXPOSURE_STEP,
    Flag.REFERENCE_BUILDING,
    Flag.NEW_SCENE,
    Flag.CONTRAST_AGENT,
    Flag.BORDER_OBJECT,
    Flag.BALLOON,
    Flag.BALLOON_GONE,
    Flag.SCALE_UNKNOWN,
    Flag.POLARITY_UNCERTAIN,
    Flag.VIEW_UNKNOWN,
    Flag.BODY_NOT_FOUND,
    Flag.BODY_UNCERTAIN,
    Flag.ZONE_COLLIMATED,
    Flag.LOSSY,
}


def test_every_flag_is_either_a_reason_or_a_caution():
    assert set(UNFIT) | CAUTIONS == set(Flag)
    assert not set(UNFIT) & CAUTIONS
    assert all(UNFIT.values())


@pytest.mark.parametrize("flag", list(Flag))
def test_one_reason_is_enough_and_no_caution_is(flag):
    assert is_fit(frozenset({flag})) == (flag in CAUTIONS)
    assert is_fit(frozenset({flag, Flag.LOSSY})) == (flag in CAUTIONS)


def test_no_flag_is_fit():
    assert is_fit(frozenset())


def flags(stored):
    frame = frame_of(stored)
    return picture_flags(calm(frame, RULES), frame.ceiling, float(frame.pixels.mean()), RULES)


PATIENT = 1500 + 300 * mottle((64, 64))


def test_a_plain_picture_has_nothing_against_it():
    assert flags(PATIENT) == frozenset()


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (np.zeros((64, 64)), {Flag.TOO_DARK, Flag.NO_FIELD}),
        (np.full((64, 64), CEILING), {Flag.SATURATED, Flag.NO_FIELD}),
        (np.full((64, 64), 1500.0), {Flag.NO_DETAIL}),
    ],
)
def test_what_the_picture_says_against_itself(stored, expected):
    assert flags(stored) == expected


def test_a_pinhole_is_no_field():
    pinhole = np.zeros((64, 64), np.float32)
    pinhole[24:40, 24:40] = PATIENT[24:40, 24:40]
    assert flags(pinhole) == {Flag.NO_FIELD}


BODY = body_of(corners(50, 60, 100, 120))
SCENE = empty_scene((160, 160), 2.0, region=region_of(BODY, (160, 160), 2.0, None, RULES))


def test_a_closed_collimator_names_the_zones_it_hides():
    field = np.ones((160, 160), np.bool_)
    assert hidden_zones(SCENE, field, RULES) == ()
    field[:, :45] = False
    assert set(hidden_zones(SCENE, field, RULES)) == {Zone.CANAL, Zone.FORAMEN}


def test_no_body_hides_no_zone_and_ap_never_hides_the_canal():
    shut = np.zeros((160, 160), np.bool_)
    assert hidden_zones(empty_scene((160, 160)), shut, RULES) == ()
    ap = empty_scene(
        (160, 160), region=region_of(body_of(corners(50, 60, 100, 120), View.AP), (160, 160), 2.0, None, RULES)
    )
    assert set(hidden_zones(ap, shut, RULES)) <= {Zone.DISC, Zone.VEIN, Zone.SOFT_TISSUE}
