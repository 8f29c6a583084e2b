"""What was measured on: processor, memory, disk and what a promise to it costs, versions."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from tests.conftest import SYSTEM_PATH, postgres_programs
from tests.speed.figures import Report, Sizes, Table, spread

LIBRARIES = ("numpy", "opencv-python-headless", "pydicom", "pynetdicom", "SQLAlchemy", "fastapi", "uvicorn")
FOREIGN = {
    "Orthanc": (["Orthanc", "--version"], SYSTEM_PATH),
    "DCMTK": (["storescp", "--version"], SYSTEM_PATH),
    "PostgreSQL": (["postgres", "--version"], None),
}
OBJECT_BYTES = 2 * 2**20


def measure(sizes: Sizes, folder: Path) -> Report:
    """The machine, and what its disk takes in the way the spool writes."""
    small, whole = disk_ms(folder, 4096, sizes.n_disk), disk_ms(folder, OBJECT_BYTES, sizes.n_disk)
    figures = {"disk_sync_p50_ms": spread(small)["p50"], "disk_objects_per_s": rate_of(whole)}
    rows = [
        ("processor", f"{_processor()}, {os.cpu_count()} cores"),
        ("memory", f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"),
        (
            "disk",
            f"{_file_system(folder)}; 4 KiB write + fsync {_said(small)}; 2 MiB as the spool does it {_said(whole)}",
        ),
        ("load before", " ".join(f"{load:.1f}" for load in os.getloadavg())),
        ("system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}"),
        ("libraries", ", ".join(f"{name} {version(name)}" for name in LIBRARIES)),
        ("peers", ", ".join(f"{name} {version_of(name) or 'not installed'}" for name in FOREIGN)),
    ]
    about = f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}. Sender, receiver and client share this machine."
    return Report(
        title="Machine", about=about, figures=figures, tables=[Table(title="Where", head=("what", "which"), rows=rows)]
    )


def disk_ms(folder: Path, n_bytes: int, n: int) -> list[float]:
    """Milliseconds of write, fsync, rename and fsync of the folder, ``n`` times: the least that a receiver can do."""
    content, times = os.urandom(n_bytes), []
    part, kept = folder / "disk.part", folder / "disk.kept"
    for _ in range(n):
        began = time.perf_counter()
        with part.open("wb", buffering=0) as file:
            file.write(content)
            os.fsync(file.fileno())
        part.rename(kept)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(fd)
        os.close(fd)
        times.append(1000 * (time.perf_counter() - began))
    kept.unlink()
    return times


def rate_of(times_ms: list[float]) -> float:
    """How often a second, one after another."""
    return 1000 * len(times_ms) / sum(times_ms)


def version_of(name: str) -> str | None:
    """The version that a foreign program tells, None when it is not installed."""
    command, path = FOREIGN[name]
    environment = {**os.environ, "PATH": path or postgres_programs()}
    try:
        said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
    except FileNotFoundError:
        return None
    found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout)
    return found[0] if found else None


def _said(times_ms: list[float]) -> str:
    share = spread(times_ms)
    return f"p50 {share['p50']:.1f}, p99 {share['p99']:.1f} ms"


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"model name\s*:\s*(.+)", text)
    return found[1].strip() if found else platform.machine()


def _file_system(folder: Path) -> str:
    """The kind of file system under ``folder``, by the longest mount point that holds it."""
    best, kind = "", "unknown"
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return kind
    for line in mounts:
        _, point, its_kind, *_ = line.split()
        if folder.resolve().is_relative_to(point) and len(point) >= len(best):
            best, kind = point, its_kind
    return kind
