"""A disk that fills, fails or goes: the status by its cause, and nothing half-written is ever an arrival.

The small disk is a real one, a tmpfs of a few megabytes, where this process may mount it; elsewhere those tests skip and
a limit on the size of files, which fails writes halfway too, still holds the promise.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_gateway import sop_classes
from dicom_gateway.due import Due
from dicom_gateway.frames import frames_of
from dicom_gateway.header import read_header
from dicom_gateway.listener import Listener
from dicom_gateway.peer import Peer, associated, echo
from dicom_gateway.refusal import Unreachable
from dicom_gateway.request import HEAD
from dicom_gateway.sender import send
from dicom_gateway.spool import Spool
from tests.dicom_gateway.objects import image, ramp
from tests.dicom_gateway.raw import answer, connect, context, request, store_request

SUCCESS, OUT_OF_RESOURCES, NOT_AUTHORISED = 0x0000, 0xA700, 0x0124
DISK_BYTES = 8 * 2**20
RUN = (2, (512, 512))
"""Frames and size of an object of one megabyte."""


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "cementwatch", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this process may not mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def serving(folder: Path, **settings) -> tuple[Spool, Listener]:
    spool = Spool(folder / "spool")
    listener = Listener(spool, port=0, **({"min_free_bytes": 0} | settings))
    listener.start()
    return spool, listener


def store(listener: Listener, n_objects: int) -> list[int | None]:
    peer = Peer(host="127.0.0.1", port=listener.port)
    due = [Due(offset_s=0.0, content=image(ramp(*RUN))) for _ in range(n_objects)]
    return [each.status for each in send(due, peer, speed=None, clock=time.monotonic, sleep=time.sleep)]


def assert_whole(spool: Spool, n_objects: int) -> None:
    arrivals = spool.after(0)
    assert len(arrivals) == n_objects
    for arrival in arrivals:
        assert len(list(frames_of(arrival, read_header(arrival.path)))) == RUN[0]
    assert list(spool.incoming.iterdir()) == []
    assert list(spool.quarantined.iterdir()) == []


def test_a_disk_that_fills_in_the_middle_of_an_object_asks_to_try_later_until_there_is_room(small_disk):
    spool, listener = serving(small_disk)
    try:
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(DISK_BYTES // 2))
        statuses = store(listener, 8)
        n_stored = statuses.count(SUCCESS)
        assert 2 <= n_stored < 5
        assert statuses == [SUCCESS] * n_stored + [OUT_OF_RESOURCES] * (8 - n_stored)
        assert_whole(spool, n_stored)
        ballast.unlink()
        assert store(listener, 2) == [SUCCESS] * 2
        assert_whole(spool, n_stored + 2)
    finally:
        listener.stop()


def test_objects_are_refused_before_the_disk_is_full_and_then_whole_associations(small_disk):
    watermark = 3 * 2**20
    spool, listener = serving(small_disk, min_free_bytes=watermark)
    try:
        statuses = store(listener, 8)
        n_stored = statuses.count(SUCCESS)
        assert statuses == [SUCCESS] * n_stored + [OUT_OF_RESOURCES] * (8 - n_stored)
        assert watermark - 1.2 * 2**20 < spool.free_bytes() < watermark
        assert_whole(spool, n_stored)
        peer = Peer(host="127.0.0.1", port=listener.port)
        assert echo(peer)
        with pytest.raises(Unreachable, match="refuses"), associated(peer, [(sop_classes.XA, sop_classes.EXPLICIT_LE)]):
            pass
        spool.after(0)[0].path.unlink()
        assert store(listener, 1) == [SUCCESS]
    finally:
        listener.stop()


def test_a_disk_that_turns_read_only_asks_to_try_later(small_disk):
    spool, listener = serving(small_disk)
    try:
        assert store(listener, 1) == [SUCCESS]
        # mounted once more over itself, for what holds files open cannot be turned read-only
        subprocess.run(["mount", "--bind", str(small_disk), str(small_disk)], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(small_disk)], check=True)
        assert store(listener, 2) == [OUT_OF_RESOURCES] * 2
        subprocess.run(["umount", "--lazy", str(small_disk)], check=True)
        assert store(listener, 1) == [SUCCESS]
        assert_whole(spool, 2)
    finally:
        listener.stop()


def test_a_spool_that_is_gone_asks_to_try_later(tmp_path):
    spool, listener = serving(tmp_path)
    try:
        shutil.rmtree(spool.folder)
        assert store(listener, 2) == [OUT_OF_RESOURCES] * 2
    finally:
        listener.stop()


LIMITED = """
import resource, signal, sys
from pathlib import Path
from dicom_gateway.listener import Listener
from dicom_gateway.spool import Spool
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, 700_000))
listener = Listener(Spool(Path(sys.argv[1])), port=0, min_free_bytes=0)
listener.start()
print(listener.port, flush=True)
sys.stdin.read()
"""


def test_a_write_that_fails_halfway_leaves_nothing_and_the_next_object_is_taken(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", LIMITED, str(tmp_path / "spool")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[2],
    )
    try:
        peer = Peer(host="127.0.0.1", port=int(child.stdout.readline()))
        contents = [image(ramp(*RUN)), image(), image(ramp(*RUN)), image()]
        due = [Due(offset_s=0.0, content=content) for content in contents]
        sent = send(due, peer, speed=None, clock=time.monotonic, sleep=time.sleep)
        assert [each.status for each in sent] == [OUT_OF_RESOURCES, SUCCESS, OUT_OF_RESOURCES, SUCCESS]
    finally:
        child.stdin.close()
        child.kill()
        child.wait()
        child.stdout.close()
    spool = Spool(tmp_path / "spool")
    assert len(spool.after(0)) == 2
    assert list(spool.incoming.iterdir()) == []


def test_a_class_other_than_the_one_agreed_on_is_not_authorised(listener, spool):
    with connect(listener.port) as sock:
        sock.sendall(request(contexts=(context(1, sop_classes.XA),)))
        answer(sock)
        sock.sendall(store_request(sop_classes.XRF, "1.2.3", b"\x08\x00\x05\x00CS\0\0"))
        told = answer(sock)
    at = told.index(b"\0\0\0\x09\x02\0\0\0")  # (0000,0900) Status, PS3.7 table E.1-1
    assert told[: HEAD.size][:1] == b"\x04"
    assert struct.unpack_from("<H", told, at + 8)[0] == NOT_AUTHORISED
    assert spool.after(0) == []
