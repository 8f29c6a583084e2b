"""The whole system at the pace of a C-arm: how long after C-STORE success a client sees the verdict."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import httpx

from db.connect import connect
from db.queries import entries_after
from detection.vocabulary import Entry, EntryType
from dicom_gateway.due import Due
from dicom_gateway.peer import Peer
from dicom_gateway.sender import Sent, send
from service.settings import Settings
from tests.journeys.house import House
from tests.speed.figures import Report, Sizes, Table, spread
from tests.speed.reel import Reel, draw

SOURCE, WARMING = "CARM1", "WARMUP"
QUIET_S = 15.0
"""Without any news for this long after the last object, what is missing is taken for lost."""
STEPS = (("received", "decoded"), ("decoded", "judged"), ("judged", "visible"), ("received", "written"))
HEAD = (
    *("frame", "fps", "sent", "received", "judged", "skipped"),
    *("p50 ms", "p95 ms", "p99 ms", "max ms", "late ms", "C-STORE p99 ms"),
)
NOTES = [
    (
        "`late`: p99 of how far the sender was behind its own pace. `skipped`: passed over because the newest frame comes "
        "first, and judged later; these frames are not in the latencies."
    )
]


@dataclass(slots=True, kw_only=True)
class Client:
    """A screen elsewhere: follows the live stream and notes when each frame's verdict came."""

    url: str
    seen_at: dict[str, float] = field(default_factory=dict)
    is_open: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)

    def follow(self) -> None:
        """Read until told to stop; the heartbeat of each second lets it notice."""
        with httpx.stream("GET", f"{self.url}/api/v1/live", timeout=30) as stream:
            self.is_open.set()
            for uid in frames_in(stream.iter_lines()):
                if uid:
                    self.seen_at.setdefault(uid, time.time())
                if self.stop.is_set():
                    return


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, whole: what was sent, when it was seen, what the journal noted, and the source's own count."""

    sent: list[Sent]
    seen_at: dict[str, float]
    entries: list[Entry]
    counts: dict[str, int]

    def ms(self, begin: str, end: str) -> list[float]:
        """Between two moments of each frame that was judged when it came."""
        spans = []
        answered = {each.sop_instance_uid: each.answered_at for each in self.sent}
        for entry in self.entries:
            if entry.frame is None or entry.data.get("is_afterwards"):
                continue
            uid = entry.frame.sop_instance_uid
            moments = {**entry.times, "visible": self.seen_at.get(uid), "answered": answered.get(uid)}
            first, last = moments.get(begin), moments.get(end)
            if first is not None and last is not None:
                spans.append(1000 * (last - first))
        return spans


def measure(sizes: Sizes, folder: Path) -> Report:
    """Every size at every rate, each on an installation of its own."""
    rows: list[list[object]] = []
    steps: list[list[object]] = []
    figures: dict[str, float] = {}
    for px in sizes.latency_px:
        n = [round(rate * sizes.latency_s) for rate in sizes.latency_rates]
        reel = draw(px, max(n))
        for rate in sizes.latency_rates:
            run = play(reel, rate, sizes.latency_s, folder / f"latency-{px}-{rate:g}")
            rows.append(_row(px, rate, run))
            steps += [[f"{px} x {px}", rate, f"{a} -> {b}", *spread(run.ms(a, b)).values()] for a, b in STEPS]
            figures |= _figures(f"{px}_{rate:g}fps", run)
    tables = [
        Table(title="From C-STORE success to the verdict in a client's hands", head=HEAD, rows=rows, notes=NOTES),
        Table(title="The same frames, step by step", head=("frame", "fps", "step", *HEAD[6:10]), rows=steps),
    ]
    return Report(title="Latency of the whole system", about=_about(sizes), tables=tables, figures=figures)


def _about(sizes: Sizes) -> str:
    return (
        f"`cementwatch all` with its default settings and SQLite, a sender in a process of its own that sends composed files for "
        f"{sizes.latency_s:g} s at pace over one association, a client on `/api/v1/live`. A frame's alerts are written in the "
        "same transaction as its verdict. Moments are read by the roles and the client from one clock; `decoded`, `judged` and "
        "`written` are the journal's own; a line is stamped `written` as it is handed to the database, so `judged -> visible` "
        "holds the commit, the bell and HTTP."
    )


def play(reel: Reel, rate: float, duration_s: float, folder: Path) -> Run:
    """Send for so long at this rate to a fresh installation, and gather what became of it."""
    house = House(folder=folder / "house", settings={"SKIP_AFTER_S": str(Settings().skip_after_s)})
    warm = reel.write(folder / "warm", 12)
    paths = reel.write(folder / "objects", round(rate * duration_s))
    os.sync()  # what was composed must not be written out while the receiver syncs
    client = Client(url=house.url)
    thread = threading.Thread(target=client.follow, daemon=True)
    try:
        house.open("all")
        thread.start()
        client.is_open.wait(30)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as sender:
            sender.submit(keep_pace, warm, house.peer(WARMING), rate).result()
            time.sleep(1.0)
            sent = sender.submit(keep_pace, paths, house.peer(SOURCE), rate).result()
        _settle(client, {each.sop_instance_uid for each in sent})
        counts = house.source(SOURCE)
        entries = frames_judged(house, SOURCE)
    finally:
        client.stop.set()
        house.end()
        thread.join(20)
        shutil.rmtree(folder, ignore_errors=True)
    return Run(sent=sent, seen_at=client.seen_at, entries=entries, counts=counts)


def keep_pace(paths: list[Path], peer: Peer, rate: float) -> list[Sent]:
    """Send files at a rate; runs in a process of its own."""
    due = [Due(offset_s=number / rate, content=path) for number, path in enumerate(paths)]
    return list(send(due, peer, speed=1.0, clock=time.time, sleep=time.sleep))


def frames_in(lines: Iterator[str]) -> Iterator[str]:
    """The object of each judged frame in a stream of events; an empty text for any other event."""
    kind = ""
    for line in lines:
        if line.startswith("event:"):
            kind = line.removeprefix("event:").strip()
        elif line.startswith("data:"):
            is_frame = kind == EntryType.FRAME_SEEN
            yield json.loads(line.removeprefix("data:"))["frame"]["sop_instance_uid"] if is_frame else ""


def frames_judged(house: House, source: str) -> list[Entry]:
    """The journal's lines about frames of one source."""
    engine = connect(f"sqlite:///{house.folder / 'data' / 'journal.sqlite'}")
    found: list[Entry] = []
    number = 0
    while page := entries_after(engine, number, procedure=None, limit=500):
        number = page[-1].number or number
        found += [each for each in page if each.type is EntryType.FRAME_SEEN and each.source == source]
    engine.dispose()
    return found


def _settle(client: Client, wanted: set[str]) -> None:
    """Until every frame is visible, or nothing has come for a while; then a heartbeat more, which brings the counts."""
    n_seen, news_at = -1, time.monotonic()
    while not wanted <= client.seen_at.keys():
        if len(client.seen_at) > n_seen:
            n_seen, news_at = len(client.seen_at), time.monotonic()
        if time.monotonic() - news_at > QUIET_S:
            break
        time.sleep(0.1)
    time.sleep(2.0)


def _row(px: int, rate: float, run: Run) -> list[object]:
    visible = spread(run.ms("answered", "visible"))
    late = spread([1000 * (each.sent_at - each.due_at) for each in run.sent])["p99"]
    trip = spread([1000 * (each.answered_at - each.sent_at) for each in run.sent])["p99"]
    told = [run.counts.get(f"frames_{what}") for what in ("received", "judged", "skipped")]
    n_sent = sum(each.status == 0 for each in run.sent)
    return [f"{px} x {px}", rate, n_sent, *told, *visible.values(), late, trip]


def _figures(key: str, run: Run) -> dict[str, float]:
    visible = spread(run.ms("answered", "visible"))
    trip = spread([1000 * (each.answered_at - each.sent_at) for each in run.sent])
    figures = {f"visible_{key}_{share}_ms": value for share, value in visible.items()}
    figures[f"store_{key}_p99_ms"] = trip["p99"]
    figures[f"n_{key}_sent"] = float(sum(each.status == 0 for each in run.sent))
    figures[f"n_{key}_visible"] = float(len({each.sop_instance_uid for each in run.sent} & run.seen_at.keys()))
    figures[f"n_{key}_skipped"] = float(run.counts.get("frames_skipped") or 0)
    return figures
