"""The report as it is archived: equal whenever it is made, so long as nothing new has happened.

Left out is what goes on changing: the clinical record, and the lines of the log that say that findings were written or sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from db.connect import Engine
from db.procedures import Procedure
from detection.picture import Gray8
from detection.vocabulary import Entry, EntryType
from dicom_gateway.report.nouns import Document, Maker
from dicom_gateway.spool import Spool
from service.api import procedure_wire, wire
from service.printout.contents import printout_of
from service.printout.keyframes import Shown, pictures_of, shown_of
from service.printout.parts import Picture, Printout, Section, Words
from service.printout.reported import report_of
from service.settings import Settings
from service.whereabouts import find_object

SENT = ("results", "fhir")
"""What changed in a procedure when its findings were written or sent."""
APART = Section(
    title="Clinical record",
    parts=(Words(text="Not in this document: it is kept apart, and goes on changing."),),
)


class Archivable:
    """The report of one procedure, fixed. ``key`` is known without drawing anything."""

    def __init__(self, settings: Settings, engine: Engine, procedure: Procedure, maker: Maker) -> None:
        report = report_of(settings, engine, procedure, made_at=procedure.opened_at)
        self._report = _fixed(report, maker)
        self._shown = shown_of(engine, self._report)
        spool = Spool(settings.spool_dir)
        self._is_there = [_is_there(spool, engine, each) for each in self._shown]

    @property
    def key(self) -> str:
        """The same for the same content: words, and which pictures are still kept."""
        there = zip(self._shown, self._is_there, strict=True)
        bare = [Picture(jpeg=b"" if is_there else None, words=shown.words) for shown, is_there in there]
        return hashlib.sha256(repr(self._printout(tuple(bare))).encode()).hexdigest()

    def document(self, gray_of: Callable[[Entry], Gray8 | None]) -> Document:
        """The sheets, with their pictures."""
        from service.printout.pdf import as_pdf  # loads fonts and a layout engine

        pictures = pictures_of(self._shown, gray_of)
        at = datetime.fromisoformat(self._report.made_at).timestamp()
        pdf = as_pdf(self._printout(pictures))
        return Document(title="cementwatch procedure report", key=self.key, at=at, pdf=pdf)

    def _printout(self, pictures: tuple[Picture, ...]) -> Printout:
        return replace(printout_of(self._report, (APART,), pictures), title="Procedure report, as archived")


def _fixed(report: procedure_wire.Report, maker: Maker) -> procedure_wire.Report:
    """Made when its last line was written, by the algorithm and rules that judged."""
    log = [line for line in report.log if not _is_about_sending(line)]
    made_at = max((line.at for line in log), key=datetime.fromisoformat, default=report.made_at)
    told = {"software": maker.software, "algorithm": maker.algorithm, "rules": maker.rules}
    version = report.version.model_copy(update=told)
    return report.model_copy(update={"log": log, "made_at": made_at, "version": version})


def _is_about_sending(line: wire.Entry) -> bool:
    changed = line.data.get("changed")
    return line.type == EntryType.PROCEDURE_CHANGED and changed in [[word] for word in SENT]


def _is_there(spool: Spool, engine: Engine, shown: Shown) -> bool:
    return shown.entry is not None and find_object(spool, engine, int(shown.entry.data["arrival"])) is not None
