"""What a procedure's report holds, part by part, from the journal's side and the record's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from detection.vocabulary import EntryType, Kind
from service.api import procedure_wire
from service.clinical.remarks import Whole
from service.clinical.scores_spine import LEVELS
from service.printout.parts import Cell, Mark, Part, Picture, Pictures, Printout, Section, Span, Table, Timeline, Words
from service.printout.record import moment, sections_of, words_of

LOG_HEAD = ("number", "at", "type", "from", "to", "cause", "actor", "steps")
ALERT_HEAD = ("raised", "priority", "message", "condition", "signal", "acknowledged by")
BY_HAND = frozenset(
    {
        EntryType.INJECTION_STARTED,
        EntryType.INJECTION_STOPPED,
        EntryType.ALIQUOT,
        EntryType.RESISTANCE,
        EntryType.CEMENT_MIXED,
        EntryType.NEEDLE_PLACED,
        EntryType.STYLET,
    }
)
"""What the line of time marks beside the alerts."""


def printout_of(report: procedure_wire.Report, record: Sequence[Section], frames: Sequence[Picture]) -> Printout:
    """The report of one procedure. ``record`` is what it tells of the clinical record."""
    hidden = [
        f"{view} view: {', '.join(words_of(zone) for zone in zones) or 'none'}"
        for view, zones in report.zones_not_visible.items()
    ]
    unseen = Words(text="; ".join(hidden) or "No frame was judged.")
    return Printout(
        title="Procedure report",
        safety=report.safety,
        sections=(
            Section(title="Procedure", parts=(Table(rows=tuple(_about(report))),)),
            *record,
            Section(title="Key frames", parts=_key_frames(frames)),
            Section(title="Zones that the view cannot show, or only in part", parts=(unseen,)),
            Section(title="Alerts", parts=_alerts(report)),
            Section(title="Log", parts=(Table(head=LOG_HEAD, rows=tuple(_log(report))),)),
        ),
    )


def record_of(whole: Whole | None) -> tuple[Section, ...]:
    """The sections of the clinical record; None while it has none."""
    if whole is None:
        return (Section(title="Clinical record", parts=(Words(text="No record was made of this procedure."),)),)
    return tuple(sections_of(whole))


def _about(report: procedure_wire.Report) -> Iterator[tuple[Cell, ...]]:
    about, version = report.procedure, report.version
    yield "Procedure", about.id
    yield "Mode", about.mode
    yield "Kind", about.kind
    yield "Patient", " ".join(str(value) for value in about.patient.values() if value)
    yield "Levels", ", ".join(_levels(report))
    yield "Opened", moment(about.opened_at)
    yield "Closed", moment(about.closed_at) if about.closed_at else "still open"
    yield "Dose", _dose_in_words(about.dose)
    yield "Frames judged", about.counts.frames if about.counts else None
    yield "Report made", moment(report.made_at)
    yield "Software", f"{version.software}, algorithm {version.algorithm}, rules {version.rules}"


def _levels(report: procedure_wire.Report) -> list[str]:
    """Those that the procedure was opened for, and those that landmarks or the log name, from head to foot."""
    told = {*report.procedure.levels, *(str(entry.data.get("level")) for entry in report.log)}
    return [
        *(level for level in LEVELS if level in told),
        *(level for level in report.procedure.levels if level not in LEVELS),
    ]


def _dose_in_words(dose: procedure_wire.Dose | None) -> str:
    """The totals that are told, each with its unit."""
    if dose is None:
        return "no dose report"
    told = (
        (dose.air_kerma_mgy, "air kerma {:.1f} mGy"),
        (dose.dose_area_product_gy_cm2, "dose area product {:.2f} Gy cm²"),
        (dose.fluoroscopy_s, "fluoroscopy {:.0f} s"),
    )
    return ", ".join(words.format(value) for value, words in told if value is not None) or "the report tells no totals"


def _key_frames(frames: Sequence[Picture]) -> tuple[Part, ...]:
    return (Pictures(frames=tuple(frames)),) if frames else (Words(text="No frame was judged."),)


def _alerts(report: procedure_wire.Report) -> tuple[Part, ...]:
    if not report.alerts:
        return (Words(text="No alert was raised. No alert does not mean no leakage."),)
    rows = [
        (moment(a.raised_at), a.priority, a.message, a.condition, a.signal, a.acknowledged_by) for a in report.alerts
    ]
    return timeline_of(report), Table(head=ALERT_HEAD, rows=tuple(rows))


def timeline_of(report: procedure_wire.Report) -> Timeline:
    """From the first alert or act to the last; alerts about the system are in the table alone."""
    alerts = [alert for alert in report.alerts if alert.kind is not Kind.TECHNICAL]
    acts = [entry for entry in report.log if entry.type in BY_HAND]
    times = [*(_at(a.raised_at) for a in alerts), *(_at(a.changed_at) for a in alerts), *(_at(e.at) for e in acts)]
    first, last = min(times, default=0.0), max(times, default=0.0)

    def share(time: float) -> float:
        return (time - first) / (last - first) if last > first else 0.0

    spans = [
        Span(
            start=share(_at(alert.raised_at)),
            end=share(_at(alert.changed_at)) if alert.condition == "ended" else 1.0,
            priority=str(alert.priority),
            words=alert.message,
        )
        for alert in alerts
    ]
    marks = [Mark(at=share(_at(entry.at)), words=words_of(entry.type)) for entry in acts]
    return Timeline(begin=_clock(first), end=_clock(last), spans=tuple(spans), marks=tuple(marks))


def _at(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def _clock(at: float) -> str:
    """Seconds since 1970 as a time of the day in UTC."""
    whole = int(at) % 86400
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02} UTC"


def _log(report: procedure_wire.Report) -> Iterator[tuple[Cell, ...]]:
    for e in report.log:
        steps = ", ".join(f"{name} {ms:.0f} ms" for name, ms in e.steps_ms.items())
        yield e.number, e.at, words_of(e.type), e.from_, e.to, e.cause, e.actor, steps
