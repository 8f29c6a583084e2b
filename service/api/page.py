"""The static page, with a policy that lets nothing in from outside."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.printout.hypertext import STYLE

FOLDER = Path(__file__).resolve().parent.parent / "dashboard"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
REPORT_POLICY = f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
TLS_ONLY = {"Strict-Transport-Security": "max-age=31536000"}

router = APIRouter(include_in_schema=False)


@router.get("/")
def get_page() -> FileResponse:
    """The second monitor of the room."""
    return FileResponse(FOLDER / "index.html", headers={"Cache-Control": "no-cache"})


def add_files(router: APIRouter) -> None:
    """One route per file of the page: nothing else of the disk can be asked for."""
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in MEDIA_TYPES:
            router.add_api_route(f"/dashboard/{path.name}", _server_of(path), methods=["GET"])


def _server_of(path: Path) -> Callable[[], FileResponse]:
    def get_file() -> FileResponse:
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers={"Cache-Control": "no-cache"})

    return get_file


class Hardened:
    """Adds the security headers to every answer; plain ASGI."""

    def __init__(self, app: ASGIApp, *, is_encrypted: bool) -> None:
        told = HEADERS | (TLS_ONLY if is_encrypted else {})
        self._app, self._by_policy = app, {policy: _raw(told, policy) for policy in (POLICY, REPORT_POLICY)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; add headers, whose names ASGI wants in small letters, when the answer starts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ours = self._by_policy[REPORT_POLICY if scope["path"].endswith("/report.html") else POLICY]

        async def harden(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [header for header in message["headers"] if header[0] not in ours]
                if all(name != b"cache-control" for name, _ in kept):
                    kept.append((b"cache-control", b"no-store"))
                message["headers"] = [*kept, *ours.items()]
            await send(message)

        await self._app(scope, receive, harden)


def _raw(told: Mapping[str, str], policy: str) -> Mapping[bytes, bytes]:
    """Names in small letters and values as they go over the wire."""
    with_policy = {"Content-Security-Policy": policy, **told}
    return {name.lower().encode("ascii"): value.encode("latin-1") for name, value in with_policy.items()}
