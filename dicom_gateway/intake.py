"""The way of a data set into the spool: bytes go from the socket into a part file, and nowhere else.

Each C-STORE request has a part of the spool as its data set file, also where the library takes the request: there it
stands in the place of the temporary file of the library's own chunked mode.
"""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID

from dicom_gateway.arrival import Origin
from dicom_gateway.callers import REPLAY_CALLER
from dicom_gateway.guard import Announced
from dicom_gateway.progress import Progress
from dicom_gateway.spool import Part, Spool

if TYPE_CHECKING:
    from pynetdicom.association import Association


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Who asks to store what, and the SOP class that was agreed on for it."""

    caller: str
    announced: Announced
    abstract_syntax: str


class Intake:
    """The data set file of one C-STORE request.

    Trouble while writing (disk full, too large) must not break the association: the rest of the object is
    read and dropped, and ``trouble`` tells the handler why.
    """

    def __init__(self, spool: Spool, *, max_bytes: int, min_free_bytes: int) -> None:
        self.trouble: str | None = None
        self.part: Part | None = None
        self.progress: Progress | None = None
        self._max_bytes = max_bytes
        try:
            if spool.free_bytes() >= min_free_bytes:
                self.part = spool.begin()
        except OSError:  # full, read-only, or gone
            self.part = None
        if self.part is None:
            self.trouble = "disk"

    @property
    def file(self) -> Intake:
        """Ourselves: the library flushes the file inside its temporary file."""
        return self

    @property
    def name(self) -> str:
        """What the library removes afterwards: a part that became an arrival has no such name any more."""
        return str(self.path)

    @property
    def path(self) -> Path:
        """The part's path; a path of nothing when there is none."""
        return self.part.path if self.part is not None else Path("/nonexistent")

    def write(self, piece: bytes | memoryview) -> int:
        """Append, or drop once there is trouble."""
        if self.part is None or self.trouble is not None:
            return len(piece)
        if self.part.size + len(piece) > self._max_bytes:
            self.trouble = "size"
            return len(piece)
        try:
            self.part.write(piece)
        except OSError:
            self.trouble = "disk"
        if self.progress is not None and self.trouble is None:
            self.progress.note()
        return len(piece)

    def flush(self) -> None:
        """Nothing is buffered."""

    def end(self, *, is_kept: bool) -> None:
        """No more comes. ``is_kept``: it is not whole, or cannot be used; whole frames of a run stay all the same."""
        if self.progress is not None:
            self.progress.end(is_kept=is_kept)

    def __del__(self) -> None:
        # a request that the library passes to nobody, for it has no UIDs or no service: what became an arrival has moved on
        with contextlib.suppress(OSError):
            self.close()

    def close(self) -> None:
        """Drop what the handler has not taken."""
        if self.part is not None:
            self.part.discard()


def caller_of(assoc: Association) -> str:
    """The calling AE title."""
    primitive = assoc.requestor.primitive
    return "" if primitive is None else str(primitive.calling_ae_title).strip()


def origin_of(caller: str, sop_instance_uid: str, received_ns: int) -> Origin:
    """Where an object of this caller comes from; a replay's title names the replay."""
    replay = REPLAY_CALLER.fullmatch(caller)
    return Origin(
        sop_instance_uid=sop_instance_uid,
        source=caller,
        received_ns=received_ns,
        replay=replay[1] if replay else None,
    )


def file_head(sop_class: str, sop_instance: str, syntax: str) -> bytes:
    """Preamble and file meta information (PS3.10 7.1) of a data set that arrives without, in explicit little endian."""
    elements = b"".join(
        (
            b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01",
            _uid(0x02, sop_class),
            _uid(0x03, sop_instance),
            _uid(0x10, syntax),
            _uid(0x12, str(PYNETDICOM_IMPLEMENTATION_UID)),
        )
    )
    return b"\0" * 128 + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", len(elements)) + elements


def _uid(element: int, uid: str) -> bytes:
    value = uid.encode("ascii")
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HH2sH", 0x0002, element, b"UI", len(value)) + value
