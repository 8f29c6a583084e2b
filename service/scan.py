"""A labelled CT from NIfTI files, as the phantom wants it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel import orientations
from numpy.typing import NDArray

from detection.phantom.ct import scene_on_ct
from detection.phantom.script import Scan, Scene

TOWARDS = ("L", "P", "S")


class ScanMissing(Exception):
    """The folder holds no pair of a CT and its labels."""


def scene_from_folder(folder: Path, scene: Scene, *, level: str | None = None) -> Scene:
    """A scene with the patient of the CT in a folder, at the scene's level or another."""
    return scene_on_ct(scene, read_scan(folder), level)


def read_scan(folder: Path) -> Scan:
    """The first ``NAME.nii[.gz]`` in a folder that has a ``NAME_labels.nii[.gz]`` beside it.

    Voxels are turned so that x runs to the left, y to the back and z to the head. Raises ``ScanMissing``.
    """
    for labels in sorted(folder.glob("*_labels.nii*")):
        scan = labels.with_name(labels.name.replace("_labels.nii", ".nii"))
        if scan.exists():
            return _read_pair(scan, labels)
    raise ScanMissing("no NAME.nii.gz with NAME_labels.nii.gz in this folder")


def _read_pair(scan: Path, labels: Path) -> Scan:
    hounsfield, spacing = _turned(scan)
    marks, _ = _turned(labels)
    if marks.shape != hounsfield.shape:
        raise ScanMissing("labels and CT differ in shape")
    return Scan(
        hounsfield=np.ascontiguousarray(hounsfield.transpose(2, 1, 0), dtype=np.float32),
        labels=np.ascontiguousarray(marks.transpose(2, 1, 0)).astype(np.uint8),
        spacing_mm=(spacing[2], spacing[1], spacing[0]),
    )


def _turned(path: Path) -> tuple[NDArray[Any], tuple[float, float, float]]:
    """Voxels (X, Y, Z) and their spacing (mm) in the order left, back, head."""
    image: Any = nibabel.load(path)
    axes: Any = orientations
    turn = axes.ornt_transform(axes.io_orientation(image.affine), axes.axcodes2ornt(TOWARDS))
    turned = image.as_reoriented(turn)
    x, y, z = (float(mm) for mm in turned.header.get_zooms()[:3])
    return np.asarray(turned.dataobj), (x, y, z)
