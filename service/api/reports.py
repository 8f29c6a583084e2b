"""Exports of one procedure. Every one carries the safety words."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from itertools import chain
from typing import IO, Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from detection.picture import Gray8
from detection.vocabulary import Entry
from dicom_gateway.confidential import Choice
from dicom_gateway.refusal import GatewayError
from service.api import procedure_wire
from service.api.deps import Actor, Deps, DepsHere
from service.api.errors import Refused, unavailable
from service.api.pictures import Shelf, ShelfHere
from service.api.procedures import find
from service.clinical.whole import operation_of, whole_of
from service.fhir.bundle import as_json, bundle_of
from service.fhir.dossier import dossier_of
from service.packed import packed_apart
from service.printout import reported
from service.printout.contents import printout_of, record_of
from service.printout.hypertext import as_html
from service.printout.keyframes import pictures_of, shown_of
from service.printout.parts import Printout
from service.safety import SAFETY_WORDS

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

PIECE, ZIP_NAME = 2**18, "cementwatch-without-identity.zip"
ZIP: dict[int | str, dict[str, Any]] = {
    200: {"description": "A zip file; docs/export.md.", "content": {"application/zip": {}}}
}
FHIR_JSON = "application/fhir+json"
FHIR_BUNDLE: dict[int | str, dict[str, Any]] = {
    200: {"description": "A Bundle of type transaction.", "content": {FHIR_JSON: {"schema": {"type": "object"}}}}
}

router = APIRouter(prefix="/procedures", tags=["reports"])


@router.get("/{id}/report.json", response_model=procedure_wire.Report)
def get_json(deps: DepsHere, id: str) -> procedure_wire.Report:
    """The report for programs."""
    return report_of(deps, id)


@router.get("/{id}/report.html", response_class=Response, responses={200: {"content": {"text/html": {}}}})
def get_html(deps: DepsHere, shelf: ShelfHere, id: str) -> Response:
    """The report for people: record, key frames, alerts on a line of time, log; prints well."""
    return Response(as_html(printed(deps, shelf, id)), media_type="text/html; charset=utf-8")


@router.get("/{id}/report.pdf", response_class=Response, responses={200: {"content": {"application/pdf": {}}}})
def get_pdf(deps: DepsHere, shelf: ShelfHere, id: str) -> Response:
    """The same report on sheets of A4."""
    from service.printout.pdf import as_pdf  # loads fonts and a layout engine, which few ever ask for

    headers = {"Content-Disposition": 'inline; filename="cementwatch-report.pdf"'}
    return Response(as_pdf(printed(deps, shelf, id)), media_type="application/pdf", headers=headers)


@router.get("/{id}/report.fhir.json", response_class=Response, responses=FHIR_BUNDLE)
def get_fhir(deps: DepsHere, id: str) -> Response:
    """The findings as a transaction of FHIR R4, as a server would be sent it."""
    find(deps, id)
    body = as_json(bundle_of(dossier_of(deps.settings, deps.engine, id, at=deps.now())))
    headers = {"Content-Disposition": 'attachment; filename="cementwatch-report.fhir.json"'}
    return Response(body, media_type=FHIR_JSON, headers=headers)


@router.get("/{id}/report.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}})
def get_csv(deps: DepsHere, id: str) -> Response:
    """The log as a table; its first line is the safety words."""
    headers = {"Content-Disposition": 'attachment; filename="cementwatch-report.csv"'}
    return Response(as_csv(report_of(deps, id)), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/{id}/deidentified.zip", response_class=StreamingResponse, responses=ZIP)
def get_deidentified(
    deps: DepsHere,
    actor: Actor,
    id: str,
    keep_dates: Annotated[bool, Query(description="Dates as they are; else they are moved.")] = False,  # noqa: FBT002 - a query parameter
    keep_device: Annotated[bool, Query(description="Maker, model and serial number of the device.")] = False,  # noqa: FBT002 - as above
) -> StreamingResponse:
    """Images, log and landmarks without identity, as `cementwatch export --deidentify` writes them; one at a time."""
    find(deps, id)
    choice = Choice(keeps_dates=keep_dates, keeps_device=keep_device)
    try:
        packed = packed_apart(deps.environment, deps.settings.exports_dir, id, actor, choice)
    except GatewayError as error:
        raise unavailable(f"Nothing was exported: {error.reason}.") from None
    n_bytes = os.fstat(packed.fileno()).st_size
    headers = {"Content-Disposition": f'attachment; filename="{ZIP_NAME}"', "Content-Length": str(n_bytes)}
    return StreamingResponse(_pieces(packed), media_type="application/zip", headers=headers)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece


@router.get("/{id}/report.jsonl", response_class=StreamingResponse, responses=JSON_LINES)
def get_json_lines(deps: DepsHere, id: str) -> StreamingResponse:
    """The log with single frames as JSON lines, as it is hashed; its first line is the safety words."""
    find(deps, id)
    first = json.dumps({"safety": SAFETY_WORDS})
    lines = (f"{line}\n" for line in chain((first,), deps.journal.records(id)))
    headers = {"Content-Disposition": 'attachment; filename="cementwatch-report.jsonl"'}
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


def printed(deps: Deps, shelf: Shelf, id: str) -> Printout:
    """The report as people read it, with the record of the procedure where there is one."""
    report = report_of(deps, id)
    operation = operation_of(deps.engine, id)
    whole = None if operation is None else whole_of(deps.engine, operation)
    frames = pictures_of(shown_of(deps.engine, report), lambda entry: _gray(deps, shelf, entry))
    return printout_of(report, record_of(whole), frames)


def _gray(deps: Deps, shelf: Shelf, entry: Entry) -> Gray8 | None:
    try:
        return shelf.get(deps, int(entry.data["arrival"]), entry.frame.index if entry.frame else 0)
    except Refused:
        return None


def report_of(deps: Deps, id: str) -> procedure_wire.Report:
    """All that an export holds of one procedure; 404 where there is none."""
    return reported.report_of(deps.settings, deps.engine, find(deps, id), made_at=deps.now())


def as_csv(report: procedure_wire.Report) -> str:
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
