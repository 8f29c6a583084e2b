"""Answers that come to a wanted value: patients who might have filled in the questionnaires behind a printed mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from service.clinical.grid import Grid, Printed, draw
from service.clinical.instruments import Answers
from service.clinical.scores import INSTRUMENTS

N_SECTIONS, MOST = 10, 5
"""Of the Oswestry index: sections, and points in each."""

Told = list[Any]
"""For each patient a number, or the answers by item."""


def drawn_numbers(printed: Printed, grid: Grid, chance: np.random.Generator) -> Told | None:
    """A number for each patient."""
    found = draw(printed, grid, chance)
    return None if found is None else [float(value * grid.step) for value in found]


def drawn_answers(instrument: str, printed: Printed, grid: Grid, chance: np.random.Generator) -> Told | None:
    """The answers of each patient; where Oswestry cannot be so with every section answered, one leaves a section out."""
    found = draw(printed, grid, chance)
    if found is not None:
        totals = [round(value * grid.step / _per_point(instrument)) for value in found]
        return [_answers(instrument, total, chance) for total in totals]
    return _with_an_open_section(printed, chance) if instrument == "odi" and printed.n > 2 else None


def _per_point(instrument: str) -> int:
    return 100 // (N_SECTIONS * MOST) if instrument == "odi" else 1


def _answers(instrument: str, total: int, chance: np.random.Generator, left_out: str = "") -> Answers:
    """Points given to items one step after another, in an order of chance."""
    items = [item for item in INSTRUMENTS[instrument].scheme().items if item.key != left_out]
    rungs = {item.key: sorted(item.points) for item in items}
    at = dict.fromkeys(rungs, 0)
    missing = total - sum(rung[0] for rung in rungs.values())
    while missing > 0:
        key = items[int(chance.integers(len(items)))].key
        if at[key] + 1 < len(rungs[key]):
            missing -= rungs[key][at[key] + 1] - rungs[key][at[key]]
            at[key] += 1
    told: dict[str, Any] = {key: rung[at[key]] for key, rung in rungs.items()}
    return told | ({left_out: None} if left_out else {})


def _with_an_open_section(printed: Printed, chance: np.random.Generator) -> Told | None:
    """One patient answers nine sections: percentages then go in steps of 20/9, those of the others in steps of 2."""
    whole = Grid(step=Fraction(2), low=0, high=N_SECTIONS * MOST)
    near = round(printed.mean * 9 / 20)
    for points in sorted(range(46), key=lambda each: abs(each - near)):
        one = Fraction(20 * points, 9)
        found = draw(_others(printed, one), whole, chance)
        if found is None:
            continue
        values = np.array([float(one), *(2.0 * value for value in found)])
        if _rounds_to(printed, values):
            told = [_answers("odi", total, chance) for total in found]
            return [_answers("odi", points, chance, f"s{chance.integers(1, N_SECTIONS + 1)}"), *told]
    return None


def _others(printed: Printed, one: Fraction) -> Printed:
    """What all but one patient must have, where that one has ``one``."""
    n = printed.n - 1
    mean = (printed.mean * printed.n - one) / n
    spread = printed.sd**2 * n - (one - printed.mean) ** 2 - n * (mean - printed.mean) ** 2
    sd = Fraction(float(max(spread, Fraction(0)) / (n - 1)) ** 0.5).limit_denominator(10**6)
    return replace(printed, n=n, mean=mean, sd=sd, mean_half=printed.mean_half * printed.n / n)


def _rounds_to(printed: Printed, values: np.ndarray[Any, np.dtype[np.float64]]) -> bool:
    is_mean = abs(values.mean() - float(printed.mean)) <= float(printed.mean_half)
    return bool(is_mean and abs(values.std(ddof=1) - float(printed.sd)) <= float(printed.sd_half))


Drawn = Callable[[Printed, Grid, np.random.Generator], Told | None]


def way_of(field: str, scored: Mapping[str, str]) -> tuple[str, Drawn]:
    """The field to fill in so that ``field`` has a value, and how."""
    answers = next((answers for answers, derived in scored.items() if derived == field), None)
    return (field, drawn_numbers) if answers is None else (answers, partial(drawn_answers, answers))
