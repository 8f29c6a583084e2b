"""A socket for associations that reads whole PDUs at once, of a length and within a time we agree to."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from pynetdicom.transport import AssociationSocket

from dicom_gateway.intake import SpoolingProvider
from dicom_gateway.request import HEAD as PDU_HEAD

if TYPE_CHECKING:
    from pynetdicom.dul import DULServiceProvider

MAX_PDU = 131_072
MAX_PDU_RECEIVED = 2**20
"""A P-DATA PDU keeps to the length we ask for; a request for many contexts may be longer."""
P_DATA_TF = 0x04
MAX_SKIMMED = 64
"""PDUs taken at one go, after which the library looks at its timers."""
STALL_S = 30
POLL_S = 0.001
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


class PromptSocket(AssociationSocket):
    """One buffer for each PDU, of a length we agree to.

    While an object is on its way into the spool its bytes are written straight from that buffer; the library
    sees the same PDU with empty fragments. Handing them through as well costs five copies of each image.
    """

    _body: bytes | None = None
    told = b""
    """What the door has read already."""
    read_within_s: float | None = None
    """For a whole PDU, by ``clock``; None where our own side has called."""
    clock: Callable[[], float]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.writing = threading.RLock()
        """Held by whoever sends: the library's thread, from the moment at which it takes an answer up, or ours."""

    def send(self, bytestream: bytes) -> None:
        """Send a PDU from the library's thread."""
        with self.writing:
            super().send(bytestream)

    def recv(self, nr_bytes: int) -> bytearray:
        """The next ``nr_bytes``, or fewer when the peer has gone; OSError when it asks for too many or is too slow."""
        if self.told:
            told, self.told = bytearray(self.told[:nr_bytes]), self.told[nr_bytes:]
            return told
        if self._body is not None:
            body, self._body = bytearray(self._body), None
            return body
        if nr_bytes != PDU_HEAD.size:
            return self._receive(nr_bytes)
        for _ in range(MAX_SKIMMED):
            self._body, head = None, self._receive(nr_bytes)
            if len(head) < nr_bytes:
                break
            kind, length = PDU_HEAD.unpack(head)
            provider = self.assoc.dimse
            if kind != P_DATA_TF or not isinstance(provider, SpoolingProvider) or not provider.may_skim():
                break
            body = self._receive(length)
            if len(body) < length:  # the library finds the same end of the stream
                break
            self._body, is_middle = provider.skim(memoryview(body))
            head = bytearray(PDU_HEAD.pack(kind, len(self._body)))
            # the library need not hear of each PDU while the next one is already there
            if not is_middle or not self._has_more():
                break
        return head

    def send_now(self, pdu: bytes) -> bool:
        """Send a PDU from another thread than the library's; False where that is not safe (OpenSSL) or comes too late."""
        sock = self.socket
        if sock is None or isinstance(sock, ssl.SSLSocket):
            return False
        try:
            with self.writing:
                sock.sendall(pdu)
        except OSError:
            self.event_queue.put(_CLOSED)
        return True

    def _has_more(self) -> bool:
        sock = cast("socket.socket", self.socket)
        return _has_decrypted(sock) or bool(select.select([sock], [], [], 0)[0])

    @property
    def ready(self) -> bool:
        """Whether there is something to read, waiting for it where the library's reactor would sleep."""
        sock = self.socket  # another thread may close it meanwhile
        if sock is None or not self._is_connected:
            return False
        if self.told or _has_decrypted(sock):
            return True
        try:
            readable, _, _ = select.select([sock], [], [], POLL_S)
        except (OSError, ValueError):
            self.event_queue.put(_CLOSED)
            return False
        return bool(readable)

    def _shutdown_socket(self) -> None:
        # the library leaves a socket open whose peer has gone first
        sock = self.socket
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _receive(self, n_bytes: int) -> bytearray:
        sock = cast("socket.socket", self.socket)
        if n_bytes > MAX_PDU_RECEIVED:
            with self.writing, contextlib.suppress(OSError):
                sock.send(ABORT)
            raise OSError("a PDU longer than any we agree to")
        # a TLS socket takes no flags, and gives one record at a time
        flags = 0 if isinstance(sock, ssl.SSLSocket) else socket.MSG_WAITALL
        until = None if self.read_within_s is None else self.clock() + self.read_within_s
        buffer, n_read = bytearray(n_bytes), 0
        with memoryview(buffer) as view:
            while n_read < n_bytes:
                n_new = sock.recv_into(view[n_read:], 0, flags)
                if n_new == 0:
                    break
                n_read += n_new
                if n_read < n_bytes and until is not None and self.clock() >= until:
                    raise OSError("a PDU that takes too long")
        if _QUICKACK is not None:
            sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        del buffer[n_read:]
        return buffer


def _has_decrypted(sock: socket.socket) -> bool:
    """Whether TLS holds bytes that the system's own select cannot see."""
    return isinstance(sock, ssl.SSLSocket) and bool(sock.pending())
