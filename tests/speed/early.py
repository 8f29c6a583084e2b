"""Frames before the end: how long after its own last byte a frame of a run is judged, while the run is still being sent."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset

from detection.vocabulary import Entry
from tests.dicom_gateway.trickle import Trickle
from tests.journeys.house import House
from tests.speed.figures import Report, Sizes, Table, median, spread
from tests.speed.latency import SOURCE, frames_judged
from tests.speed.reel import draw

LINKS: dict[str, float | None] = {"6 MB/s": 6e6, "as fast as it goes": None}
"""What the standard's own sample statement gives a run on 100 Mbit/s, and loopback."""
HEAD = ("link", "frames", "send s", "first ms", "p50 ms", "p95 ms", "max ms", "first judged before the end s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """When the last byte of each frame had gone to the socket, and when the journal says that it was judged."""

    sent_at: list[float]
    entries: list[Entry]

    def ms(self) -> list[float]:
        """From a frame's last byte to its verdict, in the order of frames."""
        judged = {entry.frame.index: entry.times["judged"] or 0.0 for entry in self.entries if entry.frame}
        return [1000 * (judged[index] - at) for index, at in enumerate(self.sent_at)]

    def lead_s(self) -> float:
        """How long before the object's last byte the first frame was judged."""
        return self.sent_at[-1] - self.sent_at[0] - self.ms()[0] / 1000


def measure(sizes: Sizes, folder: Path) -> Report:
    """Every link, repeated, on one installation."""
    reel = draw(sizes.run_px, sizes.n_run_frames)
    house = House(folder=folder / "early", settings={})
    rows: list[list[object]] = []
    figures: dict[str, float] = {}
    try:
        house.open("all")
        _send(house, _run(reel.write(folder / "warm", 4), folder), None)
        for name, rate in LINKS.items():
            sendings = [
                _send(house, _run(reel.write(folder / f"{name}-{again}", sizes.n_run_frames), folder), rate)
                for again in range(sizes.n_repeats)
            ]
            rows.append(_row(name, sizes, sendings))
            key = "paced" if rate else "unpaced"
            figures[f"early_{key}_first_ms"] = median([each.ms()[0] for each in sendings])
            figures[f"early_{key}_p50_ms"] = median([spread(each.ms())["p50"] for each in sendings])
    finally:
        house.end()
        shutil.rmtree(folder / "early", ignore_errors=True)
    about = (
        f"A run of {sizes.n_run_frames} frames of {sizes.run_px} x {sizes.run_px} x 16 bit "
        f"({sizes.n_run_frames * sizes.run_px**2 * 2 / 2**20:.0f} MiB) as one object over a raw association, `cementwatch all` with "
        "its default settings and SQLite, medians of the repeats. From the moment at which a frame's last byte has been handed to the "
        "sender's socket to the journal's `judged` of that frame."
    )
    note = "As fast as it goes the frames queue for the analysis; their time is that of `examine`, one after another."
    return Report(
        title="Frames before the end",
        about=about,
        tables=[Table(title="By link", head=HEAD, rows=rows, notes=[note])],
        figures=figures,
    )


def _row(name: str, sizes: Sizes, sendings: Sequence[Sending]) -> list[object]:
    shares = [spread(each.ms()) for each in sendings]
    return [
        name,
        sizes.n_run_frames,
        median([each.sent_at[-1] - each.sent_at[0] for each in sendings]),
        median([each.ms()[0] for each in sendings]),
        *(median([share[what] for share in shares]) for what in ("p50", "p95", "max")),
        median([each.lead_s() for each in sendings]),
    ]


def _run(paths: list[Path], folder: Path) -> Path:
    """One multi-frame object of single ones."""
    singles = [dcmread(path) for path in paths]
    run: Dataset = singles[0]
    run.NumberOfFrames = len(singles)
    run.FrameTime = "66"
    run.FrameIncrementPointer = 0x00181063
    run.PixelData = np.concatenate([np.frombuffer(each.PixelData, np.uint16) for each in singles]).tobytes()
    path = folder / f"{run.SOPInstanceUID}.dcm"
    run.save_as(path, enforce_file_format=True)
    return path


def _send(house: House, path: Path, rate: float | None) -> Sending:
    """Send one run, in pieces of a frame, and wait until all of it is judged."""
    run = dcmread(path)
    n_frames, uid = int(run.NumberOfFrames), str(run.SOPInstanceUID)
    n_bytes = len(run.PixelData) // n_frames
    sender = Trickle(house.dicom_port, path, calling=SOURCE)
    head = len(sender.content) - len(run.PixelData)
    sent_at: list[float] = []
    began = time.monotonic()
    for index in range(n_frames):
        end = head + (index + 1) * n_bytes
        if rate is not None:
            time.sleep(max(0.0, began + end / rate - time.monotonic()))
        if index + 1 < n_frames:
            sender.send_to(end)
            sent_at.append(time.time())
    sent_at.append(time.time())
    if (status := sender.finish()) != 0:
        raise RuntimeError(f"the run was answered with 0x{status:04X}")

    def entries() -> list[Entry]:
        return [each for each in frames_judged(house, SOURCE) if each.frame and each.frame.sop_instance_uid == uid]

    house.until(lambda: len(entries()) >= n_frames, "the run is judged")
    return Sending(sent_at=sent_at, entries=entries())
