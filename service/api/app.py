"""The application: every route, every check, one pulse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from starlette.concurrency import run_in_threadpool

from db.connect import StoreFailure
from service.api import (
    alerts,
    audit,
    cohorts,
    exchange,
    forwarding,
    health,
    live,
    metrics,
    objects,
    page,
    pictures,
    plan,
    procedures,
    quarantine,
    record,
    recorded,
    replays,
    reports,
    scores,
    session,
    wire,
)
from service.api.access import Access, Terms
from service.api.deps import Deps
from service.api.errors import add_handlers
from service.api.guard import Guard
from service.api.permit import CSRF_HEADER, Permit
from service.api.pulse import Pulse
from service.bell import Bell
from service.exposure import exposure_of
from service.safety import SAFETY_WORDS

BASE = "/api/v1"
DESCRIPTION = (
    f"{SAFETY_WORDS}\n\nTimes are RFC 3339 in UTC with offset, lengths mm at the object plane, areas mm², volumes ml, "
    "pixel positions [row, col], zero-based, from the centre of the top-left pixel. Unknown is null, never 0."
)
WORDS_OF_STATUS = {
    400: "Bad input: which field, and what was expected.",
    401: "Not signed in.",
    403: "Not permitted, or another site or host name.",
    404: "Not there.",
    409: "In conflict with the present state.",
    413: "The body is too large.",
    429: "Too often; see Retry-After.",
    500: "Unexpected.",
    503: "Not now; see Retry-After.",
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": wire.Error, "description": words} for status, words in WORDS_OF_STATUS.items()
}
SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "Made by `cementwatch token add`."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "cementwatch",
        "description": f"Set by POST /session (over TLS as __Host-cementwatch); changes also send {CSRF_HEADER}.",
    },
}
PARTS = (
    alerts,
    live,
    procedures,
    plan,
    pictures,
    reports,
    objects,
    replays,
    quarantine,
    forwarding,
    session,
    audit,
    exchange,
    recorded,
    record,
    scores,
    cohorts,
    health,
    metrics,
)


def create_app(deps: Deps) -> FastAPI:
    """The HTTP side of cementwatch. The journal is followed from the application's start to its end."""
    app = FastAPI(
        title="cementwatch",
        version="1",
        description=DESCRIPTION,
        openapi_url=f"{BASE}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_name_of,
        lifespan=_life,
    )
    settings, exposure = deps.settings, exposure_of(deps.settings)
    terms = Terms(exposure=exposure, session_s=settings.session_hours * 3600, has_one_click=settings.one_click_operator)
    app.state.deps = deps
    app.state.access = Access(deps.engine, deps.now, terms)
    app.state.pulse = Pulse(deps.engine, deps.bell, Bell(deps.settings.told_dir), app.state.access.look)
    app.state.shelf = pictures.Shelf()
    app.state.registry = CollectorRegistry()
    app.state.registry.register(metrics.State(deps, app.state.pulse))
    _add_routes(app)
    add_handlers(app, (StoreFailure,))
    app.add_middleware(Permit, access=app.state.access, journal=deps.journal, now=deps.now)
    app.add_middleware(metrics.Requests, registry=app.state.registry, now=deps.now)
    app.add_middleware(Guard, exposure=exposure)
    app.add_middleware(page.Hardened, is_encrypted=exposure.is_encrypted)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign] # FastAPI's own way to change its schema
    return app


def _name_of(route: APIRoute) -> str:
    """What generated clients call an operation."""
    return route.name


def _add_routes(app: FastAPI) -> None:
    for part in PARTS:
        app.include_router(part.router, prefix=BASE, responses=ERRORS)
    app.include_router(metrics.router, include_in_schema=False)
    app.include_router(health.router, include_in_schema=False)
    files = APIRouter(include_in_schema=False)
    page.add_files(files)
    app.include_router(page.router)
    app.include_router(files)


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    pulse: Pulse = app.state.pulse
    await run_in_threadpool(pulse.start, asyncio.get_running_loop())
    try:
        yield
    finally:
        await run_in_threadpool(pulse.stop)


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The schema without FastAPI's 422, which this contract does not use."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        for path in schema["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            schema["components"]["schemas"].pop(name, None)
        schema["components"]["securitySchemes"] = SECURITY
        schema["security"] = [{}, {"token": []}, {"session": []}]
        app.openapi_schema = schema
    return app.openapi_schema
