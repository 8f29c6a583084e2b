"""``cementwatch score``: sets of scenes that never mix, a command that plays a failing scene again, two runs side by side."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from detection.outcome import Patient
from detection.phantom.flow import Leak, LeakKind
from detection.phantom.scene import SCENARIOS, Scene
from service.__main__ import main
from service.score.gallery import Gallery
from service.score.kept import Archive
from service.score.play import PLAYED, Hall, play_task
from service.score.report import against, json_of, lines_of
from service.score.sets import ON_CT, Task, first_seed, name_of, task_named, tasks_of
from tests.detection.outcomes import leakage, outcome, telling

TINY = Scene(
    name="tiny",
    seed=1,
    duration_s=3.0,
    start_s=1.5,
    knots=((2.0, 0.5),),
    leak=Leak(kind=LeakKind.PREVERTEBRAL_VEIN, at_s=1.8, speed_mm_s=40.0, radius_mm=2.0, length_mm=25.0),
)
CAUGHT = outcome(telling(104, is_true=True), leak=leakage())
MISSED = outcome(leak=leakage())


@pytest.fixture
def tiny(monkeypatch, tmp_path) -> Path:
    """A story of three seconds, and the folder that keeps it."""
    monkeypatch.setitem(SCENARIOS, "tiny", TINY)
    monkeypatch.setenv("CEMENTWATCH_SCORE_CACHE_DIR", str(tmp_path / "kept"))
    return tmp_path


def test_the_sets_never_share_a_seed():
    seeds = {name: {task.seed for task in tasks_of(name, 500) if isinstance(task, Task)} for name in ("tune", "exam")}
    assert len(seeds["tune"]) == 500 * len(SCENARIOS)
    assert not seeds["tune"] & seeds["exam"]


def test_another_story_moves_no_seed():
    before = first_seed("tune", "canal_leak")
    assert before == 148_423_000
    assert [task.seed for task in tasks_of("tune", 2, only=("canal_leak",))] == [before, before + 1]


def test_a_ct_is_played_beside_the_phantom(tmp_path):
    tasks = list(tasks_of("tune", 1, tmp_path))
    assert [task.story for task in tasks if task.ct] == sorted(ON_CT)
    assert len(tasks) == len(SCENARIOS) + len(ON_CT)


def test_a_scene_is_found_again_by_its_name(tmp_path):
    for about, ct in ((CAUGHT.about, None), (replace(CAUGHT.about, patient=Patient.SCANNED), tmp_path)):
        task = task_named(name_of(replace(about, scene="contained", seed=7)), "tune", ct)
        assert (task.story, task.seed, task.landmarks, task.ct) == ("contained", 7, ("given",), ct)


@pytest.mark.parametrize(
    "name",
    ["contained", "contained:7", "contained:x:given", "contained:7:guessed", "nothing:7:given", "contained:7:given:ct"],
)
def test_a_name_of_no_scene_says_what_is_expected(name):
    with pytest.raises(ValueError, match=r"expected STORY:SEED:given|needs --ct"):
        task_named(name, "tune", None)


def test_a_task_is_played_once_and_then_told(tiny):
    hall = Hall(archive=Archive(folder=tiny / "kept", most_bytes=10**9), has_gallery=True)
    task = Task(set_name="tune", story="tiny", seed=3)
    first = play_task(task, hall)
    assert [each.about.landmarks for each in first.outcomes] == ["given", "found"]
    assert all(each.has_visible_leak for each in first.outcomes)
    assert {each.kind for each in first.exhibits} & {"hit", "miss"}
    tile = cv2.imdecode(np.frombuffer(base64.b64decode(first.exhibits[0].jpeg), np.uint8), cv2.IMREAD_COLOR)
    assert tile.shape[1] == 300
    for reel in (tiny / "kept").glob("*.reel"):
        reel.unlink()
    assert play_task(task, hall) == first
    assert not list((tiny / "kept").glob("*.reel")), "it was told, not played"
    assert PLAYED.validate_json(PLAYED.dump_json(first)) == first


def test_the_command_prints_tables_and_writes_what_another_run_is_compared_with(tiny):
    def run(*arguments):
        result = CliRunner().invoke(main, ["score", "--story", "tiny", "--processes", "1", *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    told = run("--json", str(tiny / "a.json"), "--montage", str(tiny / "a.png"))
    assert "set tune, phantom, landmarks given: 1 scenes, 1 with a visible leak" in told
    assert "No alert does not mean no leakage." in told
    assert cv2.imread(str(tiny / "a.png")) is not None
    assert json.loads((tiny / "a.json").read_text())["set"] == "tune"
    again = run("--against", str(tiny / "a.json"))
    assert "now fails: 0 of 2 scenes" in again


def test_nothing_is_drawn_of_frames_that_were_not_set_aside():
    noisy = outcome(telling(30, is_true=False), telling(104, is_true=True), leak=leakage())
    assert not list(Gallery().exhibits(noisy))
    assert not list(Gallery().exhibits(MISSED))


def test_one_scene_is_told_frame_by_frame(tiny):
    result = CliRunner().invoke(main, ["score", "--only", "tiny:3:found"])
    assert result.exit_code == 0, result.output
    assert "true mm" in result.output
    assert "tiny:3:found" in result.output


@pytest.mark.parametrize("look", [["--only", "contained:7:given"], ["--montage", "x.png"]])
def test_no_scene_of_the_exam_set_is_looked_at(look):
    result = CliRunner().invoke(main, ["score", "--set", "exam", *look])
    assert result.exit_code != 0
    assert "table only" in result.output


def test_the_exam_set_keeps_its_scenes_to_itself():
    assert json_of("exam", [CAUGHT])["outcomes"] == []
    assert json_of("tune", [CAUGHT])["outcomes"] != []
    assert not any("story" in line for line in lines_of("exam", [CAUGHT, MISSED]))


def test_two_runs_side_by_side_show_what_was_lost_and_won():
    before, now = json_of("tune", [CAUGHT]), json_of("tune", [MISSED])
    worse = "\n".join(against(before, now))
    assert "recall, projection-visible leaks" in worse
    assert "now fails: 1 of 1 scenes" in worse
    assert "fails no more: 1 of 1 scenes" in "\n".join(against(now, before))


def test_a_figure_that_is_not_measured_any_more_is_told():
    before, now = json_of("tune", [CAUGHT]), json_of("tune", [MISSED])
    assert any(line.startswith("delay after visible onset, s") and line.endswith("-") for line in against(before, now))
    gone = list(
        against(json_of("tune", [CAUGHT, replace(CAUGHT, about=replace(CAUGHT.about, landmarks="found"))]), now)
    )
    assert "== phantom, landmarks found: only in the file before" in gone
