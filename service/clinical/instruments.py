"""What a score is: items with coded answers, schemes of bands, and one rule for what was not answered.

A score is never kept without the answers it was made of, so everything here goes from answers to a value.
Labels are short and neutral; the wording of a questionnaire belongs to its authors and is not repeated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Answer = str | int | float
Answers = Mapping[str, Answer | None]
Points = Mapping[str, float]


class ImpossibleAnswer(ValueError):
    """An answer that the instrument does not know; names the item and what was expected, never what was given."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: {expected}")
        self.field, self.expected = field, expected


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question. ``points`` has the answers that may be given; without it any number of ``within`` may."""

    key: str
    label: str
    points: Mapping[Any, int] = field(default_factory=dict)
    within: tuple[float, float] | None = None

    @property
    def expected(self) -> str:
        """What may be answered, in words."""
        if self.within is not None:
            return f"expected a number from {self.within[0]:g} to {self.within[1]:g}"
        return f"expected one of {', '.join(map(str, self.points))}"

    def worth(self, answer: Answer) -> float:
        """The points of ``answer``; raises ImpossibleAnswer."""
        if isinstance(answer, bool):
            raise ImpossibleAnswer(self.key, self.expected)
        if self.within is not None:
            is_number = isinstance(answer, int | float) and math.isfinite(answer)
            if not is_number or not self.within[0] <= float(answer) <= self.within[1]:
                raise ImpossibleAnswer(self.key, self.expected)
            return float(answer)
        if answer not in self.points:
            raise ImpossibleAnswer(self.key, self.expected)
        return self.points[answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Values from ``low`` to ``high``, both included; where two bands meet, the earlier one holds."""

    name: str
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One published way to count and to name values. What lies in no band stays without a name."""

    name: str
    source: str
    items: tuple[Item, ...]
    low: float
    high: float
    bands: tuple[Band, ...] = ()

    def band_of(self, value: float | None) -> str | None:
        """The name of the first band that holds ``value``."""
        if value is None:
            return None
        return next((band.name for band in self.bands if band.low <= value <= band.high), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What the answers come to. ``value`` is None where the rule for missing answers allows none."""

    instrument: str
    scheme: str
    value: float | None
    low: float
    high: float
    worse: Literal["high", "low"]
    band: str | None
    n_answered: int
    missing: tuple[str, ...]
    source: str
    scales: Mapping[str, float | None] = field(default_factory=dict)


Total = Callable[[Points, Scheme], float | None]


def sum_of_all(points: Points, scheme: Scheme) -> float | None:
    """The sum, or None unless every item is answered."""
    return sum(points.values()) if len(points) == len(scheme.items) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A questionnaire or grading; its first scheme is the default. ``missing`` and ``caveat`` are for the reader."""

    name: str
    label: str
    worse: Literal["high", "low"]
    missing: str
    schemes: tuple[Scheme, ...]
    total: Total = sum_of_all
    scales: Callable[[Points], Mapping[str, float | None]] | None = None
    caveat: str = ""

    def scheme(self, name: str | None = None) -> Scheme:
        """The scheme of this name; raises ImpossibleAnswer for one that is not known."""
        for scheme in self.schemes:
            if name in {None, scheme.name}:
                return scheme
        raise ImpossibleAnswer("scheme", f"expected one of {', '.join(scheme.name for scheme in self.schemes)}")

    def score(self, answers: Answers, scheme: str | None = None) -> Score:
        """Count ``answers``; an item left out or None is not answered. Raises ImpossibleAnswer."""
        counted = self.scheme(scheme)
        points = points_of(answers, counted.items)
        value = self.total(points, counted)
        return Score(
            instrument=self.name,
            scheme=counted.name,
            value=value,
            low=counted.low,
            high=counted.high,
            worse=self.worse,
            band=counted.band_of(value),
            n_answered=len(points),
            missing=tuple(item.key for item in counted.items if item.key not in points),
            source=counted.source,
            scales=self.scales(points) if self.scales else {},
        )


def points_of(answers: Answers, items: tuple[Item, ...]) -> dict[str, float]:
    """The points of each item that was answered, in the order of the items. Raises ImpossibleAnswer."""
    known = {item.key: item for item in items}
    for key in answers:
        if key not in known:
            raise ImpossibleAnswer("items", f"expected some of {', '.join(known)}")
    told = ((key, answers.get(key)) for key in known)
    return {key: known[key].worth(answer) for key, answer in told if answer is not None}
