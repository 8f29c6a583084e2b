"""The journal as evidence: exported line by line, checked without this program, and how long each step of an alert took."""

from __future__ import annotations

import hashlib
import json
import time

import pytest
from click.testing import CliRunner

from detection.vocabulary import EntryType
from service.__main__ import main
from service.safety import SAFETY_WORDS
from tests.service.visitors import V1


@pytest.fixture
def alarmed(room):
    """Two procedures, the first with a frame and an alert whose every step is known."""
    room.open("1.9.2")
    id = room.open("1.9.1")
    room.see()
    alert = room.raise_alert()
    at = time.time()
    times = {"image": at - 0.2, "received": at, "decoded": at + 0.04, "judged": at + 0.055, "written": at + 0.0561}
    room.tell(alert, EntryType.ALERT_WORSENED, times=times)
    return id


def hash_by_hand(line: str) -> str:
    """As anybody can compute it: without the hash, the line is what the hash is of."""
    told = json.loads(line)["hash"]
    return hashlib.sha256(line.replace(f',"hash":"{told}"', "").encode()).hexdigest()


def test_json_lines_are_whole_in_order_and_can_be_checked_by_hand(room, alarmed):
    answer = room.client.get(f"{V1}/procedures/{alarmed}/report.jsonl")
    assert answer.headers["content-type"] == "application/x-ndjson"
    first, *lines = answer.text.splitlines()
    assert json.loads(first) == {"safety": SAFETY_WORDS}
    told = [json.loads(line) for line in lines]
    assert [each["type"] for each in told] == ["procedure_opened", "frame_seen", "alert_raised", "alert_worsened"]
    assert {each["procedure"] for each in told} == {alarmed}
    for line, each in zip(lines, told, strict=True):
        assert hash_by_hand(line) == each["hash"]
    assert hash_by_hand(lines[1].replace("lateral", "oblique")) != told[1]["hash"], "an altered line is found out"
    room.error(room.client.get(f"{V1}/procedures/nothing/report.jsonl"), 404)


def test_the_command_prints_the_whole_chain(room, alarmed, monkeypatch):
    monkeypatch.setenv("CEMENTWATCH_DATA_DIR", str(room.deps.settings.data_dir))
    _, *lines = CliRunner().invoke(main, ["export"]).output.splitlines()
    previous = "0" * 64
    for number, line in enumerate(lines, 1):
        told = json.loads(line)
        assert (told["number"], told["previous_hash"], hash_by_hand(line)) == (number, previous, told["hash"])
        previous = told["hash"]
    assert len(lines) == room.deps.journal.head()
    _, *rest = CliRunner().invoke(main, ["export", "--procedure", alarmed, "--after", "3"]).output.splitlines()
    assert rest == [line for line in lines[3:] if json.loads(line)["procedure"] == alarmed]


def test_verify_says_whether_the_chain_holds(room, alarmed, monkeypatch):
    monkeypatch.setenv("CEMENTWATCH_DATA_DIR", str(room.deps.settings.data_dir))
    answer = CliRunner().invoke(main, ["verify"])
    assert (answer.exit_code, answer.output) == (0, "5 lines, unbroken\n")
    with room.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER entry_no_update")
        connection.exec_driver_sql("UPDATE entry SET actor = 'somebody else' WHERE number = 4")
    answer = CliRunner().invoke(main, ["verify"])
    assert (answer.exit_code, answer.output) == (1, "line 4: altered\n")


def test_the_history_of_an_alert_shows_what_each_step_took(room, alarmed):
    raised, worsened = room.api("alerts/alert-1/history")["items"]
    assert (raised["type"], worsened["type"]) == ("alert_raised", "alert_worsened")
    assert raised["steps_ms"] == {}, "unknown is not zero"
    assert worsened["steps_ms"] == pytest.approx(
        {"received": 200.0, "decoded": 40.0, "judged": 15.0, "written": 1.1, "received_to_written": 56.1}, abs=0.11
    )
    page = room.api("alerts/alert-1/history", after=raised["number"], limit=1)
    assert [item["type"] for item in page["items"]] == ["alert_worsened"]
    room.error(room.client.get(f"{V1}/alerts/nothing/history"), 404)


def test_reports_show_it_too(room, alarmed):
    assert "judged 15 ms" in room.client.get(f"{V1}/procedures/{alarmed}/report.html").text
    table = room.client.get(f"{V1}/procedures/{alarmed}/report.csv").text.splitlines()
    assert table[1].endswith(",received_to_written_ms")
    assert table[-1].endswith(",56.1")
