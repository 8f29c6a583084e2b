"""Limits on an object before any decoding: header arithmetic and a walk over fragment lengths, no pixel."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from dicom_gateway import sop_classes
from dicom_gateway.header import Outline, read_outline
from dicom_gateway.refusal import NotThisClass, Unreadable

MIN_SIDE, MAX_SIDE = 64, 4096
MAX_FRAMES = 10_000
MAX_PIECES = 100_000
MAX_PIXEL_BYTES = 16 * 2**30
PHOTOMETRICS = {
    1: frozenset({"MONOCHROME1", "MONOCHROME2"}),
    3: frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"}),
}
_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """What the sender said it would send: the command's UIDs and the syntax agreed on."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


def check(path: Path, announced: Announced, *, max_bytes: int, known: Outline | None = None) -> Outline:
    """The outline of an object that may be kept; ``known`` where its header has been read. Raises ``NotThisClass`` or ``Unreadable``."""
    n_bytes = path.stat().st_size
    if n_bytes > max_bytes:
        raise Unreadable("larger than the limit")
    outline = read_outline(path) if known is None else known
    check_identity(outline, announced)
    if outline.is_image:
        check_shape(outline)
        check_pixels(path, outline, n_bytes)
    return outline


def check_identity(outline: Outline, announced: Announced) -> None:
    """The object is the one announced, and of a class we take."""
    if outline.sop_class_uid != announced.sop_class_uid:
        raise NotThisClass("another SOP class than announced")
    if outline.sop_instance_uid != announced.sop_instance_uid:
        raise NotThisClass("another SOP instance than announced")
    if outline.sop_class_uid not in sop_classes.IMAGES | sop_classes.KEPT:
        raise NotThisClass("a SOP class that is not offered")
    for uid in (outline.sop_instance_uid, outline.study_instance_uid):
        if not 0 < len(uid) <= 64 or not uid.replace(".", "").isdigit():
            raise Unreadable("a UID that is none")


def check_shape(outline: Outline) -> None:
    """Sizes within what a decoder may be asked for."""
    if not (MIN_SIDE <= outline.rows <= MAX_SIDE and MIN_SIDE <= outline.cols <= MAX_SIDE):
        raise Unreadable("rows or columns outside 64 to 4096")
    if not 1 <= outline.n_frames <= MAX_FRAMES:
        raise Unreadable("number of frames outside 1 to 10000")
    if outline.photometric not in PHOTOMETRICS.get(outline.samples, frozenset()):
        raise Unreadable("a photometric interpretation that is not taken")
    if outline.bits_allocated not in {8, 16} or not 1 <= outline.bits_stored <= outline.bits_allocated:
        raise Unreadable("bits that are not taken")
    if frame_bytes(outline) * outline.n_frames > MAX_PIXEL_BYTES:
        raise Unreadable("more pixels than the limit")


def frame_bytes(outline: Outline) -> int:
    """Bytes of one native frame."""
    samples = 2 if outline.photometric == "YBR_FULL_422" else outline.samples
    return outline.rows * outline.cols * samples * (outline.bits_allocated // 8)


def native_bytes(outline: Outline) -> int:
    """Bytes of native pixel data, with the padding to an even length."""
    n_bytes = frame_bytes(outline) * outline.n_frames
    return n_bytes + n_bytes % 2


def check_pixels(path: Path, outline: Outline, n_bytes: int) -> None:
    """Pixel data is present, whole, and as long as the header says."""
    if outline.pixels is None:
        raise Unreadable("no pixel data")
    is_native = outline.transfer_syntax_uid in sop_classes.NATIVE
    if is_native != (outline.pixels.n_bytes is not None):
        raise Unreadable("pixel data in another encoding than announced")
    if outline.pixels.n_bytes is None:
        _check_fragments(path, outline, n_bytes)
        return
    if outline.pixels.n_bytes not in {frame_bytes(outline) * outline.n_frames, native_bytes(outline)}:
        raise Unreadable("pixel data of another length than the header says")
    if outline.pixels.at + outline.pixels.n_bytes > n_bytes:
        raise Unreadable("pixel data is cut short")


def _check_fragments(path: Path, outline: Outline, n_bytes: int) -> None:
    """Walk from item to item by their lengths; the first is the offset table."""
    assert outline.pixels is not None  # noqa: S101 - checked by the only caller
    at, n_items = outline.pixels.at, 0
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while True:
            mark = os.pread(fd, 8, at)
            if mark[:4] == _DELIMITER:
                break
            at += 8 + int.from_bytes(mark[4:], "little")
            if mark[:4] != _ITEM or len(mark) < 8 or at > n_bytes:
                raise Unreadable("encapsulated pixel data is cut short")
            n_items += 1
            if n_items > MAX_PIECES:
                raise Unreadable("more fragments than any run")
    finally:
        os.close(fd)
    if n_items - 1 < outline.n_frames:
        raise Unreadable("fewer fragments than frames")
