"""One thing that may deserve an alarm: its condition, its signal, and the alert that shows both."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from uuid import UUID, uuid5

from detection.claims import Claim, level_of
from detection.priorities import FRAME_CAUSES, Pace
from detection.rules import Rules
from detection.sightings import AT_ONCE, Need, Rank, Sightings, need_of, priority_of
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
from detection.wording import sentence

ALERTS = UUID("6b1d3f0e-2c53-5c1f-9a54-6f0d8e1c7a42")
"""Name space of alert ids: the same case and evidence give the same ids, live or replayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """All that a verdict depends on besides evidence, acts, alarm and time."""

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
    """What makes two findings the same condition."""

    kind: Kind
    zone: Zone | None = None
    side: Side | None = None
    cause: TechnicalCause | None = None
    level: str | None = None

    @property
    def is_told(self) -> bool:
        """Whether ``Silence`` tells this cause, and no frame."""
        return self.cause is not None and self.cause not in FRAME_CAUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the operator has been told; growth is measured against it."""

    size_mm2: float = 0.0
    share: float | None = None
    sides: frozenset[Side] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """Condition and signal of one key, with the counters between them."""

    key: Key
    condition: Condition = Condition.ABSENT
    signal: Signal = Signal.OFF
    sightings: Sightings = field(default_factory=Sightings)
    rank: Rank = (0, 0)
    told: Told = field(default_factory=Told)
    view: View = View.UNKNOWN
    first_frame: Seen | None = None
    occurrence: int = 0
    alert: Alert | None = None
    paused_until: float | None = None
    valid_at: float | None = None
    valid_time_s: float | None = None
    ended_s: float | None = None
    sounds_since: float | None = None

    @property
    def state(self) -> str:
        """Condition and signal in one word, as journal entries write them."""
        return f"{self.condition}/{self.signal}"

    @property
    def is_active(self) -> bool:
        """Whether a screen must still show it."""
        return self.condition is Condition.PRESENT or self.signal is not Signal.OFF

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


def key_of(claim: Claim, level: str | None) -> Key:
    """The condition that a claim speaks of. Superior and inferior disc are two; other sides are directions of one."""
    return Key(
        kind=claim.kind,
        zone=claim.zone,
        side=claim.side if claim.zone is Zone.DISC else None,
        cause=claim.technical_cause,
        level=None if claim.kind is Kind.TECHNICAL else level,
    )


def alert_id(key: Key, occurrence: int, setting: Setting) -> str:
    """The same for the same condition of the same case, whoever judges it and when."""
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


def raised(concern: Concern, claim: Claim | None, pace: Pace, moment: Moment) -> Concern:
    """The concern with an alert: a new one, or the old one again when it is still latched or only just over."""
    old = concern.alert
    is_recent = concern.ended_s is not None and abs(moment.time_s - concern.ended_s) <= moment.rules.repeat_s
    if old is not None and (concern.signal is Signal.LATCHED or is_recent):
        return refreshed(replace(concern, alert=replace(old, acknowledged_by=None)), claim, pace, moment)
    concern = replace(concern, occurrence=concern.occurrence + 1, alert=_new_alert(concern, moment))
    return refreshed(concern, claim, pace, moment)


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


def refreshed(concern: Concern, claim: Claim | None, pace: Pace, moment: Moment) -> Concern:
    """The concern with the numbers of the latest evidence in its alert."""
    if concern.alert is None or claim is None:
        return concern
    front = claim.front
    alert = replace(
        concern.alert,
        side=claim.side,
        priority=priority_of(concern.rank),
        view=claim.view,
        level=concern.key.level,
        message=sentence(claim, pace=pace, level=concern.key.level),
        last_frame=moment.seen,
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
    return replace(concern, alert=replace(concern.alert, condition=concern.condition, signal=concern.signal))
