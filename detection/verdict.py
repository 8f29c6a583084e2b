"""What one piece of evidence does to one concern: raise it, keep it, make it worse, end it, or leave it in doubt."""

from __future__ import annotations

from dataclasses import replace
from math import log2

from detection.claims import Claim
from detection.concern import Concern, Ending, Key, Moment
from detection.eyes import Eye, Told, settled_down, worst_condition
from detection.news import further, growth_of, told_now, told_with, worse
from detection.priorities import Pace
from detection.rules import Rules
from detection.showing import raised, refreshed, shown
from detection.sightings import AT_ONCE, Look, Need, look_at, pace_of
from detection.states import SIGNAL_TABLE, Event, Refusal, Sight, settled
from detection.vocabulary import (
    Act,
    Change,
    Condition,
    EntryType,
    Findings,
    Flag,
    Kind,
    Mode,
    Priority,
    Signal,
    Validity,
    Zone,
)
from detection.wording import VIEWS

UNNOTED = frozenset({Signal.ON, Signal.LATCHED})
"""Signals of alerts that nobody has taken note of."""
LATCHING = frozenset({Kind.LEAK, Kind.VANISHED})

Step = tuple[tuple[Change, ...], Concern]
"""What one step on one concern changed, and the concern after it."""


# Evidence


def weigh(concern: Concern, claim: Claim | None, moment: Moment, *, is_held: bool = False) -> Step:
    """One piece of evidence against one condition: one eye looks, and the condition is that of all eyes.

    What ``is_held`` is counted and raises nothing.
    """
    if not concern.is_about(moment):
        return (), concern
    eye = concern.eye_of(moment)
    pace = Pace.STILL if claim is None else pace_of(claim, eye.sightings.looks, moment.time_s, moment.rules)
    look = _look(concern, eye, claim, pace, moment)
    if look is None:
        return _doubt(concern, moment)
    need = _need(concern, eye, claim, moment.rules)
    seen = _looked(eye, look, need, moment)
    if claim is not None:
        seen = replace(
            seen, claim=claim, pace=pace, last_frame=moment.seen, first_frame=seen.first_frame or moment.seen
        )
    if is_held and seen.is_open:
        seen = replace(seen, condition=Condition.PENDING, has_shown=False)
    after = concern.with_eye(seen)
    match concern.condition, after.condition:
        case Condition.PRESENT, Condition.PRESENT:
            return _keep(concern, after, claim, moment)
        case Condition.PRESENT, _:
            return _end(concern, after, need, moment)
        case _, Condition.PRESENT:
            return _raise(concern, after, need, moment)
        case _:
            return (), forgotten(after)


def _look(concern: Concern, eye: Eye, claim: Claim | None, pace: Pace, moment: Moment) -> Look | None:
    """The answer of this evidence about this concern, or None when it cannot tell."""
    findings = moment.findings
    if findings is not None and Flag.DUPLICATE in findings.flags:
        return None
    if claim is not None:
        return look_at(claim, pace, moment.time_s)
    if eye.condition is Condition.ABSENT:
        return None  # this eye has shown nothing that could be gone
    if findings is None:
        return Look(time_s=moment.time_s) if concern.key.is_told else None
    return Look(time_s=moment.time_s) if could_show(concern.key, eye.claim, findings, moment.level) else None


def could_show(key: Key, claim: Claim | None, findings: Findings, level: str | None) -> bool:
    """Whether not seeing it on this frame means anything; ``claim`` is how this eye saw it last, None where nobody knows."""
    if not findings.is_fit:
        return False
    if key.kind is Kind.TECHNICAL:
        return True
    if level is not None and key.level is not None and level != key.level:
        return False
    if {Flag.REFERENCE_BUILDING, Flag.CONTRAST_AGENT} & findings.flags:
        return False
    if findings.body is None and key.zone is Zone.VEIN:
        # what runs as in a vein is told without a body, too; what was told of a body is not seen without
        return claim is not None and not claim.has_body
    return key.zone in findings.zones_watched or key.zone is Zone.ELSEWHERE


def _looked(eye: Eye, look: Look, need: Need, moment: Moment) -> Eye:
    """The eye after one look more."""
    sightings = eye.sightings.with_look(look, need, moment.rules)
    looked = replace(eye, sightings=sightings, valid_at=moment.at, valid_time_s=moment.time_s)
    condition = settled(eye.condition, _sight(looked, need))
    rank = max(looked.rank, sightings.lasting_rank(need) or looked.rank)
    has_shown = eye.has_shown or condition is Condition.PRESENT
    looked = replace(looked, condition=condition, rank=rank, has_shown=has_shown)
    return settled_down(looked) if condition is Condition.ABSENT else looked


def _sight(eye: Eye, need: Need) -> Sight:
    """What the newest look means, given those before it."""
    sightings = eye.sightings
    if sightings.is_seen():
        return Sight.CONFIRMED if sightings.is_enough(need) else Sight.GLIMPSED
    is_over = sightings.is_cleared(need) if eye.condition is Condition.PRESENT else sightings.is_forgotten(need)
    return Sight.CLEARED if is_over else Sight.MISSED


def _need(concern: Concern, eye: Eye, claim: Claim | None, rules: Rules) -> Need:
    """What opens this condition; cement that was seen to run out of the body has shown more than a frame's outline."""
    need = concern.need(rules)
    if claim is None or not claim.has_run or eye.condition is Condition.PRESENT:
        return need
    return replace(need, n=min(need.n, rules.run_n))


def _raise(before: Concern, after: Concern, need: Need, moment: Moment) -> Step:
    after = _announced(after, need, moment)
    after = dated(sounding(raised(after, moment), Event.RAISED), moment.at)
    cause = "told" if need == AT_ONCE else f"seen on {need.n} of {need.m} frames"
    changes, after = changed(EntryType.ALERT_RAISED, before, after, cause)
    glimpsed = f"{Condition.PENDING}/{before.signal}"  # if only within this one step
    return tuple(replace(change, from_state=glimpsed) for change in changes), after


def _announced(concern: Concern, need: Need, moment: Moment) -> Concern:
    """The concern of which an alarm tells what the eye of this moment sees; the same growth in the others is told with it."""
    eye = concern.eye_of(moment)
    growth = growth_of(eye, need)
    eyes = tuple(told_with(each, growth) if each.is_open and each != eye else each for each in concern.eyes)
    concern = replace(concern, eyes=eyes, rank=max(concern.rank, eye.rank))
    return concern.with_eye(replace(eye, told=told_now(eye, need)))


def _keep(before: Concern, after: Concern, claim: Claim | None, moment: Moment) -> Step:
    """A present condition, seen or not yet gone: refresh its numbers, believe it, sound again if it is worse."""
    eye, was_open = after.eye_of(moment), before.eye_of(moment).is_open
    if not eye.is_open:
        return _doubt(after, moment) if not was_open else _left_to_others(after, moment)
    changes, after = _believe(before, refreshed(after, moment), moment)
    if claim is None or after.alert is None:
        return changes, after
    need = after.need(moment.rules)
    causes = worse(after, eye, need, moment) if was_open else further(before, after, eye, need, moment)
    if not causes:
        if was_open:
            return changes, after
        joined, told = _joined(before, after, need, moment)
        return (*changes, *joined), told
    louder = replace(_announced(after, need, moment), paused_until=None)
    louder = refreshed(replace(louder, alert=replace(after.alert, acknowledged_by=None)), moment)
    louder = dated(sounding(louder, Event.WORSENED), moment.at)
    worsened, louder = changed(EntryType.ALERT_WORSENED, after, louder, "; ".join(causes))
    return (*changes, *worsened), louder


def _joined(before: Concern, after: Concern, need: Need, moment: Moment) -> Step:
    """Another eye shows it too, in silence: its first size is what its growth is measured against, a later one never is."""
    eye = after.eye_of(moment)
    if not before.eye_of(moment).has_shown:
        after = after.with_eye(replace(eye, told=told_now(eye, need)))
    told = dated(refreshed(after, moment), moment.at)
    return changed(EntryType.ALERT_CHANGED, after, told, f"seen in the {VIEWS[eye.view]} too")


def _left_to_others(concern: Concern, moment: Moment) -> Step:
    """One eye no longer shows what another one does: the condition stays, on the word of the other."""
    after = dated(refreshed(concern, moment), moment.at)
    return changed(
        EntryType.ALERT_CHANGED, concern, after, f"no longer seen in the {VIEWS[concern.eye_of(moment).view]}"
    )


def _end(before: Concern, after: Concern, need: Need, moment: Moment) -> Step:
    is_loud = after.alert is not None and after.alert.priority is not Priority.LOW
    event = Event.ENDED_LATCHING if is_loud and after.key.kind in LATCHING else Event.ENDED
    n_clear = before.eye_of(moment).sightings.n_clear + 1
    cause = "the cause is gone" if need == AT_ONCE else f"{n_clear} valid frames without it"
    after = refreshed(after, moment)
    after = sounding(
        replace(
            forgotten(after),
            ended=Ending(source=moment.setting.source, time_s=moment.time_s, at=moment.at),
            paused_until=None,
        ),
        event,
    )
    if after.alert is not None:
        after = replace(after, alert=replace(after.alert, validity=Validity.VALID))
    return changed(EntryType.ALERT_ENDED, before, dated(after, moment.at), cause)


# Nobody takes note


def escalate(before: Concern, after: Concern, moment: Moment) -> Step:
    """A HIGH alert that nobody acknowledges goes to the second channel, each time after twice as long; replays never do."""
    alert, wait_s = after.alert, moment.rules.escalate_s
    is_urgent = alert is not None and alert.priority is Priority.HIGH and after.signal in UNNOTED
    if alert is None or not is_urgent or wait_s <= 0 or moment.setting.mode is Mode.REPLAY:
        return (), replace(after, sounds_since=None)
    if after.sounds_since is None or before.signal not in UNNOTED:
        return (), replace(after, sounds_since=moment.at, alert=replace(alert, escalation=0))
    for_s = moment.at - after.sounds_since
    stage = (
        int(log2(for_s / wait_s + 1)) if for_s > 0 else 0
    )  # 1 after the time itself, 2 after three of it, 3 after seven
    if stage <= alert.escalation:
        return (), after
    told = replace(after, alert=replace(alert, escalation=stage))
    return changed(EntryType.ALERT_ESCALATED, after, told, f"not acknowledged for {for_s:.0f} s")


# Validity


def _believe(before: Concern, after: Concern, moment: Moment) -> Step:
    """A valid frame answered: the condition rests on valid frames again."""
    if after.alert is None or after.alert.validity is Validity.VALID:
        return (), after
    after = dated(replace(after, alert=replace(after.alert, validity=Validity.VALID)), moment.at)
    return changed(EntryType.ALERT_CHANGED, before, after, "valid frames again")


def _doubt(concern: Concern, moment: Moment) -> Step:
    """This evidence cannot tell; when no eye that shows it has told for a while, a present condition becomes questionable."""
    alert = concern.alert
    if concern.condition is not Condition.PRESENT or alert is None or alert.validity is Validity.QUESTIONABLE:
        return (), concern
    if any(_is_believed(eye, moment) for eye in concern.eyes if eye.is_open):
        return (), concern
    after = dated(replace(concern, alert=replace(alert, validity=Validity.QUESTIONABLE)), moment.at)
    return changed(EntryType.ALERT_CHANGED, concern, after, "no valid frames")


def _is_believed(eye: Eye, moment: Moment) -> bool:
    """Whether its last say is fresh: of one source by its own frames' times, else by our clock, for the two may be far apart."""
    if moment.findings is None or eye.source != moment.setting.source:
        return eye.is_fresh(moment.at, moment.rules.valid_s)
    return eye.valid_time_s is not None and moment.time_s - eye.valid_time_s <= moment.rules.valid_s


# Small steps


def sounding(concern: Concern, event: Event) -> Concern:
    """The concern after an event that no state refuses."""
    signal = SIGNAL_TABLE[concern.signal][event]
    return concern if isinstance(signal, Refusal) else replace(concern, signal=signal)


def forgotten(concern: Concern) -> Concern:
    """The concern without what its eyes counted, but for glimpses that others have now: the next sighting begins anew."""
    glimpsing = tuple(
        replace(eye, rank=(0, 0), told=Told(), has_shown=False)
        for eye in concern.eyes
        if eye.condition is Condition.PENDING
    )
    return replace(concern, eyes=glimpsing, beside=(), condition=worst_condition(glimpsing), rank=(0, 0))


def dated(concern: Concern, at: float) -> Concern:
    """The concern whose alert shows its state and says when that changed."""
    concern = shown(concern)
    return concern if concern.alert is None else replace(concern, alert=replace(concern.alert, changed_at=at))


def changed(kind: EntryType, before: Concern, after: Concern, cause: str, act: Act | None = None) -> Step:
    """The step to a new state, written down when there is an alert to write about."""
    if after.alert is None:
        return (), after
    change = Change(
        type=kind,
        alert=after.alert,
        from_state=before.state,
        to_state=after.state,
        cause=str(cause),
        actor=None if act is None else act.actor,
        act=None if act is None else act.number,
    )
    return (change,), after
