"""Figures for Prometheus. No label ever holds a patient, a study or a procedure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from db.connect import StoreFailure
from db.deliveries import Standing, standing
from dicom_gateway.quarantine import notes
from service.api.deps import Deps
from service.api.health import version_now
from service.api.pulse import Pulse
from service.api.screens import sources_now, unlogged_alerts

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
"""Told by name; any other word that a client makes up is one label."""
ARCHIVE_GAUGES: tuple[tuple[str, str, Callable[[Standing, float], float]], ...] = (
    ("up", "1 while the archive answers.", lambda each, _: float(each.failing_since is None)),
    ("waiting", "Objects that wait to be sent.", lambda each, _: each.n_waiting),
    ("uncommitted", "Objects sent whose storage commitment is pending.", lambda each, _: each.n_sent),
    ("refused", "Objects that the archive has refused for good.", lambda each, _: each.n_refused),
    ("delivered", "Objects that the archive has taken, ever.", lambda each, _: each.n_delivered),
    (
        "lag_seconds",
        "Age of the oldest object that waits; 0 while none does.",
        lambda each, now: max(0.0, now - each.waiting_since) if each.waiting_since is not None else 0.0,
    ),
)
STATES = ("watching", "idle", "late", "stopped", "unfit")

router = APIRouter(tags=["health"])


class State(Collector):
    """What the pulse knows, read at the moment of asking; the database is touched only where there are archives."""

    def __init__(self, deps: Deps, pulse: Pulse) -> None:
        self._deps, self._pulse = deps, pulse

    def collect(self) -> Iterator[Metric]:
        """All families."""
        beat = self._pulse.beat
        version = version_now(self._deps)
        told = {"software": version.software, "algorithm": version.algorithm, "rules": version.rules}
        yield InfoMetricFamily("cementwatch_version", "What is running.", value=told)
        yield _gauge("cementwatch_journal_head", "Number of the last journal entry.", beat.head)
        yield _gauge("cementwatch_journal_up", "1 when the journal answers.", float(beat.trouble is None))
        unlogged = len(unlogged_alerts(beat, self._deps.now()))
        yield _gauge("cementwatch_unlogged_alerts", "Alerts shown although the journal does not have them.", unlogged)
        yield _gauge("cementwatch_live_listeners", "Open live streams.", self._pulse.n_listeners)
        yield from self._spool()
        yield from self._sources()
        yield from self._archives()

    def _spool(self) -> Iterator[Metric]:
        try:
            free = self._deps.spool.free_bytes()
            n_aside = len(notes(self._deps.spool.quarantined))
        except OSError:
            return
        yield _gauge("cementwatch_spool_free_bytes", "Free on the disk of the spool.", free)
        wanted = self._deps.settings.min_free_mb * 2**20
        yield _gauge("cementwatch_spool_is_refusing", "1 while objects are refused for want of disk.", free < wanted)
        yield _gauge("cementwatch_quarantined", "Objects that cannot be used and lie aside.", n_aside)

    def _archives(self) -> Iterator[Metric]:
        try:
            standings = [standing(self._deps.engine, each.name) for each in self._deps.settings.archives]
        except StoreFailure:
            return
        now = self._deps.now()
        for name, help_, ask in ARCHIVE_GAUGES:
            family = GaugeMetricFamily(f"cementwatch_archive_{name}", help_, labels=["archive"])
            for each in standings:
                family.add_metric([each.name], ask(each, now))
            yield family

    def _sources(self) -> Iterator[Metric]:
        sources = sources_now(self._pulse.beat, self._deps.now())
        state = GaugeMetricFamily(
            "cementwatch_source_state", "1 for the state a source is in.", labels=["source", "state"]
        )
        for source in sources:
            for name in STATES:
                state.add_metric([source.name, name], float(source.state == name))
        yield state
        for field, help_ in (
            ("frames_received", "Frames received in the present procedure."),
            ("frames_judged", "Frames judged in the present procedure."),
            ("frames_skipped", "Frames not judged live in the present procedure."),
            ("frame_age_s", "Age of the latest frame in seconds."),
        ):
            name = "cementwatch_frame_age_seconds" if field == "frame_age_s" else f"cementwatch_{field}"
            family = GaugeMetricFamily(name, help_, labels=["source"])
            for source in sources:
                if (value := getattr(source, field)) is not None:
                    family.add_metric([source.name], float(value))
            yield family


def _gauge(name: str, help_: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, value=value)


class Requests:
    """Counts and times requests by route and status; plain ASGI."""

    def __init__(self, app: ASGIApp, *, registry: CollectorRegistry, now: Callable[[], float]) -> None:
        self._app, self._now = app, now
        labels = ["route", "method", "status"]
        self._count = Counter("cementwatch_http_requests", "HTTP requests.", labels, registry=registry)
        self._seconds = Histogram(
            "cementwatch_http_seconds", "Time to the answer's first byte.", ["route"], registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note when its answer starts."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = self._now()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none").removeprefix("/api/v1")
                method = scope["method"] if scope["method"] in METHODS else "other"
                self._count.labels(route, method, str(message["status"])).inc()
                self._seconds.labels(route).observe(max(0.0, self._now() - start))
            await send(message)

        await self._app(scope, receive, note)


def _registry_of(request: Request) -> CollectorRegistry:
    return cast("CollectorRegistry", request.app.state.registry)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def get_metrics(registry: Annotated[CollectorRegistry, Depends(_registry_of)]) -> Response:
    """Prometheus text."""
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
