"""Pictures as other systems make them: turned over, without a view, all at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detection.alarm import Alarm, Setting, judge
from detection.phantom.chain import Chain
from detection.vocabulary import EntryType, Flag, Frame, Intensity, Kind, Mode, Polarity, Priority, View, Zone
from tests.detection.films import CANAL, NO_PLAN, RULES, STILL, film, frame_of, leaked, mottle, stamp, watch

DISPLAYED = replace(CANAL, name="canal displayed", chain=Chain(intensity=Intensity.DISPLAY, bits=8))


def shown(script, *, is_turned: bool) -> list[Frame]:
    """A film of which nobody says which way it goes, as it is or with dense material bright."""
    frames = [replace(frame, polarity=Polarity.UNCERTAIN) for frame in film(script).frames]
    return [replace(frame, pixels=frame.ceiling - frame.pixels) for frame in frames] if is_turned else frames


@pytest.mark.parametrize("is_turned", [False, True])
def test_which_way_a_picture_goes_is_read_from_its_needle(is_turned):
    findings, memory = watch(shown(DISPLAYED, is_turned=is_turned), film(DISPLAYED).plan())
    assert memory.polarity is (Polarity.DENSE_IS_BRIGHT if is_turned else Polarity.DENSE_IS_DARK)
    assert not any(Flag.POLARITY_UNCERTAIN in one.flags for one in findings[int(RULES.reference_frames) :])
    assert Zone.CANAL in leaked(findings)


def test_where_no_needle_tells_the_doubt_stays():
    patient = 2000 + 200 * mottle((128, 128))
    frames = [frame_of(patient + k % 3, stamp=stamp(k), polarity=Polarity.UNCERTAIN) for k in range(12)]
    findings, memory = watch(frames)
    assert memory.polarity is None
    assert Flag.POLARITY_UNCERTAIN in findings[-1].flags


def test_landmarks_tell_the_view_that_the_device_does_not():
    plan = film(CANAL).plan()
    findings, _ = watch([replace(frame, view=View.UNKNOWN) for frame in film(CANAL).frames], plan)
    assert Zone.CANAL in leaked(findings)
    assert {one.view for one in findings[1:]} == {View.LATERAL}
    assert not any(Flag.VIEW_UNKNOWN in one.flags for one in findings[1:])


def test_a_leak_in_untimed_frames_that_come_all_at_once_is_told():
    frames = [
        replace(frame, stamp=replace(frame.stamp, acquired_at=None, received_at=1e9 + k / 400, time_s=1e9 + k / 400))
        for k, frame in enumerate(film(CANAL).frames)
    ]
    findings, _ = watch(frames, film(CANAL).plan())
    setting = Setting(procedure="p", source="XA", mode=Mode.LIVE, rules=RULES, plan=film(CANAL).plan())
    alarm, told = Alarm(), set()
    for one in findings:
        changes, alarm = judge(one, (), alarm, setting, one.stamp.time_s)
        told |= {
            (change.alert.zone, change.alert.priority)
            for change in changes
            if change.type is EntryType.ALERT_RAISED and change.alert.kind is Kind.LEAK
        }
    assert (Zone.CANAL, Priority.HIGH) in told


def test_what_a_view_shows_is_not_told_before_anybody_tells_the_view():
    frames = [replace(frame, view=View.UNKNOWN) for frame in film(STILL).frames]
    findings, _ = watch(frames, NO_PLAN)
    assert all(Flag.VIEW_UNKNOWN in one.flags and not one.zones_watched for one in findings)
