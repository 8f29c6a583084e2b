"""The live stream: every journal entry as it is written, and a heartbeat each second."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from service.api.alerts import check_cursor, still_good
from service.api.answers import time_of
from service.api.deps import AccessHere, Deps, DepsHere, PulseHere, Who
from service.api.errors import bad_field
from service.api.pulse import Beat, Pulse
from service.api.screens import journal_trouble, sources_now, unlogged_alerts
from service.api.tape import read_events

HEARTBEAT_EVERY_S = 0.8
LONGEST_LIFE_S = 3600.0
"""A stream ends itself after this long, so that a forgotten screen does not hold a connection for ever."""

router = APIRouter(tags=["live"])


@router.get(
    "/live",
    response_class=StreamingResponse,
    responses={
        200: {"description": "id: journal number, event: type, data: the entry.", "content": {"text/event-stream": {}}}
    },
)
async def listen(
    deps: DepsHere,
    pulse: PulseHere,
    procedure: Annotated[str | None, Query(min_length=1, description="Only this procedure.")] = None,
    after: Annotated[
        int | None, Query(ge=0, le=2**62, description="Resume behind this entry; without it, from now on.")
    ] = None,
    lifetime: Annotated[float, Query(gt=0, le=LONGEST_LIFE_S, description="End after this long; s.")] = LONGEST_LIFE_S,
    last_event_id: Annotated[str | None, Header(description="As browsers send it; wins over after.")] = None,
    *,
    access: AccessHere,
    who: Who,
) -> StreamingResponse:
    """Server-sent events; ``heartbeat`` carries the state of each source, ``closing`` says that the stream ends itself."""
    if last_event_id and not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 19):
        raise bad_field("Last-Event-ID", "expected the number of a journal entry")
    start = int(last_event_id) if last_event_id else after
    beat = await (run_in_threadpool(pulse.look) if start is None else check_cursor(pulse, start, deps.now()))
    still_good(beat, deps.now())
    place = (beat.head if start is None else start, procedure)
    events = _follow(deps, pulse, place, deps.now() + lifetime, lambda: who is not None and access.is_still(who))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _follow(
    deps: Deps, pulse: Pulse, place: tuple[int, str | None], end: float, may_go_on: Callable[[], bool]
) -> AsyncIterator[bytes]:
    cursor, procedure = place
    next_heartbeat, told = 0.0, pulse.beat.told
    with pulse.listener():
        yield b"retry: 1000\n\n"
        while (now := deps.now()) < end and may_go_on():
            beat = pulse.beat
            if now >= next_heartbeat or beat.told is not told:
                yield pulse.shared(beat, now, _heartbeat)
                next_heartbeat, told = now + HEARTBEAT_EVERY_S, beat.told
            if beat.trouble is None and beat.head > cursor:
                texts, cursor = await _next_events(deps, pulse, (cursor, procedure), beat.head)
                for text in texts:
                    yield text
            if pulse.beat.head <= cursor or beat.trouble is not None:
                await pulse.change(beat, min(next_heartbeat, end) - deps.now())
        reason = "This stream has reached its longest lifetime." if may_go_on() else "You are no longer signed in."
        yield _say("closing", {"reason": reason, "resume_after": cursor})


async def _next_events(deps: Deps, pulse: Pulse, place: tuple[int, str | None], head: int) -> tuple[list[bytes], int]:
    """Some events above the cursor, from memory where it reaches back far enough, and the new cursor."""
    cursor, procedure = place
    kept = pulse.tape.since(cursor, procedure)
    if kept is not None and kept[1] > cursor:
        return [kept[0]] if kept[0] else [], kept[1]
    events = await run_in_threadpool(read_events, deps.engine, cursor, procedure)
    return [event.text for event in events], events[-1].number if events else head


def _heartbeat(beat: Beat, now: float) -> bytes:
    sources = [source.model_dump(mode="json") for source in sources_now(beat, now)]
    unlogged = [alert.model_dump(mode="json") for alert in unlogged_alerts(beat, now)]
    told = {"journal": journal_trouble(beat, now), "sources": sources, "unlogged": unlogged}
    return _say("heartbeat", {"server_time": time_of(now), "head": beat.head, **told})


def _say(event: str, content: dict[str, Any]) -> bytes:
    """An event without a number: the journal does not know it, and resuming must not skip anything for it."""
    return f"event: {event}\ndata: {json.dumps(content)}\n\n".encode()
