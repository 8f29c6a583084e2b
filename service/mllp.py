"""Messages about alerts over MLLP: each is framed, and acknowledged before the next one goes (HL7 original mode)."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

from service.archives import Hl7Listener
from service.mirror import NotTaken, Send, Unwelcome
from service.oru import control_id

WITHIN_S = 10.0
BEGIN, END = b"\x0b", b"\x1c\r"
MOST_ANSWERS = 8
MOST_BYTES = 65536
"""More than any acknowledgement; a peer that goes on beyond it speaks something else."""
TAKEN, AT_FAULT, NOT_NOW = frozenset({"AA", "CA"}), frozenset({"AE", "CE"}), frozenset({"AR", "CR"})
"""Acknowledgement codes (table 0008), by what may be done next."""


def sender(listener: Hl7Listener) -> Send:
    """Hands a message over and waits ten seconds for its acknowledgement; the connection stays open between messages."""
    return _Line(listener).send


def trouble(listener: Hl7Listener) -> str | None:
    """None when something can be connected to there; else what is wrong. Nothing is said to it: it would be an alert."""
    line = _Line(listener)
    try:
        line.open()
    except OSError as error:
        return f"does not answer ({type(error).__name__})"
    line.close()
    return None


class _Line:
    def __init__(self, listener: Hl7Listener) -> None:
        self._listener = listener
        self._socket: socket.socket | None = None
        self._rest = b""

    def __del__(self) -> None:
        self.close()

    def send(self, number: int, body: bytes) -> None:
        """As ``mirror.Send``."""
        try:
            code = self._ask(BEGIN + body + END, control_id(number))
        except (OSError, ValueError) as error:
            self.close()
            raise NotTaken(str(error) if isinstance(error, _Strange) else type(error).__name__) from None
        if code in AT_FAULT:
            raise Unwelcome(f"answered {code}")
        if code not in TAKEN:
            raise NotTaken(f"answered {code}" if code in NOT_NOW else "answered with no code of table 0008")

    def _ask(self, block: bytes, id: str) -> str:
        """The code for this message. Who has hung up since the message before is called anew at once: an alert waits for it."""
        is_old = self._socket is not None
        try:
            return self._exchange(block, id)
        except (_HungUp, ConnectionError, ssl.SSLError):
            if not is_old:
                raise
            self.close()
            return self._exchange(block, id)

    def _exchange(self, block: bytes, id: str) -> str:
        line = self.open()
        line.sendall(block)
        return self._answer(line, id)

    def open(self) -> socket.socket:
        """The connection, made if there is none."""
        self._socket = self._socket or self._connect()
        return self._socket

    def _connect(self) -> socket.socket:
        place = (self._listener.host, self._listener.port)
        plain = socket.create_connection(place, timeout=WITHIN_S)
        if not self._listener.tls:
            return plain
        try:
            context = ssl.create_default_context(cafile=self._listener.authorities)
            return context.wrap_socket(plain, server_hostname=self._listener.host)
        except BaseException:
            plain.close()
            raise

    def _answer(self, line: socket.socket, id: str) -> str:
        """The code for this message; one for an earlier message (some answer twice) is read over."""
        for _ in range(MOST_ANSWERS):
            code, about = acknowledged(self._block(line))
            if about == id:
                return code
        raise _Strange("acknowledged other messages")

    def _block(self, line: socket.socket) -> bytes:
        """One answer, without its frame."""
        while END not in self._rest:
            piece = line.recv(4096)
            if not piece:
                raise _HungUp("closed the connection without an acknowledgement")
            self._rest += piece
            if len(self._rest) > MOST_BYTES:
                raise _Strange("answered with no acknowledgement")
        block, _, self._rest = self._rest.partition(END)
        return block.removeprefix(BEGIN)

    def close(self) -> None:
        """Hang up; the next message makes a connection anew."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
        self._socket, self._rest = None, b""


class _Strange(ValueError):
    """What came is no acknowledgement; the words name no patient."""


class _HungUp(_Strange):
    """Nothing came."""


def acknowledged(answer: bytes) -> tuple[str, str]:
    """Acknowledgement code and control id of the message that it is about (MSA-1, MSA-2). Raises ValueError."""
    text = answer.decode("utf-8", "replace")
    separator = text[3:4]
    if not text.startswith("MSH") or not separator:
        raise _Strange("answered with no acknowledgement")
    for line in text.replace("\n", "\r").split("\r"):
        fields = line.split(separator)
        if fields[0] == "MSA" and len(fields) > 2:
            return fields[1].strip(), fields[2].strip()
    raise _Strange("answered without MSA segment")
