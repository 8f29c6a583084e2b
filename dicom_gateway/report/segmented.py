"""The cement of the key frames as Segmentation objects (PS3.3 A.51), one for each series and size of its images.

Built by hand, without a Frame of Reference: a projection has none. Each frame names the frame that it was drawn on.
"""

from __future__ import annotations

import numpy as np
from highdicom import AlgorithmIdentificationSequence, SOPClass
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pack_bits
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID

from detection.vocabulary import Mask
from dicom_gateway.report.codes import Codebook
from dicom_gateway.report.forms import Form
from dicom_gateway.report.heads import blank, finish, frame_reference, series_references
from dicom_gateway.report.naming import uid_of
from dicom_gateway.report.nouns import KeyFrame, Report

SEGMENT = 1
STACK_ID, IN_STACK_POSITION, FRAME_CONTENT = 0x00209056, 0x00209057, 0x00209111


def segmentations(report: Report) -> tuple[SOPClass, ...]:
    """The cement of every key frame that shows some; none without cement."""
    groups: dict[tuple[str, int, int], list[KeyFrame]] = {}
    for frame in report.frames:
        if frame.cement is not None and frame.cement.any():
            source = frame.source
            groups.setdefault((source.series_instance_uid, source.rows, source.cols), []).append(frame)
    return tuple(_segmentation(report, tuple(frames), at + 1) for at, frames in enumerate(groups.values()))


def _segmentation(report: Report, frames: tuple[KeyFrame, ...], number: int) -> SOPClass:
    made = blank(report, Form.SEG, number)
    made.ImageType = ["DERIVED", "PRIMARY"]
    made.ContentLabel, made.ContentDescription = "CEMENT", "Bone cement; research, no device"
    made.ContentCreatorName = ""
    made.PatientOrientation = frames[0].source.header.get("PatientOrientation") or None
    made.SegmentationType = "BINARY"
    made.SegmentSequence = [_segment(report)]
    made.ReferencedSeriesSequence = series_references(frames)
    organization = UID(uid_of(made.SOPInstanceUID, "dimensions"))
    made.DimensionOrganizationSequence = [_organization(organization)]
    made.DimensionIndexSequence = [_dimension(pointer, organization) for pointer in (STACK_ID, IN_STACK_POSITION)]
    made.SharedFunctionalGroupsSequence = [_shared()]
    made.PerFrameFunctionalGroupsSequence = [_groups(frame, at + 1) for at, frame in enumerate(frames)]
    _add_pixels(made, [frame.cement for frame in frames if frame.cement is not None])
    return finish(made, report)


def _segment(report: Report) -> Dataset:
    """What is marked, and by which algorithm (C.8.20.2)."""
    book, maker, item = Codebook(report.codes), report.maker, Dataset()
    item.SegmentNumber, item.SegmentLabel = SEGMENT, "Bone cement"
    item.SegmentDescription = f"Bone cement as the algorithm found it, not verified. {report.words}"
    item.SegmentAlgorithmType, item.SegmentAlgorithmName = "AUTOMATIC", maker.name
    item.SegmentationAlgorithmIdentificationSequence = AlgorithmIdentificationSequence(
        name=maker.name,
        family=codes.DCM.EmpiricalAlgorithm,
        version=maker.algorithm,
        parameters={"rules": maker.rules},
    )
    item.SegmentedPropertyCategoryCodeSequence = [_code(codes.SCT.PhysicalObject)]
    item.SegmentedPropertyTypeCodeSequence = [book["CEMENT"]]
    item.TrackingID, item.TrackingUID = "cement", UID(uid_of(report.procedure, "cement"))
    item.RecommendedDisplayCIELabValue = [54000, 18000, 50000]
    return item


def _code(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item


def _organization(uid: UID) -> Dataset:
    item = Dataset()
    item.DimensionOrganizationUID = uid
    return item


def _dimension(pointer: int, organization: UID) -> Dataset:
    item = Dataset()
    item.DimensionIndexPointer, item.FunctionalGroupPointer = pointer, FRAME_CONTENT
    item.DimensionOrganizationUID = organization
    return item


def _shared() -> Dataset:
    identification, item = Dataset(), Dataset()
    identification.ReferencedSegmentNumber = SEGMENT
    item.SegmentIdentificationSequence = [identification]
    return item


def _groups(frame: KeyFrame, place: int) -> Dataset:
    """Where one frame of the segmentation stands, and which frame it was drawn on (C.7.6.16)."""
    content, derivation, item = Dataset(), Dataset(), Dataset()
    content.StackID, content.InStackPositionNumber, content.DimensionIndexValues = "1", place, [1, place]
    source = frame_reference(frame)
    source.PurposeOfReferenceCodeSequence = [_code(codes.DCM.SourceImageForImageProcessingOperation)]
    derivation.SourceImageSequence = [source]
    derivation.DerivationCodeSequence = [_code(codes.DCM.SegmentationImageDerivation)]
    item.FrameContentSequence, item.DerivationImageSequence = [content], [derivation]
    return item


def _add_pixels(made: SOPClass, masks: list[Mask]) -> None:
    """One bit a pixel, frames one after another without a gap (PS3.5 8.1.1)."""
    stack = np.stack(masks)
    made.NumberOfFrames, made.Rows, made.Columns = stack.shape
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated = made.BitsStored = 1
    made.HighBit, made.LossyImageCompression = 0, "00"
    made.add_new("PixelData", "OB", pack_bits(stack.astype(np.uint8).ravel()))
