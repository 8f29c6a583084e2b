"""When in doubt it sounds: what views that come, go and disagree must not keep silent, and what is left of an alert when they are gone."""

from __future__ import annotations

from dataclasses import replace

from detection.alarm import judge, resume
from detection.vocabulary import (
    Act,
    Condition,
    EntryType,
    Findings,
    Priority,
    Side,
    Signal,
    TechnicalCause,
    View,
    Zone,
)
from tests.detection.alarm_words import CLEAN, FRAME_S, IN_CANAL, IN_DISC, RULES, Room, frame, piece, stamp, types
from tests.detection.test_fusion import AP_CLEAN, Biplane

MINUTE = 8 * 60


def disc(area_mm2: float, view: View = View.LATERAL) -> Findings:
    return frame(piece(Zone.DISC, area_mm2, side=Side.SUPERIOR), view=view)


def disc_in_ap(area_mm2: float) -> Findings:
    return disc(area_mm2, View.AP)


def soft_tissue(area_mm2: float, view: View) -> Findings:
    return frame(piece(Zone.SOFT_TISSUE, area_mm2, side=Side.IMAGE_LEFT), view=view)


def noted(room: Room, *frames: Findings) -> Room:
    """The room after these frames for a while, and an acknowledgement of the alert that they raised."""
    room.see(*frames, times=8)
    room.act(EntryType.ACKNOWLEDGE, room.only.id)
    return room


def causes_of_alarms(changes) -> list[str]:
    return [change.cause for change in changes if change.type is not EntryType.ALERT_CHANGED]


# Growth


def test_a_far_larger_leak_sounds_after_the_arm_was_swung_though_the_first_view_never_cleared_its_own():
    arm = noted(Room(), disc_in_ap(6.0))
    arm.see(CLEAN, times=MINUTE)
    assert causes_of_alarms(arm.see(disc(150.0), times=8)) == ["grown by a step"]
    assert arm.only.signal is Signal.ON


def test_the_same_leak_is_no_second_alarm_after_the_arm_was_swung():
    arm = noted(Room(), disc_in_ap(20.0))
    arm.see(CLEAN, times=MINUTE)
    assert causes_of_alarms(arm.see(disc(24.0), times=8)) == []
    assert arm.only.signal is Signal.ACKNOWLEDGED


def test_a_view_that_lost_a_leak_and_shows_it_far_larger_sounds():
    room = noted(Biplane(), disc_in_ap(6.0), disc(8.0))
    room.see(disc_in_ap(6.0), CLEAN, times=80)
    assert causes_of_alarms(room.see(disc_in_ap(6.0), disc(200.0), times=8)) == ["grown by a step"]
    assert room.only.signal is Signal.ON


def test_a_view_that_lost_a_leak_and_shows_it_again_as_it_was_is_no_second_alarm():
    room = noted(Biplane(), disc_in_ap(6.0), disc(8.0))
    room.see(disc_in_ap(6.0), CLEAN, times=80)
    assert causes_of_alarms(room.see(disc_in_ap(6.0), disc(9.0), times=8)) == []


def test_growth_in_small_steps_sounds_in_the_end_while_another_view_joins_and_loses_it():
    room = noted(Biplane(), disc(20.0))
    heard = []
    for size_mm2 in (26.0, 34.0, 44.0, 57.0):
        heard += room.see(disc(size_mm2), disc_in_ap(10.0), times=8)
        heard += room.see(disc(size_mm2), AP_CLEAN, times=24)
    assert "grown by a step" in causes_of_alarms(heard)


def test_growth_in_small_steps_sounds_in_the_end_in_a_view_that_loses_it_and_shows_it_again():
    room = noted(Biplane(), disc(20.0), disc_in_ap(10.0))
    heard = []
    for size_mm2 in (26.0, 34.0, 44.0, 57.0):
        heard += room.see(CLEAN, disc_in_ap(10.0), times=24)
        heard += room.see(disc(size_mm2), disc_in_ap(10.0), times=8)
    assert "grown by a step" in causes_of_alarms(heard)


def test_a_bad_outline_when_another_view_joins_hides_no_growth():
    arm = noted(Room(), disc(20.0))
    arm.see(disc_in_ap(30.0), disc_in_ap(30.0), disc(400.0), disc_in_ap(30.0), *[disc(20.0)] * 4)
    assert arm.only.signal is Signal.ACKNOWLEDGED
    assert causes_of_alarms(arm.see(disc(150.0), times=8)) == ["grown by a step"]


def test_a_bad_outline_when_another_view_tells_of_growth_hides_no_growth():
    room = noted(Biplane(), disc(20.0), disc_in_ap(20.0))
    room.see(disc(20.0), disc_in_ap(32.0), disc(400.0), disc_in_ap(32.0))
    room.see(disc(20.0), disc_in_ap(32.0), times=2)
    room.act(EntryType.ACKNOWLEDGE, room.only.id)
    assert causes_of_alarms(room.see(disc(300.0), disc_in_ap(32.0), times=8)) == ["grown by a step"]


# What is left when it is gone


def test_an_alert_that_ended_is_shown_as_ended_though_another_view_has_a_glimpse():
    room = Biplane()
    room.see(disc(12.0), times=6)
    room.see(disc_in_ap(12.0))
    (ended,) = room.see(CLEAN, times=80)
    assert (ended.type, ended.to_state) == (EntryType.ALERT_ENDED, "absent/latched")
    assert (room.only.condition, room.only.signal) == (Condition.ABSENT, Signal.LATCHED)
    room.act(EntryType.RESET_ASKED, room.only.id)
    assert room.alerts == ()


def test_a_glimpse_that_outlives_an_alert_brings_it_back_no_graver_than_it_is():
    arm = Room()
    arm.see(soft_tissue(5.0, View.LATERAL), times=6)
    arm.see(soft_tissue(60.0, View.AP), times=6)
    arm.see(AP_CLEAN, times=40)
    arm.see(soft_tissue(5.0, View.AP))
    arm.see(CLEAN, times=40)
    arm.act(EntryType.RESET_ASKED, arm.only.id)
    arm.wait(30.0)
    (raised, *_) = arm.see(soft_tissue(5.0, View.AP), times=5)
    assert (raised.type, raised.alert.priority) == (EntryType.ALERT_RAISED, Priority.LOW)
    assert [witness.view for witness in raised.alert.witnesses] == [View.AP]


def test_alerts_of_the_time_when_each_source_had_its_own_end_each_by_its_own_frames():
    old = []
    for source in ("CARM1", "CARM2"):
        room = Room(setting=replace(Room().setting, source=source))
        noted(room, IN_DISC)
        old.append(replace(room.only, witnesses=()))
    again = Room(alarm=resume(old), time_s=10.0)
    for source in ("CARM1", "CARM2"):
        again.setting = replace(again.setting, source=source)
        assert types(again.see(CLEAN, times=MINUTE))[-1] is EntryType.ALERT_ENDED
    assert again.alerts == ()


def test_a_resumed_alert_shows_the_view_that_still_shows_it_and_forgets_no_size():
    room = Biplane()
    room.see(disc(20.0), disc_in_ap(9.0), times=8)
    again = Biplane(alarm=resume(room.alerts), time_s=room.time_s, n_frames=room.n_frames)
    again.see(CLEAN, times=40)
    alert = again.only
    assert (alert.source, alert.view, alert.area_mm2) == ("PLANE_B", View.AP, 9.0)
    assert alert.message == "Cement in the disc, superior, L2, AP view: 9 mm²."
    assert [(each.condition, each.area_mm2) for each in alert.witnesses] == [
        (Condition.ABSENT, 20.0),
        (Condition.PRESENT, 9.0),
    ]


def test_what_a_view_showed_over_the_disc_is_taken_back_once_the_disc_is_clear_for_as_long_as_an_end_needs():
    room = Biplane()
    room.see(IN_CANAL, disc_in_ap(30.0), times=8)
    room.see(IN_CANAL, AP_CLEAN, times=RULES.leak_end_n - 1)
    assert "Over the disc" in room.only.message
    (taken_back,) = room.see(IN_CANAL, AP_CLEAN, times=80)
    assert (taken_back.type, taken_back.cause) == (
        EntryType.ALERT_CHANGED,
        "no longer seen over the disc, superior, in the AP view",
    )
    assert "Over the disc" not in room.only.message


def test_a_leak_seen_before_the_view_had_a_name_ends_once_that_view_is_clear():
    arm = Room()
    arm.see(frame(piece(Zone.ELSEWHERE), view=View.UNKNOWN, body=None), times=6)
    arm.see(frame(piece(Zone.ELSEWHERE)), times=6)
    assert [each.view for each in arm.only.witnesses] == [View.LATERAL]
    assert types(arm.see(CLEAN, times=MINUTE))[-1] is EntryType.ALERT_ENDED


def test_a_leak_that_comes_back_in_another_source_is_the_same_alert_though_that_source_has_another_time():
    room = noted(Room(), IN_DISC)
    first = room.only.id
    room.see(CLEAN, times=24)
    raised = []
    for n in range(5):
        room.time_s += FRAME_S
        late = replace(disc_in_ap(20.0), stamp=stamp(room.time_s + 3600.0, 900 + n))
        changes, room.alarm = judge(late, (), room.alarm, replace(room.setting, source="CARM2"), room.time_s)
        raised += changes
    assert [(change.type, change.alert.id) for change in raised] == [(EntryType.ALERT_RAISED, first)]


def test_a_close_that_was_obeyed_does_not_stop_the_next_evidence_of_another_source_from_being_weighed():
    room = Room()
    close = Act(number=1, type=EntryType.PROCEDURE_CLOSED, at=0.0, actor="nurse")
    room.see(CLEAN, acts=(close,))
    room.setting = replace(room.setting, source="CARM2")
    assert types(room.wait(0.1, TechnicalCause.DISK_FILLING, acts=(close,))) == [EntryType.ALERT_RAISED]
