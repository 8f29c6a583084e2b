"""How archives stand, over HTTP: what waits, what was refused, and since when one does not answer."""

from __future__ import annotations

import time

import pytest

from db import deliveries
from db.deliveries import Outgoing, Stage, Step
from service.roles import make_watch
from tests.service.conftest import room_at

V1 = "/api/v1"
UID = "1.2.826.0.1.3680043.8.498.77"


@pytest.fixture
def room(tmp_path):
    archive = {"name": "PACS", "host": "127.0.0.1", "port": 1, "called": "PACS"}
    with room_at(tmp_path, archives=(archive,), forward_late_after_s=60.0) as room:
        yield room


def queue(room, n_objects: int, at: float) -> None:
    items = [
        Outgoing(path=f"{n}.dcm", sop_class_uid="1.2", sop_instance_uid=f"{UID}.{n}", digest=f"{n}", arrival=n)
        for n in range(n_objects)
    ]
    deliveries.enqueue(room.engine, items, ["PACS"], at=at)


def state(room) -> dict:
    (item,) = room.client.get(f"{V1}/forwarding").json()["items"]
    return item


def test_an_archive_is_shown_with_what_waits_and_what_is_wrong(room):
    now = time.time()
    assert (state(room)["waiting"], state(room)["trouble"]) == (0, None)
    queue(room, 3, now - 600)
    deliveries.note_trouble(room.engine, "PACS", "the peer does not answer", at=now - 500)
    seen = state(room)
    assert (seen["waiting"], seen["is_answering"], seen["reason"]) == (3, False, "the peer does not answer")
    assert seen["trouble"] == "archive PACS: the peer does not answer for 8 min"
    checks = room.client.get(f"{V1}/health/ready").json()["error"]["details"]["checks"]
    (forward,) = [check for check in checks if check["name"] == "forward"]
    assert forward["ok"], "an archive is no part of an alert's way"
    assert "does not answer for 8 min" in forward["reason"]
    figures = room.client.get("/metrics").text
    assert 'cementwatch_archive_up{archive="PACS"} 0.0' in figures
    assert 'cementwatch_archive_waiting{archive="PACS"} 3.0' in figures


def test_refused_objects_are_listed_by_hash_with_the_reason(room):
    queue(room, 1, 1000.0)
    step = Step(path="0.dcm", state=Stage.REFUSED, at=1001.0, due_at=1001.0, status=0xA900, reason="no")
    deliveries.note_steps(room.engine, "PACS", [step])
    answer = room.client.get(f"{V1}/forwarding/PACS/refused")
    (item,) = answer.json()["items"]
    assert (item["arrival"], item["reason"], item["status"], item["attempts"]) == (0, "no", 0xA900, 1)
    assert UID not in answer.text
    assert state(room)["trouble"] == "archive PACS has refused 1 objects"
    room.error(room.client.get(f"{V1}/forwarding/NOBODY/refused"), 404)


def test_the_analysis_knows_of_an_archive_that_lacks_objects_for_too_long(room):
    now = time.time()
    watch = make_watch(room.deps.settings, room.engine, room.deps.bell)
    assert not watch._is_forwarding_late(now)
    queue(room, 1, now - 600)
    assert not watch._is_forwarding_late(now + 1), "looked at every now and then"
    assert watch._is_forwarding_late(now + 11)
    step = Step(path="0.dcm", state=Stage.STORED, at=now, due_at=now)
    deliveries.note_steps(room.engine, "PACS", [step])
    assert not watch._is_forwarding_late(now + 22)
