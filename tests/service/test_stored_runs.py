"""A run that is stored after it was watched live: judged for itself, and never in the way of the live frames."""

from __future__ import annotations

import time

import pytest
from pydicom import dcmread

from db import queries
from detection.vocabulary import EntryType, Kind, Mode
from dicom_gateway.arrival import Origin
from dicom_gateway.header import read_header
from service.roles import make_watch
from tests.journeys.scenes import LEAK, record
from tests.service.conftest import room_at

STUDY = "2.25.77001"
N_LIVE = 58


@pytest.fixture
def room(tmp_path):
    with room_at(tmp_path, skip_after_s=600) as room:
        yield room


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    return record(LEAK, tmp_path_factory.mktemp("live"), study_uid=STUDY, started_at=time.time()).paths()


@pytest.fixture(scope="module")
def live(played):
    return played[:N_LIVE]


@pytest.fixture(scope="module")
def stored(played, tmp_path_factory):
    """The same frames as one object, as a device sends it after the run."""
    frames = [dcmread(path) for path in played]
    run = frames[0]
    run.SOPInstanceUID = run.file_meta.MediaStorageSOPInstanceUID = f"{STUDY}.999"
    run.NumberOfFrames = len(frames)
    run.FrameTime = 1000.0 / LEAK.frame_rate
    run.FrameIncrementPointer = 0x00181063
    run.PixelData = b"".join([frame.PixelData for frame in frames])
    path = tmp_path_factory.mktemp("stored") / "run.dcm"
    run.save_as(path, enforce_file_format=True)
    assert read_header(path).n_frames > 1
    return path


def receive(room, path) -> None:
    part = room.deps.spool.begin()
    part.write(path.read_bytes())
    uid = read_header(path).sop_instance_uid
    room.deps.spool.add(part, Origin(sop_instance_uid=uid, source="CARM1", received_ns=time.time_ns()))


def lines(room, mode: Mode) -> list:
    return [line for line in queries.entries_after(room.engine, 0, limit=1000) if line.data.get("mode") == mode]


def raised(room, mode: Mode) -> list[tuple]:
    """Alerts about cement and the frame that raised each, counted from the first of its mode."""
    frames = [line.frame for line in lines(room, mode) if line.type is EntryType.FRAME_SEEN]
    places = {(frame.sop_instance_uid, frame.index): n for n, frame in enumerate(frames)}
    return [
        (line.data["zone"], line.data["priority"], places[line.frame.sop_instance_uid, line.frame.index])
        for line in lines(room, mode)
        if line.type is EntryType.ALERT_RAISED and line.data["kind"] != Kind.TECHNICAL
    ]


def test_a_stored_copy_amid_the_live_frames_changes_nothing_of_what_they_say(tmp_path, live, stored):
    said = {}
    for name, with_copy in (("alone", False), ("copied", True)):
        with room_at(tmp_path / name, skip_after_s=600) as room:
            watch = make_watch(room.deps.settings, room.engine, room.deps.bell)
            for n, path in enumerate(live):
                receive(room, path)
                watch.turn()
                if with_copy and n == 30:
                    receive(room, stored)
                for _ in range(2):
                    watch.turn()
            while watch.turn():
                pass
            watch.close()
            said[name] = raised(room, Mode.LIVE)
            if with_copy:
                assert raised(room, Mode.POST_RUN), "the copy is judged too, and for itself"
                assert len(lines(room, Mode.POST_RUN)) > 60
    assert said["copied"] == said["alone"]
    assert ("canal", "high") in {each[:2] for each in said["alone"]}


def test_a_long_run_does_not_delay_a_live_frame(room, live, stored):
    watch = make_watch(room.deps.settings, room.engine, room.deps.bell)
    receive(room, stored)
    for _ in range(10):
        watch.turn()
    receive(room, live[0])
    watch.turn()
    watch.turn()
    order = [
        line.data["mode"] for line in queries.entries_after(room.engine, 0, limit=1000) if line.frame and not line.alert
    ]
    assert order == ["post_run"] * 10 + ["live", "post_run"]
    (first, again) = [line.frame.index for line in lines(room, Mode.POST_RUN) if line.type is EntryType.FRAME_SEEN][-2:]
    assert again == first + 1, "the run goes on where it stood"
    watch.close()
