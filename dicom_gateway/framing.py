"""Where the frames of an object lie in its file, as far as the file goes.

The same walk serves an object that is still arriving and one that is whole, so that a frame is the same frame before
and after. While more may come, a compressed frame is whole only where nothing that follows could change that: the
offset table says so, or its fragments begin and end as one codestream does, or one fragment is one frame by the
standard (RLE, PS3.5 A.4.2). Everything else waits for the end.
"""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path

from dicom_gateway import sop_classes
from dicom_gateway.guard import MAX_PIECES, frame_bytes
from dicom_gateway.header import Outline
from dicom_gateway.refusal import Undecodable

_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_STARTS = (b"\xff\xd8", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ")
"""JPEG and JPEG-LS, JPEG 2000, JPEG 2000 in its box."""
_END = b"\xff\xd9"
_TAIL = 10
"""Bytes in which the end of a codestream is looked for: padding may follow it."""
SPARE_BYTES = 2**20
"""A codestream may be as much longer than twice the frame it holds."""

Piece = tuple[int, int]
"""Place in the file and number of bytes."""


class Framing:
    """The frames of one file that are whole. Holds the file open, whatever it is called meanwhile."""

    _fd = -1

    def __init__(self, path: Path, outline: Outline) -> None:
        if outline.pixels is None:
            raise Undecodable("no pixel data")
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._outline = outline
        self._is_native = outline.pixels.n_bytes is not None
        self._first = outline.pixels.at
        self._at = self._first
        self._frames: list[tuple[Piece, ...]] = []
        self._pieces: list[Piece] = []
        self._open: list[Piece] = []
        self._offsets: frozenset[int] | None = None
        self._is_sure, self._is_ended = True, False
        self._walking = threading.Lock()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def n_whole(self) -> int:
        """How many frames are whole by now. Undecodable when what follows is no pixel data."""
        size = os.fstat(self._fd).st_size
        if self._is_native:
            return min((size - self._first) // frame_bytes(self._outline), self._outline.n_frames)
        with self._walking:  # one thread may decode while another looks for more
            while not self._is_ended and self._step(size):
                pass
        return min(len(self._frames), self._outline.n_frames)

    def changed_at(self) -> float:
        """When the file was last written to; seconds since 1970."""
        return os.fstat(self._fd).st_mtime

    def end_of(self, index: int) -> int:
        """Where frame ``index``, which is whole, ends in the file."""
        if self._is_native:
            return self._first + (index + 1) * frame_bytes(self._outline)
        at, n_bytes = self._frames[index][-1]
        return at + n_bytes

    def read(self, index: int) -> bytes:
        """The bytes of frame ``index``. Undecodable when it is not there, or longer than any frame."""
        if index >= self.n_whole():
            raise Undecodable("the file has shrunk" if self._is_native else "fewer fragments than frames")
        size = frame_bytes(self._outline)
        pieces = ((self._first + index * size, size),) if self._is_native else self._frames[index]
        if sum(n_bytes for _, n_bytes in pieces) > 2 * size + SPARE_BYTES:
            raise Undecodable("a codestream much longer than its frame")
        return b"".join(os.pread(self._fd, n_bytes, at) for at, n_bytes in pieces)

    def has_prefix_of(self, other: Framing, n_frames: int) -> bool:
        """Whether both files are the same up to the end of so many frames, which are whole in both."""
        end = other.end_of(n_frames - 1)
        if self.end_of(n_frames - 1) != end:
            return False
        mine, theirs = self._fd, other._fd
        return all(
            os.pread(mine, min(SPARE_BYTES, end - at), at) == os.pread(theirs, min(SPARE_BYTES, end - at), at)
            for at in range(0, end, SPARE_BYTES)
        )

    def _step(self, size: int) -> bool:
        """Over one item; False when it is not all there yet."""
        if self._at + 8 > size:
            return False
        mark = os.pread(self._fd, 8, self._at)
        if mark[:4] == _DELIMITER:
            self._is_ended = True
            self._settle()
            return True
        n_bytes = int.from_bytes(mark[4:], "little")
        if mark[:4] != _ITEM or len(self._pieces) > MAX_PIECES:
            raise Undecodable("encapsulated pixel data of something else than fragments")
        if self._at + 8 + n_bytes > size:
            return False
        piece, self._at = (self._at + 8, n_bytes), self._at + 8 + n_bytes
        if self._offsets is None:
            self._offsets = self._table(piece)
            self._first = self._at
        else:
            self._pieces.append(piece)
            self._take(piece)
        return True

    def _table(self, piece: Piece) -> frozenset[int]:
        """The basic offset table, empty when it cannot be what it says."""
        n_frames = self._outline.n_frames
        if piece[1] != 4 * n_frames:
            self._is_sure = piece[1] == 0
            return frozenset()
        told = os.pread(self._fd, piece[1], piece[0])
        offsets = tuple(int.from_bytes(told[at : at + 4], "little") for at in range(0, len(told), 4))
        is_table = offsets[0] == 0 and all(a < b for a, b in itertools.pairwise(offsets))
        self._is_sure = is_table
        return frozenset(offsets if is_table else ())

    def _take(self, piece: Piece) -> None:
        """A fragment that follows the others: one frame more, or a part of one."""
        if not self._is_sure:
            return
        if self._outline.transfer_syntax_uid == sop_classes.RLE:
            self._frames.append((piece,))
            return
        is_start = self._peek(piece[0], _TAIL).startswith(_STARTS)
        if self._offsets:
            is_whole = self._at - self._first in self._offsets
        elif is_start == bool(self._open):
            self._is_sure = False  # a beginning within a frame, or a frame without one
            return
        else:
            is_whole = _END in self._peek(max(piece[0], self._at - _TAIL), _TAIL)
        self._open.append(piece)
        if is_whole:
            self._frames.append(tuple(self._open))
            self._open = []

    def _settle(self) -> None:
        """Nothing more will come: what was not sure is settled by the number of frames."""
        n_frames = self._outline.n_frames
        if n_frames == 1:
            self._frames = [tuple(self._pieces)]
        elif self._offsets and self._open and len(self._frames) == n_frames - 1:
            self._frames.append(tuple(self._open))
        elif len(self._pieces) == n_frames:
            self._frames = [(piece,) for piece in self._pieces]
        elif len(self._frames) < n_frames:
            self._frames = self._by_ends()

    def _by_ends(self) -> list[tuple[Piece, ...]]:
        frames: list[tuple[Piece, ...]] = []
        held: list[Piece] = []
        for at, n_bytes in self._pieces:
            held.append((at, n_bytes))
            if _END in self._peek(max(at, at + n_bytes - _TAIL), _TAIL):
                frames.append(tuple(held))
                held = []
        return frames

    def _peek(self, at: int, n_bytes: int) -> bytes:
        return os.pread(self._fd, n_bytes, at)
