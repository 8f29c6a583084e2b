"""A procedure as a folder: its images, its log and its landmarks, as they are or without identity.

    images/000001.dcm ...   one file for each image object, in the order of arrival
    log.jsonl               the lines of the journal, one JSON object a line; the first says the safety words
    landmarks.json          what operators set, with the frame it lies on
    sources.toml            what is known of the sources, for a replay to judge as it was judged
    procedure.json          what this folder is
    report.txt              what was removed (without identity only)

``cementwatch replay --folder`` takes it as it takes any folder, and takes up its landmarks and sources.
"""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from db import procedures
from db.arrivals import ArrivalRow, Status, arrivals_of
from db.connect import Engine
from db.journal import Journal
from db.procedures import Procedure
from detection.rules import ALGORITHM_VERSION, rules_hash
from dicom_gateway.confidential import Choice
from dicom_gateway.decoding import Decoder
from dicom_gateway.deidentify import Copied, Found, deidentify
from dicom_gateway.disguise import Disguise, disguise_of, key_at
from dicom_gateway.header import read_header
from dicom_gateway.refusal import GatewayError
from dicom_gateway.spool import Spool
from service.ahead import bounds_of
from service.neutral import Neutral
from service.removed import report_of
from service.safety import SAFETY_WORDS
from service.settings import Settings
from service.sources import Source, Sources

FORMAT = "cementwatch procedure 1"
SOURCE = "REPLAY"
"""What a replay calls its source; with several, those after the first get a number."""
KEY = "deidentify.key"
PAGE = 500
ALLOWED = ("pace", "polarity", "intensity", "open_field", "burned_in")
"""What an export tells of a source: how its pictures are to be read, never where it stands."""


class NotThere(LookupError):
    """No procedure has this id."""


@dataclass(slots=True, kw_only=True)
class Exported:
    """What an export wrote, and what it left out and why."""

    images: list[dict[str, str]] = field(default_factory=list)
    n_frames: int = 0
    n_blanked: int = 0
    n_lines: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    found: Found = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    undeclared: set[str] = field(default_factory=set)

    def note(self, copied: Copied, source: Source, name: str) -> None:
        """One more image."""
        self.n_frames += copied.n_frames
        self.n_blanked += copied.share_blank > 0
        self.found += copied.found
        if not source.is_declared:
            self.undeclared.add(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """Where exports are taken from."""

    settings: Settings
    engine: Engine
    spool: Spool

    def export(self, id: str, out: Path, choice: Choice | None) -> Exported:
        """Write procedure ``id`` into the new folder ``out``; without identity when a ``choice`` is given.

        Raises ``NotThere``, or OSError: FileExistsError when ``out`` is there and not empty. The folder is there whole
        or not at all.
        """
        procedure = self.find(id)
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise FileExistsError("expected a folder that is new or empty")
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".export-", dir=out.parent))
        try:
            exported = self._fill(procedure, unfinished, choice)
            unfinished.chmod(0o750)
            unfinished.rename(out)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return exported

    def find(self, id: str) -> Procedure:
        """The procedure of this id. Raises ``NotThere``."""
        procedure = procedures.procedure(self.engine, id)
        if procedure is None:
            raise NotThere("no procedure has this id")
        return procedure

    def leave_room(self, folder: Path, n_bytes: int) -> None:
        """A file of this size beside the spool must not fill the disk that images are received on. OSError when it would."""
        if folder.stat().st_dev != self.spool.folder.stat().st_dev:
            return
        if self.spool.free_bytes() - n_bytes < 2 * self.settings.min_free_mb * 2**20:
            raise OSError(errno.ENOSPC, "the disk is too full to receive images beside it")

    def _fill(self, procedure: Procedure, out: Path, choice: Choice | None) -> Exported:
        disguise = None if choice is None else self._disguise(procedure, choice)
        rows = list(self._arrivals(procedure.id))
        names = _names_of(rows)
        (out / "images").mkdir()
        exported = self._images(rows, names, out / "images", disguise)
        neutral = None if disguise is None else Neutral(disguise=disguise, sources=dict(names))
        self._log(procedure.id, out, neutral, exported)
        _write(out / "sources.toml", _sources_text(Sources(self.settings), names))
        about = self._about(procedure, choice) | {"images": exported.images}
        _write(out / "procedure.json", json.dumps(about, indent=1) + "\n")
        if choice is not None:
            _write(out / "report.txt", report_of(exported, choice))
        return exported

    def _disguise(self, procedure: Procedure, choice: Choice) -> Disguise:
        key = key_at(self.settings.data_dir / KEY)
        return disguise_of(key, str(procedure.patient.get("id") or procedure.id), choice)

    def _arrivals(self, id: str) -> Iterator[ArrivalRow]:
        after = 0
        while rows := arrivals_of(self.engine, id, after, PAGE):
            yield from rows
            after = rows[-1].number

    def _images(
        self, rows: list[ArrivalRow], names: Mapping[str, str], folder: Path, disguise: Disguise | None
    ) -> Exported:
        sources, exported, decoder = Sources(self.settings), Exported(), Decoder(bounds_of(self.settings))
        for row in rows:
            arrival = self.spool.find(row.number)
            if row.status is Status.KEPT or arrival is None:
                exported.left_out["no image" if arrival else "no longer in the spool"] += 1
                continue
            self.leave_room(folder, arrival.path.stat().st_size)
            path, known = folder / f"{len(exported.images) + 1:06d}.dcm", sources.of(row.source)
            try:
                header = sources.header_of(arrival)
                if disguise is None:
                    path.write_bytes(arrival.path.read_bytes())
                    copied = Copied(found=Counter(), n_frames=read_header(path).n_frames, share_blank=0.0)
                else:
                    told = replace(disguise, choice=replace(disguise.choice, is_declared=known.is_declared))
                    copied = deidentify(arrival, header, told, path, decoder)
            except GatewayError as error:
                exported.left_out[error.reason] += 1
                continue
            exported.images.append({"file": f"images/{path.name}", "source": names[row.source]})
            exported.note(copied, known, names[row.source])
        decoder.close()
        return exported

    def _log(self, id: str, out: Path, neutral: Neutral | None, exported: Exported) -> None:
        plans = []
        with (out / "log.jsonl").open("x", encoding="ascii") as log:
            log.write(json.dumps({"safety": SAFETY_WORDS}) + "\n")
            for text in Journal(self.engine).records(id):
                if neutral is not None:
                    line = neutral.line(json.loads(text))
                    text = json.dumps(line, sort_keys=True, separators=(",", ":"))  # noqa: PLW2901 - the same line
                log.write(text + "\n")
                exported.n_lines += 1
                said = json.loads(text)
                if said["type"] == "plan_set":
                    plans.append({"number": said["number"], **said["data"]})
        if neutral is not None:
            exported.removed += neutral.removed
        _write(out / "landmarks.json", json.dumps(plans, indent=1) + "\n")

    def _about(self, procedure: Procedure, choice: Choice | None) -> dict[str, Any]:
        about: dict[str, Any] = {
            "format": FORMAT,
            "safety": SAFETY_WORDS,
            "kind": procedure.kind,
            "mode": str(procedure.mode),
            "algorithm": ALGORITHM_VERSION,
            "rules": rules_hash(self.settings.rules),
            "without_identity": choice is not None,
        }
        if choice is not None:
            about["profile"] = [" ".join(option.value) for option in choice.options]
        return about


def _names_of(rows: list[ArrivalRow]) -> dict[str, str]:
    """Each source, as the export calls it."""
    titles = dict.fromkeys(row.source for row in rows)
    return {title: SOURCE if place == 0 else f"{SOURCE}{place + 1}" for place, title in enumerate(titles)}


def _sources_text(sources: Sources, names: Mapping[str, str]) -> str:
    """What is known of these sources, as TOML that ``read_sources`` reads."""
    tables = []
    for title, name in names.items():
        known = sources.of(title).model_dump(mode="json", include=set(ALLOWED), exclude_defaults=True)
        lines = [f"title = {json.dumps(name)}", *(f"{word} = {json.dumps(value)}" for word, value in known.items())]
        tables.append("\n".join(["[[sources]]", *lines, ""]))
    return "\n".join(tables)


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
