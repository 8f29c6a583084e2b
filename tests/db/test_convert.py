"""The vocabulary to JSON and back."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from db.convert import (
    alert_data,
    alert_from,
    findings_data,
    json_text,
    plain,
)
from db.landmarks import landmarks_data, landmarks_from
from detection.vocabulary import (
    Alert,
    Condition,
    Findings,
    Flag,
    Landmarks,
    Priority,
    Side,
    TechnicalCause,
    View,
    Witness,
    Zone,
)
from tests.db.lines import ALERT, BODY, findings


def test_canonical_json_has_one_text_for_one_value():
    assert json_text({"b": 1, "a": [1.5, "é", None, True]}) == '{"a":[1.5,"\\u00e9",null,true],"b":1}'


@pytest.mark.parametrize("not_a_number", [float("nan"), float("inf"), -float("inf"), np.float32("nan"), np.nan])
def test_what_is_no_number_is_null(not_a_number):
    assert json_text({"a": [not_a_number, 1.0]}) == '{"a":[null,1.0]}'


def test_numbers_of_numpy_and_words_become_plain():
    odd = {
        Zone.CANAL: np.float32(0.5),
        "n": np.int64(3),
        "flags": frozenset({Flag.LOSSY, Flag.DUPLICATE}),
        "line": np.array([[1.0, np.nan]]),
        "yes": np.bool_(True),
        "pair": (1, Priority.HIGH),
    }
    told = plain(odd)
    assert told == {
        "canal": 0.5,
        "n": 3,
        "flags": ["duplicate", "lossy"],
        "line": [[1.0, None]],
        "yes": True,
        "pair": [1, "high"],
    }
    assert json.loads(json_text(odd)) == told
    assert type(told["pair"][1]) is str


def test_an_alert_comes_back_equal_through_json():
    assert alert_from(json.loads(json_text(alert_data(ALERT)))) == ALERT


def test_an_alert_comes_back_with_every_view_that_showed_it_and_one_of_before_there_were_any_with_none():
    seen = {"side": Side.SUPERIOR, "area_mm2": 9.5, "length_mm": None, "trust": 0.8}
    seen |= {"first_frame": ALERT.first_frame, "last_frame": None, "priority": Priority.LOW}
    witness = Witness(source="BPLANE", view=View.AP, condition=Condition.ABSENT, **seen)
    told = json.loads(json_text(alert_data(replace(ALERT, witnesses=(witness,)))))
    assert alert_from(told).witnesses == (witness,)
    del told["witnesses"]
    assert alert_from(told).witnesses == ()


def test_an_alert_without_anything_known_comes_back_equal():
    bare = replace(
        ALERT,
        zone=None,
        side=None,
        level=None,
        first_frame=None,
        raised_frame=None,
        seconds_to_wall=None,
        volume_ml=None,
        trust=None,
        outline=(),
        technical_cause=TechnicalCause.NO_FRAMES,
    )
    assert alert_from(json.loads(json_text(alert_data(bare)))) == bare


def test_every_field_of_an_alert_is_written_down():
    assert set(alert_data(ALERT)) == {field.name for field in fields(Alert)}


def test_findings_hold_all_that_a_screen_draws():
    told = findings_data(findings())
    assert set(told) >= {field.name for field in fields(Findings)} - {"stamp"}
    assert (told["arrival"], told["mode"], told["view"], told["shift_px"]) == (5, "live", "lateral", [0.5, -0.25])
    assert told["flags"] == ["lossy", "scale_unknown"]
    assert told["front"]["seconds_to_wall"] == {"value": 10.0, "low": 7.0, "high": 16.0}
    assert told["zones"] == {"canal": {"area_mm2": 2.0, "length_mm": 3.0, "area_px": 20.0}}
    assert told["pieces"][0]["outline"] == [[1.23, 2.0], [3.0, 4.0]]
    assert told["body"]["corners"]["far_inferior"] == [9.0, 12.0]
    assert told["zone_outlines"] == [{"zone": "canal", "outline": [[0.0, 0.0], [1.0, 1.0]]}]
    assert json.loads(json_text(told)) == told


def test_an_unfit_frame_has_its_flags_and_nulls():
    told = findings_data(
        replace(findings(float("nan")), is_fit=False, front=None, body=None, cement_volume_ml=None, pieces=())
    )
    assert (told["is_fit"], told["front"], told["body"], told["cement_volume_ml"]) == (False, None, None, None)


def test_a_distance_that_is_no_number_is_null():
    assert findings_data(findings(float("nan")))["front"]["distance_mm"] is None


@pytest.mark.parametrize("view", [View.LATERAL, View.AP])
def test_landmarks_come_back_equal(view):
    given = Landmarks(body=replace(BODY, view=view, level="L2", mm_per_px=0.2), sop_instance_uid="1.2", index=3)
    assert landmarks_from(json.loads(json_text(landmarks_data(given)))) == given


def test_landmarks_of_a_view_that_cannot_be_planned_are_refused():
    with pytest.raises(ValueError, match="view"):
        landmarks_data(Landmarks(body=replace(BODY, view=View.OBLIQUE)))
