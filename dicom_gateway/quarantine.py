"""Objects that cannot be used, kept aside with the reason: a file, and a note beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

N_QUARANTINED = 1000
"""Objects kept aside; beyond that only the refusal is logged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Why an object lies aside. ``number`` is its time of receipt, microseconds since 1970; nothing names a patient."""

    number: int
    name: str
    source: str
    reason: str
    status: int | None
    size: int
    uid_hash: str

    @property
    def received_at(self) -> float:
        """Seconds since 1970."""
        return self.number / 1e6


def write_note(kept: Path, note: Note) -> None:
    """Before the object itself lies there; what only has a note was never kept."""
    told = asdict(note)
    del told["name"]
    kept.with_suffix(".json").write_text(json.dumps(told), encoding="utf-8")


def is_full(folder: Path) -> bool:
    """Whether no more is kept."""
    return sum(1 for _ in folder.glob("*.dcm")) >= N_QUARANTINED


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
    )
