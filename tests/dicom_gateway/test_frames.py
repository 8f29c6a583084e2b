"""Arrivals become frames: every syntax, every kind of value, one at a time."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import pixel_array
from pydicom.uid import UID

from detection.vocabulary import Mode, Polarity
from dicom_gateway import sop_classes
from dicom_gateway.arrival import Arrival
from dicom_gateway.codestream import shape_in
from dicom_gateway.decoding import Decoder
from dicom_gateway.frames import frames_of, mode_of
from dicom_gateway.header import read_header
from dicom_gateway.refusal import Undecodable
from tests.dicom_gateway.objects import image, other, ramp, saved

NOW = 1_700_000_000.0


def arrived(path: Path, **values) -> Arrival:
    told = {
        "number": 7,
        "path": path,
        "source": "ARM1",
        "received_at": NOW,
        "uid_hash": "",
        "digest": "",
        "replay": None,
    }
    return Arrival(**({"size": path.stat().st_size} | told | values))


@pytest.fixture(scope="module")
def decoder():
    """One for all, for each takes a while to start."""
    one = Decoder()
    yield one
    one.close()


@pytest.fixture
def frames(tmp_path, decoder):
    def all_frames(dataset: Dataset, start: int = 0, **values):
        path = saved(dataset, tmp_path / "object.dcm")
        return list(frames_of(arrived(path, **values), read_header(path), start=start, decoder=decoder))

    return all_frames


def test_stored_values_of_a_plain_object(frames):
    (frame,) = frames(image(ramp()))
    assert frame.pixels.dtype == np.float32
    assert np.array_equal(frame.pixels, ramp()[0])
    assert frame.ceiling == 4095
    assert (frame.stamp.arrival, frame.stamp.index, frame.stamp.source, frame.stamp.received_at) == (7, 0, "ARM1", NOW)


def test_a_run_may_be_taken_up_in_the_middle(frames):
    seen = frames(image(ramp(5)), start=3)
    assert [frame.stamp.index for frame in seen] == [3, 4]
    assert np.array_equal(seen[0].pixels, ramp(5)[3])
    assert [frame.stamp.time_s - NOW for frame in seen] == pytest.approx([0.3, 0.4])


def test_overlay_bits_beside_the_stored_ones_are_dropped(frames):
    (frame,) = frames(image(ramp() | 0xF000))
    assert np.array_equal(frame.pixels, ramp()[0])


def test_rescale_is_applied_and_the_ceiling_with_it(frames):
    (frame,) = frames(image(ramp(), RescaleSlope="2", RescaleIntercept="-100"))
    assert np.array_equal(frame.pixels, ramp()[0] * 2.0 - 100)
    assert frame.ceiling == 4095 * 2 - 100


def test_a_modality_lut_is_applied(frames):
    item = Dataset()
    item.LUTDescriptor = [3, 10, 16]
    item["LUTDescriptor"].VR = "US"
    item.add_new("LUTData", "OW", np.array([5, 7, 9], "<u2").tobytes())
    stored = np.full((1, 64, 64), 11, np.uint16)
    stored[0, 0, :2] = 0, 4000
    (frame,) = frames(image(stored, ModalityLUTSequence=[item]))
    assert frame.pixels[0, :3].tolist() == [5, 9, 7]
    assert frame.ceiling == 9


def test_signed_values(frames):
    stored = np.array(np.arange(-2048, 2048).reshape(1, 64, 64), np.int16)
    (frame,) = frames(image(stored.view(np.uint16), PixelRepresentation=1))
    assert np.array_equal(frame.pixels, stored[0])
    assert frame.ceiling == 2047


@pytest.mark.parametrize(("is_signed", "ceiling"), [(0, 4095), (1, 2047)])
def test_what_is_shown_white_where_values_are_low_comes_as_it_is_shown(frames, is_signed, ceiling):
    stored = np.arange(4096, dtype=np.uint16).reshape(1, 64, 64)
    stored = ((stored + 2048) % 4096 if is_signed else stored).astype(np.uint16)
    (frame,) = frames(image(stored, PhotometricInterpretation="MONOCHROME1", PixelRepresentation=is_signed))
    assert np.array_equal(frame.pixels.ravel(), ceiling - np.arange(4096))
    assert (frame.ceiling, frame.polarity) == (ceiling, Polarity.UNCERTAIN)


@pytest.mark.parametrize("planar", [0, 1])
def test_a_colour_grab_becomes_luminance(frames, planar):
    colour = np.zeros((64, 64, 3), np.uint8)
    colour[..., 0], colour[..., 1], colour[..., 2] = 200, 100, 50
    stored = colour if planar == 0 else np.moveaxis(colour, -1, 0)
    grab = image(ramp(1, (64, 64)), SOPClassUID=sop_classes.SC, SamplesPerPixel=3, PhotometricInterpretation="RGB")
    grab.BitsAllocated, grab.BitsStored, grab.HighBit, grab.PlanarConfiguration = 8, 8, 7, planar
    grab.PixelIntensityRelationship = None
    grab.PixelData = np.ascontiguousarray(stored).tobytes()
    (frame,) = frames(grab)
    assert frame.pixels.shape == (64, 64)
    assert np.allclose(frame.pixels, 0.299 * 200 + 0.587 * 100 + 0.114 * 50, atol=1e-3)
    assert frame.polarity is Polarity.UNCERTAIN


@pytest.mark.parametrize("syntax", [sop_classes.RLE, sop_classes.JPEG_LS, sop_classes.JPEG_2000_LOSSLESS])
def test_lossless_syntaxes_give_the_stored_values(frames, syntax):
    packed = image(ramp(3))
    packed.compress(syntax, generate_instance_uid=False)
    seen = frames(packed, start=1)
    assert [frame.stamp.index for frame in seen] == [1, 2]
    assert np.array_equal([frame.pixels for frame in seen], ramp(3)[1:])


def test_the_recordings_decode_as_pydicom_decodes_them(recordings):
    for path in recordings:
        header = read_header(path)
        if header.transfer_syntax_uid == sop_classes.JPEG_EXTENDED:
            continue
        seen = list(frames_of(arrived(path), header))
        assert len(seen) == header.n_frames
        for index in {0, header.n_frames // 2, header.n_frames - 1}:
            assert np.array_equal(seen[index].pixels, pixel_array(path, index=index)), path.name


def test_twelve_bit_jpeg_is_near_its_uncompressed_twin(shared):
    path = shared / "recordings" / "XA1_JPLY"
    (frame,) = frames_of(arrived(path), read_header(path))
    truth = pixel_array(shared / "recordings" / "XA1_UNC").astype(np.float32)
    assert np.abs(frame.pixels - truth).mean() < 3
    assert frame.ceiling == 1023
    assert frame.is_lossy


def test_memory_does_not_grow_with_the_run(tmp_path):
    path = saved(image(np.zeros((120, 256, 256), np.uint16)), tmp_path / "run.dcm")
    header = read_header(path)
    tracemalloc.start()
    n_frames = sum(1 for _ in frames_of(arrived(path), header))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_frames == 120
    assert peak < 12 * 256 * 256 * 4


@pytest.mark.parametrize(
    ("n_frames", "age_s", "replay", "mode"),
    [
        (1, 2.0, None, Mode.LIVE),
        (1, 3600.0 * 14, None, Mode.LIVE),
        (1, -3600.0, None, Mode.LIVE),
        (1, None, None, Mode.LIVE),
        (1, 3600.0 * 25, None, Mode.POST_RUN),
        (20, 2.0, None, Mode.POST_RUN),
        (20, 2.0, "r1", Mode.REPLAY),
        (1, 3600.0 * 25, "r1", Mode.REPLAY),
    ],
)
def test_the_mode_of_an_arrival(tmp_path, n_frames, age_s, replay, mode):
    path = saved(image(), tmp_path / "object.dcm")
    header = replace(read_header(path), n_frames=n_frames, acquired_at=None if age_s is None else NOW - age_s)
    assert mode_of(arrived(path, replay=replay), header) is mode


def test_the_device_s_clock_counts_where_it_tells_one(frames):
    (first, second) = frames(image(ramp(2), AcquisitionDateTime="20231114221320+0000"))
    assert first.stamp.acquired_at == first.stamp.time_s == NOW
    assert second.stamp.time_s == pytest.approx(NOW + 0.1)


def test_a_field_is_told_where_the_header_tells_one(frames):
    (frame,) = frames(
        image(ramp(), ShutterShape="CIRCULAR", CenterOfCircularShutter=[32, 40], RadiusOfCircularShutter=20)
    )
    assert frame.field is not None
    assert (frame.field[31, 39], frame.field[0, 0]) == (True, False)


def test_damage_is_undecodable_and_what_came_before_it_is_not(tmp_path):
    packed = image(ramp(3))
    packed.compress(sop_classes.JPEG_LS, generate_instance_uid=False)
    path = saved(packed, tmp_path / "object.dcm")
    whole = path.read_bytes()
    third = whole.rindex(b"\xff\xd8\xff")
    path.write_bytes(whole[: third + 40] + b"\0" * 60 + whole[third + 100 :])
    seen = []
    with pytest.raises(Undecodable):
        seen.extend(frames_of(arrived(path), read_header(path)) or seen)
    first = frames_of(arrived(path), read_header(path))
    assert np.array_equal(next(first).pixels, ramp(3)[0])


def test_a_codestream_of_another_size_is_not_decoded(frames):
    small, large = image(ramp(1, (64, 64))), image(ramp(1, (128, 128)))
    large.compress(sop_classes.JPEG_LS, generate_instance_uid=False)
    small.file_meta.TransferSyntaxUID = UID(sop_classes.JPEG_LS)
    small.PixelData = large.PixelData
    small["PixelData"].VR = "OB"
    small["PixelData"].is_undefined_length = True
    with pytest.raises(Undecodable, match="another size"):
        frames(small)


@pytest.mark.parametrize("syntax", [sop_classes.JPEG_LS, sop_classes.JPEG_2000_LOSSLESS])
def test_a_codestream_tells_its_size(syntax):
    packed = image(ramp(1, (96, 80)))
    packed.compress(syntax, generate_instance_uid=False)
    start = packed.PixelData.index(b"\xff\xd8\xff" if syntax == sop_classes.JPEG_LS else b"\xff\x4f\xff\x51")
    assert shape_in(packed.PixelData[start:]) == (96, 80)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0", b"\xff\x4f\xff\x51", b"GIF89a", b"\xff\xd8" + b"\xff" * 50]
)
def test_a_codestream_that_does_not_tell_its_size(content):
    assert shape_in(content) is None


def test_an_object_without_frames_has_none(tmp_path):
    path = saved(other(sop_classes.RDSR), tmp_path / "report.dcm")
    with pytest.raises(Undecodable, match="not an image"):
        list(frames_of(arrived(path), read_header(path)))


def test_an_arrival_that_has_gone_says_so(tmp_path):
    path = saved(image(), tmp_path / "object.dcm")
    header, arrival = read_header(path), arrived(path)
    path.unlink()
    with pytest.raises(Undecodable, match="gone"):
        list(frames_of(arrival, header))


def test_fewer_fragments_than_frames_is_undecodable(tmp_path):
    packed = image(ramp(3))
    packed.compress(sop_classes.RLE, generate_instance_uid=False)
    packed.PixelData = encapsulate([b"\0" * 100])
    path = saved(packed, tmp_path / "object.dcm")
    with pytest.raises(Undecodable, match="fewer fragments"):
        list(frames_of(arrived(path), read_header(path)))


def test_a_decoder_that_panics_over_damaged_data_is_a_frame_that_cannot_be_decoded(tmp_path):
    told = image(ramp(1))
    told.compress(sop_classes.RLE, generate_instance_uid=False)
    frame = next(generate_frames(told.PixelData, number_of_frames=1))
    told.PixelData = encapsulate([frame[:64] + b"\x81\x00" * 3000])  # runs beyond the end of the picture (PS3.5 G.3)
    path = saved(told, tmp_path / "object.dcm")
    with pytest.raises(Undecodable):
        list(frames_of(arrived(path), read_header(path)))
