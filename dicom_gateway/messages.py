"""The messages of an association: C-STORE requests are taken here, all others by the library.

Theory. Whatever comes on an association is read by one thread, its reactor. The fragments of a C-STORE request go
from the reactor's buffer into the spool, and with the last of them the same thread stores the object and answers: no
queue, no other thread, no object of the library's. All of a message is taken so or none. The library takes it where
it does not look as it should, and where an answer of the library's is still to come, for answers come in the order of
their requests (PS3.7 9.1); its data set goes into the spool all the same.
"""

from __future__ import annotations

import contextlib
import queue
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.pdu_primitives import P_DATA

from dicom_gateway.answer import store_response
from dicom_gateway.asked import StoreAsked, store_asked
from dicom_gateway.guard import Announced
from dicom_gateway.intake import Intake, Request, caller_of, file_head, origin_of
from dicom_gateway.progress import Herald, Progress
from dicom_gateway.spool import Spool

if TYPE_CHECKING:
    from pynetdicom.association import Association

PDV_HEAD = struct.Struct(">IBB")
IS_COMMAND, IS_LAST = 0x01, 0x02
MAX_LOOSE = 2**20
"""Bytes of one message outside the spool: data sets of other services."""
MAX_COMMAND = 2**14
"""Bytes of a command set; the library makes an object of each of its elements."""
MAX_AHEAD = 64
"""Messages without an answer, from a peer that may have one (PS3.7 D.3.3.3), in however few PDUs."""
INVALID_PDU = "Evt19"
"""The library's word for it (PS3.8 table 9-10)."""
LOOK_S = 0.1
"""How long the thread of an association waits for a message before it looks for anything else."""
Take = Callable[[Request, Intake | None], int]


class SpoolingProvider(DIMSEServiceProvider):
    """Receives C-STORE data sets into the spool. ``take`` is given each whole object, and returns its status."""

    def __init__(self, assoc: Association, spool: Spool, herald: Herald | None, limits: tuple[int, int]) -> None:
        """``limits``: largest object and least free disk, in bytes; ``herald`` None announces no run that is not whole."""
        super().__init__(assoc)
        self.take: Take | None = None
        self._spool, self._herald, self._limits = spool, herald, limits
        self._intake: Intake | None = None
        self._asked: tuple[int, StoreAsked, Request] | None = None
        self._n_loose = 0
        self._is_serving = False

    # for the thread of the association

    def get_msg(self, block: bool = False) -> Any:  # noqa: FBT001, FBT002 - the library's own shape
        """The next message. The library would look for one each millisecond; this wakes its thread as soon as there is one."""
        if block:
            message = super().get_msg(block=True)
            if message != (None, None):
                self.msg_queue.task_done()
            return message
        self._settle()
        try:
            message = self.msg_queue.get(timeout=LOOK_S)
        except queue.Empty:
            return None, None
        self._is_serving = True
        return message

    def look_up(self) -> None:
        """Let the thread that waits for a message look for something else."""
        self.msg_queue.put((None, None))

    def send_msg(self, primitive: Any, context_id: int) -> None:
        """As the library does; with the answer a message is done."""
        super().send_msg(primitive, context_id)
        if primitive.MessageIDBeingRespondedTo is not None:
            self._settle()

    def _settle(self) -> None:
        if self._is_serving:
            self._is_serving = False
            self.msg_queue.task_done()

    # for the reactor

    @property
    def n_owed(self) -> int:
        """Messages that the library has and has not answered."""
        return self.msg_queue.unfinished_tasks

    def take_data(self, body: memoryview) -> None:
        """The fragments of one P-DATA body (PS3.8 9.3.5). What breaks the protocol ends the association, never the thread."""
        try:
            self._take_data(body)
        except Exception:  # noqa: BLE001 - the reactor would die and leave the peer hanging
            self.dul.event_queue.put(INVALID_PDU)

    def receive_primitive(self, primitive: P_DATA) -> None:
        """As ``take_data``, from the library's own state machine: after a release has been asked for."""
        try:
            for context_id, fragment in list(primitive.presentation_data_value_list):
                self._hand_over(context_id, fragment)
        except Exception:  # noqa: BLE001 - as above
            self.dul.event_queue.put(INVALID_PDU)

    def drop(self) -> None:
        """The association has ended: an object that is not whole goes."""
        intake, self._intake = self._intake, None
        if intake is not None:
            with contextlib.suppress(OSError):
                intake.end(is_kept=True)
            intake.close()

    def _take_data(self, body: memoryview) -> None:
        at = 0
        while at < len(body):
            length, context_id, control = PDV_HEAD.unpack_from(body, at)
            end = at + 4 + length
            if length < 2 or end > len(body):
                raise ValueError("a fragment that ends elsewhere than it says")
            content = body[at + PDV_HEAD.size : end]
            if self._intake is not None:
                self._write(context_id, control, content)
            elif not self._is_begun(context_id, control, content):
                self._hand_over(context_id, bytes(body[at + PDV_HEAD.size - 1 : end]))
            at = end

    def _is_begun(self, context_id: int, control: int, content: memoryview) -> bool:
        """Whether this fragment was a whole request to store, and nothing that comes before it waits for an answer."""
        if control & 3 != IS_COMMAND | IS_LAST or self.message is not None or self._is_owing():
            return False
        asked = store_asked(bytes(content))
        context = self.assoc._accepted_cx.get(context_id)  # noqa: SLF001
        if asked is None or context is None:
            return False
        announced = Announced(
            sop_class_uid=asked.sop_class,
            sop_instance_uid=asked.sop_instance,
            transfer_syntax_uid=str(context.transfer_syntax[0]),
        )
        request = Request(
            caller=caller_of(self.assoc), announced=announced, abstract_syntax=str(context.abstract_syntax)
        )
        self._asked = (context_id, asked, request)
        self._intake = self._opened(request)
        return True

    def _is_owing(self) -> bool:
        """Whether the library has a message whose answer is not on the wire."""
        return bool(self.n_owed) or not self.dul.to_provider_queue.empty()

    def _write(self, context_id: int, control: int, content: memoryview) -> None:
        own = self._asked[0] if self._asked is not None else cast("DIMSEMessage", self.message).context_id
        if control & IS_COMMAND or context_id != own:
            raise ValueError("a fragment of another message within a data set")
        intake = cast("Intake", self._intake)
        intake.write(content)
        if not control & IS_LAST:
            return
        if self._asked is None:
            self._hand_over(context_id, bytes([control]))  # the library has the command, and now the end
            return
        (context_id, asked, request), self._asked, self._intake = self._asked, None, None
        try:
            status = cast("Take", self.take)(request, intake)
        finally:
            intake.close()
        self._answer(context_id, asked, status)

    def _answer(self, context_id: int, asked: StoreAsked, status: int) -> None:
        transport = self.dul.socket
        if transport is not None:
            n_bytes = self.maximum_pdu_size
            transport.send(
                store_response(
                    context_id, asked.sop_class, asked.sop_instance, asked.message_id, status, most_bytes=n_bytes
                )
            )

    def _hand_over(self, context_id: int, fragment: bytes) -> None:
        """Leave a fragment, and what it is a part of, to the library."""
        primitive = P_DATA()
        # a list of its own for each fragment: the file must stand before the first one of a data set
        primitive.presentation_data_value_list = [[context_id, fragment]]  # type: ignore[list-item]
        super().receive_primitive(primitive)
        self._open_for_library(context_id)
        if self._intake is None:
            self._n_loose += len(fragment)
        if self._n_loose > (MAX_COMMAND if fragment and fragment[0] & IS_COMMAND else MAX_LOOSE):
            raise ValueError("a message too long to be kept in memory")
        if self.n_owed > MAX_AHEAD:
            raise ValueError("more messages than are answered")
        if self.message is None:
            self._intake, self._n_loose = None, 0  # whole: it belongs to the request now

    def _open_for_library(self, context_id: int) -> None:
        message = self.message
        if not isinstance(message, C_STORE_RQ) or message._data_set_file is not None:  # noqa: SLF001
            return
        command, context = message.command_set, self.assoc._accepted_cx[context_id]  # noqa: SLF001
        announced = Announced(
            sop_class_uid=str(command.AffectedSOPClassUID),
            sop_instance_uid=str(command.AffectedSOPInstanceUID),
            transfer_syntax_uid=str(context.transfer_syntax[0]),
        )
        request = Request(
            caller=caller_of(self.assoc), announced=announced, abstract_syntax=str(context.abstract_syntax)
        )
        intake = self._opened(request)
        message._data_set_file = cast("Any", intake)  # noqa: SLF001
        message._data_set_path = intake.path  # noqa: SLF001
        self._intake = intake

    def _opened(self, request: Request) -> Intake:
        """An intake with the file's head in it."""
        told = request.announced
        max_bytes, min_free_bytes = self._limits
        intake = Intake(self._spool, max_bytes=max_bytes, min_free_bytes=min_free_bytes)
        intake.write(file_head(told.sop_class_uid, told.sop_instance_uid, told.transfer_syntax_uid))
        if self._herald is not None and intake.part is not None:
            origin = origin_of(request.caller, told.sop_instance_uid, self._herald.now_ns())
            intake.progress = Progress(self._herald, intake.part, told, origin)
        return intake
