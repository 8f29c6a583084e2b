"""How each source stands, for the screens: one row each, overwritten at every beat."""

from __future__ import annotations

from db.heartbeat import Heartbeat, SourceState
from detection.vocabulary import TechnicalCause, View
from service.cases import Watched, state_of
from service.lines import Line


def beat_of(line: Line, watched: Watched | None, causes: frozenset[TechnicalCause], now: float) -> Heartbeat:
    """The heartbeat of one source."""
    last = watched.case.last if watched else None
    is_late = TechnicalCause.ANALYSIS_LATE in causes
    return Heartbeat(
        source=line.source,
        procedure=watched.case.procedure if watched else None,
        state=state_of(watched, now, is_late=is_late) if watched else SourceState.IDLE,
        last_frame_at=watched.last_frame_at if watched else None,
        frames_received=line.n_received,
        frames_judged=line.n_judged,
        frames_skipped=line.n_skipped,
        view=last.view if last else View.UNKNOWN,
        zones_watched=last.zones_watched if last else (),
        zones_not_visible=last.zones_not_visible if last else (),
        flags=last.flags if last else frozenset(),
        beat_at=now,
    )
