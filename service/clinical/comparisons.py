"""Named tests. An outcome always says which test it was, with which options, and on how many."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Numbers = Sequence[float] | NDArray[np.float64]
Rows = Sequence[Sequence[float]] | NDArray[np.float64]
NO_VARIATION = "nothing varies within the groups; the test has no answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a test says. ``p`` is None, with the reason in ``remark``, where the test has no answer."""

    name: str
    options: str
    n: Mapping[str, int] = field(default_factory=dict)
    statistic: float | None = None
    df: tuple[float, ...] = ()
    p: float | None = None
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSd:
    """A published mean and standard deviation of ``n`` values."""

    mean: float
    sd: float
    n: int


def student_t(groups: Mapping[str, Numbers]) -> Outcome:
    """Two independent groups, equal variances."""
    return _of_two(groups, "Student t test", "two-sided, equal variances", stats.ttest_ind)


def welch_t(groups: Mapping[str, Numbers]) -> Outcome:
    """Two independent groups, variances of their own."""
    run = lambda a, b: stats.ttest_ind(a, b, equal_var=False)  # noqa: E731 - one line, used once
    return _of_two(groups, "Welch t test", "two-sided, unequal variances", run)


def mann_whitney(groups: Mapping[str, Numbers]) -> Outcome:
    """Two independent groups by rank."""
    run = lambda a, b: stats.mannwhitneyu(a, b, alternative="two-sided")  # noqa: E731 - as above
    options = "two-sided; exact up to 8 without ties, else normal with correction for ties and continuity"
    return _of_two(groups, "Mann-Whitney U test", options, run)


def paired_t(before: Numbers, after: Numbers) -> Outcome:
    """The same patients at two times; None pairs must be left out before."""
    return _of_pairs(before, after, "paired t test", "two-sided", stats.ttest_rel)


def wilcoxon(before: Numbers, after: Numbers) -> Outcome:
    """The same patients at two times, by signed rank."""
    options = (
        "two-sided; zero differences left out; exact up to 50 pairs without ties or zeros and up to 13 with them, "
        "else normal without correction"
    )
    return _of_pairs(before, after, "Wilcoxon signed-rank test", options, stats.wilcoxon)


def chi_square(table: Sequence[Sequence[int]], *, has_yates: bool = False) -> Outcome:
    """Counts, rows by columns; Yates's correction is for two by two."""
    counts = np.array(table, dtype=float)
    options = f"{'with' if has_yates else 'without'} Yates correction"
    told: dict[str, Any] = {"name": "chi-square test", "options": options, "n": {"all": int(counts.sum())}}
    if counts.ndim != 2 or min(counts.shape) < 2 or not counts.sum(axis=0).all() or not counts.sum(axis=1).all():
        return Outcome(**told, remark="needs two rows and two columns, none of them empty")
    found = stats.chi2_contingency(counts, correction=has_yates)
    low = int((found.expected_freq < 5).sum())
    remark = f"{low} of {counts.size} cells expect fewer than 5" if low else ""
    return Outcome(
        **told, statistic=float(found.statistic), df=(float(found.dof),), p=float(found.pvalue), remark=remark
    )


def fisher(table: Sequence[Sequence[int]]) -> Outcome:
    """Counts, two by two, exactly."""
    counts = np.array(table)
    told: dict[str, Any] = {"name": "Fisher exact test", "options": "two-sided", "n": {"all": int(counts.sum())}}
    if counts.shape != (2, 2):
        return Outcome(**told, remark="needs two rows and two columns")
    found = stats.fisher_exact(counts)
    ratio = float(found.statistic)
    return Outcome(**told, statistic=ratio if math.isfinite(ratio) else None, p=float(found.pvalue))


def friedman(rows: Rows) -> Outcome:
    """Each row one patient at three or more times, by rank; complete rows only."""
    told: dict[str, Any] = {"name": "Friedman test", "options": "complete cases", "n": {"patients": len(rows)}}
    if len(rows) < 2 or len(rows[0]) < 3:
        return Outcome(**told, remark="needs two patients and three times")
    found = quietly(lambda: stats.friedmanchisquare(*np.array(rows, dtype=float).T))
    return _with(told, float(found.statistic), (float(len(rows[0]) - 1),), float(found.pvalue))


def repeated_anova(rows: Rows) -> Outcome:
    """Each row one patient at two or more times; complete rows only."""
    options = "one factor within patients, complete cases, sphericity assumed"
    told: dict[str, Any] = {"name": "repeated measures ANOVA", "options": options, "n": {"patients": len(rows)}}
    if len(rows) < 2 or len(rows[0]) < 2:
        return Outcome(**told, remark="needs two patients and two times")
    import pandas as pd
    from statsmodels.stats.anova import AnovaRM

    long = [(patient, time, value) for patient, row in enumerate(rows) for time, value in enumerate(row)]
    frame = pd.DataFrame(long, columns=["patient", "time", "value"])
    line = quietly(lambda: AnovaRM(frame, "value", "patient", within=["time"]).fit()).anova_table.iloc[0]
    df = (float(line["Num DF"]), float(line["Den DF"]))
    return _with(told, float(line["F Value"]), df, float(line["Pr > F"]))


def t_of_summaries(first: MeanSd, second: MeanSd) -> Outcome:
    """Student's t of two published summaries as if their patients were independent."""
    told: dict[str, Any] = {
        "name": "Student t test",
        "options": "two-sided, equal variances, from mean and SD, as if independent",
        "n": {"first": first.n, "second": second.n},
    }
    if first.sd == second.sd == 0:
        return Outcome(**told, remark=NO_VARIATION)
    found = stats.ttest_ind_from_stats(first.mean, first.sd, first.n, second.mean, second.sd, second.n)
    return _with(told, abs(float(found.statistic)), (float(first.n + second.n - 2),), float(found.pvalue))


def paired_t_of_summaries(first: MeanSd, second: MeanSd, correlation: float) -> Outcome:
    """A paired t of two published summaries, if the values of a patient had this correlation. Takes the smaller n."""
    n = min(first.n, second.n)
    options = f"two-sided, from mean and SD, correlation {correlation:g} assumed"
    told: dict[str, Any] = {"name": "paired t test", "options": options, "n": {"pairs": n}}
    variance = first.sd**2 + second.sd**2 - 2 * correlation * first.sd * second.sd
    if variance <= 0:
        return Outcome(**told, remark=NO_VARIATION)
    statistic = abs(first.mean - second.mean) / math.sqrt(variance / n)
    return _with(told, statistic, (float(n - 1),), float(2 * stats.t.sf(statistic, n - 1)))


def anova_of_summaries(groups: Sequence[MeanSd]) -> Outcome:
    """One-way ANOVA of published summaries as if they were independent groups."""
    n = sum(group.n for group in groups)
    grand = sum(group.mean * group.n for group in groups) / n
    between = sum(group.n * (group.mean - grand) ** 2 for group in groups) / (len(groups) - 1)
    within = sum((group.n - 1) * group.sd**2 for group in groups) / (n - len(groups))
    df = (float(len(groups) - 1), float(n - len(groups)))
    told: dict[str, Any] = {
        "name": "one-way ANOVA",
        "options": "from mean and SD, as if independent",
        "n": {"all": n},
    }
    if within == 0:
        return Outcome(**told, remark=NO_VARIATION)
    return _with(told, between / within, df, float(stats.f.sf(between / within, *df)))


OF_NUMBERS: Mapping[str, Callable[[Mapping[str, Numbers]], Outcome]] = {
    "student_t": student_t,
    "welch_t": welch_t,
    "mann_whitney": mann_whitney,
}
OF_COUNTS: Mapping[str, Callable[[Sequence[Sequence[int]]], Outcome]] = {
    "chi_square": chi_square,
    "chi_square_yates": lambda table: chi_square(table, has_yates=True),
    "fisher": fisher,
}
OF_PAIRS: Mapping[str, Callable[[Numbers, Numbers], Outcome]] = {"paired_t": paired_t, "wilcoxon": wilcoxon}
OF_COURSES: Mapping[str, Callable[[Rows], Outcome]] = {
    "friedman": friedman,
    "repeated_anova": repeated_anova,
}


def _of_two(groups: Mapping[str, Numbers], name: str, options: str, run: Callable[..., Any]) -> Outcome:
    told: dict[str, Any] = {"name": name, "options": options, "n": {key: len(group) for key, group in groups.items()}}
    if len(groups) != 2:
        return Outcome(**told, remark="needs exactly two groups")
    if min(told["n"].values()) < 2:
        return Outcome(**told, remark="needs at least two values in each group")
    found = quietly(lambda: run(*(np.array(group, dtype=float) for group in groups.values())))
    df = getattr(found, "df", None)
    return _with(told, float(found.statistic), () if df is None else (float(df),), float(found.pvalue))


def _of_pairs(before: Numbers, after: Numbers, name: str, options: str, run: Callable[..., Any]) -> Outcome:
    if len(before) != len(after):
        raise ValueError("before and after: expected as many values of the same patients")
    told: dict[str, Any] = {"name": name, "options": options, "n": {"pairs": len(before)}}
    if len(before) < 2:
        return Outcome(**told, remark="needs at least two pairs")
    found = quietly(lambda: run(np.array(before, dtype=float), np.array(after, dtype=float)))
    df = getattr(found, "df", None)
    return _with(told, float(found.statistic), () if df is None else (float(df),), float(found.pvalue))


def _with(told: Mapping[str, Any], statistic: float, df: tuple[float, ...], p: float) -> Outcome:
    if not math.isfinite(p):
        return Outcome(**told, df=df, remark="all values are equal; the test has no answer")
    return Outcome(**told, statistic=statistic if math.isfinite(statistic) else None, df=df, p=p)


def quietly(run: Callable[[], Any]) -> Any:
    """Equal values make scipy warn and answer NaN; the NaN is told in words, the warning is not needed."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return run()
