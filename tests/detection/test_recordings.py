"""Real angiograms without cement, played as live: contrast agent, a beating heart, a catheter, a table that moves."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pydicom
import pytest

from detection.alarm import Alarm, Setting, judge
from detection.examine import examine
from detection.memory import Memory
from detection.vocabulary import EntryType, Frame, Intensity, Kind, Mode, Plan, Polarity, Priority, View
from tests.detection.films import NO_PLAN, RULES, body_of, corners, frame_of, plan_for, stamp

CENTRE = corners(208, 188, 304, 324)
"""A body of 24 x 34 mm in the middle of the picture at a quarter of a millimetre."""
BEHIND_THE_FIRST_TRACE = corners(300, 120, 396, 256)
"""As large, where contrast agent first comes to its canal."""


@pytest.fixture(scope="module")
def angiogram(shared) -> list[Frame]:
    """A coronary run of 96 frames at 30 frames/s."""
    run = pydicom.dcmread(shared / "recordings" / "xa_multiframe_jpeg_baseline.dcm")
    step_s = float(run.FrameTime) / 1000
    return [
        frame_of(pixels, stamp=stamp(k, k * step_s), ceiling=255.0, mm_per_px=0.25, is_lossy=True)
        for k, pixels in enumerate(run.pixel_array)
    ]


def told(frames: list[Frame], plan: Plan) -> list[tuple[Kind, Priority]]:
    """Every alert about cement, as it was raised or worsened."""
    memory, alarm, heard = Memory(), Alarm(), []
    setting = Setting(procedure="p", source="XA", mode=Mode.LIVE, rules=RULES, plan=plan)
    for frame in frames:
        findings, memory = examine(frame, memory, plan, RULES)
        changes, alarm = judge(findings, (), alarm, setting, frame.stamp.time_s)
        heard += [
            (change.alert.kind, change.alert.priority)
            for change in changes
            if change.type in (EntryType.ALERT_RAISED, EntryType.ALERT_WORSENED)
            and change.alert.kind is not Kind.TECHNICAL
        ]
    return heard


@pytest.mark.parametrize("view", [View.LATERAL, View.AP])
def test_an_angiogram_about_a_planned_body_is_told_as_no_leak(angiogram, view):
    assert not told([replace(frame, view=view) for frame in angiogram], plan_for(body_of(CENTRE, view)))


def test_the_first_trace_of_contrast_agent_in_the_canal_of_a_planned_body_waits_until_it_is_named(angiogram):
    """It is too little to be a wave, and comes out of reach of all that was there."""
    frames = [replace(frame, view=View.LATERAL) for frame in angiogram]
    assert not told(frames, plan_for(body_of(BEHIND_THE_FIRST_TRACE)))


def test_an_angiogram_of_which_nothing_is_known_sounds_no_alarm(angiogram):
    frames = [
        replace(frame, view=View.UNKNOWN, mm_per_px=None, polarity=Polarity.UNCERTAIN) for frame in angiogram[::2]
    ]
    assert {priority for _, priority in told(frames, NO_PLAN)} <= {Priority.LOW}


def test_a_captured_angiogram_at_half_the_rate_sounds_no_alarm(angiogram):
    """One image in two, each of its own, in a burst and without a time."""
    frames = [
        replace(frame, stamp=replace(frame.stamp, acquired_at=None, received_at=1e9, time_s=1e9, period_s=1 / 15))
        for frame in angiogram[::2]
    ]
    assert Priority.HIGH not in {priority for _, priority in told(frames, plan_for(body_of(CENTRE)))}


def test_cement_beside_a_beating_heart_is_seen(angiogram):
    """A needle in the body, and a bolus of 2 to 7 mm about its tip while heart and catheter move four centimetres beside it."""
    rows, cols = np.indices((512, 512))
    away = np.hypot(rows - 256, cols - 261)
    steel = cv2.line(np.zeros((512, 512), np.float32), (0, 246), (246, 256), 0.7, 10)
    memory, plan = Memory(), plan_for(body_of(CENTRE))
    for k in range(80):
        radius_mm = 2 + 7 / 60 * (k - 40) if k >= 40 else 0.0
        path_mm = 2 * np.sqrt(np.maximum((radius_mm / 0.25) ** 2 - away**2, 0)) * 0.25
        pixels = angiogram[k % 12].pixels * np.exp(-cv2.GaussianBlur(steel + 0.07 * path_mm, (0, 0), 0.8))
        frame = replace(
            angiogram[0], pixels=pixels.astype(np.float32), stamp=stamp(k, k / 15), intensity=Intensity.DISPLAY
        )
        findings, memory = examine(frame, memory, plan, RULES)
    assert findings.cement_area_mm2 > 0.5 * np.pi * radius_mm**2
