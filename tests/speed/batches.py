"""Many short procedures judged again on two processes: how near ``cementwatch batch`` comes to what ``examine`` alone would allow."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import cv2

from detection.threads import keep_memory, use_one_thread
from service import journey, replay, sources
from service.batch import RESULTS
from tests.conftest import CHECKOUT, Orthanc, orthanc_running
from tests.speed.figures import Report, Sizes, Table
from tests.speed.reel import draw

N_PROCESSES = 2
EXAMINE, WHOLE = "examine", "study, whole"
STEPS: dict[str, tuple[Any, str]] = {
    "fetched from Orthanc": (replay, "fetch_study"),
    "analysis set up": (replay, "make_watch"),
    "put into the spool": (replay, "_fill"),
    "header": (sources.Sources, "header_of"),
    EXAMINE: (journey, "examine"),
    "judge": (journey, "judge"),
    "written to the journal": (journey, "write"),
    "read from the journal": (replay, "_entries"),
}
"""What a replay does with a study, and where it is called."""


@dataclass(slots=True, kw_only=True)
class Took:
    """Seconds by the clock and of the processor, by step; of this thread, which does all of it, for others of numpy's may wait busily."""

    clock: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    processor: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Add what is done within to ``name``."""
        began = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self.clock[name] += time.perf_counter() - began[0]
            self.processor[name] += time.thread_time() - began[1]

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, timed; one that gives its lines bit by bit is let run to its end."""

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.time(name):
                given = function(*args, **kwargs)
                return list(given) if isinstance(given, Iterator) else given

        return call

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While within, each step of a replay is timed."""
        before = {name: getattr(owner, word) for name, (owner, word) in STEPS.items()}
        try:
            for name, (owner, word) in STEPS.items():
                setattr(owner, word, self.timed(name, before[name]))
            yield
        finally:
            for name, (owner, word) in STEPS.items():
                setattr(owner, word, before[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What judging all studies took, by the clock and of the processor, start of the processes included; and what Orthanc took beside it."""

    n_frames: int
    clock_s: float
    processor_s: float
    archive_s: float


def measure(sizes: Sizes, folder: Path) -> Report:
    """All studies in an Orthanc, one of them step by step in this process, then all of them by the command."""
    kept = folder / "batches"
    kept.mkdir()
    with orthanc_running(kept) as archive:
        study = fill(archive, sizes, kept)
        took, n = step_by_step(study, archive), sizes.n_study_frames
        rate = judged(archive, kept)
    shutil.rmtree(kept)
    if rate.n_frames != sizes.n_studies * n:
        raise RuntimeError(f"{sizes.n_studies * n} frames were stored and {rate.n_frames} judged")
    about = (
        f"{sizes.n_studies} procedures of {n} frames of {sizes.study_px} x {sizes.study_px} x 16 bit in an Orthanc on this machine, "
        f"judged again by `cementwatch batch --processes {N_PROCESSES}`: fetched ahead, moved into a spool, judged by the same `watch` as live, "
        "journal and all. The limit is `examine` alone on as many cores, on the same frames and in the same run."
    )
    figures = figures_of(took, rate, n)
    return Report(title="Recordings judged again", about=about, figures=figures, tables=tables_of(took, figures, n))


def fill(archive: Orthanc, sizes: Sizes, folder: Path) -> str:
    """Store the studies; the UID of the last. They show one story, each with noise of its own."""
    reel, study = draw(sizes.study_px, sizes.n_study_frames), ""
    for number in range(sizes.n_studies):
        paths = reel.write(folder / f"{number}", sizes.n_study_frames)
        stored = [archive.post("/instances", path.read_bytes()) for path in paths]
        study = str(archive.get(f"/studies/{stored[0]['ParentStudy']}")["MainDicomTags"]["StudyInstanceUID"])
        shutil.rmtree(folder / f"{number}")
    return study


def step_by_step(study: str, archive: Orthanc) -> Took:
    """One study in this process, as a process of the command does it; the first time warms up."""
    n_threads = cv2.getNumThreads()
    use_one_thread()
    keep_memory()
    try:
        for _ in range(2):
            took = Took()
            with took.watching(), took.time(WHOLE):
                list(replay.replayed(study, archive.http, with_frames=True, now=time.time))
    finally:
        cv2.setNumThreads(n_threads)
    return took


def judged(archive: Orthanc, folder: Path) -> Rate:
    """All studies by the command."""
    command = [sys.executable, "-m", "service", "batch", "--processes", str(N_PROCESSES)]
    command += ["--orthanc", archive.http, "--out", str(folder / "out")]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    began, archive_began_s = (time.perf_counter(), processor_s()), archive_s(folder)
    told = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    clock_s, used_s = time.perf_counter() - began[0], processor_s() - began[1]
    if told.returncode:
        raise RuntimeError(told.stderr[-2000:])
    lines = (folder / "out" / RESULTS).read_text(encoding="utf-8").splitlines()
    return Rate(
        n_frames=sum(json.loads(line)["frames"] for line in lines),
        clock_s=clock_s,
        processor_s=used_s,
        archive_s=archive_s(folder) - archive_began_s,
    )


def processor_s() -> float:
    """What children that have ended used, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def archive_s(folder: Path) -> float:
    """Processor time that the Orthanc of this folder has used so far: it shares the machine, and nobody waits for it as a child."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(folder / "orthanc.json").encode() in (process / "cmdline").read_bytes():
                used = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
                return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")
    raise RuntimeError("there is no Orthanc of this folder")


def figures_of(took: Took, rate: Rate, n: int) -> dict[str, float]:
    """The rate beside its limit, by the clock and by what the processor did."""
    limit = N_PROCESSES * n / took.clock[EXAMINE]
    return {
        "n_batch_frames": float(rate.n_frames),
        "batch_frames_per_s": rate.n_frames / rate.clock_s,
        "batch_limit_frames_per_s": limit,
        "batch_clock_ratio": rate.n_frames / rate.clock_s / limit,
        "batch_processor_ratio": (took.processor[EXAMINE] / n) / (rate.processor_s / rate.n_frames),
        "batch_frame_processor_ms": 1000 * rate.processor_s / rate.n_frames,
        "batch_examine_processor_ms": 1000 * took.processor[EXAMINE] / n,
        "batch_archive_processor_ms": 1000 * rate.archive_s / rate.n_frames,
    }


def tables_of(took: Took, figures: dict[str, float], n: int) -> list[Table]:
    """Rate and limit, and where the rest goes."""
    rows = [
        ["frames a second", figures["batch_frames_per_s"]],
        [f"limit: `examine` alone on {N_PROCESSES} cores, frames a second", figures["batch_limit_frames_per_s"]],
        ["rate of the limit, by the clock", figures["batch_clock_ratio"]],
        ["processor time of a frame, start of the processes included, ms", figures["batch_frame_processor_ms"]],
        ["of it `examine`, ms", figures["batch_examine_processor_ms"]],
        ["`examine` of the processor time", figures["batch_processor_ratio"]],
        ["processor time of Orthanc beside it, ms", figures["batch_archive_processor_ms"]],
    ]
    names = [*STEPS, WHOLE]
    rest = [sum(times[name] for name in STEPS) for times in (took.clock, took.processor)]
    steps: list[list[object]] = [[name, *(1000 * t[name] / n for t in (took.clock, took.processor))] for name in names]
    left = [1000 * (t[WHOLE] - known) / n for t, known in zip((took.clock, took.processor), rest, strict=True)]
    steps.insert(-1, ["frames taken from the spool, and the rest", *left])
    note = "One study in one process, without the command's start. What is done once a study is spread over its frames."
    return [
        Table(title="Rate", head=("what", "measured"), rows=rows),
        Table(title="Where a frame's time goes", head=("step", "clock ms", "processor ms"), rows=steps, notes=[note]),
    ]
