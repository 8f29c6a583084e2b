"""One thing that may deserve an alarm: its condition, its signal, and the alert that shows both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID, uuid5

from detection.claims import Claim, level_of
from detection.eyes import Eye, spokesman, with_eye, witnesses_of, worst_condition
from detection.priorities import FRAME_CAUSES
from detection.rules import Rules
from detection.sightings import AT_ONCE, Need, Rank, need_of, priority_of
from detection.vocabulary import (
    Alert,
    Condition,
    Findings,
    Kind,
    Mode,
    Plan,
    Seen,
    Side,
    Signal,
    Silence,
    Stamp,
    TechnicalCause,
    Validity,
    View,
    Zone,
)
from detection.wording import also, over, sentence

ALERTS = UUID("6b1d3f0e-2c53-5c1f-9a54-6f0d8e1c7a42")
"""Name space of alert ids: the same case and evidence give the same ids, live or replayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """All that a verdict depends on besides evidence, acts, alarm and time. ``source`` is where the evidence comes from."""

    procedure: str
    source: str
    mode: Mode
    rules: Rules
    plan: Plan
    level: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One piece of evidence and what surrounds it. ``at`` is when it is judged, by our clock."""

    evidence: Findings | Silence
    setting: Setting
    at: float

    @property
    def rules(self) -> Rules:
        """The thresholds in force."""
        return self.setting.rules

    @property
    def findings(self) -> Findings | None:
        """The evidence, if it is a frame."""
        return self.evidence if isinstance(self.evidence, Findings) else None

    @property
    def time_s(self) -> float:
        """When the evidence arose: the frame's own time base, so that a replay counts as the first time did."""
        return self.evidence.stamp.time_s if isinstance(self.evidence, Findings) else self.evidence.at

    @property
    def view(self) -> View:
        """How the beam looks in this evidence; unknown where it is no frame."""
        return self.evidence.view if isinstance(self.evidence, Findings) else View.UNKNOWN

    @property
    def level(self) -> str | None:
        """The level that is being looked at."""
        own = level_of(self.evidence, self.setting.plan) if isinstance(self.evidence, Findings) else None
        return own or self.setting.level or self.setting.plan.level

    @property
    def seen(self) -> Seen | None:
        """The frame as an alert names it."""
        return seen_of(self.evidence.stamp, self.at) if isinstance(self.evidence, Findings) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What makes two findings the same condition; cement is the same whichever source shows it, trouble is one source's own."""

    kind: Kind
    zone: Zone | None = None
    side: Side | None = None
    cause: TechnicalCause | None = None
    level: str | None = None
    source: str | None = None

    @property
    def is_told(self) -> bool:
        """Whether ``Silence`` tells this cause, and no frame."""
        return self.cause is not None and self.cause not in FRAME_CAUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """Condition and signal of one key, with what each eye has seen between them. The condition is that of the eye that shows most.

    ``beside`` is what other views show of the same leak over a place of another name.
    """

    key: Key
    condition: Condition = Condition.ABSENT
    signal: Signal = Signal.OFF
    eyes: tuple[Eye, ...] = ()
    beside: tuple[Claim, ...] = ()
    rank: Rank = (0, 0)
    occurrence: int = 0
    alert: Alert | None = None
    paused_until: float | None = None
    ended_s: float | None = None
    sounds_since: float | None = None

    @property
    def state(self) -> str:
        """Condition and signal in one word, as journal entries write them."""
        return f"{self.told_condition}/{self.signal}"

    @property
    def told_condition(self) -> Condition:
        """The condition as operators are told of it: a glimpse is nothing yet."""
        return Condition.PRESENT if self.condition is Condition.PRESENT else Condition.ABSENT

    @property
    def is_active(self) -> bool:
        """Whether a screen must still show it."""
        return self.condition is Condition.PRESENT or self.signal is not Signal.OFF

    @property
    def first_frame(self) -> Seen | None:
        """The first evidence of all eyes."""
        firsts = [eye.first_frame for eye in self.eyes if eye.first_frame is not None]
        return min(firsts, key=lambda seen: seen.judged_at, default=None)

    def is_about(self, moment: Moment) -> bool:
        """Whether this evidence can have a say in it: what silence tells no frame does, and trouble is one source's own."""
        if self.key.is_told and moment.findings is not None:
            return False
        return self.key.source in {None, moment.setting.source}

    def eye_of(self, moment: Moment) -> Eye:
        """The eye that this evidence comes from; for trouble a source has but one."""
        blank = Eye(source=moment.setting.source, view=View.UNKNOWN if self.key.kind is Kind.TECHNICAL else moment.view)
        return next((eye for eye in self.eyes if (eye.source, eye.view) == (blank.source, blank.view)), blank)

    def with_eye(self, eye: Eye) -> Concern:
        """The concern after one eye has looked; its condition follows."""
        eyes = with_eye(self.eyes, eye)
        return replace(self, eyes=eyes, condition=worst_condition(eyes))

    def need(self, rules: Rules) -> Need:
        """The N, M and end window of this concern."""
        return AT_ONCE if self.key.is_told else need_of(self.key.kind, self.key.zone, self.key.cause, rules)


def seen_of(stamp: Stamp, at: float) -> Seen:
    """A frame as an alert names it."""
    return Seen(
        sop_instance_uid=stamp.sop_instance_uid,
        index=stamp.index,
        acquired_at=stamp.acquired_at,
        received_at=stamp.received_at,
        judged_at=at,
    )


def key_of(claim: Claim, level: str | None, source: str) -> Key:
    """The condition that a claim of one source speaks of. Superior and inferior disc are two; other sides are directions of one."""
    is_technical = claim.kind is Kind.TECHNICAL
    return Key(
        kind=claim.kind,
        zone=claim.zone,
        side=claim.side if claim.zone is Zone.DISC else None,
        cause=claim.technical_cause,
        level=None if is_technical else level,
        source=source if is_technical else None,
    )


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
    is_recent = concern.ended_s is not None and abs(moment.time_s - concern.ended_s) <= moment.rules.repeat_s
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
    alert = replace(concern.alert, witnesses=() if is_technical else witnesses_of(concern.eyes))
    eye = spokesman(concern.eyes, moment.at, moment.rules.valid_s)
    if eye is not None and eye.claim is not None:
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
                    *map(over, concern.beside),
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


def shown(concern: Concern) -> Concern:
    """The concern whose alert shows its condition and signal."""
    if concern.alert is None:
        return concern
    return replace(concern, alert=replace(concern.alert, condition=concern.told_condition, signal=concern.signal))
