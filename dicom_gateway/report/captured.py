"""Annotated frames as Secondary Captures (PS3.3 A.8.1), for viewers that show neither presentation states nor segmentations.

Built by hand: highdicom wants to be told the patient's orientation, which many devices do not tell.
"""

from __future__ import annotations

import numpy as np
from highdicom import SOPClass
from numpy.typing import NDArray

from dicom_gateway.report.forms import Form
from dicom_gateway.report.heads import blank, finish, frame_reference
from dicom_gateway.report.nouns import KeyFrame, Report


def captures(report: Report) -> tuple[SOPClass, ...]:
    """One picture for each key frame that has one."""
    numbered = enumerate(report.frames, start=1)
    return tuple(_capture(report, each, each.picture, at) for at, each in numbered if each.picture is not None)


def _capture(report: Report, frame: KeyFrame, picture: NDArray[np.uint8], number: int) -> SOPClass:
    made = blank(report, Form.SC, number)
    made.ConversionType, made.ImageType = "WSD", ["DERIVED", "SECONDARY"]
    made.BurnedInAnnotation = "YES"
    made.PatientOrientation = frame.source.header.get("PatientOrientation") or None
    made.ImageComments = "\n".join([report.words, *(each.words for each in frame.sightings if each.words)])
    made.SourceImageSequence = [frame_reference(frame)]
    made.Rows, made.Columns, made.SamplesPerPixel = picture.shape
    made.PhotometricInterpretation, made.PlanarConfiguration, made.PixelRepresentation = "RGB", 0, 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.LossyImageCompression = 7, "01" if _is_lossy(frame) else "00"
    pixels = picture.tobytes()
    made.add_new("PixelData", "OB", pixels + b"\0" * (len(pixels) % 2))
    return finish(made, report)


def _is_lossy(frame: KeyFrame) -> bool:
    """Once lossy, always lossy."""
    return str(frame.source.header.get("LossyImageCompression", "")) == "01"
