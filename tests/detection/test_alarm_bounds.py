"""Where a rule of alarms ends: one frame, one share or one millimetre to either side of it decides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detection.vocabulary import Flag, Kind, Priority, Zone
from tests.detection.alarm_words import (
    CLEAN,
    FRAME_S,
    IN_CANAL,
    IN_DISC,
    RULES,
    SETTING,
    UNFIT,
    Room,
    frame,
    front,
    piece,
)

NEAR, FAR = frame(front=front(0.30)), frame(front=front(0.60))
UNKNOWN = frame(flags=frozenset({Flag.VIEW_UNKNOWN}))

N_OF_M = [
    pytest.param(IN_CANAL, CLEAN, RULES.urgent_n, RULES.urgent_m, id="urgent"),
    pytest.param(IN_DISC, CLEAN, RULES.leak_n, RULES.leak_m, id="leak"),
    pytest.param(NEAR, FAR, RULES.approach_n, RULES.approach_m, id="approach"),
    pytest.param(UNKNOWN, CLEAN, RULES.technical_n, RULES.technical_m, id="technical"),
    pytest.param(UNFIT, CLEAN, RULES.unfit_n, RULES.unfit_m, id="unfit"),
]


def room_where(**rules: float) -> Room:
    return Room(setting=replace(SETTING, rules=replace(RULES, **rules)))


@pytest.mark.parametrize(("sign", "nothing", "n", "m"), N_OF_M)
def test_n_signs_within_m_frames_are_an_alert_and_one_fewer_is_none(sign, nothing, n, m):
    room = Room()
    room.see(sign, times=n - 1)
    assert room.alerts == (), "one too few"
    room.see(nothing, times=m - n)
    assert room.alerts == ()
    room.see(sign)
    assert len(room.alerts) == 1, f"the {n}th within {m} frames"


@pytest.mark.parametrize(("sign", "nothing", "n", "m"), N_OF_M)
def test_a_sign_that_is_one_frame_too_old_does_not_count(sign, nothing, n, m):
    room = Room()
    room.see(sign, times=n - 1)
    room.see(nothing, times=m - n + 1)
    room.see(sign)
    assert room.alerts == ()


@pytest.mark.parametrize(
    ("sign", "nothing", "n_end"),
    [
        pytest.param(IN_CANAL, CLEAN, RULES.leak_end_n, id="leak"),
        pytest.param(NEAR, FAR, RULES.approach_end_n, id="approach"),
        pytest.param(UNKNOWN, CLEAN, RULES.technical_end_n, id="technical"),
    ],
)
def test_so_many_frames_without_it_end_it_where_time_does_not_hold_it(sign, nothing, n_end):
    room = room_where(end_s=0.0)
    room.see(sign, times=10)
    room.see(nothing, times=n_end - 1)
    assert room.only.condition == "present"
    room.see(nothing)
    assert [alert.condition for alert in room.alerts if alert.condition == "present"] == []


def grown(room: Room, begin_mm2: float, gain_mm2: float, seconds: float) -> Priority:
    """Soft tissue cement that stood still, gained so much in so long, and is looked at then."""
    room.see(frame(piece(Zone.SOFT_TISSUE, begin_mm2)), times=40)
    n_frames = round(seconds / FRAME_S)
    sizes = [begin_mm2 + gain_mm2 * min(step / n_frames, 1.0) for step in range(1, n_frames + 9)]
    seen = set()
    for size in sizes:
        room.see(frame(piece(Zone.SOFT_TISSUE, size)))
        seen.add(room.only.priority)
    return Priority.MEDIUM if Priority.MEDIUM in seen else Priority.LOW


@pytest.mark.parametrize(("share", "priority"), [(0.15, Priority.LOW), (0.3, Priority.MEDIUM)])
def test_cement_grows_when_it_gains_a_fifth_of_itself(share, priority):
    assert grown(room_where(small_residue_mm2=1000.0), 40.0, 40.0 * share, 1.0) is priority


@pytest.mark.parametrize(("seconds", "priority"), [(1.5, Priority.MEDIUM), (3.5, Priority.LOW)])
def test_growth_is_looked_at_over_two_seconds(seconds, priority):
    assert grown(Room(), 8.0, 4.0, seconds) is priority


@pytest.mark.parametrize(("mm_s", "priority"), [(7.0, Priority.MEDIUM), (8.5, Priority.HIGH)])
def test_a_vein_runs_off_from_fifteen_millimetres_in_two_seconds_on(mm_s, priority):
    room = Room()
    room.see(frame(piece(Zone.VEIN, 10.0, length_mm=10.0)), times=20)
    for step in range(24):
        length = 10.0 + mm_s * FRAME_S * step
        room.see(frame(piece(Zone.VEIN, length, length_mm=length)))
    assert room.only.priority is priority


def test_a_finding_comes_back_as_the_same_alert_within_twenty_seconds_and_as_another_after():
    for wait_s, n_alerts in ((RULES.repeat_s - 5.0, 1), (RULES.repeat_s + 5.0, 2)):
        room = Room()
        room.see(NEAR, times=10)
        room.see(FAR, times=40)
        room.time_s += wait_s - 40 * FRAME_S
        room.see(NEAR, times=10)
        ids = {change.alert.id for change in room.changes if change.alert.kind is Kind.APPROACH}
        assert len(ids) == n_alerts, wait_s
