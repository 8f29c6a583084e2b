"""The alert of a concern: raised, and shown with what its eyes see now."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid5

from detection.claims import Claim
from detection.concern import Concern, Key, Moment, Setting
from detection.eyes import spokesman, witnesses_of
from detection.priorities import Pace
from detection.sightings import priority_of
from detection.vocabulary import PRIORITY_ORDER, Alert, Condition, Kind, Signal, Validity, View, Witness
from detection.wording import also, over, sentence

ALERTS = UUID("6b1d3f0e-2c53-5c1f-9a54-6f0d8e1c7a42")
"""Name space of alert ids: the same case and evidence give the same ids, live or replayed."""


def alert_id(key: Key, occurrence: int, setting: Setting) -> str:
    """The same for the same condition of the same case, whoever judges it and when; ``setting`` names the source that saw it first."""
    words = (
        setting.procedure,
        setting.source,
        setting.mode,
        key.level,
        key.kind,
        key.zone,
        key.side,
        key.cause,
        occurrence,
    )
    return str(uuid5(ALERTS, "|".join("" if word is None else str(word) for word in words)))


def raised(concern: Concern, moment: Moment) -> Concern:
    """The concern with an alert: a new one, or the old one again when it is still latched or only just over."""
    old = concern.alert
    is_recent = concern.ended is not None and concern.ended.s_until(moment) <= moment.rules.repeat_s
    if old is not None and (concern.signal is Signal.LATCHED or is_recent):
        return refreshed(replace(concern, alert=replace(old, acknowledged_by=None)), moment)
    concern = replace(concern, occurrence=concern.occurrence + 1, alert=_new_alert(concern, moment))
    return refreshed(concern, moment)


def _new_alert(concern: Concern, moment: Moment) -> Alert:
    """An alert that knows when and where, and as yet nothing of how much."""
    key, setting = concern.key, moment.setting
    return Alert(
        id=alert_id(key, concern.occurrence + 1, setting),
        procedure=setting.procedure,
        source=setting.source,
        kind=key.kind,
        zone=key.zone,
        side=key.side,
        priority=priority_of(concern.rank),
        condition=Condition.PRESENT,
        validity=Validity.VALID,
        signal=Signal.ON,
        view=View.UNKNOWN,
        level=key.level,
        mode=setting.mode,
        message="",
        first_frame=concern.first_frame,
        raised_frame=moment.seen,
        last_frame=moment.seen,
        area_mm2=None,
        length_mm=None,
        distance_to_wall_mm=None,
        speed_mm_s=None,
        seconds_to_wall=None,
        volume_ml=None,
        trust=None,
        outline=(),
        raised_at=moment.at,
        changed_at=moment.at,
        acknowledged_by=None,
        technical_cause=key.cause,
    )


def refreshed(concern: Concern, moment: Moment) -> Concern:
    """The concern with what its eyes show now in its alert: the numbers are those of the eye that speaks for all."""
    if concern.alert is None:
        return concern
    is_technical = concern.key.kind is Kind.TECHNICAL
    alert = replace(
        concern.alert, witnesses=() if is_technical else witnesses_of(concern.eyes, concern.alert.witnesses)
    )
    eye = spokesman(concern.eyes, moment.at, moment.rules.valid_s)
    if eye is None:
        alert = _recalled(alert, concern)
    elif eye.claim is not None:
        claim, front = eye.claim, eye.claim.front
        others = [other for other in concern.eyes if other.is_open and other != eye and other.claim is not None]
        alert = replace(
            alert,
            source=eye.source,
            side=claim.side,
            priority=priority_of(concern.rank),
            view=claim.view,
            level=concern.key.level,
            message=" ".join(
                [
                    sentence(claim, pace=eye.pace, level=concern.key.level),
                    *(also(other.claim) for other in others if other.claim),
                    *(over(each.claim) for each in concern.beside if each.claim),
                ]
            ),
            last_frame=eye.last_frame,
            area_mm2=claim.area_mm2,
            length_mm=claim.length_mm,
            volume_ml=claim.volume_ml,
            distance_to_wall_mm=front.distance_mm if front else None,
            speed_mm_s=front.speed_mm_s if front else None,
            seconds_to_wall=front.seconds_to_wall if front else None,
            trust=claim.trust,
            outline=claim.outline,
        )
    return shown(replace(concern, alert=alert))


def _recalled(alert: Alert, concern: Concern) -> Alert:
    """The alert while no eye that shows it has looked since the alarm was resumed: what it said of one that shows it still."""
    showing = {(eye.source, eye.view) for eye in concern.eyes if eye.is_open}
    known = [each for each in alert.witnesses if (each.source, each.view) in showing]
    if not known or (alert.source, alert.view) in showing:
        return alert
    worst = max(known, key=lambda each: PRIORITY_ORDER.index(each.priority))
    return replace(
        alert,
        source=worst.source,
        view=worst.view,
        side=worst.side,
        message=sentence(_claim_of(worst, alert), pace=Pace.STILL, level=concern.key.level),
        last_frame=worst.last_frame,
        area_mm2=worst.area_mm2,
        length_mm=worst.length_mm,
        volume_ml=None,
        distance_to_wall_mm=None,
        speed_mm_s=None,
        seconds_to_wall=None,
        trust=worst.trust,
        outline=(),
    )


def _claim_of(witness: Witness, alert: Alert) -> Claim:
    """What a witness said, as far as an alert keeps it."""
    return Claim(
        kind=alert.kind,
        ladder=(witness.priority,) * 3,
        zone=alert.zone,
        side=witness.side,
        view=witness.view,
        area_mm2=witness.area_mm2,
        length_mm=witness.length_mm,
        trust=witness.trust,
    )


def shown(concern: Concern) -> Concern:
    """The concern whose alert shows its condition and signal."""
    if concern.alert is None:
        return concern
    return replace(concern, alert=replace(concern.alert, condition=concern.told_condition, signal=concern.signal))
