"""Who is asking: a user by cookie, a program by token, or whoever sits at this machine.

The register of users, tokens and sessions is remembered; the pulse looks at its number with every beat, so that a change
from the command line holds within half a second and a poll costs no query.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from db.connect import Engine
from db.users import Register, Session, begin_session, read_register, register_number
from service import passwords
from service.api.errors import Refused, unavailable
from service.api.permissions import SCOPES_OF, Role, Scope
from service.api.throttle import Throttle
from service.exposure import Exposure

LOCAL = "local"
ONE_CLICK = "demo operator"
"""Whom the one click makes; no user can have a space in the name."""
N_VERIFIED_AT_ONCE, N_WAITING = 2, 16
"""Each costs 64 MiB and a core's tenth of a second, which the analysis needs more; who comes after those is sent away."""

By = Literal["local", "session", "token"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who asks. ``name`` is what the journal calls them; ``session`` is the cookie's hash."""

    name: str
    by: By
    scopes: frozenset[Scope]
    role: Role | None = None
    expires_at: float | None = None
    session: str | None = None
    csrf: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How people come in: how far the server is reached, how long a session lasts (s), whether one click is enough."""

    exposure: Exposure
    session_s: float
    has_one_click: bool

    @property
    def may_one_click(self) -> bool:
        """Only where nobody but this machine can click."""
        return self.has_one_click and self.exposure.is_local

    @property
    def cookie(self) -> str:
        """Its name; ``__Host-`` makes browsers refuse it from anyone but this very host over TLS."""
        return "__Host-cementwatch" if self.exposure.is_encrypted else "cementwatch"


class Access:
    """Tells who is asking, from what the register said last."""

    def __init__(self, engine: Engine, now: Callable[[], float], terms: Terms) -> None:
        self._engine, self._now, self.terms = engine, now, terms
        self._register: Register | None = None
        self._looking = threading.Lock()
        self._turns, self._n_waiting = asyncio.Semaphore(N_VERIFIED_AT_ONCE), 0
        self.throttle = Throttle()

    def look(self) -> None:
        """Read the register if it has changed; StoreFailure leaves what is remembered as it is."""
        with self._looking:  # else the slower of two readers could put an older register in place of a newer one
            if self._register is None or register_number(self._engine) != self._register.number:
                self._register = read_register(self._engine)

    @property
    def has_users(self) -> bool:
        """Whether anybody could sign in."""
        return any(user.disabled_at is None for user in self._known().users.values())

    @property
    def is_on(self) -> bool:
        """Whether anybody must say who they are: beyond this machine always, and for ever from the first user on.

        Whoever disables the last user shuts somebody out; that must not let everybody in.
        """
        return not self.terms.exposure.is_local or bool(self._known().users)

    @property
    def way_in(self) -> str:
        """What to do for somebody who is not known."""
        if self.has_users:
            return "Sign in, or send a token that is valid."
        if self._known().users:
            return "Every user is disabled. Make one with 'cementwatch user add NAME --role admin'."
        return "This server listens beyond its own machine and has no users yet."

    def identify(self, connection: HTTPConnection) -> Identity | None:
        """Whoever asks, or None. Refused with 503 as long as the register has never been read."""
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        found = self._by_token(token.strip()) if scheme.lower() == "bearer" else None
        cookie = connection.cookies.get(self.terms.cookie)
        if found is None and cookie:
            found = self._by_cookie(cookie)
        if found is None and not self.is_on:
            found = Identity(name=LOCAL, by="local", scopes=frozenset(Scope))
        return found

    def is_still(self, identity: Identity) -> bool:
        """Whether somebody who was let in would still be."""
        register, now = self._known(), self._now()
        if identity.expires_at is not None and identity.expires_at <= now:
            return False
        match identity.by:
            case "session":
                return identity.session in register.sessions
            case "token":
                return any(
                    f"token:{t.name}" == identity.name and t.revoked_at is None for t in register.tokens.values()
                )
            case _:
                return not self.is_on

    async def proof_of(self, name: str, password: str) -> str | None:
        """The hash that proves this an active user's password, or None; an unknown name takes as long. Refused when too many ask.

        Whoever waits does so in the event loop: threads are for those who ask for alerts.
        """
        if self._n_waiting >= N_WAITING:
            raise Refused(429, "Too many people are signing in. Try again in a moment.")
        self._n_waiting += 1
        try:
            async with self._turns:
                return await run_in_threadpool(self._compare, name, password)
        finally:
            self._n_waiting -= 1

    def knows(self, name: str) -> bool:
        """Whether there is a user of this name; for the journal, never for an answer."""
        return name in self._known().users

    def begin(self, name: str, address: str, proof: str | None = None) -> tuple[str, Identity]:
        """A new session: the cookie, and who it makes them; ``proof`` is what ``proof_of`` said of a password."""
        cookie = passwords.new_token()
        now = self._now()
        session = Session(
            hash=passwords.digest_of(cookie), user=name, began_at=now, expires_at=now + self.terms.session_s
        )
        try:
            begin_session(self._engine, session, address, proven_by=proof)
        except LookupError:
            raise unavailable("This account was changed just now.") from None
        self.look()
        identity = self._by_cookie(cookie)
        if identity is None:
            raise unavailable("This account was changed just now.")
        return cookie, identity

    def _compare(self, name: str, password: str) -> str | None:
        nobody = passwords.hash_of_nobody()
        user = self._known().users.get(name)
        if user is None or user.disabled_at is not None:
            passwords.is_password(nobody, password)
            return None
        return user.password_hash if passwords.is_password(user.password_hash, password) else None

    def _known(self) -> Register:
        if self._register is None:
            raise unavailable("The journal does not answer, so nobody can be let in yet.")
        return self._register

    def _by_token(self, told: str) -> Identity | None:
        token = self._known().tokens.get(passwords.digest_of(told))
        if token is None or token.revoked_at is not None or token.expires_at <= self._now():
            return None
        scopes = frozenset(Scope(word) for word in token.scopes if word in set(Scope))
        return Identity(name=f"token:{token.name}", by="token", scopes=scopes, expires_at=token.expires_at)

    def _by_cookie(self, cookie: str) -> Identity | None:
        session = self._known().sessions.get(passwords.digest_of(cookie))
        if session is None or session.expires_at <= self._now():
            return None
        role = self._role_of(session.user)
        if role is None:
            return None
        return Identity(
            name=session.user,
            by="session",
            role=role,
            scopes=SCOPES_OF[role],
            expires_at=session.expires_at,
            session=session.hash,
            csrf=passwords.csrf_of(cookie),
        )

    def _role_of(self, name: str) -> Role | None:
        if name == ONE_CLICK:
            return Role.OPERATOR if self.terms.may_one_click else None
        user = self._known().users.get(name)
        return None if user is None or user.disabled_at is not None else Role(user.role)
