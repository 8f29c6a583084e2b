"""Second channels hear of alerts in order and at least once, whatever fails in between."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import ValidationError

from db.connect import connect
from db.journal import Journal
from db.mirrors import Standing, keep_standing, standing_of, standings
from detection.vocabulary import Entry, EntryType, Mode
from service.mirror import Mirror, is_escalated, is_real
from service.processes import roles_of
from service.roles import mirrors_of
from service.settings import Settings
from service.webhook import sender
from tests.conftest import program, running, wait_until
from tests.db.lines import ALERT
from tests.service.conftest import until

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@dataclass
class Pager:
    """A receiver as another maker would write it: it checks the signature before it believes anything."""

    statuses: list[int] = field(default_factory=list)
    taken: list[dict] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def answer(self, headers, body: bytes) -> int:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        right = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{right}"
        self.ids.append(headers["webhook-id"])
        status = self.statuses.pop(0) if self.statuses else 204
        if status < 300:
            self.taken.append(json.loads(body))
        return status


@pytest.fixture
def pager():
    return Pager()


@pytest.fixture
def url(pager):
    class Door(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(pager.answer(self.headers, body))
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/alerts"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["sqlite", "postgresql"])
def journal(request, tmp_path):
    place = f"sqlite:///{tmp_path}/journal.sqlite"
    engine = connect(place if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    yield Journal(engine)
    engine.dispose()


def mirror(journal, url, wants=is_real) -> Mirror:
    return Mirror(journal.engine, "webhook", wants=wants, send=sender(url, SECRET, time.time), now=time.time)


def change(journal, type: EntryType, **changes) -> int:
    alert = replace(ALERT, **changes)
    line = Entry(at=time.time(), type=type, procedure="p1", source="CARM1", alert=alert.id, cause="2 of 3 frames")
    (written,) = journal.append([line], alerts=[alert])
    return written.number


def frame(journal) -> None:
    journal.append([Entry(at=time.time(), type=EntryType.FRAME_SEEN, procedure="p1", source="CARM1")])


def drain(mirror) -> list[float]:
    """The pauses that it asked for."""
    waits = []
    while (wait := mirror.step()) is not None:
        waits.append(wait)
    return [wait for wait in waits if wait]


def numbers(pager) -> list[int]:
    return [message["data"]["number"] for message in pager.taken]


def test_every_change_is_posted_signed_and_in_order(journal, pager, url):
    change(journal, EntryType.ALERT_RAISED)
    mirrored = mirror(journal, url)
    frame(journal)
    first = change(journal, EntryType.ALERT_RAISED, id="a2")
    frame(journal)
    second = change(journal, EntryType.ALERT_WORSENED, id="a2")
    assert drain(mirrored) == []
    assert numbers(pager) == [first, second], "a new channel begins at the journal's end"
    message = pager.taken[0]
    assert message["type"] == "alert_raised"
    assert message["data"]["alert"]["zone"] == "canal"
    assert "operator remains responsible" in message["data"]["safety"]


def test_what_is_not_taken_is_sent_again_later_and_later_and_blocks_what_comes_after(journal, pager, url):
    mirrored = mirror(journal, url)
    sent = [change(journal, EntryType.ALERT_RAISED, id=f"a{n}") for n in range(3)]
    pager.statuses = [500, 302, 404, 204]
    assert drain(mirrored) == [1.0, 2.0, 5.0]
    assert numbers(pager) == sent
    assert pager.ids[:4] == [f"cementwatch-{sent[0]}"] * 4, "a receiver knows a repetition by its id"
    (standing,) = standings(journal.engine)
    assert (standing.number, standing.failing_since, standing.reason) == (sent[-1], None, None)


def test_a_channel_that_fails_says_since_when_and_why(journal, pager, url):
    mirrored = mirror(journal, url)
    change(journal, EntryType.ALERT_RAISED)
    pager.statuses = [503]
    mirrored.step()
    (standing,) = standings(journal.engine)
    assert standing.reason == "answered 503"
    assert standing.failing_since is not None


def test_a_surprise_ends_no_channel_but_is_told_and_tried_again(journal, pager, url, caplog):
    post, surprises = sender(url, SECRET, time.time), [ZeroDivisionError("CANARY^PATIENT")]

    def send(number: int, body: bytes) -> None:
        if surprises:
            raise surprises.pop()
        post(number, body)

    mirrored = Mirror(journal.engine, "webhook", wants=is_real, send=send, now=time.time)
    sent = change(journal, EntryType.ALERT_RAISED)
    assert mirrored.turn() == 1.0
    (standing,) = standings(journal.engine)
    assert standing.reason.startswith("failed unexpectedly: ZeroDivisionError at test_mirror.py:")
    assert "CANARY" not in caplog.text
    assert mirrored.turn() == 0.0
    assert numbers(pager) == [sent]
    assert standings(journal.engine)[0].reason is None


def test_a_message_that_surprises_every_time_keeps_no_later_one_from_being_told(journal, pager, url):
    poison = change(journal, EntryType.ALERT_RAISED) + 1

    def wants(entry: Entry, alert) -> bool:
        if entry.number == poison:
            raise KeyError("CANARY^PATIENT")
        return True

    mirrored = mirror(journal, url, wants)
    change(journal, EntryType.ALERT_RAISED, id="a2")
    later = change(journal, EntryType.ALERT_RAISED, id="a3")
    waits = [mirrored.turn() for _ in range(6)]
    assert waits[:5] == [1.0, 2.0, 5.0, 10.0, 0.0]
    assert numbers(pager) == [later]


def test_a_restart_goes_on_where_the_last_message_was_taken(journal, pager, url):
    before = mirror(journal, url)
    sent = [change(journal, EntryType.ALERT_RAISED, id=f"a{n}") for n in range(2)]
    before.step()
    drain(mirror(journal, url))
    assert numbers(pager) == sent


def test_a_message_taken_without_our_hearing_of_it_is_sent_again(journal, pager, url):
    mirrored = mirror(journal, url)
    sent = change(journal, EntryType.ALERT_RAISED)
    start = standing_of(journal.engine, "webhook")
    drain(mirrored)
    keep_standing(journal.engine, start)
    drain(mirror(journal, url))
    assert numbers(pager) == [sent, sent]


def test_a_channel_that_is_not_there_yet_is_told_when_it_is(journal, pager, url, free_port):
    far = Mirror(
        journal.engine,
        "webhook",
        wants=is_real,
        send=sender(f"http://127.0.0.1:{free_port}/", SECRET, time.time),
        now=time.time,
    )
    sent = change(journal, EntryType.ALERT_RAISED)
    assert far.step() == 1.0
    drain(mirror(journal, url))
    assert numbers(pager) == [sent]


def test_escalations_only_and_what_becomes_of_them(journal, pager, url):
    mirrored = mirror(journal, url, is_escalated)
    change(journal, EntryType.ALERT_RAISED)
    told = [
        change(journal, EntryType.ALERT_ESCALATED, escalation=1),
        change(journal, EntryType.ACKNOWLEDGED, escalation=1),
    ]
    change(journal, EntryType.ALERT_RAISED, id="other")
    drain(mirrored)
    assert numbers(pager) == told


@pytest.mark.parametrize("wants", [is_real, is_escalated])
def test_a_replay_is_told_to_nobody(journal, pager, url, wants):
    mirrored = mirror(journal, url, wants)
    change(journal, EntryType.ALERT_ESCALATED, escalation=1, mode=Mode.REPLAY)
    drain(mirrored)
    assert pager.taken == []


def test_a_cursor_of_another_journal_begins_at_the_end_of_this_one(journal):
    keep_standing(journal.engine, Standing(name="webhook", number=1000))
    frame(journal)
    assert standing_of(journal.engine, "webhook").number == 1


def test_a_broker_hears_the_same(journal, tmp_path, free_port):
    broker = program("mosquitto", "mosquitto")
    (tmp_path / "mosquitto.conf").write_text(
        f"listener {free_port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
    )
    heard: list[bytes] = []
    place = f"mqtt://127.0.0.1:{free_port}/cementwatch/alerts"
    settings = Settings(data_dir=tmp_path / "data", mqtt_url=place)
    (mirrored,) = mirrors_of(settings, journal.engine, time.time)
    sent = [change(journal, EntryType.ALERT_RAISED, id=f"a{n}") for n in range(3)]
    assert mirrored.step() == 1.0, "no broker yet"
    with listening(broker, tmp_path, free_port, heard):
        until(lambda: mirrored.step() == 0.0, "the broker takes the first")
        drain(mirrored)
        until(lambda: len(heard) >= 3, "all are heard")
    assert [json.loads(body)["data"]["number"] for body in heard] == sent


@contextmanager
def listening(broker, folder, port, heard):
    """A broker, and a client of it that hears everything."""
    log = folder / "mosquitto.log"
    ear = paho.Client(CallbackAPIVersion.VERSION2)
    ear.on_message = lambda _client, _data, message: heard.append(message.payload)
    subscribed = threading.Event()
    ear.on_subscribe = lambda *_: subscribed.set()

    def is_up() -> bool:
        try:
            return ear.connect("127.0.0.1", port) == 0
        except OSError:
            return False

    with running([broker, "-c", folder / "mosquitto.conf"], log) as child:
        wait_until(is_up, child, log)
        ear.loop_start()
        ear.subscribe("cementwatch/alerts", qos=1)
        assert subscribed.wait(20)
        yield
        ear.disconnect()
        ear.loop_stop()


def test_the_role_runs_only_where_a_channel_is_set():
    assert "mirror" not in roles_of(Settings())
    assert "mirror" in roles_of(Settings(webhook_url="https://pager.example/alerts", webhook_secret=SECRET))


@pytest.mark.parametrize(
    "told",
    [
        {"webhook_url": "https://pager.example/"},
        {"webhook_url": "https://pager.example/", "webhook_secret": "whsec_short"},
        {"webhook_url": "file:///etc/passwd", "webhook_secret": SECRET},
        {"mqtt_url": "mqtt://broker"},
    ],
)
def test_a_channel_half_set_is_refused_at_the_start(told):
    with pytest.raises(ValidationError, match="expected"):
        Settings(**told)
