"""How urgent is what: the priorities of the alarm design as tables, and which flag tells which cause."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from detection.vocabulary import Flag, Priority, TechnicalCause, Zone

LOW, MEDIUM, HIGH = Priority.LOW, Priority.MEDIUM, Priority.HIGH


class Pace(StrEnum):
    """How the cement of one place behaves over the last seconds."""

    STILL = "still"
    GROWING = "growing"
    FAST = "fast"


class Tier(StrEnum):
    """How near the front is to the posterior wall, farthest first."""

    FAR = "far"
    NEAR = "near"
    SOON = "soon"
    CONTACT = "contact"


TIER_ORDER: tuple[Tier, ...] = tuple(Tier)
"""A later tier is a higher grade and is never hidden by an earlier acknowledgement."""

Ladder = tuple[Priority, Priority, Priority]
"""Priorities for still, growing and fast cement."""

LEAK_LADDERS: Mapping[Zone, Ladder] = {
    Zone.CANAL: (HIGH, HIGH, HIGH),
    Zone.FORAMEN: (HIGH, HIGH, HIGH),
    Zone.VEIN: (MEDIUM, MEDIUM, HIGH),
    Zone.DISC: (MEDIUM, MEDIUM, MEDIUM),
    Zone.SOFT_TISSUE: (LOW, MEDIUM, MEDIUM),
    Zone.NEEDLE_TRACT: (LOW, MEDIUM, MEDIUM),
    Zone.ELSEWHERE: (MEDIUM, MEDIUM, MEDIUM),
}
"""Zones that no piece of cement should reach. A large residue counts as growing."""

UNPLACED_LADDER: Ladder = (LOW, LOW, MEDIUM)
"""Cement while the body is not known: it may well lie inside, and BODY_NOT_FOUND says that zones are off."""

UNSURE_LADDERS: Mapping[Zone, Ladder] = {
    **LEAK_LADDERS,
    Zone.VEIN: (MEDIUM, MEDIUM, MEDIUM),
    Zone.ELSEWHERE: UNPLACED_LADDER,
}
"""Cement outside a body whose outline is uncertain: audible, but HIGH only for what is feared most; far from it its place has no name."""

VANISHED_PRIORITIES: Mapping[Zone, Priority] = {
    Zone.CANAL: HIGH,  # epidural veins lie in the canal, foraminal veins in the foramen
    Zone.FORAMEN: HIGH,
    Zone.VEIN: HIGH,
    Zone.DISC: LOW,
    Zone.SOFT_TISSUE: LOW,
    Zone.NEEDLE_TRACT: LOW,
    Zone.ELSEWHERE: MEDIUM,
}

TIER_PRIORITIES: Mapping[Tier, Priority] = {
    Tier.FAR: LOW,
    Tier.NEAR: MEDIUM,
    Tier.SOON: MEDIUM,
    Tier.CONTACT: MEDIUM,  # HIGH is kept for cement that is in the canal
}

TECHNICAL_PRIORITIES: Mapping[TechnicalCause, Priority] = {
    TechnicalCause.NO_FRAMES: MEDIUM,
    TechnicalCause.ANALYSIS_LATE: MEDIUM,
    TechnicalCause.ANALYSIS_STOPPED: MEDIUM,
    TechnicalCause.DECODER_FAILURE: MEDIUM,
    TechnicalCause.FRAMES_UNFIT: MEDIUM,
    TechnicalCause.VIEW_UNKNOWN: MEDIUM,
    TechnicalCause.BODY_NOT_FOUND: MEDIUM,
    TechnicalCause.BODY_UNCERTAIN: MEDIUM,
    TechnicalCause.FIELD_COLLIMATED: MEDIUM,
    TechnicalCause.SCALE_UNKNOWN: LOW,
    TechnicalCause.POLARITY_UNCERTAIN: MEDIUM,
    TechnicalCause.MOTION_NOT_TRUSTED: MEDIUM,
    TechnicalCause.EXPOSURE_STEP: LOW,
    TechnicalCause.VIEW_CHANGED: LOW,
    TechnicalCause.CONTRAST_AGENT: LOW,
    TechnicalCause.BORDER_OBJECT: LOW,
    TechnicalCause.BALLOON: LOW,
    TechnicalCause.BALLOON_GONE: LOW,
    TechnicalCause.DISK_FILLING: LOW,
    TechnicalCause.FORWARD_QUEUE: LOW,
    TechnicalCause.JOURNAL_FAILING: MEDIUM,
}
"""MEDIUM: cementwatch may be blind or its record is at risk. LOW: it sees, with less to say."""

FLAG_CAUSES: Mapping[Flag, TechnicalCause] = {
    Flag.VIEW_UNKNOWN: TechnicalCause.VIEW_UNKNOWN,
    Flag.BODY_NOT_FOUND: TechnicalCause.BODY_NOT_FOUND,
    Flag.BODY_UNCERTAIN: TechnicalCause.BODY_UNCERTAIN,
    Flag.ZONE_COLLIMATED: TechnicalCause.FIELD_COLLIMATED,
    Flag.SCALE_UNKNOWN: TechnicalCause.SCALE_UNKNOWN,
    Flag.POLARITY_UNCERTAIN: TechnicalCause.POLARITY_UNCERTAIN,
    Flag.MOTION_NOT_TRUSTED: TechnicalCause.MOTION_NOT_TRUSTED,
    Flag.EXPOSURE_STEP: TechnicalCause.EXPOSURE_STEP,
    Flag.NEW_SCENE: TechnicalCause.VIEW_CHANGED,
    Flag.CONTRAST_AGENT: TechnicalCause.CONTRAST_AGENT,
    Flag.BORDER_OBJECT: TechnicalCause.BORDER_OBJECT,
    Flag.BALLOON: TechnicalCause.BALLOON,
    Flag.BALLOON_GONE: TechnicalCause.BALLOON_GONE,
}

SILENT_FLAGS: frozenset[Flag] = frozenset({
    Flag.NO_FIELD, Flag.TOO_DARK, Flag.SATURATED, Flag.NO_DETAIL, Flag.DUPLICATE,
    Flag.REFERENCE_BUILDING, Flag.SUBTRACTED, Flag.LOSSY, Flag.BIG_OBJECT,
})  # fmt: skip
"""Flags that raise nothing by themselves: an unfit frame counts towards FRAMES_UNFIT."""

FRAME_CAUSES: frozenset[TechnicalCause] = frozenset({*FLAG_CAUSES.values(), TechnicalCause.FRAMES_UNFIT})
"""Causes told by frames; all others are told by ``Silence``."""
