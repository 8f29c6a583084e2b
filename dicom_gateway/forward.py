"""Objects go out to an archive over C-STORE, one at a time, and each answer says what to do next.

    status                               verdict
    0x0000, 0xBxxx, 0x0107, 0x0116       stored; a warning is kept with it
    0x0111                               stored: the archive says that it has this instance
    0xA7xx, 0x0213, 0x0110, 0x0124, none later: the archive, not the object, is in trouble
    0xCxxx                               doubtful: later a few times, then never
    0xA9xx, 0x0122, 0x0117, others       never: no retry will help

PS3.4 table B.2-1, PS3.7 annex C.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from dicom_gateway import sop_classes
from dicom_gateway.peer import Offer, Peer
from dicom_gateway.refusal import Unreadable
from dicom_gateway.sender import CONTEXT_REFUSED, StoreLine


class Verdict(StrEnum):
    """What an answer means for the object."""

    STORED = "stored"
    LATER = "later"
    DOUBTFUL = "doubtful"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an archive said to one object: a fixed phrase, and its status where it gave one."""

    verdict: Verdict
    reason: str
    status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a file says it is (PS3.10 7.1)."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


_STORED = {0x0000: "stored", 0x0107: "stored with a warning", 0x0111: "the archive has this instance already"}
_LATER = {
    0x0110: "the archive failed to store it",
    0x0124: "the archive does not let us store",
    0x0213: "the archive is out of resources",
}
_NEVER = {
    CONTEXT_REFUSED: "the archive does not take this SOP class in this transfer syntax",
    0x0117: "the archive calls the instance invalid",
}


def answer_of(status: int | None) -> Answer:
    """What a C-STORE status says; None is an association that broke."""
    if status is None:
        return Answer(verdict=Verdict.LATER, reason="the association broke")
    if status in _STORED or status == 0x0116 or 0xB000 <= status <= 0xBFFF:
        reason = _STORED.get(status, "stored with a warning")
        return Answer(verdict=Verdict.STORED, reason=reason, status=status)
    if status in _LATER or 0xA700 <= status <= 0xA7FF:
        reason = _LATER.get(status, "the archive is out of resources")
        return Answer(verdict=Verdict.LATER, reason=reason, status=status)
    if 0xC000 <= status <= 0xCFFF:
        return Answer(verdict=Verdict.DOUBTFUL, reason="the archive cannot understand it", status=status)
    if 0xA900 <= status <= 0xA9FF:
        reason = "the archive says that it does not match its SOP class"
        return Answer(verdict=Verdict.NEVER, reason=reason, status=status)
    reason = _NEVER.get(status, "the archive refuses it")
    return Answer(verdict=Verdict.NEVER, reason=reason, status=status)


def identity_of(path: Path) -> Identity:
    """Who an object is, from its file meta information alone. Raises ``Unreadable``, or OSError when it is gone."""
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
        return Identity(
            sop_class_uid=str(meta.MediaStorageSOPClassUID),
            sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
            transfer_syntax_uid=str(meta.TransferSyntaxUID),
        )
    except (InvalidDicomError, AttributeError, ValueError, EOFError):
        raise Unreadable("no file meta information") from None


def digest_of(path: Path) -> str:
    """Sixteen hex digits of a file's content, as the spool counts them."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


class StoreCarrier:
    """Brings objects to one archive over C-STORE; the association stays open between objects until ``rest``."""

    def __init__(self, peer: Peer) -> None:
        self._line = StoreLine(peer)

    def deliver(self, path: Path, identity: Identity) -> Answer:
        """One object. Raises ``Unreachable`` when the archive does not answer or refuses the association."""
        offer: Offer = (identity.sop_class_uid, identity.transfer_syntax_uid)
        status = self._line.store(path, offer)
        if status == CONTEXT_REFUSED and identity.transfer_syntax_uid == sop_classes.EXPLICIT_LE:
            # every entity takes the default syntax of DICOM (PS3.5 10.1), whatever else it refuses
            status = self._line.store(_as_implicit(path), (identity.sop_class_uid, sop_classes.IMPLICIT_LE))
        return answer_of(status)

    def rest(self) -> None:
        """Release the association; the next object makes one anew."""
        self._line.close()


def _as_implicit(path: Path) -> Dataset:
    dataset = pydicom.dcmread(path)
    for _ in dataset.iterall():
        pass  # every element is taken apart: what is left raw would be written as it was encoded
    dataset.set_original_encoding(is_implicit_vr=True, is_little_endian=True)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(sop_classes.IMPLICIT_LE)
    return dataset
