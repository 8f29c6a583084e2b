"""When frames were made (PS3.3 C.7.6.5)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from dicom_gateway.told import Told

DEFAULT_FRAME_RATE = 7.5
MAX_TOLD = 100_000
"""More frames than this are refused anyway; their times are not worked out."""
_MOMENT = re.compile(r"(\d{14})(?:\.(\d{1,6}))?([+-]\d{4})?")
_ZONE = re.compile(r"[+-]\d{4}")


def acquired_at(told: Told) -> float | None:
    """When the device says the first frame was made, seconds since 1970; without a zone, the zone of this machine."""
    zone = told.text("TimezoneOffsetFromUTC")
    if whole := told.text("AcquisitionDateTime"):
        return parse_time(whole, zone)
    for day, hour in (("AcquisitionDate", "AcquisitionTime"), ("ContentDate", "ContentTime")):
        if told.text(day) and told.text(hour):
            return parse_time(told.text(day).replace(".", "") + told.text(hour).replace(":", ""), zone)
    return None


def parse_time(text: str, zone: str = "") -> float | None:
    """Seconds since 1970 of a DICOM date and time, or None when it does not say at least the second."""
    found = _MOMENT.fullmatch(text.strip())
    if not found:
        return None
    offset = found[3] or zone.strip()
    try:
        moment = datetime.strptime(found[1], "%Y%m%d%H%M%S")
        if _ZONE.fullmatch(offset):
            moment = datetime.strptime(found[1] + offset, "%Y%m%d%H%M%S%z").astimezone(UTC)
        return moment.timestamp() + float(f"0.{found[2] or 0}")
    except (ValueError, OverflowError, OSError):
        return None


def frame_offsets(told: Told, n_frames: int, default_rate: float) -> tuple[tuple[float, ...], str]:
    """Seconds of each frame after the first, and the element that told them, most trusted first."""
    if not 1 < n_frames <= MAX_TOLD:
        return (0.0,), "single"
    if offsets := _from_each_frame(told, n_frames):
        return offsets, "FrameReferenceDateTime"
    if offsets := _from_vector(told.numbers("FrameTimeVector"), n_frames):
        return offsets, "FrameTimeVector"
    word, period = _told_period(told) or ("default", 1 / default_rate)
    return tuple(index * period for index in range(n_frames)), word


def period_of(told: Told, n_frames: int) -> float | None:
    """Seconds between the single images of a run, if one of them tells; None for an object that holds several frames."""
    period = _told_period(told) if n_frames == 1 else None
    return None if period is None else period[1]


def _told_period(told: Told) -> tuple[str, float] | None:
    """The element that tells how far apart frames are, most trusted first, and the seconds."""
    periods = (
        ("FrameTime", (told.number("FrameTime") or 0.0) / 1000),
        ("CineRate", _period(told.number("CineRate"))),
        ("RecommendedDisplayFrameRate", _period(told.number("RecommendedDisplayFrameRate"))),
    )
    return next((each for each in periods if each[1] > 0), None)


def _from_vector(steps_ms: tuple[float, ...], n_frames: int) -> tuple[float, ...]:
    """Increments in ms, the first of which counts for nothing; empty when they are not one per frame."""
    if len(steps_ms) != n_frames or min(steps_ms) < 0 or sum(steps_ms[1:]) == 0:
        return ()
    at, offsets = 0.0, [0.0]
    for step in steps_ms[1:]:
        at += step / 1000
        offsets.append(at)
    return tuple(offsets)


def _from_each_frame(told: Told, n_frames: int) -> tuple[float, ...]:
    """From the times that an enhanced object tells for each frame; empty when it does not for all, in order."""
    zone = told.text("TimezoneOffsetFromUTC")
    times = []
    for group in told.items("PerFrameFunctionalGroupsSequence"):
        content = group.first("FrameContentSequence")
        text = "" if content is None else content.text("FrameReferenceDateTime", "FrameAcquisitionDateTime")
        times.append(parse_time(text, zone))
    known = [at for at in times if at is not None]
    if len(known) != n_frames or known != sorted(known):
        return ()
    return tuple(at - known[0] for at in known)


def _period(rate: float | None) -> float:
    return 1 / rate if rate and rate > 0 else 0.0
