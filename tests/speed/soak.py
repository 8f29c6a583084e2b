"""The whole system under two live sources for long: memory, threads and files of each role, and every frame counted.

``python -m tests.speed.soak --seconds 3600``. Two phantom procedures after another are sent at ten frames a second to each
of two sources; every few seconds each role is looked at through /proc. Exit status 1 when a frame is missing or a role was
started again.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from dicom_gateway.due import Due
from dicom_gateway.sender import send
from tests.journeys.house import ROLES, House
from tests.speed.reel import Reel, draw

RATE = 10.0
RUN_S = 30.0
EVERY_S = 5.0
SOURCES = ("ROOM1", "ROOM2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One role at one moment."""

    pid: int
    rss_mb: float
    n_threads: int
    n_files: int


@dataclass(slots=True, kw_only=True)
class Soak:
    """What was sent and seen."""

    n_sent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SOURCES, 0))
    n_refused: int = 0
    looks: dict[str, list[Look]] = field(default_factory=lambda: {role: [] for role in ROLES})


def main() -> int:
    """Soak, report, and say whether anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--px", type=int, default=512)
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cementwatch-soak-"))
    house, soak = House(folder=folder / "house"), Soak()
    try:
        reel = draw(wanted.px, round(RATE * RUN_S))
        house.open("all")
        until = time.monotonic() + wanted.seconds
        senders = [threading.Thread(target=_feed, args=(house, soak, name, reel, until)) for name in SOURCES]
        for sender in senders:
            sender.start()
        while any(sender.is_alive() for sender in senders):
            time.sleep(EVERY_S)
            _look(house, soak)
        return _report(house, soak)
    finally:
        house.end()
        shutil.rmtree(folder, ignore_errors=True)


def _feed(house: House, soak: Soak, source: str, reel: Reel, until: float) -> None:
    """One procedure after another at pace."""
    n_runs = 0
    while time.monotonic() < until:
        n_runs += 1
        folder = house.folder / f"{source}-{n_runs}"
        paths = reel.write(folder, round(RATE * RUN_S))
        due = [Due(offset_s=number / RATE, content=path) for number, path in enumerate(paths)]
        for sent in send(due, house.peer(source), speed=1.0, clock=time.time, sleep=time.sleep):
            soak.n_sent[source] += 1
            soak.n_refused += sent.status != 0
        shutil.rmtree(folder)


def _look(house: House, soak: Soak) -> None:
    for role in ROLES:
        pid = house.pid_of(role)
        place = Path(f"/proc/{pid}")
        try:
            told = dict(line.split(":", 1) for line in (place / "status").read_text(encoding="ascii").splitlines())
            n_files = len(list((place / "fd").iterdir()))
        except OSError:
            continue
        rss_mb = int(told["VmRSS"].split()[0]) / 1024
        soak.looks[role].append(Look(pid=pid or 0, rss_mb=rss_mb, n_threads=int(told["Threads"]), n_files=n_files))


def _report(house: House, soak: Soak) -> int:
    """Print what became of it; 0 when every frame was judged or listed as skipped, and no role was started again."""
    is_whole = soak.n_refused == 0
    for source in SOURCES:
        state = house.until(lambda source=source: _done(house, soak, source), f"{source} is worked off")
        print(
            f"{source}: sent {soak.n_sent[source]}, judged {state['frames_judged']}, skipped at first {state['frames_skipped']}"
        )
    for role in ROLES:
        looks = soak.looks[role]
        third = max(1, len(looks) // 3)
        first, last = looks[third : 2 * third] or looks, looks[-third:]
        grown = _median(last) / max(_median(first), 1e-9) - 1.0
        n_starts = len({look.pid for look in looks})
        is_whole &= n_starts == 1
        print(
            f"{role:8} memory {_median(first):.0f} -> {_median(last):.0f} MB ({grown:+.1%}, middle third to last), "
            f"threads {looks[-1].n_threads}, files {looks[-1].n_files}, starts {n_starts}"
        )
    print("every frame accounted for" if is_whole else "NOT whole")
    return 0 if is_whole else 1


def _done(house: House, soak: Soak, source: str) -> dict[str, int] | None:
    states = {each["name"]: each for each in house.ask("/alerts", limit=1)["sources"]}
    state = states.get(source)
    if state is None or state["frames_judged"] < soak.n_sent[source]:
        return None
    return state


def _median(looks: list[Look]) -> float:
    return statistics.median(look.rss_mb for look in looks)


if __name__ == "__main__":
    sys.exit(main())
