"""When in doubt it sounds: what views that come, go and disagree must not keep silent, and what is left of an alert when they are gone."""

from __future__ import annotations

from dataclasses import replace

from detection.alarm import resume
from detection.vocabulary import Condition, EntryType, Findings, Priority, Side, Signal, View, Zone
from tests.detection.alarm_words import CLEAN, IN_DISC, Room, frame, piece, types
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
