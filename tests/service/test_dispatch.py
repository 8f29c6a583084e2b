"""What was seen reaches archives in the standard's own objects: valid, readable by others, equal to the journal, once."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import highdicom
import httpx
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pypdf import PdfReader

from db import arrivals, deliveries, procedures, queries
from db.connect import StoreUnreachable
from db.convert import alert_from
from db.journal import Journal
from detection.picture import filled
from detection.vocabulary import Entry, EntryType, Kind
from dicom_gateway.report.forms import SERIES, Form
from service.archives import Archive
from service.dispatch import _place, dispatch, dispatched, is_dispatched
from service.forward import enqueue_files
from service.gather import NothingToReport, reports_of
from service.reporter import Reporter
from service.safety import SAFETY_WORDS
from service.settings import Settings
from tests.conftest import CHECKOUT, program
from tests.service.conftest import room_at
from tests.service.depot import until
from tests.service.played import CLOSED, PATIENT, Played, copy_of, played

KNOWN_WARNINGS = (
    "Unrecognized defined term <99CEMENT>",
    "attribute <Laterality>",
    "needed to build DICOMDIR",
)
"""A private scheme is not in the validator's list; an empty Laterality says unknown; the rest is the source's."""


@pytest.fixture
def own(house, tmp_path):
    """Call it with archives for the same procedure in a folder of the test's own."""
    made: list[Played] = []

    def build(*archives: Archive) -> Played:
        made.append(copy_of(house, tmp_path / "data", archives))
        return made[-1]

    yield build
    for each in made:
        each.engine.dispose()


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Played:
    """One procedure for all tests that only read."""
    made = played(tmp_path_factory.mktemp("played") / "data")
    yield made
    made.engine.dispose()


def only(house: Played, form: Form) -> Dataset:
    (dataset,) = house.objects[form]
    return dataset


def path_of(house: Played, form: Form) -> Path:
    return next(each.path for each in house.made if each.form is form)


def said_by(name: str, package: str, *words: object) -> str:
    """What a foreign program prints."""
    command = [str(program(name, package)), *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return ended.stdout + ended.stderr


def test_every_kind_of_object_is_made_and_the_validator_finds_nothing(house):
    assert {each.form for each in house.made} == set(Form)
    for each in house.made:
        told = said_by("dciodvfy", "dicom3tools", each.path).splitlines()
        assert len(told) >= 1, "it says at least which class it is"
        strange = [line for line in told[1:] if not any(known in line for known in KNOWN_WARNINGS)]
        assert [line for line in strange if line.startswith(("Error", "Warning"))] == [], each.form


def test_objects_are_of_the_same_study_and_patient_in_series_of_their_own(house):
    series = set()
    for form, objects in house.objects.items():
        for each in objects:
            assert (str(each.PatientName), each.PatientID, each.PatientSex) == (PATIENT, "PHANTOM", "O")
            assert (each.StudyInstanceUID, each.StudyID) == (house.source.StudyInstanceUID, "77")
            assert (each.StudyDate, each.AccessionNumber) == (house.source.StudyDate, "A-1")
            assert each.TimezoneOffsetFromUTC == "+0100"
            assert each.SeriesNumber == SERIES[form].number
            assert {item.CodingSchemeDesignator for item in each.CodingSchemeIdentificationSequence} == {"99CEMENT"}
            purposes = [
                item.PurposeOfReferenceCodeSequence[0].CodeMeaning for item in each.ContributingEquipmentSequence
            ]
            assert purposes == ["Acquisition Equipment", "Processing Equipment"]
            assert SAFETY_WORDS in str(each), "in words, wherever it is opened"
            series.add(each.SeriesInstanceUID)
    assert len(series) == len(Form)
    assert house.source.SeriesInstanceUID not in series


def test_highdicom_reads_the_same_numbers_and_outlines_back_as_the_journal_holds(house):
    report = highdicom.sr.srread(path_of(house, Form.SR))
    assert (report.VerificationFlag, report.CompletionFlag) == ("UNVERIFIED", "PARTIAL")
    groups = {each.tracking_identifier: each for each in report.content.get_planar_roi_measurement_groups()}
    leaks = [line for line in house.lines(EntryType.ALERT_RAISED) if line.data["alert"]["kind"] == Kind.LEAK]
    assert leaks
    for line in leaks:
        alert = alert_from(line.data["alert"])
        group = groups[f"alert {alert.id}"]
        (area,) = group.get_measurements(name=codes.SCT.Area)
        assert (area.value, area.unit.value) == (pytest.approx(alert.area_mm2, abs=1e-3), "mm2")
        spread = {item.ConceptNameCodeSequence[0].CodeValue: item for item in area[0].ContentSequence}
        upper = spread["371886008"].MeasuredValueSequence[0]
        assert float(upper.NumericValue) == pytest.approx(0.21 * alert.area_mm2, abs=1e-3)
        assert upper.MeasurementUnitsCodeSequence[0].CodeValue == "mm2"
        region = group.roi
        expected = np.asarray([*alert.outline, alert.outline[0]])[:, ::-1] + 0.5
        np.testing.assert_allclose(region.value, expected, atol=1e-4)
        assert line.frame is not None
        image = region.ContentSequence[0].ReferencedSOPSequence[0]
        assert image.ReferencedFrameNumber == line.frame.index + 1
        assert {each.value.meaning for each in group.finding_sites} >= {"L2 vertebra"}


def test_the_report_says_which_algorithm_and_rules_judged(house):
    said = said_by("dsrdump", "dcmtk", path_of(house, Form.SR))
    opened = house.lines(EntryType.PROCEDURE_OPENED)[0].data
    assert f'"Algorithm Parameters")="rules {opened["rules"]}"' in said
    assert "Verification Flag   : UNVERIFIED" in said
    assert '"Finding Site")=(14293000,SCT,"L2 vertebra")' in said
    assert '"Procedure reported")=(VERTEBROPLASTY,99CEMENT,"Vertebroplasty")' in said
    assert "Error" not in said


def test_highdicom_reads_the_same_cement_back_as_was_seen(house):
    seen = highdicom.seg.segread(path_of(house, Form.SEG))
    assert seen.segmentation_type.value == "BINARY"
    for place, groups in enumerate(seen.PerFrameFunctionalGroupsSequence):
        source = groups.DerivationImageSequence[0].SourceImageSequence[0]
        index = source.ReferencedFrameNumber - 1
        entry = queries.frame_entry(house.engine, str(source.ReferencedSOPInstanceUID), index)
        outlines = tuple(tuple((row, col) for row, col in each) for each in entry.data["cement_outlines"])
        drawn = seen.pixel_array[place].astype(bool)
        np.testing.assert_array_equal(drawn, filled(outlines, drawn.shape))
        assert drawn.sum() * entry.data["mm_per_px"] ** 2 == pytest.approx(entry.data["cement_area_mm2"], rel=0.08)


def test_key_objects_are_the_frames_of_the_alerts(house):
    raised = {line.frame.index for line in house.lines(EntryType.ALERT_RAISED)}
    worsened = {line.alert: line.frame.index for line in house.lines(EntryType.ALERT_WORSENED)}
    named = {
        number
        for item in only(house, Form.KOS).ContentSequence
        if item.ValueType == "IMAGE"
        for number in item.ReferencedSOPSequence[0].ReferencedFrameNumber
    }
    assert named == {index + 1 for index in raised | set(worsened.values())}


def test_dcmtk_draws_the_frame_by_the_presentation_state_and_keeps_every_line_and_word(house, tmp_path):
    state, saved, picture = path_of(house, Form.GSPS), tmp_path / "saved.dcm", tmp_path / "frame.pgm"
    assert "Test passed" in said_by("dcmpschk", "dcmtk", state)
    image = next((house.folder / "spool" / "arrivals").rglob("*.dcm"))
    frame = only(house, Form.GSPS).GraphicAnnotationSequence[-1].ReferencedImageSequence[0].ReferencedFrameNumber
    said = said_by("dcmp2pgm", "dcmtk", "-f", frame, "-p", state, "+S", saved, image, picture)
    assert picture.read_bytes().startswith(b"P5\n256 256"), said
    assert drawn_by(pydicom.dcmread(saved)) == drawn_by(only(house, Form.GSPS)) != []


def test_outlines_are_drawn_where_they_were_seen(house):
    lines = [
        points for _, layer, drawn, _ in drawn_by(only(house, Form.GSPS)) if layer == "FINDINGS" for points in drawn
    ]
    for line in house.lines(EntryType.ALERT_RAISED):
        outline = line.data["alert"]["outline"]
        if outline:
            expected = [value + 0.5 for row, col in [*outline, outline[0]] for value in (col, row)]
            assert any(points == pytest.approx(expected, abs=1e-3) for points in lines)


def drawn_by(state: Dataset) -> list[tuple[object, ...]]:
    """Frame, layer, points and words of each annotation."""
    return [
        (
            item.ReferencedImageSequence[0].ReferencedFrameNumber,
            item.GraphicLayer,
            [list(line.GraphicData) for line in item.get("GraphicObjectSequence", ())],
            [words.UnformattedTextValue for words in item.get("TextObjectSequence", ())],
        )
        for item in state.GraphicAnnotationSequence
    ]


def test_the_report_on_sheets_is_read_by_others_and_says_what_was_alarmed_but_nothing_of_the_clinical_record(
    house, tmp_path
):
    sheets = tmp_path / "report.pdf"
    said_by("dcm2pdf", "dcmtk", path_of(house, Form.PDF), sheets)
    dataset = only(house, Form.PDF)
    assert sheets.read_bytes() == dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength]
    pages = [" ".join(page.extract_text().split()) for page in PdfReader(sheets).pages]
    assert all(SAFETY_WORDS in page for page in pages)
    told, unbroken = " ".join(pages), "".join("".join(pages).split())
    for listed in queries.alerts_after(house.engine, procedure=house.id):
        assert "".join(listed.alert.message.split()) in unbroken
    assert "kept apart, and goes on changing" in told
    assert "findings were written" not in told
    assert dataset.VerificationFlag == "UNVERIFIED"
    assert {each.ReferencedSOPInstanceUID for each in dataset.SourceInstanceSequence} == {house.source.SOPInstanceUID}


def test_sheets_are_made_anew_when_the_log_goes_on_but_not_when_it_says_that_they_were_sent(own):
    house = own()
    about = {"at": CLOSED + 600.0, "procedure": house.id}
    sent = Entry(type=EntryType.PROCEDURE_CHANGED, data={"changed": ["fhir"]}, **about)
    Journal(house.engine).append([sent])
    assert is_dispatched(house.settings, house.engine, house.id)
    Journal(house.engine).append([Entry(type=EntryType.NOTE, actor="anna", data={"text": "a late thought"}, **about)])
    assert not is_dispatched(house.settings, house.engine, house.id)
    (new,) = [each for each in house.dispatch(at=CLOSED + 700.0) if each.is_new]
    assert new.form is Form.PDF
    assert pydicom.dcmread(new.path).ContentTime > only(house, Form.PDF).ContentTime
    assert is_dispatched(house.settings, house.engine, house.id)
    assert {each.form for each in house.dispatch(at=CLOSED + 800.0, report_pdf=False)} == set(Form) - {Form.PDF}


def test_sheets_that_cannot_be_laid_out_keep_no_findings_back(own, monkeypatch):
    house = own()

    def fail(*_: object) -> bytes:
        raise ValueError("too large on page 7")

    monkeypatch.setattr("service.printout.pdf.as_pdf", fail)
    assert {each.form for each in house.dispatch()} == set(Form) - {Form.PDF}


def test_a_repeat_changes_nothing_and_new_findings_come_beside_the_old(own):
    house = own()
    before = {each.path: each.path.read_bytes() for each in house.made}
    n_lines = len(house.lines(EntryType.PROCEDURE_CHANGED))
    again = house.dispatch(at=CLOSED + 500.0)
    assert [each.is_new for each in again] == [False] * len(house.made)
    assert {each.path: each.path.read_bytes() for each in dispatched(house.settings, house.id)} == before
    assert len(house.lines(EntryType.PROCEDURE_CHANGED)) == n_lines
    assert is_dispatched(house.settings, house.engine, house.id)
    for path in before:
        path.unlink()
    assert not is_dispatched(house.settings, house.engine, house.id)
    assert {each.path: each.path.read_bytes() for each in house.dispatch(at=CLOSED + 900.0)} == before
    procedures.change(house.engine, house.id, {"levels": ["L3"]}, at=CLOSED)
    later = house.dispatch(report_pictures=False)
    assert all(each.is_new for each in later)
    assert {each.series_instance_uid for each in later} < {each.series_instance_uid for each in house.made}
    assert {path: path.read_bytes() for path in before} == before


def test_where_no_frame_showed_cement_nothing_says_that_it_was_seen(own, monkeypatch):
    house = own()
    bare = {"cement_outlines": [], "cement_area_mm2": 0.0, "pieces": []}
    frames = [replace(entry, data=entry.data | bare) for entry in queries.frames_back(house.engine, house.id, 4000)]
    monkeypatch.setattr("service.gather._alert_frames", lambda *_: iter(()))
    monkeypatch.setattr("service.gather.queries.frames_back", lambda *_: iter(frames))
    (report,) = reports_of(_place(house.settings, house.engine), house.id)
    ((quiet,),) = [frame.sightings for frame in report.frames]
    assert not quiet.is_seen
    assert quiet.words.startswith("No cement was seen on this frame")


def test_images_that_have_left_the_spool_are_told_of_and_without_any_there_is_nothing_to_report(own):
    house = own()
    house.settings.spool_dir.rename(house.folder / "away")
    with pytest.raises(NothingToReport, match="left the spool"):
        house.dispatch()
    with pytest.raises(KeyError):
        dispatch(house.settings, house.engine, "unknown", at=CLOSED)


def test_terms_of_the_site_replace_our_codes(own, tmp_path):
    house = own()
    terms = tmp_path / "terms.toml"
    terms.write_text('[CEMENT_LEAK]\nvalue = "L1"\nscheme = "99SITE"\nmeaning = "Leakage of cement"\n')
    made = house.dispatch(report_terms_file=terms, report_pictures=False)
    path = next(each.path for each in made if each.form is Form.SR)
    said = said_by("dsrdump", "dcmtk", path)
    assert '(L1,99SITE,"Leakage of cement")' in said
    assert "CEMENT_LEAK" not in said
    schemes = pydicom.dcmread(path).CodingSchemeIdentificationSequence
    assert {item.CodingSchemeDesignator for item in schemes} == {"99CEMENT", "99SITE"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[CEMENT", "TOML"),
        ("[CEMENT_LAEK]\n", "CEMENT_LEAK"),
        ('[CEMENT]\nvalue = "1"\n', "value, scheme and meaning"),
        (f'[CEMENT]\nvalue = "{"1" * 17}"\nscheme = "SCT"\nmeaning = "m"\n', "1 to 16"),
        (None, "a file that can be read"),
    ],
)
def test_terms_that_cannot_be_meant_are_refused_at_the_start(tmp_path, text, expected):
    path = tmp_path / "terms.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=expected):
        Settings(report_terms_file=path)


def test_objects_are_made_on_request_and_the_list_says_how_far_each_archive_has_them(own, tmp_path):
    house = own()
    with room_at(tmp_path, archives=(archive_at(9),), report_pictures=True) as room:
        path = f"/api/v1/procedures/{house.id}/results"
        before = room.client.get(path).json()
        assert {item["form"] for item in before["items"]} == set(Form)
        assert [item["deliveries"] for item in before["items"]] == [[]] * len(house.made)
        told = room.client.post(path, timeout=170).raise_for_status().json()
        waiting = {"archive": "PACS", "state": "waiting", "reason": None}
        assert [item["deliveries"] for item in told["items"]] == [[waiting]] * len(house.made)
        assert told["safety"] == SAFETY_WORDS
        assert room.client.post(path).json() == told
        empty = room.client.post("/api/v1/procedures", json={"levels": ["L1"]}).json()["id"]
        refused = room.error(room.client.post(f"/api/v1/procedures/{empty}/results"), 409)
        assert refused["code"] == "nothing_to_report"
        assert room.client.get(f"/api/v1/procedures/{empty}/results").json()["items"] == []


# sent by themselves, and once


def archive_at(port: int) -> Archive:
    return Archive(name="PACS", host="127.0.0.1", port=port, called="ORTHANC")


def test_a_closed_procedure_is_reported_once_the_room_is_quiet_and_its_images_are_judged(own):
    house = own(archive_at(9))
    reporter = Reporter(house.settings, house.engine, now=CLOSED - 5.0)
    assert reporter.step(CLOSED + 59.0) == 0
    assert not sent(house)
    assert reporter.step(CLOSED + 61.0) == 1
    assert {each.sop_instance_uid for each in sent(house)} == {each.sop_instance_uid for each in house.made}
    assert Reporter(house.settings, house.engine, now=CLOSED + 100.0).step(CLOSED + 100.0) == 0, "it remembers"
    procedures.change(house.engine, house.id, {"closed_at": None}, at=CLOSED + 200.0)
    assert reporter.step(CLOSED + 300.0) == 0
    procedures.close(house.engine, house.id, at=CLOSED + 300.0)
    assert reporter.step(CLOSED + 400.0) == 1
    (new,) = {each.sop_instance_uid for each in sent(house)} - {each.sop_instance_uid for each in house.made}
    sheets = [each for each in dispatched(house.settings, house.id) if each.sop_instance_uid == new]
    assert [each.form for each in sheets] == [Form.PDF], "nothing new was found; the log says that it was opened again"


def test_what_closed_before_is_left_alone_and_unjudged_images_are_waited_for(own):
    house = own(archive_at(9))
    assert Reporter(house.settings, house.engine, now=CLOSED + 1.0).step(CLOSED + 100.0) == 0
    procedures.change(house.engine, house.id, {"closed_at": None}, at=CLOSED + 200.0)
    (stamp,) = arrivals.arrivals_of(house.engine, house.id, 0, 9)
    late = replace(stamp, number=2, sop_instance_uid="1.2.3", status=arrivals.Status.OPEN)
    arrivals.note_arrivals(house.engine, [late])
    procedures.close(house.engine, house.id, at=CLOSED + 300.0)
    reporter = Reporter(house.settings, house.engine, now=CLOSED + 1.0)
    assert reporter.step(CLOSED + 400.0) == 0
    assert reporter.step(CLOSED + 4000.0) == 1


def failing(monkeypatch, *errors: Exception | None) -> None:
    """The next reports end like this, one after another; None: nothing was found that is new."""
    left = list(errors)

    def dispatch_badly(*_: object, **__: object) -> tuple[()]:
        if (error := left.pop(0)) is not None:
            raise error
        return ()

    monkeypatch.setattr("service.reporter.dispatch", dispatch_badly)


@pytest.mark.parametrize("error", [IndexError("list"), OSError("ushort format requires"), ZeroDivisionError()])
def test_a_procedure_whose_objects_cannot_be_made_keeps_none_behind_it_waiting(own, monkeypatch, error):
    house = own(archive_at(9))
    reporter = Reporter(house.settings, house.engine, now=CLOSED - 5.0)
    failing(monkeypatch, error)
    assert reporter.step(CLOSED + 61.0) == 1
    assert reporter.step(CLOSED + 62.0) == 0, "it is not tried again and again"


def test_a_full_disk_or_a_silent_database_is_tried_again(own, monkeypatch):
    house = own(archive_at(9))
    reporter = Reporter(house.settings, house.engine, now=CLOSED - 5.0)
    failing(monkeypatch, OSError(errno.ENOSPC, "full"), StoreUnreachable("silent"), None)
    assert reporter.step(CLOSED + 61.0) == 0
    with pytest.raises(StoreUnreachable):
        reporter.step(CLOSED + 62.0)
    assert reporter.step(CLOSED + 63.0) == 1


def sent(house: Played) -> list[deliveries.Delivery]:
    return deliveries.due(house.engine, "PACS", 1e12, 1000)


@pytest.mark.slow
def test_killed_while_it_sends_and_asked_again_orthanc_holds_each_object_once_as_it_was_made(own, orthanc):
    house = own(archive_at(orthanc.dicom_port))
    house.settings.spool_dir.rename(house.folder / "away")  # the images went there before
    told = json.dumps([each.model_dump() for each in house.settings.archives])
    command = [sys.executable, "-m", "tests.service.forwarder", str(house.folder), told]
    paths = [each.path for each in house.made]
    for n_there in (2, len(paths)):
        enqueue_files(house.engine, house.folder, paths, ["PACS"], at=CLOSED)
        sender = subprocess.Popen(command, cwd=CHECKOUT)
        try:
            until(lambda n=n_there: len(orthanc.get("/instances")) >= n, 90.0)
        finally:
            sender.kill()
            sender.wait(20)
    there = orthanc.get("/instances?expand")
    by_uid = {each["MainDicomTags"]["SOPInstanceUID"]: each["ID"] for each in there}
    assert len(there) == len(by_uid) == len(paths)
    for each in house.made:
        content = httpx.get(f"{orthanc.http}/instances/{by_uid[each.sop_instance_uid]}/file", timeout=30).content
        assert pydicom.dcmread(io.BytesIO(content)) == pydicom.dcmread(each.path)
