"""Several real processes write one journal, and some of them are killed while they do."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time

import pytest

from db import queries
from db.arrivals import ArrivalRow, Progress, find_arrival, note_arrivals
from db.connect import connect
from db.journal import Journal
from db.procedures import Opening, open_procedure
from detection.vocabulary import Mode
from tests.db.lines import frame_seen, note

SPAWN = multiprocessing.get_context("spawn")
N_PROCESSES = 4
N_APPENDS = 25


def append_many(url, name):
    journal = Journal(connect(url))
    for n in range(N_APPENDS):
        journal.append([note(f"{name}:{n}:{part}", procedure=name) for part in range(2)])


def append_for_ever(url, told):
    journal = Journal(connect(url))
    for n in range(1, 1_000_000):
        lines = [frame_seen(n, outline=[[n / 3, n / 7]] * 200), note(str(n))]
        journal.append(lines, progress=Progress(arrival=1, n_judged=n))
        told.send(n)


def open_the_study(url, told):
    told.put(open_procedure(connect(url), Opening(at=1.0, study_instance_uid="1.2.3")).id)


def only_connect(url):
    connect(url)


def run_all(target, *arguments, n=N_PROCESSES):
    children = [SPAWN.Process(target=target, args=(*arguments, *more)) for more in numbered(target, n)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0] * n


def numbered(target, n):
    return [(f"writer{k}",) if target is append_many else () for k in range(n)]


def test_several_processes_may_make_the_schema_at_once(url):
    run_all(only_connect, url)
    engine = connect(url)
    assert Journal(engine).verify() is None
    engine.dispose()


def test_numbers_have_no_gap_and_the_chain_holds_under_concurrent_writers(url, journal):
    run_all(append_many, url)
    n_lines = N_PROCESSES * N_APPENDS * 2
    lines = queries.entries_after(journal.engine, 0, limit=10_000)
    assert [line.number for line in lines] == list(range(1, n_lines + 1))
    assert journal.head() == n_lines
    assert journal.verify() is None
    for k in range(N_PROCESSES):
        own = [line.data["text"] for line in lines if line.procedure == f"writer{k}"]
        assert own == [f"writer{k}:{n}:{part}" for n in range(N_APPENDS) for part in range(2)]


def test_processes_that_open_the_same_study_get_the_same_procedure(url, engine):
    told = SPAWN.Queue()
    run_all(open_the_study, url, told)
    assert len({told.get(timeout=10) for _ in range(N_PROCESSES)}) == 1
    assert len(queries.procedures(engine)) == 1
    assert Journal(engine).head() == 1


@pytest.mark.parametrize("attempt", range(3))
def test_a_writer_killed_in_the_middle_leaves_the_chain_whole(url, journal, attempt):
    arrival = ArrivalRow(
        number=1,
        source="CARM1",
        sop_instance_uid="1",
        study_instance_uid="2",
        series_instance_uid="3",
        mode=Mode.LIVE,
        received_at=1.0,
    )
    note_arrivals(journal.engine, [arrival])
    ear, mouth = SPAWN.Pipe(duplex=False)
    child = SPAWN.Process(target=append_for_ever, args=(url, mouth))
    child.start()
    mouth.close()
    assert ear.poll(60)
    time.sleep(random.Random(attempt).uniform(0.05, 0.3))
    os.kill(child.pid, signal.SIGKILL)
    child.join(30)
    n_told = heard_last(ear)
    journal.append([note("after the crash")])
    assert journal.verify() is None
    n_judged = find_arrival(journal.engine, 1).n_judged
    assert n_judged in {n_told, n_told + 1}, "what was told as written is written"
    assert journal.head() == 2 * n_judged + 1


def heard_last(ear):
    last = 0
    try:
        while True:
            last = ear.recv()
    except EOFError:
        return last
