"""The outline of an A-ASSOCIATE-RQ (PS3.8 9.3.2), as far as a door needs it: titles, and whether it may be parsed.

A request is a row of items of our protocol's kinds. Without a limit on their number a quarter megabyte would become
sixty thousand objects in the library that parses it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

HEAD = struct.Struct(">BxI")
"""PDU type and length."""
REQUEST = 0x01
LEAST_REQUEST = 68
MOST_REQUEST = 2**18
"""Bytes; 128 contexts with all the syntaxes that there are take about half of it."""
MOST_CONTEXTS = 128
"""PS3.8 9.3.2.2: odd numbers from 1 to 255."""
MOST_ITEMS = 8192
"""In all: contexts, their transfer syntaxes, wishes of a user."""
_FIXED = HEAD.size + LEAST_REQUEST
_ITEM = struct.Struct(">BxH")
_APPLICATION, _CONTEXT, _USER = 0x10, 0x20, 0x50
_WITHIN = {_CONTEXT: frozenset({0x30, 0x40}), _USER: frozenset(range(0x51, 0x60))}
_SKIPPED = {_CONTEXT: 4, _USER: 0}


def titles_of(request: bytes | bytearray) -> tuple[str, str]:
    """Called and calling AE title, without padding."""
    called, calling = (bytes(request[at : at + 16]).decode("ascii", "replace").strip(" \0") for at in (10, 26))
    return called, calling


def is_request(request: bytes | bytearray) -> bool:
    """Whether the items of a whole request fit into each other and are not too many."""
    try:
        told = [_check_item(kind, body) for kind, body in _items(request[_FIXED:])]
    except ValueError:
        return False
    if sum(n_parts for _, n_parts in told) + len(told) > MOST_ITEMS:
        return False
    kinds = [kind for kind, _ in told]
    return kinds.count(_APPLICATION) == 1 and kinds.count(_USER) == 1 and 0 < kinds.count(_CONTEXT) <= MOST_CONTEXTS


def _check_item(kind: int, body: bytes | bytearray) -> tuple[int, int]:
    """The kind, and how many parts it has. ValueError for what has no place in a request."""
    if kind == _APPLICATION:
        return kind, 0
    if kind not in _WITHIN:
        raise ValueError
    parts = [part for part, _ in _items(body[_SKIPPED[kind] :])]
    if not _WITHIN[kind].issuperset(parts) or (kind == _CONTEXT and parts.count(0x30) != 1):
        raise ValueError
    return kind, len(parts)


def _items(body: bytes | bytearray) -> Iterator[tuple[int, bytes | bytearray]]:
    """Type and content of each item; ValueError when they do not fill ``body``."""
    at = 0
    while at < len(body):
        if at + _ITEM.size > len(body):
            raise ValueError
        kind, length = _ITEM.unpack_from(body, at)
        at += _ITEM.size
        if at + length > len(body):
            raise ValueError
        yield kind, body[at : at + length]
        at += length
