"""Signing in and out, tokens, throttling, and who stands in the journal for what was done."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import httpx
import pytest

from db.users import change_password, disable_user, revoke_token
from service.api import throttle
from service.api.access import ONE_CLICK
from service.api.app import create_app
from service.exposure import UNKNOWN
from service.settings import Settings
from tests.service.conftest import Serving, room_at
from tests.service.visitors import PASSWORD, V1, admit, audit, browser_of, by, issue, sign_in


@pytest.fixture
def visitor(room):
    """A browser that nobody has signed in with."""
    with httpx.Client(base_url=room.url, timeout=40) as client:
        yield client


def another(room, now=time.time, **changes):
    """The same room behind other settings or another clock."""
    settings = Settings(**{**room.deps.settings.model_dump(), **changes})
    return Serving(create_app(replace(room.deps, settings=settings, now=now)))


@dataclass
class HeldClock:
    """Stands still until a test moves it."""

    at: float

    def __call__(self) -> float:
        return self.at


# Signing in


def test_without_users_a_local_request_is_the_user_local(room):
    told = room.api("session")
    assert (told["name"], told["by"], told["role"], told["csrf_token"]) == ("local", "local", None, None)
    assert "act" in told["scopes"]


def test_a_user_signs_in_asks_and_signs_out(room, visitor):
    admit(room)
    assert visitor.get(f"{V1}/session").json()["name"] is None
    room.error(visitor.get(f"{V1}/alerts"), 401)
    told = sign_in(visitor).json()
    assert (told["name"], told["by"], told["role"]) == ("anna", "session", "operator")
    assert told["scopes"] == ["act", "export", "read", "record"]
    assert visitor.get(f"{V1}/session").json() == told
    assert visitor.get(f"{V1}/alerts").status_code == 200
    stolen = {"Cookie": f"cementwatch={visitor.cookies['cementwatch']}"}
    assert visitor.delete(f"{V1}/session").status_code == 204
    assert not visitor.cookies
    room.error(visitor.get(f"{V1}/alerts", headers=stolen), 401)


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(room, visitor):
    admit(room)
    told = sign_in(visitor).headers["set-cookie"]
    assert told.startswith("cementwatch=")
    assert "HttpOnly" in told
    assert "SameSite=strict" in told
    assert "Path=/" in told
    assert "Secure" not in told, "loopback speaks plain HTTP"


def test_behind_a_proxy_the_cookie_travels_over_tls_only(room):
    admit(room)
    outside = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9, 192.0.2.7"}
    with (
        another(room, http_trusted_proxies=("127.0.0.1",)) as url,
        httpx.Client(base_url=url, headers=outside) as client,
    ):
        answer = sign_in(client)
        assert answer.headers["set-cookie"].startswith("__Host-cementwatch=")
        assert "Secure" in answer.headers["set-cookie"]
        assert answer.headers["strict-transport-security"]
    assert audit(room)[-1][2] == {"address": "192.0.2.7"}, "what the client put into the header itself is not believed"


@pytest.mark.parametrize(
    ("name", "password"),
    [("anna", "wrong horse battery"), ("nobody", PASSWORD), ("gone", PASSWORD), ("anna", PASSWORD.upper())],
    ids=["wrong password", "no such user", "disabled", "other letters"],
)
def test_a_wrong_name_and_a_wrong_password_look_alike(room, visitor, name, password):
    admit(room)
    admit(room, "gone")
    disable_user(room.engine, "gone", by())
    room.app.state.access.look()
    answer = sign_in(visitor, name, password)
    assert room.error(answer, 401)["message"] == "This name and password do not belong together."
    assert "set-cookie" not in answer.headers


def test_an_unknown_name_costs_as_much_work_as_a_known_one(room, visitor, monkeypatch):
    admit(room)
    compared = []
    from service import passwords

    real = passwords.is_password
    monkeypatch.setattr(passwords, "is_password", lambda kept, told: compared.append(kept[:9]) or real(kept, told))
    for name in ("anna", "nobody"):
        sign_in(visitor, name, "wrong horse battery")
    assert compared == ["$argon2id", "$argon2id"]


def test_a_session_ends_by_itself(room):
    admit(room)
    clock = HeldClock(time.time())
    with another(room, clock, session_hours=1) as url, httpx.Client(base_url=url) as client:
        sign_in(client)
        assert client.get(f"{V1}/alerts").status_code == 200
        clock.at += 3601
        room.error(client.get(f"{V1}/alerts"), 401)


def test_a_session_outlives_a_restart_of_the_server(room):
    admit(room)
    with browser_of(room) as client:
        cookie = {"Cookie": f"cementwatch={client.cookies['cementwatch']}"}
    with another(room) as url:
        assert httpx.get(f"{url}{V1}/alerts", headers=cookie).status_code == 200


def test_a_cookie_somebody_made_up_is_worth_nothing(room, visitor):
    admit(room)
    for cookie in ("", "cw_made-up", "a" * 4000, "é"):
        headers = {"Cookie": f"cementwatch={cookie}".encode()}
        assert visitor.get(f"{V1}/alerts", headers=headers).status_code == 401


def test_a_disabled_user_and_a_new_password_are_felt_at_once(room):
    for name in ("anna", "ben"):
        admit(room, name)
    with browser_of(room, "anna") as anna, browser_of(room, "ben") as ben:
        disable_user(room.engine, "anna", by())
        change_password(room.engine, "ben", "$argon2id$new", by())
        room.deps.bell.ring()
        give_up = time.monotonic() + 10
        while 200 in {anna.get(f"{V1}/alerts").status_code, ben.get(f"{V1}/alerts").status_code}:
            assert time.monotonic() < give_up, "still let in"
            time.sleep(0.05)


def test_disabling_the_last_user_lets_nobody_in(room, visitor):
    admit(room)
    disable_user(room.engine, "anna", by())
    room.app.state.access.look()
    assert visitor.get(f"{V1}/session").json()["name"] is None
    error = room.error(visitor.get(f"{V1}/alerts"), 401)
    assert "cementwatch user add" in error["message"]


def test_a_live_stream_ends_with_the_session(room):
    admit(room)
    with browser_of(room) as client, client.stream("GET", f"{V1}/live") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "retry: 1000"
        disable_user(room.engine, "anna", by())
        room.deps.bell.ring()
        text = "\n".join(lines)
    assert "event: closing" in text
    assert "no longer signed in" in text


# One click


def test_one_click_makes_an_operator_where_the_settings_allow_it(room, visitor):
    room.error(visitor.post(f"{V1}/session/one-click"), 403)
    assert room.api("session")["one_click"] is False
    admit(room)
    with another(room, one_click_operator=True) as url, httpx.Client(base_url=url) as client:
        assert client.get(f"{V1}/session").json()["one_click"] is True
        told = client.post(f"{V1}/session/one-click").json()
        assert (told["name"], told["role"]) == (ONE_CLICK, "operator")
        assert client.get(f"{V1}/alerts").status_code == 200


@pytest.mark.parametrize("changes", [{"http_host": "0.0.0.0"}, {"http_trusted_proxies": ("127.0.0.1",)}])  # noqa: S104
def test_one_click_is_for_loopback_only(room, changes):
    admit(room)
    outside = {"X-Forwarded-Proto": "https"}
    with (
        another(room, one_click_operator=True, **changes) as url,
        httpx.Client(base_url=url, headers=outside) as client,
    ):
        assert client.get(f"{V1}/session").json()["one_click"] is False
        room.error(client.post(f"{V1}/session/one-click"), 403)


# Tokens


def test_a_token_is_a_program_with_a_name(room, visitor):
    admit(room)
    header = issue(room, "monitor", "read", "metrics")
    told = visitor.get(f"{V1}/session", headers=header).json()
    assert (told["name"], told["by"], told["scopes"]) == ("token:monitor", "token", ["metrics", "read"])
    assert "cementwatch_journal_head" in visitor.get("/metrics", headers=header).text


@pytest.mark.parametrize("header", ["Bearer cw_made-up", "Bearer", "Basic YTpi", "Bearer \xe9", ""])
def test_a_token_somebody_made_up_is_worth_nothing(room, visitor, header):
    admit(room)
    answer = visitor.get(f"{V1}/alerts", headers={"Authorization": header.encode("latin-1")})
    room.error(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_ends_when_it_expires_or_is_revoked(room, visitor):
    admit(room)
    old, revoked = issue(room, "old", "read", days=-1.0), issue(room, "revoked", "read")
    assert visitor.get(f"{V1}/alerts", headers=revoked).status_code == 200
    revoke_token(room.engine, "revoked", by())
    room.app.state.access.look()
    for header in (old, revoked):
        room.error(visitor.get(f"{V1}/alerts", headers=header), 401)


def test_neither_password_nor_token_nor_cookie_stands_in_the_database_or_the_log(room, tmp_path, caplog):
    admit(room)
    header = issue(room, "monitor", "read")
    with browser_of(room) as client:
        secrets = [PASSWORD, header["Authorization"].split()[1], *client.cookies.values()]
    held = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("journal.sqlite*"))
    for secret in secrets:
        assert secret.encode() not in held
        assert secret not in caplog.text


# Throttling


def test_guessing_is_slowed_down_and_says_for_how_long(room):
    admit(room)
    admit(room, "ben")
    clock = HeldClock(time.time())
    with another(room, clock) as url, httpx.Client(base_url=url, timeout=40) as visitor:
        for _ in range(throttle.FREE_FOR_NAME):
            room.error(sign_in(visitor, password="wrong horse battery"), 401)
        answer = sign_in(visitor)
        assert room.error(answer, 429)["code"] == "too_many_requests"
        assert int(answer.headers["retry-after"]) >= 1
        assert sign_in(visitor, "ben").status_code == 200, "another user at the same address is let in"
        clock.at += int(answer.headers["retry-after"])
        assert sign_in(visitor).status_code == 200


def test_a_stranger_cannot_lock_an_operator_out():
    guesses = throttle.Throttle()
    for i in range(100):
        guesses.fail("anna", "203.0.113.9", float(i))
    assert guesses.wait_s("anna", "203.0.113.9", 100.0) > 0
    assert guesses.wait_s("anna", "192.0.2.7", 100.0) == 0


def test_the_wait_doubles_up_to_its_limit_and_is_forgiven():
    guesses = throttle.Throttle()
    waits = []
    for _ in range(12):
        guesses.fail("anna", "a", 0.0)
        waits.append(guesses.wait_s("anna", "a", 0.0))
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert guesses.wait_s("anna", "a", throttle.FORGIVEN_AFTER_S) == 0
    guesses.succeed("anna", "a")
    assert guesses.wait_s("anna", "a", 0.0) == 0


def test_ten_thousand_failures_are_a_minute_too():
    guesses = throttle.Throttle()
    for _ in range(10_000):
        guesses.fail("anna", "a", 0.0)
    assert guesses.wait_s("anna", "a", 0.0) == throttle.LONGEST_WAIT_S


def test_a_clock_that_is_set_back_prolongs_no_wait():
    guesses = throttle.Throttle()
    for _ in range(100):
        guesses.fail("anna", "a", 1_000_000.0)
    assert guesses.wait_s("anna", "a", 0.0) == throttle.LONGEST_WAIT_S
    assert guesses.wait_s("anna", "a", throttle.LONGEST_WAIT_S) == 0


def test_guesses_at_once_are_as_many_as_guesses_in_turn():
    guesses = throttle.Throttle()
    let_in = [guesses.begin("anna", "a", 0.0) == 0 for _ in range(20)]
    assert let_in.count(True) == throttle.FREE_FOR_NAME
    for _ in range(throttle.FREE_FOR_NAME):
        guesses.fail("anna", "a", 0.0)
    assert guesses.begin("anna", "a", 0.0) == 1
    assert guesses.begin("anna", "a", 1.0) == 0, "one more after its wait"
    assert guesses.begin("anna", "a", 1.0) > 0, "and only one"
    guesses.give_up("anna", "a")
    assert guesses.begin("anna", "a", 1.0) == 0, "what was not compared is no guess"
    guesses.succeed("anna", "a")
    assert not guesses._under_way


def test_guesses_at_once_do_not_pass_the_wait(room):
    admit(room)

    def guess(_):
        body = {"name": "anna", "password": "wrong horse battery"}
        return httpx.post(f"{room.url}{V1}/session", json=body, timeout=40).status_code

    with ThreadPoolExecutor(12) as crowd:
        statuses = list(crowd.map(guess, range(12)))
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= throttle.FREE_FOR_NAME + 2, "a slow machine may reach the end of the first waits"


def test_guesses_at_an_address_that_is_not_known_keep_nobody_else_out():
    guesses = throttle.Throttle()
    for i in range(100):
        guesses.fail(f"name{i % 10}", UNKNOWN, 0.0)
    assert guesses.wait_s("anna", UNKNOWN, 0.0) == 0
    assert guesses.wait_s("name1", UNKNOWN, 0.0) > 0


def test_many_names_from_one_address_are_guesses_too():
    guesses = throttle.Throttle()
    for i in range(throttle.FREE_FOR_ADDRESS):
        guesses.fail(f"name{i}", "a", 0.0)
    assert guesses.wait_s("name99", "a", 0.0) > 0


def test_what_is_remembered_of_guesses_is_bounded():
    guesses = throttle.Throttle()
    for i in range(throttle.N_KEPT):
        guesses.fail(f"name{i}", f"address{i}", 0.0)
    assert len(guesses._failures) == throttle.N_KEPT


def test_a_crowd_at_the_door_keeps_no_screen_waiting(room):
    admit(room)
    header = issue(room, "screen", "read")

    def guess(i):
        body = {"name": f"nobody{i}", "password": "wrong horse battery"}
        return httpx.post(f"{room.url}{V1}/session", json=body, timeout=40).status_code

    with ThreadPoolExecutor(30) as crowd:
        guesses = [crowd.submit(guess, i) for i in range(30)]
        while not all(each.done() for each in guesses):
            assert room.client.get(f"{V1}/alerts", headers=header).status_code == 200
        statuses = {each.result() for each in guesses}
    assert statuses <= {401, 429}
    assert 429 in statuses, "most are sent away without a comparison"


# Changes come from our page


@pytest.mark.parametrize("header", [None, "", "made-up", "é"])
def test_a_change_with_a_cookie_alone_is_refused(room, header):
    admit(room)
    with browser_of(room) as client:
        client.headers.pop("X-CSRF-Token")
        headers = {} if header is None else {"X-CSRF-Token": header.encode()}
        error = room.error(client.post(f"{V1}/procedures", json={}, headers=headers), 403)
        assert error["code"] == "csrf_token_missing"
        assert client.get(f"{V1}/procedures").status_code == 200, "reading takes no token"


def test_the_token_of_another_session_is_refused(room):
    admit(room)
    with browser_of(room) as one, browser_of(room) as other:
        headers = {"X-CSRF-Token": other.headers["X-CSRF-Token"]}
        room.error(one.post(f"{V1}/procedures", json={}, headers=headers), 403)
        assert one.post(f"{V1}/procedures", json={}).status_code == 201


def test_another_site_cannot_sign_anybody_in(room, visitor):
    admit(room)
    body = {"name": "anna", "password": PASSWORD}
    answer = visitor.post(f"{V1}/session", json=body, headers={"Origin": "http://evil.example"})
    assert room.error(answer, 403)["code"] == "origin_not_allowed"


# Who did it


def test_the_journal_names_who_was_signed_in_whatever_a_body_says(room, watch):
    admit(room)
    room.open()
    room.raise_alert()
    with browser_of(room) as client:
        room.error(client.post(f"{V1}/alerts/alert-1/acknowledge", json={"actor": "ben"}), 400)
        answer = client.post(f"{V1}/alerts/alert-1/acknowledge", json={"note": "seen"}, headers={"X-Actor": "ben"})
        assert answer.json()["acknowledged_by"] == "anna"
        line = client.post(f"{V1}/procedures/{room.procedure}/log", json={"type": "injection_started"}).json()
        assert line["actor"] == "anna"
    header = issue(room, "injector", "act")
    line = room.client.post(f"{V1}/procedures/{room.procedure}/log", json={"type": "aliquot"}, headers=header).json()
    assert line["actor"] == "token:injector"


# Behind a proxy


def test_only_the_proxy_is_answered_and_only_about_tls(room):
    admit(room)
    with another(room, http_trusted_proxies=("192.0.2.0/24",)) as url:
        assert room.error(httpx.get(f"{url}{V1}/alerts"), 403)["code"] == "not_through_proxy"
        assert httpx.get(f"{url}/health/live").status_code == 200, "a probe on the machine itself"
    with another(room, http_trusted_proxies=("127.0.0.0/8",)) as url:
        for proto in ({}, {"X-Forwarded-Proto": "http"}):
            assert room.error(httpx.get(f"{url}{V1}/alerts", headers=proto), 403)["code"] == "tls_required"
        room.error(httpx.get(f"{url}{V1}/alerts", headers={"X-Forwarded-Proto": "https"}), 401)
        assert httpx.get(f"{url}/health/live").status_code == 200, "a probe on the proxy's own machine"


@pytest.mark.parametrize(
    "mark",
    [
        {"Forwarded": "for=203.0.113.9"},
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Forwarded-Host": "room.example"},
        {"X-Real-IP": "203.0.113.9"},
        {"Via": "1.1 gate"},
    ],
    ids=lambda mark: next(iter(mark)),
)
def test_a_proxy_that_nobody_named_makes_no_stranger_local(room, visitor, mark):
    error = room.error(visitor.get(f"{V1}/alerts", headers=mark), 403)
    assert error["code"] == "proxy_not_named"
    assert "http_trusted_proxies" in error["message"]
    assert visitor.get("/health/live", headers=mark).status_code == 200


def test_a_proxy_makes_nobody_local(room):
    with another(room, http_trusted_proxies=("127.0.0.1",)) as url:
        answer = httpx.get(f"{url}{V1}/alerts", headers={"X-Forwarded-Proto": "https"})
        assert "has no users yet" in room.error(answer, 401)["message"]


# The other database


def test_on_postgresql_people_and_programs_come_in_the_same_way(tmp_path, postgres_url):
    with room_at(tmp_path, postgres_url) as room:
        admit(room)
        id = room.open()
        room.error(room.client.get(f"{V1}/alerts"), 401)
        with browser_of(room) as client:
            room.error(sign_in(room.client, password="wrong horse battery"), 401)
            assert client.get(f"{V1}/procedures/{id}").status_code == 200
            for nul in ("procedures?study=%00", "alerts/%00", "alerts?procedure=%00"):
                room.error(client.get(f"{V1}/{nul}"), 400)
            body = {"accession_number": "a\0b"}
            room.error(client.post(f"{V1}/procedures", json=body), 400)
            assert len(client.get(f"{V1}/procedures/{id}/report.jsonl").text.splitlines()) == 2
        header = issue(room, "monitor", "read")
        assert room.client.get(f"{V1}/alerts", headers=header).status_code == 200
        revoke_token(room.engine, "monitor", by())
        room.app.state.access.look()
        room.error(room.client.get(f"{V1}/alerts", headers=header), 401)
        types = [type for type, *_ in audit(room)]
        assert types == [
            "access_changed",
            "signed_in",
            "sign_in_failed",
            "patient_viewed",
            "exported",
            "access_changed",
            "access_changed",
        ]
        assert room.deps.journal.verify() is None
