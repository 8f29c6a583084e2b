"""Figures of a table: shares with their intervals, and what a column of numbers comes to. What is missing is counted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """An interval of percentages, with its level and method."""

    low: float
    high: float
    level: float
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """``numerator`` of ``denominator`` of a unit. A share of nothing has no percentage and no interval."""

    numerator: int
    denominator: int
    unit: str
    percent: float | None
    exact: Span | None
    wilson: Span | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What ``n`` numbers come to; ``n_missing`` more are not known. SD is the sample's (n - 1)."""

    n: int
    n_missing: int
    mean: float | None = None
    sd: float | None = None
    median: float | None = None
    q1: float | None = None
    q3: float | None = None
    low: float | None = None
    high: float | None = None


@lru_cache(maxsize=4096)
def share(numerator: int, denominator: int, unit: str) -> Share:
    """A share with its Clopper-Pearson and its Wilson interval. ValueError unless 0 <= numerator <= denominator."""
    if not 0 <= numerator <= denominator:
        raise ValueError("numerator: expected a count from 0 to the denominator")
    if denominator == 0:
        return Share(numerator=0, denominator=0, unit=unit, percent=None, exact=None, wilson=None)
    counted = stats.binomtest(numerator, denominator)
    exact, wilson = (_span(counted, method) for method in ("exact", "wilson"))
    percent = 100.0 * numerator / denominator
    return Share(numerator=numerator, denominator=denominator, unit=unit, percent=percent, exact=exact, wilson=wilson)


def _span(counted: Any, method: str) -> Span:
    found = counted.proportion_ci(CONFIDENCE, method=method)
    name = {"exact": "Clopper-Pearson", "wilson": "Wilson"}[method]
    return Span(low=100.0 * float(found.low), high=100.0 * float(found.high), level=CONFIDENCE, method=name)


def spread(values: Iterable[float | None]) -> Spread:
    """Mean, SD, median, quartiles (linear interpolation) and range of what is known."""
    told = list(values)
    known = np.array([value for value in told if value is not None], dtype=float)
    return spread_of(known, len(told) - len(known))


def spread_of(known: NDArray[np.float64], n_missing: int = 0) -> Spread:
    """The same of ``known`` numbers (n,) beside which ``n_missing`` are not known."""
    if not len(known):
        return Spread(n=0, n_missing=n_missing)
    q1, median, q3 = (float(value) for value in np.percentile(known, (25, 50, 75)))
    sd = float(known.std(ddof=1)) if len(known) > 1 else None
    return Spread(
        n=len(known),
        n_missing=n_missing,
        mean=float(known.mean()),
        sd=sd,
        median=median,
        q1=q1,
        q3=q3,
        low=float(known.min()),
        high=float(known.max()),
    )


def printed_as(value: float, printed: str) -> bool:
    """Whether ``value`` rounds to the number ``printed``, at as many decimals as were printed."""
    decimals = len(printed.partition(".")[2])
    half = 0.5 * 10.0**-decimals
    return abs(value - float(printed)) <= half + 1e-9


def rounded(value: float, digits: int = 1) -> str:
    """``value`` for a sentence."""
    return f"{value:.{digits}f}"


def p_text(p: float) -> str:
    """A p value for a sentence: two significant digits."""
    return "0" if p == 0 else f"{p:.2g}" if p < 0.001 or p >= 0.1 else f"{p:.{1 - math.floor(math.log10(p))}f}"
