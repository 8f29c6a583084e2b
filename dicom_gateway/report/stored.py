"""Objects of a report as files: read where images lie, written once and never over one another."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from dicom_gateway.arrival import hash_of
from dicom_gateway.flush import sync_folder
from dicom_gateway.refusal import Unreadable
from dicom_gateway.report.forms import SERIES, Form
from dicom_gateway.report.nouns import Source

_TOLD = "SOPClassUID SOPInstanceUID SeriesInstanceUID SeriesDescription ContentDate ContentTime InstanceNumber".split()
_NAMED = "SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality SeriesNumber InstanceNumber".split()
_FORMS = {series.sop_class: form for form, series in SERIES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One object of a report on disk. ``is_new``: written just now, not found there."""

    path: Path
    form: Form
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    description: str
    n_bytes: int
    is_new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What any stored object says of its place in a study. ``number`` and ``series_number`` are None where it says none."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    modality: str
    series_number: int | None
    number: int | None


def instance_at(path: Path) -> Instance:
    """The place of the object at ``path``. Raises ``Unreadable``, or OSError when it is gone."""
    try:
        told = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_NAMED))
        return Instance(
            study_instance_uid=str(told.StudyInstanceUID),
            series_instance_uid=str(told.SeriesInstanceUID),
            sop_class_uid=str(told.SOPClassUID),
            sop_instance_uid=str(told.SOPInstanceUID),
            modality=str(told.get("Modality") or "OT"),
            series_number=_counted(told.get("SeriesNumber")),
            number=_counted(told.get("InstanceNumber")),
        )
    except OSError:
        raise
    except Exception as error:  # whatever a malformed header makes pydicom stumble over
        raise Unreadable("the header of an object cannot be parsed") from error


def _counted(value: object) -> int | None:
    """A number that counts; None for what is none, or below zero."""
    try:
        number = int(str(value))
    except ValueError:
        return None
    return number if 0 <= number < 2**31 else None


def source_at(path: Path) -> Source:
    """The image object at ``path`` without its pixels. Raises ``Unreadable``, or OSError when it is gone."""
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        header.decode()
        return Source(
            sop_class_uid=str(header.SOPClassUID),
            sop_instance_uid=str(header.SOPInstanceUID),
            series_instance_uid=str(header.SeriesInstanceUID),
            n_frames=int(header.get("NumberOfFrames") or 1),
            rows=int(header.Rows),
            cols=int(header.Columns),
            header=header,
        )
    except OSError:
        raise
    except Exception as error:  # whatever a malformed header makes pydicom stumble over
        raise Unreadable("the header of an image cannot be parsed") from error


def write_once(objects: Iterable[Dataset], folder: Path) -> tuple[Made, ...]:
    """Write each object under a name that follows from its UID; one that is there stays as it is. Durable on return."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [(path, _write(dataset, path)) for dataset in objects for path in [_path_of(dataset, folder)]]
    sync_folder(folder)
    return tuple(_made(path, is_new=is_new) for path, is_new in written)


def made_in(folder: Path) -> tuple[Made, ...]:
    """The objects that lie in ``folder``, by form and name; none when there is no such folder."""
    return tuple(_made(path) for path in sorted(folder.glob("*.dcm")))


def path_of(folder: Path, form: Form, sop_instance_uid: str) -> Path:
    """Where an object lies; the name tells neither UID nor patient."""
    return folder / f"{form}-{hash_of(sop_instance_uid)}.dcm"


def _path_of(dataset: Dataset, folder: Path) -> Path:
    return path_of(folder, _FORMS[dataset.SOPClassUID], str(dataset.SOPInstanceUID))


def _write(dataset: Dataset, path: Path) -> bool:
    """Whether it was not there."""
    if path.exists():
        return False
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            dataset.save_as(file, enforce_file_format=True)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was quicker
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
    return True


def _made(path: Path, *, is_new: bool = False) -> Made:
    try:
        told = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TOLD))
    except InvalidDicomError as error:
        raise Unreadable("an object of a report cannot be parsed") from error
    return Made(
        path=path,
        form=_FORMS[told.SOPClassUID],
        sop_class_uid=str(told.SOPClassUID),
        sop_instance_uid=str(told.SOPInstanceUID),
        series_instance_uid=str(told.SeriesInstanceUID),
        description=str(told.get("SeriesDescription", "")),
        n_bytes=path.stat().st_size,
        is_new=is_new,
    )
