"""People and programs at the door of a room under test: made as the command line makes them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx

from db import queries
from db.users import Deed, Token, User, add_token, add_user
from detection.vocabulary import NO_PROCEDURE
from service import passwords

PASSWORD = "correct horse battery"
V1 = "/api/v1"


def by() -> Deed:
    return Deed(actor="os:tester", at=time.time())


@cache
def kept() -> str:
    return passwords.hash_password(PASSWORD)


def admit(room: Any, name: str = "anna", role: str = "operator") -> None:
    """A user whose password is ``PASSWORD``; the server has heard of it."""
    add_user(room.engine, User(name=name, role=role, password_hash=kept(), created_at=time.time()), by())
    room.app.state.access.look()


def issue(room: Any, name: str, *scopes: str, days: float = 1.0) -> dict[str, str]:
    """The header of a new token."""
    told, now = passwords.new_token(), time.time()
    token = Token(
        name=name, hash=passwords.digest_of(told), scopes=scopes, created_at=now, expires_at=now + days * 86400
    )
    add_token(room.engine, token, by())
    room.app.state.access.look()
    return {"Authorization": f"Bearer {told}"}


def sign_in(client: httpx.Client, name: str = "anna", password: str = PASSWORD) -> httpx.Response:
    """What signing in answers; the client keeps the cookie, and sends the page's header from then on."""
    answer = client.post(f"{V1}/session", json={"name": name, "password": password})
    if answer.status_code == 200:
        client.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
    return answer


@contextmanager
def browser_of(room: Any, name: str = "anna") -> Iterator[httpx.Client]:
    """A client that is signed in."""
    with httpx.Client(base_url=room.url, timeout=40) as client:
        answer = sign_in(client, name)
        assert answer.status_code == 200, answer.text
        yield client


def audit(room: Any) -> list[tuple[str, str | None, dict[str, Any]]]:
    """Type, actor and data of every line that belongs to no procedure."""
    lines = queries.log_of(room.engine, NO_PROCEDURE, limit=1000)
    return [(str(line.type), line.actor, dict(line.data)) for line in lines]
