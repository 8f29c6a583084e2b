"""What was seen in a procedure goes to the archives: its objects are made, kept beside the journal, and queued.

Doing it again changes nothing: an object's UID follows from what it says, a file that is there stays, and the queue knows
each object once. Only new findings make new objects, beside the earlier ones.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db import procedures
from db.commitments import deliveries_of
from db.connect import Engine, StoreFailure
from db.journal import Journal
from detection.rules import ALGORITHM_VERSION, rules_hash
from detection.vocabulary import Entry, EntryType
from dicom_gateway.refusal import GatewayError
from dicom_gateway.report.forms import Form
from dicom_gateway.report.naming import document_uid, object_uid
from dicom_gateway.report.nouns import Coded, Document, Maker
from dicom_gateway.report.stored import Made, made_in, path_of, write_once
from dicom_gateway.report.terms import terms_from
from dicom_gateway.spool import Spool
from service.forward import enqueue_files
from service.gather import NothingToReport, Place, maker_of, reports_of
from service.printout.reported import software
from service.safety import SAFETY_WORDS
from service.settings import Settings

if TYPE_CHECKING:
    from service.printout.archived import Archivable

LOG = logging.getLogger(__name__)

CHILD_S = 600.0
NOTHING = 3
"""Exit status of a child that had nothing to report."""


def dispatch(settings: Settings, engine: Engine, id: str, *, at: float, actor: str | None = None) -> tuple[Made, ...]:
    """Make the objects of a procedure and queue them; all that there are. A replay's are made, and sent nowhere.

    Raises ``NothingToReport``, KeyError for an unknown procedure, ``GatewayError`` or OSError when they cannot be made.
    """
    reports = reports_of(_place(settings, engine), id)
    document = _document(settings, engine, id)
    # the library that writes these objects takes longer to load than a role takes to start
    from dicom_gateway.report.objects import objects_of

    made: list[Made] = []
    for report in reports:
        made += write_once(objects_of(replace(report, document=document)), folder_of(settings, id))
    known = procedures.procedure(engine, id)
    names = [archive.name for archive in settings.archives] if known is not None and known.replay is None else []
    n_queued = enqueue_files(engine, settings.data_dir, [each.path for each in made], names, at=at)
    if n_queued or any(each.is_new for each in made):
        said = {"changed": ["results"], "objects": [each.path.stem for each in made], "archives": names}
        cause = "the findings were written as DICOM objects"
        entry = Entry(at=at, type=EntryType.PROCEDURE_CHANGED, procedure=id, actor=actor, cause=cause, data=said)
        Journal(engine).append([entry])
    return tuple(made)


def is_dispatched(settings: Settings, engine: Engine, id: str) -> bool:
    """Whether all that would be made lies there, and is known to every archive. Raises as ``dispatch`` before it makes anything."""
    known = procedures.procedure(engine, id)
    names = {archive.name for archive in settings.archives} if known is not None and known.replay is None else set()
    reports = reports_of(_place(settings, engine), id)
    archivable = _archivable(settings, engine, id)
    key = None if archivable is None else archivable.key
    for report in reports:
        uid = object_uid(report, Form.SR, 1)  # written last, and queued with the others
        wanted = [(Form.SR, uid)]
        if settings.report_pictures:
            wanted.append((Form.SC, object_uid(report, Form.SC, 1)))
        if key is not None:
            wanted.append((Form.PDF, document_uid(report, key)))
        if not all(path_of(folder_of(settings, id), *each).exists() for each in wanted):
            return False
        if not names <= {each.destination for each in deliveries_of(engine, [uid])}:
            return False
    return True


def dispatched(settings: Settings, id: str) -> tuple[Made, ...]:
    """The objects of a procedure that were ever made."""
    return made_in(folder_of(settings, id))


def dispatch_apart(environment: Mapping[str, str], id: str, actor: str) -> None:
    """As ``dispatch``, in a process of its own: whoever serves screens has no second to spare.

    Raises ``NothingToReport``; ``GatewayError`` for whatever else went wrong there.
    """
    command = [sys.executable, "-m", "service", "results", id, "--actor", actor]
    try:
        ended = subprocess.run(command, env=dict(environment), capture_output=True, timeout=CHILD_S, check=False)
    except subprocess.TimeoutExpired:
        raise GatewayError("the objects were not made in time") from None
    if ended.returncode == NOTHING:
        raise NothingToReport(json.loads(ended.stdout)["nothing"])
    if ended.returncode != 0:
        raise GatewayError("the objects could not be made")


def folder_of(settings: Settings, id: str) -> Path:
    """Where the objects of a procedure lie; its id names no patient."""
    return settings.report_dir / id


def _place(settings: Settings, engine: Engine) -> Place:
    spool = Spool(settings.spool_dir)
    draw = _painter(settings, spool, engine) if settings.report_pictures else None
    maker, terms = maker_here(settings), terms_here(settings)
    return Place(engine=engine, spool=spool, maker=maker, words=SAFETY_WORDS, codes=terms, draw=draw)


def maker_here(settings: Settings) -> Maker:
    """This installation, with the algorithm and rules of now."""
    return Maker(
        name="cementwatch",
        software=software(),
        algorithm=ALGORITHM_VERSION,
        rules=rules_hash(settings.rules),
        installation=settings.ae_title,
    )


def terms_here(settings: Settings) -> Mapping[str, Coded]:
    """The licensed terms of the site, by the codes of ours that they replace."""
    if settings.report_terms_file is None:
        return {}
    return terms_from(settings.report_terms_file.read_text(encoding="utf-8"))


def _archivable(settings: Settings, engine: Engine, id: str) -> Archivable | None:
    procedure = procedures.procedure(engine, id)
    if procedure is None or not settings.report_pdf:
        return None
    from service.printout.archived import Archivable  # the clinical record's tables, which no start should wait for

    return Archivable(settings, engine, procedure, maker_of(engine, maker_here(settings), id))


def _document(settings: Settings, engine: Engine, id: str) -> Document | None:
    archivable = _archivable(settings, engine, id)
    if archivable is None:
        return None
    from service.easel import Easel

    try:
        return archivable.document(Easel(settings, Spool(settings.spool_dir), engine).gray)
    except StoreFailure:
        raise
    except Exception as error:  # noqa: BLE001 - findings must not wait for sheets that a library cannot lay out
        LOG.error("no sheets could be made", extra={"procedure": id, "error": type(error).__name__})  # noqa: TRY400 - the text may quote a patient
        return None


def _painter(settings: Settings, spool: Spool, engine: Engine) -> Callable[[Entry], Any]:
    from service.easel import Easel

    return Easel(settings, spool, engine).paint
