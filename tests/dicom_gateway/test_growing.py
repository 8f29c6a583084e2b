"""Frames of a run are there before its end: which, when, and what becomes of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom.encaps import encapsulate, generate_frames

from dicom_gateway import sop_classes
from dicom_gateway.arrival import Origin
from dicom_gateway.decoding import Decoder
from dicom_gateway.frames import Film
from dicom_gateway.framing import Framing
from dicom_gateway.growing import Growing
from dicom_gateway.header import read_header
from dicom_gateway.refusal import Undecodable
from tests.conftest import CHECKOUT
from tests.dicom_gateway.objects import data_set_of, image, ramp, saved
from tests.dicom_gateway.raw import until
from tests.dicom_gateway.trickle import Trickle

SYNTAXES = [sop_classes.EXPLICIT_LE, sop_classes.RLE, sop_classes.JPEG_LS, sop_classes.JPEG_2000_LOSSLESS]
N_FRAMES = 5
DECODER = Decoder()
NOISE = np.random.default_rng(4).integers(0, 4096, (N_FRAMES, 128, 160), dtype=np.uint16)
"""(n, H, W); what cannot be packed into a few bytes."""


@pytest.fixture
def growing(spool) -> Growing:
    return Growing(spool.folder)


@pytest.fixture
def run(tmp_path) -> Path:
    """A native run of five frames."""
    return saved(image(ramp(N_FRAMES)), tmp_path / "run.dcm")


def packed(path: Path, syntax: str, *, has_table: bool = True, n_fragments: int = 1) -> Path:
    """The same run in another syntax."""
    dataset = image(NOISE)
    if syntax not in sop_classes.NATIVE:
        dataset.compress(syntax, generate_instance_uid=False)
        frames = list(generate_frames(dataset.PixelData, number_of_frames=N_FRAMES))
        dataset.PixelData = encapsulate(frames, fragments_per_frame=n_fragments, has_bot=has_table)
    return saved(dataset, path)


def frames_seen(growing: Growing) -> list[np.ndarray]:
    (run,) = growing.all()
    film, decoder = Film(run, read_header(run.path)), DECODER
    return [film.frame(index, decoder).pixels for index in range(film.n_whole())]


@pytest.mark.parametrize("has_table", [True, False])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_each_frame_is_there_with_its_last_byte(listener, growing, spool, tmp_path, syntax, has_table):
    path = packed(tmp_path / "run.dcm", syntax, has_table=has_table)
    framing = Framing(path, read_header(path))
    assert framing.n_whole() == N_FRAMES
    head = path.stat().st_size - len(data_set_of(path))
    sender = Trickle(listener.port, path)
    for index in range(N_FRAMES - 1):
        sender.send_to(framing.end_of(index) - head - 1)
        sender.send_to(framing.end_of(index) - head)
        assert until(lambda n=index + 1: len(growing.all()) == 1 and len(frames_seen(growing)) == n)
    assert all(np.array_equal(a, b) for a, b in zip(frames_seen(growing), NOISE, strict=False))
    assert spool.after(0) == [], "tentative: it has not been received"
    (early,) = growing.all()
    assert sender.finish() == 0
    (arrival,) = spool.after(0)
    assert growing.all() == []
    assert (arrival.grew_as, arrival.began_at) == (early.number, early.received_at)
    assert data_set_of(arrival.path) == data_set_of(path)


def test_the_bell_rings_at_the_beginning_and_once_for_a_frame(listen, run):
    rung: list[None] = []
    listener = listen(on_frame=lambda: rung.append(None))
    sender = Trickle(listener.port, run)
    for n_frames in range(1, N_FRAMES):
        sender.send_frames(run, n_frames)
        assert until(lambda n=n_frames: len(rung) == 1 + n)
    assert sender.finish() == 0


@pytest.mark.parametrize("leave", ["abort", "vanish"])
def test_the_whole_frames_of_a_transfer_that_breaks_off_are_kept(listener, growing, spool, run, leave):
    sender = Trickle(listener.port, run)
    sender.send_frames(run, 3)
    assert until(lambda: growing.all() != [] and len(frames_seen(growing)) == 3)
    (early,) = growing.all()
    getattr(sender, leave)()
    assert until(lambda: any(map(growing.has_ended, growing.all())))
    (left,) = growing.all()
    assert (left.number, left.uid_hash, left.source) == (early.number, early.uid_hash, "ARM1")
    assert len(frames_seen(growing)) == 3
    assert until(lambda: not any((spool.folder / "growing").iterdir()))
    assert spool.after(0) == []
    growing.remove(left.number)
    assert growing.all() == []


def test_a_transfer_that_breaks_off_within_its_first_frame_leaves_nothing(listener, growing, spool, tmp_path):
    path = saved(image(ramp(2, (128, 128))), tmp_path / "run.dcm")
    sender = Trickle(listener.port, path)
    sender.send_to(20_000)
    assert until(lambda: growing.all() != [])
    sender.abort()
    assert until(lambda: growing.all() == [])
    assert spool.after(0) == []


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"NumberOfFrames": 1}, id="one frame"),
        pytest.param({"NumberOfFrames": 4}, id="fewer frames than pixels"),
        pytest.param({"Rows": 60000}, id="rows beyond all bounds"),
        pytest.param({"SOPInstanceUID": "1.2.3"}, id="another instance than announced"),
        pytest.param({"SOPClassUID": sop_classes.SC}, id="a class of single frames"),
    ],
)
def test_what_no_guard_would_let_through_does_not_grow(listener, growing, tmp_path, values):
    path = saved(image(ramp(N_FRAMES), **values), tmp_path / "run.dcm")
    sender = Trickle(listener.port, path)
    if "SOPInstanceUID" in values:
        sender.abort()
        other = saved(image(ramp(N_FRAMES)), tmp_path / "other.dcm")
        sender = Trickle(listener.port, other)
        sender.content = data_set_of(path)
    sender.send_to(40_000)
    sender.finish()
    assert growing.all() == []


def test_what_is_there_already_does_not_grow(listener, growing, spool, run, store):
    assert store(run) == 0
    sender = Trickle(listener.port, run)
    sender.send_frames(run, 4)
    assert sender.finish() == 0
    assert growing.all() == []
    assert len(spool.after(0)) == 1


def test_a_run_that_is_refused_in_the_end_keeps_its_frames_and_lies_aside(listener, growing, spool, tmp_path):
    path = packed(tmp_path / "run.dcm", sop_classes.RLE)
    sender = Trickle(listener.port, path)
    sender.content = sender.content[:-6] + b"\0\0"  # without its delimiter
    assert sender.finish() == 0xC000
    (left,) = growing.all()
    assert growing.has_ended(left)
    assert len(list(spool.quarantined.glob("*.dcm"))) == 1


RECEIVER = """
import sys, time
from pathlib import Path
from dicom_gateway.listener import Listener
from dicom_gateway.spool import Spool
listener = Listener(Spool(Path(sys.argv[1])), port=0, min_free_bytes=0)
listener.start()
print(listener.port, flush=True)
time.sleep(600)
"""


def test_a_receiver_that_dies_leaves_its_runs_incomplete(spool, growing, run, listen):
    command = [sys.executable, "-c", RECEIVER, str(spool.folder)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as receiver:
        sender = Trickle(int(receiver.stdout.readline()), run)
        sender.send_frames(run, 2)
        assert until(lambda: growing.all() != [] and len(frames_seen(growing)) == 2)
        os.kill(receiver.pid, signal.SIGKILL)
        receiver.wait()
    sender.vanish()
    assert not growing.has_ended(growing.all()[0])
    listen()
    (left,) = growing.all()
    assert growing.has_ended(left)
    assert len(frames_seen(growing)) == 2


def test_a_receiver_that_dies_while_it_keeps_a_run_leaves_it_once(spool, growing):
    part = spool.begin()
    part.write(b"half")
    growing.announce(part, Origin(sop_instance_uid="1.2", source="ARM1", received_ns=10**9))
    growing.keep(part)
    part.close()
    assert growing.sweep() == 1
    assert not any((spool.folder / "growing").iterdir())
    assert [growing.has_ended(run) for run in growing.all()] == [True]
    assert growing.all(but={-(10**6)}) == []


@pytest.mark.parametrize("has_table", [True, False])
@pytest.mark.parametrize("n_fragments", [1, 3])
@pytest.mark.parametrize("syntax", [sop_classes.JPEG_LS, sop_classes.JPEG_2000_LOSSLESS])
def test_frames_lie_where_pydicom_finds_them(tmp_path, syntax, n_fragments, has_table):
    path = packed(tmp_path / "run.dcm", syntax, n_fragments=n_fragments, has_table=has_table)
    header = read_header(path)
    framing = Framing(path, header)
    with path.open("rb") as file:
        file.seek(header.pixels.at)
        expected = list(generate_frames(file, number_of_frames=N_FRAMES))
    assert framing.n_whole() == N_FRAMES
    assert [framing.read(index) for index in range(N_FRAMES)] == expected


def test_a_frame_in_fragments_is_whole_with_the_last_of_them(tmp_path):
    path = packed(tmp_path / "run.dcm", sop_classes.JPEG_LS, n_fragments=3, has_table=False)
    header, content = read_header(path), path.read_bytes()
    whole = Framing(path, header)
    assert whole.n_whole() == N_FRAMES
    part = tmp_path / "part.dcm"
    part.write_bytes(content[: whole.end_of(0) - 1])
    growing = Framing(part, header)
    assert growing.n_whole() == 0
    with part.open("ab") as file:
        file.write(content[whole.end_of(0) - 1 : whole.end_of(0)])
    assert growing.n_whole() == 1
    assert growing.read(0) == whole.read(0)
    assert growing.has_prefix_of(whole, 1)


def test_fragments_that_may_be_anything_wait_for_the_end(tmp_path):
    dataset = image(ramp(N_FRAMES))
    dataset.compress(sop_classes.JPEG_LS, generate_instance_uid=False)
    frames = [frame.rstrip(b"\0")[:-2] for frame in generate_frames(dataset.PixelData, number_of_frames=N_FRAMES)]
    dataset.PixelData = encapsulate(frames, has_bot=False)
    path = saved(dataset, tmp_path / "run.dcm")
    header, content = read_header(path), path.read_bytes()
    part = tmp_path / "part.dcm"
    part.write_bytes(content[:-8])
    assert Framing(part, header).n_whole() == 0
    assert Framing(path, header).n_whole() == N_FRAMES


@pytest.mark.parametrize("syntax", [sop_classes.EXPLICIT_LE, sop_classes.RLE, sop_classes.JPEG_LS])
def test_damage_and_cuts_anywhere_are_undecodable_and_never_anything_else(tmp_path, syntax):
    path = packed(tmp_path / "run.dcm", syntax, has_table=syntax == sop_classes.RLE)
    header, content = read_header(path), path.read_bytes()
    rng, part = np.random.default_rng(3), tmp_path / "part.dcm"
    for _ in range(200):
        damaged = bytearray(content[: int(rng.integers(header.pixels.at, len(content)))])
        for at in rng.integers(header.pixels.at, len(damaged) + 1, 4):
            damaged[at - 1] = rng.integers(256)
        part.write_bytes(damaged)
        framing = Framing(part, header)
        try:
            n_whole = framing.n_whole()
            assert 0 <= n_whole <= N_FRAMES
            assert all(framing.end_of(index) <= len(damaged) for index in range(n_whole))
            assert all(len(framing.read(index)) > 0 for index in range(n_whole))
        except Undecodable:
            continue
