"""The live stream: each entry once, in order, with a heartbeat at least each second."""

import json
import threading
import time

import pytest

from detection.vocabulary import Entry, EntryType


def events(room, *, until, headers=None, **params):
    """Events of a stream, until one satisfies ``until``."""
    taken = []
    with room.client.stream("GET", "/api/v1/live", params=params, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        for block in blocks(response):
            taken.append(block)
            if until(taken):
                return taken
    return taken


def blocks(response):
    lines = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            lines[name] = value
        elif "event" in lines:
            yield lines | {"data": json.loads(lines["data"])}
            lines = {}
        else:
            lines = {}


def entries(taken):
    return [block for block in taken if "id" in block]


def test_entries_come_with_number_type_and_content(room):
    room.open()

    def both(taken):
        if len(taken) == 1:  # the heartbeat that opens the stream: what comes from here on is heard
            room.see()
            room.raise_alert()
        return len(entries(taken)) == 2

    taken = entries(events(room, until=both))
    assert [block["event"] for block in taken] == ["frame_seen", "alert_raised"]
    assert [int(block["id"]) for block in taken] == [2, 3]
    frame, raised = (block["data"] for block in taken)
    assert frame["number"] == 2
    assert frame["frame"]["sop_instance_uid"] == "1.2.3.1"
    assert frame["times"]["received"].endswith("+00:00")
    assert frame["data"]["front"]["distance_mm"] == 4.1
    assert raised["from"] == "absent"
    assert raised["to"] == "present"
    assert raised["data"]["alert"]["id"] == "alert-1"


def test_a_heartbeat_with_sources_comes_at_once_and_every_second(room):
    room.open()
    room.beat()
    room.caught_up()
    at = []

    def enough(taken):
        at.append(time.monotonic())
        return len(taken) == 4

    taken = events(room, until=enough)
    assert {block["event"] for block in taken} == {"heartbeat"}
    assert "id" not in taken[0]
    assert taken[0]["data"]["sources"][0]["name"] == "CARM1"
    assert at[-1] - at[0] < 3 * 1.5


def test_a_stream_resumes_without_a_gap(room):
    room.open()
    for _ in range(5):
        room.see()
    taken = events(room, until=lambda all_: len(entries(all_)) == 3, headers={"Last-Event-ID": "3"})
    assert [int(block["id"]) for block in entries(taken)] == [4, 5, 6]
    again = events(room, until=lambda all_: len(entries(all_)) == 6, after=0)
    assert [int(block["id"]) for block in entries(again)] == [1, 2, 3, 4, 5, 6]


def test_a_long_way_back_is_caught_up_in_order(room):
    room.open()
    notes = [Entry(at=time.time(), type=EntryType.NOTE, procedure=room.procedure, actor="local") for _ in range(900)]
    room.deps.journal.append(notes)
    taken = events(room, until=lambda all_: len(entries(all_)) == 901, after=0)
    assert [int(block["id"]) for block in entries(taken)] == list(range(1, 902))


def test_two_listeners_hear_the_same(room):
    room.open()
    heard = [[], []]

    def listen(place):
        heard[place] = entries(events(room, until=lambda all_: len(entries(all_)) == 20))

    threads = [threading.Thread(target=listen, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    for _ in range(20):
        room.see()
    for thread in threads:
        thread.join(20)
    assert [block["id"] for block in heard[0]] == [block["id"] for block in heard[1]] == [str(n) for n in range(2, 22)]


def test_a_stream_can_be_of_one_procedure(room):
    one = room.open("1.9.1")
    room.see()
    two = room.open("1.9.2")
    room.see()
    taken = entries(events(room, until=lambda all_: len(entries(all_)) == 2, after=0, procedure=two))
    assert {block["data"]["procedure"] for block in taken} == {two}
    assert one != two


def test_a_stream_ends_itself_and_says_so(room):
    room.open()
    taken = events(room, until=lambda _: False, lifetime=0.5, after=1)
    assert taken[-1]["event"] == "closing"
    assert taken[-1]["data"]["resume_after"] == 1


@pytest.mark.parametrize("headers", [{"Last-Event-ID": "x"}, {"Last-Event-ID": "-1"}])
def test_a_cursor_that_is_no_number_is_bad_input(room, headers):
    room.error(room.client.get("/api/v1/live", headers=headers), 400)


def test_a_cursor_ahead_of_the_journal_is_a_conflict(room):
    room.error(room.client.get("/api/v1/live", params={"after": 50}), 409)


def test_listeners_that_leave_are_forgotten(room):
    events(room, until=lambda all_: len(all_) == 1)
    for _ in range(300):
        if room.app.state.pulse.n_listeners == 0:
            return
        time.sleep(0.01)
    pytest.fail("a listener is still counted")
