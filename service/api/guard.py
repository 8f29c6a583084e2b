"""Where a request comes from, and how much and how slowly it may send: plain ASGI, before anything else.

A browser page of another site must not reach a server on loopback, so Host and Origin are checked. Behind trusted
proxies only they are listened to, and only where they say that their client came over TLS.
"""

from __future__ import annotations

import asyncio
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.errors import Refused, refusal
from service.exposure import UNKNOWN, Exposure

LARGEST_BODY = 1 << 20
"""Bytes; images come over DICOM, never here."""
BODY_WITHIN_S = 10.0
"""A body that is not there by then holds a connection for nothing."""
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN_PATHS = ("/api/v1/health/", "/health/", "/api/v1/version")
"""What a probe on this machine may ask without the proxy, the proxy's own machine included."""
MARKS_OF_A_PROXY = ("forwarded", "x-forwarded-", "x-real-ip", "via")
"""How a request begins to say that it came through another server (RFC 7239, RFC 9110 7.6.3, and custom)."""


class Guard:
    """Checks proxy, Host, Origin and the body's size and pace."""

    def __init__(self, app: ASGIApp, *, exposure: Exposure) -> None:
        self._app, self._exposure = app, exposure
        self._names = LOCAL_NAMES | {exposure.host}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with the one error shape."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            scope = self._as_seen(scope)
            self._check(Headers(scope=scope), scope)
        except Refused as refused:
            await refusal(refused)(scope, receive, send)
            return
        await self._app(scope, _limited(receive), send)

    def _as_seen(self, scope: Scope) -> Scope:
        """The request as the proxy saw it: its client and scheme."""
        if scope["path"].startswith(OPEN_PATHS):
            return scope
        peer, headers = (scope.get("client") or ("", 0))[0], Headers(scope=scope)
        if self._exposure.is_local and any(name.startswith(MARKS_OF_A_PROXY) for name in headers):
            # through it the whole world would be the user ``local``
            raise Refused(
                403, "This came through a proxy that http_trusted_proxies does not name.", code="proxy_not_named"
            )
        if not self._exposure.proxies:
            return scope
        if self._exposure.is_proxy(peer):
            if headers.get("x-forwarded-proto", "").strip().lower() != "https":
                raise Refused(403, "The proxy must say that its client came over TLS.", code="tls_required")
            return {**scope, "client": (self._client_of(headers), 0), "scheme": "https"}
        if self._exposure.has_tls:
            return scope
        raise Refused(403, "This server is reached through its proxy only.", code="not_through_proxy")

    def _client_of(self, headers: Headers) -> str:
        """The last address that no proxy of ours added; what stands before it was told by the client itself."""
        told = [each.strip() for each in ",".join(headers.getlist("x-forwarded-for")).split(",")]
        strangers = [each for each in told if each and not self._exposure.is_proxy(each)]
        return strangers[-1][:64] if strangers else UNKNOWN

    def _check(self, headers: Headers, scope: Scope) -> None:
        host = headers.get("host", "")
        if self._exposure.is_local and _name_of(host) not in self._names:
            raise Refused(403, "This server answers to its local name only.", code="host_not_allowed")
        origin = headers.get("origin")
        if origin is not None and _place_of(origin) != host.lower():
            raise Refused(403, "This page belongs to another site.", code="origin_not_allowed")
        if "\0" in scope["path"] or b"\0" in unquote_to_bytes(scope.get("query_string", b"")):
            raise Refused(400, "An address without NUL characters was expected.")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length[:20]) > LARGEST_BODY:
            raise Refused(413, "The body is too large.", largest_bytes=LARGEST_BODY)


def _name_of(host: str) -> str:
    """``localhost`` for ``localhost:8000``, ``::1`` for ``[::1]:8000``; empty for nonsense."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _place_of(origin: str) -> str | None:
    """Host and port of an origin; None for nonsense."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _limited(receive: Receive) -> Receive:
    n_bytes, is_whole = 0, False
    give_up = asyncio.get_running_loop().time() + BODY_WITHIN_S

    async def receive_limited() -> Message:
        nonlocal n_bytes, is_whole
        if is_whole:
            return await receive()  # waits for the client to go; takes as long as it takes
        try:
            async with asyncio.timeout_at(give_up):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, headers={"Connection": "close"}) from None
        n_bytes += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if n_bytes > LARGEST_BODY:
            raise HTTPException(413)  # the only kind of error that FastAPI lets out of its reading of a body
        return message

    return receive_limited
