"""A recorder stores, pushes and is replayed from: what was said the first time is said again."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import Orthanc
from tests.journeys.house import House, assert_each_once, verdict

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recorder(orthanc_at, leak) -> tuple[Orthanc, list[str]]:
    """An Orthanc that holds the leak, and its own ids of the objects in order."""
    stored = [orthanc_at.post("/instances", path.read_bytes()) for path in leak.paths()]
    assert {each["Status"] for each in stored} == {"Success"}
    return orthanc_at, [each["ID"] for each in stored]


@pytest.fixture(scope="module")
def house(houses, recorder, leak) -> House:
    """An installation that Orthanc pushes the leak to."""
    orthanc, ids = recorder
    house = houses(ORTHANC_URL=orthanc.http, REPLAY_DIR=str(leak.folder))
    house.open("all")
    orthanc.add_modality("cementwatch", "CEMENTWATCH", house.dicom_port)
    pushed = orthanc.post("/modalities/cementwatch/store", {"Resources": ids, "Synchronous": True})
    assert pushed["FailedInstancesCount"] == 0
    house.wait_judged(leak.study, leak.n_frames)
    return house


@pytest.fixture(scope="module")
def said(house, leak) -> list[tuple]:
    """What was said of the pushed study."""
    return verdict(house.alerts(house.procedure(leak.study)["id"]), leak.index_of)


def replay(house: House, source: str, study: str, speed: float | None = None) -> dict:
    """A replay that has been asked for."""
    answer = house.tell("/replays", {"source": source, "study_instance_uid": study, "speed": speed})
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return answer.json()


def finished(house: House, id: str) -> dict:
    """The replay once it has ended."""
    return house.until(
        lambda: told if (told := house.ask(f"/replays/{id}"))["state"] not in {"queued", "running"} else None,
        "the replay has ended",
    )


def test_a_pushed_study_raises_alerts(house, leak, said):
    procedure = house.procedure(leak.study)
    assert_each_once(house.judged(procedure["id"]), leak.n_frames)
    assert {alert["source"] for alert in house.alerts(procedure["id"])} == {"ORTHANC"}
    assert any("high" in line for line in said)


@pytest.mark.parametrize("source", ["orthanc", "folder"])
def test_a_replay_says_the_same_again_in_a_procedure_of_its_own(house, leak, said, source):
    asked = replay(house, source, leak.study)
    ended = finished(house, asked["id"])
    assert (ended["state"], ended["sent"], ended["total"]) == ("done", leak.n_frames, leak.n_frames)
    again = house.ask(f"/procedures/{ended['procedure']}")
    assert (again["mode"], again["replay"]) == ("replay", asked["id"])
    first = house.procedure(leak.study)["id"]
    assert again["id"] != first
    what = "every frame is judged again"
    house.until(lambda: house.ask(f"/procedures/{again['id']}")["counts"]["frames"] >= leak.n_frames, what)
    assert_each_once(house.judged(again["id"]), leak.n_frames)
    alerts = house.alerts(again["id"])
    assert {alert["mode"] for alert in alerts} == {"replay"}
    assert verdict(alerts, leak.index_of) == said
    assert verdict(house.alerts(first), leak.index_of) == said
    assert list((house.folder / "data" / "replays").iterdir()) == []


def test_a_replay_can_be_stopped(house, leak):
    asked = replay(house, "orthanc", leak.study, speed=0.5)
    house.until(lambda: house.ask(f"/replays/{asked['id']}")["sent"] >= 3, "it plays")
    assert house.tell(f"/replays/{asked['id']}", verb="DELETE").status_code == httpx.codes.NO_CONTENT
    stopped = house.ask(f"/replays/{asked['id']}")
    assert stopped["state"] == "cancelled"
    assert stopped["sent"] < leak.n_frames
    assert list((house.folder / "data" / "replays").iterdir()) == []
    judged = house.ask(f"/procedures/{stopped['procedure']}")["counts"]["frames"]
    assert judged <= stopped["sent"] + 1


def test_a_study_that_nobody_has_is_not_found(house):
    for source in ("orthanc", "folder"):
        asked = house.tell("/replays", {"source": source, "study_instance_uid": "1.2.3.4", "speed": None})
        if asked.status_code == httpx.codes.CREATED:
            assert finished(house, asked.json()["id"])["state"] == "failed"
        else:
            assert asked.status_code == httpx.codes.NOT_FOUND
            assert asked.json()["error"]["code"] == "not_found"
    assert house.tell("/replays/none", verb="DELETE").status_code == httpx.codes.NOT_FOUND


def test_the_command_line_prints_the_same_lines_every_time(house, recorder, leak, said):
    orthanc, _ = recorder
    first, second = (house.run("replay", "--study", leak.study, "--orthanc", orthanc.http) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert raised_in(first.stdout, leak.index_of) == sorted(
        (kind, zone, index) for kind, zone, _side, _priority, _condition, _first, index in said
    )
    from_folder = house.run("replay", "--folder", str(leak.folder))
    assert from_folder.stdout == first.stdout


def raised_in(printed: str, index_of: dict[str, int]) -> list[tuple]:
    """Kind, zone and frame of every alert that was raised."""

    def every() -> Iterator[tuple]:
        for line in map(json.loads, printed.splitlines()):
            if line["type"] == "alert_raised" and line["alert"]["kind"] != "technical":
                alert = line["alert"]
                yield alert["kind"], str(alert["zone"]), index_of[line["frame"]["sop_instance_uid"]]

    return sorted(every())
