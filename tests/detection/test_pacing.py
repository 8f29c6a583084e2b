"""Frames that do not say when they were made: spread out when they come at once, left alone when they stream in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detection.pacing import Pace, paced
from detection.vocabulary import Stamp
from tests.detection.films import RULES, stamp


def single(number: int, received_s: float, acquired_s: float | None = None, period_s: float | None = None) -> Stamp:
    """One image of its own."""
    return replace(
        stamp(number),
        acquired_at=acquired_s,
        received_at=received_s,
        time_s=received_s if acquired_s is None else acquired_s,
        period_s=period_s,
    )


def times(stamps: list[Stamp]) -> list[float]:
    """The times that frames are given one after another."""
    pace: Pace | None = None
    given = []
    for each in stamps:
        pace = paced(each, pace, RULES)
        given.append(pace.stamp().time_s)
    return given


def steps(stamps: list[Stamp]) -> list[float]:
    return np.diff(times(stamps)).tolist()


def test_frames_with_times_of_their_own_keep_them():
    stamps = [single(k, 100.0, acquired_s=5.0 + k / 15) for k in range(30)]
    assert times(stamps) == [each.time_s for each in stamps]


def test_a_burst_of_untimed_frames_is_spread_out_at_the_usual_pace():
    assert steps([single(k, 100.0 + k / 500) for k in range(22)]) == pytest.approx([1 / 7.5] * 21)


def test_the_pace_that_the_images_tell_counts_before_the_usual_one():
    assert steps([single(k, 100.0, period_s=1 / 15) for k in range(22)]) == pytest.approx([1 / 15] * 21)


def test_a_long_burst_runs_on_no_faster_than_fluoroscopes_pulse():
    given = steps([single(k, 100.0) for k in range(200)])
    assert min(given) >= RULES.least_period_s - 1e-9
    assert given[-1] == pytest.approx(RULES.least_period_s)


@pytest.mark.parametrize("rate", [3.0, 7.5, 15.0, 30.0])
def test_untimed_frames_that_stream_in_keep_their_own_pace(rate):
    stamps = [single(k, 100.0 + k * 1.001 / rate) for k in range(40)]
    assert times(stamps) == pytest.approx([each.received_at for each in stamps])


def test_what_streams_in_after_a_burst_is_not_hurried():
    burst = [single(k, 100.0) for k in range(20)]
    assert steps([*burst, *(single(20 + k, 100.1 + k / 10) for k in range(40))])[19:] == pytest.approx([1 / 10] * 40)


def test_frames_that_come_in_pairs_stay_near_their_receipt():
    stamps = [single(k, 100.0 + k // 2 / 5) for k in range(300)]
    assert max(given - each.received_at for given, each in zip(times(stamps), stamps, strict=True)) < 3.2


def test_a_pause_brings_the_time_back_to_that_of_receipt():
    burst = [single(k, 100.0) for k in range(20)]
    assert times([*burst, single(20, 130.0)])[-1] == pytest.approx(130.0)


def test_a_clock_that_stands_still_goes_on_as_the_frames_come_in():
    stamps = [single(k, 100.0 + k / 10, acquired_s=5.0) for k in range(60)]
    assert times(stamps)[0] == 5.0
    assert steps(stamps)[-10:] == pytest.approx([1 / 10] * 10)


def test_a_clock_of_whole_seconds_never_runs_back():
    stamps = [single(k, 100.0 + k / 10, acquired_s=float(k // 10)) for k in range(60)]
    assert min(steps(stamps)) > 0


def test_a_clock_that_is_set_back_is_believed():
    stamps = [*(single(k, 100.0 + k, acquired_s=50.0 + k) for k in range(3)), single(3, 103.0, acquired_s=9.0)]
    assert times(stamps)[-1] == 9.0


def test_the_frames_of_one_run_keep_the_way_between_them():
    run = [replace(single(9, 100.0), index=k, time_s=100.0 + k / 5) for k in range(30)]
    given = times([*(single(k, 100.0) for k in range(5)), *run])
    assert np.diff(given[5:]).tolist() == pytest.approx([1 / 5] * 29)
    assert given[5] > given[4]
