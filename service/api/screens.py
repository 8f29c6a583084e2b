"""What screens show besides the journal: alerts that it could not take, and a source that nobody judges any more."""

from __future__ import annotations

from uuid import uuid5

from db.heartbeat import Heartbeat
from detection.priorities import TECHNICAL_PRIORITIES
from detection.showing import ALERTS
from detection.vocabulary import Alert, Condition, Kind, Mode, Signal, TechnicalCause, Validity
from detection.wording import TECHNICAL
from dicom_gateway.callers import REPLAY_CALLER
from service.api import wire
from service.api.answers import STOPPED_AFTER_S, alert_of, sources_of
from service.api.pulse import Beat
from service.cases import ACTIVE_S
from service.unlogged import Told, fresher


def beats_now(beat: Beat, now: float) -> tuple[Heartbeat, ...]:
    """The newest heartbeat of each source, whichever way it came."""
    return fresher(beat.sources, _current(beat, now))


def sources_now(beat: Beat, now: float) -> list[wire.Source]:
    """How each source stands."""
    return sources_of(beats_now(beat, now), now)


def journal_trouble(beat: Beat, now: float) -> str | None:
    """Why alerts may be missing from the journal; None when it can be read and written."""
    return beat.trouble or next((told.words for told in _current(beat, now)), None)


def unlogged_alerts(beat: Beat, now: float, procedure: str | None = None) -> list[wire.Alert]:
    """Alerts that must be shown although the journal does not have them.

    Those that it could not take; while it cannot be read, every alert that stands; and one for each active source
    that nobody has judged for three seconds. Their number is that of the journal's last change: no cursor moves.
    """
    shown = [
        alert_of(beat.alerts_head, alert)
        for told in _current(beat, now)
        for alert in told.alerts
        if beat.trouble is not None or alert.id in told.unlogged
    ]
    shown += [alert_of(beat.alerts_head, stopped(each)) for each in beats_now(beat, now) if _has_stopped(each, now)]
    wanted = (alert for alert in shown if procedure in {None, alert.procedure})
    return [alert.model_copy(update={"unlogged": True}) for alert in wanted]


def stopped(beat: Heartbeat) -> Alert:
    """The alarm that no analysis can raise: its own end. The same for every screen that asks."""
    cause = TechnicalCause.ANALYSIS_STOPPED
    at = beat.beat_at + STOPPED_AFTER_S
    return Alert(
        id=str(uuid5(ALERTS, f"{beat.procedure}|{beat.source}|{cause}|{beat.beat_at!r}")),
        procedure=beat.procedure or "",
        source=beat.source,
        kind=Kind.TECHNICAL,
        zone=None,
        side=None,
        priority=TECHNICAL_PRIORITIES[cause],
        condition=Condition.PRESENT,
        validity=Validity.VALID,
        signal=Signal.ON,
        view=beat.view,
        level=None,
        mode=Mode.LIVE,
        message=TECHNICAL[cause],
        first_frame=None,
        raised_frame=None,
        last_frame=None,
        area_mm2=None,
        length_mm=None,
        distance_to_wall_mm=None,
        speed_mm_s=None,
        seconds_to_wall=None,
        volume_ml=None,
        trust=None,
        outline=(),
        raised_at=at,
        changed_at=at,
        acknowledged_by=None,
        technical_cause=cause,
    )


def _has_stopped(beat: Heartbeat, now: float) -> bool:
    """Whether a source of an active case has been without analysis for too long; a replay may end as it likes."""
    is_active = beat.procedure is not None and beat.last_frame_at is not None
    is_active = is_active and beat.beat_at - (beat.last_frame_at or 0.0) < ACTIVE_S
    return is_active and now - beat.beat_at > STOPPED_AFTER_S and not REPLAY_CALLER.fullmatch(beat.source)


def _current(beat: Beat, now: float) -> list[Told]:
    """What is said past the journal right now: not what was said before a sign of life that the journal took."""
    if not beat.told:
        return []
    logged = {each.source: each.beat_at for each in beat.sources}
    return [
        told
        for source, told in beat.told.items()
        if told.is_current(now) and told.beat.beat_at >= logged.get(source, 0.0)
    ]
