"""A radiation dose structured report with written totals (PS3.16 TID 10001)."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from dicom_gateway import sop_classes
from tests.dicom_gateway.objects import with_meta


def code(value: str, scheme: str = "DCM") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "a meaning"
    return item


def container(concept: str, *below: Dataset) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "CONTAINER"
    item.ConceptNameCodeSequence = [code(concept)]
    item.ContentSequence = list(below)
    return item


def number(concept: str, value: Any, unit: str) -> Dataset:
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = value, [code(unit, "UCUM")]
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", "NUM"
    item.ConceptNameCodeSequence, item.MeasuredValueSequence = [code(concept)], [measured]
    return item


def scope(uid: str) -> Dataset:
    told = Dataset()
    told.RelationshipType, told.ValueType, told.UID = "HAS PROPERTIES", "UIDREF", uid
    told.ConceptNameCodeSequence = [code("110180")]
    item = Dataset()
    item.RelationshipType, item.ValueType = "HAS OBS CONTEXT", "CODE"
    item.ConceptNameCodeSequence, item.ConceptCodeSequence = [code("113705")], [code("113014")]
    item.ContentSequence = [told]
    return item


def dose_report(study: str, *planes: tuple[Dataset, ...], n_events: int = 2, scope_uid: str = "") -> Dataset:
    """A report with the totals of each plane."""
    report = Dataset()
    report.SOPClassUID, report.SOPInstanceUID = sop_classes.RDSR, generate_uid()
    report.StudyInstanceUID, report.SeriesInstanceUID = study, generate_uid()
    report.Modality, report.PatientName, report.PatientID = "SR", "CANARY^NAME", "CANARY-ID"
    report.ValueType, report.ConceptNameCodeSequence = "CONTAINER", [code("113701")]
    content = [scope(scope_uid)] if scope_uid else []
    content += [container("113702", *plane) for plane in planes]
    content += [container("113706", number("113738", 0.001, "Gy")) for _ in range(n_events)]
    report.ContentSequence = content
    return with_meta(report)
