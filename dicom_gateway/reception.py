"""Where pynetdicom meets the spool: bytes go from the socket into a part file, and nowhere else.

Three small subclasses. ``PromptSocket`` reads a whole PDU into one buffer, refuses an unreasonable length before
reading it, and acknowledges at once (the library reads 4 KiB pieces of any length and acknowledges late). ``SpoolingProvider`` gives each C-STORE request a part of the
spool as its data set file, the place where the library's own chunked mode puts a temporary file.
``Reception`` builds an association from both.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, evt
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from dicom_gateway.spool import Part, Spool

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.dul import DULServiceProvider
    from pynetdicom.pdu_primitives import P_DATA

MAX_PDU = 131_072
MAX_PDU_RECEIVED = 2**20
"""A P-DATA PDU keeps to the length we ask for; a request for many contexts may be longer."""
PDU_HEAD = struct.Struct(">BxI")
PDV_HEAD = struct.Struct(">IBB")
P_DATA_TF = 0x04
IS_COMMAND, IS_LAST = 0x01, 0x02
MAX_SKIMMED = 64
"""PDUs taken at one go, after which the library looks at its timers."""
STALL_S = 30
MAX_LOOSE = 2**20
"""Bytes of one message outside the spool: command sets, and data sets of other services."""
POLL_S = 0.001
_INVALID_PDU, _CLOSED = "Evt19", "Evt17"
_QUICKACK = getattr(socket, "TCP_QUICKACK", None)


def make_prompt(sock: socket.socket) -> None:
    """Send small answers at once, and give up on a peer that stalls within a PDU."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    patience = struct.pack("ll", STALL_S, 0)
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

    def recv(self, nr_bytes: int) -> bytearray:
        """The next ``nr_bytes``, or fewer when the peer has gone; OSError when it asks for too many."""
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

    def _has_more(self) -> bool:
        return bool(select.select([cast("socket.socket", self.socket)], [], [], 0)[0])

    @property
    def ready(self) -> bool:
        """Whether there is something to read, waiting for it where the library's reactor would sleep."""
        sock = self.socket  # another thread may close it meanwhile
        if sock is None or not self._is_connected:
            return False
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
        if n_bytes > MAX_PDU_RECEIVED:
            raise OSError("a PDU longer than any we agree to")
        sock = cast("socket.socket", self.socket)
        buffer, n_read = bytearray(n_bytes), 0
        with memoryview(buffer) as view:
            while n_read < n_bytes:
                n_new = sock.recv_into(view[n_read:], 0, socket.MSG_WAITALL)
                if n_new == 0:
                    break
                n_read += n_new
        if _QUICKACK is not None:
            sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        del buffer[n_read:]
        return buffer


class Intake:
    """The data set file of one C-STORE request.

    Trouble while writing (disk full, too large) must not break the association: the rest of the object is
    read and dropped, and ``trouble`` tells the handler why.
    """

    def __init__(self, spool: Spool, *, max_bytes: int, min_free_bytes: int) -> None:
        self.trouble: str | None = None
        self.part: Part | None = None
        self._max_bytes = max_bytes
        if spool.free_bytes() < min_free_bytes:
            self.trouble = "disk"
            return
        try:
            self.part = spool.begin()
        except OSError:
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
        return len(piece)

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        """Drop what the handler has not taken."""
        if self.part is not None:
            self.part.discard()


class SpoolingProvider(DIMSEServiceProvider):
    """Receives C-STORE data sets into the spool."""

    def __init__(self, assoc: Association, spool: Spool, *, max_bytes: int, min_free_bytes: int) -> None:
        super().__init__(assoc)
        self._spool = spool
        self._limits = {"max_bytes": max_bytes, "min_free_bytes": min_free_bytes}
        self._intake: Intake | None = None
        self._n_loose = 0

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take one P-DATA; what breaks the protocol ends the association, never the thread."""
        try:
            self._take(primitive)
        except Exception:  # noqa: BLE001 - the library's reactor thread would die and leave the peer hanging
            self.dul.event_queue.put(_INVALID_PDU)

    def _take(self, primitive: P_DATA) -> None:
        # one fragment at a time, for the file must stand before the first fragment of a data set
        for fragment in primitive.presentation_data_value_list:
            primitive.presentation_data_value_list = [list(fragment)]  # type: ignore[list-item]
            super().receive_primitive(primitive)
            self._open_intake(fragment[0])
            if self._intake is None:
                self._n_loose += len(fragment[1])
            if self._n_loose > MAX_LOOSE:
                raise ValueError("a message too long to be kept in memory")
        if self.message is None:
            self._intake, self._n_loose = None, 0  # whole: it belongs to the request now

    def may_skim(self) -> bool:
        """Whether a data set is being received, and all earlier PDUs have been taken in."""
        return self._intake is not None and self.dul._recv_pdu.empty()  # noqa: SLF001

    def skim(self, body: memoryview) -> tuple[bytes, bool]:
        """Write the data set fragments of a P-DATA body (PS3.8 9.3.5).

        The body with these fragments emptied, and whether it held nothing but fragments that others follow.
        """
        intake, at, heads, is_middle = self._intake, 0, [], True
        while intake is not None and at + PDV_HEAD.size <= len(body):
            length, context_id, control = PDV_HEAD.unpack_from(body, at)
            end = at + 4 + length
            if length < 2 or end > len(body) or control & IS_COMMAND:
                break
            intake.write(body[at + PDV_HEAD.size : end])
            heads.append(PDV_HEAD.pack(2, context_id, control))
            is_middle = is_middle and not control & IS_LAST
            at = end
        # what is not understood is left to the library
        return b"".join(heads) + bytes(body[at:]), is_middle and at == len(body)

    def drop(self) -> None:
        """The association has ended: an object that is not whole goes."""
        if self._intake is not None:
            self._intake.close()

    def _open_intake(self, context_id: int) -> None:
        message = self.message
        if not isinstance(message, C_STORE_RQ) or message._data_set_file is not None:  # noqa: SLF001
            return
        intake = Intake(self._spool, **self._limits)
        intake.write(self._file_head(message, context_id))
        message._data_set_file = cast("Any", intake)  # noqa: SLF001
        message._data_set_path = intake.path  # noqa: SLF001
        self._intake = intake

    def _file_head(self, message: DIMSEMessage, context_id: int) -> bytes:
        command = message.command_set
        syntax = self.assoc._accepted_cx[context_id].transfer_syntax[0]  # noqa: SLF001
        return file_head(str(command.AffectedSOPClassUID), str(command.AffectedSOPInstanceUID), str(syntax))


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


class Reception(RequestHandler):
    """One association on a prompt socket, its data sets on the way into the spool of its server."""

    server: SpoolingServer

    def _create_association(self) -> Association:
        make_prompt(self.request)
        assoc = super()._create_association()
        prompt = PromptSocket(assoc, client_socket=self.request)
        assoc.dul.event_queue.get_nowait()  # two sockets announced one connection
        assoc.dul.socket = prompt
        wait_in_socket(assoc.dul)
        spool, max_bytes, min_free_bytes = self.server.intake
        assoc.dimse = SpoolingProvider(assoc, spool, max_bytes=max_bytes, min_free_bytes=min_free_bytes)
        assoc.bind(evt.EVT_CONN_CLOSE, _drop)
        return assoc


class SpoolingServer(ThreadedAssociationServer):
    """A server whose associations store into ``intake``: spool, largest object, least free disk."""

    intake: tuple[Spool, int, int]
    request_queue_size = 64

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gc = [0, 599]  # the library collects garbage every 60 polls, which at our pace stops receipt every 6 s


def hang_up(association: Association) -> None:
    """End an association in whatever state it is: only an established one may be sent an abort."""
    if association.is_established:
        association.abort()
        return
    transport = association.dul.socket
    if transport is not None and transport.socket is not None:
        with contextlib.suppress(OSError):
            transport.socket.shutdown(socket.SHUT_RDWR)
    association.dul.to_user_queue.put(cast("Any", None))  # whoever waits for a request need not wait any longer


def _drop(event: evt.Event) -> None:
    if isinstance(event.assoc.dimse, SpoolingProvider):
        event.assoc.dimse.drop()
