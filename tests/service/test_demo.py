"""The demonstration judges the system: it must not take any loud alarm for the leak that it waits for."""

from __future__ import annotations

import threading

import pytest

from dicom_gateway.sender import Sent
from service.demo import LEAK_SCENE, Account, Client, caught_in_time


def alert(kind, priority="medium", zone=None, number=310):
    frame = {"sop_instance_uid": f"1.2.{number}"}
    told = {"id": f"{kind}-{zone}", "kind": kind, "zone": zone, "priority": priority, "condition": "present"}
    return told | {"last_frame": frame, "message": "Cement."}


@pytest.fixture
def client():
    """A client that has sent the leak scene; its cast is visible from frame 310."""
    account = Account(onset_of={LEAK_SCENE: 310})
    for number in range(280, 340):
        uid = f"1.2.{number}"
        account.n_of[uid], account.scene_of[uid] = number, LEAK_SCENE
        account.sent[uid] = Sent(sop_instance_uid=uid, status=0, due_at=0.0, sent_at=0.0, answered_at=0.0)
    return Client(base="", account=account, now=lambda: 1.0, say=lambda _: None, stop=threading.Event())


@pytest.mark.parametrize(
    ("kind", "zone", "number", "is_caught"),
    [
        ("leak", "canal", 316, True),
        ("leak", "foramen", 316, True),
        ("leak", "vein", 316, False),
        ("vanished", "canal", 316, False),
        ("leak", "canal", 330, False),
        ("leak", "canal", 290, False),
    ],
)
def test_only_a_high_alarm_of_canal_or_foramen_in_time_is_the_leak(client, kind, zone, number, is_caught):
    client.note(alert("approach", number=284), 1.0)
    client.note(alert(kind, "high", zone, number), 1.0)
    assert caught_in_time(client.account, lambda _: None) is is_caught


def test_a_leak_without_an_approach_before_is_not_enough(client):
    client.note(alert("leak", "high", "canal", 316), 1.0)
    client.note(alert("approach", number=320), 1.0)
    assert not caught_in_time(client.account, lambda _: None)
