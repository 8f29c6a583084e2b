"""All alarms of one procedure: the judge, who hears the evidence of every source, and operators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from detection.claims import Claim, claims_of, technical_claim
from detection.concern import Concern, Key, Moment, Setting, key_of
from detection.eyes import Eye, Told
from detection.fusion import overlain, remarks
from detection.showing import shown
from detection.sight import glanced
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
    Glance,
    Kind,
    Signal,
    Silence,
    TechnicalCause,
    View,
    Zone,
)

__all__ = ["Alarm", "Setting", "judge", "reconciled", "resume"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """All conditions and signals of one procedure, whichever sources show them.

    ``sources`` are those of which a frame was seen, ``glances`` are the last of each of their views. ``acts_to`` is the last act
    that was obeyed: every source hears every act.
    """

    concerns: tuple[Concern, ...] = ()
    sources: frozenset[str] = frozenset()
    glances: tuple[Glance, ...] = ()
    acts_to: int = 0

    def alerts(self) -> tuple[Alert, ...]:
        """Current snapshots of all alerts that a screen must show, oldest condition first."""
        return tuple(concern.alert for concern in self.concerns if concern.alert is not None and concern.is_active)


def judge(
    evidence: Findings | Silence, acts: tuple[Act, ...], alarm: Alarm, setting: Setting, at: float
) -> tuple[tuple[Change, ...], Alarm]:
    """What changes by this evidence and these acts, in order, and the alarm after it. Pure; reads no clock.

    The evidence is of one source; what other sources have shown of the same place counts with it. Acts count before the evidence,
    and once: those up to ``alarm.acts_to`` were obeyed when another source's evidence came. An act on an alert that this alarm
    does not know changes nothing here. After a fresh PROCEDURE_CLOSED everything is over and the evidence is not weighed.
    """
    moment = Moment(evidence=evidence, setting=setting, at=at)
    changes: list[Change] = []
    concerns = {concern.key: concern for concern in _with_level(alarm.concerns, moment.level)}
    fresh = sorted((act for act in acts if act.number > alarm.acts_to), key=lambda act: act.number)
    alarm = replace(alarm, acts_to=max([alarm.acts_to, *(act.number for act in fresh)]))
    for act in fresh:
        for key, concern in concerns.items():
            step, concerns[key] = _obey(concern, act, moment)
            changes += step
    if any(act.type is EntryType.PROCEDURE_CLOSED for act in fresh):
        return tuple(changes), replace(alarm, concerns=tuple(concerns.values()))
    claims = _claims(moment, alarm, tuple(concerns))
    held = overlain(claims, concerns, alarm.glances, moment)
    for key in claims:
        concerns.setdefault(key, Concern(key=key))
    for key, concern in concerns.items():
        over, awake = _end_pause(concern, at)
        step, weighed = weigh(awake, claims.get(key), moment, is_held=key in held)
        louder, concerns[key] = escalate(concern, weighed, moment)
        changes += [*over, *step, *louder]
    changes += remarks(claims, concerns, held, moment)
    return tuple(changes), _after(alarm, concerns, moment)


def _after(alarm: Alarm, concerns: Mapping[Key, Concern], moment: Moment) -> Alarm:
    """The alarm with what must be remembered of this evidence."""
    kept = tuple(
        concern
        for concern in concerns.values()
        if concern.alert is not None or concern.condition is not Condition.ABSENT
    )
    alarm = replace(alarm, concerns=kept)
    if moment.findings is None:
        return alarm
    source = moment.setting.source
    glances = glanced(alarm.glances, source, moment.findings)
    return replace(alarm, sources=alarm.sources | {source}, glances=glances)


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
    source = moment.setting.source
    if isinstance(moment.evidence, Silence):
        causes = (cause for cause in TechnicalCause if cause in moment.evidence.causes)
        return {key_of(claim, None, source): claim for claim in map(technical_claim, causes)}
    claims = claims_of(moment.evidence, moment.rules, moment.setting.plan)
    if source not in alarm.sources:
        claims = tuple(claim for claim in claims if claim.technical_cause is not TechnicalCause.VIEW_CHANGED)
    return {_known_key(key_of(claim, moment.level, source), known): claim for claim in claims}


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
        replace(
            forgotten(replace(concern, eyes=())),
            condition=settled(concern.condition, Sight.CLOSED),
            paused_until=None,
        ),
        Event.CLOSED,
    )
    if not concern.is_active:
        return (), after
    return changed(EntryType.ALERT_ENDED, concern, dated(after, at), "procedure closed", act)


def resume(alerts: Iterable[Alert]) -> Alarm:
    """An alarm from the alerts that a journal kept, all of one procedure, when its frames cannot be told again.

    Counters start anew and a pause does not survive: what was paused sounds.
    """
    concerns: dict[Key, Concern] = {}
    kept = sorted(alerts, key=lambda alert: (alert.raised_at, alert.id))
    for alert in kept:
        key = _key_of_alert(alert)
        if key in concerns and concerns[key].is_active:
            key = replace(key, source=alert.source)  # of the time when each source had alerts of its own
        n_before = concerns[key].occurrence if key in concerns else 0
        concerns[key] = _resumed(key, alert, n_before + 1)
    return Alarm(concerns=tuple(concerns.values()), sources=frozenset(alert.source for alert in kept))


def _key_of_alert(alert: Alert) -> Key:
    side = alert.side if alert.zone is Zone.DISC else None
    source = alert.source if alert.kind is Kind.TECHNICAL else None
    return Key(
        kind=alert.kind, zone=alert.zone, side=side, cause=alert.technical_cause, level=alert.level, source=source
    )


def _resumed(key: Key, alert: Alert, occurrence: int) -> Concern:
    signal = Signal.ON if alert.signal is Signal.PAUSED else alert.signal
    condition = Condition.PRESENT if alert.condition is Condition.PRESENT else Condition.ABSENT
    concern = Concern(
        key=key,
        condition=condition,
        signal=signal,
        rank=(PRIORITY_ORDER.index(alert.priority), 0),
        eyes=_eyes_of(alert) if condition is Condition.PRESENT else (),
        occurrence=occurrence,
        alert=alert,
        sounds_since=alert.changed_at if signal in UNNOTED else None,
    )
    return shown(concern)


def _eyes_of(alert: Alert) -> tuple[Eye, ...]:
    """What each view had shown, as far as the alert tells; one that names no witness rests on the view that it names."""
    own = Eye(
        source=alert.source,
        view=View.UNKNOWN if alert.kind is Kind.TECHNICAL else alert.view,
        condition=Condition.PRESENT,
        rank=(PRIORITY_ORDER.index(alert.priority), 0),
        told=Told(size_mm2=alert.area_mm2 or 0.0, sides=frozenset({alert.side} if alert.side else ())),
        has_shown=True,
        first_frame=alert.first_frame,
        last_frame=alert.last_frame,
        valid_at=alert.changed_at,
    )
    return tuple(
        replace(
            own,
            source=witness.source,
            view=witness.view,
            condition=witness.condition,
            rank=(PRIORITY_ORDER.index(witness.priority), 0),
            told=Told(size_mm2=witness.area_mm2 or 0.0, sides=frozenset({witness.side} if witness.side else ())),
            first_frame=witness.first_frame,
            last_frame=witness.last_frame,
        )
        for witness in alert.witnesses
    ) or (own,)


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
    if concern.alert is None or known is None or concern.alert.condition is not known.condition:
        return concern
    alert = replace(concern.alert, validity=known.validity, changed_at=known.changed_at, escalation=known.escalation)
    return replace(concern, alert=alert)
