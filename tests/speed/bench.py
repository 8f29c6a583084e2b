"""``make bench``: what the product can do on this machine, beside its peers, in one run.

``python -m tests.speed.bench [--quick] [--only PART] [--folder FOLDER] [--write [FILE]]``
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.conftest import CHECKOUT
from tests.speed import batches, cohorts, crowd, early, latency, machine, peers, stages, storing, volume, writing
from tests.speed.figures import FULL, QUICK, Report, Sizes, Table

DOCUMENT = CHECKOUT / "docs" / "performance.md"
PARTS: dict[str, Callable[[Sizes, Path], Report]] = {
    "store": storing.measure,
    "peers": peers.measure,
    "stages": stages.measure,
    "latency": latency.measure,
    "crowd": crowd.measure,
    "early": early.measure,
    "batches": batches.measure,
    "journal": writing.measure,
    "cohorts": cohorts.measure,
    "volume": volume.measure,
}
TARGETS = (
    ("decode and examine, 1024 x 1024, one core, median ms", "decode_examine_1024_p50_ms", 15.0, False),
    ("decode and examine, 1024 x 1024, one core, p99 ms", "decode_examine_1024_p99_ms", 25.0, False),
    ("objects of 2 MiB a second from one sender", "cementwatch_default_objects_per_s", 60.0, True),
    *(
        (f"{objects}, least of all senders: ours / {receiver}", f"peers_{kind}_{figure}_least_ratio", value, True)
        for objects, kind in (("single images", "single"), ("runs of 100 frames", "run"))
        for receiver, figure, value in (
            ("Orthanc, default", "orthanc_default", 5.0),
            ("Orthanc, TCP_NODELAY=1", "orthanc_nodelay", 1.5),
            ("storescp, TCP_NODELAY=1", "storescp_nodelay", 1.5),
        )
    ),
    ("C-STORE round trip of an unmodified sender at 30 fps, p99 ms", "peers_paced_cementwatch_p99_ms", 15.0, False),
    ("C-STORE round trip at 30 fps, 1024 x 1024, p99 ms", "store_1024_30fps_p99_ms", 20.0, False),
    ("first frame of a 50 MiB run judged after its last byte, ms", "early_paced_first_ms", 20.0, False),
    ("success to visible at 15 fps, 1024 x 1024, p95 ms", "visible_1024_15fps_p95_ms", 150.0, False),
    ("success to visible at 15 fps, 1024 x 1024, p99 ms", "visible_1024_15fps_p99_ms", 300.0, False),
    ("success to visible at 30 fps, 1024 x 1024, p95 ms", "visible_1024_30fps_p95_ms", 150.0, False),
    ("success to visible at 30 fps, 1024 x 1024, p99 ms", "visible_1024_30fps_p99_ms", 300.0, False),
    ("received to visible before 50 listeners and 50 pollers, p95 ms", "crowd_50_visible_p95_ms", 100.0, False),
    ("received to visible before 50 listeners and 50 pollers, p99 ms", "crowd_50_visible_p99_ms", 150.0, False),
    ("a poll that finds nothing new, one of 50, p95 ms", "crowd_50_quiet_poll_p95_ms", 5.0, False),
    *(
        (f"{question}, 100,000 operations, p95 ms", f"cohort_100000_{question.replace(' ', '_')}_p95_ms", 1000.0, False)
        for question in cohorts.QUESTIONS
    ),
    *(
        (
            f"{question}, a million entries, {database}, p95 ms",
            f"volume_{database.lower()}_{figure}_p95_ms",
            100.0,
            False,
        )
        for database in ("SQLite", "PostgreSQL")
        for question, figure in (("first page", "first_page"), ("search", "search"), ("timeline", "timeline_log"))
    ),
)
"""What, figure, value, and whether more is better."""
INTRODUCTION = """\
# Performance

Measured, not estimated: `make bench` makes every figure below anew, on one machine and in one run, beside the real Orthanc
and DCMTK's storescp. `.venv/bin/python -m tests.speed.bench --write` writes this file. Figures hold for the machine
that is named here; ratios travel better than rates. Simulated images only.
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run the bench; 0 when every part that was asked for could run."""
    parser = argparse.ArgumentParser(prog="python -m tests.speed.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that it works")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part only; may be given again")
    parser.add_argument(
        "--folder", type=Path, help="the disk to measure on; the system's temporary folder if not given"
    )
    parser.add_argument(
        "--write", type=Path, nargs="?", const=DOCUMENT, help="write the report, docs/performance.md if not named"
    )
    asked = parser.parse_args(words)
    if asked.write == DOCUMENT and (asked.quick or asked.only):
        parser.error("the document is written from a full run only; name another file")
    lines = [INTRODUCTION] if asked.write else []
    for text in run(QUICK if asked.quick else FULL, asked.only or list(PARTS), asked.folder):
        print(text, flush=True)
        lines.append(text)
    if asked.write:
        asked.write.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return 0


def run(sizes: Sizes, parts: Sequence[str], base: Path | None = None) -> Iterator[str]:
    """The report, part by part as they are done; targets at the end."""
    _forget_surroundings()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cementwatch-bench-", dir=base) as scratch:
        figures: dict[str, float] = {}
        for measure in (machine.measure, *(PARTS[part] for part in parts)):
            report = measure(sizes, Path(scratch))
            figures |= report.figures
            yield "\n".join(report.lines())
    if sizes is FULL:
        yield "\n".join(targets(figures).lines())
    yield f"The run took {(time.monotonic() - began) / 60:.1f} minutes."


def targets(figures: dict[str, float]) -> Report:
    """The targets of the design against what was measured; a figure that was not measured is left out."""
    rows: list[list[object]] = []
    for what, figure, value, is_more_better in TARGETS:
        if figure in figures:
            is_met = figures[figure] >= value if is_more_better else figures[figure] <= value
            rows.append(
                [
                    what,
                    f"{'at least' if is_more_better else 'at most'} {value:g}",
                    figures[figure],
                    "yes" if is_met else "no",
                ]
            )
    table = Table(title="Met or not", head=("what", "target", "measured", "met"), rows=rows)
    about = "What the design asks of a machine with two cores."
    return Report(title="Targets", about=about, tables=[table])


def _forget_surroundings() -> None:
    """The settings of whoever calls must not be those of the processes that are measured."""
    for name in [name for name in os.environ if name.startswith("CEMENTWATCH_") or name == "TCP_NODELAY"]:
        del os.environ[name]


if __name__ == "__main__":
    sys.exit(main())
