"""A copy without identity: what may stay, what the pixels are, and that it is judged alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table_e1
from pydicom import dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicom_gateway import sop_classes
from dicom_gateway.arrival import Arrival
from dicom_gateway.confidential import DEVICE, MADE, MOMENTS, NUMBERS, SEQUENCES, UIDS, WORDS, Choice, Fate
from dicom_gateway.decoding import Decoder
from dicom_gateway.deidentify import deidentify
from dicom_gateway.disguise import disguise_of, key_at
from dicom_gateway.frames import frames_of
from dicom_gateway.geometry import Rectangle
from dicom_gateway.header import read_header
from dicom_gateway.refusal import Undecodable
from tests.dicom_gateway.objects import image, ramp, saved

KEY = b"k" * 32
DECODER = Decoder()
"""One process for all tests of this file, started by the first that needs it."""
RECORDED = frozenset({"XA1_JPLL", "XA1_JPLY", "XA1_JLSN", "XA1_UNC", "rf_siemens_464x512.dcm"})
RETAINED_BY_DEVICE_OPTION = frozenset({"DeviceSerialNumber", "StationName", "DetectorID"})
"""Of what we keep on demand, what table E.1-1 names; its column 'Rtn. Dev. Id. Opt.' says K for each."""


def named_in_the_profile(keyword: str) -> bool:
    """Whether table E.1-1 says something about this attribute, as dicom-anonymizer keeps the table."""
    tag = Tag(tag_for_keyword(keyword))
    return (tag.group, tag.element) in {each[:2] for each in table_e1.ALL_TAGS if len(each) == 2}


def arrival_of(path) -> Arrival:
    size = path.stat().st_size
    about = {"source": "ARM1", "received_at": 1.0, "uid_hash": "", "digest": "", "replay": None}
    return Arrival(number=1, path=path, size=size, **about)


def copied(path, out, choice=None, apertures=()):
    header = read_header(path)
    header = replace(header, apertures=(*header.apertures, *apertures))
    return deidentify(arrival_of(path), header, disguise_of(KEY, "somebody", choice or Choice()), out, DECODER)


def test_nothing_is_copied_that_the_profile_names_but_by_an_option():
    assert named_in_the_profile("PatientName")
    assert named_in_the_profile("StationName")
    copied_as_they_are = {*NUMBERS, *WORDS, *SEQUENCES} - {"TimezoneOffsetFromUTC"}
    assert not {keyword for keyword in copied_as_they_are if named_in_the_profile(keyword)}
    assert {keyword for keyword in DEVICE if named_in_the_profile(keyword)} == RETAINED_BY_DEVICE_OPTION
    assert all(tag_for_keyword(keyword) for keyword in (*NUMBERS, *WORDS, *MOMENTS, *UIDS, *SEQUENCES, *MADE, *DEVICE))


def test_the_copy_declares_how_it_lost_its_identity(tmp_path):
    said = {"SeriesDescription": "of Mrs X", "SpecificCharacterSet": "ISO_IR 100", "Manufacturer": "Müller"}
    original = saved(image(DeviceSerialNumber="SN-1", **said), tmp_path / "a.dcm")
    found = copied(original, tmp_path / "b.dcm").found
    copy = dcmread(tmp_path / "b.dcm")
    assert (copy.PatientIdentityRemoved, copy.LongitudinalTemporalInformationModified) == ("YES", "MODIFIED")
    assert [code.CodeValue for code in copy.DeidentificationMethodCodeSequence] == ["113100", "113107"]
    assert "DeviceSerialNumber" not in copy
    assert found["SeriesDescription", Fate.REMOVED] == 1
    assert found["StudyInstanceUID", Fate.REPLACED] == 1
    kept = copied(original, tmp_path / "c.dcm", Choice(keeps_dates=True, keeps_device=True))
    copy = dcmread(tmp_path / "c.dcm")
    assert [code.CodeValue for code in copy.DeidentificationMethodCodeSequence] == ["113100", "113106", "113109"]
    assert copy.Manufacturer == "Müller"
    assert (copy.DeviceSerialNumber, copy.LongitudinalTemporalInformationModified) == ("SN-1", "UNMODIFIED")
    assert kept.found["DeviceSerialNumber", Fate.KEPT] == 1


def test_images_that_name_no_patient_are_not_all_of_one(tmp_path):
    nameless = saved(image(PatientID="", PatientName=""), tmp_path / "a.dcm")
    header = read_header(nameless)
    labels = []
    for whose in ("one procedure", "another"):
        out = tmp_path / f"{whose}.dcm"
        deidentify(arrival_of(nameless), header, disguise_of(KEY, whose, Choice()), out, DECODER)
        labels.append(dcmread(out).PatientID)
    assert labels[0] != labels[1]


def test_recordings_are_judged_from_the_same_numbers_afterwards(recordings, tmp_path):
    """Lossless, lossy, near-lossless, native, and a format of small pixels."""
    for path in [path for path in recordings if path.name in RECORDED]:
        out = tmp_path / f"{path.stem}.dcm"
        copied(path, out)
        before, after = read_header(path), read_header(out)
        for name in ("intensity", "polarity", "view", "mm_per_px", "frame_offsets_s", "is_lossy", "is_subtracted"):
            assert getattr(after, name) == getattr(before, name), (path.name, name)
        (was,), (now,) = frames_of(arrival_of(path), before, decoder=DECODER), frames_of(arrival_of(out), after)
        assert (was.pixels == now.pixels).all(), path.name


def test_names_of_things_are_always_the_same_for_one_key_and_others_for_another(tmp_path):
    a, b = disguise_of(KEY, "p", Choice()), disguise_of(b"l" * 32, "p", Choice())
    assert a.uid("1.2.3") == disguise_of(KEY, "q", Choice()).uid("1.2.3") != b.uid("1.2.3")
    assert len(a.uid("1.2.3")) <= 64
    assert a.moved("20240301") != "20240301"
    assert len(a.moved("20240301")) == 8
    assert a.moved("20240301101112.5+0100")[8:] == "101112.5+0100"
    assert disguise_of(KEY, "p", Choice(keeps_dates=True)).moved("20240301") == "20240301"
    key = key_at(tmp_path / "key")
    assert key == key_at(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(OSError, match="32 bytes"):
        key_at(tmp_path / "key")


def test_a_declared_area_is_blank_in_every_frame_and_overlay_bits_are_gone(tmp_path):
    stored = ramp(3) | 0x8000  # an overlay in bit 15
    path = saved(image(stored), tmp_path / "a.dcm")
    corner = Rectangle(top=0, left=0, bottom=9, right=19, is_shut=True)
    told = copied(path, tmp_path / "b.dcm", Choice(is_declared=True), (corner,))
    pixels = dcmread(tmp_path / "b.dcm").pixel_array
    assert not pixels[:, :10, :20].any()
    assert (pixels[:, 10:] == ramp(3)[:, 10:]).all()
    assert (pixels[:, :10, 20:] == ramp(3)[:, :10, 20:]).all()
    assert told.share_blank == pytest.approx(200 / (64 * 80))
    assert dcmread(tmp_path / "b.dcm").DeidentificationMethodCodeSequence[-1].CodeValue == "113101"


def test_a_collimator_alone_does_not_make_the_pixels_clean(tmp_path):
    path = saved(image(), tmp_path / "a.dcm")
    told = copied(path, tmp_path / "b.dcm", apertures=(Rectangle(top=8, left=8, bottom=50, right=70),))
    assert told.share_blank > 0
    codes = [code.CodeValue for code in dcmread(tmp_path / "b.dcm").DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113107"]


@pytest.mark.parametrize("odd", [("UL", 70_000), ("DS", "1"), ("FD", 0.5)])
def test_a_header_that_cannot_be_written_again_leaves_one_image_out_and_not_the_whole_export(tmp_path, odd):
    original = image()
    original.add_new("PixelIntensityRelationshipSign", *odd)
    path = saved(original, tmp_path / "a.dcm")
    with pytest.raises(Undecodable, match="cannot be copied"):
        copied(path, tmp_path / "b.dcm")
    assert not (tmp_path / "b.dcm").exists()


def test_a_picture_of_which_nothing_may_be_seen_is_not_copied(tmp_path):
    path = saved(image(), tmp_path / "a.dcm")
    everything = Rectangle(top=0, left=0, bottom=64, right=80, is_shut=True)
    with pytest.raises(Undecodable):
        copied(path, tmp_path / "b.dcm", apertures=(everything,))
    assert not (tmp_path / "b.dcm").exists()


def test_a_number_that_is_none_a_word_that_is_none_and_a_date_that_is_none_go(tmp_path):
    lut = Dataset()
    lut.add_new("LUTDescriptor", "US", [4, 0, 8])
    lut.add_new("LUTData", "OW", np.array([9, 5, 3, 1], "<u2").tobytes())
    lut.LUTExplanation = "CANARY"
    values = {"ImageType": ["ORIGINAL", "CANARY"], "ViewPosition": "CANARY", "ContentDate": "20240101"}
    original = image(ModalityLUTSequence=[lut], PositionerPrimaryAngle="89.5", KVP="123456789", **values)
    original.add_new("AcquisitionDate", "LO", "CANARY")
    copied(saved(original, tmp_path / "a.dcm"), tmp_path / "b.dcm")
    copy = dcmread(tmp_path / "b.dcm")
    assert list(copy.ImageType) == ["ORIGINAL", "UNSPECIFIED"]
    assert not {"ViewPosition", "AcquisitionDate", "KVP"} & set(copy.dir())
    assert copy.PositionerPrimaryAngle == 89.5
    assert read_header(tmp_path / "b.dcm").lut == read_header(tmp_path / "a.dcm").lut
    assert b"CANARY" not in (tmp_path / "b.dcm").read_bytes()


def test_colour_is_copied_as_it_is_judged(tmp_path):
    rgb = np.arange(64 * 80 * 3, dtype=np.uint32).astype(np.uint8).reshape(1, 64, 80, 3)
    shape = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 1}
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    planes = np.moveaxis(rgb[0], -1, 0).tobytes()
    dataset = image(rgb, SOPClassUID=sop_classes.SC, **shape, **bits)
    dataset.file_meta.MediaStorageSOPClassUID = sop_classes.SC
    dataset["PixelData"].VR, dataset["PixelData"].value = "OB", planes
    path = saved(dataset, tmp_path / "a.dcm")
    copied(path, tmp_path / "b.dcm")
    (was,) = frames_of(arrival_of(path), read_header(path))
    (now,) = frames_of(arrival_of(tmp_path / "b.dcm"), read_header(tmp_path / "b.dcm"))
    assert (was.pixels == now.pixels).all()
