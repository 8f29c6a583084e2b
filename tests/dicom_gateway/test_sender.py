"""Objects leave when they are due, to our own listener and to others."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from dicom_gateway import sop_classes
from dicom_gateway.due import Due, due_from_folder
from dicom_gateway.frames import frames_of
from dicom_gateway.header import read_header
from dicom_gateway.peer import Peer, echo
from dicom_gateway.refusal import Unreachable
from dicom_gateway.sender import CONTEXT_REFUSED, send
from tests.conftest import running, unused_port, wait_until
from tests.dicom_gateway.objects import data_set_of, image, other, ramp, saved


class Clock:
    """A clock that only sleep moves."""

    def __init__(self) -> None:
        self.at, self.slept = 1000.0, []

    def __call__(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


def test_objects_leave_at_their_pace(peer):
    clock = Clock()
    due = [Due(offset_s=offset, content=image()) for offset in (0.0, 0.5, 0.6)]
    sent = list(send(due, peer, speed=1.0, clock=clock, sleep=clock.sleep))
    assert [each.status for each in sent] == [0, 0, 0]
    assert [each.due_at - 1000 for each in sent] == pytest.approx([0.0, 0.5, 0.6])
    assert clock.slept == pytest.approx([0.5, 0.1])


def test_a_faster_replay_divides_the_pauses(peer):
    clock = Clock()
    due = [Due(offset_s=offset, content=image()) for offset in (0.0, 4.0)]
    list(send(due, peer, speed=8.0, clock=clock, sleep=clock.sleep))
    assert clock.slept == pytest.approx([0.5])


def test_as_fast_as_possible_never_sleeps(peer):
    clock = Clock()
    due = [Due(offset_s=offset, content=image()) for offset in (0.0, 400.0)]
    list(send(due, peer, speed=None, clock=clock, sleep=clock.sleep))
    assert clock.slept == []


def test_a_class_that_the_peer_does_not_take_is_told_and_the_next_object_goes(peer):
    due = [Due(offset_s=0, content=other("1.2.840.10008.5.1.4.1.1.2")), Due(offset_s=0, content=image())]
    sent = list(send(due, peer, speed=None, clock=time.monotonic, sleep=time.sleep))
    assert [each.status for each in sent] == [CONTEXT_REFUSED, 0]


def test_nobody_there_is_said():
    nobody = Peer(host="127.0.0.1", port=unused_port())
    with pytest.raises(Unreachable):
        list(send([Due(offset_s=0, content=image())], nobody, clock=time.monotonic, sleep=time.sleep))
    assert not echo(nobody)


def test_a_folder_is_due_as_it_was_made(tmp_path):
    saved(image(AcquisitionDateTime="20240102030410+0000"), tmp_path / "a.dcm")
    saved(image(ramp(11), AcquisitionDateTime="20240102030405+0000"), tmp_path / "run.dcm")
    saved(image(AcquisitionDateTime="20240102030405.5+0000"), tmp_path / "b.dcm")
    (tmp_path / "notes.txt").write_text("no object")
    due = due_from_folder(tmp_path)
    assert [each.content.name for each in due] == ["b.dcm", "run.dcm", "a.dcm"]
    assert [each.offset_s for each in due] == pytest.approx([0.0, 0.5, 4.5])


def test_a_folder_without_times_follows_the_default_rate(tmp_path):
    for name in ("a", "b", "c"):
        saved(image(), tmp_path / name)
    assert [each.offset_s for each in due_from_folder(tmp_path)] == pytest.approx([0, 1 / 7.5, 2 / 7.5])
    assert due_from_folder(tmp_path / "none") == ()


def test_the_recordings_arrive_byte_for_byte(recordings, peer, spool):
    due = [Due(offset_s=0, content=path) for path in recordings]
    assert {each.status for each in send(due, peer, speed=None, clock=time.monotonic, sleep=time.sleep)} == {0}
    for path, arrival in zip(recordings, spool.after(0), strict=True):
        assert arrival.path.read_bytes().endswith(path.read_bytes()[-10_000:]), path.name
        assert read_header(arrival.path).transfer_syntax_uid == read_header(path).transfer_syntax_uid


SYNTAX_OPTIONS = {
    sop_classes.EXPLICIT_LE: "--propose-uncompr",
    sop_classes.RLE: "--propose-rle",
    sop_classes.JPEG_LOSSLESS_SV1: "--propose-lossless",
    sop_classes.JPEG_LS: "--propose-jls-lossless",
    sop_classes.JPEG_LS_NEAR: "--propose-jls-lossy",
    sop_classes.JPEG_2000_LOSSLESS: "--propose-j2k-lossless",
    sop_classes.JPEG_2000: "--propose-j2k-lossy",
    sop_classes.JPEG_BASELINE: "--propose-jpeg8",
    sop_classes.JPEG_EXTENDED: "--propose-jpeg12",
}


def test_dcmtk_storescu_sends_every_recording_in_its_own_syntax(recordings, dcmtk, listener, spool):
    for path in recordings:
        syntax = read_header(path).transfer_syntax_uid
        titles = ["-aec", "CEMENTWATCH", "-aet", "DCMTK"]
        command = [dcmtk.storescu, SYNTAX_OPTIONS[syntax], *titles, "127.0.0.1", str(listener.port), path]
        seen = subprocess.run(command, check=False, capture_output=True, text=True)
        assert seen.returncode == 0, seen.stdout + seen.stderr
        arrival = spool.after(0)[-1]
        assert read_header(arrival.path).transfer_syntax_uid == syntax
        assert_same_frames(arrival, path)


def test_dcmtk_dcmsend_sends_all_recordings_on_one_association(recordings, dcmtk, listener, spool):
    command = [dcmtk.dcmsend, "-aec", "CEMENTWATCH", "-aet", "DCMTK", "127.0.0.1", listener.port, *recordings]
    seen = subprocess.run([str(part) for part in command], check=False, capture_output=True, text=True)
    assert seen.returncode == 0, seen.stdout + seen.stderr
    originals = {read_header(path).sop_instance_uid: path for path in recordings}
    arrivals = spool.after(0)
    assert len(arrivals) == len(recordings)
    for arrival in arrivals:
        assert_same_frames(arrival, originals[read_header(arrival.path).sop_instance_uid])


def assert_same_frames(arrival, original: Path) -> None:
    """Every pixel of the arrival is that of the original, decoded from its own file."""
    twin = replace(arrival, path=original, size=original.stat().st_size)
    pairs = zip(frames_of(arrival, read_header(arrival.path)), frames_of(twin, read_header(original)), strict=True)
    assert all((got.pixels == sent.pixels).all() for got, sent in pairs), original.name


def test_dcmtk_storescp_takes_what_we_send(dcmtk, tmp_path):
    port, folder = unused_port(), tmp_path / "scp"
    folder.mkdir()
    peer = Peer(host="127.0.0.1", port=port, called="STORESCP", calling="CW")
    paths = [saved(image(ramp(3)), tmp_path / f"{n}.dcm") for n in range(3)]
    command = [dcmtk.storescp, "-od", folder, port]
    with running([str(part) for part in command], tmp_path / "scp.log") as child:
        wait_until(lambda: echo(peer), child, tmp_path / "scp.log")
        due = [Due(offset_s=0, content=path) for path in paths]
        assert [each.status for each in send(due, peer, speed=None, clock=time.monotonic, sleep=time.sleep)] == [
            0,
            0,
            0,
        ]
    assert len(list(folder.iterdir())) == 3


def test_orthanc_stores_from_us_and_pushes_to_us(orthanc, listener, spool, tmp_path):
    path = saved(image(ramp(4, (128, 128))), tmp_path / "run.dcm")
    peer = Peer(host=orthanc.host, port=orthanc.dicom_port, called=orthanc.aet, calling="CW")
    assert echo(peer)
    (sent,) = send([Due(offset_s=0, content=path)], peer, speed=None, clock=time.monotonic, sleep=time.sleep)
    assert sent.status == 0
    (instance,) = orthanc.get("/instances")
    orthanc.add_modality("cw", "CEMENTWATCH", listener.port)
    answer = orthanc.post("/modalities/cw/store", {"Resources": [instance], "Synchronous": True})
    assert answer["FailedInstancesCount"] == 0
    (arrival,) = spool.after(0)
    assert arrival.source == "ORTHANC"
    assert data_set_of(arrival.path).endswith(ramp(4, (128, 128)).astype("<u2").tobytes())
