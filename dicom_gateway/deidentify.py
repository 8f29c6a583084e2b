"""A copy of an image object without identity: the header by the allow list, the pixels as the analysis sees them.

Pixels are decoded and written uncompressed: a codestream has comments of its own. Bits beyond those stored (overlays)
are cleared, and what the analysis is told not to look at (collimator, shutter, ``open_field``, ``burned_in``) is blank.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID

from detection.vocabulary import Mask
from dicom_gateway import sop_classes
from dicom_gateway.arrival import Arrival
from dicom_gateway.confidential import (
    DEVICE,
    EMPTY,
    MADE,
    MOMENTS,
    NUMBERS,
    REPLACED,
    SEQUENCES,
    UIDS,
    WORDS,
    Fate,
    Option,
)
from dicom_gateway.decoding import Decoder
from dicom_gateway.disguise import Disguise
from dicom_gateway.frames import Film
from dicom_gateway.geometry import open_pixels
from dicom_gateway.header import Header
from dicom_gateway.refusal import Undecodable

Found = Counter[tuple[str, Fate]]
"""How often an attribute met a fate, by its name in the dictionary; a private one has none."""

MOST_NUMBER = 1e7
"""No distance, time or angle is larger; what is may be a number that somebody goes by."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
TEXTS = frozenset({"LO", "SH", "CS"})
MOST_BYTES = 2**32 - 2
METHOD = "cementwatch: allow list after PS3.15 annex E"
PRIVATE, OVERLAY, UNKNOWN = "private attribute", "overlay", "attribute that is in no dictionary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What became of one object: its attributes, its frames, and how much of each picture is blank now."""

    found: Found
    n_frames: int
    share_blank: float


def deidentify(arrival: Arrival, header: Header, disguise: Disguise, out: Path, decoder: Decoder) -> Copied:
    """Write the copy of an image object to ``out``. ``header`` as its source means it. Raises ``Undecodable``, OSError.

    Nothing is left at ``out`` when it fails. ``decoder`` is used where frames are packed.
    """
    found: Found = Counter()
    field = open_pixels(header.apertures, header.rows, header.cols)
    if not field.any():
        raise Undecodable("collimator, shutter and declared areas leave nothing of the picture")
    head = _head_of(_with_shape(_headed(arrival, header, disguise, found), header))
    try:
        _write(out, head, header, _blanked(arrival, header, field, decoder))
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    return Copied(found=found, n_frames=header.n_frames, share_blank=1.0 - float(field.mean()))


def _headed(arrival: Arrival, header: Header, disguise: Disguise, found: Found) -> Dataset:
    """All of the copy but its shape and its pixels."""
    original = pydicom.dcmread(arrival.path, stop_before_pixels=True)
    dataset = _kept(original, disguise, found)
    _tell_identity(dataset, disguise)
    if header.lut is not None:
        dataset.ModalityLUTSequence = [_lut_of(header)]
    if header.is_subtracted:
        dataset.AcquisitionDeviceProcessingDescription = "subtracted"
    return dataset


def _head_of(dataset: Dataset) -> bytes:
    """The file without its pixels. ``Undecodable`` for a value that its attribute cannot hold, told in no words of its own."""
    head = BytesIO()
    try:
        dcmwrite(head, dataset, enforce_file_format=True)
    except Exception:  # noqa: BLE001 - the library raises OSError, too, and quotes the element
        raise Undecodable("the header of an image cannot be copied") from None
    return head.getvalue()


def _kept(original: Dataset, disguise: Disguise, found: Found) -> Dataset:
    """What the table lets through, item by item; the rest is counted and dropped."""
    dataset = Dataset()
    for tag in original.keys():  # noqa: SIM118 - a data set iterates over its elements, and parses each
        keyword = keyword_for_tag(tag)
        if not keyword or not disguise.choice.keeps(keyword):
            found[_name_of(tag, keyword), Fate.REMOVED] += 1
            continue
        try:
            fate = _copy(original[tag], keyword, disguise, (dataset, found))
        except (ValueError, TypeError, ArithmeticError, LookupError, NotImplementedError):  # a value that is none
            fate = Fate.REMOVED
        found[keyword, fate] += 1
    return dataset


def _copy(element: DataElement, keyword: str, disguise: Disguise, into: tuple[Dataset, Found]) -> Fate:
    """One element that the table knows."""
    dataset, found = into
    if keyword in MADE:
        return Fate.MADE
    if keyword in SEQUENCES:
        items = element.value if element.VR == "SQ" else []
        setattr(dataset, keyword, [_kept(item, disguise, found) for item in items])
        return Fate.KEPT
    texts = _texts_of(element)
    if keyword in DEVICE and element.VR not in TEXTS:
        return Fate.REMOVED
    if keyword in UIDS:
        setattr(dataset, keyword, disguise.uid("\\".join(texts)))
        return Fate.REPLACED
    told, fate = _told(keyword, texts, disguise)
    if keyword in NUMBERS and element.VR not in {"DS", "IS"}:
        told = [float(text) if "." in text or "e" in text else int(text) for text in told]
    if not told:
        return Fate.REMOVED if texts else Fate.KEPT
    setattr(dataset, keyword, told if len(told) > 1 else told[0])
    return fate


def _told(keyword: str, texts: list[str], disguise: Disguise) -> tuple[list[Any], Fate]:
    """What an element may go on saying; nothing where it says something else than it should."""
    if keyword in NUMBERS:
        return (texts if all(map(_is_number, texts)) else []), Fate.KEPT
    if keyword in WORDS:
        words = [text if not text or WORDS[keyword].fullmatch(text) else REPLACED for text in texts]
        if REPLACED not in words:
            return words, Fate.KEPT
        return (words if keyword == "ImageType" else []), Fate.REPLACED
    if keyword in MOMENTS:
        is_moment = all(MOMENTS[keyword].fullmatch(text) for text in texts)
        fate = Fate.KEPT if disguise.n_days == 0 or (keyword.endswith("Time") and "Date" not in keyword) else Fate.MOVED
        return ([disguise.moved(text) for text in texts] if is_moment else []), fate
    assert keyword in DEVICE  # noqa: S101 - the tables say which keywords come here
    return texts, Fate.KEPT


def _texts_of(element: DataElement) -> list[str]:
    value = element.value
    if value is None or value == "":
        return []
    values = value if isinstance(value, (list, tuple, pydicom.multival.MultiValue)) else [value]
    return [str(each).strip(" \0") for each in values]


def _is_number(text: str) -> bool:
    """Whether this is a number that can be a distance, an angle or a time."""
    return bool(NUMBER.fullmatch(text)) and abs(float(text)) < MOST_NUMBER


def _name_of(tag: int, keyword: str) -> str:
    if (tag >> 16) % 2:
        return PRIVATE
    if 0x6000 <= tag >> 16 <= 0x60FF:
        return OVERLAY
    return keyword or UNKNOWN


def _tell_identity(dataset: Dataset, disguise: Disguise) -> None:
    """Whose it is now, and how it became so (PS3.3 C.7.1.1, C.12.1)."""
    label = f"CW-{disguise.label('patient', disguise.whose)}"
    dataset.PatientName, dataset.PatientID = label, label
    for keyword in EMPTY:
        if keyword not in dataset:
            setattr(dataset, keyword, None)
    if disguise.choice.keeps_device:
        dataset.SpecificCharacterSet = "ISO_IR 192"  # all else is ASCII
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = METHOD
    dataset.DeidentificationMethodCodeSequence = [_code_of(option) for option in disguise.choice.options]
    dataset.LongitudinalTemporalInformationModified = "MODIFIED" if disguise.n_days else "UNMODIFIED"


def _code_of(option: Option) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodeMeaning = option.value
    code.CodingSchemeDesignator = "DCM"
    return code


def _lut_of(header: Header) -> Dataset:
    item, lut = Dataset(), header.lut
    assert lut is not None  # noqa: S101 - asked by the caller
    entries = [round(value) for value in lut.values]
    n_bits = 16 if max(entries) > 255 else 8
    item.add_new("LUTDescriptor", "US" if lut.first >= 0 else "SS", [len(entries) % 65536, lut.first, n_bits])
    item.add_new("LUTData", "OW", np.asarray(entries, dtype="<u2").tobytes())
    item.ModalityLUTType = "US"
    return item


def _with_shape(dataset: Dataset, header: Header) -> Dataset:
    """The data set with what the pixels are now: native, and colour as RGB."""
    dataset.SOPClassUID = UID(header.sop_class_uid)
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = header.rows, header.cols, header.samples
    dataset.PhotometricInterpretation = header.photometric if header.samples == 1 else "RGB"
    if header.samples > 1:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated, dataset.BitsStored = header.bits_allocated, header.bits_stored
    dataset.HighBit, dataset.PixelRepresentation = header.bits_stored - 1, int(header.is_signed)
    if header.n_frames > 1:
        dataset.NumberOfFrames = header.n_frames
        timed = next((name for name in ("FrameTimeVector", "FrameTime") if name in dataset), None)
        if timed is not None:
            dataset.FrameIncrementPointer = pydicom.tag.Tag(timed)
    if header.is_lossy:
        dataset.LossyImageCompression = "01"
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = UID(sop_classes.EXPLICIT_LE)
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta = meta
    return dataset


def _write(out: Path, head: bytes, header: Header, frames: Iterator[NDArray[Any]]) -> None:
    """Header, then frame by frame: a run may be larger than the memory."""
    n_bytes = header.rows * header.cols * header.samples * (header.bits_allocated // 8) * header.n_frames
    if n_bytes > MOST_BYTES:
        raise Undecodable("too long to be written uncompressed")
    kind = b"OW" if header.bits_allocated == 16 else b"OB"
    with out.open("xb") as file:
        file.write(head)
        file.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, kind, 0, n_bytes + n_bytes % 2))
        for stored in frames:
            file.write(stored.tobytes())
        file.write(b"\0" * (n_bytes % 2))


def _blanked(arrival: Arrival, header: Header, field: Mask, decoder: Decoder) -> Iterator[NDArray[Any]]:
    film = Film(arrival, header)
    kind = np.dtype(f"<{'i' if header.is_signed else 'u'}{header.bits_allocated // 8}")
    try:
        for index in range(header.n_frames):
            stored = film.stored(index, decoder).astype(kind)
            stored[~field] = 0
            yield stored
    finally:
        film.close()
