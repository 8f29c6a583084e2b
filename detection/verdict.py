"""What one piece of evidence does to one concern: raise it, keep it, make it worse, end it, or leave it in doubt."""

from __future__ import annotations

from dataclasses import replace
from math import log2

from detection.claims import Claim
from detection.concern import Concern, Moment, Told, raised, refreshed, shown
from detection.priorities import TIER_ORDER, Pace
from detection.sightings import AT_ONCE, Look, Need, Rank, Sightings, look_at, pace_of, priority_of
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

UNNOTED = frozenset({Signal.ON, Signal.LATCHED})
"""Signals of alerts that nobody has taken note of."""
LATCHING = frozenset({Kind.LEAK, Kind.VANISHED})

Step = tuple[tuple[Change, ...], Concern]
"""What one step on one concern changed, and the concern after it."""


# Evidence


def weigh(concern: Concern, claim: Claim | None, moment: Moment) -> Step:
    """One piece of evidence against one condition."""
    if concern.key.is_told and moment.findings is not None:
        return (), concern
    pace = Pace.STILL if claim is None else pace_of(claim, concern.sightings.looks, moment.time_s, moment.rules)
    look = _look(concern, claim, pace, moment)
    if look is None:
        return _doubt(replace(concern, condition=settled(concern.condition, Sight.BLIND)), moment)
    need = concern.need(moment.rules)
    seen = _looked(concern, look, need, moment)
    after = replace(seen, condition=settled(concern.condition, _sight(seen, need)))
    match concern.condition, after.condition:
        case Condition.PRESENT, Condition.PRESENT:
            return _keep(concern, after, claim, pace, moment)
        case Condition.PRESENT, _:
            return _end(concern, after, need, moment)
        case _, Condition.PRESENT:
            return _raise(concern, after, claim, pace, moment)
        case _, Condition.PENDING:
            return (), after
        case _:
            return (), forgotten(after)


def _look(concern: Concern, claim: Claim | None, pace: Pace, moment: Moment) -> Look | None:
    """The answer of this evidence about this concern, or None when it cannot tell."""
    findings = moment.findings
    if findings is not None and Flag.DUPLICATE in findings.flags:
        return None
    if claim is not None:
        return look_at(claim, pace, moment.time_s)
    if findings is None:
        return Look(time_s=moment.time_s) if concern.key.is_told else None
    return Look(time_s=moment.time_s) if _could_show(concern, findings, moment.level) else None


def _could_show(concern: Concern, findings: Findings, level: str | None) -> bool:
    """Whether not seeing it on this frame means anything."""
    if not findings.is_fit:
        return False
    key = concern.key
    if key.kind is Kind.TECHNICAL:
        return True
    if findings.view is not concern.view or (level is not None and key.level is not None and level != key.level):
        return False
    if {Flag.REFERENCE_BUILDING, Flag.CONTRAST_AGENT} & findings.flags:
        return False
    return key.zone in findings.zones_watched or key.zone is Zone.ELSEWHERE


def _looked(concern: Concern, look: Look, need: Need, moment: Moment) -> Concern:
    """The concern after one look more."""
    sightings = concern.sightings.with_look(look, need, moment.rules)
    concern = replace(concern, sightings=sightings, valid_at=moment.at, valid_time_s=moment.time_s)
    if look.rank is None:
        return concern
    first = concern.first_frame or moment.seen
    view = moment.findings.view if moment.findings is not None else concern.view
    return replace(concern, first_frame=first, view=view)


def _sight(concern: Concern, need: Need) -> Sight:
    """What the newest look means, given those before it."""
    sightings = concern.sightings
    if sightings.is_seen():
        return Sight.CONFIRMED if sightings.is_enough(need) else Sight.GLIMPSED
    is_over = sightings.is_cleared(need) if concern.condition is Condition.PRESENT else sightings.is_forgotten(need)
    return Sight.CLEARED if is_over else Sight.MISSED


def _raise(before: Concern, after: Concern, claim: Claim | None, pace: Pace, moment: Moment) -> Step:
    need = after.need(moment.rules)
    before = replace(before, condition=Condition.PENDING)  # if only within this one step
    rank = after.sightings.lasting_rank(need) or (0, 0)
    after = raised(replace(after, rank=rank, told=_told(after, need)), claim, pace, moment)
    after = dated(sounding(after, Event.RAISED), moment.at)
    return changed(
        EntryType.ALERT_RAISED, before, after, "told" if need == AT_ONCE else f"seen on {need.n} of {need.m} frames"
    )


def _keep(before: Concern, after: Concern, claim: Claim | None, pace: Pace, moment: Moment) -> Step:
    """A present condition, seen or not yet gone: refresh its numbers, believe it, sound again if it is worse."""
    changes, after = _believe(before, refreshed(after, claim, pace, moment), moment)
    if claim is None or after.alert is None:
        return changes, after
    need = after.need(moment.rules)
    rank = max(after.rank, after.sightings.lasting_rank(need) or after.rank)
    causes = _worse(after, rank, need, moment)
    if not causes:
        return changes, after
    louder = replace(after, rank=rank, told=_told(after, need), paused_until=None)
    louder = replace(louder, alert=replace(after.alert, priority=priority_of(rank), acknowledged_by=None))
    louder = dated(sounding(louder, Event.WORSENED), moment.at)
    worsened, louder = changed(EntryType.ALERT_WORSENED, after, louder, "; ".join(causes))
    return (*changes, *worsened), louder


def _end(before: Concern, after: Concern, need: Need, moment: Moment) -> Step:
    is_loud = after.alert is not None and after.alert.priority is not Priority.LOW
    event = Event.ENDED_LATCHING if is_loud and after.key.kind in LATCHING else Event.ENDED
    cause = "the cause is gone" if need == AT_ONCE else f"{after.sightings.n_clear} valid frames without it"
    after = sounding(replace(forgotten(after), ended_s=moment.time_s, paused_until=None), event)
    if after.alert is not None:
        after = replace(after, alert=replace(after.alert, validity=Validity.VALID))
    return changed(EntryType.ALERT_ENDED, before, dated(after, moment.at), cause)


def _worse(concern: Concern, rank: Rank, need: Need, moment: Moment) -> tuple[str, ...]:
    """Why this is worse than what the operator was told, in words."""
    if concern.key.kind is Kind.TECHNICAL:
        return ()
    causes = []
    rules, told, sightings = moment.rules, concern.told, concern.sightings
    if rank[0] > concern.rank[0]:
        causes.append(f"priority {priority_of(concern.rank)} to {priority_of(rank)}")
    if rank[1] > concern.rank[1]:
        causes.append(f"wall {TIER_ORDER[concern.rank[1]]} to {TIER_ORDER[rank[1]]}")
    size = sightings.steady_size_mm2(need)
    if size - told.size_mm2 >= max(rules.step_mm2, rules.step_share * told.size_mm2):
        causes.append("grown by a step")
    share = sightings.steady_share(need)
    if share is not None and told.share is not None and told.share - share >= rules.approach_step_share:
        causes.append("nearer by a step")
    fresh = sightings.lasting_sides(need) - told.sides
    causes.extend(f"new direction: {side}" for side in sorted(fresh))
    return tuple(causes)


def _told(concern: Concern, need: Need) -> Told:
    """What the operator is told now, on top of what was told before: never less cement, never farther away."""
    told, sightings = concern.told, concern.sightings
    shares = [share for share in (told.share, sightings.steady_share(need)) if share is not None]
    return Told(
        size_mm2=max(told.size_mm2, sightings.steady_size_mm2(need)),
        share=min(shares, default=None),
        sides=told.sides | sightings.lasting_sides(need) | sightings.looks[-1].sides,
    )


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
    """This evidence cannot tell; when none has for a while, a present condition becomes questionable."""
    alert = concern.alert
    if concern.condition is not Condition.PRESENT or alert is None or alert.validity is Validity.QUESTIONABLE:
        return (), concern
    # frames are compared in their own time base, silence in ours: the two may be far apart
    now, last = (moment.at, concern.valid_at) if moment.findings is None else (moment.time_s, concern.valid_time_s)
    if last is not None and now - last <= moment.rules.valid_s:
        return (), concern
    after = dated(replace(concern, alert=replace(alert, validity=Validity.QUESTIONABLE)), moment.at)
    return changed(EntryType.ALERT_CHANGED, concern, after, "no valid frames")


# Small steps


def sounding(concern: Concern, event: Event) -> Concern:
    """The concern after an event that no state refuses."""
    signal = SIGNAL_TABLE[concern.signal][event]
    return concern if isinstance(signal, Refusal) else replace(concern, signal=signal)


def forgotten(concern: Concern) -> Concern:
    """The concern without its counters: the next sighting begins anew."""
    return replace(concern, sightings=Sightings(), rank=(0, 0), told=Told(), first_frame=None)


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
