"""The thread that reads an association: it waits for bytes or for something to send, and takes objects by itself.

The library's own looks each millisecond whether there is anything to do, and makes three objects and two events of each
PDU. Here P-DATA in the state in which it is expected goes straight to ``SpoolingProvider``; every other PDU, and every
transition of PS3.8 table 9-10, stays with the library.
"""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any, cast

from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import StateMachine

from dicom_gateway.messages import SpoolingProvider
from dicom_gateway.prompt import HEARD, POLL_S, wait_for_any

if TYPE_CHECKING:
    from pynetdicom.association import Association

    from dicom_gateway.prompt import PromptSocket

TRANSFERRING, CLOSED, NO_STATE_LEFT = "Sta6", "Evt17", "Sta1"
"""The library's words for data transfer, a connection that has gone, and idle (PS3.8 table 9-10)."""
PATIENCE_S = 0.1
"""Between two looks at timers; whatever else there is to do rings."""
MAX_TAKEN = 64
"""PDUs taken at one go, after which the library looks at its timers."""

MAX_OWED = 16
"""Messages without an answer, after which nothing more is read: each object among them is an open file."""


class Reactor(DULServiceProvider):
    """The upper layer of one association on a ``PromptSocket``."""

    def __init__(self, assoc: Association) -> None:
        super().__init__(assoc)
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._run_loop_delay = 0  # it waits in the socket alone
        self._is_taking = False
        self.state_machine = SteadyMachine(self)

    def run_reactor(self) -> None:
        """Until the association has ended."""
        try:
            super().run_reactor()
        finally:
            if isinstance(self.assoc.dimse, SpoolingProvider):
                self.assoc.dimse.drop()  # however it has ended
            self._bell.close()
            self._ear.close()

    def send_pdu(self, primitive: Any) -> None:
        """From any thread: wake the one that sends."""
        super().send_pdu(primitive)
        self._ring()

    def idle_timer_expired(self) -> bool:
        """Whether the peer has long been silent; while its object is being stored it only waits."""
        return not self._is_taking and super().idle_timer_expired()

    def kill_dul(self) -> None:
        """End the thread."""
        super().kill_dul()
        self._ring()

    def stop_dul(self) -> bool:
        """End the thread where its connection has gone; whether that was so."""
        if self.state_machine.current_state == NO_STATE_LEFT:
            self.kill_dul()
        return super().stop_dul()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            self._bell.send(b"!")

    def _is_transport_event(self) -> bool:
        is_settled = self.state_machine.current_state == TRANSFERRING
        if is_settled and self._is_ahead():
            self._idle_timer.restart()  # it is we who keep the peer waiting
            wait_for_any([self._ear], PATIENCE_S)
            with contextlib.suppress(BlockingIOError):
                self._ear.recv(HEARD)
            return False
        if self.socket is not None:
            prompt = cast("PromptSocket", self.socket)
            prompt.ear, prompt.patience_s = self._ear, PATIENCE_S if is_settled else POLL_S
        return super()._is_transport_event()

    def _read_pdu_data(self) -> None:
        """P-DATA as long as it is there, or one PDU of another kind."""
        prompt, provider = cast("PromptSocket", self.socket), self.assoc.dimse
        if self.state_machine.current_state != TRANSFERRING or not isinstance(provider, SpoolingProvider):
            super()._read_pdu_data()
            return
        try:
            for _ in range(MAX_TAKEN):
                body = prompt.recv_data()
                if body is None:
                    super()._read_pdu_data()
                    return
                self._take(provider, body)
                if self._is_asked() or not prompt.has_more():
                    return
        except OSError:
            self.event_queue.put(CLOSED)

    def _take(self, provider: SpoolingProvider, body: memoryview) -> None:
        self._is_taking = True
        try:
            provider.take_data(body)
        finally:
            # a slow line has always some of the next PDU there, and is not idle for that
            self._idle_timer.restart()
            self._is_taking = False

    def _is_asked(self) -> bool:
        """Whether there is something else to do than to read."""
        is_quiet = self.event_queue.empty() and self.to_provider_queue.empty()
        return not is_quiet or self._kill_thread or self._is_ahead()

    def _is_ahead(self) -> bool:
        """Whether the peer has asked for so much that it must wait for answers first."""
        provider = self.assoc.dimse
        return isinstance(provider, SpoolingProvider) and provider.n_owed >= MAX_OWED


class SteadyMachine(StateMachine):
    """The library's state machine; what it has no transition for ends the association, not a thread with a traceback."""

    def do_action(self, event: str) -> None:
        """One transition of PS3.8 table 9-10."""
        was_settled = self.current_state == TRANSFERRING
        try:
            super().do_action(event)
        except Exception:  # noqa: BLE001 - whatever it is, this association is over and the next one is not
            self.dul.kill_dul()
            if self.dul.socket is not None:
                self.dul.socket.close()
        provider = self.dul.assoc.dimse
        if was_settled and self.current_state != TRANSFERRING and isinstance(provider, SpoolingProvider):
            provider.look_up()
