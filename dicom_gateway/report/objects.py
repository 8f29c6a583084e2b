"""A report to its objects. The structured report comes last: where it lies, all the others do."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicom_gateway.report.captured import captures
from dicom_gateway.report.encapsulated import documents
from dicom_gateway.report.keys import key_objects
from dicom_gateway.report.nouns import Report
from dicom_gateway.report.presented import presentations
from dicom_gateway.report.segmented import segmentations
from dicom_gateway.report.structured import structured_report


def objects_of(report: Report) -> tuple[Dataset, ...]:
    """Every object of one study's report, whole and with the UIDs that follow from it."""
    return (
        *key_objects(report),
        *presentations(report),
        *segmentations(report),
        *captures(report),
        *documents(report),
        structured_report(report),
    )
