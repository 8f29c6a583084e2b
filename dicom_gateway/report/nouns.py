"""The nouns of what leaves: a report of one study, its key frames, and what was sighted on them.

Positions are (row, col) in pixels of their frame, zero-based, centre of the top-left pixel; lengths are mm at the
object plane. What is not known is None.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from detection.vocabulary import Kind, Mask, Outline, Priority, Side, View, Zone


class Name(StrEnum):
    """What a number is of."""

    AREA = "area"
    LENGTH = "length"
    WIDTH = "width"
    VOLUME = "volume"
    DISTANCE_TO_WALL = "distance_to_wall"
    SPEED = "speed"
    TIME_TO_WALL = "time_to_wall"
    TRUST = "trust"


class Unit(StrEnum):
    """Units, as UCUM writes them."""

    MM = "mm"
    MM2 = "mm2"
    ML = "ml"
    MM_S = "mm/s"
    S = "s"
    RATIO = "1"
    PIXELS = "{pixels}"


class Bound(StrEnum):
    """An end of a range that has no best value."""

    LOWEST = "lowest"
    HIGHEST = "highest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """One code of any scheme (PS3.3 8.8)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One number; ``below`` and ``above`` are how far the truth may lie from it, in the same unit."""

    name: Name
    value: float
    unit: Unit
    below: float | None = None
    above: float | None = None
    bound: Bound | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One thing on one frame. ``id`` is the same on every frame that shows it; ``kind`` None: cement, and no alert.

    ``is_seen`` False: it was looked for, and is not there.
    """

    id: str
    kind: Kind | None
    words: str
    zone: Zone | None
    side: Side | None
    level: str | None
    priority: Priority | None = None
    is_seen: bool = True
    outline: Outline = ()
    measures: tuple[Measure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """The stored image object of a frame: ``header`` is all of it but the pixels."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    n_frames: int
    rows: int
    cols: int
    header: Dataset


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeyFrame:
    """One frame worth keeping. ``cement`` (H, W) is None where no cement was seen; ``picture`` is (H, W, 3) uint8 RGB."""

    source: Source
    index: int
    view: View
    is_alert: bool
    sightings: tuple[Sighting, ...]
    outlines: tuple[Outline, ...] = ()
    cement: Mask | None = None
    picture: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Who judged. ``installation`` tells one from another: its AE title."""

    name: str
    software: str
    algorithm: str
    rules: str
    installation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The report on sheets, as it stood ``at``; s since 1970. The same content has the same ``key``, and any other another."""

    title: str
    key: str
    at: float
    pdf: bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """All that leaves about one study of one procedure. ``at`` is when its last frame was judged; s since 1970.

    ``words`` stand in every object. ``codes`` replaces codes of our own by those that a site has licensed.
    """

    procedure: str
    study_instance_uid: str
    at: float
    words: str
    maker: Maker
    frames: tuple[KeyFrame, ...]
    remarks: tuple[str, ...] = ()
    codes: Mapping[str, Coded] = field(default_factory=dict)
    document: Document | None = None

    @property
    def head(self) -> Dataset:
        """The header that patient and study are copied from."""
        return self.frames[0].source.header


def fingerprint(report: Report) -> str:
    """Sixteen hex digits of all that a report says, drawn or not: an equal one gets equal UIDs, any other gets others."""
    frames = [
        {
            "source": [frame.source.sop_instance_uid, frame.index],
            "is_alert": frame.is_alert,
            "sightings": [_plain(each) for each in frame.sightings],
            "outlines": frame.outlines,
        }
        for frame in report.frames
    ]
    said = [report.procedure, report.study_instance_uid, report.at, report.words, report.remarks, frames]
    said += [_plain(report.maker), {name: _plain(code) for name, code in report.codes.items()}]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if hasattr(value, "__slots__"):
        return {name: _plain(getattr(value, name)) for name in value.__slots__}
    return [_plain(part) for part in value] if isinstance(value, tuple) else value
