"""The operator says where the body is: from the next frame on the zones follow."""

import time

import numpy as np
import pytest

from tests.journeys.scenes import QUIET, Recording, record

MOVED_PX = 20.0
"""How far behind the true wall the operator puts it: far enough to tell a plan from what was found."""


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Recording:
    """A fill of this module's own."""
    return record(QUIET, tmp_path_factory.mktemp("film"), started_at=time.time())


def moved(point, by: float) -> list[float]:
    return [point[0], point[1] + by]


def wall_of(line) -> float:
    """Mean column of the posterior wall in what a frame says."""
    corners = line["data"]["body"]["corners"]
    return float(np.mean([corners["near_superior"][1], corners["near_inferior"][1]]))


def canal_of(line) -> float:
    """Mean column of the canal zone."""
    points = [p for zone in line["data"]["zone_outlines"] if zone["zone"] == "canal" for p in zone["outline"]]
    return float(np.mean([col for _, col in points]))


def test_landmarks_hold_from_the_next_frame_on_and_the_zones_follow(standing, film):
    half = film.n_frames // 2
    standing.send(film.due()[:half], calling="CARM5")
    procedure = standing.wait_judged(film.study, half)["id"]
    found = standing.ask(f"/procedures/{procedure}/plan/lateral")
    assert found["origin"] == "found"
    true = film.corners[half - 1]
    is_back_left = true["near_superior"][1] < true["far_superior"][1]
    by = -MOVED_PX if is_back_left else MOVED_PX
    uid = next(uid for uid, index in film.index_of.items() if index == half - 1)
    plan = {
        "level": "L1",
        "posterior_superior": moved(true["near_superior"], by),
        "posterior_inferior": moved(true["near_inferior"], by),
        "anterior_superior": list(true["far_superior"]),
        "anterior_inferior": list(true["far_inferior"]),
        "frame": {"sop_instance_uid": uid, "index": 0},
    }
    put = standing.tell(f"/procedures/{procedure}/plan/lateral", plan, verb="PUT")
    assert put.status_code == 200, put.text
    standing.send(film.due()[half:], calling="CARM5")
    standing.wait_judged(film.study, film.n_frames)
    given = standing.ask(f"/procedures/{procedure}/plan/lateral")
    assert given["origin"] == "operator"
    assert given["posterior_superior"] == plan["posterior_superior"]
    lines = standing.judged(procedure)
    before, after = lines[:half], lines[half:]
    assert {line["data"]["body"]["origin"] for line in after} == {"operator"}
    assert after[0]["data"]["body"]["level"] == "L1"
    for line, corners in zip(after, film.corners[half:], strict=True):
        wall = np.mean([corners["near_superior"][1], corners["near_inferior"][1]])
        assert wall_of(line) == pytest.approx(wall + by, abs=4.0)
    last_found = next(line for line in reversed(before) if line["data"]["body"])
    assert last_found["data"]["body"]["origin"] == "found"
    went = canal_of(after[0]) - canal_of(last_found)
    assert went * np.sign(by) > MOVED_PX / 3
    log = standing.every(f"/procedures/{procedure}/log", types="plan_set")
    assert [line["actor"] for line in log] == ["local"]
