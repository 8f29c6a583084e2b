"""A journal that takes no entries hides no alert: it is shown unlogged at once, and written when that is possible."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from db import queries
from db.connect import appending
from detection.vocabulary import EntryType, TechnicalCause, Zone
from dicom_gateway.arrival import Origin
from dicom_gateway.header import read_header
from service.bell import Bell
from service.roles import make_watch
from service.unlogged import LONGEST_MESSAGE, messages, told_from
from tests.db.lines import ALERT
from tests.journeys.scenes import LEAK, record
from tests.service.conftest import heartbeat, room_at, until

V1 = "/api/v1"
PERIOD_NS = round(1e9 / LEAK.frame_rate)
FAILING = TechnicalCause.JOURNAL_FAILING


@pytest.fixture(scope="module")
def leak(tmp_path_factory):
    return record(LEAK, tmp_path_factory.mktemp("leak"))


@pytest.fixture
def room(tmp_path):
    with room_at(tmp_path, unlogged_after_s=0.3, skip_after_s=600) as room:
        yield room


def receive(room, film, frames: slice, began_ns: int) -> None:
    """Frames that came at the pace of their film: without times of their own they count by when they came."""
    for path in film.paths()[frames]:
        part = room.deps.spool.begin()
        part.write(path.read_bytes())
        uid = read_header(path).sop_instance_uid
        received_ns = began_ns + film.index_of[uid] * PERIOD_NS
        room.deps.spool.add(part, Origin(sop_instance_uid=uid, source="CARM1", received_ns=received_ns))


def judge_all(watch) -> None:
    while watch.turn():
        pass


def seen(room) -> list:
    return queries.entries_after(room.engine, 0, limit=1000)


def n_logged(room) -> int:
    return len(queries.frames_of(room.engine, seen(room)[0].procedure, 0, 500))


def zones(items) -> set[str]:
    return {item["zone"] for item in items if item["unlogged"]}


def is_all_logged(room, head: int) -> bool:
    answer = room.api("alerts", after=head)
    return answer["journal"] is None and not any(item["unlogged"] for item in answer["items"])


def test_a_leak_is_shown_while_the_journal_is_stuck_and_logged_afterwards(room, leak):
    watch = make_watch(room.deps.settings, room.engine, room.deps.bell)
    before = leak.onset - 2
    began_ns = time.time_ns() - leak.n_frames * PERIOD_NS
    receive(room, leak, slice(before), began_ns)
    judge_all(watch)
    head = room.deps.journal.head()
    with appending(room.engine):
        receive(room, leak, slice(before, None), began_ns)
        judge_all(watch)
        time.sleep(0.6)
        watch.turn()
        answer = room.api("alerts", after=head)
        assert "canal" in zones(answer["items"])
        assert FAILING in {item["technical_cause"] for item in answer["items"] if item["unlogged"]}
        assert answer["next_after"] == head, "no cursor moves by what has no number"
        assert "does not take" in answer["journal"]
        (source,) = answer["sources"]
        assert source["frames_judged"] == leak.n_frames
        assert room.deps.journal.head() == head
    until(lambda: n_logged(room) == leak.n_frames, "it is written")
    until(lambda: not watch.turn() and is_all_logged(room, head), "the screens are told")
    lines = seen(room)
    raised = next(line for line in lines if line.type is EntryType.ALERT_RAISED and line.data["zone"] == Zone.CANAL)
    assert raised.data["unlogged"] is True
    assert raised.times["written"] - raised.times["judged"] > 0.3
    frames = [line.frame.sop_instance_uid for line in lines if line.type is EntryType.FRAME_SEEN]
    assert [leak.index_of[uid] for uid in frames] == list(range(leak.n_frames)), "each frame once and in order"
    failing = [
        line.type for line in lines if line.alert and line.data.get("alert", {}).get("technical_cause") == FAILING
    ]
    # a slow machine may take its entries late once more
    assert failing
    assert failing == [EntryType.ALERT_RAISED, EntryType.ALERT_ENDED] * (len(failing) // 2)
    assert room.deps.journal.verify() is None
    watch.close()


def tell(room, *alerts, at: float | None = None) -> None:
    beat = replace(heartbeat(room.procedure), beat_at=at or time.time())
    for message in messages([beat], alerts, {alert.id: alert for alert in alerts}, words="The journal is full."):
        Bell(room.deps.settings.told_dir).tell(message)


def test_a_waiting_poll_and_a_stream_are_told_at_once(room):
    room.open()
    alert = replace(ALERT, procedure=room.procedure)
    with room.client.stream("GET", f"{V1}/live") as stream:
        lines = stream.iter_lines()
        next(line for line in lines if line.startswith("data:"))
        tell(room, alert)
        told = json.loads(next(line for line in lines if line.startswith("data:") and '"unlogged": [{' in line)[5:])
    assert told["journal"] == "The journal is full."
    assert [each["id"] for each in told["unlogged"]] == [alert.id]


def test_trouble_of_the_journal_is_news_to_a_poll_that_knows_all_alerts(room):
    room.open()
    room.beat()
    room.caught_up()
    tag = room.client.get(f"{V1}/alerts").headers["etag"]
    tell(room)

    def told() -> str | None:
        answer = room.client.get(f"{V1}/alerts", headers={"If-None-Match": tag})
        return answer.json()["journal"] if answer.status_code == 200 else None

    assert until(told, "the poll is told") == "The journal is full."


def test_a_waiting_poll_ends_with_the_unlogged_alert(room):
    room.open()
    head = room.deps.journal.head()
    tell(room, replace(ALERT, procedure=room.procedure))
    until(lambda: room.api("alerts", after=head)["items"], "it was heard")
    assert [item["unlogged"] for item in room.api("alerts", after=head, wait=30)["items"]] == [True]
    assert room.api("alerts", after=head, procedure="another")["items"] == []


def test_a_journal_that_cannot_even_be_read_still_says_what_is_seen(room, tmp_path):
    room.open()
    room.api("alerts")
    for path in (tmp_path / "data").glob("journal.sqlite*"):
        path.unlink()
    room.engine.dispose()
    (tmp_path / "data" / "journal.sqlite").mkdir()
    alert = replace(ALERT, procedure=room.procedure)

    def told() -> dict | None:
        tell(room, alert)
        answer = room.client.get(f"{V1}/alerts", params={"after": 1})
        details = room.error(answer, 503)["details"] if answer.status_code == 503 else {}
        return details if details.get("unlogged") else None

    details = until(told, "the refusal says what is seen")
    assert [each["id"] for each in details["unlogged"]] == [alert.id]
    assert [each["state"] for each in details["sources"]] == ["watching"]


def test_what_was_told_a_while_ago_says_nothing_of_now(room):
    room.open()
    tell(room, replace(ALERT, procedure=room.procedure), at=time.time() - 10)
    time.sleep(0.3)
    answer = room.api("alerts")
    assert answer["journal"] is None
    assert answer["items"] == []


def test_an_analysis_that_gives_no_sign_of_life_in_an_active_case_is_an_alert(room):
    room.open()
    room.beat()
    assert room.api("alerts")["items"] == []
    room.beat(beat_at=time.time() - 4, last_frame_at=time.time() - 5)
    (item,) = until(lambda: room.api("alerts")["items"], "it is missed")
    assert item["technical_cause"] == TechnicalCause.ANALYSIS_STOPPED
    assert (item["procedure"], item["source"], item["unlogged"]) == (room.procedure, "CARM1", True)
    again = room.api("alerts")["items"]
    assert [each["id"] for each in again] == [item["id"]], "the same for whoever asks"
    room.beat(beat_at=time.time() - 4, last_frame_at=time.time() - 5000)
    until(lambda: room.api("alerts")["items"] == [], "nobody misses it where nothing is going on")


def test_a_message_too_long_loses_its_outlines_and_no_alert():
    long = replace(ALERT, outline=tuple((float(n), 0.5) for n in range(12_000)))
    (message,) = messages([heartbeat("p1")], [long], {}, words="full")
    assert len(message) <= LONGEST_MESSAGE
    told = told_from(message)
    assert told.alerts == (replace(long, outline=()),)
    assert told_from(message[:-5]) is None
