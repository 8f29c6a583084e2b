"""Scenes that were played before, and what came of them, kept in a folder of its own.

Names are digests of all that decides the content (the scene, the source it is played with, the scan), so nothing here
can be stale: what would come out otherwise has another name. Any part of the folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path

import detection
from detection.phantom.reel import Packed, pack, unpack
from detection.phantom.scene import Scene, Shot, play

PARTS = ("said", "masks", "pixels")
SUFFIXES = frozenset({".reel", ".said", ".part"})
"""Ours; whatever else lies in the folder stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A folder of reels and outcomes, ``most_bytes`` at most; 0 keeps nothing."""

    folder: Path
    most_bytes: int

    def shots(self, scene: Scene, *, patient: str = "") -> Iterator[Shot]:
        """The shots of a scene, from its reel or played now and kept. ``patient`` tells whose scan the scene holds."""
        path = self.folder / f"{digest_of(scene, patient, phantom_source())}.reel"
        n_told = 0
        for shots in (_read(path), self._filmed(scene, path)):
            # What is missing, cut short or broken, or finds no room, is played from there on.
            with suppress(OSError, zipfile.BadZipFile, KeyError, ValueError):
                for shot in islice(shots, n_told, None):
                    yield shot
                    n_told += 1
                return
        yield from islice(play(scene), n_told, None)

    def _filmed(self, scene: Scene, path: Path) -> Iterator[Shot]:
        """The shots of a scene, written as they are played."""
        handle, part = self._begin()
        try:
            with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as reel:
                for k, shot in enumerate(play(scene)):
                    _put(reel, k, pack(shot))
                    yield shot
            self._name(part, path)
        finally:
            part.unlink(missing_ok=True)

    def said(self, name: str) -> str | None:
        """The text that was kept under a digest."""
        path = self.folder / f"{name}.said"
        with suppress(OSError, ValueError):
            text = path.read_text(encoding="utf-8")
            os.utime(path)
            return text
        return None

    def keep(self, name: str, text: str) -> None:
        """Keep a text, such as what came of a scene, under a digest."""
        with suppress(OSError):
            handle, part = self._begin()
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            self._name(part, self.folder / f"{name}.said")

    def _begin(self) -> tuple[int, Path]:
        if not self.most_bytes:
            raise FileNotFoundError("nothing is to be kept")
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
        return handle, Path(name)

    def _name(self, part: Path, path: Path) -> None:
        """Give a finished part its name; what was not used for longest makes room."""
        part.replace(path)
        used = 0
        ours = [each for each in self.folder.iterdir() if each.suffix in SUFFIXES]
        for old in sorted(ours, key=_last_used, reverse=True):
            with suppress(OSError):
                used += old.stat().st_size
                if used > self.most_bytes:
                    old.unlink()


def _last_used(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _put(reel: zipfile.ZipFile, number: int, packed: Packed) -> None:
    for part in PARTS:
        how = zipfile.ZIP_DEFLATED if part == "masks" else zipfile.ZIP_STORED
        reel.writestr(f"{number:05d}.{part}", getattr(packed, part), compress_type=how, compresslevel=1)


def _read(path: Path) -> Iterator[Shot]:
    with zipfile.ZipFile(path) as reel:
        os.utime(path)
        for number in range(len(reel.namelist()) // len(PARTS)):
            yield unpack(Packed(**{part: reel.read(f"{number:05d}.{part}") for part in PARTS}))


def digest_of(*parts: object) -> str:
    """A name that these values always give; values whose ``repr`` tells all of them."""
    return hashlib.blake2b("\n".join(map(repr, parts)).encode(), digest_size=20).hexdigest()


def file_digest(path: Path) -> str:
    """A name for the bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


@cache
def phantom_source() -> str:
    """A name for the code and the libraries that decide what a scene looks like."""
    root = _detection()
    return _source_of([*sorted((root / "phantom").glob("*.py")), root / "vocabulary.py"])


@cache
def judging_source() -> str:
    """A name for the code that decides what comes of a scene."""
    return _source_of([*sorted(_detection().rglob("*.py")), *sorted(Path(__file__).parent.glob("*.py"))])


def _detection() -> Path:
    return Path(detection.__file__ or "").parent


def _source_of(paths: list[Path]) -> str:
    wholes = [(path.name, path.read_bytes()) for path in paths]
    return digest_of(wholes, version("numpy"), version("opencv-python-headless"))
