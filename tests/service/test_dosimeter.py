"""Dose reports that arrive are in the procedure of their study, each once."""

from __future__ import annotations

import pytest

from db.dose import doses_of
from db.procedures import Opening, open_procedure
from service.api.answers import dose_of
from service.dosimeter import Dosimeter
from tests.dicom_gateway.objects import image
from tests.dicom_gateway.reports import dose_report, number
from tests.service.depot import Depot

PLANE = (number("113722", 0.00125, "Gy.m2"), number("113725", 0.0432, "Gy"), number("113730", 187, "s"))
MORE = (number("113722", 0.002, "Gy.m2"), number("113725", 0.0632, "Gy"), number("113730", 200, "s"))


@pytest.fixture
def depot(tmp_path):
    depot = Depot(folder=tmp_path / "data", archives=())
    yield depot
    depot.engine.dispose()


def procedure_of(depot: Depot, study: str, replay: str | None = None):
    return open_procedure(depot.engine, Opening(at=1.0, study_instance_uid=study, replay=replay))


def test_a_report_before_or_after_the_images_is_in_its_procedure_and_a_later_one_replaces_it(depot):
    depot.arrive(dose_report("1.2", PLANE, scope_uid="1.7"))
    depot.arrive(image(StudyInstanceUID="1.2"))
    assert Dosimeter(depot.engine, depot.spool).step() == 2
    dose = dose_of(doses_of(depot.engine, procedure_of(depot, "1.2")))
    assert (dose.air_kerma_mgy, dose.dose_area_product_gy_cm2) == (pytest.approx(43.2), pytest.approx(12.5))
    assert (dose.fluoroscopy_s, dose.events, dose.reports) == (187.0, 2, 1)
    depot.arrive(dose_report("1.2", MORE, scope_uid="1.7"))
    depot.arrive(dose_report("1.2", PLANE, scope_uid="1.8"))
    again = Dosimeter(depot.engine, depot.spool)
    assert [again.step(), again.step()] == [2, 0], "what was read is not read again after a restart"
    dose = dose_of(doses_of(depot.engine, procedure_of(depot, "1.2")))
    assert (dose.air_kerma_mgy, dose.reports) == (pytest.approx(63.2 + 43.2), 2)


def test_a_replays_dose_is_its_own_and_a_procedure_without_reports_tells_none(depot):
    depot.arrive(dose_report("1.2", PLANE), replay="abc")
    Dosimeter(depot.engine, depot.spool).step()
    assert dose_of(doses_of(depot.engine, procedure_of(depot, "1.2"))) is None
    assert dose_of(doses_of(depot.engine, procedure_of(depot, "1.2", "abc"))).reports == 1


def test_a_report_that_cannot_be_read_is_told_and_stops_none_behind_it(depot, caplog):
    depot.arrive(dose_report("1.2"))
    depot.arrive(dose_report("1.2", PLANE))
    Dosimeter(depot.engine, depot.spool).step()
    assert dose_of(doses_of(depot.engine, procedure_of(depot, "1.2"))).reports == 1
    assert "no dose could be read" in caplog.text
    assert "CANARY" not in caplog.text
