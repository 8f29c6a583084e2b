"""N of M: what the last frames said about one place, and whether that is enough.

A look is one valid answer about the place: cement seen there with this rank and size, or nothing seen on a
frame that could have shown it. Frames that could not answer are no looks, so they neither raise nor end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from detection.claims import Claim
from detection.priorities import TIER_ORDER, Pace
from detection.rules import Rules
from detection.vocabulary import PRIORITY_ORDER, Kind, Priority, Side, TechnicalCause, Zone

Rank = tuple[int, int]
"""Index of the priority, then of the tier: a larger rank is worse."""

URGENT_ZONES = frozenset({Zone.CANAL, Zone.FORAMEN, Zone.VEIN})
EVENT_CAUSES = frozenset({TechnicalCause.VIEW_CHANGED, TechnicalCause.EXPOSURE_STEP, TechnicalCause.BALLOON_GONE})
"""Flagged on the one frame where they happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """How many looks make a condition present, and how many in a row over what time end it."""

    n: int
    m: int
    end_n: int
    end_s: float


AT_ONCE = Need(n=1, m=1, end_n=1, end_s=0.0)
"""For causes that are known and not seen: true when said, gone when no longer said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one valid frame said about one place; rank None: nothing there."""

    time_s: float
    rank: Rank | None = None
    size_mm2: float = 0.0
    reach_mm: float = 0.0
    share: float | None = None
    sides: frozenset[Side] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sightings:
    """The last looks at one place, newest last, and how long it has been clear."""

    looks: tuple[Look, ...] = ()
    n_clear: int = 0
    clear_since_s: float | None = None

    def with_look(self, look: Look, need: Need, rules: Rules) -> Sightings:
        """One look more; looks older than both M and the growing window are forgotten."""
        oldest_s = look.time_s - rules.growing_window_s
        older = self.looks[: max(0, len(self.looks) + 1 - need.m)]
        kept = (*(old for old in older if old.time_s >= oldest_s), *self.looks[len(older) :])
        if look.rank is not None:
            return Sightings(looks=(*kept, look))
        since = look.time_s if self.clear_since_s is None else self.clear_since_s
        return replace(self, looks=(*kept, look), n_clear=self.n_clear + 1, clear_since_s=since)

    def is_seen(self) -> bool:
        """Whether the newest look saw it."""
        return bool(self.looks) and self.looks[-1].rank is not None

    def is_enough(self, need: Need) -> bool:
        """Whether N of the last M looks saw it."""
        return len(self._seen(need)) >= need.n

    def is_forgotten(self, need: Need) -> bool:
        """Whether none of the last M looks saw it."""
        return not self._seen(need)

    def is_cleared(self, need: Need) -> bool:
        """Whether enough valid frames in a row, over enough time, were without it."""
        if self.clear_since_s is None or self.n_clear < need.end_n:
            return False
        return self.looks[-1].time_s - self.clear_since_s >= need.end_s

    def lasting_rank(self, need: Need) -> Rank | None:
        """The worst rank that N of the last M looks reached."""
        ranks = sorted((look.rank for look in self._seen(need) if look.rank is not None), reverse=True)
        return ranks[need.n - 1] if len(ranks) >= need.n else None

    def lasting_sides(self, need: Need) -> frozenset[Side]:
        """The sides that N of the last M looks named."""
        seen = self._seen(need)
        return frozenset(side for side in Side if sum(side in look.sides for look in seen) >= need.n)

    def steady_size_mm2(self, need: Need) -> float:
        """Size as the median of the last three sightings, deaf to one bad outline."""
        return median([look.size_mm2 for look in self._seen(need)[-3:]] or [0.0])

    def steady_share(self, need: Need) -> float | None:
        """Distance to the wall as a share of the depth, likewise."""
        shares = [look.share for look in self._seen(need)[-3:] if look.share is not None]
        return median(shares) if shares else None

    def _seen(self, need: Need) -> tuple[Look, ...]:
        return tuple(look for look in self.looks[-need.m :] if look.rank is not None)


def need_of(kind: Kind, zone: Zone | None, cause: TechnicalCause | None, rules: Rules) -> Need:
    """The N, M and end window of one kind of condition that frames tell."""
    if kind is Kind.TECHNICAL:
        n, m = rules.technical_n, rules.technical_m
        if cause in EVENT_CAUSES:
            n, m = rules.event_n, rules.event_n
        if cause is TechnicalCause.FRAMES_UNFIT:
            n, m = rules.unfit_n, rules.unfit_m
        return Need(n=n, m=m, end_n=rules.technical_end_n, end_s=rules.end_s)
    if kind is Kind.APPROACH:
        return Need(n=rules.approach_n, m=rules.approach_m, end_n=rules.approach_end_n, end_s=rules.end_s)
    n, m = (rules.urgent_n, rules.urgent_m) if zone in URGENT_ZONES else (rules.leak_n, rules.leak_m)
    if kind is Kind.VANISHED:
        n, m = rules.vanished_n, rules.vanished_m
    return Need(n=n, m=m, end_n=rules.leak_end_n, end_s=rules.end_s)


def look_at(claim: Claim, pace: Pace, time_s: float) -> Look:
    """A sighting as the counters keep it."""
    tier = TIER_ORDER.index(claim.tier) if claim.tier is not None else 0
    return Look(
        time_s=time_s,
        rank=(PRIORITY_ORDER.index(claim.priority_at(pace)), tier),
        size_mm2=claim.size_mm2,
        reach_mm=claim.reach_mm,
        share=claim.front.share if claim.front is not None else None,
        sides=claim.sides,
    )


def priority_of(rank: Rank) -> Priority:
    """The priority that a rank stands for."""
    return PRIORITY_ORDER[rank[0]]


def pace_of(claim: Claim, looks: Sequence[Look], time_s: float, rules: Rules) -> Pace:
    """How this cement behaves over the growing window, this frame included; still when too little is known."""
    window = [
        look for look in looks if look.rank is not None and time_s - rules.growing_window_s <= look.time_s < time_s
    ]
    if _is_fast(claim, window, time_s, rules):
        return Pace.FAST
    sizes = [*(look.size_mm2 for look in window), claim.size_mm2]
    n_end = min(3, len(sizes) // 2)
    if claim.has_run and claim.first_seen_s is not None and time_s - claim.first_seen_s <= rules.growing_window_s:
        return Pace.GROWING
    if n_end < 2:
        return Pace.STILL
    before, now = median(sizes[:n_end]), median(sizes[-n_end:])
    is_growing = now - before >= max(rules.growing_mm2, rules.growing_share * before)
    return Pace.GROWING if is_growing else Pace.STILL


def _is_fast(claim: Claim, window: Sequence[Look], time_s: float, rules: Rules) -> bool:
    """Whether the tip ran off: far and fast since the start of the window, or since it came out of nothing within it."""
    if not window or claim.first_seen_s is None:
        return False
    origin_s, origin_mm = window[0].time_s, window[0].reach_mm
    if time_s - rules.growing_window_s <= claim.first_seen_s < time_s:
        origin_s, origin_mm = claim.first_seen_s, 0.0
    gone_mm = claim.reach_mm - origin_mm
    return gone_mm >= rules.runoff_mm and gone_mm >= rules.runoff_mm_s * (time_s - origin_s)
