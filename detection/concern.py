"""One thing that may deserve an alarm: its condition, its signal, and the alert that shows both."""

from __future__ import annotations

from dataclasses import dataclass, replace

from detection.claims import Claim, level_of
from detection.eyes import Eye, eye_at, with_eye, worst_condition
from detection.priorities import FRAME_CAUSES
from detection.rules import Rules
from detection.sightings import AT_ONCE, Need, Rank, need_of
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
    View,
    Zone,
)


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
class Ending:
    """When a condition was last over: by the frames of the source that ended it, and by our clock."""

    source: str
    time_s: float
    at: float

    def s_until(self, moment: Moment) -> float:
        """How long before this moment: of one source by its own frames' times, else by our clock, for the two may be far apart."""
        is_own = moment.setting.source == self.source
        return abs(moment.time_s - self.time_s) if is_own else abs(moment.at - self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """Condition and signal of one key, with what each eye has seen between them. The condition is that of the eye that shows most.

    ``beside`` is what other views show of the same leak over a place of another name.
    """

    key: Key
    condition: Condition = Condition.ABSENT
    signal: Signal = Signal.OFF
    eyes: tuple[Eye, ...] = ()
    beside: tuple[Eye, ...] = ()
    rank: Rank = (0, 0)
    occurrence: int = 0
    alert: Alert | None = None
    paused_until: float | None = None
    ended: Ending | None = None
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
        view = View.UNKNOWN if self.key.kind is Kind.TECHNICAL else moment.view
        return eye_at(self.eyes, moment.setting.source, view)

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
