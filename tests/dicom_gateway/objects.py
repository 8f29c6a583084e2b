"""Small DICOM objects with written content, and a way to send bytes that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, generate_uid

from dicom_gateway import sop_classes
from dicom_gateway.intake import file_head
from dicom_gateway.peer import Peer, associated

CANARY = "CANARY^NAME"


def ramp(n_frames: int = 1, size: tuple[int, int] = (64, 80)) -> np.ndarray:
    """(n, H, W) uint16 below 4096, every frame different."""
    n_pixels = n_frames * size[0] * size[1]
    return (np.arange(n_pixels, dtype=np.uint32) * 7 % 4096).astype(np.uint16).reshape(n_frames, *size)


def image(pixels: np.ndarray | None = None, **values: Any) -> Dataset:
    """An XA object with the pixels given, (n, H, W); ``values`` override or add elements by keyword."""
    stored = ramp() if pixels is None else pixels
    dataset = Dataset()
    dataset.SOPClassUID = sop_classes.XA
    dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = generate_uid()
    dataset.Modality = "XA"
    dataset.PatientName, dataset.PatientID = CANARY, "CANARY-ID"
    dataset.PixelIntensityRelationship = "LIN"
    if len(stored) > 1:
        dataset.NumberOfFrames = len(stored)
        dataset.FrameTime = "100"
    dataset.Rows, dataset.Columns = stored.shape[1:3]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.add_new("PixelData", "OW", stored.astype("<u2").tobytes())
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return with_meta(dataset)


def with_meta(dataset: Dataset, syntax: str = sop_classes.EXPLICIT_LE) -> Dataset:
    """The same object with file meta information."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta.MediaStorageSOPClassUID = UID(dataset.SOPClassUID)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(dataset.SOPInstanceUID)
    return dataset


def saved(dataset: Dataset, path: Path) -> Path:
    """The object as a file."""
    dcmwrite(path, dataset, enforce_file_format=True)
    return path


def other(sop_class: str, **values: Any) -> Dataset:
    """An object without pixels."""
    dataset = Dataset()
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID, dataset.StudyInstanceUID = generate_uid(), generate_uid()
    dataset.PatientName = CANARY
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return with_meta(dataset)


def send_bytes(
    peer: Peer, path: Path, content: bytes, *, sop_class: str = sop_classes.XA, uid: str | None = None
) -> int | None:
    """The status that ``content``, announced as a data set in explicit little endian, is answered with."""
    path.write_bytes(file_head(sop_class, uid or generate_uid(), sop_classes.EXPLICIT_LE) + content)
    with associated(peer, [(sop_class, sop_classes.EXPLICIT_LE)]) as association:
        status = association.send_c_store(path).get("Status")
        return None if status is None else int(status)


def data_set_of(path: Path) -> bytes:
    """The bytes of a file after its file meta information."""
    whole = path.read_bytes()
    length = int.from_bytes(whole[140:144], "little")
    return whole[144 + length :]
