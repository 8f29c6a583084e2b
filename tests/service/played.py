"""A procedure that was played: a phantom run in the spool, judged by the real ``watch``, its objects made once."""

from __future__ import annotations

import io
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from sqlalchemy import Engine

from db import procedures, queries
from db.connect import connect
from detection.vocabulary import Entry, EntryType
from dicom_gateway.compose import run_of, study_of
from dicom_gateway.report.forms import Form
from dicom_gateway.report.stored import Made
from dicom_gateway.spool import Origin, Spool
from service.archives import Archive
from service.bell import Bell
from service.dispatch import dispatch, dispatched
from service.roles import make_watch
from service.settings import Settings
from tests.journeys.scenes import LEAK

BEGAN = 1_760_000_000.0
JUDGED, CLOSED = BEGAN + 20.0, BEGAN + 30.0
SCENE = replace(LEAK, start_s=3.0, duration_s=6.5, frame_rate=7.0, knots=((3.5, 0.6), (6.5, 0.99)))
PATIENT = "Müller^Jörg"


@dataclass(slots=True, kw_only=True)
class Played:
    """One data folder with one judged procedure."""

    folder: Path
    settings: Settings
    engine: Engine
    source: Dataset
    made: tuple[Made, ...] = ()
    objects: dict[Form, list[Dataset]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        (procedure,) = queries.procedures(self.engine)
        return procedure.id

    def dispatch(self, at: float = CLOSED, **changes: Any) -> tuple[Made, ...]:
        return dispatch(self.settings.model_copy(update=changes), self.engine, self.id, at=at)

    def lines(self, *types: EntryType) -> list[Entry]:
        return queries.log_of(self.engine, self.id, types=types, limit=1000)


def played(folder: Path, archives: tuple[Archive, ...] = (), *, is_run: bool = True) -> Played:
    """The scene as one multi-frame object, or single images, of a device that writes Latin-1, tells its zone and names its maker."""
    settings = Settings(data_dir=folder, unlogged_after_s=3600, archives=archives, report_pictures=True)
    folder.mkdir(parents=True, exist_ok=True)
    about = {"study_uid": "2.25.20261122", "started_at": BEGAN}
    sources = [run_of(SCENE, **about)] if is_run else [due.content for due in study_of(SCENE, **about)]
    spool = Spool(settings.spool_dir)
    for source in sources:
        source.SpecificCharacterSet, source.PatientName, source.PatientSex = "ISO_IR 100", PATIENT, "O"
        source.StudyID, source.AccessionNumber, source.TimezoneOffsetFromUTC = "77", "A-1", "+0100"
        content = io.BytesIO()
        source.save_as(content, enforce_file_format=True)
        part = spool.begin()
        part.write(content.getvalue())
        origin = Origin(sop_instance_uid=str(source.SOPInstanceUID), source="ARM1", received_ns=int(JUDGED * 1e9))
        spool.add(part, origin)
    engine = connect(settings.journal_url)
    watch = make_watch(settings, engine, Bell(settings.data_dir / "bells"), lambda: JUDGED)
    while watch.turn():
        pass
    watch.close()
    house = Played(folder=folder, settings=settings, engine=engine, source=sources[0])
    procedures.change(engine, house.id, {"levels": ["L2"]}, at=JUDGED)
    procedures.close(engine, house.id, at=CLOSED)
    house.made = house.dispatch()
    for each in house.made:
        house.objects.setdefault(each.form, []).append(pydicom.dcmread(each.path))
    return house


def copy_of(house: Played, folder: Path, archives: tuple[Archive, ...] = ()) -> Played:
    """The same procedure in a folder of its own, its objects among it; played once is enough."""
    shutil.copytree(house.folder, folder)
    settings = Settings(data_dir=folder, archives=archives, report_pictures=True)
    own = replace(house, folder=folder, settings=settings, engine=connect(settings.journal_url))
    own.made = dispatched(settings, own.id)
    return own
