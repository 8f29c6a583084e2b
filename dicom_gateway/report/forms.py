"""In which kinds of object a report leaves, and what all objects of a kind share."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from dicom_gateway import sop_classes


class Form(StrEnum):
    """In which kind of object something leaves."""

    SR = "sr"
    KOS = "kos"
    GSPS = "gsps"
    SEG = "seg"
    SC = "sc"
    PDF = "pdf"


class Series(NamedTuple):
    """What all objects of one form share."""

    sop_class: str
    modality: str
    number: int
    description: str


SERIES: Mapping[Form, Series] = MappingProxyType(
    {
        Form.SR: Series(sop_classes.COMPREHENSIVE_3D_SR, "SR", 99101, "cementwatch findings (research, no device)"),
        Form.KOS: Series(sop_classes.KOS, "KO", 99102, "cementwatch alert frames (research, no device)"),
        Form.GSPS: Series(sop_classes.GSPS, "PR", 99103, "cementwatch outlines (research, no device)"),
        Form.SEG: Series(sop_classes.SEG, "SEG", 99104, "cementwatch cement (research, no device)"),
        Form.SC: Series(sop_classes.SC, "OT", 99105, "cementwatch pictures (research, no device)"),
        Form.PDF: Series(sop_classes.ENCAPSULATED_PDF, "DOC", 99106, "cementwatch report (research, no device)"),
    }
)
