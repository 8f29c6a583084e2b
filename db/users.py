"""Who may come in: users with a role, tokens with scopes, and the browsers that are signed in.

Every change is a line of the journal in the same transaction, and moves the register's number on, so that a server
knows with one row whether what it remembers still holds. What stands here are hashes: neither a password nor a token
nor a cookie can be had from the database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, update

from db.connect import appending, reading, row_of, rows_of
from db.journal import append_in
from db.tables import REGISTER, SESSION, TOKEN, USER
from detection.vocabulary import NO_PROCEDURE, Entry, EntryType


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person. ``password_hash`` is argon2's own text."""

    name: str
    role: str
    password_hash: str
    created_at: float
    disabled_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A program. ``hash`` is the SHA-256 of the token in hexadecimal digits."""

    name: str
    hash: str
    scopes: tuple[str, ...]
    created_at: float
    expires_at: float
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that a user has signed in with. ``hash`` is the SHA-256 of its cookie in hexadecimal digits."""

    hash: str
    user: str
    began_at: float
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """All who may come in, as of journal line ``number``: users by name, tokens and sessions by hash."""

    number: int
    users: Mapping[str, User]
    tokens: Mapping[str, Token]
    sessions: Mapping[str, Session]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Who changes something, and when."""

    actor: str
    at: float


def register_number(engine: Engine) -> int:
    """The number of the line that last changed who may come in; one row is read."""
    with reading(engine) as connection:
        return _number_of(connection)


def has_users(engine: Engine) -> bool:
    """Whether anybody may sign in."""
    query = select(USER.c.name).where(USER.c.disabled_at.is_(None)).limit(1)
    with reading(engine) as connection:
        return connection.execute(query).first() is not None


def read_register(engine: Engine) -> Register:
    """All users, tokens and sessions, those that ended included."""
    with reading(engine) as connection:
        number = _number_of(connection)
        users = [User(**row) for row in rows_of(connection, select(USER).order_by(USER.c.name))]
        tokens = [_token(row) for row in rows_of(connection, select(TOKEN).order_by(TOKEN.c.name))]
        sessions = [_session(row) for row in rows_of(connection, select(SESSION))]
    return Register(
        number=number,
        users={user.name: user for user in users},
        tokens={token.hash: token for token in tokens},
        sessions={session.hash: session for session in sessions},
    )


def add_user(engine: Engine, user: User, by: Deed) -> None:
    """A new user. ValueError when the name is taken, by a disabled user too: a name in the log means one person."""
    with _changing(engine, EntryType.ACCESS_CHANGED, by, user=user.name, role=user.role, change="added") as connection:
        if row_of(connection, select(USER.c.name).where(USER.c.name == user.name)) is not None:
            raise ValueError(f"there is a user {user.name} already")
        connection.execute(insert(USER).values(asdict(user)))


def change_password(engine: Engine, name: str, password_hash: str, by: Deed) -> None:
    """A new password; whoever was signed in with the old one no longer is. LookupError unless the user may sign in."""
    with _changing(engine, EntryType.ACCESS_CHANGED, by, user=name, change="password") as connection:
        _change_user(connection, name, {"password_hash": password_hash})


def disable_user(engine: Engine, name: str, by: Deed) -> None:
    """The user may no longer sign in and no longer is. LookupError unless the user may: the first time is kept."""
    with _changing(engine, EntryType.ACCESS_CHANGED, by, user=name, change="disabled") as connection:
        _change_user(connection, name, {"disabled_at": by.at})


def add_token(engine: Engine, token: Token, by: Deed) -> None:
    """A new token. ValueError when the name is taken, by a revoked token too."""
    told = {"token": token.name, "scopes": list(token.scopes), "change": "added"}
    with _changing(engine, EntryType.ACCESS_CHANGED, by, **told) as connection:
        if row_of(connection, select(TOKEN.c.name).where(TOKEN.c.name == token.name)) is not None:
            raise ValueError(f"there is a token {token.name} already")
        connection.execute(insert(TOKEN).values({**asdict(token), "scopes": " ".join(token.scopes)}))


def revoke_token(engine: Engine, name: str, by: Deed) -> None:
    """The token is worth nothing from now on. LookupError for an unknown or revoked one: the first time is kept."""
    with _changing(engine, EntryType.ACCESS_CHANGED, by, token=name, change="revoked") as connection:
        valid = (TOKEN.c.name == name) & TOKEN.c.revoked_at.is_(None)
        if connection.execute(update(TOKEN).where(valid).values(revoked_at=by.at)).rowcount == 0:
            raise LookupError(f"there is no token {name} that is not revoked")


def begin_session(engine: Engine, session: Session, address: str) -> None:
    """A user has signed in from ``address``; sessions that ended long since are forgotten."""
    by = Deed(actor=session.user, at=session.began_at)
    with _changing(engine, EntryType.SIGNED_IN, by, address=address) as connection:
        connection.execute(delete(SESSION).where(SESSION.c.expires_at < by.at))
        row = {"user_name" if name == "user" else name: value for name, value in asdict(session).items()}
        connection.execute(insert(SESSION).values(row))


def end_session(engine: Engine, session_hash: str, by: Deed) -> None:
    """The browser is no longer signed in; ending twice is ending once."""
    with _changing(engine, EntryType.SIGNED_OUT, by) as connection:
        connection.execute(delete(SESSION).where(SESSION.c.hash == session_hash))


@contextmanager
def _changing(engine: Engine, type: EntryType, by: Deed, **told: Any) -> Iterator[Connection]:
    """A transaction that changes the register and says so in the journal; nothing of both when it fails."""
    with appending(engine) as connection:
        yield connection
        entry = Entry(at=by.at, type=type, procedure=NO_PROCEDURE, actor=by.actor, data=told)
        (written,) = append_in(connection, [entry])
        connection.execute(update(REGISTER).values(number=written.number))


def _change_user(connection: Connection, name: str, changes: Mapping[str, Any]) -> None:
    active = (USER.c.name == name) & USER.c.disabled_at.is_(None)
    if connection.execute(update(USER).where(active).values(changes)).rowcount == 0:
        raise LookupError(f"there is no user {name} who may sign in")
    connection.execute(delete(SESSION).where(SESSION.c.user_name == name))


def _number_of(connection: Connection) -> int:
    return int(connection.execute(select(REGISTER.c.number)).scalar_one())


def _token(row: Mapping[str, Any]) -> Token:
    return Token(**{**row, "scopes": tuple(row["scopes"].split())})


def _session(row: dict[str, Any]) -> Session:
    return Session(user=row.pop("user_name"), **row)
