"""Needles: found by being straight, dense and of needle width; the tip is the end inside the patient."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from detection.memory import Needle
from detection.needle import _line_of, _line_through, find_needle, hidden_now, opaque_in, see_needle
from detection.phantom.scene import build
from tests.detection.films import AP, RULES, SMALL, empty_scene, watched

SIZE = (200, 200)
FIELD = np.ones(SIZE, np.bool_)
PX_PER_MM = 2.0


def rod(start, end, width_mm=2.4, contrast=0.8):
    """A straight dense thing from (row, col) to (row, col)."""
    picture = np.zeros(SIZE, np.float32)
    ends = [(round(col), round(row)) for row, col in (start, end)]
    cv2.line(picture, *ends, contrast, round(width_mm * PX_PER_MM))
    return cv2.GaussianBlur(picture, (0, 0), 0.7)


def seen(picture):
    return opaque_in(picture, FIELD, PX_PER_MM, RULES)


def test_a_needle_hides_what_lies_behind_it():
    opaque = seen(rod((100, 199), (100, 90)))
    assert opaque[100, 100:195].all()
    assert not opaque[100, :80].any()
    assert not opaque[80].any()


@pytest.mark.parametrize("tip", [(100, 90), (60, 110), (140, 70)])
def test_the_tip_is_the_end_away_from_the_border(tip):
    needle = find_needle(seen(rod((100, 199), tip)), FIELD, margin_px=RULES.needle_margin_mm * PX_PER_MM)
    assert needle is not None
    assert np.hypot(*np.subtract(needle.tip, tip)) / PX_PER_MM < 2.0
    assert needle.tail[1] > 190


@pytest.mark.parametrize(
    ("what", "picture"),
    [
        ("an endplate is thinner", rod((100, 40), (100, 160), width_mm=0.6, contrast=0.3)),
        ("a pedicle is shorter", rod((100, 100), (100, 110))),
        ("a rib is broader", rod((20, 199), (150, 20), width_mm=9.0)),
        ("cement is paler, and begins inside", rod((100, 160), (100, 60), contrast=0.1)),
        ("nothing is there", np.zeros(SIZE, np.float32)),
    ],
)
def test_what_is_no_needle_hides_nothing(what, picture):
    assert not seen(picture).any(), what
    assert find_needle(seen(picture), FIELD) is None


def test_a_faint_line_from_the_border_is_a_needle():
    """Behind much scatter steel is as pale as cement, but cement does not come in from outside."""
    needle = see_needle(rod((100, 199), (100, 90), contrast=0.1), FIELD, PX_PER_MM, RULES)[1]
    assert needle is not None
    assert np.hypot(*np.subtract(needle.tip, (100, 90))) / PX_PER_MM < 2.5


def test_a_needle_is_followed_into_dense_bone():
    """Behind dense bone steel adds little: too little for the mask, enough for a sum along its line."""
    fades = (
        rod((100, 199), (100, 130))
        + rod((100, 130), (100, 110), contrast=0.3)
        + rod((100, 110), (100, 80), contrast=0.1)
    )
    opaque, needle = see_needle(fades, FIELD, PX_PER_MM, RULES)
    assert needle is not None
    assert np.hypot(*np.subtract(needle.tip, (100, 80))) / PX_PER_MM < 3.0
    assert opaque[100, 90:195].all()


def test_dense_bone_ahead_of_the_tip_does_not_carry_the_needle_on():
    bone = np.zeros(SIZE, np.float32)
    bone[:, :90] = 0.5
    needle = see_needle(rod((100, 199), (100, 120)) + cv2.GaussianBlur(bone, (0, 0), 1.0), FIELD, PX_PER_MM, RULES)[1]
    assert np.hypot(*np.subtract(needle.tip, (100, 120))) / PX_PER_MM < 3.0


def test_a_blob_of_cement_is_no_needle():
    blob = cv2.circle(np.zeros(SIZE, np.float32), (100, 100), 18, 0.8, -1)
    assert find_needle(seen(blob), FIELD) is None


def test_a_needle_is_followed_where_it_goes_within_its_play():
    reference, now = rod((100, 199), (100, 90)), rod((104, 199), (104, 84))
    opaque = seen(reference)
    scene = empty_scene(SIZE, PX_PER_MM, reference=reference, opaque=opaque, needle=find_needle(opaque, FIELD))
    hidden = hidden_now(now, scene, RULES)
    assert hidden[opaque].all(), "its shadow in the reference stays unknown"
    assert hidden[104, 90:195].all()
    assert not hidden[80].any()


@pytest.mark.parametrize("turned_deg", [0.0, 2.0, -4.0])
def test_a_line_is_found_from_where_it_was_through_what_touches_it(turned_deg):
    rng = np.random.default_rng(4)
    along, off = rng.uniform(-80, 80, 300), rng.normal(0, 0.8, 300)
    angle = np.deg2rad(20 + turned_deg)
    x, y = 90 + along * np.cos(angle) - off * np.sin(angle), 70 + along * np.sin(angle) + off * np.cos(angle)
    beside = rng.uniform((110, 40), (150, 60), (90, 2))
    points = np.concatenate([np.stack([x, y], axis=1), beside]).astype(np.float32)
    known = Needle(
        tip=(74.0, 88.0), tail=(74.0 + 60 * np.sin(np.deg2rad(20)), 88.0 + 60 * np.cos(np.deg2rad(20))), width_px=5
    )
    plain = cv2.fitLine(points, cv2.DIST_L2, 0, 0.01, 0.01).ravel()
    found = _line_through(points, (plain, _line_of(known)))
    robust = cv2.fitLine(points, cv2.DIST_WELSCH, 0, 0.01, 0.01).ravel()
    for line in (found, robust):
        assert abs(np.rad2deg(np.arctan(line[1] / line[0])) - 20 - turned_deg) < 0.3
        assert np.abs((x - line[2]) * line[1] - (y - line[3]) * line[0]).mean() < 1.0


def test_without_a_needle_only_the_reference_hides():
    scene = empty_scene(SIZE, PX_PER_MM)
    assert not hidden_now(rod((100, 199), (100, 90)), scene, RULES).any()
    opaque = seen(rod((100, 199), (100, 90)))
    assert np.array_equal(hidden_now(np.zeros(SIZE, np.float32), replace(scene, opaque=opaque), RULES), opaque)


@pytest.mark.parametrize("script", [SMALL, AP], ids=lambda script: script.name)
def test_the_tip_is_found_within_two_millimetres_in_a_patient(script):
    stage = build(script)
    site = stage.subject.site
    true_tip = stage.beam.land(site.vertebra.place(site.tip))
    needle = watched(script)[1].scene.needle
    assert isinstance(needle, Needle)
    assert np.hypot(*np.subtract(needle.tip, true_tip)) * script.mm_per_px < 2.0


def through_skin(beyond_contrast):
    """A needle that comes in through the air, where it is plain, to the skin at column 130, and goes on to column 60 behind it."""
    skin = np.zeros(SIZE, np.float32)
    skin[:, :130] = 1.0
    needle = rod((100, 199), (100, 130), contrast=0.8) + rod((100, 130), (100, 60), contrast=beyond_contrast)
    return needle + cv2.GaussianBlur(skin, (0, 0), 2.0)


def test_a_needle_seen_in_the_air_is_followed_behind_the_skin():
    """Scatter makes steel fainter at once where the patient begins; a tip that was taken to lie in the skin made a tract of its shaft."""
    opaque, needle = see_needle(through_skin(0.09), FIELD, PX_PER_MM, RULES)
    assert needle is not None
    assert np.hypot(*np.subtract(needle.tip, (100, 60))) / PX_PER_MM < 3.0
    assert opaque[100, 70:195].all()


def test_a_needle_that_ends_at_the_skin_ends_there():
    needle = see_needle(through_skin(0.0), FIELD, PX_PER_MM, RULES)[1]
    assert needle is not None
    assert abs(needle.tip[1] - 130) / PX_PER_MM < 4.0
