"""What a dashboard polls, and what an operator does about it."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import event

from db import queries
from db.convert import alert_data
from detection.vocabulary import Condition, EntryType, Mode, Priority, Signal, View
from tests.conftest import CHECKOUT
from tests.service.conftest import leak, until

ANOTHER_PROCESS = """
import json, sys
from db.connect import connect
from db.convert import alert_from
from db.journal import Journal
from detection.vocabulary import Entry, EntryType
alert = alert_from(json.loads(sys.argv[2]))
entry = Entry(at=alert.changed_at, type=EntryType.ALERT_RAISED, procedure=alert.procedure, source=alert.source, alert=alert.id)
Journal(connect(sys.argv[1])).append([entry], alerts=[alert])
"""
"""Writes an alert and rings no bell."""


def poll(room, headers=None, **params):
    return room.client.get("/api/v1/alerts", params=params, headers=headers)


class Counted:
    """Counts statements that the database is asked."""

    def __init__(self, engine):
        self.engine, self.n = engine, 0

    def __enter__(self):
        self.thread = threading.current_thread
        event.listen(self.engine, "before_cursor_execute", self.count)
        return self

    def __exit__(self, *_):
        event.remove(self.engine, "before_cursor_execute", self.count)

    def count(self, *_):
        if threading.current_thread().name != "pulse":
            self.n += 1


def test_a_quiet_room_has_no_alerts_and_says_who_is_watching(room):
    room.open()
    room.beat()
    room.caught_up()
    answer = room.api("alerts")
    assert answer["items"] == []
    assert answer["server_time"].endswith("+00:00")
    (source,) = answer["sources"]
    assert source["name"] == "CARM1"
    assert source["state"] == "watching"
    assert source["procedure"] == room.procedure
    assert source["frame_age_s"] >= 0
    assert source["zones_not_visible"] == ["vein"]


def test_an_alert_has_every_field_of_the_contract(room):
    room.open()
    room.see()
    room.raise_alert()
    (alert,) = until(lambda: room.api("alerts")["items"], "the alert is listed")
    assert alert["id"] == "alert-1"
    assert alert["condition"] == "present"
    assert alert["signal"] == "on"
    assert alert["priority"] == "high"
    assert alert["zone"] == "canal"
    assert alert["volume_ml"] == {"low": 0.02, "high": 0.06}
    assert alert["seconds_to_wall"] is None
    assert alert["acknowledged_by"] is None
    assert alert["last_frame"]["sop_instance_uid"] == "1.2.3.1"
    assert alert["last_frame"]["judged_at"].endswith("+00:00")
    assert alert["outline"][0] == [120.0, 62.0]
    assert alert["number"] == room.deps.journal.head()


def test_the_cursor_gives_each_change_once_and_in_order(room):
    room.open()
    room.raise_alert("a")
    room.raise_alert("b", priority=Priority.LOW)
    room.caught_up()
    first = room.api("alerts", limit=1)
    assert [alert["id"] for alert in first["items"]] == ["a"]
    second = room.api("alerts", after=first["next_after"])
    assert [alert["id"] for alert in second["items"]] == ["b"]
    assert room.api("alerts", after=second["next_after"])["items"] == []
    room.tell(replace(room.alerts["a"], signal=Signal.ACKNOWLEDGED), EntryType.ACKNOWLEDGED)
    room.caught_up()
    third = room.api("alerts", after=second["next_after"])
    assert [(alert["id"], alert["signal"]) for alert in third["items"]] == [("a", "acknowledged")]


def test_alerts_can_be_asked_for_by_procedure_and_by_being_active(room):
    room.open("1.9.1")
    over = room.raise_alert("over")
    room.tell(replace(over, condition=Condition.ABSENT, signal=Signal.OFF), EntryType.RESET)
    here = room.open("1.9.2")
    room.raise_alert("here")
    room.caught_up()
    assert [alert["id"] for alert in room.api("alerts", procedure=here)["items"]] == ["here"]
    assert [alert["id"] for alert in room.api("alerts", active=True)["items"]] == ["here"]
    ended = next(alert for alert in room.api("alerts")["items"] if alert["id"] == "over")
    assert ended["condition"] == "ended"


def test_a_filtered_cursor_moves_past_what_does_not_match(room):
    room.open()
    room.raise_alert()
    room.caught_up()
    answer = room.api("alerts", procedure="another")
    assert answer["items"] == []
    assert answer["next_after"] == room.deps.journal.alerts_head()


def test_an_unchanged_poll_asks_the_database_nothing(room):
    room.open()
    room.raise_alert()
    room.caught_up()
    after = room.api("alerts")["next_after"]
    with Counted(room.engine) as counted:
        for _ in range(20):
            assert room.api("alerts", after=after)["items"] == []
    assert counted.n == 0


def test_a_poll_that_finds_nothing_says_the_same_as_one_that_reads_the_journal(room):
    room.open()
    room.beat(beat_at=time.time() + 60)
    room.raise_alert()
    room.caught_up()
    long, short = poll(room), poll(room, after=room.deps.journal.alerts_head())
    assert [alert["id"] for alert in long.json()["items"]] == ["alert-1"]
    assert short.json()["items"] == []
    for answer in (long, short):
        told = answer.json()
        moving = {"items", "server_time"}
        told["sources"][0].pop("frame_age_s")
        assert {name: told[name] for name in told.keys() - moving} == {
            "next_after": room.deps.journal.alerts_head(),
            "sources": told["sources"],
            "journal": None,
        }
    assert long.json()["sources"][0].keys() == short.json()["sources"][0].keys()
    varying = {"date", "etag", "content-length"}
    assert {n: v for n, v in long.headers.items() if n not in varying} == {
        n: v for n, v in short.headers.items() if n not in varying
    }


def test_a_poll_finds_what_another_process_has_written_without_ringing(room):
    room.open()
    room.caught_up()
    after = room.api("alerts")["next_after"]
    assert room.api("alerts", after=after)["items"] == []
    alert = json.dumps(alert_data(leak("from-elsewhere", room.procedure, "1.2.3.1")))
    command = [sys.executable, "-c", ANOTHER_PROCESS, str(room.engine.url), alert]
    subprocess.run(command, cwd=CHECKOUT, check=True, timeout=60)
    until(lambda: room.api("alerts", after=after)["items"], "the alert is told")
    (told,) = room.api("alerts", after=after)["items"]
    assert told["id"] == "from-elsewhere"


def test_an_unchanged_poll_with_its_etag_is_304(room):
    room.open()
    room.raise_alert()
    room.caught_up()
    tag = poll(room).headers["etag"]
    again = poll(room, {"If-None-Match": tag})
    assert again.status_code == 304
    assert again.content == b""
    room.raise_alert("b")
    room.caught_up()
    assert poll(room, {"If-None-Match": tag}).status_code == 200


def test_a_source_that_falls_silent_changes_the_etag_and_is_called_stopped(room):
    room.open()
    room.beat()
    room.caught_up()
    tag = poll(room).headers["etag"]
    room.beat(beat_at=time.time() - 3.5)
    room.caught_up()
    answer = poll(room, {"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.json()["sources"][0]["state"] == "stopped"


def test_a_waiting_poll_is_answered_at_once_where_its_etag_is_old_already(room):
    room.open()
    room.beat()
    room.caught_up()
    tag = poll(room).headers["etag"]
    room.beat(view=View.AP)
    room.caught_up()
    with httpx.Client(base_url=room.url, timeout=15) as impatient:
        answer = impatient.get("/api/v1/alerts", params={"wait": 30}, headers={"If-None-Match": tag})
    assert answer.json()["sources"][0]["view"] == "ap"


def test_a_poll_whose_reading_took_long_tells_the_state_of_now(room, monkeypatch):
    room.open()
    room.raise_alert()
    room.beat(beat_at=time.time() - 2.5)
    room.caught_up()

    def slow(*_args, **_filters):
        time.sleep(0.8)
        return []

    monkeypatch.setattr(queries, "alerts_after", slow)
    answer = room.api("alerts", wait=0.01, procedure="another")
    assert answer["sources"][0]["state"] == "stopped"


def test_a_waiting_poll_is_answered_by_the_alert(room):
    room.open()
    room.see()
    room.caught_up()
    after = room.api("alerts")["next_after"]
    timer = threading.Timer(0.3, room.raise_alert)
    timer.start()
    answer = room.api("alerts", after=after, wait=20)
    timer.join()
    assert [alert["id"] for alert in answer["items"]] == ["alert-1"]


def test_a_waiting_poll_comes_back_empty_when_nothing_happens(room):
    room.open()
    assert room.api("alerts", wait=0.3)["items"] == []


def test_a_waiting_poll_tells_at_once_that_a_source_has_stopped(room):
    room.open()
    room.beat(beat_at=time.time() - 2)
    room.caught_up()
    answer = room.api("alerts", wait=25)
    assert answer["sources"][0]["state"] == "stopped"


def test_many_waiting_polls_do_not_keep_others_from_their_answer(room):
    room.open()
    room.caught_up()
    answers = []

    def wait():
        answers.append(room.client.get("/api/v1/alerts", params={"wait": 20}).json())

    threads = [threading.Thread(target=wait) for _ in range(60)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    assert room.client.get("/api/v1/health/live").status_code == 200
    room.raise_alert()
    for thread in threads:
        thread.join(20)
    assert len(answers) == 60
    assert all(answer["items"] for answer in answers)


def test_a_cursor_from_another_journal_is_a_conflict_not_silence(room):
    error = room.error(poll(room, after=999), 409)
    assert error["code"] == "cursor_ahead"
    assert error["details"]["head"] == 0


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"after": -1}, "after"),
        ({"after": "x"}, "after"),
        ({"limit": 0}, "limit"),
        ({"wait": 31}, "wait"),
        ({"active": 7}, "active"),
    ],
)
def test_bad_input_names_the_field_and_what_was_expected(room, params, field):
    error = room.error(poll(room, **params), 400)
    assert error["code"] == "bad_input"
    assert error["details"]["field"] == field
    assert error["details"]["expected"]


def test_one_alert_can_be_asked_for(room):
    room.open()
    room.raise_alert()
    assert room.api("alerts/alert-1")["id"] == "alert-1"
    assert room.error(room.client.get("/api/v1/alerts/none"), 404)["code"] == "not_found"


@pytest.mark.parametrize(
    ("act", "body", "signal"),
    [
        ("acknowledge", {"note": "seen"}, "acknowledged"),
        ("pause", {"seconds": 60}, "paused"),
        ("acknowledge", None, "acknowledged"),
    ],
)
def test_an_act_is_logged_and_answered_with_what_became_of_the_alert(room, watch, act, body, signal):
    room.open()
    room.raise_alert()
    answer = room.client.post(f"/api/v1/alerts/alert-1/{act}", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["signal"] == signal
    log = room.api(f"procedures/{room.procedure}/log", types=act)["items"]
    assert [(line["alert"], line["actor"]) for line in log] == [("alert-1", "local")]


def test_who_acknowledged_is_told(room, watch):
    room.open()
    room.raise_alert()
    assert room.client.post("/api/v1/alerts/alert-1/acknowledge").json()["acknowledged_by"] == "local"


def test_an_ended_alert_can_be_reset(room, watch):
    room.open()
    alert = room.raise_alert()
    room.tell(replace(alert, condition=Condition.ABSENT, signal=Signal.LATCHED), EntryType.ALERT_ENDED)
    answer = room.client.post("/api/v1/alerts/alert-1/reset")
    assert answer.json()["signal"] == "off"
    assert answer.json()["condition"] == "ended"


def test_a_present_alert_cannot_be_reset_and_nothing_is_logged(room, watch):
    room.open()
    room.raise_alert()
    before = room.deps.journal.head()
    assert room.error(room.client.post("/api/v1/alerts/alert-1/reset"), 409)["code"] == "conflict"
    assert room.deps.journal.head() == before


def test_a_refusal_by_the_analysis_is_a_conflict_with_its_reason(room, watch):
    room.open()
    room.raise_alert(condition=Condition.ABSENT, signal=Signal.OFF)
    error = room.error(room.client.post("/api/v1/alerts/alert-1/acknowledge"), 409)
    assert "off" in error["message"]


def test_without_an_analysis_an_act_is_kept_and_said_to_wait(room):
    room.open()
    room.raise_alert()
    response = room.client.post("/api/v1/alerts/alert-1/acknowledge")
    error = room.error(response, 503)
    assert "in the log" in error["message"]
    assert response.headers["retry-after"]
    acts = room.deps.journal.acts_since(room.procedure, 0)
    assert [act.type for act in acts] == [EntryType.ACKNOWLEDGE]


def test_an_act_on_nothing_is_404(room):
    for act in ("acknowledge", "pause", "reset"):
        room.error(room.client.post(f"/api/v1/alerts/none/{act}"), 404)


@pytest.mark.parametrize("body", [{"seconds": 0}, {"seconds": 1e9}, {"seconds": "long"}, {"minutes": 1}])
def test_a_pause_has_a_length_within_reason(room, body):
    room.open()
    room.raise_alert()
    assert room.error(room.client.post("/api/v1/alerts/alert-1/pause", json=body), 400)["details"]["field"] in {
        "seconds",
        "minutes",
    }


def test_a_replay_is_marked_as_one(room):
    room.open()
    room.raise_alert(mode=Mode.REPLAY, view=View.AP)
    (alert,) = until(lambda: room.api("alerts")["items"], "the alert is listed")
    assert alert["mode"] == "replay"


def test_the_etag_of_one_cursor_is_no_answer_to_another(room):
    """After a full page the next page is asked for with the tag of the last; 304 would hide the alerts on it."""
    room.open()
    room.raise_alert()
    room.caught_up()
    first = poll(room, limit=1)
    tag = {"If-None-Match": first.headers["etag"]}
    assert poll(room, tag, limit=1).status_code == 304
    assert poll(room, tag, limit=1, after=first.json()["next_after"]).status_code == 200
