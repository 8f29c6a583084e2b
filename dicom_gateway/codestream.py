"""The size that a compressed frame says of itself, without decoding it."""

from __future__ import annotations

_JPEG_START = b"\xff\xd8"
_JP2_START = b"\xff\x4f\xff\x51"
_JP2_BOX = b"\x00\x00\x00\x0cjP  "
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
"""Markers of a frame header: SOF0 to SOF15 of JPEG, SOF55 of JPEG-LS."""


def shape_in(codestream: bytes) -> tuple[int, int] | None:
    """(rows, cols) of a JPEG, JPEG-LS or JPEG 2000 codestream; None when it does not say."""
    if codestream[:2] == _JPEG_START:
        return _jpeg_shape(codestream)
    if codestream[:8] == _JP2_BOX:
        codestream = codestream[max(0, codestream.find(_JP2_START)) :]
    return _jpeg2000_shape(codestream) if codestream[:4] == _JP2_START else None


def _jpeg_shape(codestream: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(codestream) and codestream[at] == 0xFF:
        marker = codestream[at + 1]
        if marker in _SIZES:
            return int.from_bytes(codestream[at + 5 : at + 7]), int.from_bytes(codestream[at + 7 : at + 9])
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # markers without a length
            at += 2
        else:
            at += 2 + max(2, int.from_bytes(codestream[at + 2 : at + 4]))
    return None


def _jpeg2000_shape(codestream: bytes) -> tuple[int, int] | None:
    """From the SIZ segment: image extent less its offset on the reference grid."""
    if len(codestream) < 24:
        return None
    right, bottom, left, top = (int.from_bytes(codestream[at : at + 4]) for at in (8, 12, 16, 20))
    return bottom - top, right - left
