"""What is told of a frame is held against what is true of it, on masks and outlines small enough to count by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detection.memory import Memory
from detection.outcome import About, Patient
from detection.phantom.truth import Truth
from detection.tally import Look, Tally, boundary_mm, contacts_of, corner_errors_mm, dice, extent_mm, is_about
from detection.vocabulary import (
    Band,
    Findings,
    Flag,
    Front,
    Kind,
    Priority,
    View,
    Zone,
)
from tests.detection.films import body_of, corners, stamp
from tests.detection.outcomes import instant, telling

SHAPE = (40, 40)
BODY = corners(10, 10, 30, 30)
ABOUT = About(
    scene="s",
    seed=1,
    landmarks="found",
    patient=Patient.DRAWN,
    view=View.LATERAL,
    level="L1",
    dose="usual",
    cement="barium_20",
    confounders=frozenset(),
    is_control=False,
)


def block(top, left, bottom, right):
    mask = np.zeros(SHAPE, np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def truth(**changed):
    given = {
        "time_s": 0.0,
        "volume_ml": 0.0,
        "zone_ml": {},
        "zones": {},
        "visible": None,
        "cnr": 0.0,
        "distance_to_wall_mm": None,
        "leak_3d": False,
        "leak_visible": False,
        "corners": BODY,
        "shift_px": (0.0, 0.0),
    }
    return Truth(**(given | changed))


LEAKING = truth(
    volume_ml=1.0,
    zone_ml={Zone.BODY: 0.9, Zone.CANAL: 0.1},
    zones={Zone.CANAL: block(10, 4, 20, 6)},
    visible=block(10, 4, 20, 6),
    cnr=9.0,
    leak_3d=True,
    leak_visible=True,
)


def findings(**changed):
    given = {
        "stamp": stamp(),
        "view": View.LATERAL,
        "scene": 0,
        "shift_px": (0.0, 0.0),
        "is_fit": True,
        "flags": frozenset(),
        "trust": 1.0,
        "shape": SHAPE,
    }
    return Findings(**(given | changed))


def look(index, true=None, found=None, changes=()):
    return Look(
        index=index,
        leg=0,
        mm_per_px=1.0,
        truth=true or truth(),
        findings=found or findings(),
        changes=tuple(changes),
        memory=Memory(),
        ms=1.0,
        time_s=index / 10,
    )


def test_a_leak_begins_when_it_is_real_and_shows_when_it_is_visible():
    tally = Tally(is_body_asked=False)
    for index, true in enumerate([truth(), replace(LEAKING, leak_visible=False), LEAKING, LEAKING]):
        tally.count(look(index, true))
    leak = tally.outcome(ABOUT).leakage
    assert (leak.onset_3d, leak.onset) == (instant(1), instant(2))
    assert leak.zones == {Zone.CANAL}
    assert leak.ml == pytest.approx(0.1)


def test_duplicates_are_no_judged_frames_and_veiled_frames_may_be_refused():
    tally = Tally(is_body_asked=False)
    tally.count(look(0))
    tally.count(look(1, found=findings(flags=frozenset({Flag.DUPLICATE}), is_fit=False)))
    tally.count(look(2, found=findings(is_fit=False)))
    tally.count(look(3, true=truth(is_clear=False), found=findings(is_fit=False)))
    tally.count(look(4, true=truth(is_clear=False)))
    told = tally.outcome(ABOUT)
    assert (told.n_clear, told.n_unfit_clear, told.n_veiled, told.n_fit_veiled) == (2, 1, 2, 1)
    assert tally.n_judged == 2


def square(top, left, bottom, right):
    return ((top, left), (top, right), (bottom, right), (bottom, left))


def test_an_outline_tells_of_a_leak_only_where_it_leaks():
    leak = block(10, 4, 20, 6)
    assert is_about(square(10, 3, 14, 7), leak, reach_px=0)
    assert is_about(square(12, 8, 14, 10), leak, reach_px=3)
    assert not is_about(square(12, 12, 14, 14), leak, reach_px=3)
    assert not is_about(square(0, 0, 9, 9), block(0, 0, 0, 0), reach_px=3)


def test_a_smear_over_half_the_picture_tells_of_no_leak_that_it_happens_to_cover():
    leak = block(10, 4, 20, 6)
    assert not is_about(square(0, 0, 39, 39), leak, reach_px=3)
    assert not is_about((), leak, reach_px=3)


def test_cement_that_was_not_found_at_all_overlaps_by_nothing():
    tally = Tally(is_body_asked=False)
    tally.count(look(0, truth(zones={Zone.BODY: block(5, 5, 30, 30)})))
    assert tally.outcome(ABOUT).precision.dice == 0.0
    assert tally.outcome(ABOUT).precision.boundary_mm is None


def test_masks_that_are_the_same_overlap_wholly_and_shifted_ones_by_what_they_share():
    one, beside = block(10, 10, 20, 20), block(10, 15, 20, 25)
    assert dice(one, one) == 1.0
    assert dice(one, beside) == 0.5
    assert dice(one, block(30, 30, 35, 35)) == 0.0
    assert boundary_mm(one, one, 0.5) == 0.0
    assert 0.5 < boundary_mm(one, beside, 0.5) < 2.0


def test_a_cast_has_the_width_and_length_of_its_shadow():
    width, length = extent_mm(block(10, 4, 20, 6), 0.5)
    assert length == pytest.approx(5.0)
    assert width == pytest.approx(1.0)


def test_corners_distance_and_volume_are_measured_where_they_are_told():
    tally = Tally(is_body_asked=True)
    off = replace(BODY, near_superior=(13.0, 14.0))
    front = Front(distance_px=5, share=0.3, distance_mm=5.5, depth_mm=20.0, speed_mm_s=None, seconds_to_wall=None)
    told = findings(body=body_of(off), front=front, cement_volume_ml=Band(low=0.9, high=1.6))
    tally.count(look(0, truth(volume_ml=1.0, distance_to_wall_mm=5.0), told))
    precision = tally.outcome(ABOUT).precision
    assert precision.corner_errors_mm == (5.0, 0.0, 0.0, 0.0)
    assert precision.distance_errors_mm == (0.5,)
    assert precision.volume_error == pytest.approx(0.2)
    assert precision.is_volume_in_band
    assert corner_errors_mm(body_of(off), BODY, 0.5)[0] == 2.5


def test_contact_has_a_speed_and_the_lead_of_the_first_true_approach():
    fronts = [(t / 2, 7.0 - t / 4) for t in range(20)]
    early = telling(20, is_true=True, kind=Kind.APPROACH, priority=Priority.MEDIUM)
    false = telling(5, is_true=False, kind=Kind.APPROACH, priority=Priority.MEDIUM)
    (contact,) = contacts_of(fronts, [false, early])
    assert contact.at_s == 8.0
    assert contact.speed_mm_s == pytest.approx(0.5)
    assert contact.lead_s == pytest.approx(6.0)
    silent = replace(early, told_as=Priority.LOW)
    assert contacts_of(fronts, [silent])[0].lead_s is None
    assert contacts_of(fronts, [])[0].lead_s is None
    assert contacts_of(fronts[:8], [early]) == ()
