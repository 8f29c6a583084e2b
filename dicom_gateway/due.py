"""The objects of a recording in the order in which they were made, and when each is due."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from dicom_gateway.header import Header, read_header
from dicom_gateway.refusal import Unreadable
from dicom_gateway.timebase import DEFAULT_FRAME_RATE


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Due:
    """An object and when it is due, in seconds after the first; ``fault``: what is done to it on purpose.

    ``uid``: its SOP Instance UID, where somebody has read it already.
    """

    offset_s: float
    content: Path | Dataset
    fault: str | None = None
    uid: str | None = None


def due_from_folder(folder: Path) -> tuple[Due, ...]:
    """Every DICOM object below ``folder`` at its original pace; other files are left out. See ``due_from``."""
    return due_from(sorted(path for path in folder.rglob("*") if path.is_file()))


def due_from(paths: Iterable[Path]) -> tuple[Due, ...]:
    """Those of these files that are DICOM objects, at their original pace.

    A run is due when its last frame was made, for no device exports it earlier. Objects that do not tell a time
    follow each other at the default frame rate. What was made at one time, or at none, goes by the numbers of series
    and object, so that a recording has one order wherever its files lie; then by its place in ``paths``.
    """
    found: list[tuple[Header, Path]] = []
    for path in paths:
        try:
            found.append((read_header(path), path))
        except Unreadable:
            continue
    times = [_made_at(header) for header, _ in found]
    known = [at for at in times if at is not None]
    if len(known) != len(found):
        in_order = sorted(found, key=lambda each: each[0].place)
        return tuple(
            Due(offset_s=index / DEFAULT_FRAME_RATE, content=path, uid=header.sop_instance_uid)
            for index, (header, path) in enumerate(in_order)
        )
    first = min(known, default=0.0)
    paced = sorted(zip(known, found, strict=True), key=lambda each: (each[0], each[1][0].place))
    return tuple(Due(offset_s=at - first, content=path, uid=header.sop_instance_uid) for at, (header, path) in paced)


def _made_at(header: Header) -> float | None:
    return None if header.acquired_at is None else header.acquired_at + header.frame_offsets_s[-1]
