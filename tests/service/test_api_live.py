"""The live stream: each entry once, in order, with a heartbeat at least each second."""

import itertools
import json
import re
import threading
import time
from dataclasses import replace

import pytest
from sqlalchemy import event

from db import queries
from detection.vocabulary import Entry, EntryType
from service.api.pulse import SHARED_S
from service.api.tape import MOST_AT_ONCE, Tape
from tests.service.conftest import until

NUMBER = re.compile(rb"^id: (\d+)", re.MULTILINE)


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


@pytest.mark.parametrize("after", [0, 1, 35, 72])
def test_what_is_put_together_for_all_listeners_has_no_gap_from_any_place(room, after):
    """The procedures' openings are entries 1 and 2."""
    one, two = room.open("1.9.1"), room.open("1.9.2")
    of = (one, two)
    notes = [Entry(at=time.time(), type=EntryType.NOTE, procedure=of[n % 2], actor="nurse") for n in range(70)]
    room.deps.journal.append(notes)
    tape = Tape(room.engine)
    tape.wind(72)
    for procedure in (None, two):
        cursor, numbers = after, []
        while cursor < 72:
            text, cursor = tape.since(cursor, procedure)
            heard = [int(number) for number in NUMBER.findall(text)]
            assert len(heard) <= MOST_AT_ONCE
            numbers += heard
        wanted = queries.entries_after(room.engine, after, procedure, 100)
        assert numbers == [entry.number for entry in wanted]


def test_an_entry_is_on_the_tape_before_listeners_hear_of_it(room):
    pulse, told_when_read = room.app.state.pulse, []

    def note_what_is_told(*asked):
        if "FROM entry" in asked[2] and threading.current_thread().name == "pulse":
            told_when_read.append(pulse.beat.head)

    with pulse.listener():
        room.open()
        before = pulse.look().head
        event.listen(room.engine, "before_cursor_execute", note_what_is_told)
        room.open("1.2.826.9")
        until(lambda: pulse.beat.head > before, "the second procedure is heard of")
    assert told_when_read == [before], "whoever heard of it earlier would have asked the database"


def test_words_are_shared_by_who_asks_at_once_and_are_never_old(room):
    pulse, told = room.app.state.pulse, itertools.count()
    beat = pulse.beat

    def ask(at, of=beat):
        return pulse.shared(of, at, lambda *_: b"%d" % next(told))

    assert ask(10.0) == ask(10.0 + SHARED_S / 2) == b"0"
    assert ask(10.0 + SHARED_S * 1.5) == b"1"
    assert ask(9.0) == b"2", "the clock was set back"
    assert ask(9.0, replace(beat, head=7)) == b"3", "another beat"


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
