"""What peers tell us beside images: commitments asked and answered, procedure steps begun and ended.

A notice is one numbered file, fsynced before its sender is told of success, and read by a role that has the database.
Numbers ascend with the time of receipt. A notice may name a patient, as an object of the spool does.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Kind(StrEnum):
    """What a notice is about."""

    COMMITMENT_ASKED = "commitment_asked"
    COMMITMENT_ANSWERED = "commitment_answered"
    STEP_CREATED = "step_created"
    STEP_SET = "step_set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message of one peer; ``told`` is plain JSON."""

    number: int
    kind: Kind
    source: str
    received_at: float
    told: Mapping[str, Any]


class Notices:
    """The folder of notices. Any number of processes may add and read at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, kind: Kind, *, source: str, received_ns: int, told: Mapping[str, Any]) -> Notice:
        """Keep a notice. On return it is durable; on OSError nothing of it is left."""
        content = _clean({"source": source, "received_at": received_ns / 1e9, "told": told})
        with (self._folder / "lock").open("a+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            number = max(received_ns // 1000, self._last() + 1)
            path = self._folder / f"{number:020d}.{kind}.json"
            part = path.with_suffix(".part")
            try:
                _write(part, json.dumps(content).encode())
                part.rename(path)
            finally:
                part.unlink(missing_ok=True)
            _sync_folder(self._folder)
        return Notice(number=number, kind=kind, source=source, received_at=received_ns / 1e9, told=told)

    def after(self, number: int, limit: int = 100) -> list[Notice]:
        """The first ``limit`` notices beyond ``number``, ascending."""
        names = [name for name in self._names() if int(name.partition(".")[0]) > number]
        return [_read(self._folder / name) for name in names[:limit]]

    def prune(self, number: int, before: float) -> int:
        """Remove notices up to ``number`` that came before this time; how many."""
        old = [name for name in self._names() if int(name.partition(".")[0]) <= min(number, int(before * 1e6))]
        for name in old:
            (self._folder / name).unlink(missing_ok=True)
        return len(old)

    def _names(self) -> list[str]:
        return sorted(name for name in os.listdir(self._folder) if name.endswith(".json"))  # noqa: PTH208 - names only

    def _last(self) -> int:
        names = self._names()
        return int(names[-1].partition(".")[0]) if names else 0


def _clean(value: Any) -> Any:
    """The same without characters that a database cannot hold: NUL, and halves of surrogate pairs."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {name: _clean(each) for name, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list | tuple) else value


def _read(path: Path) -> Notice:
    number, kind, _ = path.name.split(".")
    content = json.loads(path.read_text(encoding="utf-8"))
    return Notice(number=int(number), kind=Kind(kind), **content)


def _write(path: Path, content: bytes) -> None:
    fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o640)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    finally:
        os.close(fd)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
