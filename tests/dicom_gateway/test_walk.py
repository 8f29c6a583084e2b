"""What a header may be before a parser sees it."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from dicom_gateway import sop_classes, walk
from dicom_gateway.compose import Form, study_of
from dicom_gateway.header import read_header, read_outline
from dicom_gateway.intake import file_head
from dicom_gateway.refusal import Unreadable
from tests.dicom_gateway.objects import image, other, ramp, saved, with_meta
from tests.journeys.scenes import QUIET

DEFLATED, BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
OPEN_SEQUENCE = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff"
OPEN_ITEM = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
OPEN_UNKNOWN = b"\x09\x00\x10\x10UN\0\0\xff\xff\xff\xff"
OPEN_IMPLICIT = b"\x40\x00\x30\xa7\xff\xff\xff\xff"


def element(tag: int, representation: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, representation, len(value)) + value


HEAD = element(0x00080016, b"UI", b"1.2.840.10008.5.1.4.1.1.12.1".ljust(28)) + element(0x00080018, b"UI", b"1.2.3\0")


def nested(n_levels: int) -> bytes:
    """Sequences of defined length, one within the other."""
    inner = b""
    for _ in range(n_levels):
        item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(inner)) + inner
        inner = b"\x40\x00\x30\xa7SQ\0\0" + struct.pack("<I", len(item)) + item
    return inner


BOMBS = {
    "open sequences": (OPEN_SEQUENCE + OPEN_ITEM) * 20_000,
    "closed sequences": nested(2000),
    "sequences of an unknown kind": OPEN_UNKNOWN + OPEN_ITEM + (OPEN_IMPLICIT + OPEN_ITEM) * 20_000,
    "far too many empty elements": element(0x00091010, b"LO", b"") * 150_000,
    "far too many empty items": OPEN_SEQUENCE + b"\xfe\xff\x00\xe0\0\0\0\0" * 150_000,
    "two gigabytes that are not there": b"\x09\x00\x10\x10OB\0\0\xf0\xff\xff\x7f",
    "an endless value": b"\x09\x00\x10\x10OB\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
    "an item outside a sequence": OPEN_ITEM,
    "an item beyond its sequence": b"\x40\x00\x30\xa7SQ\0\0\x08\0\0\0\xfe\xff\x00\xe0\x40\0\0\0" + bytes(64),
    "a sequence of elements": OPEN_SEQUENCE + HEAD,
    "half an element": b"\x08\x00\x20",
    "a UID of a page": element(0x0020000D, b"UI", b"1." * 1000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_header_that_is_a_bomb_is_refused_and_takes_no_memory(name, tmp_path):
    path = tmp_path / "bomb.dcm"
    path.write_bytes(file_head(sop_classes.XA, "1.2.3", sop_classes.EXPLICIT_LE) + HEAD + BOMBS[name])
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable) as caught:
            read_outline(path)
        assert caught.value.reason != "the header cannot be parsed"
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    with pytest.raises(Unreadable, match=caught.value.reason):
        read_header(path)


@pytest.mark.parametrize("syntax", [DEFLATED, BIG_ENDIAN, "1.2.3", ""])
def test_a_syntax_that_is_not_taken_is_never_unpacked(syntax, tmp_path):
    path = tmp_path / "object.dcm"
    path.write_bytes(file_head(sop_classes.XA, "1.2.3", syntax) + HEAD)
    with pytest.raises(Unreadable, match="a transfer syntax that is not taken"):
        read_header(path)


@pytest.mark.parametrize("content", [b"", b"x" * 200, b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM\x02\x00"])
def test_a_file_without_file_meta_information_is_refused(content, tmp_path):
    path = tmp_path / "object.dcm"
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        read_outline(path)


def assert_as_pydicom_reads(path: Path) -> None:
    outline, parsed = read_outline(path), pydicom.dcmread(path)
    assert (outline.sop_class_uid, outline.sop_instance_uid) == (parsed.SOPClassUID, parsed.SOPInstanceUID)
    assert outline.study_instance_uid == parsed.get("StudyInstanceUID", "")
    assert (outline.rows, outline.cols) == (parsed.get("Rows", 0), parsed.get("Columns", 0))
    assert outline.n_frames == int(parsed.get("NumberOfFrames", 1))
    assert outline.photometric == parsed.get("PhotometricInterpretation", "")
    assert (outline.bits_allocated, outline.bits_stored) == (
        parsed.get("BitsAllocated", 0),
        parsed.get("BitsStored", 0),
    )
    if outline.pixels is not None:
        pixels = parsed["PixelData"]
        assert (outline.pixels.n_bytes is None) == pixels.is_undefined_length
        whole = path.read_bytes()
        assert whole[outline.pixels.at :].startswith(pixels.value[:1000])


@pytest.mark.parametrize("syntax", sop_classes.NATIVE)
def test_a_walk_finds_what_a_parser_finds(syntax, tmp_path):
    told = image(ramp(3), ReferencedStudySequence=[image(), image()])
    icon = Dataset()
    icon.add_new("PixelData", "OB", encapsulate([b"\xff\xd8 icon \xff\xd9"]))
    icon["PixelData"].is_undefined_length = True
    if syntax == sop_classes.EXPLICIT_LE:
        told.IconImageSequence = [icon]
    for is_open in (True, False):
        told.ReferencedStudySequence = Sequence(told.ReferencedStudySequence)
        told["ReferencedStudySequence"].is_undefined_length = is_open
        for each in told.ReferencedStudySequence:
            each.is_undefined_length_sequence_item = is_open
        assert_as_pydicom_reads(saved(with_meta(told, syntax), tmp_path / "object.dcm"))
    assert_as_pydicom_reads(saved(with_meta(other(sop_classes.RDSR), syntax), tmp_path / "report.dcm"))


@pytest.mark.parametrize("form", Form)
def test_a_walk_finds_what_a_parser_finds_in_every_form_of_phantom(form, tmp_path):
    due = next(study_of(QUIET, as_=form, started_at=0.0))
    assert_as_pydicom_reads(saved(due.content, tmp_path / "object.dcm"))


def test_a_walk_finds_what_a_parser_finds_in_recordings(recordings):
    for path in recordings:
        assert_as_pydicom_reads(path)


def test_items_in_implicit_encoding_within_an_explicit_object_are_walked_as_the_parser_reads_them(tmp_path):
    item = b"\x10\x00\x10\x00\x04\0\0\0A^B "
    sequence = OPEN_SEQUENCE + b"\xfe\xff\x00\xe0" + struct.pack("<I", len(item)) + item + b"\xfe\xff\xdd\xe0\0\0\0\0"
    path = tmp_path / "object.dcm"
    path.write_bytes(file_head(sop_classes.RDSR, "1.2.3", sop_classes.EXPLICIT_LE) + HEAD + sequence)
    assert_as_pydicom_reads(path)


@pytest.mark.parametrize("told", sop_classes.NATIVE)
def test_an_object_in_the_other_encoding_than_announced_is_walked_as_the_parser_reads_it(told, tmp_path):
    (other_one,) = set(sop_classes.NATIVE) - {told}
    whole = saved(with_meta(image(), other_one), tmp_path / "object.dcm").read_bytes()
    path = tmp_path / "mislabelled.dcm"
    path.write_bytes(file_head(sop_classes.XA, "1.2.3", told) + whole[144 + int.from_bytes(whole[140:144], "little") :])
    assert_as_pydicom_reads(path)


def test_a_private_sequence_in_either_encoding_is_walked_over(tmp_path):
    told = image(SOPInstanceUID=generate_uid())
    inner = Dataset()
    inner.PatientComments = "x"
    told.private_block(0x0009, "MAKER", create=True).add_new(0x10, "SQ", [inner])
    for syntax in sop_classes.NATIVE:
        assert_as_pydicom_reads(saved(with_meta(told, syntax), tmp_path / "object.dcm"))


def test_the_limits_leave_room_for_real_headers():
    assert walk.MAX_DEPTH > 10
    assert walk.MAX_ELEMENTS > 1000 * 60
