"""The report on sheets as an Encapsulated PDF (PS3.3 A.45.1), for whoever opens a study and reads."""

from __future__ import annotations

from dataclasses import replace

from highdicom import SOPClass
from pydicom.valuerep import DA, TM

from dicom_gateway.report.forms import Form
from dicom_gateway.report.heads import blank, finish, instance_reference, moment_of
from dicom_gateway.report.nouns import Report


def documents(report: Report) -> tuple[SOPClass, ...]:
    """One where the report has sheets."""
    told = report.document
    if told is None:
        return ()
    report = replace(report, at=told.at)  # the log may go on after the last frame
    made, moment = blank(report, Form.PDF, 1), moment_of(report)
    made.ConversionType, made.BurnedInAnnotation, made.VerificationFlag = "WSD", "YES", "UNVERIFIED"
    made.ContentDate, made.ContentTime = DA(moment.date()), TM(moment.time())
    made.AcquisitionDateTime = None
    made.DocumentTitle, made.ConceptNameCodeSequence = told.title, []
    sources = {frame.source.sop_instance_uid: frame.source for frame in report.frames}
    made.SourceInstanceSequence = [instance_reference(each) for each in sources.values()]
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(told.pdf)
    made.add_new("EncapsulatedDocument", "OB", told.pdf + b"\0" * (len(told.pdf) % 2))
    return (finish(made, report),)
