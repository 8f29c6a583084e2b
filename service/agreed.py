"""What the operator agreed with the system the first time, for a replay to take up at the same frames."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from db import procedures, queries
from db.connect import Engine
from detection.vocabulary import Entry, EntryType

Agreed = Mapping[tuple[str, int] | None, tuple[Entry, ...]]
"""Landmarks as set the first time, by the frame (SOP Instance UID and index) judged before them; None: before any."""

PAGE = 500


def agreed_before(engine: Engine, replay: str) -> Agreed:
    """What was agreed in the procedure that ``replay``, itself a procedure, plays again; empty when it is not known."""
    again = procedures.procedure(engine, replay)
    studies = again.study_instance_uids if again is not None else ()
    first = procedures.find_procedure(engine, studies[0]) if studies else None
    plans = queries.log_of(engine, first.id, 0, (EntryType.PLAN_SET,), PAGE) if first is not None else []
    if first is None or not plans:
        return {}
    agreed: dict[tuple[str, int] | None, list[Entry]] = defaultdict(list)
    waiting, last = list(plans), None
    for frame in _frames(engine, first.id):
        heard_to = int(frame.data.get("acts_to", 0))
        while waiting and (waiting[0].number or 0) <= heard_to:
            agreed[last].append(waiting.pop(0))
        if frame.frame is not None:
            last = (frame.frame.sop_instance_uid, frame.frame.index)
    return {name: tuple(entries) for name, entries in agreed.items()}


def _frames(engine: Engine, procedure: str) -> list[Entry]:
    frames: list[Entry] = []
    while page := queries.frames_of(engine, procedure, frames[-1].number or 0 if frames else 0, PAGE):
        frames += page
    return frames
