"""Lines of the journal without identity: what is known by our own vocabulary stays, everything else goes.

A line may hold what somebody typed, in any field that exists now or later. So nothing is looked for: names of fields
are those of the vocabulary, words are its words, a number is a number, a moment is moved, and what stands for a thing
(object, source, person, alert) gets another name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any

from db.landmarks import CORNER_NAMES
from db.procedures import PROCEDURE_KINDS
from detection import states, vocabulary
from dicom_gateway.disguise import Disguise

LEVEL = re.compile(r"[CTLS]([1-9]|1[0-2])")
EXACT: Mapping[str, re.Pattern[str]] = {
    "algorithm": re.compile(r"\d{1,3}(\.\d{1,3}){0,3}"),
    "rules": re.compile(r"[0-9a-f]{8,64}"),
    "level": LEVEL,
    "levels": LEVEL,
}
"""Fields whose texts have a form of their own."""
UIDS = frozenset({"sop_instance_uid", "study_instance_uid", "study_instance_uids", "series_instance_uid"})
NAMES: Mapping[str, str] = {
    "source": "SOURCE",
    "actor": "PERSON",
    "acknowledged_by": "PERSON",
    "alert": "ALERT",
    "id": "ALERT",
    "procedure": "PROCEDURE",
}
"""Fields that name a thing, and what the things are called instead, with a number."""
HASHES = frozenset({"hash", "previous_hash"})
SINCE_1970 = (1e8, 1e11)
"""A number between these is a moment, in seconds since 1970."""
MOST_NUMBER = 1e7
COUNTERS = frozenset({"number", "acts_to", "act", "arrival"})
"""Fields that number what we write ourselves, however long an installation lives."""

_MORE_FIELDS = (
    "arrival acts_to is_afterwards act n_skipped changed kind levels algorithm rules from to number at times data frame "
    "image received decoded judged written distance_mm posterior_wall outline zone_outlines cement_outlines unlogged study_instance_uids"
)


def _field_names() -> frozenset[str]:
    nouns = [each for each in vars(vocabulary).values() if is_dataclass(each)]
    corners = {name for names in CORNER_NAMES.values() for name in names.values()}
    return frozenset({each.name for noun in nouns for each in fields(noun)} | corners | set(_MORE_FIELDS.split()))


def _words() -> frozenset[str]:
    kinds = [each for module in (vocabulary, states) for each in vars(module).values() if isinstance(each, type)]
    said = (value for kind in kinds if issubclass(kind, StrEnum) for value in kind)
    return frozenset(word for value in (*said, *PROCEDURE_KINDS) for word in _parts(value))


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[^A-Za-z0-9]+", text) if part]


def _is_ours(text: str) -> bool:
    """Whether a text is made of words of the vocabulary and nothing else; a name in other letters has no part at all."""
    parts = _parts(text)
    return text.isascii() and bool(parts) and all(part in WORDS for part in parts)


WORDS = _words()
FIELDS = _field_names() | WORDS | frozenset(vocabulary.Zone)


@dataclass(slots=True, kw_only=True)
class Neutral:
    """Lines of one procedure under other names. ``removed`` counts what was left out, by field."""

    disguise: Disguise
    sources: dict[str, str] = field(default_factory=dict)
    removed: Counter[str] = field(default_factory=Counter)
    _names: dict[tuple[str, str], str] = field(default_factory=dict)

    def line(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """One line of the journal, as ``Journal.records`` gives it; without its hashes, which it no longer has."""
        return {name: self._value(name, value) for name, value in record.items() if name not in HASHES}

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return dict(self._members(value))
        if isinstance(value, list):
            return [self._value(name, each) for each in value]
        if isinstance(value, str):
            return self._text(name, value)
        if isinstance(value, float | int) and not isinstance(value, bool):
            return self._number(name, value)
        return value

    def _members(self, mapping: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, value in mapping.items():
            if name in FIELDS and name not in HASHES:
                yield name, self._value(name, value)
            elif value not in (None, "", [], {}):
                self.removed["a field that is not of the vocabulary"] += 1

    def _text(self, name: str, text: str) -> str | None:
        if not text:
            return text
        if name in UIDS:
            return self.disguise.uid(text)
        if name in NAMES:
            return self._name(NAMES[name], text)
        form = EXACT.get(name)
        if form.fullmatch(text) if form is not None else _is_ours(text):
            return text
        self.removed[name] += 1
        return None

    def _name(self, kind: str, text: str) -> str:
        if kind == "SOURCE" and text in self.sources:
            return self.sources[text]
        if (kind, text) not in self._names:
            self._names[kind, text] = f"{kind}{sum(known == kind for known, _ in self._names) + 1}"
        return self._names[kind, text]

    def _number(self, name: str, number: float) -> float | None:
        if name in COUNTERS and isinstance(number, int) and number >= 0:  # below 0 it is the time at which a run began
            return number
        if SINCE_1970[0] <= number < SINCE_1970[1]:
            return self.disguise.moved_s(number)
        if abs(number) < MOST_NUMBER:
            return number
        self.removed[name] += 1
        return None
