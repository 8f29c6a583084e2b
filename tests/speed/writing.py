"""The journal: lines a second on SQLite and PostgreSQL, every one of them durable before the next."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from db.arrivals import ArrivalRow, Progress, Status, note_arrivals
from db.connect import connect
from db.convert import findings_data, json_text
from db.journal import Journal
from detection.vocabulary import Entry, EntryType, Mode, Seen
from tests.conftest import Postgres, postgres_programs, postgres_user, running, unused_port, wait_until
from tests.speed.figures import Report, Sizes, Table, spread
from tests.speed.reel import draw
from tests.speed.stages import Stopwatch, judged

PROCEDURE, SOURCE = "bench", "BENCH"


def measure(sizes: Sizes, folder: Path) -> Report:
    """What one frame costs in the journal, as ``watch`` writes it, one frame after another."""
    line = frame_line(sizes, folder / "journal-frames")
    rows: list[list[object]] = []
    figures: dict[str, float] = {"line_bytes": float(len(json_text(line.data)))}
    for name, urls in DATABASES.items():
        with ExitStack() as stack:
            url = stack.enter_context(contextmanager(urls)(folder))
            if url is None:
                rows.append([name, "not installed", *[None] * 5])
                continue
            steps = write_frames(url, line, sizes.n_appends)
        for step, times in steps.items():
            share = spread(times)
            rate = 1000 * len(times) / sum(times)
            rows.append([name, step, rate, *share.values()])
        figures[f"{name}_appends_per_s"] = 1000 * sizes.n_appends / sum(steps["append"])
        figures[f"{name}_frames_per_s"] = 1000 * sizes.n_appends / sum(steps["whole frame"])
    about = (
        f"{sizes.n_appends} frames one after another: the arrival is noted, the acts of operators are looked up, and the frame's "
        f"line ({figures['line_bytes'] / 1024:.1f} KiB, from a phantom frame with cement) is appended with its progress. Each of "
        "the first and last is a transaction that is on disk when it returns (SQLite: WAL, synchronous=FULL; PostgreSQL: fsync "
        "and synchronous_commit on, over loopback)."
    )
    head = ("database", "step", "per s", "p50 ms", "p95 ms", "p99 ms", "max ms")
    return Report(
        title="Journal", about=about, tables=[Table(title="Lines a second", head=head, rows=rows)], figures=figures
    )


def frame_line(sizes: Sizes, folder: Path) -> Entry:
    """The line of a late frame of a phantom procedure, when there is most to say."""
    n, px = min(60, sizes.n_stage_frames), min(512, *sizes.stage_px)
    found, _ = judged(draw(px, n).write(folder / "objects", n), folder, Stopwatch())
    at = found[-1].stamp.received_at
    return Entry(
        at=at,
        type=EntryType.FRAME_SEEN,
        procedure=PROCEDURE,
        source=SOURCE,
        frame=Seen(sop_instance_uid="1.2.3", index=0, acquired_at=None, received_at=at, judged_at=at),
        times={"image": None, "received": at, "decoded": at, "judged": at},
        data=findings_data(found[-1]),
    )


def write_frames(url: str, line: Entry, n: int) -> dict[str, list[float]]:
    """Milliseconds of each step, ``n`` times."""
    engine = connect(url)
    journal = Journal(engine)
    steps: dict[str, list[float]] = {"note arrival": [], "look up acts": [], "append": [], "whole frame": []}
    for number in range(1, n + 1):
        progress = Progress(arrival=number, n_judged=1, status=Status.DONE, procedure=PROCEDURE)
        entry = replace(line, frame=replace(line.frame, sop_instance_uid=f"1.2.3.{number}"))
        began = time.perf_counter()
        note_arrivals(engine, [_arrival(number)])
        noted = time.perf_counter()
        journal.acts_since(PROCEDURE, 0)
        asked = time.perf_counter()
        journal.append([entry], progress=progress)
        done = time.perf_counter()
        for step, span in zip(steps, (noted - began, asked - noted, done - asked, done - began), strict=True):
            steps[step].append(1000 * span)
    assert journal.head() == n
    engine.dispose()
    return steps


def _arrival(number: int) -> ArrivalRow:
    return ArrivalRow(
        number=number,
        source=SOURCE,
        sop_instance_uid=f"1.2.3.{number}",
        study_instance_uid="1.2.3",
        series_instance_uid="1.2.3.0",
        mode=Mode.LIVE,
        received_at=1e9,
        n_frames=1,
    )


def _sqlite(folder: Path) -> Iterator[str | None]:
    folder.mkdir(parents=True, exist_ok=True)
    yield f"sqlite:///{folder / 'journal.sqlite'}"


def _postgres(folder: Path) -> Iterator[str | None]:
    """A cluster of our own that keeps its promises; None when PostgreSQL is not installed."""
    initdb, server = (shutil.which(name, path=postgres_programs()) for name in ("initdb", "postgres"))
    if initdb is None or server is None:
        yield None
        return
    user = postgres_user()
    home = Path(tempfile.mkdtemp(prefix="cementwatch-bench-postgres-", dir=_open_folder(folder)))
    if user is not None:
        shutil.chown(home, user, user)
    cluster, log = Postgres(port=unused_port()), home / "server.log"
    make = [initdb, "-D", home / "cluster", "-U", "cementwatch", "-E", "UTF8", "--locale=C.UTF-8", "--auth=trust"]
    options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": home}
    start = [server, "-D", home / "cluster", "-p", str(cluster.port)]
    start += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    try:
        with running(make, log, user=user) as child:
            child.wait(120)
        with running(start, log, user=user) as child:
            wait_until(cluster.is_up, child, log)
            yield cluster.url("postgres")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _open_folder(folder: Path) -> Path:
    """The nearest folder above ours that another user may enter; ours is closed to the owner of the cluster."""
    above = [folder, *folder.resolve().parents]
    may_enter = [bool(each.stat().st_mode & 0o001) for each in above]
    return next(each for at, each in enumerate(above) if all(may_enter[at:]) and os.access(each, os.W_OK))


DATABASES: dict[str, Callable[[Path], Iterator[str | None]]] = {"sqlite": _sqlite, "postgresql": _postgres}
