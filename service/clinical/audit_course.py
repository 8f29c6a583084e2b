"""A printed course over time: is it possible on its scale, and do the tests that the text claims follow from it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from service.clinical.comparisons import MeanSd, Outcome, anova_of_summaries, paired_t_of_summaries, t_of_summaries
from service.clinical.figures import p_text, rounded
from service.clinical.finding import Finding, Verdict
from service.clinical.grid import why_not
from service.clinical.published import Claim, Course, Figure, Named
from service.clinical.scores import INSTRUMENTS

ALPHA = 0.05
LEAVES_SECTIONS_OPEN = frozenset({"follow_up.odi_percent"})
"""Scores that are a percentage of what was answered: they go in finer steps where something was not."""
CORRELATIONS = (0.0, 0.5)
"""Between two times of a patient: unknown from a summary, so two are tried."""


def course_findings(course: Course) -> list[Finding]:
    """Everything that can be said of one course."""
    found = [*_possible(course), *_numbers(course), *_patients(course)]
    for claim in course.claims:
        found.extend(_claim(course, claim))
    found.extend(_class(course, named) for named in course.classes)
    return found


def _possible(course: Course) -> Iterator[Finding]:
    for time, point in course.points.items():
        about, shown = f"{course.label}, {time}", f"{point.mean:g} +- {point.sd:g}"
        scale = f"{course.low:g}-{course.high:g}"
        if not course.low <= point.mean <= course.high:
            yield Finding(Verdict.FLAG, about, shown, f"no mean of a scale of {scale}")
            continue
        n = point.n or course.n
        largest = math.sqrt((point.mean - course.low) * (course.high - point.mean) * n / (n - 1))
        if point.sd > largest + 0.05:
            words = f"with this mean the SD on a scale of {scale} is at most {rounded(largest, 2)}"
            yield Finding(Verdict.FLAG, about, shown, words)
        elif not (course.low <= point.mean - point.sd and point.mean + point.sd <= course.high):
            yield Finding(Verdict.NOTE, about, shown, f"mean +- SD reaches beyond the scale of {scale}: skewed")


def _patients(course: Course) -> Iterator[Finding]:
    """Whether any patients can have such a mean and SD: a score goes in steps, and so do its means."""
    for time, point in course.points.items():
        told = [why_not(point.printed(point.n or course.n), grid) for grid in course.grids()]
        if not told or told[0] is None:
            continue
        about, shown = f"{course.label}, {time}: patients", f"{point.mean:g} +- {point.sd:g}"
        finer = next((grid for grid, why in zip(course.grids(), told, strict=True) if why is None), None)
        if finer is not None:
            words = f"{told[0]}; only values in steps of {float(finer.step):g} have"
            yield Finding(Verdict.NOTE, about, shown, words)
        elif course.field in LEAVES_SECTIONS_OPEN:
            yield Finding(Verdict.NOTE, about, shown, f"{told[0]}; only with sections left unanswered can it be")
        else:
            yield Finding(Verdict.FLAG, about, shown, f"no such patients can exist: {told[-1]}")


def figure_findings(figure: Figure) -> list[Finding]:
    """Whether any things can have such a mean and SD."""
    about = f"{figure.label}: mean, SD and range"
    shown = f"{figure.mean:g} +- {figure.sd:g} ({figure.low:g}-{figure.high:g}), n {figure.n}"
    why = why_not(figure.printed(figure.n), figure.grid())
    if why is not None:
        return [Finding(Verdict.FLAG, about, shown, f"no such things can exist: {why}")]
    return [Finding(Verdict.REPRODUCES, about, shown, f"values in steps of {float(figure.step):g} can have them")]


def _numbers(course: Course) -> Iterator[Finding]:
    told = {time: point.n for time, point in course.points.items()}
    if None in told.values():
        words = f"n is not printed at every time; {course.n} is assumed throughout where it is not"
        yield Finding(Verdict.FLAG, course.label, "n by time", words)
    known = [n for n in told.values() if n is not None]
    if len(set(known)) > 1:
        shown = ", ".join(f"{time} {n}" for time, n in told.items())
        yield Finding(Verdict.NOTE, course.label, shown, "the number of patients changes over time")


def _claim(course: Course, claim: Claim) -> Iterator[Finding]:
    about = f"{course.label}: {', '.join(claim.times)}"
    if claim.says == "p":
        yield _printed_p(course, claim, about)
        return
    told = _test(course, claim.times)
    if told.p is None:
        yield Finding(Verdict.OPEN, about, claim.printed, _sentence(told))
        return
    holds = _is_significant(told) == (claim.says == "difference")
    words = _sentence(told)
    for n in claim.also_n:
        words += f"; at n = {n}: {_sentence(_test(course, claim.times, n))}"
    yield Finding(Verdict.REPRODUCES if holds else Verdict.FLAG, about, claim.printed, words)
    if len(claim.times) > 2:
        ends = [claim.times[0], claim.times[-1]]
        between = _test(course, ends)
        agrees = _is_significant(between) == (claim.says == "difference")
        verdict = Verdict.REPRODUCES if agrees else Verdict.FLAG
        yield Finding(verdict, f"{course.label}: {ends[0]} against {ends[1]}", claim.printed, _sentence(between))


def _printed_p(course: Course, claim: Claim, about: str) -> Finding:
    first, second = (_summary(course, time) for time in claim.times[:2])
    tries = [(r, paired_t_of_summaries(first, second, r)) for r in CORRELATIONS]
    shown = ", ".join(f"{_p(told)} at r = {r:g}" for r, told in tries)
    words = f"cannot be settled without the patients' values; a paired t test gives p {shown}"
    return Finding(Verdict.OPEN, about, f"{claim.printed}{f' ({claim.test})' if claim.test else ''}", words)


def _class(course: Course, named: Named) -> Finding:
    value = course.points[named.time].mean
    band = INSTRUMENTS[named.instrument].scheme(named.scheme).band_of(value)
    about = f"{course.label}, {named.time}: class of the mean"
    shown = f'{value:g} as "{named.printed}" ({named.scheme})'
    if band == named.printed:
        return Finding(Verdict.REPRODUCES, about, shown, f"{value:g} is {band} by this scheme")
    words = "lies in no class of this scheme" if band is None else f"is {band} by this scheme"
    return Finding(Verdict.FLAG, about, shown, f"{value:g} {words}")


def _test(course: Course, times: list[str], n: int | None = None) -> Outcome:
    groups = [_summary(course, time, n) for time in times]
    return t_of_summaries(*groups) if len(groups) == 2 else anova_of_summaries(groups)


def _summary(course: Course, time: str, n: int | None = None) -> MeanSd:
    point = course.points[time]
    return MeanSd(mean=point.mean, sd=point.sd, n=n or point.n or course.n)


def _is_significant(told: Outcome) -> bool:
    return told.p is not None and told.p < ALPHA


def _sentence(told: Outcome) -> str:
    about = f"{told.name} ({told.options})"
    if told.p is None or told.statistic is None:
        return f"{about}: {told.remark}"
    letter = "t" if told.name.endswith("t test") else "F"
    return f"{about} {letter} {rounded(told.statistic, 1)}, p {p_text(told.p)}"


def _p(told: Outcome) -> str:
    return "no answer" if told.p is None else p_text(told.p)
