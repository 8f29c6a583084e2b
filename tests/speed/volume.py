"""What screens ask of a journal of a million entries and 2,000 procedures, over HTTP, beside a journal a hundredth as long."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Column, ColumnElement, Engine, false, func, insert, select, text, update

from db.connect import appending, connect
from db.journal import Journal
from db.procedures import Opening, open_procedure
from db.tables import ALERT, CHAIN, ENTRY, PROCEDURE, STUDY
from detection.vocabulary import Condition, Entry, EntryType, Seen, Signal
from tests.db.lines import ALERT as LEAK
from tests.service.conftest import Room, room_at
from tests.speed.figures import Report, Sizes, Table, spread
from tests.speed.writing import DATABASES

BEGAN = 1_760_000_000.0
N_ALERTS = 5
TRANSITIONS = (EntryType.ALERT_RAISED, EntryType.ALERT_WORSENED, EntryType.ALERT_ENDED)
CHANGES = "procedure_opened,alert_raised,alert_worsened,alert_ended,acknowledged,note,injection_started"
Ask = Callable[[Room, str, int], Any]
"""What is asked, given a procedure and the journal's head."""


def measure(sizes: Sizes, folder: Path) -> Report:
    """The questions of screens at two lengths of the journal, on both databases."""
    rows: list[list[object]] = []
    figures: dict[str, float] = {}
    for name, urls in DATABASES.items():
        spreads = {share: _asked(urls, folder / f"{name}-{share}", sizes, share) for share in (100, 1)}
        if not all(spreads.values()):
            rows.append([name, "not installed", *[None] * 4])
            continue
        for question, full in spreads[1].items():
            rows.append([name, question, spreads[100][question]["p95"], full["p50"], full["p95"], full["max"]])
            figures[f"volume_{name.lower()}_{question.replace(' ', '_')}_p95_ms"] = full["p95"]
    about = (
        f"{sizes.n_entries:,} entries of {sizes.n_procedures:,} procedures, each with {N_ALERTS} alerts; every question is asked "
        f"{sizes.n_asks} times over HTTP, of another procedure each time. The first column is a journal of a hundredth of that."
    )
    head = ("database", "question", "p95 ms at 1/100", "p50 ms", "p95 ms", "max ms")
    return Report(
        title="A long journal", about=about, tables=[Table(title="Answers", head=head, rows=rows)], figures=figures
    )


def _asked(
    urls: Callable[[Path], Iterator[str | None]], folder: Path, sizes: Sizes, share: int
) -> dict[str, dict[str, float]]:
    folder.mkdir()
    with ExitStack() as stack:
        url = stack.enter_context(contextmanager(urls)(folder))
        if url is None:
            return {}
        fill(url, max(2, sizes.n_procedures // share), max(100, sizes.n_entries // share))
        room = stack.enter_context(room_at(folder / "room", url))
        return {question: spread(times) for question, times in answer_times(room, sizes.n_asks).items()}


def fill(url: str, n_procedures: int, n_entries: int) -> None:
    """A journal of ``n_entries`` lines: some procedures as they are written, and copies of their rows with other ids.

    The copies' hashes are those of the first: what is measured here reads, and verifies nothing.
    """
    engine = connect(url)
    journal = Journal(engine)
    n_written = min(n_procedures, 20)
    n_frames = n_entries // n_procedures - 1 - 3 * N_ALERTS
    for k in range(n_written):
        at = BEGAN + 3600.0 * k
        patient = {"name": f"Patient^Number {k}", "id": f"ID{k:06d}"}
        opening = Opening(at=at, study_instance_uid=f"2.25.{k}", patient=patient, levels=("L2",), source="CARM1")
        _fill_procedure(journal, open_procedure(engine, opening).id, at, n_frames, is_open=k == n_written - 1)
    _copy(engine, n_procedures // n_written, journal.head())
    _analyse(engine)
    engine.dispose()


def _copy(engine: Engine, n_times: int, n_lines: int) -> None:
    """The rows of the first lines so many times in all, each time under ids and numbers of their own."""
    firsts = {
        ENTRY: ENTRY.c.number <= n_lines,
        ALERT: ALERT.c.number <= n_lines,
        PROCEDURE: PROCEDURE.c.opened_number <= n_lines,
        STUDY: ~STUDY.c.procedure.contains("+"),
    }
    with appending(engine) as connection:
        for k in range(1, n_times):
            for table, is_first in firsts.items():
                copied = [_copied(column, k * n_lines, f"+{k}") for column in table.columns]
                rows = select(*copied).where(is_first)
                connection.execute(insert(table).from_select([column.name for column in table.columns], rows))
        last, alerted = (select(func.max(table.c.number)).scalar_subquery() for table in (ENTRY, ALERT))
        connection.execute(update(CHAIN).values(number=last, alerts_number=alerted))


def _copied(column: Column[Any], shift: int, tail: str) -> ColumnElement[Any]:
    """What a copy has in this column."""
    match column.table.name, column.name:
        case (_, "number" | "opened_number"):
            return column + shift
        case (_, "procedure" | "alert") | ("alert" | "procedure", "id"):
            return column + tail
        case (_, "sop_instance_uid" | "study_instance_uid"):
            return column + tail.replace("+", ".")
        case (_, "is_active"):
            return false()
        case (_, "closed_at"):
            return PROCEDURE.c.opened_at + 1
        case (_, "patient"):
            return func.replace(column, "Number", f"Copy{tail}")
    return column


def _fill_procedure(journal: Journal, procedure: str, at: float, n_frames: int, *, is_open: bool) -> None:
    lines, alerts = [_frame(procedure, at + n / 15, n) for n in range(n_frames)], []
    for n in range(N_ALERTS):
        for type in TRANSITIONS:
            is_over = type is EntryType.ALERT_ENDED and not is_open
            state = {"condition": Condition.ABSENT, "signal": Signal.OFF} if is_over else {}
            alerts.append(replace(LEAK, id=f"{procedure}-{n}", procedure=procedure, **state))
            lines.append(Entry(at=at, type=type, procedure=procedure, source="CARM1", alert=alerts[-1].id))
    journal.append(lines, alerts=alerts)


def _frame(procedure: str, at: float, n: int) -> Entry:
    seen = Seen(sop_instance_uid=f"2.25.{at:.0f}.{n}", index=0, acquired_at=at, received_at=at, judged_at=at + 0.05)
    zones = {zone: {"area_mm2": 1.5 * n, "length_mm": None, "area_px": 20.0 * n} for zone in ("body", "canal", "disc")}
    outline = [[round(100 + k * 0.7, 2), round(200 - k * 0.3, 2)] for k in range(20)]
    said = {"arrival": n, "mode": "live", "view": "lateral", "flags": [], "trust": 0.9, "zones": zones}
    return Entry(
        at=at,
        type=EntryType.FRAME_SEEN,
        procedure=procedure,
        source="CARM1",
        frame=seen,
        times={"received": at, "decoded": at + 0.02, "judged": at + 0.05, "written": at + 0.06},
        data=said | {"cement_outlines": [outline], "cement_area_mm2": 10.0 + n, "is_fit": True},
    )


def _analyse(engine: Engine) -> None:
    """What autovacuum does by itself within minutes."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


QUESTIONS: dict[str, Ask] = {
    "first page": lambda room, _id, _head: room.api("procedures", newest="true", limit=50),
    "page in the middle": lambda room, _id, head: room.api("procedures", after=head // 2, limit=50),
    "search": lambda room, _id, head: room.api("procedures", newest="true", limit=50, search="Copy+7"),
    "by study": lambda room, _id, head: room.api("procedures", study="2.25.7"),
    "one procedure": lambda room, id, _head: room.api(f"procedures/{id}"),
    "timeline log": lambda room, id, _head: room.api(f"procedures/{id}/log", types=CHANGES, limit=500),
    "timeline alerts": lambda room, id, _head: room.api("alerts", procedure=id, limit=500),
    "timeline curve": lambda room, id, _head: room.api(f"procedures/{id}/measurements", limit=500),
    "active alerts": lambda room, _id, _head: room.api("alerts", active="true", limit=500),
    "quiet poll": lambda room, _id, head: room.api("alerts", after=head),
    "poll that finds": lambda room, _id, head: room.api("alerts", after=head - 30),
}


def answer_times(room: Room, n: int) -> dict[str, list[float]]:
    """Milliseconds for each question, asked ``n`` times, and from an entry to those who wait for it."""
    with room.engine.connect() as connection:
        ids = list(connection.execute(text("SELECT id FROM procedure ORDER BY opened_number")).scalars())
    chance = random.Random(5)
    times: dict[str, list[float]] = {}
    for question, ask in QUESTIONS.items():
        head = room.deps.journal.head()
        ask(room, ids[0], head)
        times[question] = [_timed(lambda: ask(room, chance.choice(ids), head)) for _ in range(n)]  # noqa: B023 - called at once
    times["wait"] = [_until_told(room, ids[-1], _poll) for _ in range(max(3, n // 4))]
    times["live stream"] = [_until_told(room, ids[-1], _listen) for _ in range(max(3, n // 4))]
    return times


def _timed(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return (time.perf_counter() - began) * 1000


def _until_told(room: Room, procedure: str, wait_for: Callable[[Room, int, threading.Event], float]) -> float:
    """Milliseconds from the append of a changed alert until somebody who waits has it."""
    told: list[float] = []
    is_waiting = threading.Event()
    head = room.deps.journal.head()
    thread = threading.Thread(target=lambda: told.append(wait_for(room, head, is_waiting)))
    thread.start()
    is_waiting.wait(20)
    time.sleep(0.2)
    began = time.perf_counter()
    room.tell(replace(LEAK, id=f"{procedure}-0", procedure=procedure, changed_at=time.time()), EntryType.ALERT_WORSENED)
    thread.join(40)
    return (told[0] - began) * 1000


def _poll(room: Room, head: int, is_waiting: threading.Event) -> float:
    is_waiting.set()
    room.api("alerts", after=head, wait=20)
    return time.perf_counter()


def _listen(room: Room, head: int, is_waiting: threading.Event) -> float:
    with room.client.stream("GET", "/api/v1/live", params={"after": head}) as stream:
        for line in stream.iter_lines():
            is_waiting.set()
            if line.startswith("data: {") and json.loads(line[6:]).get("type") == "alert_worsened":
                break
    return time.perf_counter()
