"""Values on a grid that a printed mean and SD can have come from, or the reason why none can have.

A score goes in steps, so ``n`` of them have only certain means (the sum is a whole number of steps) and, with a given
sum, only certain SDs (the sum of squares has the sum's parity). This is exact; a search only looks for an example.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

TRIES = 20000


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """Mean and SD as they are printed, and how far rounding may have moved each."""

    mean: Fraction
    sd: Fraction
    n: int
    mean_half: Fraction
    sd_half: Fraction

    def texts(self) -> tuple[str, str]:
        """Mean and SD with the digits that were printed."""
        mean, sd = (
            f"{float(number):.{len(str(half.denominator // 2)) - 1}f}"
            for number, half in ((self.mean, self.mean_half), (self.sd, self.sd_half))
        )
        return mean, sd


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Values from ``low`` to ``high``, counted in steps of ``step``."""

    step: Fraction
    low: int
    high: int


def sums(printed: Printed, grid: Grid) -> list[int]:
    """Every sum, in steps, whose mean rounds to the printed one; the nearest first."""
    middle, slack = (part * printed.n / grid.step for part in (printed.mean, printed.mean_half))
    found = range(math.ceil(middle - slack), math.floor(middle + slack) + 1)
    possible = [each for each in found if printed.n * grid.low <= each <= printed.n * grid.high]
    return sorted(possible, key=lambda each: abs(each - middle))


def squares(printed: Printed, grid: Grid, total: int) -> range:
    """Every sum of squares, in steps, that such values can have and whose SD rounds to the printed one."""
    ends = (max(Fraction(0), printed.sd - printed.sd_half), printed.sd + printed.sd_half)
    least, most = (Fraction(total**2, printed.n) + (printed.n - 1) * (end / grid.step) ** 2 for end in ends)
    low = max(math.ceil(least), _even(printed.n, total))
    high = min(math.floor(most), _uneven(printed.n, total, grid))
    return range(low + (low - total) % 2, high + 1, 2)


def why_not(printed: Printed, grid: Grid) -> str | None:
    """Why no values on this grid have the printed mean and SD; None where nothing speaks against it."""
    told = sums(printed, grid)
    about = f"no {printed.n} values in steps of {float(grid.step):g}"
    mean, sd = printed.texts()
    if not told:
        below = math.floor(printed.mean * printed.n / grid.step)
        near = " and ".join(f"{float(each * grid.step / printed.n):.3f}" for each in (below, below + 1))
        return f"{about} have a mean that rounds to {mean}; the nearest are {near}"
    if not any(squares(printed, grid, total) for total in told):
        return f"{about} with the mean {mean} have an SD that rounds to {sd}"
    return None


def draw(printed: Printed, grid: Grid, chance: np.random.Generator, *, n_ends: int = 0) -> list[int] | None:
    """An example, in steps; with ``n_ends`` 2 the ends of the grid are among the values. None where none was found."""
    for total in sums(printed, grid):
        wanted = squares(printed, grid, total)
        found = _search(printed, grid, total, wanted, chance, n_ends) if wanted else None
        if found is not None:
            return found
    return None


def _even(n: int, total: int) -> int:
    """The least sum of squares of ``n`` whole numbers with this sum."""
    each, more = divmod(total, n)
    return (n - more) * each**2 + more * (each + 1) ** 2


def _uneven(n: int, total: int, grid: Grid) -> int:
    """The greatest: as many as possible at the ends of the grid."""
    if total == n * grid.high:
        return n * grid.high**2
    n_high, rest = divmod(total - n * grid.low, grid.high - grid.low)
    return n_high * grid.high**2 + (grid.low + rest) ** 2 + (n - n_high - 1) * grid.low**2


def _search(
    printed: Printed, grid: Grid, total: int, wanted: range, chance: np.random.Generator, n_ends: int
) -> list[int] | None:
    drawn = chance.normal(float(printed.mean / grid.step), float(printed.sd / grid.step), printed.n)
    values = [int(value) for value in np.clip(np.rint(drawn), grid.low, grid.high)]
    values[:n_ends] = (grid.low, grid.high)[:n_ends]
    if not _set_sum(values, total, grid, chance, n_ends):
        return None
    at = sum(value**2 for value in values)
    for one, other in _pairs(chance, n_ends, printed.n):
        if at in wanted:
            return values
        short = wanted[0] - at if at < wanted[0] else wanted[-1] - at
        moved = 2 * (values[other] - values[one]) + 2
        is_within = values[one] > grid.low and values[other] < grid.high
        if is_within and moved and abs(short - moved) < abs(short):
            values[one], values[other], at = values[one] - 1, values[other] + 1, at + moved
    return None


def _set_sum(values: list[int], total: int, grid: Grid, chance: np.random.Generator, n_ends: int) -> bool:
    """Move single values by a step until they add up."""
    for place in chance.integers(n_ends, len(values), TRIES):
        missing = total - sum(values)
        if not missing:
            return True
        moved = values[place] + (1 if missing > 0 else -1)
        if grid.low <= moved <= grid.high:
            values[place] = moved
    return False


def _pairs(chance: np.random.Generator, first: int, n: int) -> Iterator[tuple[int, int]]:
    for one, other in chance.integers(first, n, (TRIES, 2)):
        if one != other:
            yield int(one), int(other)
