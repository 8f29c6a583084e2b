"""Limits on strangers: nobody gets a thread or is parsed before a whole, plausible request of a welcome caller is here.

Theory. Between TCP's accept and the last byte of its A-ASSOCIATE-RQ a connection is a *guest*. All guests stand on
one porch: a single thread, sockets that never block, and together no more bytes than ``PORCH_BYTES``. So a silent or
dripping stranger costs a file descriptor until its time is up, and never a thread, the accept loop or a place.

1. TCP accept: an address that is not on the list is closed at once.
2. The porch is never full for a newcomer: beyond the limits the *oldest* guest of the most numerous address goes. A
   device needs milliseconds for what a stranger drags out, so it passes through any crowd that waits.
3. TLS handshake, then the request: its declared length is checked before anything is kept, its time is one deadline
   from the accept on, its outline must be that of PS3.8 9.3.2, its titles must be welcome.
4. A place: so many for all, so many for one address, and the last ones only for devices that are known.

Only then the request is handed on, with a thread and an association of its own.
"""

from __future__ import annotations

import contextlib
import queue
import selectors
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dicom_gateway.callers import TOO_MANY, Callers, Reject
from dicom_gateway.request import HEAD, LEAST_REQUEST, MOST_REQUEST, REQUEST, is_request, titles_of

PORCH_BYTES = 2**20
LEAVE_S = 2.0
"""How long a guest that was told no may take to read it: a socket closed on unread bytes takes the answer back."""
PIECE = 2**14
LINES_A_SECOND = 10
_UNRECOGNISED, _UNEXPECTED_LENGTH = 1, 6
_REJECT = struct.Struct(">BxIxBBB")
_ABORT = struct.Struct(">BxIxxBB")
Peer = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many, and how long. ``n_reserved`` of the associations are kept for known devices."""

    n_associations: int = 32
    n_reserved: int = 8
    n_per_address: int = 16
    n_waiting: int = 64
    request_within_s: float = 10.0
    read_within_s: float = 30.0


class Guest:
    """A connection whose request is not whole yet; later the request and the place that go with an association."""

    __slots__ = ("address", "buffer", "deadline", "is_known", "is_leaving", "is_shaking", "leave", "peer", "sock")

    def __init__(self, sock: socket.socket, peer: Peer, deadline: float) -> None:
        self.sock, self.peer, self.address, self.deadline = sock, peer, str(peer[0]), deadline
        self.buffer = bytearray()
        self.is_shaking = self.is_leaving = self.is_known = False
        self.leave: Callable[[], None] = sock.close

    @property
    def n_missing(self) -> int:
        """Bytes until the head is here, then until the whole request is."""
        wanted = HEAD.size if len(self.buffer) < HEAD.size else HEAD.size + HEAD.unpack_from(self.buffer)[1]
        return int(wanted) - len(self.buffer)


class Places:
    """The associations that are open. Taken by the porch, given back by whatever thread ends one."""

    def __init__(self, limits: Limits, *, has_known: bool) -> None:
        self._limits = limits
        # a reserve beyond half would shut out all others in a small installation
        self._n_reserved = min(limits.n_reserved, limits.n_associations // 2) if has_known else 0
        self._by_address: Counter[str] = Counter()
        self._n_strangers = 0
        self._lock = threading.Lock()

    def take(self, guest: Guest) -> bool:
        """Whether there was a place for this guest."""
        limits = self._limits
        with self._lock:
            if self._by_address[guest.address] >= limits.n_per_address:
                return False
            if self._by_address.total() >= limits.n_associations:
                return False
            if not guest.is_known and self._n_strangers >= limits.n_associations - self._n_reserved:
                return False
            self._by_address[guest.address] += 1
            self._n_strangers += not guest.is_known
            return True

    def give_back(self, guest: Guest) -> None:
        """The guest's association has ended."""
        with self._lock:
            self._by_address[guest.address] -= 1
            self._n_strangers -= not guest.is_known
            if not self._by_address[guest.address]:
                del self._by_address[guest.address]


class Door:
    """The porch and its thread. ``let_in`` is given each guest whose request is whole and welcome."""

    def __init__(
        self,
        callers: Callers,
        limits: Limits,
        *,
        clock: Callable[[], float],
        note: Callable[[str, Mapping[str, object]], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.limits, self.clock = limits, clock
        self.let_in: Callable[[Guest], None] = lambda guest: guest.leave()
        self._callers, self._note, self._tls = callers, note, tls
        self._places = Places(limits, has_known=callers.has_known)
        self._guests: dict[Guest, None] = {}  # in the order of their coming
        self._newcomers: queue.SimpleQueue[tuple[socket.socket, Peer]] = queue.SimpleQueue()
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        self._ear.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._is_closed = threading.Event()
        self._second, self._n_lines = 0, 0

    def open(self) -> None:
        """Begin to look after guests."""
        threading.Thread(target=self._run, name="porch", daemon=True).start()

    def close(self) -> None:
        """Send every guest away."""
        self._is_closed.set()
        self._ring()

    def greet(self, sock: socket.socket, peer: Peer) -> None:
        """From the accept loop: never blocks, whatever the porch is busy with."""
        if not self._callers.may_connect(str(peer[0])):
            sock.close()
            self.say("an address that is not on the list", address=str(peer[0]))
        elif self._newcomers.qsize() > self.limits.n_waiting:
            sock.close()
            self.say("more connections than can be looked at", address=str(peer[0]))
        else:
            self._newcomers.put((sock, peer))
            self._ring()

    def say(self, reason: str, **told: object) -> None:
        """Count a refusal, and log it unless there are too many of them to read."""
        second = int(self.clock())
        if second != self._second:
            self._second, self._n_lines = second, 0
        self._n_lines += 1
        self._note("turned_away", {} if self._n_lines > LINES_A_SECOND else {"reason": reason, **told})

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            self._bell.send(b"!")

    def _run(self) -> None:
        while not self._is_closed.is_set():
            for key, _ in self._selector.select(0.25 if self._guests else None):
                if key.data is None:
                    with contextlib.suppress(OSError):
                        self._ear.recv(PIECE)
                elif key.data in self._guests:  # one sent away a moment ago may still be in the list
                    self._serve(key.data)
            now = self.clock()
            for guest in [each for each in self._guests if each.deadline <= now]:
                self._drop(guest, "" if guest.is_leaving else "no whole request in time")
            while not self._newcomers.empty():
                self._take_in(*self._newcomers.get())
        for guest in list(self._guests):
            self._drop(guest)
        while not self._newcomers.empty():
            self._newcomers.get()[0].close()
        self._selector.close()
        self._bell.close()
        self._ear.close()

    def _take_in(self, sock: socket.socket, peer: Peer) -> None:
        guest = Guest(sock, peer, self.clock() + self.limits.request_within_s)
        try:
            sock.setblocking(False)
            if self._tls is not None:
                sock.getpeername()  # one that has gone meanwhile would be left open by a failing wrap_socket
                guest.sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                guest.is_shaking = True
        except OSError:
            sock.close()
            return
        self._make_room(guest.address)
        self._guests[guest] = None
        self._selector.register(guest.sock, selectors.EVENT_READ, guest)
        self._serve(guest)

    def _make_room(self, address: str) -> None:
        crowd = Counter(each.address for each in self._guests)
        if crowd[address] < self.limits.n_per_address and len(self._guests) < self.limits.n_waiting:
            return
        if crowd[address] < self.limits.n_per_address:
            address = crowd.most_common(1)[0][0]
        self._drop(next(each for each in self._guests if each.address == address), "made way for a newcomer")

    def _serve(self, guest: Guest) -> None:
        """As far as it goes without waiting."""
        try:
            if guest.is_leaving:
                self._watch_leave(guest)
                return
            if guest.is_shaking and isinstance(guest.sock, ssl.SSLSocket):
                guest.sock.do_handshake()
                guest.is_shaking = False
            self._read(guest)
        except ssl.SSLWantWriteError:
            self._selector.modify(guest.sock, selectors.EVENT_WRITE, guest)
        except (ssl.SSLWantReadError, BlockingIOError, InterruptedError):
            self._selector.modify(guest.sock, selectors.EVENT_READ, guest)
        except ssl.SSLError as error:
            self._drop(guest, "TLS", tls=error.reason or "broken off")
        except OSError:
            self._drop(guest, "the connection broke")

    def _read(self, guest: Guest) -> None:
        """Exactly the request, so that what follows it is left to the association. Until it would have to wait."""
        while True:
            piece = guest.sock.recv(min(guest.n_missing, PIECE))
            if not piece:
                self._drop(guest, "went away" if guest.buffer else "")
                return
            guest.buffer += piece
            if len(guest.buffer) < HEAD.size:
                continue
            kind, length = HEAD.unpack_from(guest.buffer)
            if kind != REQUEST:
                self._abort(guest, _UNRECOGNISED, "something else than a request")
                return
            if not LEAST_REQUEST <= length <= MOST_REQUEST:
                self._abort(guest, _UNEXPECTED_LENGTH, "a request of an impossible length")
                return
            if not guest.n_missing:
                self._decide(guest)
                return
            if sum(len(each.buffer) for each in self._guests) > PORCH_BYTES:
                self._drop(max(self._guests, key=lambda each: len(each.buffer)), "too much before a request was whole")
                if guest not in self._guests:
                    return

    def _decide(self, guest: Guest) -> None:
        if not is_request(guest.buffer):
            self._abort(guest, _UNEXPECTED_LENGTH, "a request that is none")
            return
        called, calling = titles_of(guest.buffer)
        reject = self._callers.reject(called, calling, guest.address)
        guest.is_known = self._callers.is_known(calling, guest.address)
        if reject is None and not self._places.take(guest):
            reject = TOO_MANY
        if reject is not None:
            self._reject(guest, reject, calling)
            return
        self._forget(guest)
        guest.sock.setblocking(True)
        guest.leave = lambda: self._places.give_back(guest)
        self.let_in(guest)

    def _reject(self, guest: Guest, reject: Reject, calling: str) -> None:
        told = {
            "result": [reject.result, reject.source, reject.diagnostic],
            "source": calling,
            "address": guest.address,
        }
        self.say(reject.reason, **told)
        self._tell(guest, _REJECT.pack(3, 4, *reject[:3]))

    def _abort(self, guest: Guest, why: int, reason: str) -> None:
        self.say(reason, address=guest.address)
        self._tell(guest, _ABORT.pack(7, 4, 2, why))

    def _tell(self, guest: Guest, answer: bytes) -> None:
        """The last word; then the guest may go by itself."""
        guest.buffer.clear()
        guest.is_leaving, guest.deadline = True, self.clock() + LEAVE_S
        with contextlib.suppress(OSError):
            guest.sock.send(answer)
            guest.sock.shutdown(socket.SHUT_WR)

    def _watch_leave(self, guest: Guest) -> None:
        """Read and drop, so that our answer is not lost with bytes nobody read. One piece a turn: others wait."""
        if not guest.sock.recv(PIECE):
            self._drop(guest)

    def _drop(self, guest: Guest, reason: str = "", **told: object) -> None:
        if reason:
            self.say(reason, address=guest.address, **told)
        self._forget(guest)
        guest.sock.close()

    def _forget(self, guest: Guest) -> None:
        self._guests.pop(guest, None)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(guest.sock)
