"""Foreign decoders do what they like, and nobody is harmed: bounds on memory and time, a new process after a death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom.encaps import generate_frames

from dicom_gateway import sop_classes
from dicom_gateway.decoding import Bounds, Decoder
from dicom_gateway.header import Header, read_header
from dicom_gateway.refusal import Undecodable
from tests.conftest import CHECKOUT
from tests.dicom_gateway.objects import image, saved
from tests.dicom_gateway.raw import until

NOISE = np.random.default_rng(1).integers(0, 4096, (1, 512, 512), dtype=np.uint16)
"""(1, H, W)"""
LEAST_BYTES = 230 * 2**20
"""Enough for the interpreter and its libraries, not for sixteen million pixels more."""


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> tuple[bytes, Header]:
    """A codestream and the header it came with."""
    dataset = image(NOISE)
    dataset.compress(sop_classes.JPEG_2000_LOSSLESS, generate_instance_uid=False)
    path = saved(dataset, tmp_path_factory.mktemp("packed") / "one.dcm")
    return next(generate_frames(dataset.PixelData, number_of_frames=1)), read_header(path)


@pytest.fixture
def decoders() -> Iterator[Callable[..., Decoder]]:
    """Call it for a decoder of these bounds."""
    made: list[Decoder] = []

    def build(**bounds: float) -> Decoder:
        made.append(Decoder(Bounds(**bounds)))
        return made[-1]

    yield build
    for decoder in made:
        decoder.close()


def decoders_alive() -> set[int]:
    """Our children that decode."""
    alive = set()
    for path in Path("/proc/self/task").glob("*/children"):
        for pid in map(int, path.read_text().split()):
            words = Path(f"/proc/{pid}/cmdline")
            if words.exists() and b"dicom_gateway.decoder" in words.read_bytes():
                alive.add(pid)
    return alive


def test_a_frame_comes_back_as_it_was(decoders, packed):
    others = decoders_alive()
    decoder = decoders()
    assert np.array_equal(decoder.decode(*packed), NOISE[0])
    first = decoders_alive() - others
    assert np.array_equal(decoder.decode(*packed), NOISE[0])
    assert decoders_alive() - others == first, "one process for one frame after another"
    decoder.close()
    assert not first & decoders_alive()


def test_damage_is_told_and_the_next_frame_is_decoded(decoders, packed):
    decoder = decoders()
    with pytest.raises(Undecodable, match="the pixels cannot be decoded"):
        decoder.decode(packed[0][:100], packed[1])
    assert np.array_equal(decoder.decode(*packed), NOISE[0])


def test_a_frame_that_takes_too_long_is_given_up(decoders, packed):
    with pytest.raises(Undecodable, match="longer than it may"):
        decoders(within_s=0.0005).decode(*packed)


def test_a_decoder_that_wants_too_much_memory_does_not_get_it(decoders, tmp_path):
    large = image(np.zeros((1, 4096, 4096), dtype=np.uint16))
    large.compress(sop_classes.RLE, generate_instance_uid=False)
    header = read_header(saved(large, tmp_path / "large.dcm"))
    stored = next(generate_frames(large.PixelData, number_of_frames=1))
    with pytest.raises(Undecodable):
        decoders(n_bytes=LEAST_BYTES).decode(stored, header)
    assert decoders().decode(stored, header).shape == (4096, 4096)


def test_a_death_between_two_frames_harms_neither(decoders, packed):
    others = decoders_alive()
    decoder = decoders()
    decoder.decode(*packed)
    (child,) = decoders_alive() - others
    os.kill(child, signal.SIGKILL)
    assert until(lambda: Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z")
    assert np.array_equal(decoder.decode(*packed), NOISE[0])


ASKER = """
import sys
from dicom_gateway.decoding import Decoder
decoder = Decoder()
print(decoder._start().pid, flush=True)
sys.stdin.read()
"""


def test_a_decoder_ends_with_whoever_asked():
    command = [sys.executable, "-c", ASKER]
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asker:
        child = int(asker.stdout.readline())
        asker.kill()
    stat = Path(f"/proc/{child}/stat")
    assert until(lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z")
