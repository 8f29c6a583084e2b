"""Every route with every role, with tokens, and with nobody: the table says who may, and what has no row is not there."""

from __future__ import annotations

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from service.api.permissions import PERMISSIONS, SCOPES_OF, V1, Permission, Role, Scope
from tests.service.conftest import room_at
from tests.service.visitors import admit, browser_of, issue

NAMES = {"id": "nothing", "view": "lateral", "sop_instance_uid": "1.2.3", "index": "0", "file": "main.js"} | {
    "address": "nothing",
    "name": "nothing",
}
SIGN_OUT = ("DELETE", f"{V1}/session")
ANYBODY = [row for row in PERMISSIONS if row.scope is None]
SOMEBODY = sorted((row for row in PERMISSIONS if row.scope is not None), key=lambda row: row[:2] == SIGN_OUT)
"""Signing out comes last."""


@pytest.fixture(scope="module")
def peopled(tmp_path_factory):
    """A room with a user of every role and a token of every scope, each named after it."""
    with room_at(tmp_path_factory.mktemp("peopled")) as room:
        for role in Role:
            admit(room, role, role)
        yield room, {scope: issue(room, scope, scope) for scope in Scope}


def ask(client: httpx.Client, row: Permission, **options) -> int:
    """The status of one request; nothing that it names exists, so what is permitted fails later or shows an empty list."""
    params = {"lifetime": 0.01} if row.path.endswith("/live") else None
    return client.request(row.method, row.path.format(**NAMES), params=params, **options).status_code


def test_every_route_has_its_row_and_every_row_its_route(room):
    served = {
        (method, "/dashboard/{file}" if route.path.startswith("/dashboard/") else route.path)
        for route in iter_route_contexts(room.app.routes)
        for method in set(route.methods or ()) - {"HEAD"}
    }
    assert served == {row[:2] for row in PERMISSIONS}
    assert len(PERMISSIONS) == len(served)


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_do_what_its_scopes_say_and_nothing_else(peopled, role):
    room, _ = peopled
    with browser_of(room, role) as client:
        for row in SOMEBODY:
            status = ask(client, row)
            assert (status == 403) == (row.scope not in SCOPES_OF[role]), (row, status)
            assert status not in {401, 405, 500}, (row, status)
        assert client.get(f"{V1}/alerts").status_code == 401, "signed out at the end"


@pytest.mark.parametrize("scope", list(Scope))
def test_a_token_may_do_what_its_one_scope_says_and_nothing_else(peopled, scope):
    room, headers = peopled
    for row in SOMEBODY:
        status = ask(room.client, row, headers=headers[scope])
        assert (status == 403) == (row.scope is not scope), (row, status)
        assert status not in {401, 405, 500}, (row, status)


def test_nobody_gets_in_once_there_is_a_user(peopled):
    room, _ = peopled
    for row in SOMEBODY:
        assert ask(room.client, row) == 401, row


def test_an_open_address_answers_nobody_too(peopled):
    room, _ = peopled
    statuses = {row[:2]: ask(room.client, row) for row in ANYBODY}
    assert statuses.pop(("POST", f"{V1}/session")) == 400, "a name and a password are expected"
    assert statuses.pop(("POST", f"{V1}/session/one-click")) == 403, "no such demonstration here"
    for ready in ("/health/ready", f"{V1}/health/ready"):
        assert statuses.pop(("GET", ready)) == 503, "nobody watches in this room"
    assert set(statuses.values()) == {200}


def test_what_has_no_row_is_not_there_even_for_an_admin(room):
    admit(room, "anna", Role.ADMIN)

    async def forgotten() -> str:
        return "a route that somebody forgot to put into the table"

    room.app.add_api_route(f"{V1}/forgotten", forgotten)
    with browser_of(room) as client:
        assert room.error(client.get(f"{V1}/forgotten"), 404)["code"] == "not_found"
        answer = client.delete(f"{V1}/alerts")
        assert room.error(answer, 405)["code"] == "method_not_allowed"
        assert answer.headers["allow"] == "GET"
    room.error(room.client.get(f"{V1}/forgotten"), 401)


def test_without_users_a_local_request_may_do_everything(room):
    for row in SOMEBODY:
        assert ask(room.client, row) not in {401, 403, 405, 500}, row


def test_whatever_answers_one_thing_of_a_patient_is_told_of():
    """A change of nothing answers the whole thing as well as a look does."""
    answering = [row for row in PERMISSIONS if "/record/" in row.path and row.method in {"GET", "PATCH"}]
    assert {row.path for row in answering if row.told is None} == {f"{V1}/record/dictionary"}


def test_an_operator_acts_and_an_engineer_does_not():
    assert Scope.ACT in SCOPES_OF[Role.OPERATOR]
    assert Scope.ACT not in SCOPES_OF[Role.ENGINEER] | SCOPES_OF[Role.VIEWER]
    assert SCOPES_OF[Role.ADMIN] == set(Scope)
    assert set(SCOPES_OF) == set(Role)


def test_a_program_that_watches_alerts_does_not_read_the_clinical_record(peopled):
    room, headers = peopled
    assert room.client.get(f"{V1}/alerts", headers=headers[Scope.READ]).status_code == 200
    assert room.client.get(f"{V1}/record/patients", headers=headers[Scope.READ]).status_code == 403
    assert room.client.get(f"{V1}/record/patients", headers=headers[Scope.RECORD]).status_code == 200
    told = {row.path for row in PERMISSIONS if row.scope is Scope.READ}
    assert not [path for path in told if "/record/" in path and "dictionary" not in path]
