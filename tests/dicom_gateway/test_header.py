"""What a header says, as plain Python."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from detection.vocabulary import Intensity, Polarity, View
from dicom_gateway import header, sop_classes
from dicom_gateway.geometry import Circle, Polygon, Rectangle, open_field
from dicom_gateway.header import Header, read_header, read_outline, unchanging
from dicom_gateway.likeness import Known
from dicom_gateway.refusal import Unreadable
from dicom_gateway.timebase import parse_time
from tests.dicom_gateway.objects import CANARY, image, other, ramp, saved

PLAIN = {str, int, float, bool, type(None), View, Intensity, Polarity}


@pytest.fixture
def read(tmp_path: Path):
    def read_one(dataset: Dataset | None = None, **values: Any) -> Header:
        return read_header(saved(image(**values) if dataset is None else dataset, tmp_path / "object.dcm"))

    return read_one


def leaves(value: object) -> list[object]:
    if dataclasses.is_dataclass(value):
        return [leaf for field in dataclasses.fields(value) for leaf in leaves(getattr(value, field.name))]
    return [leaf for each in value for leaf in leaves(each)] if type(value) is tuple else [value]


def full(**values: Any) -> Dataset:
    """An object that tells everything we read."""
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTData = [4, 0, 16], [1, 2, 3, 4]
    lut["LUTDescriptor"].VR = lut["LUTData"].VR = "US"
    told = {
        "PositionerPrimaryAngle": "-90.5",
        "PositionerSecondaryAngle": "2",
        "ImagerPixelSpacing": ["0.4", "0.4"],
        "DistanceSourceToDetector": "1000",
        "DistanceSourceToPatient": "800",
        "RescaleSlope": "2",
        "RescaleIntercept": "-10",
        "FrameTimeVector": ["0", "100", "150"],
        "AcquisitionDateTime": "20240102030405.250+0100",
        "CollimatorShape": ["RECTANGULAR", "CIRCULAR"],
        "CollimatorUpperHorizontalEdge": 1,
        "CollimatorLowerHorizontalEdge": 60,
        "CollimatorLeftVerticalEdge": 0,
        "CollimatorRightVerticalEdge": 81,
        "CenterOfCircularCollimator": [32, 40],
        "RadiusOfCircularCollimator": 30,
        "ModalityLUTSequence": [lut],
        "ImageType": ["ORIGINAL", "PRIMARY", "SINGLE PLANE"],
        "Manufacturer": "Maker",
        "StudyDescription": "Vertebroplasty",
        "AccessionNumber": "A1",
    }
    return image(ramp(3), **(told | values))


def test_every_value_is_exactly_of_a_plain_type(read):
    header = read(full())
    assert {type(leaf) for leaf in leaves(header)} <= PLAIN


def test_every_value_of_the_recordings_is_of_a_plain_type(recordings):
    for path in recordings:
        assert {type(leaf) for leaf in leaves(read_header(path))} <= PLAIN, path.name


OWN = {
    "SOPInstanceUID": "1.2.3.4",
    "InstanceNumber": "7",
    "AcquisitionDateTime": "20240102030407.500+0100",
    "ContentTime": "040506",
}
OTHERS = {
    "PositionerPrimaryAngle": "0",
    "ImagerPixelSpacing": ["0.5", "0.5"],
    "PatientName": "OTHER^NAME",
    "SeriesInstanceUID": "1.2.3.5",
    "CollimatorLowerHorizontalEdge": 50,
    "RescaleSlope": "3",
    "SpecificCharacterSet": "ISO_IR 192",
    "FrameTimeVector": ["0", "50", "150"],
    "BitsStored": 10,
}


@pytest.mark.parametrize("told", [OWN, *({word: value} for word, value in (OWN | OTHERS).items())], ids=str)
def test_an_object_like_one_before_says_what_it_would_say_alone(tmp_path, monkeypatch, told):
    first, second = saved(full(), tmp_path / "first.dcm"), saved(full(**told), tmp_path / "second.dcm")
    monkeypatch.setattr(header, "_LIKE", Known())
    alone = read_header(second)
    monkeypatch.setattr(header, "_LIKE", Known())
    assert read_header(first) != alone
    assert read_header(second) == alone
    assert read_header(second, default_rate=5.0) == alone, "three frames tell their own times"


def test_an_object_like_one_before_is_not_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(header, "_LIKE", Known())
    paths = [
        saved(image(StudyInstanceUID="1.2", SeriesInstanceUID="1.3", InstanceNumber=n), tmp_path / f"{n}.dcm")
        for n in range(9)
    ]
    parsed, parse = [], header.pydicom.dcmread
    monkeypatch.setattr(header.pydicom, "dcmread", lambda path, **how: parsed.append(path) or parse(path, **how))
    assert [read_header(path).place for path in paths] == [(0, n) for n in range(9)]
    assert parsed == paths[:1]


def test_a_header_too_long_to_compare_is_parsed_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(header, "_LIKE", Known())
    steps = ["0", *(str(n % 90 + 10) for n in range(12_000))]
    path = saved(image(FrameTimeVector=steps, NumberOfFrames=len(steps)), tmp_path / "long.dcm")
    assert read_header(path) == read_header(path)
    assert read_header(path).frame_offsets_s[1] == pytest.approx(0.01)


def test_identity_patient_and_device_are_read(read):
    header = read(full())
    assert (header.patient.name, header.patient.id) == (CANARY, "CANARY-ID")
    assert (header.accession_number, header.procedure_text, header.device_text) == ("A1", "Vertebroplasty", "Maker")
    assert header.is_image


def test_the_outline_is_part_of_the_header(tmp_path):
    path = saved(full(), tmp_path / "object.dcm")
    outline, header = read_outline(path), read_header(path)
    assert all(getattr(header, field.name) == getattr(outline, field.name) for field in dataclasses.fields(outline))


@pytest.mark.parametrize(
    ("primary", "secondary", "view"),
    [
        ("90", "0", View.LATERAL),
        ("-75", "10", View.LATERAL),
        ("0", "0", View.AP),
        ("180", "5", View.AP),
        ("-172", None, View.AP),
        ("45", "0", View.OBLIQUE),
        ("90", "40", View.OBLIQUE),
        (None, None, View.UNKNOWN),
    ],
)
def test_angles_tell_the_view(read, primary, secondary, view):
    assert read(PositionerPrimaryAngle=primary, PositionerSecondaryAngle=secondary).view is view


def test_words_of_a_still_tell_the_view_where_there_are_no_angles(read):
    assert read(ViewPosition="LL").view is View.LATERAL
    assert read(PatientOrientation=["L", "F"]).view is View.AP
    assert read(PatientOrientation=["A", "F"]).view is View.LATERAL


@pytest.mark.parametrize(
    ("told", "mm_per_px"),
    [
        (
            {
                "ImagerPixelSpacing": ["0.4", "0.4"],
                "DistanceSourceToDetector": "1000",
                "DistanceSourceToPatient": "800",
            },
            0.32,
        ),
        ({"ImagerPixelSpacing": ["0.4", "0.4"], "EstimatedRadiographicMagnificationFactor": "1.6"}, 0.25),
        ({"ImagerPixelSpacing": ["0.4", "0.4"]}, None),
        ({"PixelSpacing": ["0.3", "0.3"], "ImagerPixelSpacing": ["0.4", "0.4"]}, 0.3),
        ({"PixelSpacing": ["0.4", "0.4"], "ImagerPixelSpacing": ["0.4", "0.4"]}, None),
        ({"PixelSpacing": ["0.3", "0.6"]}, None),
        ({"PixelSpacing": ["0.3", "0.3"], "SOPClassUID": sop_classes.SC}, None),
        (
            {"PixelSpacing": ["0.3", "0.3"], "SOPClassUID": sop_classes.SC, "PixelSpacingCalibrationType": "FIDUCIAL"},
            0.3,
        ),
        ({"PixelSpacing": ["0.02", "0.02"]}, 0.02),
        ({"PixelSpacing": ["0.0003", "0.0003"]}, None),
        ({"PixelSpacing": ["20", "20"]}, None),
        ({"ImagerPixelSpacing": ["0.03", "0.03"], "EstimatedRadiographicMagnificationFactor": "3"}, None),
        ({}, None),
    ],
)
def test_the_scale_at_the_object_plane(read, told, mm_per_px):
    assert read(**told).mm_per_px == (None if mm_per_px is None else pytest.approx(mm_per_px))


@pytest.mark.parametrize(
    ("told", "base", "offsets"),
    [
        ({"FrameTimeVector": ["0", "100", "150"], "CineRate": 5}, "FrameTimeVector", (0.0, 0.1, 0.25)),
        ({"FrameTimeVector": ["0", "100"]}, "FrameTime", (0.0, 0.1, 0.2)),
        ({"FrameTime": None, "CineRate": 5, "RecommendedDisplayFrameRate": 20}, "CineRate", (0.0, 0.2, 0.4)),
        ({"FrameTime": None, "RecommendedDisplayFrameRate": 20}, "RecommendedDisplayFrameRate", (0.0, 0.05, 0.1)),
        ({"FrameTime": None}, "default", (0.0, 1 / 7.5, 2 / 7.5)),
    ],
)
def test_frame_times_come_from_the_most_trusted_element(read, told, base, offsets):
    header = read(image(ramp(3), **told))
    assert header.time_base == base
    assert header.frame_offsets_s == pytest.approx(offsets)


def test_an_enhanced_object_tells_each_frame(read):
    groups = []
    for second in (5.0, 5.5, 7.0):
        content, group = Dataset(), Dataset()
        content.FrameReferenceDateTime = f"2024010203040{second}"
        group.FrameContentSequence = [content]
        groups.append(group)
    position, properties, shared = Dataset(), Dataset(), Dataset()
    position.PositionerPrimaryAngle, position.PositionerSecondaryAngle = "91", "0"
    properties.PixelIntensityRelationship, properties.ImagerPixelSpacing = "LIN", [0.4, 0.4]
    shared.PositionerPositionSequence, shared.FramePixelDataPropertiesSequence = [position], [properties]
    header = read(
        image(
            ramp(3),
            SOPClassUID=sop_classes.ENHANCED_XA,
            PixelIntensityRelationship=None,
            PerFrameFunctionalGroupsSequence=groups,
            SharedFunctionalGroupsSequence=[shared],
            EstimatedRadiographicMagnificationFactor=1.6,
        )
    )
    assert header.frame_offsets_s == pytest.approx((0.0, 0.5, 2.0))
    assert (header.view, header.intensity, header.mm_per_px) == (View.LATERAL, Intensity.LINEAR, pytest.approx(0.25))


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("20240102030405", "+0000", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()),
        ("20240102030405.5", "+0100", datetime(2024, 1, 2, 2, 4, 5, 500000, tzinfo=UTC).timestamp()),
        ("20240102030405+0200", "+0000", datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC).timestamp()),
        ("20240102030405", "", datetime(2024, 1, 2, 3, 4, 5).timestamp()),
        ("202401020304", "+0000", None),
        ("20241302030405", "+0000", None),
        ("", "", None),
    ],
)
def test_times_of_the_device(text, zone, moment):
    assert parse_time(text, zone) == moment


@pytest.mark.parametrize(
    ("told", "intensity", "polarity"),
    [
        ({}, Intensity.LINEAR, Polarity.DENSE_IS_DARK),
        ({"RescaleSlope": "-1"}, Intensity.LINEAR, Polarity.DENSE_IS_BRIGHT),
        ({"PixelIntensityRelationship": "LOG"}, Intensity.LOG, Polarity.DENSE_IS_DARK),
        ({"PixelIntensityRelationship": "DISP"}, Intensity.DISPLAY, Polarity.UNCERTAIN),
        (
            {"PixelIntensityRelationship": "DISP", "PixelIntensityRelationshipSign": 1},
            Intensity.DISPLAY,
            Polarity.DENSE_IS_DARK,
        ),
        ({"PixelIntensityRelationshipSign": -1}, Intensity.LINEAR, Polarity.DENSE_IS_BRIGHT),
        ({"PixelIntensityRelationship": None}, Intensity.DISPLAY, Polarity.UNCERTAIN),
    ],
)
def test_what_the_values_stand_for(read, told, intensity, polarity):
    header = read(**told)
    assert (header.intensity, header.polarity) == (intensity, polarity)


@pytest.mark.parametrize("told", [{"PixelIntensityRelationshipSign": 1}, {"RescaleSlope": "-1"}])
def test_who_says_which_way_values_go_is_believed_more_than_the_display(read, told):
    said, shown = read(**told), read(**told, PhotometricInterpretation="MONOCHROME1")
    assert not shown.is_turned
    assert shown.polarity is said.polarity


def test_a_log_object_with_its_lut_is_linear(read):
    assert read(full(PixelIntensityRelationship="LOG")).intensity is Intensity.LINEAR


@pytest.mark.parametrize(
    ("said", "is_subtracted"),
    [("DSA subtracted", True), ("unsubtracted", False), ("not subtracted", False), ("Subtraction", True), ("", False)],
)
def test_a_run_stored_subtracted_is_told_apart(read, said, is_subtracted):
    assert read(AcquisitionDeviceProcessingDescription=said).is_subtracted is is_subtracted


def test_lossy_once_is_lossy_for_good(read):
    assert read(LossyImageCompression="01").is_lossy
    assert not read(LossyImageCompression="00").is_lossy


def test_edges_outside_the_picture_leave_it_open(read):
    header = read(full())
    assert Rectangle(top=1, bottom=58, left=0, right=79) in header.apertures
    field = open_field(header.apertures, 64, 80)
    assert field.shape == (64, 80)
    assert not field[0].any()
    assert not field[31, 0]
    assert field[31, 39]


def test_apertures_by_hand():
    square = Polygon(corners=((10.0, 10.0), (10.0, 20.0), (20.0, 20.0), (20.0, 10.0)))
    field = open_field((square,), 30, 30)
    assert field.sum() == pytest.approx(100, abs=11)
    assert field[15, 15]
    assert not field[5, 15]
    assert open_field((Circle(row=5, col=5, radius=100),), 10, 10) is None
    assert open_field((), 10, 10) is None


@pytest.mark.parametrize("sop_class", sorted(sop_classes.KEPT))
def test_an_object_without_frames_has_a_header_all_the_same(read, sop_class):
    header = read(other(sop_class))
    assert not header.is_image
    assert header.patient.name == CANARY


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"junk" * 50])
def test_what_is_no_dicom_is_unreadable(tmp_path, content):
    path = tmp_path / "object.dcm"
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        read_header(path)


def test_the_reason_never_quotes_the_object(tmp_path):
    path = saved(image(), tmp_path / "object.dcm")
    path.write_bytes(
        path.read_bytes().replace(CANARY.encode(), b"CANARY\\NA\xff"[:11]).replace(b"MONO", b"\xff\xff\0\0")
    )
    path.write_bytes(path.read_bytes().replace(b"\x08\x00\x18\x00UI", b"\x08\x00\x19\x00UI"))
    with pytest.raises(Unreadable) as caught:
        read_outline(path)
    assert "CANARY" not in str(caught.value)


def test_a_deeply_nested_header_is_refused_not_followed(tmp_path):
    open_item = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path = saved(other(sop_classes.RDSR, SOPInstanceUID=generate_uid()), tmp_path / "object.dcm")
    path.write_bytes(path.read_bytes() + open_item * 20_000)
    with pytest.raises(Unreadable):
        read_header(path)


def test_where_nothing_changes_a_file_is_read_once_wherever_it_is_moved_to(tmp_path):
    path, headers = saved(image(), tmp_path / "object.dcm"), {}
    with unchanging(headers):
        first = read_header(path)
        moved = path.rename(tmp_path / "moved.dcm")
        moved.write_bytes(b"of the same file, and no DICOM")
        assert read_header(moved) is first
        other_file = saved(image(), tmp_path / "other.dcm")
        assert read_header(other_file).sop_instance_uid != first.sop_instance_uid
    with pytest.raises(Unreadable):
        read_header(moved)
