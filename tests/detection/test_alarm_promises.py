"""What holds for any sequence of frames, silences and acts."""

from __future__ import annotations

import copy
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detection.vocabulary import (
    PRIORITY_ORDER,
    Condition,
    EntryType,
    Findings,
    Flag,
    Kind,
    Priority,
    Side,
    Signal,
    TechnicalCause,
    Validity,
    View,
    Zone,
)
from tests.detection.alarm_words import UNFIT, Room, frame, front, piece

ZONES = [Zone.CANAL, Zone.VEIN, Zone.DISC, Zone.SOFT_TISSUE, Zone.ELSEWHERE]

pieces = st.builds(
    piece,
    st.sampled_from(ZONES),
    st.one_of(st.none(), st.floats(0.5, 80)),
    side=st.sampled_from([None, Side.SUPERIOR, Side.INFERIOR]),
    length_mm=st.one_of(st.none(), st.floats(0, 40)),
    trust=st.floats(0, 1),
)
fronts = st.builds(front, st.floats(-0.2, 0.8), seconds=st.one_of(st.none(), st.floats(0.5, 60)))
flags = st.frozensets(st.sampled_from(sorted(set(Flag) - {Flag.DUPLICATE})), max_size=2)
frames = st.one_of(
    st.just(UNFIT),
    st.builds(
        lambda found, gone, near, cautions, view: frame(
            *found, vanished=tuple(gone), front=near, flags=cautions, view=view
        ),
        st.lists(pieces, max_size=3),
        st.lists(pieces, max_size=1),
        st.one_of(st.none(), fronts),
        flags,
        st.sampled_from([View.LATERAL, View.LATERAL, View.AP]),
    ),
)
looks = st.tuples(st.just("see"), frames, st.integers(1, 20))
waits = st.tuples(
    st.just("wait"),
    st.sampled_from([0.125, 1.0, 5.0, 30.0]),
    st.frozensets(st.sampled_from(TechnicalCause), max_size=2),
)
acts = st.tuples(
    st.just("act"),
    st.sampled_from([EntryType.ACKNOWLEDGE, EntryType.PAUSE, EntryType.RESET_ASKED, EntryType.NOTE]),
    st.integers(0, 5),
)
stories = st.lists(st.one_of(looks, looks, waits, acts), max_size=12)
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def tell(story, room=None):
    """Play a story; yields the room and the news after every single judgement."""
    room = room or Room()
    for kind, what, how in story:
        if kind == "see":
            for _ in range(how):
                yield room, what, room.see(what)
        elif kind == "wait":
            yield room, None, room.wait(what, *how)
        else:
            alerts = room.alerts
            yield room, None, room.act(what, alerts[how % len(alerts)].id if alerts else None)


def told(story, room=None):
    room = room or Room()
    for _ in tell(story, room):
        pass
    return room


@quick
@given(stories)
def test_the_same_story_gives_the_same_journal(story):
    assert told(story).changes == told(copy.deepcopy(story)).changes


@quick
@given(stories, st.integers(0, 2**31))
def test_the_time_of_day_does_not_matter(story, start):
    early, late = told(story), told(story, Room(time_s=float(start)))
    assert [without_times(change) for change in late.changes] == [without_times(change) for change in early.changes]


def without_times(change):
    undated = tuple(replace(witness, first_frame=None, last_frame=None) for witness in change.alert.witnesses)
    alert = replace(change.alert, first_frame=None, raised_frame=None, last_frame=None, raised_at=0.0, changed_at=0.0)
    return replace(change, alert=replace(alert, witnesses=undated))


@quick
@given(stories)
def test_states_follow_each_other_without_a_gap(story):
    last: dict[str, str] = {}
    for change in told(story).changes:
        before = last.get(change.alert.id)
        condition, signal = change.from_state.split("/")
        if change.type is EntryType.ALERT_RAISED:
            assert condition == Condition.PENDING
            assert before is None or before.split("/") == [Condition.ABSENT, signal]
        else:
            assert before == change.from_state
        last[change.alert.id] = change.to_state


@quick
@given(stories)
def test_condition_and_signal_agree(story):
    for room, _, _ in tell(story):
        for concern in room.alarm.concerns:
            if concern.signal in {Signal.ON, Signal.ACKNOWLEDGED, Signal.PAUSED}:
                assert concern.condition is Condition.PRESENT
            if concern.condition is Condition.PRESENT:
                assert concern.signal in {Signal.ON, Signal.ACKNOWLEDGED, Signal.PAUSED}
            if concern.alert is not None and concern.condition is not Condition.PENDING:
                assert (concern.alert.condition, concern.alert.signal) == (concern.condition, concern.signal)
            assert (concern.paused_until is not None) == (concern.signal is Signal.PAUSED)


@quick
@given(stories)
def test_what_frames_told_ends_only_on_a_valid_frame(story):
    for _, seen, news in tell(story):
        for change in news:
            alert = change.alert
            if change.type is EntryType.ALERT_ENDED and alert.kind is not Kind.TECHNICAL:
                assert isinstance(seen, Findings)
                assert seen.is_fit


@quick
@given(stories)
def test_priority_never_falls_while_present(story):
    before: dict[str, int] = {}
    for room, _, _ in tell(story):
        now = {a.id: PRIORITY_ORDER.index(a.priority) for a in room.alerts if a.condition is Condition.PRESENT}
        assert all(rank >= before.get(alert, rank) for alert, rank in now.items())
        before = now


@quick
@given(stories)
def test_only_loud_leaks_latch(story):
    for room, _, _ in tell(story):
        for alert in room.alerts:
            if alert.signal is Signal.LATCHED:
                assert alert.kind in {Kind.LEAK, Kind.VANISHED}
                assert alert.priority is not Priority.LOW


@quick
@given(stories)
def test_every_change_shows_in_the_alarm(story):
    for room, _, news in tell(story):
        shown = {concern.alert.id: concern.alert for concern in room.alarm.concerns if concern.alert}
        for change in {change.alert.id: change for change in news}.values():
            assert replace(shown[change.alert.id], last_frame=None) == replace(change.alert, last_frame=None)


@quick
@given(stories)
def test_one_alert_per_place_and_every_id_once(story):
    for room, _, _ in tell(story):
        ids = [alert.id for alert in room.alerts]
        places = [
            (a.kind, a.zone, a.technical_cause, a.side if a.zone is Zone.DISC else None, a.level) for a in room.alerts
        ]
        assert len(set(ids)) == len(ids)
        assert len(set(places)) == len(places)


@quick
@given(stories)
def test_silence_alone_ends_no_leak(story):
    room = told(story)
    leaks = {alert.id for alert in room.alerts if alert.kind is not Kind.TECHNICAL}
    for _ in range(5):
        room.wait(60.0)
    after = {alert.id: alert for alert in room.alerts}
    assert leaks <= after.keys()
    for alert in leaks:
        if after[alert].condition is Condition.PRESENT:
            assert after[alert].validity is Validity.QUESTIONABLE
