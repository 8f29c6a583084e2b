"""The objects of a medium, as its directory lists them (PS3.3 F, PS3.10 8)."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from dicom_gateway.refusal import Unreadable
from dicom_gateway.walk import MAX_ELEMENTS

NAME = "DICOMDIR"
CLASS = "1.2.840.10008.1.3.10"
"""Media Storage Directory Storage."""


def is_directory(path: Path) -> bool:
    """Whether this file is the directory of a medium."""
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
    except (OSError, pydicom.errors.InvalidDicomError, ValueError):
        return False
    return str(meta.get("MediaStorageSOPClassUID", "")) == CLASS


def listed_in(directory: Path) -> tuple[Path, ...]:
    """The files that a directory lists, in its order, below its folder. Raises ``Unreadable``.

    Names are compared without regard to case: media of ISO 9660 come in either.
    """
    try:
        records = pydicom.dcmread(directory).get("DirectoryRecordSequence") or []
        names = [name for name in map(_name_of, records) if name]
    except Exception as error:  # whatever a malformed directory makes pydicom stumble over
        raise Unreadable("the directory of the medium cannot be parsed") from error
    if not 0 < len(names) <= MAX_ELEMENTS:
        raise Unreadable("the directory of the medium lists no object")
    root = directory.parent.resolve()
    there = {_folded(path.relative_to(root).parts): path for path in root.rglob("*") if path.is_file()}
    paths = [there.get(_folded(name)) for name in names]
    n_missing = paths.count(None)
    if n_missing:
        raise Unreadable(f"the medium lacks {n_missing} of the {len(names)} files that its directory lists")
    return tuple(path for path in paths if path is not None)


def _name_of(record: Dataset) -> tuple[str, ...]:
    """The parts of the file's name; none for a record of a patient, a study or a series, or one that is not in use."""
    told = record.get("ReferencedFileID")
    if not told or record.get("RecordInUseFlag", 0xFFFF) == 0:
        return ()
    return (told,) if isinstance(told, str) else tuple(str(part) for part in told)


def _folded(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in parts)
