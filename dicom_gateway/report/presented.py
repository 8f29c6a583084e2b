"""Outlines and words over the alert frames, as Grayscale Softcopy Presentation States (PS3.3 A.33.1).

One state for each image object, since the modality LUT of a state goes for all that it presents. Built by hand:
highdicom takes every class that may have frames for an enhanced one, and refuses the classic XA.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

from highdicom import SOPClass
from pydicom.dataset import Dataset

from detection.vocabulary import Outline
from dicom_gateway.report.forms import Form
from dicom_gateway.report.heads import blank, finish, frame_reference, moment_of, series_references
from dicom_gateway.report.nouns import KeyFrame, Report

LAYERS = (("CEMENT", "Bone cement as it was found"), ("FINDINGS", "What alerts are about, and words of safety"))
_MODALITY = ("ModalityLUTSequence", "RescaleIntercept", "RescaleSlope", "RescaleType")
_WINDOW = ("VOILUTSequence", "WindowCenter", "WindowWidth")
WORDS_BOX, NEXT_BOX = (0.02, 0.02, 0.98, 0.08), 0.06
"""Left, top, right, bottom of the first line of words, as shares of the picture; how much lower the next one begins."""


def presentations(report: Report) -> tuple[SOPClass, ...]:
    """One state for each grey image object with alert frames."""
    by_object: dict[str, list[KeyFrame]] = {}
    for frame in report.frames:
        if frame.is_alert and frame.source.header.get("SamplesPerPixel", 1) == 1:
            by_object.setdefault(frame.source.sop_instance_uid, []).append(frame)
    return tuple(_presentation(report, tuple(frames), at + 1) for at, frames in enumerate(by_object.values()))


def _presentation(report: Report, frames: tuple[KeyFrame, ...], number: int) -> SOPClass:
    made, moment, image = blank(report, Form.GSPS, number), moment_of(report), frames[0].source.header
    made.ContentLabel, made.ContentDescription = "CEMENTWATCH", "Outlines of cement; research, no device"
    made.ContentCreatorName = ""
    made.PresentationCreationDate, made.PresentationCreationTime = f"{moment:%Y%m%d}", f"{moment:%H%M%S.%f}"
    made.ReferencedSeriesSequence = [_as_images(each) for each in series_references(frames)]
    made.DisplayedAreaSelectionSequence = [_displayed_area(frames[0])]
    made.GraphicLayerSequence = [_layer(order + 1, *layer) for order, layer in enumerate(LAYERS)]
    made.GraphicAnnotationSequence = [item for frame in frames for item in _annotations(report, frame)]
    _copy(made, image, _MODALITY)
    window = Dataset()
    _copy(window, image, _WINDOW)
    if window:
        made.SoftcopyVOILUTSequence = [window]
    is_inverse = image.get("PhotometricInterpretation") == "MONOCHROME1"
    made.PresentationLUTShape = "INVERSE" if is_inverse else "IDENTITY"
    return finish(made, report)


def _as_images(series: Dataset) -> Dataset:
    """Presentation states call their references images, other classes instances."""
    item = Dataset()
    item.SeriesInstanceUID = series.SeriesInstanceUID
    item.ReferencedImageSequence = series.ReferencedInstanceSequence
    return item


def _displayed_area(frame: KeyFrame) -> Dataset:
    """The whole picture (C.10.4); corners are pixel numbers from 1."""
    item = Dataset()
    item.DisplayedAreaTopLeftHandCorner = [1, 1]
    item.DisplayedAreaBottomRightHandCorner = [frame.source.cols, frame.source.rows]
    item.PresentationSizeMode = "SCALE TO FIT"
    item.PresentationPixelAspectRatio = [1, 1]
    return item


def _layer(order: int, name: str, description: str) -> Dataset:
    item = Dataset()
    item.GraphicLayer, item.GraphicLayerOrder, item.GraphicLayerDescription = name, order, description
    return item


def _annotations(report: Report, frame: KeyFrame) -> list[Dataset]:
    """The cement, then what was sighted with its words; words of safety come first."""
    cement = _annotation(frame, "CEMENT", frame.outlines, ())
    sightings = [each for each in frame.sightings if each.kind is not None]
    words = (report.words, *(each.words for each in sightings if each.words))
    findings = _annotation(frame, "FINDINGS", [each.outline for each in sightings], words)
    return [cement, findings] if "GraphicObjectSequence" in cement else [findings]


def _annotation(frame: KeyFrame, layer: str, outlines: Sequence[Outline], words: Sequence[str]) -> Dataset:
    item = Dataset()
    item.ReferencedImageSequence = [frame_reference(frame)]
    item.GraphicLayer = layer
    lines = [_polyline(outline) for outline in outlines if len(outline) > 2]
    if lines:
        item.GraphicObjectSequence = lines
    if words:
        item.TextObjectSequence = [_text(each, place) for place, each in enumerate(words)]
    return item


def _polyline(outline: Outline) -> Dataset:
    """A closed line. PIXEL counts (column, row) from the corner of the top-left pixel (C.10.5.1.2)."""
    item = Dataset()
    item.GraphicAnnotationUnits, item.GraphicDimensions, item.GraphicType = "PIXEL", 2, "POLYLINE"
    closed = (*outline, outline[0])
    item.NumberOfGraphicPoints = len(closed)
    item.GraphicData = [float(value) for row, col in closed for value in (col + 0.5, row + 0.5)]
    item.GraphicFilled = "N"
    return item


def _text(words: str, place: int) -> Dataset:
    """Words in a box over the picture, whatever its size."""
    item, (left, top, right, bottom) = Dataset(), WORDS_BOX
    item.BoundingBoxAnnotationUnits = "DISPLAY"
    down = place * NEXT_BOX
    item.BoundingBoxTopLeftHandCorner = [left, top + down]
    item.BoundingBoxBottomRightHandCorner = [right, bottom + down]
    item.BoundingBoxTextHorizontalJustification = "LEFT"
    item.UnformattedTextValue = words
    return item


def _copy(target: Dataset, image: Dataset, keywords: Sequence[str]) -> None:
    for keyword in keywords:
        if image.get(keyword) not in (None, ""):
            setattr(target, keyword, deepcopy(image[keyword].value))
