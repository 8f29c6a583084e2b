"""What holds for every address: one error shape, who may ask, health, version, metrics, the schema."""

import logging
import time
from dataclasses import replace

import httpx
import pytest

from db import queries
from db.connect import StoreUnreachable
from db.heartbeat import beat
from detection.vocabulary import NO_PROCEDURE, EntryType
from dicom_gateway.arrival import Origin
from dicom_gateway.listener import Listener
from service.api.app import create_app
from service.api.errors import CODE_OF_STATUS
from service.api.guard import LARGEST_BODY
from service.api.health import check_spool
from service.settings import Settings
from tests.service.conftest import Serving, until

V1 = "/api/v1"
# pynetdicom lets a refused connection's socket go without closing it; nobody listens in most of these tests
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"{V1}/nothing", 404, "not_found"),
        ("GET", "/nothing", 404, "not_found"),
        ("GET", f"{V1}/alerts/", 404, "not_found"),
        ("GET", "/dashboard/../settings.py", 404, "not_found"),
        ("DELETE", f"{V1}/alerts", 405, "method_not_allowed"),
        ("POST", f"{V1}/version", 405, "method_not_allowed"),
        ("POST", f"{V1}/procedures", 400, "bad_input"),
        ("GET", f"{V1}/alerts?limit=many", 400, "bad_input"),
        ("GET", f"{V1}/alerts?after=7", 409, "cursor_ahead"),
    ],
)
def test_every_error_has_the_one_shape(room, method, path, status, code):
    error = room.error(room.client.request(method, path), status)
    assert error["code"] == code
    assert error["message"].endswith(".")


def test_json_that_is_none_is_bad_input(room):
    answer = room.client.post(f"{V1}/procedures", content=b"{half", headers={"Content-Type": "application/json"})
    assert room.error(answer, 400)["code"] == "bad_input"


def test_a_body_too_large_is_refused_whether_announced_or_not(room):
    def pieces():
        for _ in range(3):
            yield b" " * (LARGEST_BODY // 2)

    room.error(room.client.post(f"{V1}/procedures", content=b" " * (LARGEST_BODY + 1)), 413)
    room.error(room.client.post(f"{V1}/procedures", content=pieces()), 413)


def test_a_journal_that_does_not_answer_is_503_and_no_quiet_screen(room, tmp_path):
    room.open()
    room.raise_alert()
    room.api("alerts")
    for path in (tmp_path / "data").glob("journal.sqlite*"):
        path.unlink()
    room.engine.dispose()
    (tmp_path / "data" / "journal.sqlite").mkdir()

    def refused() -> httpx.Response | None:
        answer = room.client.get(f"{V1}/alerts", params={"after": 2})
        return answer if answer.status_code == 503 else None

    answer = until(refused, "the poll is refused")
    assert room.error(answer, 503)["code"] == "unavailable"
    assert answer.headers["retry-after"]
    answer = room.client.get(f"{V1}/procedures")
    room.error(answer, 503)
    with room.client.stream("GET", f"{V1}/live") as stream:
        assert stream.status_code == 503


def test_a_surprise_is_500_without_its_text(room, caplog):
    class Bad:
        def progress(self, id):
            raise RuntimeError("CANARY^PATIENT")

    room.app.state.deps = replace(room.deps, replays=Bad())
    with caplog.at_level(logging.CRITICAL):
        answer = room.client.get(f"{V1}/replays/r1")
    assert room.error(answer, 500)["code"] == "internal_error"
    assert "CANARY" not in answer.text


def test_every_status_of_the_contract_has_its_word():
    assert {400, 401, 403, 404, 405, 409, 413, 429, 500, 503} == set(CODE_OF_STATUS)
    assert issubclass(StoreUnreachable, Exception)


# Who may ask


def test_another_host_name_is_refused(room):
    for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""):
        error = room.error(room.client.get(f"{V1}/alerts", headers={"Host": host}), 403)
        assert error["code"] == "host_not_allowed"
    assert room.client.get(f"{V1}/alerts", headers={"Host": "localhost:8000"}).status_code == 200
    assert room.client.get(f"{V1}/alerts", headers={"Host": "[::1]:8000"}).status_code == 200


def test_a_page_of_another_site_is_refused(room):
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        answer = room.client.post(f"{V1}/procedures", json={}, headers={"Origin": origin})
        assert room.error(answer, 403)["code"] == "origin_not_allowed"
    assert room.client.post(f"{V1}/procedures", json={}, headers={"Origin": room.url}).status_code == 201


def wider(room, **changes):
    settings = Settings(**{**room.deps.settings.model_dump(), "http_host": "0.0.0.0", **changes})  # noqa: S104 - the case under test
    return Serving(create_app(replace(room.deps, settings=settings)))


def test_beyond_loopback_nobody_gets_in_without_users(room):
    with wider(room) as url:
        answer = httpx.get(f"{url}{V1}/alerts")
        assert room.error(answer, 401)["code"] == "not_signed_in"
        assert answer.headers["www-authenticate"] == "Bearer"
        assert httpx.get(f"{url}{V1}/health/live").status_code == 200


def test_a_container_published_on_loopback_counts_as_local(room):
    with wider(room, http_published_on_loopback=True) as url:
        assert httpx.get(f"{url}{V1}/alerts").status_code == 200
        assert httpx.get(f"{url}{V1}/alerts", headers={"Host": "evil.example"}).status_code == 403


def test_every_answer_lets_nothing_in_from_outside(room):
    for path in ("/", f"{V1}/alerts", "/nothing", f"{V1}/alerts?limit=x"):
        headers = room.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


# Health, version, metrics


def checks_of(answer):
    body = answer.json()
    told = body["checks"] if answer.status_code == 200 else body["error"]["details"]["checks"]
    return {check["name"]: check for check in told}


def test_alive_says_nothing_about_others(room):
    assert room.client.get("/health/live").json() == {"status": "alive"}
    assert room.client.get(f"{V1}/health/live").status_code == 200


def test_not_ready_names_each_part_with_its_reason(room):
    answer = room.client.get(f"{V1}/health/ready")
    assert room.error(answer, 503)["message"] == "Not ready: receive, watch."
    checks = checks_of(answer)
    assert [checks[name]["ok"] for name in ("database", "spool", "receive", "watch")] == [True, True, False, False]
    assert all(check["reason"] for check in checks.values())


def test_ready_when_every_part_works(room, free_port):
    settings = room.deps.settings.model_copy(update={"dicom_port": free_port})
    room.app.state.deps = replace(room.deps, settings=settings)
    listener = Listener(room.deps.spool, port=free_port, min_free_bytes=0)
    listener.start()
    try:
        room.beat()
        answer = room.client.get(f"{V1}/health/ready")
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "ready"
        assert all(check["ok"] for check in checks_of(answer).values())
        room.beat(beat_at=time.time() - 30)
        assert not checks_of(room.client.get(f"{V1}/health/ready"))["watch"]["ok"]
    finally:
        listener.stop()


def test_an_analysis_without_a_source_is_ready_and_shows_no_source(room):

    def is_ready() -> bool:
        beat(room.engine, [], at=time.time())
        return checks_of(room.client.get(f"{V1}/health/ready"))["watch"]["ok"]

    until(is_ready, "the analysis is well")
    assert room.api("alerts")["sources"] == []


def test_the_version_names_software_algorithm_and_rules(room):
    told = room.api("version")
    assert len(told["rules"]) == 12
    assert told["algorithm"]
    assert "not a medical device" in told["safety"]


def test_metrics_tell_how_the_room_is_doing_and_name_nobody(room):
    id = room.open()
    room.see()
    room.beat()
    room.caught_up()
    room.api(f"procedures/{id}")
    for path in ("/metrics", f"{V1}/metrics"):
        room.beat()
        text = room.client.get(path).text
        assert "cementwatch_journal_head 2.0" in text
        assert 'cementwatch_source_state{source="CARM1",state="watching"} 1.0' in text
        assert 'cementwatch_frames_judged{source="CARM1"} 12.0' in text
        assert 'route="/procedures/{id}"' in text
        assert "CANARY" not in text
        assert id not in text


# Replays


def test_a_replay_can_be_started_followed_and_cancelled(room):
    started = room.client.post(f"{V1}/replays", json={"study_instance_uid": "1.2.3", "speed": None})
    assert started.status_code == 201, started.text
    replay = started.json()
    assert replay["state"] == "running"
    assert replay["sent"] == 3
    assert replay["speed"] is None
    assert replay["queued_at"].startswith("1970-01-01T00:00:01")
    assert room.client.delete(f"{V1}/replays/{replay['id']}").status_code == 204
    assert room.api(f"replays/{replay['id']}")["state"] == "cancelled"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ({"study_instance_uid": "9.9.9"}, 404),
        ({"study_instance_uid": "5.0.3"}, 503),
        ({"study_instance_uid": "../x"}, 400),
        ({"study_instance_uid": "1.2", "speed": 0}, 400),
        ({"study_instance_uid": "1.2", "source": "tape"}, 400),
        ({}, 400),
    ],
)
def test_a_replay_that_cannot_be_says_why(room, content, status):
    room.error(room.client.post(f"{V1}/replays", json=content), status)


def test_an_unknown_replay_is_404(room):
    room.error(room.client.get(f"{V1}/replays/r9"), 404)
    room.error(room.client.delete(f"{V1}/replays/r9"), 404)


# The schema


def test_the_schema_describes_every_field_and_knows_no_422(room):
    schema = room.api("openapi.json")
    for path, operations in schema["paths"].items():
        assert path.startswith(V1)
        for operation in operations.values():
            assert "422" not in operation["responses"], path
            assert "400" in operation["responses"], path
            for parameter in operation.get("parameters", ()):
                assert (
                    parameter.get("description") or parameter["in"] == "path" or parameter["name"] == "if-none-match"
                ), (
                    path,
                    parameter["name"],
                )
    for name, model in schema["components"]["schemas"].items():
        for field, told in model.get("properties", {}).items():
            assert told.get("description"), f"{name}.{field}"


UNITS = {"_mm": "mm", "_mm2": "mm²", "_ml": "ml", "_mm_s": "mm/s", "_s": "s", "_px": "px", "_deg": "degrees"}


def test_every_field_with_a_unit_in_its_name_says_it(room):
    for name, model in room.api("openapi.json")["components"]["schemas"].items():
        for field, told in model.get("properties", {}).items():
            for ending, unit in UNITS.items():
                if field.endswith(ending):
                    assert unit in told["description"], f"{name}.{field}"


def test_what_lies_aside_is_listed_with_its_reason(room):
    assert room.api("quarantine") == {"items": [], "next_after": 0}
    for at in (1, 2, 3):
        part = room.deps.spool.begin()
        part.write(b"junk")
        origin = Origin(sop_instance_uid=f"1.{at}", source="ARM1", received_ns=at * 10**9)
        room.deps.spool.quarantine(part, origin, "no pixel data", 0xC000)
    page = room.api("quarantine", limit=2)
    assert [item["received_at"][:19] for item in page["items"]] == ["1970-01-01T00:00:01", "1970-01-01T00:00:02"]
    told = page["items"][0]
    assert (told["source"], told["reason"], told["status"], told["size_bytes"]) == (
        "ARM1",
        "no pixel data",
        "0xC000",
        4,
    )
    assert [item["number"] for item in room.api("quarantine", after=page["next_after"])["items"]] == [3_000_000]
    assert "cementwatch_quarantined 3.0" in room.client.get("/metrics").text


def test_what_nobody_needs_is_dismissed_by_somebody_and_leaves_the_list(room):
    part = room.deps.spool.begin()
    part.write(b"junk")
    room.deps.spool.quarantine(
        part, Origin(sop_instance_uid="1.1", source="ARM1", received_ns=10**9), "no pixel data", 1
    )
    (item,) = room.api("quarantine")["items"]
    answer = room.client.post(f"/api/v1/quarantine/{item['name']}/dismiss", json={"note": "a test image"})
    assert (answer.status_code, answer.json()["dismissed_by"]) == (200, "local")
    assert room.api("quarantine")["items"] == []
    assert room.api("quarantine", dismissed=True)["items"] == [answer.json()]
    assert "cementwatch_quarantined 0.0" in room.client.get("/metrics").text
    lines = queries.log_of(room.engine, NO_PROCEDURE, 0, (EntryType.QUARANTINE_DISMISSED,))
    assert [(line.actor, line.data["reason"], line.data["note"]) for line in lines] == [
        ("local", "no pixel data", "a test image")
    ]
    again = room.client.post(f"/api/v1/quarantine/{item['name']}/dismiss")
    room.error(again, 409)
    for name in ("nothing", "1.0123456789abcdef.0123456789abcdef", "..%2F..%2Fx"):
        assert room.client.post(f"/api/v1/quarantine/{name}/dismiss").status_code == 404


def test_a_disk_that_fills_is_told_before_and_when_objects_are_refused(room):
    free_mb = room.deps.spool.free_bytes() // 2**20
    for wanted_mb, ok, words in ((free_mb * 2 // 3, True, "filling"), (free_mb * 2, False, "wanted")):
        settings = room.deps.settings.model_copy(update={"min_free_mb": wanted_mb})
        told_ok, reason = check_spool(replace(room.deps, settings=settings))
        assert told_ok == ok
        assert words in reason
