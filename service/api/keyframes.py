"""The frames that a report shows: where each alert about cement began, and how each view looked last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from db import queries
from detection.picture import draw
from detection.vocabulary import Entry, Kind, Priority
from service.api import wire
from service.api.deps import Deps
from service.api.errors import Refused
from service.api.pictures import Shelf, marks_of
from service.printout.parts import Picture
from service.printout.record import moment, words_of

MOST = 9
"""Key frames of a report: three rows of three."""
WIDTH_PX = 480
ORDER = (Priority.HIGH, Priority.MEDIUM, Priority.LOW)


def keyframes_of(deps: Deps, shelf: Shelf, report: wire.Report) -> tuple[Picture, ...]:
    """The most urgent first, the last judged frame last; one whose object is no longer kept has words and no picture."""
    shown: dict[tuple[str, int], list[str]] = {}
    alerts = [alert for alert in report.alerts if alert.kind is not Kind.TECHNICAL]
    for alert in sorted(alerts, key=lambda each: (ORDER.index(each.priority), each.raised_at)):
        frame = alert.raised_frame or alert.first_frame
        if frame is not None and (len(shown) < MOST - 1 or (frame.sop_instance_uid, frame.index) in shown):
            words = f"{moment(alert.raised_at)}, {alert.priority}: {alert.message}"
            shown.setdefault((frame.sop_instance_uid, frame.index), []).append(words)
    newest = queries.latest_frame(deps.engine, report.procedure.id)
    if newest is not None and newest.frame is not None:
        words = f"The last judged frame, {words_of(str(newest.data.get('view')))} view."
        shown.setdefault((newest.frame.sop_instance_uid, newest.frame.index), []).append(words)
    return tuple(_pictures(deps, shelf, report.procedure.id, shown))


def _pictures(
    deps: Deps, shelf: Shelf, procedure: str, shown: Mapping[tuple[str, int], list[str]]
) -> Iterator[Picture]:
    for (uid, index), words in shown.items():
        entry = queries.frame_entry(deps.engine, uid, index, procedure)
        yield Picture(jpeg=None if entry is None else _jpeg(deps, shelf, entry), words=" ".join(words))


def _jpeg(deps: Deps, shelf: Shelf, entry: Entry) -> bytes | None:
    try:
        gray = shelf.get(deps, int(entry.data["arrival"]), entry.frame.index if entry.frame else 0)
    except Refused:
        return None
    return draw(gray, marks_of(entry.data), width=WIDTH_PX)
