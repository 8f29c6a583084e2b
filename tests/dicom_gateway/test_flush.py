"""A flush is shared, and never by anyone whom it does not cover."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dicom_gateway.flush import SharedFlush, sync_folder
from tests.dicom_gateway.raw import until

N_CROWD = 8


class Gate:
    """A real flush that begins when it is called and goes on when it is let; it notes what it covers."""

    def __init__(self) -> None:
        self.covered: list[frozenset[str]] = []
        self.may_go = threading.Semaphore(0)
        self.error: OSError | None = None

    def sync(self, folder: Path) -> None:
        self.covered.append(frozenset(path.name for path in folder.iterdir()))
        self.may_go.acquire()
        if self.error is not None:
            raise self.error
        sync_folder(folder)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def flush(gate) -> SharedFlush:
    return SharedFlush(gate.sync)


def arrive(flush: SharedFlush, folder: Path, names: list[str]) -> tuple[list[threading.Thread], list[str], list[str]]:
    """Each makes its name and waits for its flush: the threads, who was told of success, and who of failure."""
    told, failed = [], []

    def arrive_one(name: str) -> None:
        (folder / name).touch()
        try:
            flush.sync(folder)
            told.append(name)
        except OSError:
            failed.append(name)

    threads = [threading.Thread(target=arrive_one, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    return threads, told, failed


def test_a_crowd_shares_the_flush_after_the_one_that_runs(tmp_path, flush, gate):
    names = [f"{n}" for n in range(N_CROWD)]
    first, told_first, _ = arrive(flush, tmp_path, ["first"])
    assert until(lambda: len(gate.covered) == 1)
    crowd, told, _ = arrive(flush, tmp_path, names)
    assert until(lambda: len(list(tmp_path.iterdir())) == 1 + N_CROWD)
    assert told_first == told == [], "nobody is told while nothing is on the disk"
    gate.may_go.release()
    first[0].join()
    assert told_first == ["first"]
    assert told == [], "the flush that ran began before they came"
    for _ in range(N_CROWD):
        gate.may_go.release()
    for thread in crowd:
        thread.join()
    assert sorted(told) == names
    assert len(gate.covered) < 1 + N_CROWD, "they shared"
    assert gate.covered[-1] >= set(names)


def test_a_flush_that_fails_fails_for_all_who_waited_for_it_and_for_nobody_else(tmp_path, flush, gate):
    gate.error = OSError(5, "no disk")
    crowd, told, failed = arrive(flush, tmp_path, ["a"])
    gate.may_go.release()
    crowd[0].join()
    assert (told, failed) == ([], ["a"])
    gate.error = None
    later, told, failed = arrive(flush, tmp_path, ["b"])
    gate.may_go.release()
    later[0].join()
    assert (told, failed) == (["b"], [])


def test_whoever_is_told_was_covered(tmp_path):
    gate = Gate()
    covered_when_told: list[bool] = []
    flush = SharedFlush(gate.sync)
    for _ in range(1000):
        gate.may_go.release()

    def arrive_often(place: int) -> None:
        for n in range(20):
            name = f"{place}-{n}"
            (tmp_path / name).touch()
            flush.sync(tmp_path)
            covered_when_told.append(any(name in names for names in gate.covered))

    threads = [threading.Thread(target=arrive_often, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert covered_when_told == [True] * 80
