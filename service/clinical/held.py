"""Printed numbers held against the records that they are said to come from, one finding for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from db.cohort import Condition
from db.connect import Engine
from service.clinical.cohort import ALL, cohort_table, word
from service.clinical.cohort_answers import LeakGroup, SpreadAnswer
from service.clinical.cohort_fields import UNITS
from service.clinical.cohort_series import cohort_course, cohort_leaks
from service.clinical.finding import Finding, Verdict
from service.clinical.grid import Printed
from service.clinical.published import Course, Figure, Fraction, Leaks, Published, Sum
from service.clinical.questions import conditions_among

SIZED_BY = {
    "patient": "patient.sex",
    "operation": "operation.kind",
    "vertebra": "level.level",
    "site": "leak.site",
    "visit": "follow_up.time_point",
    "complication": "complication.kind",
}
"""A field of each unit, known or not, by which the unit's things are counted."""


def hold(engine: Engine, published: Published) -> list[Finding]:
    """Every number of ``published`` that says where the record keeps it. Raises ImpossibleAnswer."""
    of_site = [] if published.site is None else [Condition(field="patient.site", among=(published.site,))]
    found = [_fraction(engine, each, of_site) for each in published.fraction if each.where]
    found.extend(_sum(engine, each, of_site) for each in published.sum if each.field is not None)
    found.extend(_leaks(engine, each, of_site) for each in published.leaks if each.seen_with is not None)
    for course in published.course:
        if course.field is not None:
            found.extend(_course(engine, course, of_site))
    found.extend(_figure(engine, figure, of_site) for figure in published.figure)
    return found


def _finding(about: str, printed: str, found: str, *, holds: bool) -> Finding:
    return Finding(Verdict.REPRODUCES if holds else Verdict.FLAG, about, printed, f"the record has {found}")


def _fraction(engine: Engine, fraction: Fraction, of_site: Sequence[Condition]) -> Finding:
    def n(where: Sequence[Condition]) -> int:
        told = cohort_table(engine, fraction.unit, {SIZED_BY[fraction.unit]: None}, where=[*of_site, *where])
        return told.groups[ALL]

    counted = (n(conditions_among(fraction.where)), n(()))
    printed = f"{fraction.numerator}/{fraction.denominator} ({fraction.unit})"
    holds = counted == (fraction.numerator, fraction.denominator)
    return _finding(fraction.label, printed, f"{counted[0]}/{counted[1]}", holds=holds)


def _sum(engine: Engine, total: Sum, of_site: Sequence[Condition]) -> Finding:
    field = str(total.field)
    kind = field.partition(".")[0]
    unit = total.unit if total.unit in UNITS else next(unit for unit, each in UNITS.items() if each == kind)
    if kind == "follow_up":
        unit = "visit"
    at = [] if total.time is None else [Condition(field="follow_up.time_point", among=(total.time,))]
    (row,) = cohort_table(engine, unit, {field: None}, where=[*of_site, *at]).rows
    there = Counter({line.value: line.groups[ALL].numerator for line in row.values})
    counts = {part: sum(there[word(code)] for code in total.codes_of(part)) for part in total.parts}
    printed = ", ".join(f"{part} {count}" for part, count in total.parts.items())
    holds = all(counts[part] == float(count) for part, count in total.parts.items())
    return _finding(total.label, printed, ", ".join(f"{part} {n}" for part, n in counts.items()), holds=holds)


def _leaks(engine: Engine, leaks: Leaks, of_site: Sequence[Condition]) -> Finding:
    told: LeakGroup = cohort_leaks(engine, str(leaks.seen_with), where=of_site).groups[ALL]
    wanted: Counter[str] = Counter()
    for site, count in leaks.sites.items():
        wanted[leaks.codes.get(site, site)] += count
    counts = Counter({site: each.numerator for site, each in told.sites.items()})
    shares = [(told.vertebrae.numerator, leaks.leaking), (told.vertebrae.denominator, leaks.vertebrae)]
    shares += [(told.n_sites, sum(leaks.sites.values()))]
    shares += [] if leaks.patients is None else [(told.patients.numerator, leaks.patients)]
    printed = f"{leaks.leaking}/{leaks.vertebrae} vertebrae; {_told(wanted)}"
    found = f"{told.vertebrae.numerator}/{told.vertebrae.denominator} vertebrae of {told.patients.numerator} patients"
    holds = counts == wanted and all(one == other for one, other in shares)
    return _finding(leaks.label, printed, f"{found}; {_told(counts)}", holds=holds)


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{site} {counts[site]}" for site in sorted(counts))


def _course(engine: Engine, course: Course, of_site: Sequence[Condition]) -> Iterator[Finding]:
    told = {point.time_point: point.groups for point in cohort_course(engine, str(course.field), where=of_site).points}
    for time, point in course.points.items():
        figures = told.get(course.times.get(time, time), {}).get(ALL)
        yield _mean(f"{course.label}, {time}", point.printed(point.n or course.n), figures)


def _figure(engine: Engine, figure: Figure, of_site: Sequence[Condition]) -> Finding:
    (row,) = cohort_table(engine, figure.unit, {figure.field: None}, where=of_site).rows
    told = row.groups[ALL]
    found = _mean(figure.label, figure.printed(figure.n), told)
    ends = f"{figure.low:g}-{figure.high:g}"
    holds = found.verdict is Verdict.REPRODUCES and (told.low, told.high) == (figure.low, figure.high)
    beside = "" if told.low is None else f" ({told.low:g}-{told.high:g})"
    return _finding(figure.label, f"{found.printed} ({ends})", found.found.partition("has ")[2] + beside, holds=holds)


def _mean(about: str, printed: Printed, told: SpreadAnswer | None) -> Finding:
    shown = f"{' +- '.join(printed.texts())} (n {printed.n})"
    if told is None or told.mean is None or told.sd is None:
        return _finding(about, shown, "nothing", holds=False)
    slack = 1e-9
    is_mean = abs(told.mean - float(printed.mean)) <= float(printed.mean_half) + slack
    is_sd = abs(told.sd - float(printed.sd)) <= float(printed.sd_half) + slack
    found = f"{told.mean:.3f} +- {told.sd:.3f} (n {told.n})"
    return _finding(about, shown, found, holds=is_mean and is_sd and told.n == printed.n)
