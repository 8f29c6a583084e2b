"""Survival: Kaplan-Meier with its median, and the log-rank test between groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from service.clinical.comparisons import Outcome, quietly
from service.clinical.figures import CONFIDENCE, Spread, spread_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """How long one patient was followed, and whether that ended in death."""

    months: float
    is_death: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One step of the curve: just after ``months``, this share is alive."""

    months: float
    n_at_risk: int
    n_deaths: int
    survival: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Kaplan-Meier. ``median_months`` is None while more than half are alive at the end."""

    n: int
    n_deaths: int
    median_months: float | None
    steps: tuple[Moment, ...]
    observed_months: Spread
    method: str = f"Kaplan-Meier, {CONFIDENCE:.0%} log-log Greenwood interval"


def curve(lives: Sequence[Life]) -> Curve:
    """The curve of some patients; without any it has no step. ValueError for a negative time."""
    if any(life.months < 0 for life in lives):
        raise ValueError("months: expected no time before 0")
    months = np.array([life.months for life in lives], dtype=float)
    is_death = np.array([life.is_death for life in lives], dtype=bool)
    deaths, n_dying = np.unique(months[is_death], return_counts=True)
    observed = spread_of(np.sort(months))
    if not len(deaths):
        return Curve(n=len(lives), n_deaths=0, median_months=None, steps=(), observed_months=observed)
    function = stats.ecdf(stats.CensoredData(uncensored=months[is_death], right=months[~is_death])).sf
    spans = quietly(lambda: function.confidence_interval(CONFIDENCE, method="log-log"))
    n_at_risk = len(months) - np.searchsorted(np.sort(months), deaths)
    columns = (function.evaluate(deaths), spans.low.evaluate(deaths), spans.high.evaluate(deaths))
    steps = tuple(
        Moment(
            months=float(at),
            n_at_risk=int(n),
            n_deaths=int(dying),
            survival=float(share),
            low=_finite(low),
            high=_finite(high),
        )
        for at, n, dying, share, low, high in zip(deaths, n_at_risk, n_dying, *columns, strict=True)
    )
    # a half is a product of fractions here and may come out a hair above
    median = next((step.months for step in steps if step.survival <= 0.5 + 1e-9), None)
    n_deaths = int(is_death.sum())
    return Curve(n=len(lives), n_deaths=n_deaths, median_months=median, steps=steps, observed_months=observed)


def log_rank(groups: Mapping[str, Sequence[Life]]) -> Outcome:
    """Whether the curves of two or more groups differ."""
    n = {name: len(lives) for name, lives in groups.items()}
    n_deaths = sum(life.is_death for lives in groups.values() for life in lives)
    if len(groups) < 2 or not all(n.values()) or not n_deaths:
        return Outcome(name="log-rank test", options="", n=n, remark="needs two groups with patients, and a death")
    from statsmodels.duration.survfunc import survdiff

    told = [(life.months, int(life.is_death), name) for name, lives in groups.items() for life in lives]
    months, died, names = (np.array(column) for column in zip(*told, strict=True))
    df = (float(len(groups) - 1),)
    try:
        statistic, p = survdiff(months, died, names)
    except np.linalg.LinAlgError:
        remark = "at no death was more than one group under observation"
        return Outcome(name="log-rank test", options="unweighted", n=n, df=df, remark=remark)
    return Outcome(name="log-rank test", options="unweighted", n=n, statistic=float(statistic), df=df, p=float(p))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
