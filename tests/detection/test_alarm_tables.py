"""The tables of alarms are complete, and each cell is what the design says."""

from __future__ import annotations

import pytest

from detection.priorities import (
    FLAG_CAUSES,
    FRAME_CAUSES,
    LEAK_LADDERS,
    SILENT_FLAGS,
    TECHNICAL_PRIORITIES,
    TIER_ORDER,
    TIER_PRIORITIES,
    UNPLACED_LADDER,
    VANISHED_PRIORITIES,
    Pace,
    Tier,
)
from detection.states import CONDITION_TABLE, SIGNAL_TABLE, Event, Refusal, Sight, settled
from detection.vocabulary import (
    PRIORITY_ORDER,
    Condition,
    Flag,
    Priority,
    Side,
    Signal,
    TechnicalCause,
    View,
    Zone,
)
from detection.wording import PACES, PLACES, SIDES, TECHNICAL, VIEWS

CONDITIONS = """
            glimpsed  confirmed  missed   cleared  blind    closed
absent      pending   pending    absent   absent   absent   absent
pending     pending   present    pending  absent   pending  absent
present     present   present    present  absent   present  absent
"""

SIGNALS = """
              raised worsened ended   ended_latching acknowledge  pause          pause_over   reset          reset_while_present closed
off           on     on       off     off            NOTHING      NOTHING        off          NOTHING        STILL               off
on            on     on       off     latched        acknowledged paused         on           off            STILL               off
acknowledged  on     on       off     off            acknowledged ACKNOWLEDGED   acknowledged off            STILL               off
paused        on     on       off     latched        acknowledged paused         on           off            STILL               off
latched       on     on       latched latched        ENDED        ENDED          latched      off            STILL               off
"""

REFUSALS = {
    "NOTHING": Refusal.NOTHING_SOUNDS,
    "STILL": Refusal.STILL_PRESENT,
    "ENDED": Refusal.HAS_ENDED,
    "ACKNOWLEDGED": Refusal.IS_ACKNOWLEDGED,
}


def cells(text: str) -> list[tuple[str, str, str]]:
    head, *rows = [line.split() for line in text.strip().splitlines()]
    return [(row[0], event, cell) for row in rows for event, cell in zip(head, row[1:], strict=True)]


@pytest.mark.parametrize(("before", "sight", "after"), cells(CONDITIONS))
def test_condition_cell(before, sight, after):
    assert CONDITION_TABLE[Condition(before)][Sight(sight)] is Condition(after)


@pytest.mark.parametrize(("before", "event", "after"), cells(SIGNALS))
def test_signal_cell(before, event, after):
    expected = REFUSALS[after] if after in REFUSALS else Signal(after)
    assert SIGNAL_TABLE[Signal(before)][Event(event)] is expected


def test_every_state_and_every_input_has_a_cell():
    assert set(CONDITION_TABLE) == set(Condition)
    assert all(set(row) == set(Sight) for row in CONDITION_TABLE.values())
    assert set(SIGNAL_TABLE) == set(Signal)
    assert all(set(row) == set(Event) for row in SIGNAL_TABLE.values())
    assert len(cells(CONDITIONS)) == len(Condition) * len(Sight)
    assert len(cells(SIGNALS)) == len(Signal) * len(Event)


def test_no_cell_leads_from_absent_straight_to_present():
    assert Condition.PRESENT not in CONDITION_TABLE[Condition.ABSENT].values()


def test_every_refusal_is_used():
    assert {cell for row in SIGNAL_TABLE.values() for cell in row.values() if isinstance(cell, Refusal)} == set(Refusal)


@pytest.mark.parametrize("condition", Condition)
@pytest.mark.parametrize("sight", Sight)
def test_every_sight_settles(condition, sight):
    after = settled(condition, sight)
    assert CONDITION_TABLE[after][sight] is after


def test_one_sure_sight_is_enough_to_settle_at_present():
    assert settled(Condition.ABSENT, Sight.CONFIRMED) is Condition.PRESENT


def test_every_zone_that_can_leak_has_a_priority():
    held = {Zone.BODY, Zone.POSTERIOR_BAND}
    assert set(LEAK_LADDERS) == set(Zone) - held
    assert set(VANISHED_PRIORITIES) == set(Zone) - held


def test_priorities_never_fall_with_pace():
    for ladder in (*LEAK_LADDERS.values(), UNPLACED_LADDER):
        steps = [PRIORITY_ORDER.index(priority) for priority in ladder]
        assert len(steps) == len(Pace)
        assert steps == sorted(steps)


def test_canal_and_foramen_are_high_at_any_pace():
    assert LEAK_LADDERS[Zone.CANAL] == LEAK_LADDERS[Zone.FORAMEN] == (Priority.HIGH,) * 3


def test_a_vein_is_medium_and_high_when_it_runs_off():
    assert LEAK_LADDERS[Zone.VEIN] == (Priority.MEDIUM, Priority.MEDIUM, Priority.HIGH)


def test_vanished_venous_cement_is_high():
    assert {VANISHED_PRIORITIES[zone] for zone in (Zone.VEIN, Zone.CANAL, Zone.FORAMEN)} == {Priority.HIGH}


def test_tiers_are_complete_and_never_fall():
    assert set(TIER_PRIORITIES) == set(Tier)
    steps = [PRIORITY_ORDER.index(TIER_PRIORITIES[tier]) for tier in TIER_ORDER]
    assert steps == sorted(steps)
    assert Priority.HIGH not in TIER_PRIORITIES.values()


def test_every_technical_cause_has_a_priority_and_a_sentence():
    assert set(TECHNICAL_PRIORITIES) == set(TECHNICAL) == set(TechnicalCause)
    assert Priority.HIGH not in TECHNICAL_PRIORITIES.values()


def test_every_flag_is_either_a_cause_or_known_to_be_silent():
    assert FLAG_CAUSES.keys() | SILENT_FLAGS == set(Flag)
    assert not FLAG_CAUSES.keys() & SILENT_FLAGS
    assert set(FLAG_CAUSES.values()) < FRAME_CAUSES


@pytest.mark.parametrize(
    ("words", "members"),
    [(PLACES, Zone), (SIDES, Side), (VIEWS, View), (PACES, Pace)],
    ids=["zone", "side", "view", "pace"],
)
def test_every_member_has_a_word(words, members):
    assert set(words) == set(members)
