"""A socket for associations that reads whole PDUs at once, of a length and within a time we agree to."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from pynetdicom.transport import AssociationSocket

from dicom_gateway.request import HEAD as PDU_HEAD

if TYPE_CHECKING:
    from pynetdicom.dul import DULServiceProvider

MAX_PDU = 131_072
MAX_PDU_RECEIVED = 2**20
"""A P-DATA PDU keeps to the length we ask for; a request for many contexts may be longer."""
P_DATA_TF = 0x04
STALL_S = 30
POLL_S = 0.001
HEARD = 4096
"""Rings that count as one."""
ABORT = b"\x07\0\0\0\0\x04\0\0\x02\x06"
"""A-ABORT by the service provider: an invalid PDU parameter (PS3.8 9.3.8)."""
_CLOSED = "Evt17"
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)


def make_prompt(sock: socket.socket, stall_s: float = STALL_S) -> None:
    """Send small answers at once, and give up on a peer that stalls within a PDU."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if isinstance(sock, ssl.SSLSocket):
        sock.settimeout(stall_s)  # OpenSSL would begin again after a receive that timed out in the kernel
        return
    patience = struct.pack("ll", int(stall_s), int(stall_s % 1 * 1e6))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)


def wait_in_socket(dul: DULServiceProvider) -> None:
    """Let the reactor wait in ``PromptSocket.ready`` alone: its own sleep costs up to 1 ms for each PDU."""
    dul._run_loop_delay = 0  # noqa: SLF001


def wait_for_any(socks: list[socket.socket], within_s: float) -> list[socket.socket]:
    """Those that can be read, or have gone. ValueError for one that is closed."""
    watched = select.poll()  # select takes no descriptor above 1023
    for each in socks:
        watched.register(each, select.POLLIN)
    readable = {fd for fd, _ in watched.poll(within_s * 1000)}
    return [each for each in socks if each.fileno() in readable]


class PromptSocket(AssociationSocket):
    """One buffer for each PDU, of a length we agree to.

    P-DATA may be read into a buffer that stays, and written from there into the spool: handing it through the library
    costs five copies of each image.
    """

    told = b""
    """What the door has read already, or a PDU's head that is for somebody else."""
    read_within_s: float | None = None
    """For a whole PDU, by ``clock``; None where our own side has called."""
    clock: Callable[[], float]
    ear: socket.socket | None = None
    """Rings when there is something else to do than to read."""
    patience_s = POLL_S
    """How long to wait for something to read."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.writing = threading.Lock()
        """Held by whoever sends."""
        self._data = bytearray()

    def send(self, bytestream: bytes) -> None:
        """Send PDUs, whole, whichever thread it is."""
        with self.writing:
            super().send(bytestream)

    def recv(self, nr_bytes: int) -> bytearray:
        """The next ``nr_bytes``, or fewer when the peer has gone; OSError when it asks for too many or is too slow."""
        if self.told:
            told, self.told = bytearray(self.told[:nr_bytes]), self.told[nr_bytes:]
            return told
        self._agree_to(nr_bytes)
        buffer = bytearray(nr_bytes)
        with memoryview(buffer) as view:
            n_read = self._fill(view)
        self._acknowledge()
        del buffer[n_read:]
        return buffer

    def recv_data(self) -> memoryview | None:
        """The body of the next PDU, which stays until the next call, where it is a P-DATA; None where it is another, left to ``recv``.

        OSError as ``recv``, and when the peer has gone.
        """
        head = self.told or bytearray(PDU_HEAD.size)
        if not self.told:
            with memoryview(head) as view:
                self._fill_whole(view)
        kind, length = PDU_HEAD.unpack_from(head)
        if kind != P_DATA_TF:
            self.told = bytes(head)
            return None
        self.told = b""
        self._agree_to(length)
        if length > len(self._data):
            self._data = bytearray(max(length, MAX_PDU))
        body = memoryview(self._data)[:length]
        self._fill_whole(body)
        self._acknowledge()
        return body

    def has_more(self) -> bool:
        """Whether there is something to read at once."""
        sock = cast("socket.socket", self.socket)
        return _has_decrypted(sock) or bool(wait_for_any([sock], 0))

    @property
    def ready(self) -> bool:
        """Whether there is something to read, waiting for it where the library's reactor would sleep."""
        sock = self.socket  # another thread may close it meanwhile
        if sock is None or not self._is_connected:
            time.sleep(POLL_S)
            return False
        if self.told or _has_decrypted(sock):
            return True
        ears = [] if self.ear is None else [self.ear]
        try:
            readable = wait_for_any([sock, *ears], self.patience_s)
        except (OSError, ValueError):
            self.event_queue.put(_CLOSED)
            return False
        for ear in ears:
            if ear in readable:
                ear.recv(HEARD)
        return sock in readable

    def _shutdown_socket(self) -> None:
        # the library leaves a socket open whose peer has gone first
        sock = self.socket
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _agree_to(self, n_bytes: int) -> None:
        if n_bytes > MAX_PDU_RECEIVED:
            with self.writing, contextlib.suppress(OSError):
                cast("socket.socket", self.socket).send(ABORT)
            raise OSError("a PDU longer than any we agree to")

    def _fill_whole(self, view: memoryview) -> None:
        if self._fill(view) < len(view):
            raise OSError("the peer has gone within a PDU")

    def _fill(self, view: memoryview) -> int:
        """Read until the view is full or the peer has gone; how many bytes."""
        sock = cast("socket.socket", self.socket)
        # a TLS socket takes no flags, and gives one record at a time
        flags = 0 if isinstance(sock, ssl.SSLSocket) else socket.MSG_WAITALL
        until = None if self.read_within_s is None else self.clock() + self.read_within_s
        n_read = 0
        while n_read < len(view):
            n_new = sock.recv_into(view[n_read:], 0, flags)
            if n_new == 0:
                break
            n_read += n_new
            if n_read < len(view) and until is not None and self.clock() >= until:
                raise OSError("a PDU that takes too long")
        return n_read

    def _acknowledge(self) -> None:
        """What has been read, at once, and what comes next."""
        if _QUICKACK is not None:
            cast("socket.socket", self.socket).setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


def _has_decrypted(sock: socket.socket) -> bool:
    """Whether TLS holds bytes that the system's own select cannot see."""
    return isinstance(sock, ssl.SSLSocket) and bool(sock.pending())
