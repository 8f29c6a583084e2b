"""Short scenes: the published scenarios at half the size and a third of the time, so that a journey takes seconds."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from detection.phantom.flow import Leak, LeakKind
from detection.phantom.scene import SCENARIOS, Scene
from dicom_gateway.compose import write_phantom
from dicom_gateway.due import Due, due_from_folder

SMALL = {"size": (256, 256), "mm_per_px": 0.5, "frame_rate": 8.0, "start_s": 1.5}

LEAK = replace(
    SCENARIOS["canal_leak"],
    **SMALL,
    duration_s=8.0,
    knots=((3.5, 0.6), (6.5, 0.99), (8.0, 1.03)),
    leak=Leak(kind=LeakKind.CANAL, at_s=5.5, speed_mm_s=5.0, radius_mm=2.0, length_mm=18.0),
)
QUIET = replace(SCENARIOS["contained"], **SMALL, duration_s=6.0, knots=((6.0, 0.4),))


Corners = dict[str, tuple[float, float]]
"""True corners of the body in one frame, [row, col]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A scene as objects on disk: which frame each object is, where the body lies, and the frame on which the leak can first be seen."""

    scene: Scene
    folder: Path
    study: str
    index_of: dict[str, int]
    corners: list[Corners]
    onset: int | None

    @property
    def n_frames(self) -> int:
        """Objects, one frame each."""
        return len(self.index_of)

    def due(self) -> tuple[Due, ...]:
        """The objects in order, each when it was made."""
        return due_from_folder(self.folder)

    def paths(self) -> list[Path]:
        """The objects in order."""
        return sorted(self.folder.glob("*.dcm"))


def record(scene: Scene, folder: Path, **guise: object) -> Recording:
    """Write a scene as objects; ``guise`` as for ``write_phantom``."""
    truth = json.loads(write_phantom(scene, folder, **guise).read_text())
    frames = truth["frames"]
    return Recording(
        scene=scene,
        folder=folder,
        study=truth["study"],
        index_of={frame["sop_instance_uid"]: frame["index"] for frame in frames},
        corners=[frame["corners"] for frame in frames],
        onset=next((frame["index"] for frame in frames if frame["leak_visible"]), None),
    )
