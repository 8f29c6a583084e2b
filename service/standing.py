"""How each source stands, for the screens, and whether an archive is in trouble."""

from __future__ import annotations

from db.deliveries import Standing
from db.heartbeat import Heartbeat, SourceState
from detection.vocabulary import Sight, TechnicalCause, View
from service.cases import Watched, state_of
from service.lines import Line
from service.settings import Settings


def beat_of(
    line: Line, watched: Watched | None, causes: frozenset[TechnicalCause], now: float, sight: Sight
) -> Heartbeat:
    """The heartbeat of one source; ``sight`` is that of its procedure."""
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
        sight=sight,
    )


def in_trouble(standing: Standing, now: float, settings: Settings) -> str | None:
    """What is wrong with a destination, in words; None while nothing is, or not for long."""
    late_after_s = settings.forward_late_after_s
    if standing.n_refused:
        return f"archive {standing.name} has refused {standing.n_refused} objects"
    if standing.failing_since is not None and standing.n_waiting and now - standing.failing_since > late_after_s:
        return f"archive {standing.name}: {standing.reason} for {(now - standing.failing_since) / 60:.0f} min"
    if standing.waiting_since is not None and now - standing.waiting_since > late_after_s:
        return f"archive {standing.name} lacks objects of {(now - standing.waiting_since) / 60:.0f} min ago"
    if standing.sent_since is not None and now - standing.sent_since > settings.commitment_within_s + late_after_s:
        return f"archive {standing.name} has not committed to objects of {(now - standing.sent_since) / 3600:.0f} h ago"
    return None
