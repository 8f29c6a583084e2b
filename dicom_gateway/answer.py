"""The answer to a C-STORE, byte for byte what the library would send.

The library makes a data set of seven elements, writes it twice and hands it to another thread, which looks for it once
in a millisecond: more than a third of the time that an image of 2 MiB takes to be received.
"""

from __future__ import annotations

import struct

COMMAND_HEAD = struct.Struct("<HHI")
P_DATA = struct.Struct(">BxIIBB")
RESPONSE, NO_DATA_SET = 0x8001, 0x0101
COMMAND, LAST_COMMAND = 0x01, 0x03
FRAGMENT_HEAD = 6


def store_response(
    context_id: int, sop_class: str, sop_instance: str, message_id: int, status: int, *, most_bytes: int = 0
) -> bytes:
    """A C-STORE-RSP (PS3.7 9.3.1.2) in P-DATA-TF PDUs (PS3.8 9.3.5): one, unless the peer takes PDUs of ``most_bytes`` only."""
    command = b"".join(
        (
            _element(0x0002, _uid(sop_class)),
            _number(0x0100, RESPONSE),
            _number(0x0120, message_id),
            _number(0x0800, NO_DATA_SET),
            _number(0x0900, status),
            _element(0x1000, _uid(sop_instance)),
        )
    )
    command = _element(0x0000, struct.pack("<I", len(command))) + command
    n_bytes = max(1, most_bytes - FRAGMENT_HEAD) if most_bytes else len(command)
    return b"".join(
        _pdu(context_id, COMMAND if at + n_bytes < len(command) else LAST_COMMAND, command[at : at + n_bytes])
        for at in range(0, len(command), n_bytes)
    )


def _pdu(context_id: int, control: int, fragment: bytes) -> bytes:
    return P_DATA.pack(0x04, len(fragment) + FRAGMENT_HEAD, len(fragment) + 2, context_id, control) + fragment


def _element(number: int, value: bytes) -> bytes:
    return COMMAND_HEAD.pack(0x0000, number, len(value)) + value


def _number(number: int, value: int) -> bytes:
    return _element(number, struct.pack("<H", value))


def _uid(uid: str) -> bytes:
    value = uid.encode("ascii")
    return value + b"\0" * (len(value) % 2)
