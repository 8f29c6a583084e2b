"""A procedure leaves without identity, and what leaves is judged as it was judged."""

from __future__ import annotations

import fcntl
import io
import json
import time
import zipfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from pydicom import dcmread
from sqlalchemy import Engine

from db import plans, procedures, queries
from db.connect import connect
from db.journal import Journal
from detection.vocabulary import NO_PROCEDURE, Entry, EntryType, Kind, View
from dicom_gateway.arrival import Origin
from dicom_gateway.confidential import Choice
from dicom_gateway.disguise import KEY_BYTES, disguise_of, key_at
from dicom_gateway.header import read_header
from dicom_gateway.refusal import GatewayError
from dicom_gateway.spool import Spool
from service.__main__ import main
from service.bell import Bell
from service.export import KEY, Exporter, NotThere
from service.neutral import Neutral
from service.packed import export_packed, packed_apart
from service.replay import replayed
from service.roles import make_watch
from service.settings import Settings
from tests.journeys.scenes import LEAK, Recording, record
from tests.service.canaries import CORNER, CORNER_SHARE, Canaries, plant_in_header, plant_in_pixels
from tests.service.conftest import room_at
from tests.service.visitors import admit, browser_of

STUDY = "2.25.20260202"
N_CANARIES = 200
PLAN_AT = 6
"""Frames judged before the operator sets landmarks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A procedure that was watched live: its installation, and what was hidden in it."""

    settings: Settings
    engine: Engine
    spool: Spool
    procedure: str
    marks: Canaries
    recording: Recording

    @property
    def exporter(self) -> Exporter:
        return Exporter(settings=self.settings, engine=self.engine, spool=self.spool)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """A leak seen live from a source that burns text into a corner, with marks wherever a name could stand."""
    folder, marks = tmp_path_factory.mktemp("installation"), Canaries()
    recording = record(replace(LEAK, frame_rate=3.0), folder / "film", study_uid=STUDY, started_at=time.time())
    source = marks.new()
    for n, path in enumerate(recording.paths()):
        dataset = dcmread(path)
        if n in {0, 9}:
            plant_in_header(dataset, marks if n == 0 else Canaries())
        pixels = dataset.pixel_array.copy()
        plant_in_pixels(pixels, marks if n == 0 else Canaries())
        dataset.PatientName, dataset.PatientID = marks.planted[1], marks.planted[2]
        dataset.PixelData = pixels.astype("<u2").tobytes()
        dataset.save_as(path)
    settings = Settings(data_dir=folder / "data", skip_after_s=600)
    settings.data_dir.mkdir()
    (settings.data_dir / "sources.toml").write_text(
        f'[[sources]]\ntitle = "{source}"\nhost = "{marks.new_at_home()}"\nburned_in = [{CORNER_SHARE}]\n'
    )
    engine = connect(settings.journal_url)
    spool = Spool(settings.spool_dir)
    watch = make_watch(settings, engine, Bell(settings.data_dir / "bells"))
    for n, path in enumerate(recording.paths()):
        receive(spool, path, source)
        assert watch.turn()
        if n == PLAN_AT:
            procedure = procedures.find_procedure(engine, STUDY).id
            operate(engine, procedure, recording, marks)
    while watch.turn():
        pass
    watch.close()
    journal = Journal(engine)
    while len(marks.planted) - len(marks.at_home) < N_CANARIES:
        journal.append([said(procedure, marks)])
    yield Watched(settings=settings, engine=engine, spool=spool, procedure=procedure, marks=marks, recording=recording)
    engine.dispose()


def receive(spool: Spool, path: Path, source: str) -> None:
    part = spool.begin()
    part.write(path.read_bytes())
    uid = read_header(path).sop_instance_uid
    spool.add(part, Origin(sop_instance_uid=uid, source=source, received_ns=time.time_ns()))


def operate(engine: Engine, procedure: str, recording: Recording, marks: Canaries) -> None:
    """Landmarks, and everything an operator can type."""
    true = recording.corners[PLAN_AT]
    names = {"near": "posterior", "far": "anterior"}
    corners = {name.replace(word, names[word]): list(true[name]) for word in names for name in true if word in name}
    plans.put_plan(engine, procedure, View.LATERAL, {**corners, "level": "L2"}, at=time.time(), actor=marks.new())
    patient = {"name": marks.new_at_home(), "id": marks.new_at_home(), "birth_date": "19500101"}
    procedures.change(engine, procedure, {"patient": patient, "accession_number": marks.new()}, at=time.time())


def said(procedure: str, marks: Canaries) -> Entry:
    """A line with marks in every field that can hold a text."""
    nested = {"text": marks.new(), "level": marks.new(), "changed": [marks.new()], marks.new(): 1}
    about = {"cause": marks.new(), "actor": marks.new(), "source": marks.new()}
    return Entry(at=time.time(), type=EntryType.NOTE, procedure=procedure, data={"volume_ml": 0.5, **nested}, **about)


def of_cement(lines: list[dict]) -> list[tuple]:
    """What was told of cement, line by line, and the frame it was told on."""
    words = ("kind", "zone", "side", "priority", "condition")
    return [
        (line["type"], *(line["alert"][word] for word in words), line["frame"]["sop_instance_uid"])
        for line in lines
        if "alert" in line and line["alert"]["kind"] != Kind.TECHNICAL and "frame" in line
    ]


def told_live(watched: Watched) -> list[dict]:
    from service.replay import line_of

    return [line_of(entry) for entry in queries.entries_after(watched.engine, 0, watched.procedure, limit=1000)]


@pytest.fixture(scope="module")
def exported(watched, tmp_path_factory):
    out = tmp_path_factory.mktemp("exports") / "procedure"
    watched.exporter.export(watched.procedure, out, Choice())
    return out


def test_none_of_two_hundred_canaries_leaves(watched, exported):
    as_it_is = exported.parent / "as-it-is"
    watched.exporter.export(watched.procedure, as_it_is, None)
    travelling = set(watched.marks.planted) - watched.marks.at_home
    assert len(travelling) >= N_CANARIES
    assert watched.marks.found_in(as_it_is) == travelling
    assert watched.marks.found_in(exported) == set()
    assert not [path for path in exported.rglob("*") if path.name == KEY]


def test_the_corner_that_was_declared_is_blank_and_the_rest_is_untouched(watched, exported):
    top, left, bottom, right = CORNER
    for copy, path in zip(sorted((exported / "images").iterdir()), watched.recording.paths(), strict=True):
        pixels, before = dcmread(copy).pixel_array, dcmread(path).pixel_array
        assert not pixels[top:bottom, left:right].any()
        assert np.array_equal(pixels[bottom + 1 :], before[bottom + 1 :])


def test_an_export_replays_to_the_alerts_of_the_day(watched, exported):
    live = of_cement(told_live(watched))
    assert ("alert_raised", "leak", "canal") in {line[:3] for line in live}
    mask = disguise_of(key_at(watched.settings.data_dir / KEY), "anybody", Choice())
    again = of_cement(list(replayed(exported, "", with_frames=False, now=time.time)))
    assert again == [(*line[:-1], mask.uid(line[-1])) for line in live]


def test_the_landmarks_travel(exported):
    (plan,) = json.loads((exported / "landmarks.json").read_text())
    assert plan["level"] == "L2"
    assert len(plan["posterior_superior"]) == 2
    lines = [json.loads(line) for line in (exported / "log.jsonl").read_text().splitlines()]
    (set_,) = [line for line in lines if line.get("type") == "plan_set"]
    assert set_["actor"].startswith("PERSON")


def test_the_report_says_what_was_removed_and_declares_what_it_cannot_know(watched, exported):
    report = (exported / "report.txt").read_text()
    assert "113100 Basic Application Confidentiality Profile" in report
    assert "  private attribute: " in report
    assert "  PatientName: " in report
    assert "Nobody has told where" not in report
    assert "not a medical device" in report


def test_days_are_moved_alike_in_images_and_log_unless_they_are_to_be_kept(watched, exported, tmp_path):
    lines = [json.loads(line) for line in (exported / "log.jsonl").read_text().splitlines()[1:]]
    seen = next(line for line in lines if line["type"] == "frame_seen")
    first = read_header(min((exported / "images").iterdir()))
    assert seen["frame"]["acquired_at"] == pytest.approx(first.acquired_at)
    assert seen["frame"]["acquired_at"] < time.time() - 29 * 86_400
    watched.exporter.export(watched.procedure, tmp_path / "dated", Choice(keeps_dates=True))
    dated = read_header(min((tmp_path / "dated" / "images").iterdir()))
    assert dated.acquired_at == pytest.approx(time.time(), abs=3600)


@pytest.mark.parametrize("name", ["王小明", "Иванов Иван", "Ελένη", "Müller", "left 王小明", "--", "L2 é"])
def test_a_name_in_any_letters_is_no_word_of_the_vocabulary(name):
    neutral = Neutral(disguise=disguise_of(bytes(KEY_BYTES), "anybody", Choice()))
    said = {"cause": name, "data": {"note": name, "message": name, "level": name, "changed": [name]}}
    told = neutral.line({"type": "alert_raised", **said})
    assert told == {
        "type": "alert_raised",
        "cause": None,
        "data": {"note": None, "message": None, "level": None, "changed": [None]},
    }


@pytest.mark.parametrize("number", [10_000_001, 2_000_000_000])
def test_lines_keep_their_numbers_however_many_there_are(number):
    neutral = Neutral(disguise=disguise_of(bytes(KEY_BYTES), "anybody", Choice()))
    line = {"number": number, "type": "frame_seen", "data": {"acts_to": number, "arrival": number}}
    assert neutral.line(line) == line
    said = {"arrival": -1_760_000_000_000_000, "volume_ml": 12_345_678.0}
    assert neutral.line({"data": said}) == {"data": dict.fromkeys(said)}


def test_an_export_that_cannot_be_is_refused_and_leaves_nothing(watched, tmp_path):
    with pytest.raises(NotThere):
        watched.exporter.export("nobody", tmp_path / "out", Choice())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError):
        watched.exporter.export(watched.procedure, tmp_path / "full", Choice())
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "thesis.txt"]


def test_a_download_is_the_same_without_identity_in_one_file_and_the_journal_says_who_asked(watched, exported):
    with room_at(watched.settings.data_dir.parent) as room:
        admit(room, "anna")
        with browser_of(room, "anna") as client:
            address = f"/api/v1/procedures/{watched.procedure}/deidentified.zip"
            answer = client.get(address, timeout=170)
            assert answer.status_code == 200, answer.text
            with (watched.settings.exports_dir / "lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                assert room.error(client.get(address), 503)["message"].endswith("another download is being made.")
            room.error(client.get("/api/v1/procedures/nothing/deidentified.zip"), 404)
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        assert packed.testzip() is None
        members = {name: packed.read(name) for name in packed.namelist()}
        assert {member.date_time for member in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    folder = {str(path.relative_to(exported)): path.read_bytes() for path in exported.rglob("*") if path.is_file()}
    assert set(members) == set(folder)
    assert {name: members[name] for name in folder if name.startswith("images/")} == {
        name: content for name, content in folder.items() if name.startswith("images/")
    }
    assert not [mark for mark in watched.marks.planted if mark.encode() in b"".join(members.values())]
    assert [path.name for path in watched.settings.exports_dir.iterdir()] == ["lock"], "nothing is left behind"
    told = queries.log_of(watched.engine, NO_PROCEDURE, 0, (EntryType.EXPORTED,))[-1]
    assert (told.actor, told.data["procedure"], told.data["without_identity"]) == ("anna", watched.procedure, True)


def test_an_export_leaves_room_for_images_and_gives_up_whole(watched, tmp_path):
    free_mb = watched.spool.free_bytes() // 2**20
    tight = replace(watched.exporter, settings=watched.settings.model_copy(update={"min_free_mb": free_mb}))
    for write in (tight.export, partial(export_packed, tight)):
        with pytest.raises(OSError, match="too full to receive images"):
            write(watched.procedure, tmp_path / "out.zip", Choice())
    assert list(tmp_path.iterdir()) == []


def test_what_is_packed_lies_on_the_disk_only_once(watched, exported, tmp_path, monkeypatch):
    counts = []

    def count(_: Exporter, folder: Path, n_bytes: int) -> None:
        assert n_bytes > 0
        counts.append(len([path for path in folder.rglob("*") if path.is_file()]))

    monkeypatch.setattr(Exporter, "leave_room", count)
    export_packed(watched.exporter, watched.procedure, tmp_path / "out.zip", Choice())
    assert (tmp_path / "out.zip").stat().st_mode & 0o777 == 0o640
    n_files = len([path for path in exported.rglob("*") if path.is_file()])
    assert counts[-n_files:] == list(range(n_files, 0, -1))


def test_a_download_that_fails_leaves_nothing_on_the_disk(tmp_path, monkeypatch):
    def fail(_: object, *words: str) -> None:
        (Path(words[3]).parent / ".export-1").mkdir()
        raise GatewayError("the export was not made in time")

    monkeypatch.setattr("service.packed._run", fail)
    with pytest.raises(GatewayError):
        packed_apart({}, tmp_path / "exports", "p1", "anna", Choice())
    assert [path.name for path in (tmp_path / "exports").iterdir()] == ["lock"]


def test_the_command_writes_who_took_what(watched, tmp_path, monkeypatch):
    monkeypatch.setenv("CEMENTWATCH_DATA_DIR", str(watched.settings.data_dir))
    runner, out = CliRunner(), tmp_path / "out"
    done = runner.invoke(main, ["export", watched.procedure, "--deidentify", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert f"{watched.recording.n_frames} images" in done.output
    told = queries.log_of(watched.engine, NO_PROCEDURE, 0, (EntryType.EXPORTED,))[-1]
    assert told.data == {"procedure": watched.procedure, "form": "images and log", "without_identity": True}
    assert runner.invoke(main, ["export", "--deidentify"]).exit_code == 2
    assert runner.invoke(main, ["export", watched.procedure, "--keep-dates", "--out", str(out)]).exit_code == 2
    assert "new or empty" in runner.invoke(main, ["export", watched.procedure, "--out", str(out)]).output
