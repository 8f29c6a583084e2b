"""Killed at every step of a store, two hundred times: what was answered is whole, what is half is no arrival."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from dicom_gateway.arrival import Arrival, Duplicate, Origin
from dicom_gateway.spool import Spool

STORER = """
import json, os, signal, sys
from pathlib import Path
from dicom_gateway.arrival import Origin
from dicom_gateway.spool import Spool

folder, n_deaths = Path(sys.argv[1]), int(sys.argv[2])
STEPS = ("open", "write", "fsync", "pwrite", "rename", "mkdir", "unlink", "close")
told, n_steps = [], 0

def store(number, die_at):
    passed = 0
    def wrapped(name, real):
        def step(*words, **more):
            nonlocal passed
            passed += 1
            if passed == die_at:
                if name == "write":
                    real(words[0], bytes(words[1])[: len(words[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*words, **more)
        return step
    for name in STEPS:
        setattr(os, name, wrapped(name, getattr(os, name)))
    spool = Spool(folder)
    part = spool.begin()
    for piece in range(3):
        part.write(f"{number} {piece} ".encode() * 1000)
    spool.add(part, Origin(sop_instance_uid=f"1.{number}", source="ARM1", received_ns=number))
    return passed

Spool(folder)
for number in range(n_deaths):
    ours, theirs = os.pipe()
    # each step in turn, one more than there are for a store that lives
    die_at = 0 if number == 0 else 1 + (number - 1) % (n_steps + 1)
    child = os.fork()
    if child == 0:
        passed = store(number, die_at)
        os.write(theirs, str(passed).encode())  # the answer to the sender
        os._exit(0)
    os.waitpid(child, 0)
    os.close(theirs)
    answer = os.read(ours, 100)
    os.close(ours)
    if answer:
        told.append(number)
        n_steps = max(n_steps, int(answer))
print(json.dumps({"told": told, "n_steps": n_steps}))
"""


def content_of(number: int) -> bytes:
    return b"".join(f"{number} {piece} ".encode() * 1000 for piece in range(3))


@pytest.mark.parametrize("n_deaths", [200])
def test_kill_9_at_every_step_of_a_store(tmp_path, n_deaths):
    folder = tmp_path / "spool"
    said = subprocess.run(
        [sys.executable, "-c", STORER, str(folder), str(n_deaths)],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )
    report = json.loads(said.stdout)
    told = report["told"]
    assert report["n_steps"] > 10
    assert n_deaths // report["n_steps"] - 1 <= len(told) < n_deaths // 3
    spool = Spool(folder)
    n_left = len(list(spool.incoming.iterdir()))
    assert n_left > 0
    assert spool.sweep() == n_left
    arrivals = spool.after(0)
    stored = {round(arrival.received_at * 1e9): arrival for arrival in arrivals}
    assert set(told) <= set(stored)
    assert [arrival.number for arrival in arrivals] == sorted({arrival.number for arrival in arrivals})
    for number, arrival in stored.items():
        assert arrival.path.read_bytes() == content_of(number)
        assert hashlib.sha256(content_of(number)).hexdigest()[:16] == arrival.digest
    # who was not told sends again; who was told and sends again is known
    for number in range(n_deaths):
        part = spool.begin()
        part.write(content_of(number))
        added = spool.add(part, Origin(sop_instance_uid=f"1.{number}", source="ARM1", received_ns=number))
        assert isinstance(added, Duplicate if number in stored else Arrival)
    assert len(spool.after(0)) == n_deaths


CROWD = """
import json, os, signal, sys, threading
from pathlib import Path
from dicom_gateway.arrival import Origin
from dicom_gateway.spool import Spool

folder, n_deaths, n_threads = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
STEPS = ("write", "fsync", "pwrite", "rename")
Spool(folder)

def store_together(first, die_at, answers):
    counting, passed = threading.Lock(), 0
    def wrapped(real):
        def step(*words, **more):
            nonlocal passed
            with counting:
                passed += 1
                if passed == die_at:
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(*words, **more)
        return step
    answer = os.write
    for name in STEPS:
        setattr(os, name, wrapped(getattr(os, name)))
    spool = Spool(folder)
    def store(number):
        part = spool.begin()
        for piece in range(3):
            part.write(f"{number} {piece} ".encode() * 1000)
        spool.add(part, Origin(sop_instance_uid=f"1.{number}", source="ARM1", received_ns=number))
        answer(answers, f"{number} ".encode())
    threads = [threading.Thread(target=store, args=(first + n,)) for n in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

told = []
for death in range(n_deaths):
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        store_together(1 + death * n_threads, death, theirs)  # the first of them lives
        os._exit(0)
    os.waitpid(child, 0)
    os.close(theirs)
    told += [int(number) for number in os.read(ours, 1000).split()]
    os.close(ours)
print(json.dumps(told))
"""


def test_kill_9_while_several_arrivals_share_a_flush(tmp_path):
    folder, n_deaths, n_threads = tmp_path / "spool", 45, 4
    said = subprocess.run(
        [sys.executable, "-c", CROWD, str(folder), str(n_deaths), str(n_threads)],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=150,
        check=True,
    )
    told = json.loads(said.stdout)
    assert set(told) >= set(range(1, 1 + n_threads)), "who is not killed answers everybody"
    assert n_threads < len(told) < n_deaths * n_threads
    spool = Spool(folder)
    stored = {round(arrival.received_at * 1e9): arrival for arrival in spool.after(0)}
    assert set(told) <= set(stored)
    assert len({arrival.number for arrival in stored.values()}) == len(stored)
    for number, arrival in stored.items():
        assert arrival.path.read_bytes() == content_of(number)
