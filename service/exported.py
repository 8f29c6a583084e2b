"""An exported procedure, read again: its images, what is known of its sources, and what operators had agreed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db import procedures
from db.connect import Engine
from db.journal import Journal
from db.procedures import Opening
from detection.vocabulary import Entry, EntryType, Seen
from service.export import FORMAT, SOURCE

NEEDED = frozenset({EntryType.PLAN_SET.value, EntryType.FRAME_SEEN.value})
LINES_AT_ONCE = 500


class BadExport(LookupError):
    """The folder says that it is an exported procedure, and is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFolder:
    """An exported procedure: its folder, and the source of each image file."""

    folder: Path
    sources: Mapping[Path, str]

    @property
    def sources_file(self) -> Path:
        """What is known of the sources."""
        return self.folder / "sources.toml"

    def source_of(self, path: Path) -> str:
        """The source of an image."""
        return self.sources.get(path, SOURCE)

    def remember(self, engine: Engine) -> str | None:
        """Write what was agreed the first time into a fresh journal, for a replay to take up; that procedure's id."""
        lines = list(self._lines())
        studies = list(dict.fromkeys(line["data"].get("study_instance_uid") for line in lines if line["frame"]))
        if not studies or studies[0] is None:
            return None
        first = procedures.open_procedure(engine, Opening(at=lines[0]["at"], study_instance_uid=studies[0]))
        if len(studies) > 1:
            procedures.change(engine, first.id, {"study_instance_uids": studies}, at=lines[0]["at"])
        journal, numbers = Journal(engine), {0: 0}
        held: list[Entry] = []
        for line in lines:
            if line["type"] == EntryType.PLAN_SET or len(held) >= LINES_AT_ONCE:
                journal.append(held)
                held = []
            entry = _entry_of(line, first.id, numbers)
            if entry.type is EntryType.PLAN_SET:
                (written,) = journal.append([entry])
                numbers[line["number"]] = written.number or 0
            else:
                held.append(entry)
        journal.append(held)
        return first.id

    def _lines(self) -> Iterator[dict[str, Any]]:
        try:
            with (self.folder / "log.jsonl").open(encoding="utf-8") as log:
                for line in map(json.loads, log):
                    if line.get("type") in NEEDED:
                        yield {name: line[name] for name in ("type", "at", "number", "frame", "data")}
        except (OSError, ValueError, LookupError, AttributeError):
            raise BadExport("the log of this exported procedure cannot be read") from None


def exported_at(folder: Path) -> ExportedFolder | None:
    """The exported procedure in this folder; None when there is none. Raises ``BadExport``."""
    path = folder / "procedure.json"
    if not path.is_file():
        return None
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise BadExport(f"expected an export of the form '{FORMAT}'")
        sources = {folder / str(each["file"]): str(each["source"]) for each in about["images"]}
    except (OSError, ValueError, LookupError, TypeError) as error:
        if isinstance(error, BadExport):
            raise
        raise BadExport("procedure.json of this exported procedure cannot be read") from None
    return ExportedFolder(folder=folder, sources=sources)


def _entry_of(line: Mapping[str, Any], procedure: str, numbers: Mapping[int, int]) -> Entry:
    """The line as the journal is given it. ``numbers`` are the plans' new ones by their old."""
    type, frame, said = EntryType(line["type"]), line["frame"], line["data"]
    if type is EntryType.FRAME_SEEN:
        heard_to = said.get("acts_to") or 0
        said = {"acts_to": max(new for old, new in numbers.items() if old <= heard_to)}
    return Entry(at=line["at"], type=type, procedure=procedure, frame=Seen(**frame) if frame else None, data=said)
