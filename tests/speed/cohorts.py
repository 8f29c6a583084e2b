"""How long cohort questions take over many records: ``python -m tests.speed.cohorts URL --n 100000``, URL of an empty database."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, insert

from db.cohort import Condition
from db.connect import connect, writing
from db.record import KINDS
from service.clinical.cohort import cohort_table
from service.clinical.cohort_series import cohort_course, cohort_leaks, cohort_survival
from tests.speed.figures import Report, Sizes, Table
from tests.speed.writing import DATABASES

REPEATS = 9
BATCH = 5000
QUESTIONS = (
    "table of all vertebrae by arm",
    "patients with a lytic vertebra",
    "leaks by site and arm",
    "VAS over time",
    "survival by arm",
)
SITES = ("disc", "paravertebral", "vein", "spinal_canal")


def fill(engine: Engine, n: int) -> None:
    """``n`` operations: as many patients, twice as many vertebrae, a leak in four of ten, two follow-ups each."""
    chance = np.random.default_rng(7)
    for start in range(0, n, BATCH):
        numbers = range(start, min(start + BATCH, n))
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in KINDS}
        for k in numbers:
            dead = {"died_on": None if k % 3 else "2026-09-01", "last_seen_on": "2026-11-01" if k % 3 else None}
            rows["patient"].append({"id": f"p{k}", "pseudonym": f"P{k}", "arm": "ab"[k % 2], "sex": "male", **dead})
            rows["operation"].append(
                {
                    "id": f"o{k}",
                    "patient": f"p{k}",
                    "kind": ("pvp", "pkp")[k % 2],
                    "performed_on": f"2026-0{k % 6 + 1}-01",
                }
            )
            for time_point, vas in (("before", 8.0), ("m3", 3.0)):
                value = float(np.clip(vas + chance.normal(), 0, 10))
                rows["follow_up"].append(
                    {"id": f"f{k}{time_point}", "operation": f"o{k}", "time_point": time_point, "vas": value}
                )
            for j in range(2):
                id = f"v{k}-{j}"
                rows["level"].append(
                    {
                        "id": id,
                        "operation": f"o{k}",
                        "level": f"L{j + 1}",
                        "lesion": ("lytic", "mixed", "blastic")[k % 3],
                    }
                    | {"volume_ml": float(chance.uniform(1, 5)), "examined_with": ["final_lateral"]}
                )
                if (2 * k + j) % 10 < 4:
                    leak = {"id": f"l{id}", "level": id, "finding": "confirmed", "modality": "final_lateral"}
                    rows["leak"].append(leak | {"site": SITES[k % 4]})
        store(engine, rows, start)


def store(engine: Engine, rows: dict[str, list[dict[str, Any]]], number: int) -> None:
    """Rows as they would stand after an import, without its journal."""
    told = {"version": 1, "number": number, "is_current": True, "is_withdrawn": False, "recorded_at": 0.0}
    with writing(engine) as connection:
        for name, things in rows.items():
            if things:
                connection.execute(insert(KINDS[name].table), [told | thing for thing in things])


def questions(engine: Engine) -> dict[str, Callable[[], object]]:
    """What a department asks."""
    lytic = [Condition(field="level.lesion", among=("lytic",))]
    fields = {"level.lesion": "chi_square", "level.volume_ml": "welch_t"}
    return {
        "table of all vertebrae by arm": lambda: cohort_table(engine, "vertebra", fields, group="patient.arm"),
        "patients with a lytic vertebra": lambda: cohort_table(engine, "patient", {"patient.sex": None}, where=lytic),
        "leaks by site and arm": lambda: cohort_leaks(engine, "fluoroscopy", group="patient.arm", test="chi_square"),
        "VAS over time": lambda: cohort_course(engine, "follow_up.vas", pair_test="paired_t"),
        "survival by arm": lambda: cohort_survival(engine, group="patient.arm"),
    }


def measure(sizes: Sizes, folder: Path) -> Report:
    """The questions on PostgreSQL at every number of operations, each in a database of its own."""
    rows: list[list[object]] = []
    figures: dict[str, float] = {}
    for n in sizes.cohort_sizes:
        with contextmanager(DATABASES["postgresql"])(folder) as url:
            if url is None:
                break
            for question, ends in asked_of(url, n):
                rows.append([n, question, *(1000 * end for times in ends for end in times)])
                figures[f"cohort_{n}_{question.replace(' ', '_')}_p95_ms"] = 1000 * ends[2][1]
    head = ("operations", "question", "server p50 ms", "p95", "program p50 ms", "p95", "clock p50 ms", "p95")
    about = (
        f"What a department asks of its records, {REPEATS} times each after one to warm up: twice as many vertebrae as operations, a leak "
        "in four of ten, two follow-ups each. Processor time of all of the server's processes, of the program, and the clock."
    )
    table = Table(
        title="Questions of a cohort", head=head, rows=rows or [["-", "PostgreSQL is not installed", *[None] * 6]]
    )
    figures = figures or {"n_cohorts": 0.0}
    return Report(title="Cohorts", about=about, tables=[table], figures=figures)


def asked_of(url: str, n: int) -> Iterator[tuple[str, tuple[tuple[float, float], ...]]]:
    """Each question and, of server, program and clock, the median and the 95th percentile in s; ``url`` is of an empty database."""
    engine = connect(url)
    fill(engine, n)
    with writing(engine) as connection:
        connection.exec_driver_sql("ANALYZE")
    server = server_of(engine)
    for name, ask in questions(engine).items():
        ask()
        took = []
        for _ in range(REPEATS):
            start = (processor_s(server), time.process_time(), time.perf_counter())
            ask()
            took.append(np.subtract((processor_s(server), time.process_time(), time.perf_counter()), start))
        yield name, tuple((float(low), float(high)) for low, high in np.quantile(took, (0.5, 0.95), axis=0).T)
    engine.dispose()


def server_of(engine: Engine) -> int | None:
    """The process that owns all of PostgreSQL's, where it runs on this machine; SQLite has none."""
    if engine.dialect.name != "postgresql":
        return None
    with engine.connect() as connection:
        backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    return int(_stat(Path(f"/proc/{backend}/stat"))[1])


def processor_s(server: int | None) -> float:
    """What the server's processes have used up to now, those that have ended too; user and system."""
    if server is None:
        return 0.0
    ticks = sum(map(int, _stat(Path(f"/proc/{server}/stat"))[11:15]))
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            told = _stat(place)
            ticks += sum(map(int, told[11:13])) if int(told[1]) == server else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(place: Path) -> list[str]:
    """The fields of a process from its state on; its name may hold anything and stands before."""
    return place.read_text(encoding="utf-8").rpartition(")")[2].split()


def main() -> None:
    """Fill an empty database and print what its questions take."""
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("url", help="SQLAlchemy URL of an empty database")
    told.add_argument("--n", type=int, default=100_000, help="operations")
    given = told.parse_args()
    print(
        f"{given.n} operations; median / 95th percentile\n  {'':34} {'server s':>15} {'program s':>15} {'clock s':>15}"
    )
    for name, ends in asked_of(given.url, given.n):
        print(f"  {name:34} " + " ".join(f"{low:6.2f} / {high:6.2f}" for low, high in ends), flush=True)


if __name__ == "__main__":
    main()
