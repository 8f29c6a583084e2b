"""A labelled CT is read whichever way its voxels lie."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from detection.phantom.ct import body_from_ct
from detection.phantom.scene import SCENARIOS, play
from service.scan import ScanMissing, read_scan, scene_from_folder


def write(folder, name, voxels, affine):
    nibabel.save(nibabel.Nifti1Image(voxels, affine), folder / name)


def test_voxels_are_turned_to_left_back_head(tmp_path):
    # Written as right, front, head: x and y run the other way.
    voxels = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    write(tmp_path, "one.nii.gz", voxels, affine)
    write(tmp_path, "one_labels.nii.gz", (voxels > 10).astype(np.uint8), affine)
    scan = read_scan(tmp_path)
    assert scan.spacing_mm == (3.0, 2.0, 1.0)
    assert scan.hounsfield.shape == (6, 5, 4)
    assert scan.hounsfield.dtype == np.float32
    assert np.array_equal(scan.hounsfield, voxels[::-1, ::-1].transpose(2, 1, 0))
    assert scan.labels.dtype == np.uint8


def test_a_folder_without_labels_is_refused(tmp_path):
    write(tmp_path, "one.nii.gz", np.zeros((4, 4, 4), np.int16), np.eye(4))
    with pytest.raises(ScanMissing):
        read_scan(tmp_path)


def test_labels_of_another_shape_are_refused(tmp_path):
    write(tmp_path, "one.nii.gz", np.zeros((4, 4, 4), np.int16), np.eye(4))
    write(tmp_path, "one_labels.nii.gz", np.zeros((4, 4, 5), np.uint8), np.eye(4))
    with pytest.raises(ScanMissing):
        read_scan(tmp_path)


def test_a_real_scan_can_be_treated(shared):
    scene = scene_from_folder(shared / "ct", SCENARIOS["contained"], level="L1")
    body = body_from_ct(scene.scan, "L1")
    assert 28 < body.vertebra.mid_depth < 38
    assert 18 < body.vertebra.height_posterior < 30
    shots = play(scene)
    shot = next(shots)
    assert shot.pixels.shape == scene.size
    assert shot.truth.volume_ml == 0
