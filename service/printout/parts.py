"""The parts of a report: words, tables, pictures and a line of time, without a word of how they are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Cell: TypeAlias = str | int | float | None
"""None is not known, an empty cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """One paragraph."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows under a head; without a head the first column names the row."""

    head: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A frame as JPEG with what it shows; ``jpeg`` is None where the object is no longer kept."""

    jpeg: bytes | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An alert from ``start`` to ``end``, as shares 0 to 1 of the whole line."""

    start: float
    end: float
    priority: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What somebody did, at a share 0 to 1 of the whole line."""

    at: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Alerts and acts from left to right; ``begin`` and ``end`` are what stands at its ends."""

    begin: str
    end: str
    spans: tuple[Span, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """Frames side by side."""

    frames: tuple[Picture, ...]


Part: TypeAlias = Words | Table | Timeline | Pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and what stands under it."""

    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Printout:
    """A whole report; the safety words come first, last and on every page."""

    title: str
    safety: str
    sections: tuple[Section, ...]
