"""What is sounded, and what operators can do about it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detection.alarm import reconciled, resume
from detection.vocabulary import (
    Act,
    Condition,
    EntryType,
    Mode,
    Priority,
    Side,
    Signal,
    TechnicalCause,
    Zone,
)
from tests.detection.alarm_words import (
    ACT_S,
    CLEAN,
    IN_CANAL,
    IN_DISC,
    RULES,
    SETTING,
    Room,
    frame,
    front,
    piece,
    types,
)


@pytest.fixture
def leaking() -> Room:
    """A room with cement in the canal, sounding."""
    room = Room()
    room.see(IN_CANAL, times=3)
    return room


@pytest.fixture
def latched(leaking: Room) -> Room:
    leaking.see(CLEAN, times=30)
    return leaking


def acknowledge(room: Room):
    return room.act(EntryType.ACKNOWLEDGE, room.only.id)


def test_acknowledging_names_the_actor_and_lasts_until_the_end(leaking):
    (change,) = acknowledge(leaking)
    assert (change.type, change.actor) == (EntryType.ACKNOWLEDGED, "nurse")
    assert (change.from_state, change.to_state) == ("present/on", "present/acknowledged")
    leaking.see(IN_CANAL, times=200)
    assert (leaking.only.signal, leaking.only.acknowledged_by) == (Signal.ACKNOWLEDGED, "nurse")
    (ended,) = leaking.see(CLEAN, times=30)
    assert ended.to_state == "absent/off"


def test_acknowledging_again_keeps_it_acknowledged(leaking):
    acknowledge(leaking)
    assert types(acknowledge(leaking)) == [EntryType.ACKNOWLEDGED]


def test_a_pause_ends_by_itself(leaking):
    leaking.act(EntryType.PAUSE, leaking.only.id, seconds=30)
    assert leaking.only.signal is Signal.PAUSED
    leaking.wait(29.0)
    assert leaking.only.signal is Signal.PAUSED
    ended = leaking.wait(1.0)
    assert types(ended) == [EntryType.PAUSE_ENDED]
    assert leaking.only.signal is Signal.ON


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        ({}, RULES.pause_s),
        ({"seconds": 10}, 10),
        ({"seconds": 1e9}, RULES.pause_most_s),
        ({"seconds": -5}, RULES.pause_s),
        ({"seconds": True}, RULES.pause_s),
        ({"seconds": "long"}, RULES.pause_s),
        ({"seconds": float("nan")}, RULES.pause_s),
    ],
)
def test_a_pause_is_as_long_as_asked_within_the_rules(leaking, data, seconds):
    leaking.act(EntryType.PAUSE, leaking.only.id, **data)
    asked_at = leaking.time_s - ACT_S
    (concern,) = leaking.alarm.concerns
    assert concern.paused_until == pytest.approx(asked_at + seconds)


def test_a_leak_that_ends_while_it_sounds_is_latched_until_reset(leaking):
    (ended,) = leaking.see(CLEAN, times=30)
    assert ended.to_state == "absent/latched"
    (reset,) = leaking.act(EntryType.RESET_ASKED, leaking.only.id)
    assert (reset.type, reset.to_state) == (EntryType.RESET, "absent/off")
    assert leaking.alerts == ()


def test_a_paused_leak_latches_too(leaking):
    leaking.act(EntryType.PAUSE, leaking.only.id, seconds=100)
    leaking.see(CLEAN, times=30)
    assert leaking.only.signal is Signal.LATCHED
    assert types(leaking.wait(200.0)) == [EntryType.ALERT_ESCALATED]


def test_low_leaks_do_not_latch():
    room = Room()
    room.see(frame(piece(Zone.SOFT_TISSUE, 5.0)), times=5)
    assert room.only.priority is Priority.LOW
    room.see(CLEAN, times=30)
    assert room.alerts == ()


def test_technical_conditions_do_not_latch():
    room = Room()
    room.wait(1.0, TechnicalCause.ANALYSIS_STOPPED)
    room.wait(1.0)
    assert room.alerts == ()


def refused(room: Room, kind: EntryType) -> str:
    alert = next(concern.alert for concern in room.alarm.concerns if concern.alert)
    before = room.alarm.concerns
    (change,) = room.act(kind, alert.id)
    assert change.type is EntryType.ACT_REFUSED
    assert change.from_state == change.to_state
    assert room.alarm.concerns == before
    return change.cause


def test_reset_is_refused_while_present(leaking):
    assert "present" in refused(leaking, EntryType.RESET_ASKED)


def test_reset_of_an_acknowledged_leak_is_refused_while_present(leaking):
    acknowledge(leaking)
    assert "present" in refused(leaking, EntryType.RESET_ASKED)


@pytest.mark.parametrize("kind", [EntryType.ACKNOWLEDGE, EntryType.PAUSE])
def test_a_latched_alert_wants_a_reset(latched, kind):
    assert "reset" in refused(latched, kind)


def test_a_pause_of_an_acknowledged_alert_is_refused(leaking):
    acknowledge(leaking)
    assert "acknowledged" in refused(leaking, EntryType.PAUSE)


@pytest.mark.parametrize("kind", [EntryType.ACKNOWLEDGE, EntryType.PAUSE, EntryType.RESET_ASKED])
def test_nothing_can_be_done_to_an_alert_that_is_off(latched, kind):
    latched.act(EntryType.RESET_ASKED, latched.only.id)
    assert "off" in refused(latched, kind)


def test_an_act_on_an_unknown_alert_changes_nothing(leaking):
    assert leaking.act(EntryType.ACKNOWLEDGE, "no such alert") == []


@pytest.mark.parametrize("kind", [EntryType.NOTE, EntryType.INJECTION_STARTED, EntryType.RESISTANCE])
def test_other_acts_leave_alarms_alone(leaking, kind):
    assert leaking.act(kind) == []


@pytest.mark.parametrize("kind", [EntryType.ACKNOWLEDGE, EntryType.PAUSE])
def test_growth_beyond_a_step_sounds_again(leaking, kind):
    leaking.act(kind, leaking.only.id)
    changes = leaking.see(frame(piece(Zone.CANAL, 20.0)), times=3)
    assert types(changes) == [EntryType.ALERT_WORSENED]
    assert changes[0].cause == "grown by a step"
    assert (leaking.only.signal, leaking.only.acknowledged_by) == (Signal.ON, None)


def test_growth_below_a_step_does_not(leaking):
    acknowledge(leaking)
    assert leaking.see(frame(piece(Zone.CANAL, 15.0)), times=10) == []


def test_slow_growth_adds_up_to_a_step(leaking):
    acknowledge(leaking)
    for tenth in range(100):
        leaking.see(frame(piece(Zone.CANAL, 12.0 + tenth / 10)))
    assert leaking.only.signal is Signal.ON


def test_one_outline_that_bleeds_is_no_growth(leaking):
    acknowledge(leaking)
    assert leaking.see(frame(piece(Zone.CANAL, 60.0)), IN_CANAL, IN_CANAL) == []


def test_a_nearer_front_sounds_again():
    room = Room()
    room.see(frame(front=front(0.32)), times=5)
    acknowledge(room)
    assert room.see(frame(front=front(0.30)), times=10) == []
    (worse,) = room.see(frame(front=front(0.255)), times=5)
    assert worse.cause == "nearer by a step"
    assert room.only.signal is Signal.ON


def test_a_higher_tier_sounds_again():
    room = Room()
    room.see(frame(front=front(0.11)), times=5)
    acknowledge(room)
    (worse,) = room.see(frame(front=front(0.085)), times=5)
    assert worse.cause == "wall near to contact"
    assert room.only.signal is Signal.ON


def test_a_new_direction_sounds_again():
    room = Room()
    room.see(frame(piece(Zone.SOFT_TISSUE, 8.0, side=Side.IMAGE_LEFT)), times=5)
    acknowledge(room)
    both = frame(
        piece(Zone.SOFT_TISSUE, 8.0, side=Side.IMAGE_LEFT), piece(Zone.SOFT_TISSUE, 2.0, side=Side.IMAGE_RIGHT)
    )
    changes = room.see(both, times=5)
    assert [change.cause for change in changes] == ["new direction: image_right"]
    assert room.only.signal is Signal.ON


def test_a_direction_already_told_does_not_sound_twice():
    room = Room()
    left = frame(piece(Zone.SOFT_TISSUE, 8.0, side=Side.IMAGE_LEFT))
    right = frame(piece(Zone.SOFT_TISSUE, 8.0, side=Side.IMAGE_RIGHT))
    room.see(left, times=5)
    room.see(right, times=5)
    acknowledge(room)
    assert room.see(left, times=5) == []
    assert room.see(right, times=5) == []


def test_a_pause_that_worsening_broke_does_not_end_again(leaking):
    leaking.act(EntryType.PAUSE, leaking.only.id, seconds=30)
    leaking.see(frame(piece(Zone.CANAL, 20.0)), times=3)
    assert leaking.only.signal is Signal.ON
    leaking.wait(60.0)
    assert EntryType.PAUSE_ENDED not in types(leaking.changes)


def test_a_latched_leak_that_comes_back_is_the_same_alert_and_sounds(latched):
    before = latched.only
    latched.wait(300.0)
    (again,) = latched.see(IN_CANAL, times=2)
    assert (again.type, again.from_state, again.to_state) == (EntryType.ALERT_RAISED, "pending/latched", "present/on")
    assert latched.only.id == before.id
    assert latched.only.raised_at == before.raised_at


def test_a_leak_only_just_over_is_the_same_alert_and_sounds(leaking):
    acknowledge(leaking)
    before = leaking.only
    leaking.see(CLEAN, times=30)
    leaking.see(IN_CANAL, times=2)
    assert (leaking.only.id, leaking.only.signal, leaking.only.acknowledged_by) == (before.id, Signal.ON, None)


def test_a_leak_long_after_is_a_new_alert(latched):
    before = latched.only
    latched.act(EntryType.RESET_ASKED, before.id)
    latched.wait(300.0)
    latched.see(IN_CANAL, times=2)
    assert latched.only.id != before.id


def test_acts_count_before_the_frame(leaking):
    act = Act(number=1, type=EntryType.ACKNOWLEDGE, at=leaking.time_s, actor="nurse", alert=leaking.only.id)
    grown = frame(piece(Zone.CANAL, 40.0))
    leaking.see(grown)
    changes = leaking.see(grown, acts=(act,))
    assert types(changes) == [EntryType.ACKNOWLEDGED, EntryType.ALERT_WORSENED]


def test_acts_are_done_in_their_order(leaking):
    alert = leaking.only.id
    acts = tuple(
        Act(number=number, type=kind, at=leaking.time_s, actor="nurse", alert=alert)
        for number, kind in [(2, EntryType.ACKNOWLEDGE), (1, EntryType.PAUSE)]
    )
    assert types(leaking.see(IN_CANAL, acts=acts)) == [EntryType.PAUSED, EntryType.ACKNOWLEDGED]


def test_closing_the_procedure_ends_everything(leaking):
    leaking.wait(1.0, TechnicalCause.NO_FRAMES)
    changes = leaking.act(EntryType.PROCEDURE_CLOSED)
    assert types(changes) == [EntryType.ALERT_ENDED] * 2
    assert {change.to_state for change in changes} == {"absent/off"}
    assert leaking.alerts == ()


def test_an_alarm_resumed_from_the_journal_shows_the_same_alerts(leaking):
    leaking.see(IN_DISC, times=5)
    leaking.see(frame(*IN_CANAL.pieces, *IN_DISC.pieces))
    acknowledge_first = leaking.alerts[0]
    leaking.act(EntryType.ACKNOWLEDGE, acknowledge_first.id)
    again = Room(alarm=resume(leaking.alerts), time_s=leaking.time_s, n_frames=leaking.n_frames)
    assert again.alerts == leaking.alerts
    assert again.see(frame(*IN_CANAL.pieces, *IN_DISC.pieces)) == []


def test_resumed_occurrences_go_on_counting(latched):
    first = latched.only
    latched.act(EntryType.RESET_ASKED, first.id)
    (concern,) = latched.alarm.concerns
    assert concern.alert is not None
    again = Room(alarm=resume([concern.alert]), time_s=latched.time_s + 300.0)
    again.see(IN_CANAL, times=2)
    undisturbed = Room(alarm=latched.alarm, time_s=latched.time_s + 300.0)
    undisturbed.see(IN_CANAL, times=2)
    assert again.only.id == undisturbed.only.id != first.id


def test_told_again_from_frames_it_knows_what_silence_said(leaking):
    frames_only = leaking.alarm
    leaking.wait(5.0, TechnicalCause.NO_FRAMES)
    again = Room(alarm=reconciled(frames_only, leaking.alerts), time_s=leaking.time_s, n_frames=leaking.n_frames)
    assert again.alerts == leaking.alerts
    assert types(again.wait(0.1)) == [EntryType.ALERT_ENDED]
    assert [change.cause for change in again.see(IN_CANAL)] == ["valid frames again"]


def test_what_was_paused_sounds_after_resuming(leaking):
    leaking.act(EntryType.PAUSE, leaking.only.id, seconds=60)
    (alert,) = resume(leaking.alerts).alerts()
    assert (alert.signal, alert.condition) == (Signal.ON, Condition.PRESENT)


def test_ids_do_not_depend_on_when_and_differ_by_case():
    ids = set()
    for start, procedure in [(0.0, "p1"), (1e9, "p1"), (0.0, "p2")]:
        room = Room(setting=replace(SETTING, procedure=procedure), time_s=start)
        room.see(IN_CANAL, times=2)
        ids.add((procedure, room.only.id))
    assert len(ids) == 2


def escalations(changes) -> list[str]:
    return [change.cause for change in changes if change.type is EntryType.ALERT_ESCALATED]


def test_a_high_alert_that_nobody_acknowledges_is_told_again_after_twice_as_long_each_time(leaking):
    told = [
        (second, change.alert.escalation)
        for second in range(1, 220)
        for change in leaking.wait(1.0)
        if change.type is EntryType.ALERT_ESCALATED
    ]
    assert told == [(30, 1), (90, 2), (210, 3)]


def test_a_growing_leak_is_told_by_the_second_channel_although_it_sounds_anew(leaking):
    changes = []
    for n in range(40):
        changes += leaking.wait(1.0)
        changes += leaking.see(frame(piece(Zone.CANAL, 12.0 + 4 * n)))
    assert EntryType.ALERT_WORSENED in types(changes)
    assert len(escalations(changes)) == 1


@pytest.mark.parametrize("kind", [EntryType.ACKNOWLEDGE, EntryType.PAUSE])
def test_whoever_took_note_ends_the_escalation_and_its_count(leaking, kind):
    leaking.wait(29.0)
    leaking.act(kind, leaking.only.id)
    assert escalations(leaking.wait(20.0)) == []
    leaking.see(frame(piece(Zone.CANAL, 60.0)), times=3)
    assert leaking.only.signal is Signal.ON
    assert escalations(leaking.wait(29.0)) == []
    assert escalations(leaking.wait(3.0)) == ["not acknowledged for 32 s"]


def test_an_ended_leak_that_nobody_saw_is_told_too(latched):
    assert latched.only.signal is Signal.LATCHED
    assert len(escalations(latched.wait(30.0))) == 1


def test_what_is_not_urgent_or_played_again_is_not_told_by_the_second_channel():
    medium = Room()
    medium.see(frame(piece(Zone.DISC, side=Side.SUPERIOR)), times=8)
    assert escalations(medium.wait(500.0)) == []
    again = Room(setting=replace(SETTING, mode=Mode.REPLAY))
    again.see(IN_CANAL, times=3)
    assert escalations(again.wait(500.0)) == []
    never = Room(setting=replace(SETTING, rules=replace(RULES, escalate_s=0.0)))
    never.see(IN_CANAL, times=3)
    assert escalations(never.wait(500.0)) == []


def test_how_far_it_went_survives_a_restart(leaking):
    leaking.wait(31.0)
    retold = Room(time_s=leaking.time_s, alarm=reconciled(resume(leaking.alerts), leaking.alerts))
    assert retold.only.escalation == 1
    assert escalations(retold.wait(10.0)) == []


def test_a_change_names_the_act_that_asked_for_it(leaking):
    (change,) = acknowledge(leaking)
    assert change.act == 1
    assert all(change.act is None for change in leaking.changes[:-1])
