"""Exports of one procedure. Every one carries the safety words."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from html import escape
from itertools import chain
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from db import queries
from detection.vocabulary import Entry, EntryType, Zone
from service.api import wire
from service.api.answers import alert_of, entry_of, time_of
from service.api.deps import Deps, DepsHere
from service.api.health import version_now
from service.api.procedures import find, with_counts

PAGE = 1000
TOLD = tuple(kind for kind in EntryType if kind is not EntryType.FRAME_SEEN)
"""What a report tells: everything but single frames, which the measurements hold."""
COLUMNS = (
    "number",
    "at",
    "type",
    "source",
    "alert",
    "from",
    "to",
    "cause",
    "actor",
    "frame",
    "index",
    "message",
    "data",
    "received_to_written_ms",
)

JSON_LINES: dict[int | str, dict[str, Any]] = {
    200: {"description": "One JSON object a line.", "content": {"application/x-ndjson": {}}}
}

router = APIRouter(prefix="/procedures", tags=["reports"])


@router.get("/{id}/report.json", response_model=wire.Report)
def get_json(deps: DepsHere, id: str) -> wire.Report:
    """The report for programs."""
    return report_of(deps, id)


@router.get("/{id}/report.html", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def get_html(deps: DepsHere, id: str) -> Response:
    """The report for people; prints well."""
    return Response(as_html(report_of(deps, id)), media_type="text/html; charset=utf-8")


@router.get("/{id}/report.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def get_csv(deps: DepsHere, id: str) -> Response:
    """The log as a table; its first line is the safety words."""
    headers = {"Content-Disposition": 'attachment; filename="cementwatch-report.csv"'}
    return Response(as_csv(report_of(deps, id)), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/{id}/report.jsonl", response_class=StreamingResponse, responses=JSON_LINES)
def get_json_lines(deps: DepsHere, id: str) -> StreamingResponse:
    """The log with single frames as JSON lines, as it is hashed; its first line is the safety words."""
    find(deps, id)
    first = json.dumps({"safety": wire.SAFETY_WORDS})
    lines = (f"{line}\n" for line in chain((first,), deps.journal.records(id)))
    headers = {"Content-Disposition": 'attachment; filename="cementwatch-report.jsonl"'}
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


def report_of(deps: Deps, id: str) -> wire.Report:
    """All that an export holds of one procedure."""
    procedure = with_counts(deps, find(deps, id))
    rows = list(_all_alerts(deps, id))
    return wire.Report(
        safety=wire.SAFETY_WORDS,
        made_at=time_of(deps.now()),
        procedure=procedure,
        alerts=rows,
        log=[entry_of(line) for line in _all_lines(deps, id)],
        zones_not_visible=_hidden_zones(deps, id),
        version=version_now(deps),
    )


def _all_alerts(deps: Deps, id: str) -> Iterator[wire.Alert]:
    after = 0
    while rows := queries.alerts_after(deps.engine, after, procedure=id, active=None, limit=PAGE):
        yield from (alert_of(row.number, row.alert) for row in rows)
        after = rows[-1].number


def _all_lines(deps: Deps, id: str) -> Iterator[Entry]:
    after = 0
    while lines := queries.log_of(deps.engine, id, after=after, types=TOLD, limit=PAGE):
        yield from lines
        after = lines[-1].number or after


def _hidden_zones(deps: Deps, id: str) -> dict[str, list[Zone]]:
    """By view, the zones that could not be seen in it."""
    entry = queries.latest_frame(deps.engine, id)
    if entry is None:
        return {}
    return {str(entry.data.get("view")): [Zone(zone) for zone in entry.data.get("zones_not_visible") or ()]}


def as_csv(report: wire.Report) -> str:
    """Comma-separated, one line per entry."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([report.safety])
    writer.writerow(COLUMNS)
    for entry in report.log:
        frame, index = (entry.frame.sop_instance_uid, entry.frame.index) if entry.frame else ("", "")
        snapshot = entry.data.get("alert") or {}
        rest = {name: value for name, value in entry.data.items() if name != "alert" and value is not None}
        row = [entry.number, entry.at, entry.type, entry.source, entry.alert, entry.from_, entry.to, entry.cause]
        row += [entry.actor, frame, index, snapshot.get("message"), json.dumps(rest) if rest else ""]
        row.append(entry.steps_ms.get("received_to_written"))
        writer.writerow([_harmless(value) for value in row])
    return out.getvalue()


def _harmless(value: object) -> object:
    """Text that a spreadsheet would take for a formula is quoted; nothing else changes."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return f"'{value}"
    return "" if value is None else value


LOG_HEAD = ("number", "at", "type", "from", "to", "cause", "actor", "steps")
STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#111}"
    "table{border-collapse:collapse;width:100%}th,td{border:1px solid #bbb;padding:.3rem .5rem;text-align:left;"
    "vertical-align:top}.safety{border:2px solid #111;padding:.6rem;font-weight:600}.high{font-weight:700}"
)


def as_html(report: wire.Report) -> str:
    """One page without scripts or outside references; every value is escaped."""
    about = report.procedure
    told = {
        "Procedure": about.id,
        "Mode": about.mode,
        "Kind": about.kind,
        "Patient": " ".join(str(value) for value in about.patient.values() if value),
        "Levels": ", ".join(about.levels),
        "Opened": about.opened_at,
        "Closed": about.closed_at or "still open",
        "Dose": _dose_in_words(about.dose),
        "Frames judged": about.counts.frames if about.counts else None,
        "Report made": report.made_at,
        "Software": f"{report.version.software}, algorithm {report.version.algorithm}, rules {report.version.rules}",
    }
    hidden = [f"{view} view: {', '.join(zones) or 'none'}" for view, zones in report.zones_not_visible.items()]
    alerts = [(a.raised_at, a.priority, a.message, a.condition, a.signal, a.acknowledged_by) for a in report.alerts]
    lines = [(e.number, e.at, e.type, e.from_, e.to, e.cause, e.actor, _delay_of(e)) for e in report.log]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>cementwatch report</title><style>{STYLE}</style>'
        f'<p class="safety">{escape(report.safety)}</p><h1>Procedure report</h1>{_table((), told.items())}'
        f"<h2>Zones that the view cannot show, or only in part</h2><p>{escape('; '.join(hidden) or 'No frame was judged.')}</p>"
        f"<h2>Alerts</h2>{_table(('raised', 'priority', 'message', 'condition', 'signal', 'acknowledged by'), alerts)}"
        f"<h2>Log</h2>{_table(LOG_HEAD, lines)}"
        f'<p class="safety">{escape(report.safety)}</p></html>'
    )


def _dose_in_words(dose: wire.Dose | None) -> str:
    """The totals that are told, each with its unit."""
    if dose is None:
        return "no dose report"
    told = (
        (dose.air_kerma_mgy, "air kerma {:.1f} mGy"),
        (dose.dose_area_product_gy_cm2, "dose area product {:.2f} Gy cm²"),
        (dose.fluoroscopy_s, "fluoroscopy {:.0f} s"),
    )
    return ", ".join(words.format(value) for value, words in told if value is not None) or "the report tells no totals"


def _delay_of(entry: wire.Entry) -> str:
    """Each step of the way from image to journal, in words."""
    return ", ".join(f"{name} {ms:.0f} ms" for name, ms in entry.steps_ms.items())


def _table(head: tuple[str, ...], rows: object) -> str:
    made = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape('' if cell is None else str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows  # type: ignore[attr-defined] # any iterable of rows
    )
    return f"<table><tr>{made}</tr>{body}</table>"
