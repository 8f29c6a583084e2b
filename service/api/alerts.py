"""What a dashboard polls, and what an operator does about it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from db import queries
from detection.vocabulary import Alert, Condition, Entry, EntryType, Signal
from service.api import asks, wire
from service.api.answers import alert_of, entry_of, time_of
from service.api.deps import Actor, After, Deps, DepsHere, Limit
from service.api.errors import Refused, not_found, unavailable
from service.api.pulse import Beat, Pulse
from service.api.screens import journal_trouble, sources_now, unlogged_alerts

LONGEST_WAIT_S = 30
LOOK_AGAIN_S = 1.0
"""While a poll waits, the age of heartbeats is looked at this often."""
ANSWER_WITHIN_S = 2.0
"""How long an operator's act waits for the analysis to answer."""
OUTCOMES = (EntryType.ACKNOWLEDGED, EntryType.PAUSED, EntryType.RESET, EntryType.ACT_REFUSED)

router = APIRouter(prefix="/alerts", tags=["alerts"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What one poll asks for."""

    after: int
    procedure: str | None
    active: bool | None
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """How every source stands at one moment, the alerts of this question that the journal does not have, and an ETag.

    The ETag changes with any alert, with the state, view, zones or flags of any source and with what is wrong with the journal, and
    is of one question only.
    """

    at: float
    sources: list[wire.Source]
    unlogged: list[wire.Alert]
    tag: str


@router.get("", response_model=wire.Alerts, responses={304: {"description": "Nothing changed."}})
async def list_alerts(
    request: Request,
    after: After = 0,
    procedure: Annotated[str | None, Query(description="Only this procedure.")] = None,
    active: Annotated[bool | None, Query(description="true: only conditions present or signals not off.")] = None,
    limit: Limit = 100,
    wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S, description="Hold until something newer exists; s.")] = 0,
    if_none_match: Annotated[str | None, Header(description="ETag of the answer before.")] = None,
) -> Any:
    """Alerts changed after the cursor, and whether each source is being judged right now."""
    deps: Deps = request.app.state.deps  # as dependencies they would cost each poll a tenth of its time
    pulse: Pulse = request.app.state.pulse
    poll = Poll(after=after, procedure=procedure, active=active, limit=limit)
    beat = await check_cursor(pulse, after, deps.now())
    seen = board_of(beat, deps.now(), poll)
    began, first_tag, scanned = seen.at, seen.tag, after
    give_up = began + wait
    while True:
        is_known = if_none_match == seen.tag
        if beat.alerts_head > scanned and not is_known:
            items = await run_in_threadpool(_read, deps, poll)
            seen = board_of(beat, deps.now(), poll)  # reading may have taken long
            if items or wait == 0:
                return _answer(beat, poll, seen, _page(poll, items, beat))
            is_known = if_none_match == seen.tag
        scanned = max(scanned, beat.alerts_head)
        is_news = seen.tag != first_tag or (if_none_match is not None and not is_known)
        has_unlogged = bool(seen.unlogged) and not is_known
        remaining = min(give_up, began + LOOK_AGAIN_S if has_unlogged else give_up) - deps.now()
        if remaining <= 0 or (wait > 0 and is_news):
            break
        beat = still_good(await pulse.change(beat, min(remaining, LOOK_AGAIN_S)), deps.now())
        seen = board_of(beat, deps.now(), poll)
    if is_known:
        return Response(status_code=304, headers={"ETag": seen.tag, "Cache-Control": "no-cache"})
    return _answer(beat, poll, seen, ([], scanned))


async def check_cursor(pulse: Pulse, after: int, now: float) -> Beat:
    """The present beat; 409 for a cursor ahead of the journal, which would wait for ever and look like quiet."""
    beat = pulse.beat if after <= pulse.beat.head else await run_in_threadpool(pulse.look)
    still_good(beat, now)
    if after > beat.head:
        raise Refused(
            409, "This cursor is ahead of the journal: start again from 0.", code="cursor_ahead", head=beat.head
        )
    return beat


def still_good(beat: Beat, now: float) -> Beat:
    """The beat, or 503 when the journal does not answer: quiet must never look like safe.

    What the analysis says all the same stands in the details: alerts as of now, and how each source stands.
    """
    if beat.trouble is not None:
        alerts = [alert.model_dump(mode="json") for alert in unlogged_alerts(beat, now)]
        sources = [source.model_dump(mode="json") for source in sources_now(beat, now)]
        raise unavailable(beat.trouble, unlogged=alerts, sources=sources)
    return beat


def board_of(beat: Beat, now: float, poll: Poll) -> Board:
    """What one question sees besides the journal, made once for its answer."""
    sources, unlogged = sources_now(beat, now), unlogged_alerts(beat, now)
    states = [
        (
            *(each.name, each.procedure, each.state, each.view, each.flags),
            *(each.zones_watched, each.zones_not_visible, each.zones_blind),
        )
        for each in sources
    ]
    signals = [(each.id, each.condition, each.signal, each.priority) for each in unlogged]
    told = repr((poll, states, signals, journal_trouble(beat, now)))
    tag = f'W/"{beat.alerts_head}-{zlib.crc32(told.encode()):08x}"'
    wanted = [each for each in unlogged if poll.procedure in {None, each.procedure}]
    return Board(at=now, sources=sources, unlogged=wanted, tag=tag)


def _read(deps: Deps, poll: Poll) -> list[wire.Alert]:
    rows = queries.alerts_after(deps.engine, poll.after, procedure=poll.procedure, active=poll.active, limit=poll.limit)
    return [alert_of(row.number, row.alert) for row in rows]


def _page(poll: Poll, items: list[wire.Alert], beat: Beat) -> tuple[list[wire.Alert], int]:
    """The items and the next cursor: the head seen *before* reading, unless the page was full or newer."""
    newest = items[-1].number if items else poll.after
    return items, newest if len(items) == poll.limit else max(newest, beat.alerts_head)


def _answer(beat: Beat, poll: Poll, seen: Board, page: tuple[list[wire.Alert], int]) -> Response:
    items, next_after = page
    unlogged = {each.id: each for each in seen.unlogged if poll.active is not False}
    body = wire.Alerts(
        items=[*(item for item in items if item.id not in unlogged), *unlogged.values()],
        next_after=next_after,
        server_time=time_of(seen.at),
        sources=seen.sources,
        journal=journal_trouble(beat, seen.at),
    )
    headers = {"ETag": seen.tag, "Cache-Control": "no-cache"}
    return Response(body.model_dump_json(by_alias=True), media_type="application/json", headers=headers)


@router.get("/{id}", response_model=wire.Alert)
def get_alert(deps: DepsHere, id: str) -> wire.Alert:
    """One alert as it is now."""
    return alert_of(*_find(deps, id))


@router.get("/{id}/history", response_model=wire.Entries)
def get_history(deps: DepsHere, id: str, after: After = 0, limit: Limit = 100) -> wire.Entries:
    """Every line of the journal about one alert, each with the time that its steps took."""
    _find(deps, id)
    lines = queries.history_of(deps.engine, id, after=after, limit=limit)
    return wire.Entries(
        items=[entry_of(line) for line in lines], next_after=lines[-1].number or after if lines else after
    )


@router.post("/{id}/acknowledge", response_model=wire.Alert)
async def acknowledge(
    request: Request, id: str, actor: Actor, body: Annotated[asks.Acknowledgement | None, Body()] = None
) -> wire.Alert:
    """Somebody has seen it: the sound stops until the condition ends or grows."""
    note = body.note if body else None
    return await act(request, id, EntryType.ACKNOWLEDGE, actor, {"note": note})


@router.post("/{id}/pause", response_model=wire.Alert)
async def pause(
    request: Request, id: str, actor: Actor, body: Annotated[asks.PauseFor | None, Body()] = None
) -> wire.Alert:
    """Silence for some seconds; it sounds again by itself."""
    seconds = (body or asks.PauseFor()).seconds
    return await act(request, id, EntryType.PAUSE, actor, {"seconds": seconds})


@router.post("/{id}/reset", response_model=wire.Alert)
async def reset(
    request: Request, id: str, actor: Actor, body: Annotated[asks.ResetNote | None, Body()] = None
) -> wire.Alert:
    """An ended alert may go. Refused while its condition is present."""
    note = body.note if body else None
    return await act(request, id, EntryType.RESET_ASKED, actor, {"note": note})


async def act(request: Request, id: str, type: EntryType, actor: str, data: dict[str, Any]) -> wire.Alert:
    """Write the act, wake the analysis, and answer with what it made of it."""
    deps: Deps = request.app.state.deps
    pulse: Pulse = request.app.state.pulse
    _, alert = await run_in_threadpool(_find, deps, id)
    if type is EntryType.RESET_ASKED and alert.condition is Condition.PRESENT:
        raise Refused(
            409, "This alert cannot be reset while its condition is present.", condition=alert.condition.value
        )
    if alert.condition is not Condition.PRESENT and alert.signal is Signal.OFF:
        await run_in_threadpool(_refuse, deps, alert, type, actor)
        raise Refused(409, "This alert is over and off.", condition="ended", signal=alert.signal.value)
    entry = Entry(
        at=deps.now(), type=type, procedure=alert.procedure, source=alert.source, alert=id, actor=actor, data=data
    )
    (written,) = await run_in_threadpool(deps.journal.append, [entry])
    await run_in_threadpool(deps.bell.ring)
    outcome = await _wait_for_outcome(deps, pulse, written)
    if outcome is None:
        raise unavailable(
            "The analysis does not answer. What you did is in the log and takes effect when analysis resumes.",
            number=written.number,
        )
    if outcome.type is EntryType.ACT_REFUSED:
        raise Refused(409, outcome.cause or "This cannot be done now.", number=written.number)
    return await run_in_threadpool(lambda: alert_of(*_find(deps, id)))


def _refuse(deps: Deps, alert: Alert, type: EntryType, actor: str) -> None:
    """Write at once what the analysis would answer: an alert that is over may have been followed by another one."""
    refusal = Entry(
        at=deps.now(),
        type=EntryType.ACT_REFUSED,
        procedure=alert.procedure,
        source=alert.source,
        alert=alert.id,
        cause="the alert is over and off",
        actor=actor,
        data={"asked": type.value},
    )
    deps.journal.append([refusal])
    deps.bell.ring()


async def _wait_for_outcome(deps: Deps, pulse: Pulse, act: Entry) -> Entry | None:
    """The transition that the analysis wrote for this act, or None after two seconds."""
    give_up = asyncio.get_running_loop().time() + ANSWER_WITHIN_S
    find = _finder(deps, act)
    while True:
        beat = pulse.beat
        outcome = await run_in_threadpool(find)
        remaining = give_up - asyncio.get_running_loop().time()
        if outcome is not None or remaining <= 0:
            return outcome
        await pulse.change(beat, min(remaining, 0.25))


def _finder(deps: Deps, act: Entry) -> Callable[[], Entry | None]:
    def find() -> Entry | None:
        lines = queries.log_of(deps.engine, act.procedure, after=act.number or 0, types=OUTCOMES, limit=100)
        return next((line for line in lines if line.data.get("act") == act.number), None)

    return find


def _find(deps: Deps, id: str) -> tuple[int, Alert]:
    row = queries.alert(deps.engine, id)
    if row is None:
        raise not_found("alert")
    return row.number, row.alert
