"""Any role may die at any moment: what was answered with success is there, judged once, with the same alerts."""

import os
import signal
import time

import httpx
import pytest

from tests.journeys.house import House, assert_each_once, verdict
from tests.journeys.scenes import Recording

pytestmark = pytest.mark.slow

PAUSE_S = 0.05


@pytest.fixture(scope="module")
def undisturbed(houses, leak) -> list[tuple]:
    """What an installation says of the leak when nothing happens to it."""
    house = houses()
    house.open("all")
    house.send(leak.due())
    said = verdict(house.alerts(house.wait_judged(leak.study, leak.n_frames)["id"]), leak.index_of)
    house.end()
    assert any("high" in line for line in said)
    return said


def assert_as_undisturbed(house: House, leak: Recording, undisturbed: list[tuple]) -> None:
    procedure = house.wait_judged(leak.study, leak.n_frames)["id"]
    lines = house.judged(procedure)
    assert_each_once(lines, leak.n_frames)
    assert {line["frame"]["sop_instance_uid"] for line in lines} == set(leak.index_of)
    assert verdict(house.alerts(procedure), leak.index_of) == undisturbed
    checked = house.run("verify")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param({4: "watch", 30: "watch", 50: "watch"}, id="watch: reference, approach, leak"),
        pytest.param({10: "receive", 30: "serve", 50: "receive"}, id="receive, serve, receive"),
    ],
)
def test_a_role_killed_during_a_run_is_started_again_and_nothing_differs(system, leak, undisturbed, moments):
    system.open("all")
    killed = []
    for n_sent, _ in enumerate(system.send_stubbornly(leak.due(), pause_s=PAUSE_S), start=1):
        if n_sent in moments:
            killed.append(system.kill(moments[n_sent]))
    assert len(set(killed)) == len(moments)
    system.wait_until_ready()
    assert_as_undisturbed(system, leak, undisturbed)


def test_a_watch_that_dies_again_and_again_over_one_backlog_gives_nothing_up(system, leak, undisturbed):
    system.open("receive", "serve")
    assert {sent.status for sent in system.send(leak.due())} == {0}
    for n_judged in (1, 2, 3, 4, 5):
        system.start("watch")
        system.wait_judged(leak.study, n_judged)
        system.kill("watch")
    system.start("watch")
    assert_as_undisturbed(system, leak, undisturbed)
    alerts = system.every("/alerts", procedure=system.procedure(leak.study)["id"])
    assert "analysis_late" in {alert["technical_cause"] for alert in alerts}


def test_a_killed_supervisor_leaves_roles_that_its_successor_does_not_double(system, leak, undisturbed):
    system.open("all")
    orphans = [
        system.until(lambda role=role: system.pid_of(role), role) for role in ("receive", "watch", "serve", "forward")
    ]
    try:
        sending = system.send_stubbornly(leak.due(), pause_s=PAUSE_S)
        for n_sent, _ in enumerate(sending, start=1):
            if n_sent == 20:
                system.kill("all")
                system.start("all")
            if n_sent == 40:
                os.kill(orphans[1], signal.SIGKILL)
        assert_as_undisturbed(system, leak, undisturbed)
    finally:
        for pid in (orphans[0], orphans[2], orphans[3]):
            os.kill(pid, signal.SIGTERM)


def test_an_operators_act_is_kept_while_the_analysis_is_dead_and_counts_once(system, leak):
    system.open("receive", "watch", "serve")
    system.send(leak.due())
    procedure = system.wait_judged(leak.study, leak.n_frames)["id"]
    alert = next(each for each in system.alerts(procedure) if each["signal"] == "on")
    system.kill("watch")
    refused = system.tell(f"/alerts/{alert['id']}/acknowledge")
    assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert "in the log" in refused.json()["error"]["message"]
    for _ in range(2):
        system.start("watch")
        system.until(lambda: system.ask(f"/alerts/{alert['id']}")["signal"] == "acknowledged", "the act counts")
        system.until(lambda: system.source()["state"] != "stopped", "the source is watched again")
        system.kill("watch")
    log = system.every(f"/procedures/{procedure}/log", types="acknowledge,acknowledged,act_refused")
    assert [line["type"] for line in log] == ["acknowledge", "acknowledged"]


def test_a_late_watch_judges_the_newest_first_and_the_others_afterwards(tmp_path, leak):
    house = House(folder=tmp_path / "house", settings={"SKIP_AFTER_S": "1", "LATE_AFTER_S": "0.5"})
    try:
        house.open("receive", "serve")
        house.send(leak.due()[:40])
        time.sleep(1.1)
        house.start("watch")
        procedure = house.wait_judged(leak.study, 40)["id"]
        lines = house.judged(procedure)
        assert_each_once(lines, 40)
        assert leak.index_of[lines[0]["frame"]["sop_instance_uid"]] == 39
        assert sum(line["data"]["is_afterwards"] for line in lines) == 39
        (skipped,) = house.every(f"/procedures/{procedure}/log", types="frames_skipped")
        assert skipped["data"]["n_frames"] == 39
        source = house.until(lambda: house.source() if house.source()["frames_judged"] == 40 else None, "it is told")
        assert source["frames_received"] == 40
    finally:
        house.end()
