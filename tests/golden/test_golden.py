"""Recorded scenario in, expected journal out, through the same code that runs live.

Each scenario has a file of JSON lines: every change of an alert's condition, signal or priority, the frame it was
written on, and what it rests on; at the end the cement of the last frame. ``make golden`` writes them anew; the difference is to be read before it is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detection.phantom.scene import Scene
from service.replay import replayed
from tests.journeys.scenes import LEAK, QUIET, Recording, record

GOLDEN = Path(__file__).parent
STUDY = "2.25.20260101"
BEGAN = 1_760_000_000.0
SCENES = {scene.name: replace(scene, size=(512, 512), mm_per_px=0.25) for scene in (LEAK, QUIET)}
"""As the devices make them; half that size costs alerts their precision."""
AREA_TOLERANCE = 0.05
"""Floating point differs between machines by less; a change of the algorithm that matters does not."""

Line = dict[str, Any]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> dict[str, Recording]:
    """The scenes as objects that never change."""
    return {name: recorded(scene, tmp_path_factory.mktemp(name)) for name, scene in SCENES.items()}


def recorded(scene: Scene, folder: Path) -> Recording:
    """A scene with fixed UIDs and times."""
    return record(scene, folder, study_uid=f"{STUDY}.{scene.seed}", started_at=BEGAN)


def printed(recording: Recording, *, at: float) -> list[str]:
    """What ``cementwatch replay --folder --frames`` prints."""
    lines = replayed(recording.folder, "", with_frames=True, now=lambda: at)
    return [json.dumps(line, sort_keys=True) for line in lines]


def transitions(lines: list[str], index_of: dict[str, int]) -> Iterator[Line]:
    """The lines that say something new of an alert about cement, and the last frame, with the numbers rounded."""
    shown: dict[tuple[str, ...], tuple[str, ...]] = {}
    last: Line = {}
    for line in map(json.loads, lines):
        alert = line.get("alert")
        if line["type"] == "frame_seen":
            area_mm2 = round(line["findings"]["cement_area_mm2"] or 0.0, 1)
            last = {"frame": index_of[line["frame"]["sop_instance_uid"]], "type": "frame_seen", "area_mm2": area_mm2}
        if alert is None or alert["kind"] == "technical":
            continue
        name = (alert["kind"], str(alert["zone"]), str(alert["side"]))
        state = (str(line["to"]), alert["priority"])
        if shown.get(name) != state:
            shown[name] = state
            yield {
                "frame": index_of[line["frame"]["sop_instance_uid"]],
                "type": line["type"],
                **{word: alert[word] for word in ("kind", "zone", "side", "priority")},
                "to": line["to"],
                "area_mm2": None if alert["area_mm2"] is None else round(alert["area_mm2"], 1),
            }
    yield last


@pytest.mark.parametrize("name", SCENES)
def test_a_scenario_gives_the_journal_that_was_agreed(name, recordings, request):
    told = list(transitions(printed(recordings[name], at=BEGAN), recordings[name].index_of))
    path = GOLDEN / f"{name}.jsonl"
    if request.config.getoption("--rewrite-golden"):
        path.write_text("".join(json.dumps(line) + "\n" for line in told), encoding="utf-8")
    agreed = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [without_area(line) for line in told] == [without_area(line) for line in agreed]
    areas = [line["area_mm2"] or 0.0 for line in told]
    assert areas == pytest.approx([line["area_mm2"] or 0.0 for line in agreed], rel=AREA_TOLERANCE, abs=0.5)


def without_area(line: Line) -> Line:
    """What must be equal to the letter."""
    return {word: said for word, said in line.items() if word != "area_mm2"}


def test_the_agreed_journals_are_what_the_scenes_are_about():
    told = {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in GOLDEN.glob("*.jsonl")}
    assert set(told) == set(SCENES)
    assert "high" not in {line.get("priority") for line in told[QUIET.name]}
    assert ("canal", "high") in {(line.get("zone"), line.get("priority")) for line in told[LEAK.name]}


def test_a_replay_does_not_depend_on_the_time_of_day(tmp_path):
    recording = recorded(LEAK, tmp_path / "small")
    assert printed(recording, at=BEGAN) == printed(recording, at=BEGAN + 40 * 86_400 + 0.123)
