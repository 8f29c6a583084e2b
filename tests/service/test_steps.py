"""Procedures are bracketed by the steps of devices, and opened from the worklists of DCMTK and Orthanc."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from db import procedures, queries, schedule
from db.connect import connect
from db.journal import Journal
from detection.vocabulary import Entry, EntryType, Mode
from dicom_gateway import sop_classes
from dicom_gateway.notices import Kind, Notices
from dicom_gateway.peer import Peer, echo
from dicom_gateway.worklist import levels_in, scheduled_steps
from service.archives import Worklist
from service.inbox import Inbox
from service.settings import Settings
from service.steps import Steps, WorklistReader
from tests.conftest import missing, orthanc_settings, program, running, unused_port, wait_until

NOW = 1_800_000_000.0
DAY = time.strftime("%Y%m%d")
PATIENT = {"name": "CANARY^NAME", "id": "P-1"}


class Room:
    """A database with notices of devices, on a clock of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data_dir=folder, close_after_step_s=300.0)
        self.engine = connect(self.settings.journal_url)
        self.notices = Notices(self.settings.notices_dir)
        self.steps = Steps(self.settings, self.engine, lambda: None)

    def hear(self, kind: Kind, at: float, **told) -> None:
        self.notices.add(kind, source="ARM1", received_ns=int(at * 1e9), told=told)
        Inbox(self.settings, self.engine, self.notices, self.steps).step(at)

    def begin(self, step: str, study: str, at: float = NOW, **more) -> None:
        told = {"step": step, "status": "IN PROGRESS", "studies": [study] if study else [], "patient": PATIENT} | more
        self.hear(Kind.STEP_CREATED, at, **told)

    def end(self, step: str, at: float, status: str = "COMPLETED") -> None:
        self.hear(Kind.STEP_SET, at, step=step, status=status, n_series=1, n_images=7)

    def procedure(self, study: str):
        return procedures.find_procedure(self.engine, study)

    def causes(self, procedure: str) -> list[str]:
        return [entry.cause for entry in queries.log_of(self.engine, procedure) if entry.cause]


@pytest.fixture
def room(tmp_path):
    room = Room(tmp_path / "data")
    yield room
    room.engine.dispose()


def test_a_step_opens_a_procedure_before_its_first_image_and_closes_it_when_the_room_is_quiet(room):
    room.begin("1.1", "1.2", accession_number="A-17")
    opened = room.procedure("1.2")
    assert (opened.patient, opened.accession_number, opened.mode) == (PATIENT, "A-17", Mode.LIVE)
    room.end("1.1", NOW + 600)
    assert room.causes(opened.id) == ["the device began its procedure step", "the device ended its procedure step"]
    assert room.steps.close_ended(NOW + 899) == 0
    Journal(room.engine).append([Entry(at=NOW + 890, type=EntryType.NOTE, procedure=opened.id, data={"text": "x"})])
    assert room.steps.close_ended(NOW + 901) == 0, "somebody is still there"
    assert room.steps.close_ended(NOW + 1191) == 1
    assert room.procedure("1.2").closed_at == NOW + 1191
    assert [(each.status, each.ended_at) for each in schedule.steps_of(room.engine, opened.id)] == [
        ("COMPLETED", NOW + 600)
    ]


def test_an_image_after_the_end_opens_it_again_and_the_ended_step_does_not_close_it_twice(room):
    room.begin("1.1", "1.2")
    room.end("1.1", NOW + 10)
    assert room.steps.close_ended(NOW + 1000) == 1
    procedures.change(room.engine, room.procedure("1.2").id, {"closed_at": None}, at=NOW + 1100)
    assert room.steps.close_ended(NOW + 9000) == 0
    assert room.procedure("1.2").closed_at is None


def test_two_steps_of_one_study_bracket_it_together(room):
    room.begin("1.1", "1.2")
    room.begin("1.3", "1.2", NOW + 5)
    room.end("1.1", NOW + 10, "DISCONTINUED")
    assert room.steps.close_ended(NOW + 1000) == 0, "the other step goes on"
    room.end("1.3", NOW + 20)
    assert room.steps.close_ended(NOW + 1000) == 1


def test_notices_acted_on_twice_change_nothing(room):
    room.begin("1.1", "1.2")
    room.end("1.1", NOW + 10)
    procedure = room.procedure("1.2").id
    before = room.causes(procedure)
    for notice in room.notices.after(0):
        room.steps.act(notice)
    assert room.causes(procedure) == before


def test_a_notice_that_makes_no_sense_stops_none_behind_it(room, caplog):
    room.hear(Kind.STEP_CREATED, NOW, status="IN PROGRESS")
    room.begin("1.0", "", NOW + 1)
    room.begin("1.1", "1.2", NOW + 2)
    assert room.procedure("1.2") is not None
    assert "cannot be acted on" in caplog.text


# the worklist


def entry(study: str, description: str, codes: list[Dataset]) -> Dataset:
    """One item of a worklist, as DCMTK and Orthanc read it from a file."""
    step = Dataset()
    step.Modality, step.ScheduledStationAETitle = "XA", "ANGIO1"
    step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = DAY, "073000"
    step.ScheduledProcedureStepDescription, step.ScheduledProcedureStepID = description, "S1"
    told = Dataset()
    told.ScheduledProcedureStepSequence = [step]
    told.PatientName, told.PatientID = PATIENT["name"], PATIENT["id"]
    told.StudyInstanceUID, told.AccessionNumber = study, f"A-{study[-1]}"
    told.RequestedProcedureDescription, told.RequestedProcedureID = description, "R1"
    if codes:
        told.RequestedProcedureCodeSequence = codes
    told.file_meta = FileMetaDataset()
    told.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    told.file_meta.MediaStorageSOPClassUID = sop_classes.WORKLIST
    told.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    return told


def code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


@contextmanager
def dcmtk_worklist(folder: Path, port: int):
    (folder / "RIS" / "lockfile").touch()
    log = folder / "wlmscpfs.log"
    with running([program("wlmscpfs", "dcmtk"), "-dfp", folder, str(port)], log) as child:
        peer = Peer(host="127.0.0.1", port=port, called="RIS")
        wait_until(lambda: echo(peer), child, log)
        yield


@contextmanager
def orthanc_worklist(folder: Path, port: int):
    plugin = Path("/usr/share/orthanc/plugins/libModalityWorklists.so")
    if not plugin.exists():
        missing("Orthanc has no modality worklists; apt-get install orthanc")
    told = orthanc_settings(folder, unused_port(), port) | {
        "Plugins": [str(plugin)],
        "Worklists": {"Enable": True, "Database": str(folder / "RIS"), "FilterIssuerAet": False},
        "DicomAlwaysAllowFindWorklist": True,
        "DicomModalities": {"cementwatch": ["CEMENTWATCH", "127.0.0.1", 1]},
    }
    (folder / "orthanc.json").write_text(json.dumps(told))
    log = folder / "orthanc.log"
    with running([program("Orthanc", "orthanc"), folder / "orthanc.json"], log, stop=9) as child:
        wait_until(lambda: echo(Peer(host="127.0.0.1", port=port, called="RIS")), child, log)
        yield


@pytest.fixture(scope="module", params=[dcmtk_worklist, orthanc_worklist], ids=["dcmtk", "orthanc"])
def ris(request, tmp_path_factory):
    """A worklist with three steps of today; its port."""
    folder = tmp_path_factory.mktemp("ris")
    (folder / "RIS").mkdir()
    vertebra = [code("66794005", "Body of L1"), code("24028007", "Right")]
    for study, description, codes in (
        ("1.2.1", "Vertebroplasty Th12 left", []),
        ("1.2.2", "Kyphoplasty", vertebra),
        ("1.2.3", "Coronary angiography", []),
    ):
        dcmwrite(folder / "RIS" / f"{study}.wl", entry(study, description, codes), enforce_file_format=True)
    port = unused_port()
    with request.param(folder, port):
        yield port


def test_vertebroplasties_of_today_are_opened_with_patient_level_and_side(room, ris):
    worklist = Worklist(host="127.0.0.1", port=ris, called="RIS", station="ANGIO1", modality="XA")
    reader = WorklistReader(worklist, room.settings, room.steps)
    assert reader.turn(NOW, DAY) == 2
    first, second = room.procedure("1.2.1"), room.procedure("1.2.2")
    assert (first.kind, first.levels, first.patient, first.accession_number) == ("pvp", ("T12",), PATIENT, "A-1")
    assert schedule.scheduled_of(room.engine, first.id)["side"] == "left"
    assert (second.kind, second.levels) == ("pkp", ("L1",))
    assert schedule.scheduled_of(room.engine, second.id) | {"description": ""} == {
        "description": "",
        "side": "right",
        "station": "ANGIO1",
    }
    assert room.procedure("1.2.3") is None
    assert reader.turn(NOW + 30, DAY) == 0, "not due"
    assert reader.turn(NOW + 61, DAY) == 0, "known"


def test_a_step_of_another_station_is_not_asked_for(ris):
    peer = Peer(host="127.0.0.1", port=ris, called="RIS")
    assert len(scheduled_steps(peer, day=DAY)) == 3
    assert scheduled_steps(peer, station="ANGIO2", day=DAY) == []
    assert scheduled_steps(peer, day="19990101") == []


def test_a_worklist_that_is_down_is_told_once_and_asked_again(room, free_port, caplog):
    worklist = Worklist(host="127.0.0.1", port=free_port, called="RIS")
    reader = WorklistReader(worklist, room.settings, room.steps)
    assert [reader.turn(NOW + each * 60, DAY) for each in range(3)] == [0, 0, 0]
    assert reader.trouble == "the peer does not answer"
    assert caplog.text.count("no worklist") == 1


def test_what_was_scheduled_and_never_began_is_closed_the_day_after(room, ris):
    worklist = Worklist(host="127.0.0.1", port=ris, called="RIS", modality="XA")
    assert WorklistReader(worklist, room.settings, room.steps).turn(NOW, DAY) == 2
    used = room.procedure("1.2.1").id
    Journal(room.engine).append([Entry(at=NOW, type=EntryType.NOTE, procedure=used, data={"text": "x"})])
    starts_at = time.mktime(time.strptime(f"{DAY}073000", "%Y%m%d%H%M%S"))
    assert room.steps.close_ended(starts_at + 86_000) == 0
    assert room.steps.close_ended(starts_at + 86_500) == 1
    assert room.procedure("1.2.2").closed_at is not None
    assert room.procedure("1.2.1").closed_at is None


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("Vertebroplasty T12 and L1", ("T12", "L1")),
        ("PVP Th 8/L2", ("T8", "L2")),
        ("kyphoplasty D11", ("T11",)),
        ("L1, L1 again", ("L1",)),
        ("C9 L6 T13 A12 XL1 L10", ()),
        ("Vertebroplastie", ()),
    ],
)
def test_levels_are_read_from_free_text_and_none_is_made_up(text, levels):
    assert levels_in(text) == levels
