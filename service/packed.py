"""A procedure as one zip file; for a download it is made without identity and in a process of its own.

Whoever serves screens has no second to spare, and whoever receives images no disk: one is made at a time, and given up
before the disk is too full to receive.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from dicom_gateway.confidential import Choice
from dicom_gateway.refusal import GatewayError
from service.export import Exported, Exporter
from service.processes import command_of

CHILD_S = 600.0
LOCK = "lock"
BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The time of every member: when it was packed is nobody's business, and the same procedure gives the same names."""


class Busy(GatewayError):
    """Another download is being made."""


def is_packed(out: Path) -> bool:
    """Whether what is exported there is to be one file."""
    return out.suffix.lower() == ".zip"


def export_packed(exporter: Exporter, id: str, out: Path, choice: Choice | None) -> Exported:
    """As ``Exporter.export``, into the new zip file ``out``, which is there whole or not at all."""
    if out.exists():
        raise FileExistsError("expected a file that is new")
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".export-", dir=out.parent))
    try:
        folder, part = unfinished / "procedure", unfinished / "part"
        exported = exporter.export(id, folder, choice)
        _pack(exporter, folder, part)
        part.chmod(0o640)
        part.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return exported


def _pack(exporter: Exporter, folder: Path, out: Path) -> None:
    """Each file goes once it is packed, so that the disk holds everything only once. OSError as from ``leave_room``."""
    with zipfile.ZipFile(out, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            n_bytes = path.stat().st_size
            exporter.leave_room(folder, n_bytes)
            member = zipfile.ZipInfo(str(path.relative_to(folder)), BEGINNING)
            member.compress_type, member.external_attr = zipfile.ZIP_DEFLATED, 0o640 << 16
            member.file_size = n_bytes  # beyond 2 GiB the head of a member is another
            with path.open("rb") as source, packed.open(member, "w") as target:
                shutil.copyfileobj(source, target, 2**20)
            path.unlink()


def packed_apart(environment: Mapping[str, str], folder: Path, id: str, actor: str, choice: Choice) -> IO[bytes]:
    """The open file, whose name is gone already: it ends with whoever reads it. ``folder`` is ours alone.

    Raises ``Busy``; ``GatewayError`` for whatever else went wrong there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy("another download is being made") from None
        _sweep(folder)
        out = folder / "procedure.zip"
        try:
            _run(environment, "export", id, "--out", str(out), "--deidentify", "--actor", actor, *_wishes_of(choice))
            return out.open("rb")
        finally:
            _sweep(folder)


def _wishes_of(choice: Choice) -> list[str]:
    wishes = (("--keep-dates", choice.keeps_dates), ("--keep-device", choice.keeps_device))
    return [word for word, is_wished in wishes if is_wished]


def _sweep(folder: Path) -> None:
    """The name of what is whole, and what a process left that died while it packed."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)


def _run(environment: Mapping[str, str], *words: str) -> None:
    try:
        ended = subprocess.run(
            command_of(*words), env=dict(environment), capture_output=True, timeout=CHILD_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise GatewayError("the export was not made in time") from None
    if ended.returncode != 0:
        raise GatewayError("the export could not be made")
