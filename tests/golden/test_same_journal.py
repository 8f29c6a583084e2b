"""Whatever a recording comes in, it gives the same journal, to the byte but for times."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydicom import dcmread

from db import procedures
from db.connect import connect
from detection.phantom.scene import Scene
from dicom_gateway.arrival import Origin
from dicom_gateway.confidential import Choice
from dicom_gateway.disguise import disguise_of, key_at
from dicom_gateway.due import due_from_folder
from dicom_gateway.header import read_header
from dicom_gateway.spool import Spool
from service.__main__ import main
from service.bell import Bell
from service.export import KEY, Exporter
from service.replay import replayed
from service.roles import make_watch
from service.settings import Settings
from tests.conftest import program
from tests.journeys.scenes import LEAK, record

STUDY = "2.25.20260303"
BEGAN = 1_760_000_000.0
LATER = 1_770_000_000.25
SHORT: Scene = replace(LEAK, frame_rate=2.0)


def printed(recording: Path | str, *, at: float = LATER, orthanc: str = "") -> list[str]:
    """What ``cementwatch replay --frames`` prints of it."""
    return [json.dumps(line, sort_keys=True) for line in replayed(recording, orthanc, with_frames=True, now=lambda: at)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The recording as a folder of objects."""
    return record(SHORT, tmp_path_factory.mktemp("film"), study_uid=STUDY, started_at=BEGAN).folder


@pytest.fixture(scope="module")
def agreed(folder) -> list[str]:
    """The journal of that folder."""
    lines = printed(folder, at=BEGAN)
    assert any('"canal"' in line and '"alert_raised"' in line for line in lines)
    return lines


@pytest.fixture(scope="module")
def medium(folder, tmp_path_factory) -> Path:
    """The recording as DCMTK puts it on a medium, its files in another order than they were made in."""
    made = tmp_path_factory.mktemp("medium")
    (made / "XA").mkdir()
    for n, path in enumerate(sorted(folder.glob("*.dcm"), reverse=True)):
        shutil.copyfile(path, made / "XA" / f"IM{n:04d}")
    command = [program("dcmmkdir", "dcmtk"), "+r", "+I", "+id", made, "+D", made / "DICOMDIR"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def watched(folder, tmp_path_factory) -> Exporter:
    """An installation that watched the recording while it was made."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("watched"), skip_after_s=600)
    engine, spool = connect(settings.journal_url), Spool(settings.spool_dir)
    for path in sorted(folder.glob("*.dcm")):
        part = spool.begin()
        part.write(path.read_bytes())
        uid = read_header(path).sop_instance_uid
        spool.add(part, Origin(sop_instance_uid=uid, source="CARM1", received_ns=int(BEGAN * 1e9)))
    watch = make_watch(settings, engine, Bell(settings.data_dir / "bells"), lambda: BEGAN)
    while watch.turn():
        pass
    watch.close()
    yield Exporter(settings=settings, engine=engine, spool=spool)
    engine.dispose()


def test_a_medium_gives_the_journal_of_its_folder(medium, agreed):
    assert printed(medium / "DICOMDIR") == agreed


def test_an_exported_procedure_gives_the_journal_of_its_folder(watched, agreed, tmp_path):
    id = procedures.find_procedure(watched.engine, STUDY).id
    watched.export(id, tmp_path / "as-it-is", None)
    assert printed(tmp_path / "as-it-is") == agreed
    watched.export(id, tmp_path / "without-identity", Choice())
    mask = disguise_of(key_at(watched.settings.data_dir / KEY), "anybody", Choice())
    names = {
        uid: mask.uid(uid) for uid in (read_header(p).sop_instance_uid for p in (tmp_path / "as-it-is").rglob("*.dcm"))
    }
    assert printed(tmp_path / "without-identity") == [renamed(line, names) for line in agreed]


def renamed(line: str, names: dict[str, str]) -> str:
    """The same line about the same object under its other name."""
    told = json.loads(line)
    if "frame" in told:
        told["frame"]["sop_instance_uid"] = names[told["frame"]["sop_instance_uid"]]
    return json.dumps(told, sort_keys=True)


def test_a_study_in_orthanc_gives_the_journal_of_its_folder(folder, agreed, orthanc):
    for path in sorted(folder.glob("*.dcm"), reverse=True):
        orthanc.post("/instances", path.read_bytes())
    assert printed(STUDY, orthanc=orthanc.http) == agreed


def test_objects_that_tell_no_time_go_by_their_numbers_wherever_they_lie(folder, tmp_path):
    names = "d c b a".split()
    for name, path in zip(names, sorted(folder.glob("*.dcm")), strict=False):
        dataset = dcmread(path)
        for keyword in [word for word in dataset.dir() if word.startswith(("Acquisition", "Content"))]:
            del dataset[keyword]
        dataset.save_as(tmp_path / f"{name}.dcm")
    assert [item.content.stem for item in due_from_folder(tmp_path)] == names


def test_what_is_no_recording_is_named(medium, tmp_path):
    runner = CliRunner()
    broken = shutil.copytree(medium, tmp_path / "broken")
    next(path for path in broken.rglob("*") if path.is_file() and path.name != "DICOMDIR").unlink()
    assert "lacks 1 of the" in runner.invoke(main, ["replay", "--folder", str(broken / "DICOMDIR")]).output
    (tmp_path / "empty").mkdir()
    assert "no DICOM object" in runner.invoke(main, ["replay", "--folder", str(tmp_path / "empty")]).output
    (tmp_path / "empty" / "procedure.json").write_text('{"format": "another"}')
    assert "expected an export" in runner.invoke(main, ["replay", "--folder", str(tmp_path / "empty")]).output
