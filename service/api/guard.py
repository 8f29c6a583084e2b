"""Who may ask, and how much they may send: plain ASGI, before any route.

A browser page of another site must not reach a server on loopback, so Host and Origin are checked. A server that
listens on loopback and has no users lets local requests act as the user ``local``; a server that listens beyond
loopback answers 401 until it has users, unless its port is known to be published on loopback only (a container).
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.errors import Refused, answer, error_body

LARGEST_BODY = 1 << 20
"""Bytes; images come over DICOM, never here."""
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN_PATHS = ("/api/v1/health/", "/health/", "/api/v1/version")
"""What a probe may ask without being anybody."""


def is_loopback(host: str) -> bool:
    """Whether this address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Checks Host, Origin, access and size of the body."""

    def __init__(self, app: ASGIApp, *, http_host: str, is_published_on_loopback: bool) -> None:
        self._app = app
        self._is_local = is_loopback(http_host) or is_published_on_loopback
        self._names = LOCAL_NAMES | {http_host}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with the one error shape."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(Headers(scope=scope), scope["path"])
        except Refused as refused:
            body = error_body(refused.code, refused.message, refused.details)
            await answer(refused.status, body)(scope, receive, send)
            return
        await self._app(scope, _limited(receive), send)

    def _check(self, headers: Headers, path: str) -> None:
        host = headers.get("host", "")
        if self._is_local and _name_of(host) not in self._names:
            raise Refused(403, "This server answers to its local name only.", code="host_not_allowed")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise Refused(403, "This page belongs to another site.", code="origin_not_allowed")
        if not self._is_local and not path.startswith(OPEN_PATHS):
            raise Refused(401, "This server listens beyond its own machine and has no users yet.")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            raise Refused(413, "The body is too large.", largest_bytes=LARGEST_BODY)


def _name_of(host: str) -> str:
    """``localhost`` for ``localhost:8000``, ``::1`` for ``[::1]:8000``; empty for nonsense."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _limited(receive: Receive) -> Receive:
    n_bytes = 0

    async def receive_limited() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        if n_bytes > LARGEST_BODY:
            raise HTTPException(413)  # the only kind of error that FastAPI lets out of its reading of a body
        return message

    return receive_limited
