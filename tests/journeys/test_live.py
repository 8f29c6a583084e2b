"""A leak is seen while it happens: C-STORE at the pace of the beam in, alerts over HTTP out."""

import httpx
import pytest

from tests.journeys.house import House, assert_each_once
from tests.journeys.scenes import Recording

pytestmark = pytest.mark.slow

SOON_S = 1.5
"""A canal alert later than this after its cast became visible counts as missed."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(houses, request, leak, quiet) -> House:
    """Both scenes played to an installation; the one with SQLite at true pace."""
    settings, speed = {}, 1.0
    if request.param == "postgresql":
        settings, speed = {"DATABASE_URL": request.getfixturevalue("new_postgres_url")()}, 4.0
    house = houses(**settings)
    house.open("all")
    for recording, source in ((leak, "CARM1"), (quiet, "CARM2")):
        sent = house.send(recording.due(), speed=speed, calling=source)
        assert {each.status for each in sent} == {0}
        house.wait_judged(recording.study, recording.n_frames)
    return house


@pytest.fixture
def alerts(house, leak):
    return house.alerts(house.procedure(leak.study)["id"])


def raised_index(alert, recording: Recording) -> int:
    return recording.index_of[alert["raised_frame"]["sop_instance_uid"]]


def test_the_approach_is_announced_before_the_leak(alerts, leak):
    approach = [alert for alert in alerts if alert["kind"] == "approach"]
    assert approach
    assert approach[0]["zone"] == "posterior_band"
    assert raised_index(approach[0], leak) < leak.onset


def test_the_leak_is_a_high_alert_soon_after_it_can_be_seen(alerts, leak):
    high = [each for each in alerts if each["priority"] == "high" and each["zone"] in {"canal", "foramen"}]
    assert high
    first = min(high, key=lambda alert: raised_index(alert, leak))
    assert first["kind"] == "leak"
    assert first["mode"] == "live"
    assert first["source"] == "CARM1"
    assert leak.onset <= raised_index(first, leak) <= leak.onset + SOON_S * leak.scene.frame_rate
    assert first["outline"]
    assert "canal" in first["message"] or "foramen" in first["message"]


def test_a_contained_fill_raises_nothing_high(house, quiet):
    alerts = house.alerts(house.procedure(quiet.study)["id"])
    assert [alert["message"] for alert in alerts if alert["priority"] == "high"] == []


def test_the_log_holds_every_frame_once_and_in_order(house, leak, quiet):
    for recording in (leak, quiet):
        lines = house.judged(house.procedure(recording.study)["id"])
        assert_each_once(lines, recording.n_frames)
        order = [recording.index_of[line["frame"]["sop_instance_uid"]] for line in lines]
        assert order == sorted(order)
        assert all(line["data"]["mode"] == "live" for line in lines)


def test_each_source_has_judged_what_it_received(house, leak, quiet):
    for recording, name in ((leak, "CARM1"), (quiet, "CARM2")):
        wanted = (recording.n_frames, recording.n_frames, 0)

        def is_told(name: str = name, wanted: tuple[int, int, int] = wanted) -> bool:
            source = house.source(name)
            return tuple(source.get(f"frames_{what}") for what in ("received", "judged", "skipped")) == wanted

        # the heartbeat follows the journal by up to half a second
        assert house.until(is_told, f"{name} is said to have judged {wanted}", limit_s=10)


def test_a_procedure_says_what_it_had(house, leak):
    procedure = house.ask(f"/procedures/{house.procedure(leak.study)['id']}")
    assert procedure["study_instance_uids"] == [leak.study]
    assert procedure["counts"]["frames"] == leak.n_frames
    assert procedure["counts"]["alerts"]["high"] >= 1
    assert procedure["closed_at"] is None


def test_measurements_follow_the_front_to_the_wall(house, leak):
    items = house.every(f"/procedures/{house.procedure(leak.study)['id']}/measurements")
    assert len(items) == leak.n_frames
    distances = [item["distance_to_wall_mm"] for item in items if item["distance_to_wall_mm"] is not None]
    assert distances[0] > distances[-1]
    assert items[-1]["cement_area_mm2"] > 0


def test_the_latest_frame_is_a_picture(house, leak):
    id = house.procedure(leak.study)["id"]
    answer = httpx.get(f"{house.url}/api/v1/procedures/{id}/frames/latest.jpg")
    assert answer.status_code == httpx.codes.OK
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content[:3] == b"\xff\xd8\xff"


def test_an_operator_acknowledges_and_the_log_says_who(house, alerts):
    alert = next(each for each in alerts if each["priority"] == "high")
    answer = house.tell(f"/alerts/{alert['id']}/acknowledge", {"note": "seen"})
    assert answer.status_code == httpx.codes.OK, answer.text
    assert answer.json()["signal"] == "acknowledged"
    assert answer.json()["acknowledged_by"] == "local"
    log = house.every(f"/procedures/{alert['procedure']}/log", types="acknowledge,acknowledged")
    assert [(line["type"], line["actor"]) for line in log] == [("acknowledge", "local"), ("acknowledged", "local")]
    assert all(line["alert"] == alert["id"] for line in log)


def test_the_journal_is_unbroken(house):
    checked = house.run("verify")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "unbroken" in checked.stdout


def test_the_log_of_the_roles_names_no_patient(house, leak):
    said = house.log.read_text()
    assert "PHANTOM" not in said
    assert leak.study not in said
