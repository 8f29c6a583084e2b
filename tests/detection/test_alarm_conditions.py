"""When something is held to be true: N of M to begin, a window of valid frames to end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detection.alarm import Alarm, judge
from detection.vocabulary import (
    Condition,
    EntryType,
    Flag,
    Kind,
    Plan,
    Priority,
    Side,
    Signal,
    Silence,
    TechnicalCause,
    Validity,
    View,
    Wall,
    Zone,
)
from tests.detection.alarm_words import (
    AP_ZONES,
    CLEAN,
    IN_CANAL,
    IN_DISC,
    RULES,
    SETTING,
    UNFIT,
    Room,
    body,
    frame,
    front,
    piece,
    types,
)

NEEDED = [
    (Zone.CANAL, RULES.urgent_n),
    (Zone.FORAMEN, RULES.urgent_n),
    (Zone.VEIN, RULES.urgent_n),
    (Zone.DISC, RULES.leak_n),
    (Zone.SOFT_TISSUE, RULES.leak_n),
    (Zone.NEEDLE_TRACT, RULES.leak_n),
    (Zone.ELSEWHERE, RULES.leak_n),
]


def flagged(*flags, **more):
    return frame(flags=frozenset(flags), **more)


@pytest.mark.parametrize(("zone", "n"), NEEDED)
def test_a_leak_is_pending_until_n_frames_showed_it(zone, n):
    room = Room()
    leak = frame(piece(zone, side=Side.SUPERIOR))
    assert room.see(leak, times=n - 1) == []
    assert room.condition_of(zone) is Condition.PENDING
    (raised,) = room.see(leak)
    assert raised.type is EntryType.ALERT_RAISED
    assert raised.from_state == "pending/off"
    assert raised.to_state == "present/on"
    assert room.only.zone is zone


@pytest.mark.parametrize("zone", [zone for zone, _ in NEEDED])
def test_cement_that_was_seen_to_run_out_needs_no_more_frames_and_sounds(zone):
    """It has been seen on two frames before it becomes a piece."""
    room = Room()
    (raised,) = room.see(frame(replace(piece(zone, area_mm2=2.0, first_seen_s=0.0), has_run=True)), times=RULES.run_n)
    assert raised.type is EntryType.ALERT_RAISED
    assert raised.alert.priority is not Priority.LOW


def test_what_ran_out_long_ago_and_stands_is_a_small_residue():
    room = Room()
    room.see(frame(replace(piece(Zone.SOFT_TISSUE, area_mm2=2.0), has_run=True)))
    assert room.only.priority is Priority.LOW


def test_urgent_zones_need_the_fewest_frames():
    assert RULES.urgent_n < RULES.leak_n <= RULES.approach_m
    assert RULES.urgent_m < RULES.leak_m


def test_a_single_speck_is_forgotten():
    room = Room()
    room.see(IN_CANAL)
    room.see(CLEAN, times=RULES.urgent_m)
    assert room.condition_of(Zone.CANAL) is Condition.ABSENT
    assert room.changes == []
    assert room.alarm.concerns == ()


def test_n_of_m_bridges_a_frame_that_missed_it():
    room = Room()
    room.see(IN_CANAL, CLEAN)
    assert types(room.see(IN_CANAL)) == [EntryType.ALERT_RAISED]


def test_two_specks_far_apart_are_no_leak():
    room = Room()
    room.see(IN_CANAL, *[CLEAN] * RULES.urgent_m, IN_CANAL)
    assert room.alerts == ()


def test_a_leak_ends_only_after_a_window_of_valid_frames():
    room = Room()
    room.see(IN_CANAL, times=3)
    assert room.see(CLEAN, times=RULES.leak_end_n - 1) == []
    ended = room.see(CLEAN, times=10)
    assert types(ended) == [EntryType.ALERT_ENDED]
    assert ended[0].to_state == "absent/latched"
    assert "valid frames without it" in ended[0].cause


def test_the_window_also_needs_its_time():
    room = Room(setting=replace(SETTING, rules=replace(RULES, end_s=10.0)))
    room.see(IN_CANAL, times=3)
    assert room.see(CLEAN, times=70) == []
    assert types(room.see(CLEAN, times=15)) == [EntryType.ALERT_ENDED]


def test_one_more_sighting_starts_the_window_anew():
    room = Room()
    room.see(IN_CANAL, times=3)
    room.see(CLEAN, times=14)
    room.see(IN_CANAL)
    assert room.see(CLEAN, times=14) == []
    assert room.only.condition is Condition.PRESENT


def test_unfit_frames_end_nothing_and_make_it_questionable():
    room = Room()
    room.see(IN_CANAL, times=3)
    room.see(UNFIT, times=60)
    canal = next(alert for alert in room.alerts if alert.zone is Zone.CANAL)
    assert (canal.condition, canal.validity, canal.signal) == (Condition.PRESENT, Validity.QUESTIONABLE, Signal.ON)


def test_an_empty_field_ends_nothing_and_makes_it_questionable():
    room = Room()
    room.see(IN_CANAL, times=3)
    assert room.wait(2.0) == []
    (doubted,) = room.wait(2.0)
    assert doubted.type is EntryType.ALERT_CHANGED
    assert doubted.cause == "no valid frames"
    assert types(room.wait(600.0)) == [EntryType.ALERT_ESCALATED]
    assert room.only.condition is Condition.PRESENT


def test_it_is_valid_again_with_the_next_valid_frame():
    room = Room()
    room.see(IN_CANAL, times=3)
    room.wait(5.0)
    (believed,) = room.see(IN_CANAL)
    assert (believed.type, believed.cause) == (EntryType.ALERT_CHANGED, "valid frames again")
    assert room.only.validity is Validity.VALID


def test_the_other_view_does_not_end_what_this_view_saw():
    room = Room()
    room.see(IN_DISC, times=5)
    room.see(frame(view=View.AP), times=60)
    assert room.only.condition is Condition.PRESENT
    assert room.only.validity is Validity.QUESTIONABLE


def test_a_collimated_zone_is_not_ended():
    room = Room()
    room.see(IN_CANAL, times=3)
    room.see(frame(zones_watched=AP_ZONES), times=60)
    assert room.only.validity is Validity.QUESTIONABLE


@pytest.mark.parametrize("flag", [Flag.CONTRAST_AGENT, Flag.REFERENCE_BUILDING, Flag.DUPLICATE])
def test_frames_that_cannot_show_cement_do_not_end_a_leak(flag):
    room = Room()
    room.see(IN_CANAL, times=3)
    room.see(flagged(flag, is_fit=flag is not Flag.DUPLICATE), times=60)
    assert Zone.CANAL in {alert.zone for alert in room.alerts}


def test_a_doubled_frame_counts_once():
    room = Room()
    room.see(IN_CANAL)
    doubled = replace(IN_CANAL, is_fit=False, flags=frozenset({Flag.DUPLICATE}))
    assert room.see(doubled, times=10) == []
    assert room.condition_of(Zone.CANAL) is Condition.PENDING


def test_another_level_does_not_end_this_one():
    room = Room()
    room.see(IN_CANAL, times=3)
    room.setting = replace(SETTING, level="L3", plan=Plan(level="L3"))
    room.see(CLEAN, times=60)
    assert room.only.level == "L2"
    room.see(IN_CANAL, times=3)
    assert [alert.level for alert in room.alerts] == ["L2", "L3"]


def test_a_level_named_late_takes_over_the_alert():
    room = Room(setting=replace(SETTING, level=None, plan=Plan()))
    room.see(IN_CANAL, times=3)
    before = room.only
    room.setting = SETTING
    room.see(IN_CANAL)
    assert before.level is None
    assert (room.only.id, room.only.level) == (before.id, "L2")


def test_a_level_that_slips_is_still_the_same_leak():
    room = Room()
    room.see(IN_CANAL, times=3)
    room.setting = replace(SETTING, level=None, plan=Plan())
    room.see(IN_CANAL)
    assert room.only.level == "L2"


def test_pieces_of_one_zone_are_one_alert():
    room = Room()
    room.see(frame(piece(Zone.CANAL, 4.0), piece(Zone.CANAL, 8.0, col=70.0)), times=3)
    assert room.only.area_mm2 == 12.0
    assert room.only.outline[0][1] == 70.0


def test_discs_above_and_below_are_two_alerts():
    room = Room()
    room.see(frame(piece(Zone.DISC, side=Side.SUPERIOR), piece(Zone.DISC, side=Side.INFERIOR)), times=5)
    assert {alert.side for alert in room.alerts} == {Side.SUPERIOR, Side.INFERIOR}


def test_a_new_zone_is_an_alert_of_its_own():
    room = Room()
    room.see(IN_DISC, times=5)
    room.act(EntryType.ACKNOWLEDGE, room.only.id)
    room.see(frame(*IN_DISC.pieces, piece(Zone.VEIN)), times=3)
    assert [(alert.zone, alert.signal) for alert in room.alerts] == [
        (Zone.DISC, Signal.ACKNOWLEDGED),
        (Zone.VEIN, Signal.ON),
    ]


def test_the_snapshot_follows_every_frame_without_a_change():
    room = Room()
    room.see(IN_CANAL, times=3)
    raised = room.only
    assert room.see(frame(piece(Zone.CANAL, 13.0))) == []
    assert room.only.area_mm2 == 13.0
    assert room.only.last_frame is not None
    assert raised.last_frame is not None
    assert room.only.last_frame.sop_instance_uid != raised.last_frame.sop_instance_uid
    assert room.only.changed_at == raised.changed_at


def test_an_alert_names_first_and_raising_frame():
    room = Room()
    room.see(CLEAN, *[IN_CANAL] * 4)
    frames = (room.only.first_frame, room.only.raised_frame, room.only.last_frame)
    assert [seen.sop_instance_uid for seen in frames if seen] == ["1.2.2", "1.2.3", "1.2.5"]


# approach


def test_cement_nears_the_wall_tier_by_tier():
    room = Room()
    tiers = [(0.5, None), (0.30, Priority.LOW), (0.24, Priority.MEDIUM), (0.05, Priority.MEDIUM)]
    for share, priority in tiers:
        room.see(frame(front=front(share)), times=5)
        assert [alert.priority for alert in room.alerts] == ([priority] if priority else [])
    assert room.only.kind is Kind.APPROACH
    assert "at the posterior wall" in room.only.message


def test_a_broken_wall_moves_every_tier_forward():
    room = Room()
    broken = body(wall=Wall.BROKEN)
    room.see(frame(front=front(0.40), body=broken), times=5)
    assert room.only.priority is Priority.LOW
    room.see(frame(front=front(0.32), body=broken), times=5)
    assert room.only.priority is Priority.MEDIUM


def test_a_fast_front_is_medium_while_still_far():
    room = Room()
    room.see(frame(front=front(0.31, speed=2.5, seconds=4.1)), times=5)
    assert room.only.priority is Priority.MEDIUM
    assert room.only.seconds_to_wall is not None


def test_one_bad_speed_raises_no_priority():
    room = Room()
    room.see(frame(front=front(0.31)), times=5)
    assert room.see(frame(front=front(0.31, speed=9.0, seconds=1.0))) == []
    assert room.only.priority is Priority.LOW


def test_approach_does_not_latch():
    room = Room()
    room.see(frame(front=front(0.2)), times=5)
    room.see(frame(front=front(0.6)), times=20)
    assert room.alerts == ()
    assert room.changes[-1].to_state == "absent/off"


def test_contained_cement_never_raises_high():
    room = Room()
    for step in range(60):
        room.see(frame(front=front(0.6 - 0.009 * step, speed=0.3, seconds=(0.62 - 0.009 * step) * 110)))
    assert {change.alert.priority for change in room.changes} <= {Priority.LOW, Priority.MEDIUM}


# pace


def test_small_stable_residue_is_low():
    room = Room()
    room.see(frame(piece(Zone.SOFT_TISSUE, 8.0)), times=40)
    assert room.only.priority is Priority.LOW


def test_growing_residue_becomes_medium_and_stays_so():
    room = Room()
    for area in range(6, 19):
        room.see(frame(piece(Zone.SOFT_TISSUE, float(area))))
    assert room.only.priority is Priority.MEDIUM
    room.see(frame(piece(Zone.SOFT_TISSUE, 18.0)), times=40)
    assert room.only.priority is Priority.MEDIUM


def test_a_large_residue_is_medium_at_once():
    room = Room()
    room.see(frame(piece(Zone.SOFT_TISSUE, 40.0)), times=5)
    assert room.only.priority is Priority.MEDIUM


def test_a_slow_vein_is_medium():
    room = Room()
    for step in range(30):
        room.see(frame(piece(Zone.VEIN, 5 + step * 0.3, length_mm=5 + step * 0.3)))
    assert room.only.priority is Priority.MEDIUM


def test_a_vein_that_runs_off_is_high():
    room = Room()
    for step in range(8):
        room.see(frame(piece(Zone.VEIN, 5 + step * 3.0, length_mm=5 + step * 3.0)))
    assert room.only.priority is Priority.HIGH
    assert "running off fast" in room.only.message


def test_a_long_cast_out_of_nothing_is_run_off():
    room = Room()
    room.see(CLEAN)
    cast = frame(piece(Zone.VEIN, 30.0, length_mm=25.0, first_seen_s=room.time_s))
    room.see(cast, times=4)
    assert room.only.priority is Priority.HIGH


# vanished


def test_vanished_venous_cement_is_an_alert_of_its_own():
    room = Room()
    room.see(frame(piece(Zone.VEIN)), times=5)
    (vanished,) = room.see(frame(vanished=(piece(Zone.VEIN),)))
    assert (vanished.alert.kind, vanished.alert.priority) == (Kind.VANISHED, Priority.HIGH)
    assert "gone" in vanished.alert.message
    room.see(CLEAN, times=30)
    assert {(alert.kind, alert.signal) for alert in room.alerts} == {
        (Kind.LEAK, Signal.LATCHED),
        (Kind.VANISHED, Signal.LATCHED),
    }


# technical


def test_a_cause_told_by_silence_is_present_at_once_and_gone_at_once():
    room = Room()
    assert types(room.wait(1.0, TechnicalCause.NO_FRAMES)) == [EntryType.ALERT_RAISED]
    assert room.wait(1.0, TechnicalCause.NO_FRAMES) == []
    (ended,) = room.wait(1.0)
    assert (ended.type, ended.to_state, ended.cause) == (EntryType.ALERT_ENDED, "absent/off", "the cause is gone")
    assert room.alerts == ()


def test_silence_gives_the_whole_set_each_time():
    room = Room()
    room.wait(1.0, TechnicalCause.NO_FRAMES, TechnicalCause.DISK_FILLING)
    room.wait(1.0, TechnicalCause.DISK_FILLING)
    assert room.only.technical_cause is TechnicalCause.DISK_FILLING


def test_frames_say_nothing_about_what_silence_tells():
    room = Room()
    room.wait(1.0, TechnicalCause.DISK_FILLING)
    room.see(CLEAN, times=60)
    assert room.only.technical_cause is TechnicalCause.DISK_FILLING


@pytest.mark.parametrize(
    ("flag", "cause"),
    [
        (Flag.VIEW_UNKNOWN, TechnicalCause.VIEW_UNKNOWN),
        (Flag.BODY_NOT_FOUND, TechnicalCause.BODY_NOT_FOUND),
        (Flag.BODY_UNCERTAIN, TechnicalCause.BODY_UNCERTAIN),
        (Flag.MOTION_NOT_TRUSTED, TechnicalCause.MOTION_NOT_TRUSTED),
        (Flag.SCALE_UNKNOWN, TechnicalCause.SCALE_UNKNOWN),
        (Flag.POLARITY_UNCERTAIN, TechnicalCause.POLARITY_UNCERTAIN),
        (Flag.ZONE_COLLIMATED, TechnicalCause.FIELD_COLLIMATED),
        (Flag.CONTRAST_AGENT, TechnicalCause.CONTRAST_AGENT),
        (Flag.BORDER_OBJECT, TechnicalCause.BORDER_OBJECT),
        (Flag.BALLOON, TechnicalCause.BALLOON),
    ],
)
def test_a_lasting_flag_is_a_technical_condition(flag, cause):
    room = Room()
    assert room.see(flagged(flag), times=RULES.technical_n - 1) == []
    room.see(flagged(flag))
    assert room.only.technical_cause is cause
    room.see(CLEAN, times=20)
    assert room.alerts == ()


def test_a_balloon_that_has_deflated_is_told_by_the_frame_that_shows_it():
    room = Room()
    (told,) = room.see(flagged(Flag.BALLOON_GONE))
    assert (told.alert.technical_cause, told.alert.priority) == (TechnicalCause.BALLOON_GONE, Priority.LOW)
    room.see(CLEAN, times=20)
    assert room.alerts == ()


def test_a_flag_now_and_then_is_no_condition():
    room = Room()
    room.see(flagged(Flag.VIEW_UNKNOWN), CLEAN, times=20)
    assert room.changes == []


def test_the_first_picture_is_no_change_of_view_but_a_later_scene_is():
    room = Room()
    assert room.see(flagged(Flag.NEW_SCENE)) == []
    (changed,) = room.see(flagged(Flag.NEW_SCENE))
    assert (changed.alert.technical_cause, changed.alert.priority) == (TechnicalCause.VIEW_CHANGED, Priority.LOW)


def test_long_unfit_is_said_aloud():
    room = Room()
    room.see(UNFIT, times=RULES.unfit_n)
    assert (room.only.technical_cause, room.only.priority) == (TechnicalCause.FRAMES_UNFIT, Priority.MEDIUM)


def test_nobody_has_looked_for_a_body_while_the_reference_is_built():
    room = Room()
    room.see(flagged(Flag.BODY_NOT_FOUND, Flag.REFERENCE_BUILDING, body=None), times=30)
    assert room.changes == []


def test_frames_judged_late_and_out_of_order_break_nothing():
    room = Room()
    room.see(IN_CANAL, times=3)
    room.time_s -= 5.0
    room.see(CLEAN, times=10)
    room.time_s += 5.0
    room.see(IN_CANAL)
    assert room.only.condition is Condition.PRESENT


def test_an_empty_word_of_silence_changes_nothing():
    changes, alarm = judge(Silence(source="CARM1", at=5.0, causes=frozenset()), (), Alarm(), SETTING, 5.0)
    assert (changes, alarm) == ((), Alarm())


def test_a_vein_that_was_told_without_a_body_is_over_once_it_is_no_longer_seen():
    room, open_view = Room(), {"view": View.OBLIQUE, "body": None, "zones_watched": ()}
    room.see(frame(piece(Zone.VEIN), **open_view), times=RULES.urgent_n)
    assert room.condition_of(Zone.VEIN) is Condition.PRESENT
    room.see(frame(**open_view), times=2 * RULES.leak_end_n)
    assert room.condition_of(Zone.VEIN) is Condition.ABSENT


def test_a_vein_that_was_told_of_a_body_is_not_over_where_no_body_is_known():
    """A new scene in the same view: its reference holds that cement, and nothing there can show it."""
    room = Room()
    room.see(frame(piece(Zone.VEIN)), times=RULES.urgent_n)
    room.see(frame(body=None, zones_watched=()), times=3 * RULES.leak_end_n)
    assert room.condition_of(Zone.VEIN) is Condition.PRESENT
    assert room.alerts[0].validity is Validity.QUESTIONABLE
