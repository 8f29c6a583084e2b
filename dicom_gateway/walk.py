"""A walk over the elements of an object by their lengths, bounded in depth, number and bytes (PS3.5 7).

It comes before the parser, which would make a Python object of whatever a header holds: a nested sequence of a few
bytes a level exhausts its stack, a long one the memory. Nothing is copied but the few values that are asked for.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from pydicom.datadict import dictionary_VR

from dicom_gateway import sop_classes
from dicom_gateway.refusal import Unreadable

MAX_HEADER_BYTES = 64 * 2**20
MAX_ELEMENTS = 100_000
"""A thousand frames of an enhanced object with a hundred elements each; a plain one has about two hundred in all."""
MAX_DEPTH = 32
"""A structured report nests by ten, functional groups by three."""
MAX_VALUE_BYTES = 1024
MAX_NOTED_BYTES = 32 * 1024
"""Of all elements that are noted together; an object that has more to say is read by the parser every time."""
UNDEFINED = 0xFFFFFFFF
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
"""Value representations whose length has four bytes (PS3.5 table 7.1-1)."""
_SHORT_ONES = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
"""Those whose length has two bytes."""
_PIXELS = frozenset({0x7FE00010, 0x7FE00008, 0x7FE00009})
_OTHER_GROUPS = frozenset({0x7FE0, 0xFFFE})
"""Of pixels, and of items and their ends."""
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SYNTAX = 0x00020010
_TAG, _LENGTH, _SHORT = struct.Struct("<HH"), struct.Struct("<I"), struct.Struct("<H")
_PLAIN = struct.Struct("<HH2sH")
_META_AT = 132
_FIRST_BYTES = 2**15
"""What most headers fit into; mapping a file costs more than reading so much of it."""
Bytes = mmap.mmap | bytes


class Kind(Enum):
    """What a stretch of the file holds: elements, the items of a sequence, or pieces of a compressed picture."""

    ELEMENTS = 0
    ITEMS = 1
    PIECES = 2


class Scope(NamedTuple):
    """A stretch: where it ends (None: at a delimiter), and whether its elements tell their representation."""

    kind: Kind
    end: int | None
    is_implicit: bool


class Element(NamedTuple):
    """Tag, representation, place and length of a value. In implicit encoding the dictionary knows sequences only."""

    tag: int
    is_sequence: bool
    is_implicit: bool
    at: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelPart:
    """Where the pixels begin in the file and how many bytes they are, None when encapsulated."""

    at: int
    n_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """The values asked for as they stand in the file, by tag; the transfer syntax; and where the pixels are.

    ``noted`` are the whole elements that were to be noted, by tag, None where they are too long to be kept; ``is_implicit``
    says in which encoding they stand.
    """

    values: dict[int, bytes]
    syntax: str
    pixels: PixelPart | None
    noted: dict[int, bytes] | None
    is_implicit: bool


def walk(path: Path, wanted: frozenset[int] = frozenset(), noted: frozenset[int] = frozenset()) -> Walked:
    """Over the header of the object at ``path``, up to its pixels. Raises ``Unreadable``; OSError from the file.

    Values ``wanted`` are short or the object is refused; elements to be ``noted`` may be of any length, sequences among them.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        first = os.pread(fd, _FIRST_BYTES, 0)
        if len(first) < _FIRST_BYTES:
            return _walked(first, wanted, noted)
        with contextlib.suppress(Unreadable):  # of a part; the whole may be well
            walked = _walked(first, wanted, noted)
            if walked.pixels is not None:
                return walked
        with mmap.mmap(fd, 0, access=mmap.ACCESS_READ) as data:
            return _walked(data, wanted, noted)
    finally:
        os.close(fd)


def _walked(data: Bytes, wanted: frozenset[int], noted: frozenset[int]) -> Walked:
    if not data:
        raise Unreadable("an empty file")
    if data[128:_META_AT] != b"DICM":
        raise Unreadable("no DICOM file")
    try:
        return _walk(data, wanted, noted)
    except struct.error:
        raise Unreadable("the header is cut short") from None


def _walk(data: Bytes, wanted: frozenset[int], noted: frozenset[int]) -> Walked:
    syntax, start = _read_meta(data)
    if syntax not in (*sop_classes.NATIVE, *sop_classes.COMPRESSED):
        raise Unreadable("a transfer syntax that is not taken")
    walker = _Walker(data, start, (wanted, noted))
    is_implicit = syntax == sop_classes.IMPLICIT_LE
    if start + 6 <= len(data):
        is_implicit = not _is_word(data, start)
    pixels = walker.run(Scope(Kind.ELEMENTS, len(data), is_implicit))
    return Walked(values=walker.values, syntax=syntax, pixels=pixels, noted=walker.noted(), is_implicit=is_implicit)


def _read_meta(data: Bytes) -> tuple[str, int]:
    """Transfer syntax, and where the data set begins: after the last element of group 0002 (PS3.10 7.1)."""
    at, syntax = _META_AT, ""
    while at + 8 <= len(data) and data[at : at + 2] == b"\x02\x00":
        if at > _META_AT + MAX_VALUE_BYTES * 16:
            raise Unreadable("file meta information without an end")
        element = _element_at(data, at, is_implicit=False)
        at = element.at + element.length
        if element.tag == _SYNTAX:
            syntax = data[element.at : element.at + min(element.length, 64)].decode("ascii", "replace").strip(" \0")
    return syntax, at


def _element_at(data: Bytes, at: int, *, is_implicit: bool) -> Element:
    group, number = _TAG.unpack_from(data, at)
    tag = group << 16 | number
    if is_implicit or group == 0xFFFE:
        (length,) = _LENGTH.unpack_from(data, at + 4)
        is_sequence = is_implicit and group != 0xFFFE and _is_known_sequence(tag)
        return Element(tag, is_sequence, is_implicit, at + 8, length)
    representation = data[at + 4 : at + 6]
    if not b"AA" <= representation <= b"ZZ":
        (length,) = _LENGTH.unpack_from(data, at + 4)
        return Element(tag, _is_known_sequence(tag), False, at + 8, length)
    if representation not in _LONG:
        (length,) = _SHORT.unpack_from(data, at + 6)
        return Element(tag, False, False, at + 8, length)
    (length,) = _LENGTH.unpack_from(data, at + 8)
    # an unknown representation of undefined length is a sequence in implicit encoding (PS3.5 6.2.2)
    is_unknown = representation == b"UN"
    is_sequence = representation == b"SQ" or (is_unknown and (length == UNDEFINED or _is_known_sequence(tag)))
    return Element(tag, is_sequence, is_unknown, at + 12, length)


def _is_word(data: Bytes, at: int) -> bool:
    """Whether the element at ``at`` seems to tell its representation.

    Devices encode otherwise than they say, for a whole object or one item; the parser goes by the first element of
    each, and a walk that went another way would bound nothing.
    """
    first, second = data[at + 4 : at + 6] or b"\0\0"
    return 0x40 < first < 0x5B and 0x40 < second < 0x5B


def _is_known_sequence(tag: int) -> bool:
    try:
        return dictionary_VR(tag) == "SQ"
    except KeyError:
        return False


class _Walker:
    """One walk: where it stands, and the stretches it is in."""

    def __init__(self, data: Bytes, at: int, asked: tuple[frozenset[int], frozenset[int]]) -> None:
        self.values: dict[int, bytes] = {}
        self._data, self._at, self._start = data, at, at
        self._wanted, self._to_note = asked
        self._places: dict[int, list[int]] = {}
        self._noting: list[int] = []
        self._scopes: list[Scope] = []
        self._n_elements = 0

    def run(self, outermost: Scope) -> PixelPart | None:
        """To the pixels, or to the end. Raises ``Unreadable``."""
        self._scopes = [outermost]
        while self._scopes:
            scope = self._scopes[-1]
            if len(self._scopes) == 1 and not scope.is_implicit:
                self._pass_plain()
            if scope.end is not None and self._at >= scope.end:
                if self._at > scope.end:
                    raise Unreadable("an element reaches beyond what holds it")
                self._scopes.pop()
                continue
            self._count()
            element = _element_at(self._data, self._at, is_implicit=scope.is_implicit)
            if len(self._scopes) == 1:
                self._note(element.tag)
            if len(self._scopes) == 1 and element.tag in _PIXELS:
                n_bytes = None if element.length == UNDEFINED else element.length
                return PixelPart(at=element.at, n_bytes=n_bytes)
            self._step(scope, element)
        return None

    def _pass_plain(self) -> None:
        """Over the plain elements that follow, the most of all: of the data set itself, explicit and short. All else is for ``run``."""
        data, at, end = self._data, self._at, min(len(self._data), self._start + MAX_HEADER_BYTES)
        if self._noting:
            self._noting.append(at)
            self._noting = []
        n_elements = self._n_elements
        while n_elements < MAX_ELEMENTS and at + _PLAIN.size <= end:
            group, number, representation, length = _PLAIN.unpack_from(data, at)
            after = at + _PLAIN.size + length
            if representation not in _SHORT_ONES or after > end or group in _OTHER_GROUPS:
                break
            tag = group << 16 | number
            if tag in self._wanted:
                if length > MAX_VALUE_BYTES:
                    break
                self.values[tag] = data[at + _PLAIN.size : after]
            if tag in self._to_note:
                self._places[tag] = [at, after]
            at, n_elements = after, n_elements + 1
        self._at, self._n_elements = at, n_elements

    def noted(self) -> dict[int, bytes] | None:
        """The elements that were to be noted, None where they are too long together."""
        spans = {tag: (first, *last, self._at)[:2] for tag, (first, *last) in self._places.items()}
        if sum(last - first for first, last in spans.values()) > MAX_NOTED_BYTES:
            return None
        return {tag: self._data[first:last] for tag, (first, last) in spans.items()}

    def _note(self, tag: int) -> None:
        """One element of the data set itself begins here, and the one before has ended."""
        if self._noting:
            self._noting.append(self._at)
        self._noting = []
        if tag in self._to_note:
            self._noting = self._places[tag] = [self._at]

    def _count(self) -> None:
        self._n_elements += 1
        if self._n_elements > MAX_ELEMENTS:
            raise Unreadable("more elements than any header")
        if self._at - self._start > MAX_HEADER_BYTES:
            raise Unreadable("a header longer than any header")

    def _step(self, scope: Scope, element: Element) -> None:
        self._at = element.at
        if scope.kind is Kind.ELEMENTS:
            if element.tag == _ITEM_END and scope.end is None:
                self._scopes.pop()
            elif element.tag >> 16 == 0xFFFE:
                raise Unreadable("an item outside a sequence")
            else:
                self._enter(scope, element)
        elif element.tag == _SEQUENCE_END and scope.end is None:
            self._scopes.pop()
        elif element.tag != _ITEM:
            raise Unreadable("a sequence of something else than items")
        elif scope.kind is Kind.PIECES:
            self._skip(element)
        else:
            is_empty = self._at + 6 > len(self._data) or element.length == 0
            is_implicit = scope.is_implicit or not (is_empty or _is_word(self._data, self._at))
            self._push(Kind.ELEMENTS, element, is_implicit=is_implicit)

    def _enter(self, scope: Scope, element: Element) -> None:
        if element.is_sequence:
            self._push(Kind.ITEMS, element, is_implicit=element.is_implicit)
        elif element.length == UNDEFINED:
            # in implicit encoding a private sequence; in explicit a compressed picture within an item
            kind = Kind.ITEMS if scope.is_implicit else Kind.PIECES
            self._push(kind, element, is_implicit=scope.is_implicit)
        else:
            if len(self._scopes) == 1 and element.tag in self._wanted:
                self._keep(element)
            self._skip(element)

    def _keep(self, element: Element) -> None:
        if element.length > MAX_VALUE_BYTES:
            raise Unreadable("a value longer than it may be")
        self.values[element.tag] = self._data[element.at : element.at + element.length]

    def _skip(self, element: Element) -> None:
        self._at = element.at + element.length
        if element.length == UNDEFINED or self._at > len(self._data):
            raise Unreadable("the header is cut short")

    def _push(self, kind: Kind, element: Element, *, is_implicit: bool) -> None:
        if len(self._scopes) > 2 * MAX_DEPTH:
            raise Unreadable("sequences nested deeper than any header")
        end = None if element.length == UNDEFINED else element.at + element.length
        if end is not None and end > len(self._data):
            raise Unreadable("the header is cut short")
        self._scopes.append(Scope(kind, end, is_implicit))
