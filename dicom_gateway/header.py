"""The few header fields we trust, as plain Python.

pydicom's number and text types end here: every value of a ``Header`` is exactly ``str``, ``int``, ``float``,
``bool``, ``None``, a tuple of these, or a value of our own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import pydicom
from pydicom import config as pydicom_config
from pydicom.datadict import tag_for_keyword

from detection.vocabulary import Intensity, Polarity, View
from dicom_gateway import sop_classes
from dicom_gateway.geometry import Aperture, apertures_of, scale_of, view_of
from dicom_gateway.likeness import Known, likeness_of, told_apart
from dicom_gateway.refusal import Unreadable
from dicom_gateway.timebase import DEFAULT_FRAME_RATE, acquired_at, frame_offsets, period_of
from dicom_gateway.told import Told
from dicom_gateway.walk import PixelPart, Walked, walk

T = TypeVar("T")

# a warning about a malformed value quotes the value, which may name a patient
pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Who the images are of. Never logged."""

    name: str
    id: str
    birth_date: str
    sex: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityLut:
    """A table from stored value to meaning: entry i belongs to the stored value ``first`` + i."""

    first: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What the guard asks of an object: who it is, and how large. ``is_image`` False: no pixels that we judge."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    is_image: bool
    rows: int
    cols: int
    n_frames: int
    bits_allocated: int
    bits_stored: int
    samples: int
    photometric: str
    pixels: PixelPart | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header(Outline):
    """What one object says of itself.

    ``frame_offsets_s`` has one value per frame, seconds after the first; ``time_base`` names the element that told
    them. ``place`` is the number of the series and of the object in it, 0 where untold. ``intensity`` is that of the values
    *after* modality LUT or rescale. ``mm_per_px`` is at the object plane. ``period_s`` is how far apart the single images of
    a run are, where one tells. ``is_turned``: values are to be turned over first, for they are stored the other way round
    than they are shown.
    """

    series_instance_uid: str
    modality: str
    is_signed: bool
    planar: int
    intensity: Intensity
    polarity: Polarity
    is_turned: bool
    slope: float
    intercept: float
    lut: ModalityLut | None
    view: View
    primary_deg: float | None
    secondary_deg: float | None
    mm_per_px: float | None
    acquired_at: float | None
    frame_offsets_s: tuple[float, ...]
    period_s: float | None
    time_base: str
    apertures: tuple[Aperture, ...]
    is_lossy: bool
    is_subtracted: bool
    place: tuple[int, int]
    patient: Patient
    accession_number: str
    procedure_text: str
    device_text: str


_KEYWORDS = (
    "SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID ContentDate ContentTime AcquisitionDate AcquisitionTime "
    "AcquisitionDateTime AccessionNumber Modality Manufacturer ManufacturerModelName StudyDescription SeriesDescription "
    "RequestedProcedureDescription PerformedProcedureStepDescription TimezoneOffsetFromUTC LossyImageCompressionRetired "
    "RecommendedDisplayFrameRate PatientName PatientID PatientBirthDate PatientSex CineRate FrameTime FrameTimeVector "
    "FrameDelay DistanceSourceToDetector DistanceSourceToPatient EstimatedRadiographicMagnificationFactor "
    "ImagerPixelSpacing PixelSpacing PixelSpacingCalibrationType AcquisitionDeviceProcessingDescription "
    "PositionerPrimaryAngle PositionerSecondaryAngle ColumnAngulation ViewPosition PatientOrientation "
    "CollimatorShape CollimatorLeftVerticalEdge CollimatorRightVerticalEdge CollimatorUpperHorizontalEdge "
    "CollimatorLowerHorizontalEdge CenterOfCircularCollimator RadiusOfCircularCollimator "
    "VerticesOfThePolygonalCollimator ShutterShape ShutterLeftVerticalEdge ShutterRightVerticalEdge "
    "ShutterUpperHorizontalEdge ShutterLowerHorizontalEdge CenterOfCircularShutter RadiusOfCircularShutter "
    "VerticesOfThePolygonalShutter StudyInstanceUID SeriesInstanceUID SamplesPerPixel PhotometricInterpretation "
    "PlanarConfiguration NumberOfFrames FrameIncrementPointer Rows Columns BitsAllocated BitsStored "
    "SeriesNumber InstanceNumber PixelRepresentation PixelIntensityRelationship PixelIntensityRelationshipSign RescaleIntercept RescaleSlope "
    "LossyImageCompression ModalityLUTSequence SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence"
)
_OUTLINE_KEYWORDS = (
    "SOPClassUID SOPInstanceUID StudyInstanceUID NumberOfFrames Rows Columns BitsAllocated BitsStored SamplesPerPixel "
    "PhotometricInterpretation"
)
_TAGS: list[Any] = [tag_for_keyword(word) for word in _KEYWORDS.split()]
_OUTLINE_TAGS = {word: tag_for_keyword(word) or 0 for word in _OUTLINE_KEYWORDS.split()}
_PROCEDURE_WORDS = (
    "RequestedProcedureDescription",
    "PerformedProcedureStepDescription",
    "StudyDescription",
    "SeriesDescription",
)
_LIKE: Known[Header] = Known()
Headers = dict[tuple[int, int, float], Header]
_KEPT: ContextVar[Headers | None] = ContextVar("kept", default=None)
_SUBTRACTED = re.compile(r"(?<!un)(?<!non[- ])(?<!not )subtract(ed|ion)", re.IGNORECASE)


def read_header(path: Path, *, default_rate: float = DEFAULT_FRAME_RATE) -> Header:
    """The header of the object at ``path``; pixels are not read. Raises ``Unreadable``.

    Single images of one run differ in their name, number and time alone: only these are read of one like another before it.
    """
    kept = _KEPT.get()
    if kept is None:
        return _read(path, default_rate)
    state = path.stat()
    key = (state.st_dev, state.st_ino, default_rate)
    if key not in kept:
        kept[key] = _read(path, default_rate)
    return kept[key]


@contextmanager
def unchanging(headers: Headers) -> Iterator[None]:
    """Within, no file changes: one whose header is among ``headers`` is not read again, wherever it was moved to."""
    before = _KEPT.set(headers)
    try:
        yield
    finally:
        _KEPT.reset(before)


def _read(path: Path, default_rate: float) -> Header:
    with _trouble_is_unreadable():
        walked = walk(path, frozenset(_OUTLINE_TAGS.values()), frozenset(_TAGS))
        outline, rest = _outline(walked), likeness_of(walked, default_rate)
        like = _LIKE.find(rest)
        if like is not None:
            return replace(like, **outline, **_place_and_time(told_apart(walked)))
        told = Told(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_TAGS))
        header = _header_of(outline, told, default_rate)
        _LIKE.keep(rest, header)
        return header


def _header_of(outline: dict[str, Any], told: Told, default_rate: float) -> Header:
    offsets, time_base = frame_offsets(told, outline["n_frames"], default_rate)
    return Header(
        **outline,
        **_identity(told),
        **_meaning(told),
        **_geometry(told),
        **_place_and_time(told),
        frame_offsets_s=offsets,
        period_s=period_of(told, outline["n_frames"]),
        time_base=time_base,
        is_lossy=outline["transfer_syntax_uid"] in sop_classes.LOSSY
        or "01" in {told.text("LossyImageCompression"), told.text("LossyImageCompressionRetired")},
    )


def _place_and_time(told: Told) -> dict[str, Any]:
    """What differs from one image of a run to the next, besides its name."""
    return {"place": (told.count("SeriesNumber"), told.count("InstanceNumber")), "acquired_at": acquired_at(told)}


def read_outline(path: Path) -> Outline:
    """The outline alone, without the parser: an association thread waits for it. Raises ``Unreadable``."""
    with _trouble_is_unreadable():
        return Outline(**_outline(walk(path, frozenset(_OUTLINE_TAGS.values()))))


@contextmanager
def _trouble_is_unreadable() -> Iterator[None]:
    try:
        yield
    except (Unreadable, OSError):
        raise
    except Exception as error:  # whatever a malformed header makes pydicom stumble over
        raise Unreadable("the header cannot be parsed") from error


def _outline(walked: Walked) -> dict[str, Any]:
    def text(word: str) -> str:
        return walked.values.get(_OUTLINE_TAGS[word], b"").decode("ascii", "replace").strip(" \0")

    def count(word: str) -> int:
        """Of a US element."""
        return int.from_bytes(walked.values.get(_OUTLINE_TAGS[word], b"")[:2], "little")

    sop_class, instance = text("SOPClassUID"), text("SOPInstanceUID")
    if not sop_class or not instance:
        raise Unreadable("no SOP class or instance UID")
    return {
        "sop_class_uid": sop_class,
        "sop_instance_uid": instance,
        "study_instance_uid": text("StudyInstanceUID"),
        "transfer_syntax_uid": walked.syntax,
        "is_image": sop_class in sop_classes.IMAGES,
        "rows": count("Rows"),
        "cols": count("Columns"),
        "n_frames": _whole_number(text("NumberOfFrames")) or 1,
        "bits_allocated": count("BitsAllocated"),
        "bits_stored": count("BitsStored"),
        "samples": count("SamplesPerPixel"),
        "photometric": text("PhotometricInterpretation"),
        "pixels": walked.pixels,
    }


def _whole_number(text: str) -> int:
    """Of an IS value, the first of several; 0 when it is none."""
    try:
        return int(text.partition("\\")[0])
    except ValueError:
        return 0


def _identity(told: Told) -> dict[str, Any]:
    return {
        "series_instance_uid": told.text("SeriesInstanceUID"),
        "modality": told.text("Modality"),
        "is_signed": told.count("PixelRepresentation") == 1,
        "planar": told.count("PlanarConfiguration"),
        "accession_number": told.text("AccessionNumber"),
        "procedure_text": told.text(*_PROCEDURE_WORDS),
        "device_text": f"{told.text('Manufacturer')} {told.text('ManufacturerModelName')}".strip(),
        "patient": Patient(
            name=told.text("PatientName"),
            id=told.text("PatientID"),
            birth_date=told.text("PatientBirthDate"),
            sex=told.text("PatientSex"),
        ),
    }


def _meaning(told: Told) -> dict[str, Any]:
    """What the values stand for."""
    lut, slope = _modality_lut(told), told.number("RescaleSlope") or 1.0
    intensity = _intensity(told, lut)
    said = told.text("AcquisitionDeviceProcessingDescription")
    is_falling = (slope < 0) != (lut is not None and lut.values[0] > lut.values[-1])
    is_turned = _is_turned(told, lut, is_falling=is_falling)
    return {
        "intensity": intensity,
        "polarity": Polarity.UNCERTAIN if is_turned else _polarity(told, intensity, is_falling=is_falling),
        "is_turned": is_turned,
        "slope": slope,
        "intercept": told.number("RescaleIntercept") or 0.0,
        "lut": lut,
        "is_subtracted": bool(_SUBTRACTED.search(said)) or "SUBTRACTION" in told.texts("ImageType"),
    }


def _intensity(told: Told, lut: ModalityLut | None) -> Intensity:
    word = told.text("PixelIntensityRelationship") or _of_frame(
        told, "FramePixelDataPropertiesSequence", lambda item: item.text("PixelIntensityRelationship"), ""
    )
    if word == "LIN" or (word == "LOG" and lut is not None):
        return Intensity.LINEAR  # the LUT of a LOG object leads back to linear (PS3.3 C.8.7.1)
    return Intensity.LOG if word == "LOG" else Intensity.DISPLAY


def _polarity(told: Told, intensity: Intensity, *, is_falling: bool) -> Polarity:
    sign = told.number("PixelIntensityRelationshipSign")
    if sign is None and intensity is Intensity.DISPLAY:
        return Polarity.UNCERTAIN  # may have been inverted at the console
    # an XA or XRF value grows with the beam unless it says otherwise
    is_rising = (sign is None or sign > 0) != is_falling
    return Polarity.DENSE_IS_DARK if is_rising else Polarity.DENSE_IS_BRIGHT


def _is_turned(told: Told, lut: ModalityLut | None, *, is_falling: bool) -> bool:
    """Whether only the display says which way values go, and it shows low ones white (PS3.3 C.7.6.3.1.2).

    X-ray images proper are never so (C.8.7.1); captures and foreign converters write the picture that they show.
    """
    is_told = told.number("PixelIntensityRelationshipSign") is not None or lut is not None or is_falling
    return told.text("PhotometricInterpretation") == "MONOCHROME1" and not is_told


def _modality_lut(told: Told) -> ModalityLut | None:
    item = told.first("ModalityLUTSequence")
    descriptor = () if item is None else item.numbers("LUTDescriptor")
    if item is None or len(descriptor) != 3:
        return None
    n_entries, first, n_bits = int(descriptor[0]) or 65536, int(descriptor[1]), int(descriptor[2])
    stored = item.raw("LUTData")
    if len(stored) == 1 and isinstance(stored[0], bytes):
        packed = stored[0]
        width = 1 if n_bits <= 8 and len(packed) < 2 * n_entries else 2
        stored = [int.from_bytes(packed[at : at + width], "little") for at in range(0, len(packed), width)]
    values = tuple(float(entry) for entry in stored[:n_entries])
    return ModalityLut(first=first, values=values) if values else None


def _geometry(told: Told) -> dict[str, Any]:
    primary, secondary = (
        told.number(word)
        if told.number(word) is not None
        else _of_frame(told, "PositionerPositionSequence", lambda item, word=word: item.number(word), None)  # type: ignore[misc]
        for word in ("PositionerPrimaryAngle", "PositionerSecondaryAngle")
    )
    return {
        "primary_deg": primary,
        "secondary_deg": secondary,
        "view": view_of(primary, secondary, told.text("ViewPosition"), told.texts("PatientOrientation")),
        "mm_per_px": _scale(told),
        "apertures": apertures_of(told.numbers, told.texts),
    }


def _scale(told: Told) -> float | None:
    imager = told.numbers("ImagerPixelSpacing") or _of_frame(
        told, "FramePixelDataPropertiesSequence", lambda item: item.numbers("ImagerPixelSpacing"), ()
    )
    calibrated = told.numbers("PixelSpacing")
    is_capture = told.text("SOPClassUID") in sop_classes.SECONDARY_CAPTURES
    if not told.text("PixelSpacingCalibrationType") and (is_capture or calibrated == imager):
        calibrated = ()  # a copy of the detector's spacing, or a screen's: not calibrated
    magnification = told.number("EstimatedRadiographicMagnificationFactor")
    to_detector, to_isocentre = told.number("DistanceSourceToDetector"), told.number("DistanceSourceToPatient")
    if to_isocentre is None:
        to_isocentre = _of_frame(
            told, "XRayGeometrySequence", lambda item: item.number("DistanceSourceToIsocenter"), None
        )
        to_detector = to_detector or _of_frame(
            told, "XRayGeometrySequence", lambda item: item.number("DistanceSourceToDetector"), None
        )
    if not magnification and to_detector and to_isocentre:
        magnification = to_detector / to_isocentre
    return scale_of(imager, calibrated, magnification)


def _of_frame(told: Told, sequence: str, pick: Callable[[Told], T], default: T) -> T:
    """From the shared item of a functional group, else from that of the first frame."""
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        group = told.first(groups)
        item = None if group is None else group.first(sequence)
        if item is not None:
            return pick(item)
    return default
