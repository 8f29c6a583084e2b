"""Every UID of a report follows from what the report says (PS3.5 B.2, from a UUID by name).

The same findings give the same objects whenever, wherever and however often they are made.
"""

from __future__ import annotations

import uuid

from dicom_gateway.report.forms import Form
from dicom_gateway.report.nouns import Report, fingerprint

_NAMESPACE = uuid.UUID("0d6f3f5c-5f0e-5f57-9a0c-3f1f4b7f4a51")


def uid_of(*parts: object) -> str:
    """The UID that these parts always give."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, chr(0).join(map(str, parts))).int}"


def series_uid(report: Report, form: Form) -> str:
    """The series of this form: one for each study and procedure, whatever is found."""
    return uid_of(report.study_instance_uid, report.procedure, form)


def document_uid(report: Report, key: str) -> str:
    """The document of this key; it changes with the log, which the findings do not."""
    return uid_of(report.study_instance_uid, report.procedure, Form.PDF, key)


def object_uid(report: Report, form: Form, number: int) -> str:
    """The object of this form and number, from 1; other findings give another."""
    if form is Form.PDF and report.document is not None:
        return document_uid(report, report.document.key)
    return uid_of(report.study_instance_uid, form, number, fingerprint(report))
