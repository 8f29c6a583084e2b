"""What the API is given. ``roles`` makes it; nothing here reads a clock, the environment or a global."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, cast

from fastapi import Depends, Query, Request

from db.connect import Engine
from db.journal import Journal
from dicom_gateway.spool import Spool
from service.api.access import Access, Identity
from service.api.errors import Refused
from service.api.pulse import Pulse
from service.bell import Bell
from service.settings import Settings


class Replays(Protocol):
    """Plays recorded studies again; ``roles`` brings the runner, which needs a role's clock and processes.

    ``start`` raises ValueError for what cannot be played (answered 400), LookupError for a study that is not there
    (404), ConnectionError when the recorder does not answer (503). ``progress`` has the fields of ``db.replays.Replay``,
    None for an unknown id. ``cancel`` is False for an unknown id and harmless for one that has ended.
    """

    def start(self, source: str, study: str, speed: float | None) -> str: ...  # noqa: D102 - see above
    def progress(self, id: str) -> Mapping[str, Any] | None: ...  # noqa: D102 - see above
    def cancel(self, id: str) -> bool: ...  # noqa: D102 - see above


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """All that the API may use. ``now`` is seconds since 1970 UTC; ``environment`` starts a process with these settings."""

    settings: Settings
    engine: Engine
    journal: Journal
    spool: Spool
    bell: Bell
    now: Callable[[], float]
    replays: Replays
    environment: Mapping[str, str]


# coroutines, although they wait for nothing: of a plain function the framework makes a trip to another thread and back,
# and while others hold the interpreter each trip may take milliseconds
async def _deps_of(request: Request) -> Deps:
    return cast("Deps", request.app.state.deps)


async def _pulse_of(request: Request) -> Pulse:
    return cast("Pulse", request.app.state.pulse)


async def _access_of(request: Request) -> Access:
    return cast("Access", request.app.state.access)


async def _identity_of(request: Request) -> Identity | None:
    return cast("Identity | None", request.scope["state"]["identity"])


async def _actor_of(request: Request) -> str:
    """Whoever was let in; never what a body says."""
    identity = await _identity_of(request)
    if identity is None:
        raise Refused(401, "Sign in, or send a token that is valid.")
    return identity.name


DepsHere = Annotated[Deps, Depends(_deps_of)]
PulseHere = Annotated[Pulse, Depends(_pulse_of)]
AccessHere = Annotated[Access, Depends(_access_of)]
Who = Annotated[Identity | None, Depends(_identity_of)]
Actor = Annotated[str, Depends(_actor_of)]
After = Annotated[int, Query(ge=0, le=2**62, description="Cursor: the next_after of the page before.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="Largest number of items.")]
