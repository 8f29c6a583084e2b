"""Many records over time: the course of a measure, leaks by site, survival."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from db.cohort import Condition
from db.connect import Engine
from db.counting import Course, LeakCount, courses, leak_counts, spans
from service.clinical import codes
from service.clinical.cohort import DEPENDENT, known_groups, known_numbers, named_groups, outcome
from service.clinical.cohort_answers import (
    CohortCourse,
    CohortLeaks,
    CohortSurvival,
    CoursePoint,
    CurveAnswer,
    LeakGroup,
    OutcomeAnswer,
    ShareAnswer,
    SpreadAnswer,
)
from service.clinical.cohort_fields import check_field, nature_of
from service.clinical.comparisons import OF_COUNTS, OF_COURSES, OF_PAIRS
from service.clinical.figures import share, spread_of
from service.clinical.instruments import ImpossibleAnswer
from service.clinical.survival import Life, curve, log_rank

SEEN_WITH: Mapping[str, tuple[str, ...]] = {"fluoroscopy": ("live", "final_ap", "final_lateral"), "ct": ("ct",)}
"""Leaks that the screen or a radiograph shows and leaks that CT shows are different quantities, never pooled."""
SITES: tuple[str, ...] = get_args(codes.LeakSite)
TIME_POINTS: tuple[str, ...] = get_args(codes.TimePoint)
DAYS_PER_MONTH = 365.25 / 12


def cohort_course(
    engine: Engine,
    field: str,
    *,
    where: Sequence[Condition] = (),
    group: str | None = None,
    pair_test: str | None = None,
    course_test: str | None = None,
) -> CohortCourse:
    """A follow-up's number at each time point, one value for each operation. Raises ImpossibleAnswer."""
    if not field.startswith("follow_up.") or nature_of(field) != "number":
        raise ImpossibleAnswer("field", "expected follow_up.field that holds a number")
    for name, test, known in (("pair_test", pair_test, OF_PAIRS), ("course_test", course_test, OF_COURSES)):
        if test is not None and test not in known:
            raise ImpossibleAnswer(name, f"expected one of {', '.join(known)}")
    if group is not None:
        check_field(group, "operation", needs=("word",))
    found = courses(engine, field, TIME_POINTS, where=where, group=group)
    told = named_groups(found, group, _NO_COURSE)
    values = {name: _by_time(each) for name, each in told.items()}
    times = [time for time in TIME_POINTS if any(len(_known(each[time])) for each in values.values())]
    points = [_point(time, values, pair_test) for time in times]
    overall = {}
    if course_test is not None:
        overall = {name: _overall(each, times, course_test) for name, each in values.items()}
    return CohortCourse(field=field, points=points, overall=overall, warnings=_course_warnings(told, values, times))


_NO_COURSE = Course(n_operations=0, n_patients=0, n_doubled=0, values=array("d"))
ByTime = Mapping[str, NDArray[np.float64]]
"""The values (n_operations,) at each time point, NaN where there is none; every array in the same order."""


def _by_time(course: Course) -> ByTime:
    """In an order of the values, so that sums do not hang on the order in which a database tells them."""
    table = np.asarray(course.values).reshape(-1, len(TIME_POINTS))
    return dict(zip(TIME_POINTS, table[np.lexsort(table.T[::-1])].T, strict=True))


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[~np.isnan(values)]


def _point(time: str, values: Mapping[str, ByTime], pair_test: str | None) -> CoursePoint:
    groups = {name: SpreadAnswer.model_validate(spread_of(known_numbers(each[time]))) for name, each in values.items()}
    against: dict[str, OutcomeAnswer] = {}
    if pair_test is not None and time != "before":
        for name, each in values.items():
            both = _complete([each["before"], each[time]])
            against[name] = OutcomeAnswer.model_validate(OF_PAIRS[pair_test](both[:, 0], both[:, 1]))
    return CoursePoint(time_point=time, groups=groups, against_before=against)


def _overall(values: ByTime, times: Sequence[str], test: str) -> OutcomeAnswer:
    return OutcomeAnswer.model_validate(OF_COURSES[test](_complete([values[time] for time in times])))


def _complete(columns: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The operations (n, n_times) that have a value in each of ``columns``."""
    table = np.array(columns).T
    return table[~np.isnan(table).any(axis=1)] if len(columns) else np.empty((0, 0))


def _course_warnings(told: Mapping[str, Course], values: Mapping[str, ByTime], times: Sequence[str]) -> list[str]:
    found = []
    for name, each in told.items():
        n = {time: len(_known(values[name][time])) for time in times}
        if len(set(n.values())) > 1:
            shown = ", ".join(f"{time} {count}" for time, count in n.items())
            found.append(f"{name}: the number of operations changes over time: {shown}")
        if each.n_operations > each.n_patients:
            found.append(f"{name}: {each.n_operations} operations of {each.n_patients} patients; {DEPENDENT}")
        if each.n_doubled:
            found.append(
                f"{name}: {each.n_doubled} times an operation has several values at one time point; the latest counts"
            )
    return found


def cohort_leaks(
    engine: Engine,
    seen_with: str,
    *,
    where: Sequence[Condition] = (),
    group: str | None = None,
    test: str | None = None,
) -> CohortLeaks:
    """Confirmed leaks of the vertebrae that were examined in one way. Raises ImpossibleAnswer."""
    if seen_with not in SEEN_WITH:
        raise ImpossibleAnswer("seen_with", f"expected one of {', '.join(SEEN_WITH)}")
    if test is not None and test not in OF_COUNTS:
        raise ImpossibleAnswer("test", f"expected one of {', '.join(OF_COUNTS)}")
    modalities = SEEN_WITH[seen_with]
    if group is not None:
        check_field(group, "vertebra", needs=("word",))
    told = named_groups(leak_counts(engine, modalities, SITES, where=where, group=group), group, LeakCount())
    named = sorted({site for each in told.values() for site in each.by_site})
    groups = {name: _leak_group(each, named) for name, each in told.items()}
    n_undecided = {name: each.n_undecided for name, each in told.items()}
    found = None
    if test is not None:
        counted = known_groups(groups).values()
        leaking = [each.vertebrae.numerator for each in counted]
        others = [each.vertebrae.denominator - each.vertebrae.numerator for each in counted]
        found = OF_COUNTS[test]([leaking, others])
    return CohortLeaks(
        seen_with=seen_with,
        modalities=list(modalities),
        groups=groups,
        test=outcome(found),
        warnings=[*_leak_warnings(groups, n_undecided), *([] if found is None else [f"{DEPENDENT} (vertebra)"])],
    )


def _leak_group(told: LeakCount, named: Sequence[str]) -> LeakGroup:
    """One group; sites that are ``named`` in any group have a share here too, for a count of 0 has an upper limit."""
    return LeakGroup(
        vertebrae=_share_of(told.n_leaking, told.n_examined, "vertebra"),
        patients=_share_of(told.n_leaking_patients, told.n_examined_patients, "patient"),
        n_sites=told.n_sites,
        sites={site: _share_of(told.by_site.get(site, 0), told.n_examined, "vertebra") for site in named},
        n_not_examined=told.n - told.n_examined,
    )


def _share_of(n: int, of: int, unit: str) -> ShareAnswer:
    return ShareAnswer.model_validate(share(n, of, unit))


def _leak_warnings(groups: Mapping[str, LeakGroup], n_undecided: Mapping[str, int]) -> list[str]:
    told = []
    for name, each in groups.items():
        if n_undecided[name]:
            told.append(
                f"{name}: {n_undecided[name]} vertebrae count as without a leak although a proposed one is neither "
                "confirmed nor rejected"
            )
        if each.n_not_examined:
            told.append(f"{name}: {each.n_not_examined} vertebrae were not examined this way and count nowhere")
        if each.n_sites > each.vertebrae.numerator:
            n = each.vertebrae.numerator
            told.append(
                f"{name}: {each.n_sites} sites on {n} leaking vertebrae; shares by site add up to more than all"
            )
    return told


def cohort_survival(engine: Engine, *, where: Sequence[Condition] = (), group: str | None = None) -> CohortSurvival:
    """Survival of patients from their first operation. Raises ImpossibleAnswer."""
    if group is not None:
        check_field(group, "patient", needs=("word",))
    lives: dict[Any, list[Life | None]] = {}
    for key, first, died_on, last_seen_on, n in spans(engine, where=where, group=group):
        lives.setdefault(key, []).extend([_life(first, died_on, last_seen_on)] * n)
    told = named_groups(lives, group, [])
    known = {name: [life for life in each if life is not None] for name, each in told.items()}
    warnings = [
        f"{name}: {len(each) - len(known[name])} of {len(each)} patients lack the day of an operation or of the last news"
        for name, each in told.items()
        if len(known[name]) < len(each)
    ]
    return CohortSurvival(
        groups={name: CurveAnswer.model_validate(curve(each)) for name, each in known.items()},
        test=outcome(log_rank(known_groups(known))) if group is not None else None,
        warnings=warnings,
    )


def _life(first: str | None, died_on: str | None, last_seen_on: str | None) -> Life | None:
    end = died_on or last_seen_on
    if first is None or end is None or end < first:
        return None
    days = (date.fromisoformat(end) - date.fromisoformat(first)).days
    return Life(months=days / DAYS_PER_MONTH, is_death=died_on is not None)
