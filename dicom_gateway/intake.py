"""The way of a data set into the spool: bytes go from the socket into a part file, and nowhere else.

``SpoolingProvider`` gives each C-STORE request a part of the spool as its data set file, the place where the library's
own chunked mode puts a temporary file.
"""

from __future__ import annotations

import contextlib
import queue
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE

from dicom_gateway.answer import store_response
from dicom_gateway.arrival import Origin
from dicom_gateway.callers import REPLAY_CALLER
from dicom_gateway.guard import Announced
from dicom_gateway.progress import Herald, Progress
from dicom_gateway.spool import Part, Spool

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.pdu_primitives import P_DATA

    from dicom_gateway.prompt import PromptSocket

PDV_HEAD = struct.Struct(">IBB")
IS_COMMAND, IS_LAST = 0x01, 0x02
MAX_LOOSE = 2**20
"""Bytes of one message outside the spool: data sets of other services."""
MAX_COMMAND = 2**14
"""Bytes of a command set; the library makes an object of each of its elements."""
INVALID_PDU = "Evt19"
"""The library's word for it (PS3.8 table 9-10)."""
TRANSFERRING = "Sta6"
LOOK_S = 0.02
"""How long the thread of an association waits for a message before it looks for anything else."""


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


class SpoolingProvider(DIMSEServiceProvider):
    """Receives C-STORE data sets into the spool."""

    herald: Herald | None = None
    """Where runs are announced that are not whole yet; nowhere when None."""

    def __init__(self, assoc: Association, spool: Spool, *, max_bytes: int, min_free_bytes: int) -> None:
        super().__init__(assoc)
        self._spool = spool
        self._limits = {"max_bytes": max_bytes, "min_free_bytes": min_free_bytes}
        self._intake: Intake | None = None
        self._n_loose = 0

    def get_msg(self, block: bool = False) -> Any:  # noqa: FBT001, FBT002 - the library's own shape
        """The next message. The library would look for one each millisecond; this wakes its thread as soon as there is one."""
        if block:
            return super().get_msg(block=True)
        try:
            return self.msg_queue.get(timeout=LOOK_S)
        except queue.Empty:
            return None, None

    def look_up(self) -> None:
        """Let the thread that waits for a message look for something else."""
        self.msg_queue.put((None, None))

    def send_msg(self, primitive: Any, context_id: int) -> None:
        """Answers to C-STORE at once, from the thread that has stored; the rest as the library does."""
        if not self._is_answered(primitive, context_id):
            super().send_msg(primitive, context_id)

    def _is_answered(self, primitive: Any, context_id: int) -> bool:
        if (
            not isinstance(primitive, C_STORE)
            or primitive.MessageIDBeingRespondedTo is None
            or primitive.Status is None
        ):
            return False
        uids = str(primitive.AffectedSOPClassUID), str(primitive.AffectedSOPInstanceUID)
        if not all(uid.isascii() for uid in uids):
            return False
        pdu = store_response(context_id, *uids, primitive.MessageIDBeingRespondedTo, int(primitive.Status))
        if 0 < self.maximum_pdu_size < len(pdu):
            return False
        prompt = cast("PromptSocket", self.dul.socket)
        with prompt.writing:  # what the library has taken out of its queue is sent, and its state is what it says
            if self.dul.state_machine.current_state != TRANSFERRING or not self.dul.to_provider_queue.empty():
                return False
            return prompt.send_now(pdu)

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take one P-DATA; what breaks the protocol ends the association, never the thread."""
        try:
            self._take(primitive)
        except Exception:  # noqa: BLE001 - the library's reactor thread would die and leave the peer hanging
            self.dul.event_queue.put(INVALID_PDU)

    def _take(self, primitive: P_DATA) -> None:
        # one fragment at a time, for the file must stand before the first fragment of a data set
        for fragment in primitive.presentation_data_value_list:
            primitive.presentation_data_value_list = [list(fragment)]  # type: ignore[list-item]
            super().receive_primitive(primitive)
            self._open_intake(fragment[0])
            if self._intake is None:
                self._n_loose += len(fragment[1])
            is_command = bool(fragment[1]) and bool(fragment[1][0] & IS_COMMAND)
            if self._n_loose > (MAX_COMMAND if is_command else MAX_LOOSE):
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
            with contextlib.suppress(OSError):
                self._intake.end(is_kept=True)
            self._intake.close()

    def _open_intake(self, context_id: int) -> None:
        message = self.message
        if not isinstance(message, C_STORE_RQ) or message._data_set_file is not None:  # noqa: SLF001
            return
        announced = self._announced(message, context_id)
        intake = Intake(self._spool, **self._limits)
        intake.write(file_head(announced.sop_class_uid, announced.sop_instance_uid, announced.transfer_syntax_uid))
        if self.herald is not None and intake.part is not None:
            origin = origin_of(caller_of(self.assoc), announced.sop_instance_uid, self.herald.now_ns())
            intake.progress = Progress(self.herald, intake.part, announced, origin)
        message._data_set_file = cast("Any", intake)  # noqa: SLF001
        message._data_set_path = intake.path  # noqa: SLF001
        self._intake = intake

    def _announced(self, message: DIMSEMessage, context_id: int) -> Announced:
        command = message.command_set
        return Announced(
            sop_class_uid=str(command.AffectedSOPClassUID),
            sop_instance_uid=str(command.AffectedSOPInstanceUID),
            transfer_syntax_uid=str(self.assoc._accepted_cx[context_id].transfer_syntax[0]),  # noqa: SLF001
        )


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
