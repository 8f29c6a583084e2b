"""Phantoms leave as real DICOM."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from detection.phantom.scene import SCENARIOS, Scene, play
from detection.vocabulary import Intensity, Polarity, View
from dicom_gateway import sop_classes
from dicom_gateway.compose import Form, run_of, study_of, write_phantom
from dicom_gateway.due import Due, due_from_folder
from dicom_gateway.frames import frames_of
from dicom_gateway.header import read_header
from dicom_gateway.sender import send

STARTED = 1_700_000_000.25


@pytest.fixture(scope="module")
def scene() -> Scene:
    return replace(SCENARIOS["contained"], size=(128, 128), duration_s=0.3, mm_per_px=1.0)


@pytest.fixture(scope="module")
def shots(scene):
    return list(play(scene))


@pytest.fixture
def received(peer, spool):
    """Send these objects; header and frames of each arrival."""

    def receive(due):
        before = spool.newest()
        assert {each.status for each in send(due, peer, speed=None, clock=time.monotonic, sleep=time.sleep)} == {0}
        seen = [(arrival, read_header(arrival.path)) for arrival in spool.after(before)]
        return [(header, list(frames_of(arrival, header))) for arrival, header in seen]

    return receive


@pytest.mark.parametrize(
    "syntax", [*sop_classes.NATIVE, sop_classes.RLE, sop_classes.JPEG_LS, sop_classes.JPEG_2000_LOSSLESS]
)
def test_single_images_arrive_as_the_detector_stored_them(scene, shots, received, syntax):
    seen = received(study_of(scene, transfer_syntax=syntax, started_at=STARTED))
    assert len(seen) == len(shots) == 3
    for (header, (frame,)), shot in zip(seen, shots, strict=True):
        assert np.array_equal(frame.pixels, shot.pixels)
        assert header.transfer_syntax_uid == syntax
        assert header.acquired_at == pytest.approx(STARTED + shot.time_s, abs=1e-5)
    header, (frame,) = seen[0]
    assert (header.view, frame.intensity, frame.polarity) == (View.LATERAL, Intensity.LINEAR, Polarity.DENSE_IS_DARK)
    assert header.mm_per_px == pytest.approx(scene.mm_per_px, rel=1e-4)
    assert (header.patient.name, header.patient.id) == ("PHANTOM^contained", "PHANTOM")


def test_a_run_is_one_object_with_its_frame_time(scene, shots, received):
    ((header, frames),) = received([Due(offset_s=0, content=run_of(scene, started_at=STARTED))])
    assert header.n_frames == 3
    assert header.time_base == "FrameTime"
    assert header.frame_offsets_s == pytest.approx([shot.time_s for shot in shots])
    assert all(np.array_equal(frame.pixels, shot.pixels) for frame, shot in zip(frames, shots, strict=True))


@pytest.mark.parametrize(
    ("form", "sop_class", "photometric"),
    [
        (Form.SC, sop_classes.SC, "MONOCHROME2"),
        (Form.SC_MONOCHROME1, sop_classes.SC, "MONOCHROME1"),
        (Form.RGB, sop_classes.SC, "RGB"),
    ],
)
def test_captures_have_eight_bits_and_no_geometry(scene, shots, received, form, sop_class, photometric):
    header, (frame,) = received(study_of(scene, as_=form))[0]
    shown = (shots[0].pixels >> 4).astype(np.float32)
    assert np.allclose(frame.pixels, shown, atol=0.01)
    assert (header.sop_class_uid, header.photometric, frame.ceiling) == (sop_class, photometric, pytest.approx(255))
    assert (header.view, header.mm_per_px, frame.polarity) == (View.UNKNOWN, None, Polarity.UNCERTAIN)


def test_xrf_has_scale_and_no_angle(scene, received):
    header, _ = received(study_of(scene, as_="xrf"))[0]
    assert (header.sop_class_uid, header.modality, header.view) == (sop_classes.XRF, "RF", View.UNKNOWN)
    assert header.mm_per_px is not None


def test_a_logarithmic_chain_leads_back_to_linear(scene, received):
    log = replace(scene, chain=replace(scene.chain, intensity=Intensity.LOG))
    _, (frame,) = received(study_of(log))[0]
    _, (linear,) = received(study_of(scene))[0]
    assert frame.intensity is Intensity.LINEAR
    inside = (linear.pixels > 200) & (linear.pixels < 3500)
    assert np.corrcoef(frame.pixels[inside], linear.pixels[inside])[0, 1] > 0.999


def test_a_study_uid_decides_all_others_and_two_studies_share_none(scene):
    def uids(study_uid):
        return [str(due.content.SOPInstanceUID) for due in study_of(scene, study_uid=study_uid)]

    assert uids("1.2.3") == uids("1.2.3")
    assert not set(uids(None)) & set(uids(None))


def test_a_seed_makes_another_patient(scene):
    first, second = (next(study_of(scene, seed=seed)).content.PixelData for seed in (1, 2))
    assert first != second


def test_a_phantom_folder_can_be_sent_and_holds_the_truth(scene, shots, tmp_path):
    truth = json.loads(write_phantom(scene, tmp_path / "phantom", started_at=STARTED).read_text())
    assert [frame["index"] for frame in truth["frames"]] == [0, 1, 2]
    assert truth["frames"][0]["corners"]["near_superior"] == pytest.approx(shots[0].truth.corners.near_superior)
    due = due_from_folder(tmp_path / "phantom")
    assert [each.content.name for each in due] == [frame["file"] for frame in truth["frames"]]
    assert [each.offset_s for each in due] == pytest.approx([shot.time_s for shot in shots], abs=1e-5)
    assert read_header(due[0].content).sop_instance_uid == truth["frames"][0]["sop_instance_uid"]
