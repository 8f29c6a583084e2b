"""Where pynetdicom meets the door and the spool.

``SpoolingServer`` hands each connection to the door and goes on accepting; it comes back as a guest whose request is
whole. ``Reception`` makes an association of it: on a ``PromptSocket`` (the library's reads 4 KiB pieces of any length,
for any time, and acknowledges late), with a ``SpoolingProvider`` and a ``SteadyMachine``.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, cast

from pynetdicom import evt
from pynetdicom.fsm import StateMachine
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from dicom_gateway.door import Door, Guest
from dicom_gateway.intake import SpoolingProvider
from dicom_gateway.progress import Herald
from dicom_gateway.prompt import PromptSocket, make_prompt, wait_in_socket
from dicom_gateway.spool import Spool

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.dul import DULServiceProvider


RELEASE_ASKED = "Evt12"
"""The library's word for an A-RELEASE-RQ (PS3.8 table 9-10)."""
OURS_TO_SEND = frozenset({"Evt9", "Evt14", "Evt15"})
"""What waits in the library's queue: a P-DATA, the answer to a release, an abort."""


class SteadyMachine(StateMachine):
    """The library's state machine; what it has no transition for ends the association, not a thread with a traceback.

    An answer that it has taken out of its queue is on the wire before another thread may write (``writing``).
    """

    def __init__(self, dul: DULServiceProvider, writing: threading.RLock) -> None:
        super().__init__(dul)
        self._writing = writing

    def do_action(self, event: str) -> None:
        """One transition of PS3.8 table 9-10."""
        try:
            with self._writing if event in OURS_TO_SEND else contextlib.nullcontext():
                super().do_action(event)
        except Exception:  # noqa: BLE001 - whatever it is, this association is over and the next one is not
            self.dul.kill_dul()
            if self.dul.socket is not None:
                self.dul.socket.close()
        if event == RELEASE_ASKED and isinstance(self.dul.assoc.dimse, SpoolingProvider):
            self.dul.assoc.dimse.look_up()


class Reception(RequestHandler):
    """One association on a prompt socket, its data sets on the way into the spool of its server."""

    server: SpoolingServer

    def setup(self) -> None:
        """Unpack the guest: socketserver hands it over as the request."""
        self._guest = cast("Guest", self.request)
        self.request = self._guest.sock

    def handle(self) -> None:
        """Serve until the association ends; only then its place is free."""
        assoc = self._create_association()
        assoc.start()
        assoc.join()

    def _create_association(self) -> Association:
        limits = self.server.door.limits
        make_prompt(self.request, limits.read_within_s)
        assoc = super()._create_association()
        prompt = PromptSocket(assoc, client_socket=self.request)
        prompt.told = bytes(self._guest.buffer)
        prompt.clock, prompt.read_within_s = self.server.door.clock, limits.read_within_s
        assoc.dul.event_queue.get_nowait()  # two sockets announced one connection
        assoc.dul.socket = prompt
        assoc.dul.state_machine = SteadyMachine(assoc.dul, prompt.writing)
        wait_in_socket(assoc.dul)
        spool, max_bytes, min_free_bytes = self.server.intake
        assoc.dimse = SpoolingProvider(assoc, spool, max_bytes=max_bytes, min_free_bytes=min_free_bytes)
        assoc.dimse.herald = self.server.herald
        assoc.bind(evt.EVT_CONN_CLOSE, _drop)
        return assoc


class SpoolingServer(ThreadedAssociationServer):
    """A server whose associations store into ``intake``: spool, largest object, least free disk."""

    intake: tuple[Spool, int, int]
    herald: Herald | None = None
    door: Door
    request_queue_size = 64
    # each thread stays as long as its association: whoever stops the server hangs up, and does not wait
    daemon_threads = True
    block_on_close = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gc = [0, 599]  # the library collects garbage every 60 polls, which at our pace stops receipt every 6 s

    def process_request(self, request: Any, client_address: Any) -> None:
        """From the accept loop: the door takes over, and calls ``let_in``."""
        self.door.greet(request, client_address)

    def let_in(self, guest: Guest) -> None:
        """A thread for a guest whose request is whole and welcome."""
        try:
            super().process_request(cast("Any", guest), guest.peer)
        except RuntimeError:  # no further thread is to be had
            guest.sock.close()
            guest.leave()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One association from its beginning to its end."""
        try:
            self.finish_request(request, client_address)
        except Exception as error:  # noqa: BLE001 - the text of a foreign error may quote the request
            self.door.say("an association failed", error=type(error).__name__)
            request.sock.close()
        finally:
            request.leave()


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
