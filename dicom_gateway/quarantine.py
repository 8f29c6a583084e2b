"""Objects that cannot be used, kept aside with the reason: a file, and a note beside it.

What somebody has dismissed lies in ``dismissed/`` and takes no place any more; it goes after its time, not before. An
arrival that could not be judged has its file here under a second name: the spool keeps the first.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from dicom_gateway.flush import sync_folder

N_QUARANTINED = 1000
"""Objects kept aside; beyond that only the refusal is logged."""
NAME = re.compile(r"[0-9]{1,20}\.[0-9a-f]{16}\.[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Why an object lies aside. ``number`` is its time of receipt, microseconds since 1970; nothing names a patient.

    ``arrival`` is set where it is an arrival too; ``dismissed_at`` and ``dismissed_by`` once somebody needs it no more.
    """

    number: int
    name: str
    source: str
    reason: str
    status: int | None
    size: int
    uid_hash: str
    arrival: int | None = None
    dismissed_at: float | None = None
    dismissed_by: str | None = None

    @property
    def received_at(self) -> float:
        """Seconds since 1970."""
        return self.number / 1e6


def write_note(kept: Path, note: Note) -> None:
    """Before the object itself lies there; what only has a note was never kept."""
    told = asdict(note)
    del told["name"]
    part = kept.with_suffix(".part")
    part.write_text(json.dumps(told), encoding="utf-8")
    part.replace(kept.with_suffix(".json"))


def is_full(folder: Path) -> bool:
    """Whether no more is kept."""
    return sum(1 for _ in folder.glob("*.dcm")) >= N_QUARANTINED


def set_aside(folder: Path, stored: Path, note: Note) -> bool:
    """Keep an arrival's file here too; False when it is here already, or the quarantine is full. OSError from the disk."""
    kept = folder / f"{note.name}.dcm"
    if is_full(folder) or kept.exists() or (dismissed(folder) / kept.name).exists():
        return False
    write_note(kept, note)
    os.link(stored, kept)
    return True


def find(folder: Path, name: str) -> Note | None:
    """The note of this name, dismissed or not."""
    if not NAME.fullmatch(name):
        return None
    for place in (folder, dismissed(folder)):
        if (place / f"{name}.dcm").exists():
            return _read(place / f"{name}.dcm", int(name.partition(".")[0]) // 1000)
    return None


def dismiss(folder: Path, note: Note, *, by: str, at: float) -> Note:
    """Put an object where it takes no place and waits for its end. OSError from the disk."""
    told = replace(note, dismissed_at=at, dismissed_by=by)
    place = dismissed(folder)
    place.mkdir(exist_ok=True)
    kept = folder / f"{note.name}.dcm"
    write_note(place / kept.name, told)
    kept.rename(place / kept.name)
    kept.with_suffix(".json").unlink(missing_ok=True)
    sync_folder(place)
    sync_folder(folder)
    return told


def remove(folder: Path, note: Note) -> None:
    """Take a dismissed object away for good."""
    kept = dismissed(folder) / f"{note.name}.dcm"
    with contextlib.suppress(FileNotFoundError):
        kept.unlink()
        kept.with_suffix(".json").unlink()


def dismissed(folder: Path) -> Path:
    """Where those lie that somebody has dismissed; itself a folder of the same make."""
    return folder / "dismissed"


def notes(folder: Path, after: int = 0, limit: int = N_QUARANTINED) -> list[Note]:
    """What lies aside, with numbers above ``after``, ascending; a note that cannot be read is told as such."""
    # the name begins with the time of receipt in nanoseconds
    paths = sorted(
        (int(path.name.partition(".")[0]) // 1000, path)
        for path in folder.glob("*.*.*.dcm")
        if path.name.partition(".")[0].isdigit()
    )
    return [_read(path, number) for number, path in paths if number > after][:limit]


def _read(path: Path, number: int) -> Note:
    try:
        told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        size = path.stat().st_size
    except (OSError, ValueError):
        told, size = {}, 0
    return Note(
        number=number,
        name=path.stem,
        source=str(told.get("source", "")),
        reason=str(told.get("reason", "the note beside the object cannot be read")),
        status=told.get("status"),
        size=size,
        uid_hash=path.name.split(".")[1],
        arrival=told.get("arrival"),
        dismissed_at=told.get("dismissed_at"),
        dismissed_by=told.get("dismissed_by"),
    )
