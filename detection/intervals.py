"""How sure a figure is: 95 % intervals of shares, rates and medians."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Z = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number with its 95 % interval and what it was taken from; ``value`` None when there was nothing to take it from."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    of: str = ""

    def __str__(self) -> str:
        value = f"{'-':>8}" if self.value is None else f"{self.value:8.2f}"
        interval = f"{self.low:.2f} to {self.high:.2f}" if self.low is not None and self.high is not None else ""
        return f"{self.name:48}{value}   {interval:18}{self.of}".rstrip()


def share(name: str, answers: Sequence[bool | None]) -> Figure:
    """The share of answers that are True, with Wilson's interval; None is no answer."""
    known = [answer for answer in answers if answer is not None]
    if not known:
        return Figure(name=name, value=None, of="0 of 0")
    low, high = wilson(sum(known), len(known))
    return Figure(name=name, value=sum(known) / len(known), low=low, high=high, of=f"{sum(known)} of {len(known)}")


def rate(name: str, n_events: int, over: float, unit: str) -> Figure:
    """Events per unit, with Byar's interval for a Poisson count."""
    if over <= 0:
        return Figure(name=name, value=None, of=f"0 {unit}")
    low, high = byar(n_events)
    return Figure(
        name=name, value=n_events / over, low=low / over, high=high / over, of=f"{n_events} in {over:.4g} {unit}"
    )


def median(name: str, values: Sequence[float | None]) -> Figure:
    """The median with the 95th percentile, and the interval that order statistics give whatever the distribution.

    Below six values there is no such interval. How many of all values are None, and count nowhere, is told.
    """
    known = sorted(value for value in values if value is not None)
    if not known:
        return Figure(name=name, value=None, of=n_of(0, len(values)))
    n, rank = len(known), rank_about_median(len(known))
    low, high = (known[rank - 1], known[n - rank]) if rank else (None, None)
    top = float(np.percentile(known, 95))
    return Figure(
        name=name, value=float(np.median(known)), low=low, high=high, of=f"p95 {top:.2f}, {n_of(n, len(values))}"
    )


def n_of(n: int, n_all: int) -> str:
    """How many values there are; of how many, where some are missing."""
    return f"n {n}" if n == n_all else f"n {n} of {n_all}"


def pooled(name: str, groups: Sequence[Sequence[float]], unit: str) -> Figure:
    """The median of all values of all groups; without an interval, for values of one group do not vary on their own."""
    told = [group for group in groups if group]
    known = [value for group in told for value in group]
    if not known:
        return Figure(name=name, value=None, of="n 0")
    of = f"p95 {float(np.percentile(known, 95)):.2f}, n {len(known)} of {len(told)} {unit}"
    return Figure(name=name, value=float(np.median(known)), of=of)


def rank_about_median(n: int) -> int:
    """The rank k whose k-th smallest and k-th largest of ``n`` values hold the median in 95 % of samples or more.

    The largest k with P(Binomial(n, 1/2) < k) <= 2.5 % (Conover 1999, 3.2); 0 below six values, which never do.
    """
    rank, n_below, n_ways = 0, 0, 1
    while 40 * (n_below + n_ways) <= 2**n:
        n_below += n_ways
        rank += 1
        n_ways = n_ways * (n - rank + 1) // rank
    return rank


def wilson(n_true: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927); (0, 1) for no cases."""
    if n == 0:
        return 0.0, 1.0
    p = n_true / n
    middle = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * float(np.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))) / (1 + Z * Z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def byar(n: int) -> tuple[float, float]:
    """The 95 % interval of a Poisson count (Byar's approximation, Breslow and Day 1987)."""
    low = n * (1 - 1 / (9 * n) - Z / (3 * n**0.5)) ** 3 if n else 0.0
    m = n + 1
    return max(0.0, low), m * (1 - 1 / (9 * m) + Z / (3 * m**0.5)) ** 3
