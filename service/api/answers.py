"""From our nouns to the shapes of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from db.convert import alert_from
from db.dose import Dose
from db.heartbeat import Heartbeat, SourceState
from db.procedures import Procedure
from db.queries import Counts, Latencies, Measurement
from db.schedule import Performed
from detection.vocabulary import Alert, Condition, Entry, Glance, Seen, Witness
from service.api import procedure_wire, wire

DOSE_TOTALS = ("air_kerma_mgy", "dose_area_product_gy_cm2", "fluoroscopy_s")
STOPPED_AFTER_S = 3.0
"""Without a sign of life for this long, a source counts as not judged."""


def time_of(at: float) -> str:
    """RFC 3339 in UTC with offset, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def time_or_none(at: float | None) -> str | None:
    """As ``time_of``; unknown stays unknown."""
    return None if at is None else time_of(at)


def frame_of(seen: Seen | None) -> wire.Frame | None:
    """A frame as an alert or entry names it."""
    if seen is None:
        return None
    return wire.Frame(
        sop_instance_uid=seen.sop_instance_uid,
        index=seen.index,
        acquired_at=time_or_none(seen.acquired_at),
        received_at=time_of(seen.received_at),
        judged_at=time_of(seen.judged_at),
    )


def alert_of(number: int, alert: Alert) -> wire.Alert:
    """An alert as screens show it; a condition that is not there any more is called ended."""
    is_over = alert.condition is Condition.ABSENT
    names = ("id", "procedure", "source", "kind", "zone", "side", "priority", "validity", "signal", "view", "level")
    more = ("mode", "message", "area_mm2", "length_mm", "distance_to_wall_mm", "speed_mm_s", "trust")
    last = ("acknowledged_by", "technical_cause")
    plain = {name: getattr(alert, name) for name in (*names, *more, *last)}
    to_wall, volume = alert.seconds_to_wall, alert.volume_ml
    return wire.Alert(
        **plain,
        number=number,
        condition="ended" if is_over else alert.condition,
        first_frame=frame_of(alert.first_frame),
        raised_frame=frame_of(alert.raised_frame),
        last_frame=frame_of(alert.last_frame),
        seconds_to_wall=to_wall and wire.Interval(value=to_wall.value, low=to_wall.low, high=to_wall.high),
        volume_ml=volume and wire.Band(low=volume.low, high=volume.high),
        outline=list(alert.outline),
        escalation=alert.escalation,
        witnesses=list(map(witness_of, alert.witnesses)),
        raised_at=time_of(alert.raised_at),
        changed_at=time_of(alert.changed_at),
    )


def witness_of(witness: Witness) -> wire.Witness:
    """One view that has shown what an alert is about."""
    plain = ("source", "view", "priority", "side", "area_mm2", "length_mm", "trust")
    return wire.Witness(
        **{name: getattr(witness, name) for name in plain},
        condition="ended" if witness.condition is Condition.ABSENT else witness.condition,
        first_frame=frame_of(witness.first_frame),
        last_frame=frame_of(witness.last_frame),
    )


def entry_of(entry: Entry) -> wire.Entry:
    """One line of the log."""
    return wire.Entry(
        number=entry.number or 0,
        at=time_of(entry.at),
        type=entry.type.value,
        procedure=entry.procedure,
        source=entry.source,
        alert=entry.alert,
        from_=entry.from_state,
        to=entry.to_state,
        cause=entry.cause,
        actor=entry.actor,
        frame=frame_of(entry.frame),
        times={name: time_or_none(at) for name, at in entry.times.items()},
        steps_ms=steps_of(entry.times),
        data=_data_of(entry),
        hash=entry.hash,
        previous_hash=entry.previous_hash,
    )


STEPS = ("image", "received", "decoded", "judged", "written")


def steps_of(times: Mapping[str, float | None]) -> dict[str, float]:
    """Milliseconds from each moment that is known to the next, by the name of the later one.

    ``received`` after ``image`` compares two clocks, the device's and ours; the others are ours alone.
    """
    known = [(name, at) for name in STEPS if (at := times.get(name)) is not None]
    steps = {later: round(1000 * (end - start), 1) for (_, start), (later, end) in pairwise(known)}
    ours = dict(known)
    if "received" in ours and "written" in ours:
        steps["received_to_written"] = round(1000 * (ours["written"] - ours["received"]), 1)
    return steps


def _data_of(entry: Entry) -> dict[str, Any]:
    """The entry's data; the snapshot of an alert in the shape that all clients know."""
    snapshot = entry.data.get("alert")
    if not isinstance(snapshot, Mapping):
        return dict(entry.data)
    alert = alert_of(entry.number or 0, alert_from(snapshot))
    return {**entry.data, "alert": alert.model_dump(mode="json")}


def source_of(beat: Heartbeat, now: float) -> wire.Source:
    """Whether a source is being judged right now: its own word, unless that word is old."""
    is_silent = now - beat.beat_at > STOPPED_AFTER_S
    return wire.Source(
        name=beat.source,
        procedure=beat.procedure,
        state=SourceState.STOPPED if is_silent else beat.state,
        last_frame_at=time_or_none(beat.last_frame_at),
        frame_age_s=None if beat.last_frame_at is None else round(max(0.0, now - beat.last_frame_at), 3),
        frames_received=beat.frames_received,
        frames_judged=beat.frames_judged,
        frames_skipped=beat.frames_skipped,
        view=beat.view,
        zones_watched=list(beat.zones_watched),
        zones_not_visible=list(beat.zones_not_visible),
        views=[_glance_of(glance, now) for glance in beat.sight.glances],
        zones_blind=list(beat.sight.zones_blind),
        flags=sorted(beat.flags),
        beat_at=time_of(beat.beat_at),
    )


def _glance_of(glance: Glance, now: float) -> wire.Glance:
    return wire.Glance(
        source=glance.source,
        view=glance.view,
        seen_at=time_of(glance.at),
        age_s=round(max(0.0, now - glance.at), 3),
        zones_shown=list(glance.zones_shown),
    )


def sources_of(beats: Iterable[Heartbeat], now: float) -> list[wire.Source]:
    """Every source."""
    return [source_of(beat, now) for beat in beats]


def procedure_of(
    procedure: Procedure,
    counts: Counts | None = None,
    latencies: Latencies | None = None,
    told: Mapping[str, Any] = MappingProxyType({}),
) -> procedure_wire.Procedure:
    """A procedure; without counts, latencies and what else is ``told`` in lists."""
    return procedure_wire.Procedure(
        id=procedure.id,
        study_instance_uids=list(procedure.study_instance_uids),
        kind=procedure.kind,
        opened_at=time_of(procedure.opened_at),
        closed_at=time_or_none(procedure.closed_at),
        patient=dict(procedure.patient),
        levels=list(procedure.levels),
        mode=procedure.mode,
        replay=procedure.replay,
        accession_number=procedure.accession_number,
        counts=counts
        and procedure_wire.Counts(frames=counts.frames, frames_failed=counts.frames_failed, alerts=counts.alerts),
        latency_ms=latencies and procedure_wire.Latency(**asdict(latencies)),
        **told,
    )


def dose_of(reports: Sequence[Dose]) -> procedure_wire.Dose | None:
    """The sum of all reports; None without any."""
    if not reports:
        return None
    told = [[getattr(each, name) for each in reports] for name in DOSE_TOTALS]
    totals = {
        name: sum(known) if (known := [value for value in values if value is not None]) else None
        for name, values in zip(DOSE_TOTALS, told, strict=True)
    }
    return procedure_wire.Dose(
        **totals,
        events=sum(each.n_events for each in reports),
        reports=len(reports),
        planes=max(each.n_planes for each in reports),
    )


def step_of(step: Performed) -> procedure_wire.PerformedStep:
    """One step of a device."""
    return procedure_wire.PerformedStep(
        source=step.source,
        status=step.status,
        began_at=time_of(step.began_at),
        ended_at=time_or_none(step.ended_at),
    )


def measurement_of(item: Measurement) -> procedure_wire.Measurement:
    """What one judged frame measured."""
    return procedure_wire.Measurement(
        **{field.name: getattr(item, field.name) for field in fields(item) if field.name != "frame"},
        frame=frame_of(item.frame),
    )


def picture_url(sop_instance_uid: str, index: int) -> str:
    """Where the picture of a frame is."""
    return f"/api/v1/frames/{sop_instance_uid}/{index}.jpg"


def seen_frame_of(entry: Entry) -> procedure_wire.SeenFrame | None:
    """A judged frame; None for an entry that names none."""
    frame = frame_of(entry.frame)
    if frame is None:
        return None
    return procedure_wire.SeenFrame(
        number=entry.number or 0,
        frame=frame,
        source=entry.source,
        view=entry.data.get("view"),
        is_fit=entry.data.get("is_fit"),
        url=picture_url(frame.sop_instance_uid, frame.index),
    )
