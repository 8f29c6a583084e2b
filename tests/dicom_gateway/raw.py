"""Bytes on the wire without a library: requests, and what is answered to them."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable

from dicom_gateway import sop_classes
from dicom_gateway.messages import PDV_HEAD
from dicom_gateway.request import HEAD

ACCEPTED, REJECTED, ABORTED = 2, 3, 7


def item(kind: int, body: bytes) -> bytes:
    """Type, length, content."""
    return struct.pack(">BxH", kind, len(body)) + body


def context(
    number: int, sop_class: str = sop_classes.XA, syntaxes: tuple[str, ...] = (sop_classes.EXPLICIT_LE,)
) -> bytes:
    """A presentation context."""
    parts = item(0x30, sop_class.encode()) + b"".join(item(0x40, each.encode()) for each in syntaxes)
    return item(0x20, bytes([number, 0, 0, 0]) + parts)


def request(
    calling: str = "ARM1", called: str = "CEMENTWATCH", contexts: tuple[bytes, ...] | None = None, more: bytes = b""
) -> bytes:
    """An A-ASSOCIATE-RQ."""
    user = item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3.4")
    items = (
        item(0x10, b"1.2.840.10008.3.1.1.1")
        + b"".join((context(1),) if contexts is None else contexts)
        + item(0x50, user)
        + more
    )
    body = b"\0\1\0\0" + called.ljust(16).encode() + calling.ljust(16).encode() + bytes(32) + items
    return HEAD.pack(1, len(body)) + body


def store_command(sop_class: str, sop_instance: str, message: int = 1) -> bytes:
    """A C-STORE-RQ in implicit little endian (PS3.7 9.3.1.1)."""
    return _command(
        _element(0x0002, sop_class.encode()),
        _number(0x0100, 0x0001),
        _number(0x0110, message),
        _number(0x0700, 2),
        _number(0x0800, 1),
        _element(0x1000, sop_instance.encode()),
    )


def echo_command(message: int = 1) -> bytes:
    """A C-ECHO-RQ (PS3.7 9.3.5.1)."""
    return _command(
        _element(0x0002, sop_classes.VERIFICATION.encode()),
        _number(0x0100, 0x0030),
        _number(0x0110, message),
        _number(0x0800, 0x0101),
    )


def number_in(command: bytes, element: int) -> int:
    """The value of a command element of two bytes (0000,element), as 0x0120 for the message that is answered."""
    at = command.index(b"\0\0" + struct.pack("<HI", element, 2)) + 8
    return int.from_bytes(command[at : at + 2], "little")


def data_unit(content: bytes, control: int, context_id: int = 1) -> bytes:
    """A P-DATA-TF of one fragment; control 3 ends a command, 2 a data set."""
    head = PDV_HEAD.pack(len(content) + 2, context_id, control)
    return HEAD.pack(4, len(head) + len(content)) + head + content


def store_request(sop_class: str, sop_instance: str, data_set: bytes) -> bytes:
    """Command and data set."""
    return data_unit(store_command(sop_class, sop_instance), 3) + data_unit(data_set, 2)


def connect(port: int, address: str = "127.0.0.1") -> socket.socket:
    """A connection to our port from this loopback address."""
    return socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(address, 0))


def answer(sock: socket.socket) -> bytes:
    """The next PDU, or b"" when the other side has closed or cut the connection."""
    try:
        head = _whole(sock, HEAD.size)
        return head + _whole(sock, HEAD.unpack(head)[1])
    except (ConnectionError, EOFError):
        return b""


def is_closed(sock: socket.socket) -> bool:
    """Whether the other side ends the connection without a word, waited for."""
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


def until(is_so: Callable[[], bool]) -> bool:
    """Whether it becomes so within twenty seconds."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if is_so():
            return True
        time.sleep(0.01)
    return False


def _whole(sock: socket.socket, n_bytes: int) -> bytes:
    got = b""
    while len(got) < n_bytes:
        piece = sock.recv(n_bytes - len(got))
        if not piece:
            raise EOFError
        got += piece
    return got


def _command(*elements: bytes) -> bytes:
    fields = b"".join(elements)
    return _element(0x0000, struct.pack("<I", len(fields))) + fields


def _number(element: int, value: int) -> bytes:
    return _element(element, struct.pack("<H", value))


def _element(element: int, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHI", 0, element, len(value)) + value
