"""The command set of a C-STORE request, read where it lies.

The library makes a data set of its elements and a value of its own of each of them: half a millisecond for a hundred bytes.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from dicom_gateway.answer import COMMAND_HEAD

REQUEST, NO_DATA_SET = 0x0001, 0x0101
PRIORITIES = frozenset({0, 1, 2})
MAX_TITLE, MAX_UID = 16, 64
_SOP_CLASS, _COMMAND, _MESSAGE, _PRIORITY, _DATA_SET, _INSTANCE = 0x0002, 0x0100, 0x0110, 0x0700, 0x0800, 0x1000
_NEEDED = frozenset({_SOP_CLASS, _COMMAND, _MESSAGE, _PRIORITY, _DATA_SET, _INSTANCE})
_LENGTH, _MOVER, _MOVER_MESSAGE = 0x0000, 0x1030, 0x1031
_KNOWN = _NEEDED | {_LENGTH, _MOVER, _MOVER_MESSAGE}
_NUMBER = struct.Struct("<H")
_UID_LETTERS = frozenset("0123456789.")


class StoreAsked(NamedTuple):
    """What a C-STORE request asks for."""

    message_id: int
    sop_class: str
    sop_instance: str


def store_asked(command: bytes) -> StoreAsked | None:
    """A C-STORE-RQ (PS3.7 9.3.1.1) with a data set, as it should be; None for whatever else, which the library judges."""
    try:
        values = _values(command)
        numbers = {tag: _NUMBER.unpack(values[tag])[0] for tag in (_COMMAND, _MESSAGE, _PRIORITY, _DATA_SET)}
        sop_class, instance = _uid(values[_SOP_CLASS]), _uid(values[_INSTANCE])
    except (KeyError, ValueError, struct.error):
        return None
    if numbers[_COMMAND] != REQUEST or numbers[_PRIORITY] not in PRIORITIES or numbers[_DATA_SET] == NO_DATA_SET:
        return None
    return StoreAsked(numbers[_MESSAGE], sop_class, instance)


def _values(command: bytes) -> dict[int, bytes]:
    """By element number, each once and in order. ValueError, or struct.error, for another row."""
    values: dict[int, bytes] = {}
    at, last = 0, -1
    while at < len(command):
        group, number, length = COMMAND_HEAD.unpack_from(command, at)
        at += COMMAND_HEAD.size + length
        if group or number <= last or number not in _KNOWN or at > len(command):
            raise ValueError
        values[number], last = command[at - length : at], number
    if len(values.get(_MOVER, b"")) > MAX_TITLE or len(values.get(_MOVER_MESSAGE, b"\0\0")) != _NUMBER.size:
        raise ValueError
    return values


def _uid(value: bytes) -> str:
    uid = value.decode("ascii").removesuffix("\0")
    if not 0 < len(uid) <= MAX_UID or not _UID_LETTERS.issuperset(uid):
        raise ValueError
    return uid
