"""Fluoroscopy time from the times of frames."""

from __future__ import annotations

import pytest

from service.clinical.prefill import beam_of


def test_each_press_of_the_pedal_lasts_one_frame_longer_than_its_gaps():
    first = [0.0, 0.25, 0.5, 0.75]
    second = [100.0, 100.25]
    assert beam_of([*first, *second]) == (1.5, 4.0)


@pytest.mark.parametrize("times", [[], [5.0], [0.0, 60.0], [3.0, 3.0]])
def test_too_few_frames_are_no_time(times):
    assert beam_of(times) == (None, None)


def test_frames_that_came_in_a_burst_tell_neither_time_nor_pace():
    """At 180 a second: a study that was pushed, not a beam. A record of it was refused, and the proposal with it."""
    assert beam_of([n / 180 for n in range(40)]) == (None, None)
