"""A recording in, its journal out: the same spool, ``watch`` and journal as live, in a folder of its own.

This is the tool for support, regression and bug reports.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from db import queries
from db.connect import Engine, borrowed, connect
from db.convert import plain
from detection.vocabulary import Entry, EntryType, Seen
from dicom_gateway.arrival import Origin
from dicom_gateway.dicomdir import is_directory, listed_in
from dicom_gateway.due import Due, due_from, due_from_folder
from dicom_gateway.header import Headers, unchanging
from dicom_gateway.spool import Lying, Part, Spool
from service.bell import Bell
from service.export import SOURCE
from service.exported import ExportedFolder, exported_at
from service.orthanc import fetch_study
from service.roles import make_watch
from service.settings import Settings

JOURNAL = "journal.sqlite"
NEVER_S = 1e12
"""Nobody takes a replay up where it ended."""
OF_AN_ALERT = (
    *("kind", "zone", "side", "priority", "condition", "signal", "message", "technical_cause"),
    *("area_mm2", "distance_to_wall_mm", "outline"),
)
"""What is printed of an alert."""


def replayed(
    recording: str | Path, orthanc_url: str, *, with_frames: bool, now: Callable[[], float]
) -> Iterator[dict[str, Any]]:
    """The journal of a recording, line by line; times and hashes are left out.

    A recording is a folder, a DICOMDIR, an exported procedure, or the UID of a study in Orthanc. Raises what
    ``fetch_study`` raises, LookupError for a recording without DICOM objects, ``Unreadable`` for a bad DICOMDIR.
    """
    with tempfile.TemporaryDirectory(prefix="cementwatch-replay-") as scratch:
        folder = Path(scratch)
        if isinstance(recording, str):
            fetch_study(orthanc_url, recording, folder / "study")
        place = folder / "study" if isinstance(recording, str) else recording
        yield from judged_in(folder, place, is_ours=isinstance(recording, str), with_frames=with_frames, now=now)


def judged_in(
    folder: Path, recording: Path, *, is_ours: bool, with_frames: bool, now: Callable[[], float]
) -> Iterator[dict[str, Any]]:
    """As ``replayed``, of a recording that is there, with spool and journal in ``folder``.

    ``is_ours``: the recording was fetched for this alone, and its files are moved into the spool.
    """
    exported = exported_at(recording)
    settings = Settings(
        data_dir=folder / "data",
        database_url=None,
        sources_file=exported.sources_file if exported else None,
        checkpoint_every_s=NEVER_S,
    )
    settings.data_dir.mkdir()
    headers: Headers = {}
    with unchanging(headers):
        if not _fill(Spool(settings.spool_dir, is_kept=False), recording, exported, now, is_ours=is_ours):
            raise LookupError("no DICOM object in this recording")
    (settings.data_dir / JOURNAL).write_bytes(empty_journal())
    with borrowed(settings.data_dir / JOURNAL) as engine:
        before = exported.remember(engine) if exported else None
        # the clock stands still: how fast this machine judges must not show in what it prints
        began = now()
        watch = make_watch(settings, engine, Bell(settings.data_dir / "bells"), lambda: began, is_alone=True)
        with unchanging(headers):
            while watch.turn():
                pass
        watch.close()
        yield from (line_of(entry) for entry in _entries(engine, with_frames=with_frames) if entry.procedure != before)


@cache
def empty_journal() -> bytes:
    """A journal without a line: the making of its tables takes as long as the judging of some frames."""
    with tempfile.TemporaryDirectory(prefix="cementwatch-replay-") as scratch:
        path = Path(scratch) / JOURNAL
        connect(f"sqlite:///{path}", is_kept=False).dispose()
        return path.read_bytes()


def _fill(
    spool: Spool, recording: Path, exported: ExportedFolder | None, now: Callable[[], float], *, is_ours: bool
) -> int:
    """Make every object of the recording an arrival, in the order of its acquisition; how many there are."""
    items = [item for item in due_of(recording) if isinstance(item.content, Path) and item.uid is not None]
    n_alike = Counter(item.uid for item in items)
    for item in items:
        path, uid = Path(item.content), item.uid or ""
        source = exported.source_of(path) if exported else SOURCE
        part = Lying(path, has_twin=n_alike[uid] > 1) if is_ours else _copied(spool, path)
        spool.add(part, Origin(sop_instance_uid=uid, source=source, received_ns=int(now() * 1e9), replay="offline"))
    return len(items)


def _copied(spool: Spool, path: Path) -> Part:
    part = spool.begin()
    part.write(path.read_bytes())
    return part


def due_of(recording: Path) -> tuple[Due, ...]:
    """The objects of a folder, of a DICOMDIR, of an exported procedure, or one object, in the order of acquisition."""
    if recording.is_file():
        return due_from(listed_in(recording) if is_directory(recording) else [recording])
    return due_from_folder(recording)


def _entries(engine: Engine, *, with_frames: bool) -> Iterator[Entry]:
    after = 0
    while entries := queries.entries_after(engine, after, limit=500):
        for entry in entries:
            after = entry.number or after
            if with_frames or entry.type is not EntryType.FRAME_SEEN:
                yield entry


def line_from(record: dict[str, Any]) -> dict[str, Any]:
    """A line of a log, as ``Journal.records`` or an exported procedure have it, as a replay prints it."""
    known = {each.name for each in fields(Entry)} - {"frame", "type"}
    frame = None if record["frame"] is None else Seen(**record["frame"])
    told = {name: value for name, value in record.items() if name in known}
    return line_of(Entry(**told, type=EntryType(record["type"]), frame=frame))


def line_of(entry: Entry) -> dict[str, Any]:
    """One journal line as a replay prints it: everything that a second run must repeat."""
    frame = entry.frame
    alert = entry.data.get("alert") or {}
    line: dict[str, Any] = {
        "type": entry.type.value,
        "source": entry.source,
        "from": entry.from_state,
        "to": entry.to_state,
        "cause": entry.cause,
        "frame": None if frame is None else {"sop_instance_uid": frame.sop_instance_uid, "index": frame.index},
    }
    if alert:
        line["alert"] = {name: alert.get(name) for name in OF_AN_ALERT}
    elif entry.type is EntryType.PROCEDURE_OPENED:
        line["version"] = {name: entry.data.get(name) for name in ("algorithm", "rules")}
    elif entry.type is EntryType.FRAME_SEEN:
        front = entry.data.get("front") or {}
        line["findings"] = {
            "flags": entry.data.get("flags"),
            "cement_area_mm2": entry.data.get("cement_area_mm2"),
            "distance_mm": front.get("distance_mm"),
            "zones": entry.data.get("zones"),
        }
    return {name: plain(value) for name, value in line.items() if value is not None}
