"""Many screens at once: pollers and listeners beside two live sources, and some that stopped reading.

The listeners live in a process of their own and the pollers in another: both read no more of an answer than they must
(numbers and moments), for they share the machine with what they measure, and neither may wait for the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import httpx

from detection.vocabulary import Entry, EntryType
from dicom_gateway.sender import Sent
from service.settings import Settings
from tests.journeys.house import House
from tests.speed.figures import Report, Sizes, Table, spread
from tests.speed.latency import frames_judged, keep_pace
from tests.speed.reel import draw

SOURCES = ("ROOM1", "ROOM2")
RATE = 15.0
POLL_EVERY_S = 1.0
N_DEAD = 5
"""Listeners that ask and never read."""
NUMBER = re.compile(rb"^id: (\d+)", re.MULTILINE)
NEXT = re.compile(rb'"next_after":(\d+)')
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
WITHIN = re.compile(r'^cementwatch_http_seconds_(?:bucket\{le="0\.005",|count\{)route="/alerts"\} (\S+)', re.MULTILINE)
"""Of the server's own account: answers within 5 ms, then all."""
HEAD = ("what", "clients", "n", "p50 ms", "p95 ms", "p99 ms", "max ms")


@dataclass(slots=True, kw_only=True)
class Crowd:
    """What a crowd noted: when each listener had each number, and how long polls took that found nothing new."""

    heard: list[dict[int, float]] = field(default_factory=list)
    n_repeats: int = 0
    quiet_ms: list[float] = field(default_factory=list)
    within_5_ms: float = 0.0
    """The share of all polls that the server itself says it answered within 5 ms."""


def measure(sizes: Sizes, folder: Path) -> Report:
    """Two sources at pace, first before one listener, then before the crowd."""
    rows: list[list[object]] = []
    figures: dict[str, float] = {}
    for n in sizes.crowds:
        crowd, frames, sent = _play(sizes, n, folder / f"crowd-{n}")
        spans = list(_visible_ms(crowd, frames))
        rows += [
            ["received to visible, every listener", n, len(spans), *spread(spans).values()],
            ["a poll that finds nothing new", n, len(crowd.quiet_ms), *spread(crowd.quiet_ms).values()],
        ]
        figures |= {f"crowd_{n}_visible_{share}_ms": value for share, value in spread(spans).items()}
        figures[f"crowd_{n}_quiet_poll_p95_ms"] = spread(crowd.quiet_ms)["p95"]
        figures[f"crowd_{n}_within_5_ms_ratio"] = crowd.within_5_ms
        figures[f"n_crowd_{n}_sent"] = float(len(sent))
        figures[f"n_crowd_{n}_judged"] = float(len(frames))
        figures[f"n_crowd_{n}_gaps"] = float(gaps(crowd))
        figures[f"n_crowd_{n}_repeats"] = float(crowd.n_repeats)
    table = Table(title="Listeners and pollers", head=HEAD, rows=rows, notes=[_lost(figures, sizes.crowds[-1])])
    return Report(title="A crowd of screens", about=_about(sizes), tables=[table], figures=figures)


def gaps(crowd: Crowd) -> int:
    """Numbers between a listener's first and last that others had and it had not."""
    known = sorted(set().union(*crowd.heard))
    return sum(sum(min(own) <= number <= max(own) for number in known) - len(own) for own in crowd.heard if own)


def _about(sizes: Sizes) -> str:
    return (
        f"`cementwatch all` with its default settings, two sources at {RATE:g} frames/s each for {sizes.crowd_s:g} s, "
        f"{sizes.crowd_px} x {sizes.crowd_px}; as many listeners on `/live` as pollers of `/alerts` (every {POLL_EVERY_S:g} s each), "
        f"and {N_DEAD} listeners that never read. From the moment at which the object was received to the one at which a "
        "listener had the line; an alert's line is written in the same transaction. Listeners are one process on the same machine, "
        "pollers another; a poll is timed over a plain socket that stays open, from its request's first byte to its answer's last."
    )


def _lost(figures: dict[str, float], n: int) -> str:
    sent, judged, n_gaps, n_repeats = (figures[f"n_crowd_{n}_{what}"] for what in ("sent", "judged", "gaps", "repeats"))
    return (
        f"{sent:.0f} frames sent, {judged:.0f} judged when they came; {n_gaps:.0f} numbers missed and {n_repeats:.0f} "
        f"repeated over {n} listeners. By the server's own account (`/metrics`) {100 * figures[f'crowd_{n}_within_5_ms_ratio']:.1f} % "
        "of all polls, those that found something too, had their answer's first byte within 5 ms."
    )


def _play(sizes: Sizes, n: int, folder: Path) -> tuple[Crowd, list[Entry], list[Sent]]:
    n_frames = round(RATE * sizes.crowd_s)
    reel = draw(sizes.crowd_px, n_frames)
    house = House(folder=folder / "house", settings={"SKIP_AFTER_S": str(Settings().skip_after_s)})
    paths = {source: reel.write(folder / source, n_frames) for source in SOURCES}
    os.sync()
    try:
        house.open("all")
        with ExitStack() as open_now:
            pool = open_now.enter_context(ProcessPoolExecutor(4, mp_context=get_context("spawn")))
            open_now.enter_context(_dead(house, N_DEAD))
            crowd = pool.submit(gather, house.http_port, n, sizes.crowd_s + 8.0)
            polls = pool.submit(poll_all, house.http_port, n, sizes.crowd_s + 8.0)
            time.sleep(4.0)  # until all of them listen
            sending: Sequence[Future[list[Sent]]] = [
                pool.submit(keep_pace, paths[source], house.peer(source), RATE) for source in SOURCES
            ]
            sent = [each for future in sending for each in future.result()]
            noted = crowd.result()
            noted.quiet_ms = polls.result()
        within, n_polls = map(float, WITHIN.findall(httpx.get(f"{house.url}/metrics", timeout=30).text))
        noted.within_5_ms = within / n_polls
        frames = [each for source in SOURCES for each in frames_judged(house, source)]
    finally:
        house.end()
        shutil.rmtree(folder, ignore_errors=True)
    return noted, [each for each in frames if not each.data.get("is_afterwards")], sent


def _visible_ms(crowd: Crowd, frames: Sequence[Entry]) -> Iterator[float]:
    """From receipt to each listener."""
    for entry in frames:
        received = entry.times.get("received")
        for own in crowd.heard:
            if entry.type is EntryType.FRAME_SEEN and received is not None and entry.number in own:
                yield 1000 * (own[entry.number] - received)


@contextmanager
def _dead(house: House, n: int) -> Iterator[None]:
    """Listeners that ask for the stream and then read nothing."""
    with ExitStack() as held:
        for _ in range(n):
            sock = held.enter_context(socket.create_connection(("127.0.0.1", house.http_port)))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(_request("/api/v1/live", house.http_port))
        yield


def gather(port: int, n: int, duration_s: float) -> Crowd:
    """A crowd of ``n`` listeners for so long; runs in a process of its own."""
    crowd = Crowd(heard=[{} for _ in range(n)])
    asyncio.run(_listen_all(port, crowd, duration_s))
    return crowd


async def _listen_all(port: int, crowd: Crowd, duration_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(duration_s):
            await asyncio.gather(*(_listen(port, crowd, own) for own in crowd.heard))


async def _listen(port: int, crowd: Crowd, own: dict[int, float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    writer.write(_request("/api/v1/live", port))
    rest = b""
    try:
        while piece := await reader.read(2**18):
            whole, _, rest = (rest + piece).rpartition(b"\n")
            now = time.time()
            for number in map(int, NUMBER.findall(whole)):
                crowd.n_repeats += number in own
                own[number] = now
    finally:
        writer.close()


def poll_all(port: int, n: int, duration_s: float) -> list[float]:
    """Poller after poller, each with a cursor and a connection of its own; ``n`` polls in a second. Runs in a process of its own.

    Milliseconds of those that found nothing new.
    """
    quiet_ms, end = [], time.monotonic() + duration_s
    with ExitStack() as held:
        socks = [held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30)) for _ in range(n)]
        cursors = [0] * n
        while time.monotonic() < end:
            for at, sock in enumerate(socks):
                request = _request(f"/api/v1/alerts?after={cursors[at]}", port)
                began = time.perf_counter()
                answer = _ask(sock, request)
                took_ms = 1000 * (time.perf_counter() - began)
                if (found := NEXT.search(answer)) and int(found[1]) > cursors[at]:
                    cursors[at] = int(found[1])
                else:
                    quiet_ms.append(took_ms)
                time.sleep(max(0.0, POLL_EVERY_S / n - took_ms / 1000))
    return quiet_ms


def _ask(sock: socket.socket, request: bytes) -> bytes:
    """The body of the answer."""
    sock.sendall(request)
    told = sock.recv(2**16)
    while b"\r\n\r\n" not in told and (piece := sock.recv(2**16)):
        told += piece
    head, _, body = told.partition(b"\r\n\r\n")
    length = LENGTH.search(head)
    if length is None or not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"a poll was answered with {head[:200]!r}")
    while len(body) < int(length[1]) and (piece := sock.recv(2**16)):
        body += piece
    return body


def _request(path: str, port: int) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n".encode("ascii")
