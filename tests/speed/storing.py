"""C-STORE: our receiver beside Orthanc and storescp, with the same objects, senders and disk."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dicom_gateway.due import Due
from dicom_gateway.peer import Peer
from dicom_gateway.sender import send
from tests.conftest import SYSTEM_PATH
from tests.speed.figures import Report, Sizes, Table, median, spread
from tests.speed.machine import OBJECT_BYTES, disk_ms, rate_of
from tests.speed.receivers import ENVIRONMENTS, OURS, RECEIVERS, Start, is_installed, wait_stored
from tests.speed.reel import draw

TITLE = "C-STORE"


@dataclass(slots=True, kw_only=True)
class Timings:
    """What the repeats of one receiver in one environment gave."""

    rates: list[float] = field(default_factory=list)
    round_trips: list[dict[str, float]] = field(default_factory=list)
    n_unanswered: int = 0

    def rate(self) -> float:
        """Objects a second, the median of the repeats."""
        return median(self.rates)

    def round_trip(self, share: str) -> float:
        """Milliseconds, the median of what each repeat gives for ``share``."""
        return median([trip[share] for trip in self.round_trips])


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The same objects for everyone: some to warm up, some for storescu, some for our own sender."""

    warm: Path
    many: Path
    single: list[Path]


def measure(sizes: Sizes, folder: Path) -> Report:
    """Rates and round trips of every receiver that is installed, the repeats interleaved."""
    if not is_installed("storescu"):
        return Report(title=TITLE, about="Not measured: DCMTK is not installed; apt-get install dcmtk orthanc.")
    load = _load(sizes, folder / "objects")
    receivers = {name: start for name, (program, start) in RECEIVERS.items() if is_installed(program)}
    timings: dict[tuple[str, str], Timings] = defaultdict(Timings)
    disk: list[float] = []
    for _ in range(sizes.n_repeats):
        disk.append(rate_of(disk_ms(folder, OBJECT_BYTES, sizes.n_disk)))
        for words, environment in ENVIRONMENTS.items():
            for name, start in receivers.items():
                _repeat(start, environment, load, folder, timings[name, words])
    object_bytes = load.single[0].stat().st_size
    shutil.rmtree(folder / "objects")
    return Report(
        title=TITLE,
        about=_about(sizes, object_bytes),
        tables=[_table(timings, median(disk), object_bytes)],
        figures=_figures(timings, median(disk)),
    )


def _about(sizes: Sizes, object_bytes: int) -> str:
    return (
        f"{sizes.n_objects} XA objects of {sizes.object_px} x {sizes.object_px} x 16 bit ({object_bytes / 2**20:.1f} MiB), "
        f"every receiver a process of its own with an empty store on the same disk, {sizes.n_warm} objects to warm up, "
        f"{sizes.n_repeats} repeats interleaved, medians. Rate: DCMTK's storescu, all objects over one association. "
        "Round trip: our own `send`, from the request to its answer, one object after another. The environment is that "
        "of receiver and storescu; ours and our sender switch Nagle's delay off by themselves. Ours answers only after "
        "fsync of file and folder; Orthanc syncs the file (SyncStorageArea) and keeps an index; storescp syncs nothing."
    )


def _table(timings: dict[tuple[str, str], Timings], disk: float, object_bytes: int) -> Table:
    rows: list[list[object]] = []
    for (name, words), timing in timings.items():
        rate = timing.rate()
        ours = timings[OURS, words].rate() / rate
        trips = [timing.round_trip(share) for share in ("p50", "p95", "p99")]
        rows.append([name, words, rate, rate * object_bytes / 1e6, ours, *trips])
    rows.append(["disk alone", "2 MiB, fsync, rename, fsync", disk, disk * OBJECT_BYTES / 1e6, None, None, None, None])
    head = ("receiver", "environment", "objects/s", "MB/s", "ours / this", "p50 ms", "p95 ms", "p99 ms")
    n_unanswered = sum(timing.n_unanswered for timing in timings.values())
    notes = [f"Objects that were stored but got no answer in time, left out of the round trips: {n_unanswered}."]
    return Table(title="Receivers side by side", head=head, rows=rows, notes=notes if n_unanswered else [])


def _figures(timings: dict[tuple[str, str], Timings], disk: float) -> dict[str, float]:
    figures = {"disk_objects_per_s": disk, "n_unanswered": float(sum(each.n_unanswered for each in timings.values()))}
    for (name, words), timing in timings.items():
        key = f"{name}_{'nodelay' if 'NODELAY' in words else 'default'}"
        figures[f"{key}_objects_per_s"] = timing.rate()
        figures[f"{key}_p99_ms"] = timing.round_trip("p99")
        figures[f"{key}_ours_ratio"] = timings[OURS, words].rate() / timing.rate()
    return figures


def _load(sizes: Sizes, folder: Path) -> Load:
    # pixels do not matter to a receiver, so a few pictures serve
    reel = draw(sizes.object_px, 4)
    return Load(
        warm=reel.write(folder / "warm", sizes.n_warm)[0].parent,
        many=reel.write(folder / "many", sizes.n_objects)[0].parent,
        single=reel.write(folder / "single", sizes.n_objects),
    )


def _repeat(start: Start, environment: dict[str, str], load: Load, folder: Path, timings: Timings) -> None:
    store = Path(tempfile.mkdtemp(prefix="store-", dir=folder))
    try:
        with contextmanager(start)(store, environment) as receiver:
            _storescu(receiver.peer, load.warm, environment)
            took_s = _storescu(receiver.peer, load.many, environment)
            trips, n_unanswered = _send(receiver.peer, load.single)
            n_sent = sum(len(list(path.glob("*.dcm"))) for path in (load.warm, load.many, load.single[0].parent))
            wait_stored(receiver, n_sent)
    except RuntimeError as error:
        error.add_note((store / "log").read_text(encoding="utf-8", errors="replace")[-2000:])
        raise
    finally:
        shutil.rmtree(store, ignore_errors=True)
    timings.rates.append(len(list(load.many.glob("*.dcm"))) / took_s)
    timings.round_trips.append(spread(trips))
    timings.n_unanswered += n_unanswered


def _storescu(peer: Peer, folder: Path, environment: dict[str, str]) -> float:
    """Seconds that storescu takes for a folder, its own start included."""
    command = ["storescu", "--required", "-aec", peer.called, "+sd", peer.host, str(peer.port), str(folder)]
    began = time.perf_counter()
    said = subprocess.run(
        command, env=environment | {"PATH": SYSTEM_PATH}, capture_output=True, text=True, timeout=600, check=False
    )
    if said.returncode != 0:
        raise RuntimeError(f"storescu: {said.stderr[-500:]}")
    return time.perf_counter() - began


def _send(peer: Peer, paths: list[Path]) -> tuple[list[float], int]:
    """Round trips of our own sender in ms, and how many objects it got no answer for."""
    due = [Due(offset_s=0.0, content=path) for path in paths]
    sent = list(send(due, peer, speed=None, clock=time.perf_counter, sleep=time.sleep))
    refused = [(at, each.status) for at, each in enumerate(sent) if each.status]
    if refused:
        raise RuntimeError(f"{peer.called} refused objects (place, status): {refused}")
    answered = [1000 * (each.answered_at - each.sent_at) for each in sent if each.status is not None]
    return answered, len(sent) - len(answered)
