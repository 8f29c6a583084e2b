"""The frames that a report shows: where each alert about cement began, and how each view looked last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from db import queries
from db.connect import Engine
from detection.picture import Gray8, draw
from detection.vocabulary import Entry, Kind, Priority
from service.api import procedure_wire
from service.marks import marks_of
from service.printout.parts import Picture
from service.printout.record import moment, words_of

MOST = 9
"""Key frames of a report: three rows of three."""
WIDTH_PX = 480
ORDER = (Priority.HIGH, Priority.MEDIUM, Priority.LOW)


class Shown(NamedTuple):
    """One frame of a report: its FRAME_SEEN line, None where the journal has none, and what is said of it."""

    entry: Entry | None
    words: str


def shown_of(engine: Engine, report: procedure_wire.Report) -> tuple[Shown, ...]:
    """The most urgent first, the last judged frame last."""
    words_by_frame: dict[tuple[str, int], list[str]] = {}
    alerts = [alert for alert in report.alerts if alert.kind is not Kind.TECHNICAL]
    for alert in sorted(alerts, key=lambda each: (ORDER.index(each.priority), each.raised_at)):
        frame = alert.raised_frame or alert.first_frame
        if frame is not None:
            key = (frame.sop_instance_uid, frame.index)
            if len(words_by_frame) < MOST - 1 or key in words_by_frame:
                words = f"{moment(alert.raised_at)}, {alert.priority}: {alert.message}"
                words_by_frame.setdefault(key, []).append(words)
    newest = queries.latest_frame(engine, report.procedure.id)
    if newest is not None and newest.frame is not None:
        words = f"The last judged frame, {words_of(str(newest.data.get('view')))} view."
        words_by_frame.setdefault((newest.frame.sop_instance_uid, newest.frame.index), []).append(words)
    return tuple(
        Shown(queries.frame_entry(engine, uid, index, report.procedure.id), " ".join(words))
        for (uid, index), words in words_by_frame.items()
    )


def pictures_of(shown: Sequence[Shown], gray_of: Callable[[Entry], Gray8 | None]) -> tuple[Picture, ...]:
    """The frames drawn; one whose object is no longer kept has words and no picture."""
    return tuple(Picture(jpeg=_jpeg(each.entry, gray_of), words=each.words) for each in shown)


def _jpeg(entry: Entry | None, gray_of: Callable[[Entry], Gray8 | None]) -> bytes | None:
    gray = None if entry is None else gray_of(entry)
    return None if gray is None or entry is None else draw(gray, marks_of(entry.data), width=WIDTH_PX)
