"""What a copy without identity may hold of a header: an allow list, by keyword (PS3.15 annex E).

The profile's own table names what must go, and whatever a device or a later edition adds stays until somebody knows
of it. Here nothing stays that is not in this table, and of what stays no text is copied: numbers are read as numbers,
words must be among those written here, dates are moved, UIDs replaced. ``tests/dicom_gateway/test_confidential.py``
holds the table against table E.1-1 as a library keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

NUMBERS = frozenset(
    "SeriesNumber InstanceNumber CineRate FrameTime FrameTimeVector FrameDelay RecommendedDisplayFrameRate DistanceSourceToDetector "
    "DistanceSourceToPatient DistanceSourceToIsocenter EstimatedRadiographicMagnificationFactor ImagerPixelSpacing "
    "PixelSpacing PositionerPrimaryAngle PositionerSecondaryAngle ColumnAngulation CollimatorLeftVerticalEdge "
    "CollimatorRightVerticalEdge CollimatorUpperHorizontalEdge CollimatorLowerHorizontalEdge "
    "CenterOfCircularCollimator RadiusOfCircularCollimator VerticesOfThePolygonalCollimator ShutterLeftVerticalEdge "
    "ShutterRightVerticalEdge ShutterUpperHorizontalEdge ShutterLowerHorizontalEdge CenterOfCircularShutter "
    "RadiusOfCircularShutter VerticesOfThePolygonalShutter PixelIntensityRelationshipSign RescaleIntercept "
    "RescaleSlope WindowCenter WindowWidth KVP XRayTubeCurrent ExposureTime AveragePulseWidth FieldOfViewDimensions "
    "StartTrim StopTrim".split()
)
"""Attributes that hold numbers and nothing else; all of them are read by us, or by whoever shows the picture."""

WORDS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(words)
    for name, words in {
        "ImageType": "ORIGINAL|DERIVED|PRIMARY|SECONDARY|SINGLE PLANE|BIPLANE A|BIPLANE B|SINGLE A|SINGLE B|SUBTRACTION|NONE",
        "Modality": "XA|RF|DX|OT",
        "PixelIntensityRelationship": "LIN|LOG|DISP",
        "ViewPosition": "AP|PA|LL|RL|LAT|LLO|RLO|RAO|LAO|RPO|LPO",
        "PatientOrientation": "[LRAPHF]{1,3}",
        "CollimatorShape": "RECTANGULAR|CIRCULAR|POLYGONAL",
        "ShutterShape": "RECTANGULAR|CIRCULAR|POLYGONAL",
        "FieldOfViewShape": "RECTANGLE|ROUND|HEXAGONAL",
        "PixelSpacingCalibrationType": "GEOMETRY|FIDUCIAL",
        "LossyImageCompression": "00|01",
        "LossyImageCompressionRetired": "00|01",
        "RadiationSetting": "SC|GR",
        "RadiationMode": "CONTINUOUS|PULSED",
        "PositionerMotion": "STATIC|DYNAMIC",
        "TimezoneOffsetFromUTC": r"[+-](0\d|1[0-4])[0-5]\d",
    }.items()
}
"""Attributes that hold words, each with all that it may say; a word that is not here becomes ``UNSPECIFIED``."""

REPLACED = "UNSPECIFIED"

MOMENTS: Mapping[str, re.Pattern[str]] = {
    **dict.fromkeys("StudyDate SeriesDate AcquisitionDate ContentDate".split(), re.compile(r"\d{8}")),
    **dict.fromkeys(
        "StudyTime SeriesTime AcquisitionTime ContentTime".split(), re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
    ),
    **dict.fromkeys(
        "AcquisitionDateTime FrameReferenceDateTime FrameAcquisitionDateTime".split(),
        re.compile(r"\d{8}(\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?)?([+-]\d{4})?"),
    ),
}
"""Dates and times, with the form they must have. Days are moved where dates are not kept; the time of day stays."""

UIDS = frozenset("SOPInstanceUID StudyInstanceUID SeriesInstanceUID".split())
SEQUENCES = frozenset(
    "SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence FramePixelDataPropertiesSequence "
    "PositionerPositionSequence XRayGeometrySequence FrameContentSequence".split()
)
"""Sequences whose items are looked through by the same table."""
DEVICE = frozenset(
    "Manufacturer ManufacturerModelName DeviceSerialNumber SoftwareVersions StationName DetectorID".split()
)
"""Texts that are copied, and only where the device's identity is to be kept."""
MADE = frozenset(
    "SOPClassUID SamplesPerPixel PhotometricInterpretation PlanarConfiguration NumberOfFrames FrameIncrementPointer Rows "
    "Columns BitsAllocated BitsStored HighBit PixelRepresentation PixelData ModalityLUTSequence BurnedInAnnotation "
    "AcquisitionDeviceProcessingDescription".split()
)
"""Written anew from what we understood of them; nothing of the old value is copied."""
EMPTY = (
    "AccessionNumber ReferringPhysicianName PatientBirthDate PatientSex StudyID SeriesNumber PatientOrientation".split()
)
"""Must be there (type 2) and say nothing."""


class Fate(Enum):
    """What became of an element, in the words of the report."""

    KEPT = "kept"
    MADE = "written anew"
    MOVED = "moved in time"
    REPLACED = "replaced"
    REMOVED = "removed"


class Option(Enum):
    """Profile and options as they are coded (PS3.16 CID 7050)."""

    BASIC = ("113100", "Basic Application Confidentiality Profile")
    CLEAN_PIXELS = ("113101", "Clean Pixel Data Option")
    FULL_DATES = ("113106", "Retain Longitudinal Temporal Information Full Dates Option")
    MODIFIED_DATES = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
    DEVICE = ("113109", "Retain Device Identity Option")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What whoever exports has chosen to keep.

    ``is_declared``: somebody has told where the device burns text into its pictures, and there they are blank.
    """

    keeps_dates: bool = False
    keeps_device: bool = False
    is_declared: bool = False

    @property
    def options(self) -> tuple[Option, ...]:
        """As an object declares them."""
        dates = Option.FULL_DATES if self.keeps_dates else Option.MODIFIED_DATES
        wishes = ((Option.DEVICE, self.keeps_device), (Option.CLEAN_PIXELS, self.is_declared))
        return (Option.BASIC, dates, *(option for option, is_wished in wishes if is_wished))

    def keeps(self, keyword: str) -> bool:
        """Whether anything of this attribute may be in the copy."""
        allowed = (NUMBERS, WORDS, MOMENTS, UIDS, SEQUENCES, MADE)
        return any(keyword in table for table in allowed) or (self.keeps_device and keyword in DEVICE)
