"""A sender that stops wherever a test wants it to, on the wire without a library."""

from __future__ import annotations

import socket
from pathlib import Path

from pydicom import dcmread

from dicom_gateway.request import HEAD
from tests.dicom_gateway.objects import data_set_of
from tests.dicom_gateway.raw import answer, connect, context, data_unit, request, store_command

PIECE = 60_000


class Trickle:
    """One C-STORE of the file at ``path``, piece by piece."""

    def __init__(self, port: int, path: Path, calling: str = "ARM1") -> None:
        meta = dcmread(path, stop_before_pixels=True).file_meta
        self.sop_class, self.sop_instance = str(meta.MediaStorageSOPClassUID), str(meta.MediaStorageSOPInstanceUID)
        self.content = data_set_of(path)
        self.n_sent = 0
        self.sock: socket.socket = connect(port)
        asked = context(1, self.sop_class, (str(meta.TransferSyntaxUID),))
        self.sock.sendall(request(calling=calling, contexts=(asked,)))
        assert answer(self.sock)[0] == 2, "the association is accepted"
        self.sock.sendall(data_unit(store_command(self.sop_class, self.sop_instance), 3))

    def send_to(self, end: int) -> None:
        """The data set up to byte ``end``; its last byte stays unsent."""
        end = min(end, len(self.content) - 1)
        while self.n_sent < end:
            piece = self.content[self.n_sent : min(self.n_sent + PIECE, end)]
            self.sock.sendall(data_unit(piece, 0))
            self.n_sent += len(piece)

    def send_frames(self, path: Path, n_frames: int) -> None:
        """Up to the last byte of so many frames, of equal length at the end of the data set."""
        whole = dcmread(path)
        n_bytes = len(whole.PixelData) // int(whole.NumberOfFrames)
        self.send_to(len(self.content) - len(whole.PixelData) + n_frames * n_bytes)

    def finish(self) -> int:
        """The rest; the status that is answered."""
        self.send_to(len(self.content))
        self.sock.sendall(data_unit(self.content[self.n_sent :], 2))
        told = answer(self.sock)
        # Status (0000,0900) of the C-STORE-RSP
        at = told.index(b"\x00\x00\x00\x09\x02\x00\x00\x00") + 8
        self.sock.sendall(HEAD.pack(5, 4) + bytes(4))
        answer(self.sock)
        self.sock.close()
        return int.from_bytes(told[at : at + 2], "little")

    def abort(self) -> None:
        """A-ABORT in the middle."""
        self.sock.sendall(HEAD.pack(7, 4) + bytes(4))
        self.sock.close()

    def vanish(self) -> None:
        """Go without a word."""
        self.sock.close()
