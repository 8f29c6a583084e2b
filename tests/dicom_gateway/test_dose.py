"""Dose reports: totals in our units, summed over planes, and nothing guessed."""

from __future__ import annotations

import pytest

from dicom_gateway.dose import read_dose
from dicom_gateway.refusal import Unreadable
from tests.dicom_gateway.objects import image, saved
from tests.dicom_gateway.reports import dose_report, number


def told(path, *planes, **more):
    dose = read_dose(saved(dose_report("1.2.3", *planes, **more), path / "report.dcm"))
    return dose.air_kerma_mgy, dose.dose_area_product_gy_cm2, dose.fluoroscopy_s, dose.n_events, dose.n_planes


PLANE = (number("113722", 0.00125, "Gy.m2"), number("113725", 0.0432, "Gy"), number("113730", 187, "s"))
OTHER = (number("113722", 250, "cGy.cm2"), number("113725", 6.8, "mGy"), number("113730", 1.5, "min"))


def test_totals_are_told_in_milligray_gray_square_centimetres_and_seconds(tmp_path):
    assert told(tmp_path, PLANE) == (pytest.approx(43.2), pytest.approx(12.5), 187.0, 2, 1)


def test_the_planes_of_a_biplane_device_are_summed(tmp_path):
    assert told(tmp_path, PLANE, OTHER) == (pytest.approx(50.0), pytest.approx(15.0), pytest.approx(277.0), 2, 2)


def test_parts_make_the_total_that_a_device_does_not_tell_and_count_once_where_it_does(tmp_path):
    parts = (number("113728", 10, "mGy"), number("113729", 5, "mGy"))
    assert told(tmp_path, parts)[0] == pytest.approx(15.0)
    assert told(tmp_path, (*parts, number("113725", 16, "mGy")))[0] == pytest.approx(16.0)


@pytest.mark.parametrize(
    "plane",
    [
        (number("113725", 3, "rad"),),
        (number("113725", -1, "Gy"),),
        (number("113725", "", "Gy"),),
        (),
    ],
    ids=["unknown unit", "negative", "empty", "nothing"],
)
def test_what_is_not_told_is_none_and_never_guessed(tmp_path, plane):
    assert told(tmp_path, plane)[:3] == (None, None, None)


def test_what_the_totals_were_accumulated_over_is_known_by_its_uid(tmp_path):
    for uid, expected in (("", "1.2.3"), ("1.2.9", "1.2.9")):
        report = dose_report("1.2.3", PLANE, scope_uid=uid)
        assert read_dose(saved(report, tmp_path / "report.dcm")).scope_uid == expected


def test_another_object_is_no_dose_report(tmp_path):
    for path in (saved(image(), tmp_path / "image.dcm"), saved(dose_report("1.2.3"), tmp_path / "empty.dcm")):
        with pytest.raises(Unreadable):
            read_dose(path)
    (tmp_path / "text.dcm").write_bytes(b"no report")
    with pytest.raises(Unreadable):
        read_dose(tmp_path / "text.dcm")
