"""Patients who might stand behind a published summary, as rows that can be imported. None of them ever lived.

Where the summary is silent nothing is made up, but for what the record cannot do without, and that is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from db.record import KINDS
from service.clinical.cohort_series import SEEN_WITH
from service.clinical.finding import Finding, Verdict
from service.clinical.grid import draw
from service.clinical.published import Course, Figure, Fraction, Leaks, Published, Sum
from service.clinical.scores_drawn import way_of
from service.clinical.shape import SCORED

REMARK = "made to fit a published summary; no patient"
NO_LEVEL = "L1"
"""What a vertebra is called where nothing at all is printed of it."""
NOT_OF_AN_ID, LONGEST_NAME = re.compile(r"[^A-Za-z0-9._-]"), 40


@dataclass(slots=True, kw_only=True)
class Series:
    """Rows by kind, and what could not be made as it is printed."""

    name: str
    rows: dict[str, list[dict[str, Any]]]
    findings: list[Finding] = field(default_factory=list)


def simulate(published: Published, name: str, seed: int) -> Series:
    """The series that ``published`` describes; ids begin with ``name``. The same seed makes the same series."""
    chance = np.random.default_rng(seed)
    name = NOT_OF_AN_ID.sub("_", name)[:LONGEST_NAME]
    series = Series(name=name, rows=_things(published, name))
    for total in published.sum:
        _count(series, total, chance)
    for fraction in published.fraction:
        if fraction.is_made:
            _mark(series, fraction, chance)
    for figure in published.figure:
        _measure(series, figure, chance)
    for leaks in published.leaks:
        if leaks.seen_with is not None:
            _leak(series, leaks)
    for course in published.course:
        if course.field is not None:
            _follow(series, course, chance)
    return series


def _things(published: Published, name: str) -> dict[str, list[dict[str, Any]]]:
    """As many patients and vertebrae as are printed, the vertebrae dealt out in turn."""
    n_patients = published.units.get("patient", 0)
    n_vertebrae = published.units.get("vertebra", n_patients) if n_patients else 0
    marked = {"site": published.site, "remark": REMARK}
    made: dict[str, list[dict[str, Any]]] = {
        "patient": [{"id": f"{name}-p{n}", "pseudonym": f"{name}-{n}", **marked} for n in range(n_patients)],
        "operation": [
            {"id": f"{name}-o{n}", "patient": f"{name}-p{n}", "kind": published.kind or "pvp"}
            for n in range(n_patients)
        ],
        "level": [
            {"id": f"{name}-v{n}", "operation": f"{name}-o{n % n_patients}", "level": NO_LEVEL}
            for n in range(n_vertebrae)
        ],
    }
    return {kind: made.get(kind, []) for kind in KINDS}


def _count(series: Series, total: Sum, chance: np.random.Generator) -> None:
    """Give each thing its word; things of a kind that the word makes are made. Sites are given with their leaks."""
    kind, _, name = (total.field or "").partition(".")
    if not kind or total.unit == "site":
        return
    words = [_turn(total.codes_of(part), n) for part, count in total.parts.items() for n in range(int(count))]
    if kind == "complication" and series.rows["operation"]:
        operations = chance.permutation(len(series.rows["operation"]))
        for n, word in enumerate(words):
            operation = series.rows["operation"][operations[n % len(operations)]]["id"]
            series.rows[kind].append({"id": f"{series.name}-c{n}", "operation": operation, name: word})
        return
    things = _visits(series, total.time or "before") if kind == "follow_up" else series.rows[kind]
    n_left = len(things) - len(words)
    if n_left < 0:
        series.findings.append(_impossible(total.label, total.field, f"{len(words)} words for {len(things)} things"))
        return
    if n_left:
        made = f"made as {', '.join(total.rest)}" if total.rest else "left unknown"
        words += [_turn(total.rest, n) for n in range(n_left)] if total.rest else [None] * n_left
        told = f"{n_left} of {len(things)} are printed nowhere; {made}"
        series.findings.append(Finding(Verdict.NOTE, total.label, total.field or "", told))
    for place, word in zip(chance.permutation(len(things)), words, strict=True):
        if word is not None:
            things[place][name] = word


def _mark(series: Series, fraction: Fraction, chance: np.random.Generator) -> None:
    """Give as many patients what the fraction counts; of vertebrae one each, and nothing is said of the others."""
    n_patients = len(series.rows["patient"])
    chosen = chance.permutation(n_patients)[: fraction.numerator]
    for where in fraction.where:
        kind, _, name = where.field.partition(".")
        things = series.rows[kind][:n_patients]
        if fraction.numerator > n_patients or len(things) < n_patients:
            series.findings.append(
                _impossible(fraction.label, where.field, f"{len(things)} things of {n_patients} patients")
            )
            return
        for place in chosen:
            things[place][name] = next(iter(where.among or ()))


def _turn(codes: Sequence[Any], n: int) -> Any:
    return codes[n % len(codes)]


def _measure(series: Series, figure: Figure, chance: np.random.Generator) -> None:
    kind, _, name = figure.field.partition(".")
    things = series.rows[kind][: figure.n]
    found = draw(figure.printed(figure.n), figure.grid(), chance, n_ends=2) if len(things) == figure.n else None
    if found is None:
        series.findings.append(_impossible(figure.label, figure.field, "none were found; see the audit"))
        return
    for thing, value in zip(things, chance.permutation(found), strict=True):
        thing[name] = float(int(value) * figure.grid().step)


def _follow(series: Series, course: Course, chance: np.random.Generator) -> None:
    _, _, field = str(course.field).partition(".")
    name, make = way_of(field, SCORED)
    for time, point in course.points.items():
        printed = point.printed(point.n or course.n)
        told = next(filter(None, (make(printed, grid, chance) for grid in course.grids())), None)
        visits = _visits(series, course.times.get(time, time))[: printed.n]
        if told is None or len(visits) < printed.n:
            series.findings.append(_impossible(course.label, time, "none were found; see the audit"))
            continue
        for visit, place in zip(visits, chance.permutation(printed.n), strict=True):
            visit[name] = told[place]


def _visits(series: Series, time: str) -> list[dict[str, Any]]:
    """A visit of every patient at this time."""
    there = [each for each in series.rows["follow_up"] if each["time_point"] == time]
    if not there:
        owners = [each["id"] for each in series.rows["operation"]]
        there = [{"id": f"{id}-{time}", "operation": id, "time_point": time} for id in owners]
        series.rows["follow_up"].extend(there)
    return there


def _leak(series: Series, leaks: Leaks) -> None:
    """One site for each leaking vertebra, and the sites that are left over beside another site."""
    assert leaks.seen_with is not None  # noqa: S101 - asked for before
    modality = SEEN_WITH[leaks.seen_with][-1]
    for level in series.rows["level"]:
        level["examined_with"] = [*SEEN_WITH[leaks.seen_with][1:]] or [modality]
    free = _order(series, leaks)
    taken: list[tuple[dict[str, Any], str]] = []
    for n, (site, regions) in enumerate(_sites(leaks)):
        is_new = n < leaks.leaking
        open_to = free if is_new else [level for level, other in taken if other != site]
        level = next((each for each in open_to if not regions or each["level"] in regions), {})
        if not level:
            series.findings.append(_impossible(leaks.label, site, "no vertebra of that region is left"))
            return
        if is_new:
            free.remove(level)
        taken.append((level, site))
        leak = {"id": f"{series.name}-l{n}", "level": level["id"], "site": site, "modality": modality}
        series.rows["leak"].append(leak)


def _order(series: Series, leaks: Leaks) -> list[dict[str, Any]]:
    """Vertebrae in the order in which they leak; where leaking patients are counted, first one of each of those."""
    levels, n_patients = series.rows["level"], len(series.rows["operation"])
    if leaks.patients is None:
        return list(levels)
    return [each for place, each in enumerate(levels) if place % n_patients < leaks.patients]


def _sites(leaks: Leaks) -> Iterator[tuple[str, list[str]]]:
    for site, count in leaks.sites.items():
        told = leaks.by_region.get(site)
        regions = [leaks.regions[name] for name, n in told.items() for _ in range(n)] if told else [[]] * count
        yield from ((leaks.codes.get(site, site), region) for region in regions)


def _impossible(about: str, where: str | None, words: str) -> Finding:
    return Finding(Verdict.FLAG, about, where or "", f"no such patients were made: {words}")
