"""All alarms of one source in one case: the judge, who hears evidence and operators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from detection.claims import Claim, claims_of, technical_claim
from detection.concern import Concern, Key, Moment, Setting, Told, key_of, shown
from detection.states import SIGNAL_TABLE, Event, Refusal, Sight, settled
from detection.verdict import UNNOTED, Step, changed, dated, escalate, forgotten, sounding, weigh
from detection.vocabulary import (
    PRIORITY_ORDER,
    Act,
    Alert,
    Change,
    Condition,
    EntryType,
    Findings,
    Kind,
    Signal,
    Silence,
    TechnicalCause,
    Zone,
)

__all__ = ["Alarm", "Setting", "judge", "reconciled", "resume"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """All conditions and signals of one source in one case."""

    concerns: tuple[Concern, ...] = ()
    has_seen_frames: bool = False

    def alerts(self) -> tuple[Alert, ...]:
        """Current snapshots of all alerts that a screen must show, oldest condition first."""
        return tuple(concern.alert for concern in self.concerns if concern.alert is not None and concern.is_active)


def judge(
    evidence: Findings | Silence, acts: tuple[Act, ...], alarm: Alarm, setting: Setting, at: float
) -> tuple[tuple[Change, ...], Alarm]:
    """What changes by this evidence and these acts, in order, and the alarm after it. Pure; reads no clock.

    Acts count before the evidence. An act on an alert that this alarm does not know changes nothing here.
    After PROCEDURE_CLOSED everything is over and the evidence is not weighed.
    """
    moment = Moment(evidence=evidence, setting=setting, at=at)
    changes: list[Change] = []
    concerns = {concern.key: concern for concern in _with_level(alarm.concerns, moment.level)}
    for act in sorted(acts, key=lambda act: act.number):
        for key, concern in concerns.items():
            step, concerns[key] = _obey(concern, act, moment)
            changes += step
    if any(act.type is EntryType.PROCEDURE_CLOSED for act in acts):
        return tuple(changes), replace(alarm, concerns=tuple(concerns.values()))
    claims = _claims(moment, alarm, tuple(concerns))
    for key in claims:
        concerns.setdefault(key, Concern(key=key))
    for key, concern in concerns.items():
        over, awake = _end_pause(concern, at)
        step, weighed = weigh(awake, claims.get(key), moment)
        louder, concerns[key] = escalate(concern, weighed, moment)
        changes += [*over, *step, *louder]
    kept = tuple(
        concern
        for concern in concerns.values()
        if concern.alert is not None or concern.condition is not Condition.ABSENT
    )
    return tuple(changes), Alarm(concerns=kept, has_seen_frames=alarm.has_seen_frames or moment.findings is not None)


def _with_level(concerns: tuple[Concern, ...], level: str | None) -> tuple[Concern, ...]:
    """What was seen before the level was named belongs to the level that is named now."""
    if level is None:
        return concerns
    taken = {concern.key for concern in concerns}
    named = []
    for concern in concerns:
        key = replace(concern.key, level=level)
        is_nameless = concern.key.level is None and concern.key.kind is not Kind.TECHNICAL
        named.append(replace(concern, key=key) if is_nameless and key not in taken else concern)
    return tuple(named)


def _claims(moment: Moment, alarm: Alarm, known: tuple[Key, ...]) -> dict[Key, Claim]:
    """What the evidence claims, by condition. The first picture of all is no change of view."""
    if isinstance(moment.evidence, Silence):
        causes = (cause for cause in TechnicalCause if cause in moment.evidence.causes)
        return {key_of(claim, None): claim for claim in map(technical_claim, causes)}
    claims = claims_of(moment.evidence, moment.rules, moment.setting.plan)
    if not alarm.has_seen_frames:
        claims = tuple(claim for claim in claims if claim.technical_cause is not TechnicalCause.VIEW_CHANGED)
    return {_known_key(key_of(claim, moment.level), known): claim for claim in claims}


def _known_key(key: Key, known: tuple[Key, ...]) -> Key:
    """The key itself; with no level named, the same condition of the level last spoken of."""
    if key.level is not None or key in known:
        return key
    return next((old for old in reversed(known) if replace(old, level=None) == key), key)


# Acts and pauses


def _obey(concern: Concern, act: Act, moment: Moment) -> Step:
    """What an operator's act does to one concern."""
    if act.type is EntryType.PROCEDURE_CLOSED:
        return _close(concern, act, moment.at)
    event = _event_of(act, concern)
    if concern.alert is None or act.alert != concern.alert.id or event is None:
        return (), concern
    signal = SIGNAL_TABLE[concern.signal][event]
    if isinstance(signal, Refusal):
        return changed(EntryType.ACT_REFUSED, concern, concern, signal, act)
    after = replace(concern, signal=signal, paused_until=None)
    if signal is Signal.PAUSED:
        after = replace(after, paused_until=act.at + _pause_s(act, moment))
    if signal is Signal.ACKNOWLEDGED:
        after = replace(after, alert=replace(concern.alert, acknowledged_by=act.actor))
    return changed(ACT_ENTRIES[act.type], concern, dated(after, moment.at), act.type, act)


ACT_ENTRIES: Mapping[EntryType, EntryType] = {
    EntryType.ACKNOWLEDGE: EntryType.ACKNOWLEDGED,
    EntryType.PAUSE: EntryType.PAUSED,
    EntryType.RESET_ASKED: EntryType.RESET,
}
"""What was asked, and what is written once it is done."""


def _event_of(act: Act, concern: Concern) -> Event | None:
    if act.type is EntryType.RESET_ASKED:
        return Event.RESET_WHILE_PRESENT if concern.condition is Condition.PRESENT else Event.RESET
    return {EntryType.ACKNOWLEDGE: Event.ACKNOWLEDGE, EntryType.PAUSE: Event.PAUSE}.get(act.type)


def _pause_s(act: Act, moment: Moment) -> float:
    """How long, from what was asked, within the rules."""
    asked = act.data.get("seconds")
    is_number = isinstance(asked, int | float) and not isinstance(asked, bool) and asked > 0
    return min(float(asked) if is_number and asked is not None else moment.rules.pause_s, moment.rules.pause_most_s)


def _end_pause(concern: Concern, at: float) -> Step:
    if concern.paused_until is None or at < concern.paused_until:
        return (), concern
    after = sounding(replace(concern, paused_until=None), Event.PAUSE_OVER)
    return changed(EntryType.PAUSE_ENDED, concern, dated(after, at), "pause is over")


def _close(concern: Concern, act: Act, at: float) -> Step:
    after = sounding(
        replace(forgotten(concern), condition=settled(concern.condition, Sight.CLOSED), paused_until=None), Event.CLOSED
    )
    if not concern.is_active:
        return (), after
    return changed(EntryType.ALERT_ENDED, concern, dated(after, at), "procedure closed", act)


def resume(alerts: Iterable[Alert]) -> Alarm:
    """An alarm from the alerts that a journal kept, all of one case and source, when its frames cannot be told again.

    Counters start anew and a pause does not survive: what was paused sounds.
    """
    concerns: dict[Key, Concern] = {}
    for alert in sorted(alerts, key=lambda alert: (alert.raised_at, alert.id)):
        side = alert.side if alert.zone is Zone.DISC else None
        key = Key(kind=alert.kind, zone=alert.zone, side=side, cause=alert.technical_cause, level=alert.level)
        signal = Signal.ON if alert.signal is Signal.PAUSED else alert.signal
        n_before = concerns[key].occurrence if key in concerns else 0
        concern = Concern(
            key=key,
            condition=alert.condition,
            signal=signal,
            rank=(PRIORITY_ORDER.index(alert.priority), 0),
            told=Told(size_mm2=alert.area_mm2 or 0.0, sides=frozenset({alert.side} if alert.side else ())),
            view=alert.view,
            first_frame=alert.first_frame,
            occurrence=n_before + 1,
            alert=alert,
            valid_at=alert.changed_at,
            sounds_since=alert.changed_at if signal in UNNOTED else None,
        )
        concerns[key] = shown(concern)
    return Alarm(concerns=tuple(concerns.values()), has_seen_frames=bool(concerns))


def reconciled(alarm: Alarm, alerts: Iterable[Alert]) -> Alarm:
    """An alarm told again from its frames, with what frames cannot tell taken from the alerts that the journal kept.

    These are the causes told by ``Silence``, and which conditions were shown as questionable.
    """
    kept = tuple(alerts)
    shown_as = {alert.id: alert for alert in kept}
    told = (concern for concern in resume(kept).concerns if concern.key.is_told)
    retold = (_as_shown(concern, shown_as) for concern in alarm.concerns if not concern.key.is_told)
    return replace(alarm, concerns=(*retold, *told))


def _as_shown(concern: Concern, shown_as: Mapping[str, Alert]) -> Concern:
    known = shown_as.get(concern.alert.id) if concern.alert is not None else None
    if concern.alert is None or known is None or concern.condition is not known.condition:
        return concern
    alert = replace(concern.alert, validity=known.validity, changed_at=known.changed_at, escalation=known.escalation)
    return replace(concern, alert=alert)
