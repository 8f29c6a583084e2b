"""Lets a request through when whoever asks may ask it, and writes down who saw a patient or took something away.

Plain ASGI, before any route and before a byte of the body is read. An address without a row in the table is not there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db.connect import StoreFailure
from db.journal import Journal
from detection.vocabulary import NO_PROCEDURE, Entry, EntryType
from service import passwords
from service.api.access import Access, Identity
from service.api.errors import Refused, answer, error_body, refusal
from service.api.permissions import Permission, permissions_at

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER, PROCEDURE_HEADER = "x-csrf-token", "x-procedure"
VIEW_TOLD_EVERY_S = 3600.0
"""A screen that stays open on one procedure is told of once an hour."""
N_VIEWS_KEPT = 4096


class Permit:
    """Checks who asks against the table of permissions."""

    def __init__(self, app: ASGIApp, *, access: Access, journal: Journal, now: Callable[[], float]) -> None:
        self._app, self._access, self._now = app, access, now
        self._audit = Audit(journal, now)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer with the one error shape."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            identity, permission, named = self._check(HTTPConnection(scope), scope["method"], scope["path"])
        except Refused as refused:
            await refusal(refused)(scope, receive, send)
            return
        scope.setdefault("state", {})["identity"] = identity
        if identity is not None and identity.by != "local" and permission.told is not None:
            about = {"address": permission.path, **named}
            send = self._audit.before(send, identity, permission.told, about, (scope, receive))
        await self._app(scope, receive, send)

    def _check(
        self, connection: HTTPConnection, method: str, path: str
    ) -> tuple[Identity | None, Permission, Mapping[str, str]]:
        rows = permissions_at(path)
        permission, named = rows.get(method, (None, {}))
        if permission is not None and permission.scope is None:
            return self._whoever(connection), permission, named
        identity = self._access.identify(connection)
        if identity is None:
            raise Refused(401, self._access.way_in)
        if permission is None:
            raise _nothing_here(rows)
        if permission.scope not in identity.scopes:
            raise Refused(403, "You may not do this.", scope=permission.scope, role=identity.role)
        if identity.csrf is not None and method not in SAFE:
            told = connection.headers.get(CSRF_HEADER, "")
            if not passwords.is_same(told, identity.csrf):
                raise Refused(403, "This change did not come from our page.", code="csrf_token_missing")
        return identity, permission, named

    def _whoever(self, connection: HTTPConnection) -> Identity | None:
        """At an open address nobody need be known, not even the register."""
        try:
            return self._access.identify(connection)
        except Refused:
            return None


class Audit:
    """Writes who saw or took what, before it is shown; what cannot be written is not shown."""

    def __init__(self, journal: Journal, now: Callable[[], float]) -> None:
        self._journal, self._now = journal, now
        self._told: OrderedDict[tuple[str, ...], float] = OrderedDict()

    def before(
        self, send: Send, identity: Identity, type: EntryType, about: Mapping[str, str], asked: tuple[Scope, Receive]
    ) -> Send:
        """``send`` that writes an entry once an answer begins well."""
        is_refused = False

        async def tell_and_send(message: Message) -> None:
            nonlocal is_refused
            if message["type"] == "http.response.start" and message["status"] == 200:
                try:
                    await run_in_threadpool(self._tell, identity, type, {**about, **_whose(message)})
                except StoreFailure:
                    is_refused = True
                    body = error_body("unavailable", "The journal does not take the entry that this view must leave.")
                    await answer(503, body)(*asked, send)
            if not is_refused:
                await send(message)

        return tell_and_send

    def _tell(self, identity: Identity, type: EntryType, about: Mapping[str, str]) -> None:
        now = self._now()
        key = (identity.name, identity.session or "", *_sight_of(about))
        if type is EntryType.PATIENT_VIEWED and now - self._told.get(key, float("-inf")) < VIEW_TOLD_EVERY_S:
            return
        entry = Entry(at=now, type=type, procedure=NO_PROCEDURE, actor=identity.name, data=_told_of(about))
        self._journal.append([entry])
        self._told[key] = now
        while len(self._told) > N_VIEWS_KEPT:
            self._told.popitem(last=False)


def _whose(message: Message) -> dict[str, str]:
    """The procedure whose picture this is, as the route says: a view must not hide behind what the address claims."""
    procedure = Headers(raw=message["headers"]).get(PROCEDURE_HEADER)
    return {} if procedure is None else {"procedure": procedure}


def _sight_of(about: Mapping[str, str]) -> tuple[str, ...]:
    """What counts as one view: one thing of one kind, or the pictures of one procedure, of one object where none is known.

    A run may be hundreds of objects of one frame, and a screen shows them all: they are one view.
    """
    kind = about["address"].partition("{")[0]
    is_picture = "sop_instance_uid" in about
    hidden = {"address", "index", "sop_instance_uid" if is_picture and "procedure" in about else "procedure"}
    return kind, *(about[name] for name in sorted(about) if name not in hidden)


def _told_of(about: Mapping[str, str]) -> dict[str, str]:
    """What was asked for, by our names; what stands in an address may be anything, so it is cut."""
    return {("procedure" if name == "id" else name): value[:100] for name, value in about.items()}


def _nothing_here(rows: Mapping[str, object]) -> Refused:
    if not rows:
        return Refused(404, "There is nothing at this address.")
    return Refused(405, "This address does not know that method.", headers={"Allow": ", ".join(sorted(rows))})
