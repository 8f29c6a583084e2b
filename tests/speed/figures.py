"""What a measurement comes back as: tables for people, figures for tests and targets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}


class Batch(NamedTuple):
    """Objects of one kind, and how many of them a sender has."""

    px: int
    bits: int
    n_frames: int
    n_objects: int

    def __str__(self) -> str:
        return f"{self.px} x {self.px}, {self.bits} bit" + (f", {self.n_frames} frames" if self.n_frames > 1 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured: the full run, or a small one that only shows that everything works."""

    n_objects: int = 100
    n_warm: int = 10
    n_repeats: int = 3
    object_px: int = 1024
    n_disk: int = 100
    batches: tuple[Batch, ...] = (
        Batch(1024, 16, 1, 20),
        Batch(512, 8, 1, 40),
        Batch(1024, 16, 100, 1),
        Batch(512, 8, 100, 2),
    )
    environments: tuple[str, ...] = ("default", "TCP_NODELAY=1")
    pace_s: float = 6.0
    stage_px: tuple[int, ...] = (512, 1024)
    n_stage_frames: int = 200
    latency_px: tuple[int, ...] = (512, 1024)
    latency_rates: tuple[float, ...] = (15.0, 30.0)
    latency_s: float = 20.0
    n_appends: int = 1000
    n_entries: int = 1_000_000
    n_procedures: int = 2000
    n_asks: int = 60
    run_px: int = 512
    n_run_frames: int = 100
    crowds: tuple[int, ...] = (1, 50)
    crowd_px: int = 512
    crowd_s: float = 20.0
    cohort_sizes: tuple[int, ...] = (10_000, 100_000)
    n_studies: int = 50
    n_study_frames: int = 40
    study_px: int = 512


FULL = Sizes()
QUICK = Sizes(
    n_objects=4,
    n_warm=1,
    n_repeats=1,
    object_px=256,
    n_disk=4,
    batches=(Batch(128, 16, 1, 2), Batch(128, 8, 3, 1)),
    environments=("TCP_NODELAY=1",),
    pace_s=0.5,
    stage_px=(256,),
    n_stage_frames=16,
    latency_px=(256,),
    latency_rates=(8.0,),
    latency_s=2.0,
    n_appends=20,
    n_entries=400,
    n_procedures=8,
    n_asks=3,
    run_px=256,
    n_run_frames=6,
    crowds=(3,),
    crowd_px=256,
    crowd_s=2.0,
    cohort_sizes=(40,),
    n_studies=1,
    n_study_frames=6,
    study_px=256,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table; ``notes`` are sentences below it."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    notes: Sequence[str] = ()

    def lines(self) -> list[str]:
        """The table as text that is plain on a terminal and a table in Markdown; numbers to the right."""
        cells = [[_text(cell) for cell in row] for row in self.rows]
        widths = [max(len(row[at]) for row in (list(self.head), *cells)) for at in range(len(self.head))]
        is_number = [all(not isinstance(row[at], str) for row in self.rows) for at in range(len(self.head))]
        rule = [
            "-" * (width - 1) + ":" if right else "-" * width for width, right in zip(widths, is_number, strict=True)
        ]
        body = [_line(row, widths, is_number) for row in (list(self.head), rule, *cells)]
        return [f"### {self.title}", "", *body, "", *(line for note in self.notes for line in (note, ""))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One part of the bench. ``figures`` are named with their unit: ``.._per_s``, ``.._ms``, ``n_..``, ``.._ratio``."""

    title: str
    about: str
    tables: Sequence[Table] = ()
    figures: dict[str, float] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The part as text."""
        return [f"## {self.title}", "", self.about, "", *(line for table in self.tables for line in table.lines())]


def spread(values: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and max by nearest rank; of nothing, not a number."""
    ordered = sorted(values)
    if not ordered:
        return dict.fromkeys(SHARES, math.nan)
    return {name: ordered[max(1, math.ceil(share * len(ordered))) - 1] for name, share in SHARES.items()}


def median(values: Sequence[float]) -> float:
    """The middle one, or the mean of the middle two."""
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _text(cell: object) -> str:
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "-"
    if isinstance(cell, float):
        return f"{cell:.{0 if abs(cell) >= 100 else 1 if abs(cell) >= 10 else 2}f}"
    return str(cell)


def _line(cells: Sequence[str], widths: Sequence[int], is_number: Sequence[bool]) -> str:
    placed = [
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, is_number, strict=True)
    ]
    return f"| {' | '.join(placed)} |"
