"""Where pynetdicom meets the door and the spool.

``SpoolingServer`` hands each connection to the door and goes on accepting; it comes back as a guest whose request is
whole. ``Reception`` makes an association of it: on a ``PromptSocket`` (the library's reads 4 KiB pieces of any length,
for any time, and acknowledges late), with a ``Reactor`` and a ``SpoolingProvider``.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from pynetdicom import evt
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from dicom_gateway.door import Door, Guest
from dicom_gateway.messages import SpoolingProvider, Take
from dicom_gateway.progress import Herald
from dicom_gateway.prompt import PromptSocket, make_prompt
from dicom_gateway.reactor import Reactor
from dicom_gateway.spool import Spool

if TYPE_CHECKING:
    from pynetdicom.association import Association

GRACE_S = 1.0
"""For all associations together, to be told that we stop, and of the object that was being stored."""


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
        # one that has not begun yet; what the library's was told of timers holds for ours
        assoc.dul = Reactor(assoc)
        assoc.acse_timeout, assoc.network_timeout = assoc.acse_timeout, assoc.network_timeout
        assoc.dul.socket = prompt = PromptSocket(assoc, client_socket=self.request)
        prompt.told = bytes(self._guest.buffer)
        prompt.clock, prompt.read_within_s = self.server.door.clock, limits.read_within_s
        assoc.dimse = SpoolingProvider(assoc, self.server.spool, self.server.herald, self.server.limits)
        assoc.dimse.take = self.server.take
        assoc.bind(evt.EVT_CONN_CLOSE, _drop)
        return assoc


class SpoolingServer(ThreadedAssociationServer):
    """A server whose associations receive into ``spool``, within ``limits`` (largest object, least free disk), and have it taken."""

    spool: Spool
    limits: tuple[int, int]
    take: Take
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


def hang_up(associations: list[Association], clock: Callable[[], float]) -> None:
    """End them in whatever state they are: an established one is sent an abort, and has ``GRACE_S`` to send it."""
    told = [each for each in associations if each.is_established]
    for each in told:
        each.abort(block=False)
    until = clock() + GRACE_S
    for each in told:
        each.dul.join(max(0.0, until - clock()))
    for each in associations:
        if each not in told or each.dul.is_alive():  # it waits for the rest of a PDU, maybe for long
            _cut(each)


def _cut(association: Association) -> None:
    transport = association.dul.socket
    if transport is not None and transport.socket is not None:
        with contextlib.suppress(OSError):
            transport.socket.shutdown(socket.SHUT_RDWR)
    association.dul.to_user_queue.put(cast("Any", None))  # whoever waits for a request need not wait any longer


def _drop(event: evt.Event) -> None:
    if isinstance(event.assoc.dimse, SpoolingProvider):
        event.assoc.dimse.drop()
