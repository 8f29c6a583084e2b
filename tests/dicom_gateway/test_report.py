"""Objects of a report over images as they really come: single frames, inverted ones, colour, headers with little in them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from detection.vocabulary import Kind, Priority, Side, View, Zone
from dicom_gateway import sop_classes
from dicom_gateway.report.concepts import EXPORT, MEASURES, PATIENT_RECORD, places_of
from dicom_gateway.report.forms import Form
from dicom_gateway.report.nouns import Document, KeyFrame, Maker, Measure, Name, Report, Sighting, Unit, fingerprint
from dicom_gateway.report.objects import objects_of
from dicom_gateway.report.stored import Made, source_at, write_once
from tests.conftest import program
from tests.dicom_gateway.objects import CANARY, image, ramp, saved, with_meta

WORDS = "Words of safety."
SQUARE = ((10.0, 20.0), (10.0, 30.0), (25.0, 30.0), (25.0, 20.0))
MAKER = Maker(name="cementwatch", software="1.0", algorithm="1", rules="abc", installation="CEMENTWATCH")
LEAK = Sighting(
    id="alert 1",
    kind=Kind.LEAK,
    words="Cement in the disc, superior: 12 mm².",
    zone=Zone.DISC,
    side=Side.SUPERIOR,
    level="L2",
    priority=Priority.MEDIUM,
    outline=SQUARE,
    measures=(Measure(name=Name.AREA, value=150.0, unit=Unit.PIXELS),),
)
SHEETS = Document(title="report", key="k1", at=1_760_000_100.0, pdf=b"%PDF-1.4 odd end")


def report_of(folder: Path, *images: Dataset, **frame: Any) -> Report:
    """A leak on the first frame of each of these images, all of one study."""
    frames = []
    for at, each in enumerate(images):
        each.StudyInstanceUID = "2.25.1"
        cement = np.zeros((64, 80), bool)
        cement[10:26, 20:31] = True
        told = {"index": 0, "view": View.LATERAL, "is_alert": True, "sightings": (LEAK,), "outlines": (SQUARE,)}
        source = source_at(saved(each, folder / f"{at}.dcm"))
        frames.append(KeyFrame(source=source, cement=cement, **(told | frame)))
    return Report(
        procedure="p",
        study_instance_uid="2.25.1",
        at=1_760_000_000.25,
        words=WORDS,
        maker=MAKER,
        frames=tuple(frames),
        document=SHEETS,
    )


def made_of(report: Report, folder: Path) -> dict[Form, list[Made]]:
    made: dict[Form, list[Made]] = {}
    for each in write_once(objects_of(report), folder / "made"):
        made.setdefault(each.form, []).append(each)
    return made


def errors_in(each: Made) -> list[str]:
    command = [str(program("dciodvfy", "dicom3tools")), str(each.path)]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stderr
    return [line for line in said.splitlines() if line.startswith("Error")]


def grey(photometric: str, sop_class: str) -> Dataset:
    return with_meta(image(SOPClassUID=sop_class, PhotometricInterpretation=photometric, PatientSex="", StudyID=None))


def colour() -> Dataset:
    pixels = np.zeros((64, 80, 3), np.uint8)
    told = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    dataset = with_meta(image(ramp(), SOPClassUID=sop_classes.SC, **told))
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.add_new("PixelData", "OB", pixels.tobytes())
    return dataset


SOURCES = {
    "xa": lambda: grey("MONOCHROME2", sop_classes.XA),
    "xrf": lambda: grey("MONOCHROME2", sop_classes.XRF),
    "inverted capture": lambda: grey("MONOCHROME1", sop_classes.SC),
    "colour capture": colour,
}


@pytest.mark.parametrize("name", SOURCES)
def test_objects_over_a_single_frame_with_a_poor_header_are_valid(name, tmp_path):
    made = made_of(report_of(tmp_path, SOURCES[name](), picture=np.zeros((64, 80, 3), np.uint8)), tmp_path)
    assert set(made) == set(Form) - ({Form.GSPS} if name == "colour capture" else set())
    for each in (one for form in made.values() for one in form):
        assert errors_in(each) == [], each.form
        written = pydicom.dcmread(each.path)
        assert str(written.PatientName) == CANARY
        assert WORDS in str(written)
        assert "ReferencedFrameNumber" not in str(written), "a single frame has no number"


def test_a_segmentation_over_two_images_names_each_and_reads_back_pixel_by_pixel(tmp_path):
    series = "2.25.9"
    images = [image(SeriesInstanceUID=series), image(SeriesInstanceUID=series), image(ramp(size=(32, 48)))]
    report = report_of(tmp_path, *images)
    small = replace(report.frames[2], cement=np.ones((32, 48), bool))
    made = made_of(replace(report, frames=(*report.frames[:2], small)), tmp_path)
    large, other = [highdicom.seg.segread(each.path) for each in made[Form.SEG]]
    assert large.pixel_array.shape == (2, 64, 80)
    np.testing.assert_array_equal(large.pixel_array[1], report.frames[1].cement)
    assert other.pixel_array.all()
    sources = [
        groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for groups in large.PerFrameFunctionalGroupsSequence
    ]
    assert sources == [each.SOPInstanceUID for each in images[:2]]


def test_without_alert_and_cement_the_report_is_all_there_is(tmp_path):
    blank = {"words": "", "zone": None, "side": None, "priority": None, "outline": (), "measures": ()}
    quiet = replace(LEAK, kind=None, is_seen=False, **blank)
    report = report_of(tmp_path, image(), is_alert=False, sightings=(quiet,), outlines=())
    bare = replace(report, document=None, frames=(replace(report.frames[0], cement=None),))
    made = made_of(bare, tmp_path)
    assert set(made) == {Form.SR}
    assert errors_in(made[Form.SR][0]) == []
    told = str(pydicom.dcmread(made[Form.SR][0].path))
    assert "CEMENT_NOT_SEEN" in told
    assert "CEMENT_SEEN" not in told


def test_equal_reports_have_equal_objects_and_any_difference_has_others(tmp_path):
    report = report_of(tmp_path, image())
    again = replace(report, frames=tuple(report.frames))
    assert list(objects_of(report)) == list(objects_of(again))
    others = [
        replace(report, at=report.at + 1),
        replace(report, maker=replace(MAKER, rules="abd")),
        replace(report, remarks=("a remark",)),
        replace(report, frames=(replace(report.frames[0], sightings=(replace(LEAK, level="L3"),)),)),
    ]
    assert len({fingerprint(each) for each in (report, *others)}) == 1 + len(others)


def test_times_are_told_in_the_zone_of_the_image(tmp_path):
    report = report_of(tmp_path, image(TimezoneOffsetFromUTC="-0330"))
    (written,) = [each for each in objects_of(report) if each.Modality == "SR"]
    assert (str(written.ContentDate), str(written.ContentTime)) == ("20251009", "052320.250000")


@pytest.mark.parametrize(
    ("zone", "level", "side", "expected"),
    [
        (Zone.DISC, "L2", Side.SUPERIOR, ["L2 vertebra", "L1/L2 disc"]),
        (Zone.DISC, "L5", Side.INFERIOR, ["L5 vertebra", "L5/S1 disc"]),
        (Zone.DISC, "T1", Side.SUPERIOR, ["T1 vertebra", "C7/T1 disc"]),
        (Zone.DISC, None, Side.SUPERIOR, []),
        (Zone.DISC, "C1", Side.SUPERIOR, ["C1 vertebra"]),
        (Zone.CANAL, "T12", None, ["T12 vertebra", "Vertebral canal"]),
        (Zone.FORAMEN, None, None, ["Vertebral foramen"]),
        (Zone.VEIN, "the second", None, []),
        (None, "L1", None, ["L1 vertebra"]),
    ],
)
def test_finding_sites_are_those_of_the_standard_and_none_is_made_up(zone, level, side, expected):
    assert [each.meaning for each in places_of(zone, level, side)] == expected


def test_the_codes_that_are_written_out_are_those_of_the_standard():
    tables = {"SCT": codes.SCT, "DCM": codes.DCM}
    told = [each for each in (*MEASURES.values(), EXPORT, PATIENT_RECORD) if not isinstance(each, str)]
    assert len(told) == 6
    for each in told:
        known = getattr(tables[each.scheme], each.meaning.replace(" ", ""))
        assert (known.value, known.scheme_designator, known.meaning) == (each.value, each.scheme, each.meaning)
