"""Studies of an Orthanc judged side by side; what is done when it is broken off is not done again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.__main__ import main
from service.batch import Hall, judge_studies
from service.replay import replayed
from tests.conftest import CHECKOUT, orthanc_running
from tests.dicom_gateway.objects import image, ramp, saved
from tests.service.conftest import until

N_STUDIES = 3
N_FRAMES = 2


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """An Orthanc with three studies of two frames each."""
    folder = tmp_path_factory.mktemp("archive")
    with orthanc_running(folder) as peer:
        for n in range(N_STUDIES):
            about = {
                "StudyInstanceUID": f"2.25.{n + 1}",
                "PatientID": str(n),
                "StudyDate": "20260101",
                "StudyTime": "1011",
            }
            dataset = image(ramp(N_FRAMES, (128, 128)), SeriesInstanceUID=f"2.25.{n + 1}.1", **about)
            peer.post("/instances", saved(dataset, folder / "one.dcm").read_bytes())
        yield peer


def hall(archive, folder, n_processes=1):
    return Hall(orthanc_url=archive.http, folder=folder, n_processes=n_processes, now=time.time)


def test_every_study_has_a_line_and_a_journal(archive, tmp_path):
    done = CliRunner().invoke(main, ["batch", "--orthanc", archive.http, "--out", str(tmp_path), "--processes", "2"])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert {line["study"] for line in lines} == {"2.25.1", "2.25.2", "2.25.3"}
    assert {(line["state"], line["frames"], line["frames_failed"]) for line in lines} == {("done", N_FRAMES, 0)}
    for line in lines:
        told = [json.loads(each) for each in (tmp_path / line["journal"]).read_text().splitlines()]
        assert [each["type"] for each in told].count("frame_seen") == N_FRAMES
    again = CliRunner().invoke(main, ["batch", "--orthanc", archive.http, "--out", str(tmp_path)])
    assert "3 of 3 studies are done" in again.output
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == N_STUDIES


def test_a_run_that_was_broken_off_goes_on_with_what_is_missing(archive, tmp_path):
    studies = ["2.25.1", "2.25.2", "2.25.3"]
    first = next(judge_studies(studies, hall(archive, tmp_path)))
    with (tmp_path / "results.jsonl").open("a") as results:
        results.write('{"study": "2.25.2", "state": "do')  # killed amid a line
    rest = list(judge_studies(studies, hall(archive, tmp_path)))
    assert [first["study"], *(line["study"] for line in rest)] == studies
    assert hall(archive, tmp_path).done() == set(studies)


def test_a_study_that_is_not_there_fails_alone_and_is_tried_again(archive, tmp_path):
    args = ["batch", "--orthanc", archive.http, "--out", str(tmp_path), "--processes", "1"]
    done = CliRunner().invoke(main, [*args, "--study", "2.25.77", "--study", "2.25.1"])
    assert done.exit_code == 1
    states = {line["study"]: line for line in map(json.loads, (tmp_path / "results.jsonl").read_text().splitlines())}
    assert states["2.25.77"]["reason"] == "the study is not in Orthanc"
    assert states["2.25.1"]["state"] == "done"
    assert hall(archive, tmp_path).done() == {"2.25.1"}
    assert not list((tmp_path / "journals").glob("*.part"))


def test_a_study_that_breaks_as_nobody_foresaw_ends_no_other(archive, tmp_path):
    moments = [1.0, 0.0]

    def clock() -> float:
        """A clock that breaks amid the first study."""
        return time.time() / moments.pop(0) if moments else time.time()

    first, second = judge_studies(["2.25.1", "2.25.2"], replace(hall(archive, tmp_path), now=clock))
    assert (first["state"], first["reason"]) == ("failed", "unexpected ZeroDivisionError")
    assert second["state"] == "done"


def test_an_archive_that_does_not_answer_is_said(free_port, tmp_path):
    done = CliRunner().invoke(main, ["batch", "--orthanc", f"http://127.0.0.1:{free_port}", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "start again with the same folder" in done.output


def test_a_journal_of_a_batch_is_that_of_a_replay(archive, tmp_path):
    (result,) = judge_studies(["2.25.1"], hall(archive, tmp_path))
    journal = (tmp_path / result["journal"]).read_text().splitlines()
    again = replayed("2.25.1", archive.http, with_frames=True, now=time.time)
    assert journal == [json.dumps(line, sort_keys=True) for line in again]


def test_nothing_of_a_study_is_left_behind(archive, tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    results = judge_studies(["2.25.77", "2.25.1", "2.25.2", "2.25.3"], hall(archive, tmp_path / "out"))
    assert [next(results)["state"], next(results)["state"]] == ["failed", "done"]
    assert not list((tmp_path / "scratch").rglob("*.sqlite")), "of what is judged already"
    assert len(list((tmp_path / "scratch").rglob("*.dcm"))) <= 1, "but for the one that is fetched ahead"
    results.close()
    assert not list((tmp_path / "scratch").iterdir())


def broken_off(archive, folder: Path, how: signal.Signals) -> int:
    """A batch that is ended while its first processes start, until the last of them is gone; its exit status."""
    command = [sys.executable, "-m", "service", "batch", "--orthanc", archive.http, "--out", str(folder / "out")]
    told = os.environ | {"TMPDIR": str(folder / "scratch")}
    (folder / "scratch").mkdir()
    with subprocess.Popen(command, cwd=CHECKOUT, env=told, stderr=subprocess.DEVNULL) as child:
        of_child = Path(f"/proc/{child.pid}/task/{child.pid}/children")
        family = until(lambda: len(each := of_child.read_text().split()) > 1 and each, "processes that judge")
        child.send_signal(how)
        status = child.wait(60)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family), "all are gone")
    return status


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_batch_that_is_broken_off_leaves_no_process_and_no_image(archive, tmp_path, how):
    assert broken_off(archive, tmp_path, how) > 0
    assert list((tmp_path / "scratch").iterdir()) == []
    assert list((tmp_path / "out" / "journals").iterdir()) == []


def test_processes_that_judge_end_with_a_batch_that_is_killed(archive, tmp_path):
    assert broken_off(archive, tmp_path, signal.SIGKILL) < 0
