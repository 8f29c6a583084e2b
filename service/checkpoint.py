"""A case's memory on disk, so that a restarted ``watch`` need not look at every earlier frame again.

A checkpoint is a convenience, never the truth: one that is missing, torn, or of other rules is ignored, and the case is
rebuilt from journal and spool. The files are pickles: they lie in our own data folder (mode 0700) and nobody else's are read.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
from pathlib import Path

from detection.vocabulary import Mode
from service.journey import Case

LOG = logging.getLogger(__name__)

SHAPE = 3
"""Raised when what a case is made of changes: a checkpoint of another shape is ignored."""


class Checkpoints:
    """The folder of checkpoints, one file for each case."""

    def __init__(self, folder: Path, rules_hash: str) -> None:
        self._folder = folder
        self._made_for = (SHAPE, rules_hash)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def save(self, case: Case) -> None:
        """Keep this case; an old one is replaced in one step. OSError when the disk is full."""
        path = self._path(case.procedure, case.source, case.mode)
        part = path.with_suffix(".part")
        with part.open("wb") as file:  # pictures go straight into the file; as bytes they would be in memory twice
            pickle.dump((self._made_for, case), file, protocol=pickle.HIGHEST_PROTOCOL)
        part.replace(path)

    def load(self, procedure: str, source: str, mode: Mode) -> Case | None:
        """The case as it was last kept, or None."""
        path = self._path(procedure, source, mode)
        try:
            if path.stat().st_uid != os.getuid():
                return None
            made_for, case = pickle.loads(path.read_bytes())  # noqa: S301 - our own file in our own folder, see above
        except FileNotFoundError:
            return None
        except Exception:  # noqa: BLE001 - whatever is wrong with it, the journal knows better
            LOG.warning("checkpoint unreadable; the case is rebuilt from the spool")
            return None
        return case if made_for == self._made_for and isinstance(case, Case) else None

    def sweep(self, before: float) -> None:
        """Remove what was last saved before this time, in seconds since 1970."""
        for path in self._folder.iterdir():
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)

    def _path(self, procedure: str, source: str, mode: Mode) -> Path:
        name = hashlib.sha256(f"{procedure}\n{source}\n{mode}".encode()).hexdigest()[:32]
        return self._folder / f"{name}.case"
