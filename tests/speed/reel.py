"""Objects to measure with: a phantom's lateral procedure as single images, composed before anything is timed."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from detection.phantom.scene import SCENARIOS
from dicom_gateway.compose import study_of

STORY = "canal_leak"
MOST_DRAWN = 200
"""Pictures that are drawn; a longer reel shows each of them more than once, every time with noise of its own."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reel:
    """The whole story at one size, whatever the number of pictures; 16 bits a pixel in explicit little endian."""

    px: int
    drawn: tuple[Dataset, ...]

    def write(self, folder: Path, n: int, *, start: int = 0) -> list[Path]:
        """``n`` objects of a new study in ``folder``, in order; all UIDs are new."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{number:05d}.dcm" for number in range(start, start + n)]
        for path, dataset in zip(paths, self._objects(n), strict=True):
            dataset.save_as(path, enforce_file_format=True)
        return paths

    def _objects(self, n: int) -> Iterator[Dataset]:
        rng = np.random.default_rng(7)
        study, series = str(generate_uid()), str(generate_uid())
        for number in range(n):
            dataset = deepcopy(self.drawn[number * len(self.drawn) // n])
            stored = np.frombuffer(dataset.PixelData, dtype=np.uint16).astype(np.int32)
            stored += rng.integers(-2, 3, stored.size, dtype=np.int32)
            dataset.PixelData = np.clip(stored, 0, 2**dataset.BitsStored - 1).astype(np.uint16).tobytes()
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
            dataset.SOPInstanceUID = generate_uid()
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            dataset.InstanceNumber = number + 1
            yield dataset


def draw(px: int, n: int) -> Reel:
    """A reel of ``px`` times ``px`` that has at least one picture and shows needle, cement and leak."""
    story = SCENARIOS[STORY]
    n_drawn = max(1, min(n, MOST_DRAWN))
    scene = replace(
        story,
        size=(px, px),
        mm_per_px=story.mm_per_px * story.size[0] / px,
        frame_rate=n_drawn / story.duration_s,
    )
    drawn = tuple(due.content for due in study_of(scene) if isinstance(due.content, Dataset))
    return Reel(px=px, drawn=drawn)
