"""Where the time of one frame goes: every stage that ``examine`` calls, and what stands before and after it."""

from __future__ import annotations

import inspect
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from db.convert import findings_data
from detection import examine as examining
from detection.alarm import Alarm, Setting, judge
from detection.memory import Memory
from detection.rules import Rules
from detection.scenes import MOST_SCENES
from detection.threads import keep_memory
from detection.vocabulary import Findings, Flag, Mode, Plan
from dicom_gateway.arrival import Arrival, Duplicate, Origin
from dicom_gateway.frames import frames_of
from dicom_gateway.header import read_header
from dicom_gateway.spool import Spool
from tests.speed.figures import Report, Sizes, Table, spread
from tests.speed.reel import draw

LEAST_SHARE = 0.005
"""Stages below this share of the whole are told together as the rest, unless one of their calls is long."""
LONG_MS = 2.0
AROUND = ("header", "decode", "examine", "judge", "words")


@dataclass(slots=True, kw_only=True)
class Stopwatch:
    """CPU time of this thread by name, one row for each frame; what another process takes of the machine is not in it."""

    frames: list[dict[str, float]] = field(default_factory=list)

    def begin(self) -> None:
        """A new frame."""
        self.frames.append(defaultdict(float))

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Add what is done within to ``name``."""
        began = time.thread_time()
        try:
            yield
        finally:
            self.frames[-1][name] += 1000 * (time.thread_time() - began)

    def wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, timed."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.time(name):
                return function(*args, **kwargs)

        return timed

    def of(self, name: str) -> list[float]:
        """Milliseconds of ``name`` in each frame."""
        return [frame.get(name, 0.0) for frame in self.frames]


def measure(sizes: Sizes, folder: Path) -> Report:
    """A lateral procedure through header, decoder, examine, judge and the journal's words, by one thread."""
    tables, figures = [], {}
    n_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    keep_memory()  # as ``watch`` does
    try:
        for px in sizes.stage_px:
            table, its_figures = _measure_size(px, sizes.n_stage_frames, folder / f"stages-{px}")
            tables.append(table)
            figures |= its_figures
    finally:
        cv2.setNumThreads(n_threads)
    about = (
        "A lateral phantom procedure with needle, growing cement and a canal leak, landmarks found by itself; CPU time "
        "of one thread (OpenCV held to one), so neighbours on the machine count little. A stage is a function of "
        "another module that `examine` calls; share is of the whole frame."
    )
    return Report(title="One frame, stage by stage", about=about, tables=tables, figures=figures)


def stages_of(module: ModuleType = examining) -> dict[str, Callable[..., Any]]:
    """The functions of other modules of ours that this one calls, by the name it knows them by."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__.startswith("detection.")
        and value.__module__ != module.__name__
    }


@contextmanager
def watched_stages(watch: Stopwatch) -> Iterator[dict[str, str]]:
    """While within, each stage is timed; stage by title (``module.function``)."""
    stages = stages_of()
    titles = {name: f"{stage.__module__.rpartition('.')[2]}.{name}" for name, stage in stages.items()}
    try:
        for name, stage in stages.items():
            setattr(examining, name, watch.wrapped(titles[name], stage))
        yield titles
    finally:
        for name, stage in stages.items():
            setattr(examining, name, stage)


def arrivals(paths: list[Path], spool: Spool) -> Iterator[Arrival]:
    """The objects as the receiver leaves them in the spool."""
    for number, path in enumerate(paths):
        part = spool.begin()
        part.write(path.read_bytes())
        origin = Origin(sop_instance_uid=path.stem, source="BENCH", received_ns=10**18 + number * 10**8)
        added = spool.add(part, origin)
        assert not isinstance(added, Duplicate)
        yield added


def judged(paths: list[Path], folder: Path, watch: Stopwatch) -> tuple[list[Findings], Memory]:
    """What each object says, and what is remembered at the end; each step on the watch."""
    memory, alarm, plan, rules = Memory(), Alarm(), Plan(), Rules()
    setting = Setting(procedure="bench", source="BENCH", mode=Mode.LIVE, rules=rules, plan=plan)
    found = []
    for arrival in arrivals(paths, Spool(folder / "spool")):
        watch.begin()
        with watch.time("header"):
            header = read_header(arrival.path)
        with watch.time("decode"):
            frame = next(frames_of(arrival, header))
        with watch.time("examine"):
            findings, memory = examining.examine(frame, memory, plan, rules)
        with watch.time("judge"):
            _, alarm = judge(findings, (), alarm, setting, frame.stamp.received_at)
        with watch.time("words"):
            findings_data(findings)
        found.append(findings)
    return found, memory


def bytes_of(value: object) -> int:
    """Bytes of the arrays that a value holds, each counted once."""
    return sum({id(array): array.nbytes for array in _arrays_in(value)}.values())


def _arrays_in(value: object) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _arrays_in(each)
    elif is_dataclass(value):
        for part in fields(value):
            yield from _arrays_in(getattr(value, part.name))


def _measure_size(px: int, n: int, folder: Path) -> tuple[Table, dict[str, float]]:
    paths = draw(px, n).write(folder / "objects", n)
    watch = Stopwatch()
    with watched_stages(watch) as titles:
        found, memory = judged(paths, folder, watch)
    total = [sum(frame[name] for name in AROUND) for frame in watch.frames]
    n_placed = sum(each.body is not None for each in found)
    n_cement = sum(bool(each.cement_outlines) for each in found)
    shown = _kept(watch, list(titles.values()), sum(total))
    rest = [frame["examine"] - sum(frame.get(name, 0.0) for name in shown) for frame in watch.frames]
    rows = [_row("header", watch.of("header"), total), _row("decode", watch.of("decode"), total)]
    rows += [_row(f"examine: {name}", watch.of(name), total) for name in shown]
    rows += [_row("examine: rest", rest, total), _row("examine, whole", watch.of("examine"), total)]
    rows += [_row("judge", watch.of("judge"), total), _row("words for the journal", watch.of("words"), total)]
    rows += [_row("frame, whole", total, total)]
    unfit = sum(not each.is_fit and Flag.DUPLICATE not in each.flags for each in found)
    kept = bytes_of(memory.scenes) / 2**20
    notes = [
        f"{n} frames: body found in {n_placed}, cement seen in {n_cement}, unfit {unfit}.",
        f"A scene keeps {kept / len(memory.scenes):.1f} MiB between frames, a source {MOST_SCENES} scenes at most.",
    ]
    whole = [frame["decode"] + frame["examine"] for frame in watch.frames]
    title = f"{px} x {px}, 16 bit"
    figures = {
        f"frame_{px}_p50_ms": spread(total)["p50"],
        f"frame_{px}_p99_ms": spread(total)["p99"],
        f"examine_{px}_p50_ms": spread(watch.of("examine"))["p50"],
        f"decode_examine_{px}_p50_ms": spread(whole)["p50"],
        f"decode_examine_{px}_p99_ms": spread(whole)["p99"],
        f"scene_{px}_bytes": kept / len(memory.scenes) * 2**20,
        f"n_{px}_frames": float(n),
    }
    return Table(
        title=title, head=("step", "median ms", "p99 ms", "max ms", "share %"), rows=rows, notes=notes
    ), figures


def _kept(watch: Stopwatch, titles: list[str], total: float) -> list[str]:
    """The stages worth a line, in the order of their first call."""
    order = {name: number for number, name in enumerate(dict.fromkeys(key for row in watch.frames for key in row))}
    kept = [
        name
        for name in titles
        if name in order and (sum(watch.of(name)) >= LEAST_SHARE * total or max(watch.of(name)) >= LONG_MS)
    ]
    return sorted(kept, key=order.__getitem__)


def _row(name: str, times: list[float], total: list[float]) -> list[object]:
    share = spread(times)
    return [name, share["p50"], share["p99"], share["max"], 100 * sum(times) / max(sum(total), 1e-9)]
