"""Many records over time: the course of a measure, leaks by site, survival."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple, get_args

from db.cohort import Condition, rows
from db.connect import Engine
from service.clinical import codes
from service.clinical.cohort import DEPENDENT, by_group, known_groups, outcome
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
from service.clinical.figures import share, spread
from service.clinical.instruments import ImpossibleAnswer
from service.clinical.survival import Life, curve, log_rank

SEEN_WITH: Mapping[str, tuple[str, ...]] = {"fluoroscopy": ("live", "final_ap", "final_lateral"), "ct": ("ct",)}
"""Leaks that the screen or a radiograph shows and leaks that CT shows are different quantities, never pooled."""
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
    found = by_group(engine, "follow_up", [*_VISIT, field], where, group, "operation")
    told = {name: [_Visit(*row) for row in group_rows] for name, group_rows in found.items()}
    values = {name: _by_time(group_rows) for name, group_rows in told.items()}
    times = [time for time in TIME_POINTS if any(time in each for each in values.values())]
    points = [_point(time, values, pair_test) for time in times]
    overall = {}
    if course_test is not None:
        overall = {name: _overall(each, times, course_test) for name, each in values.items()}
    return CohortCourse(field=field, points=points, overall=overall, warnings=_course_warnings(told, values, times))


_VISIT = [
    *("follow_up.operation", "operation.patient", "follow_up.time_point"),
    *("follow_up.months", "follow_up.seen_on", "follow_up.number"),
]


class _Visit(NamedTuple):
    """One follow-up with the number that is asked for; ``written`` is the journal's line of it."""

    operation: str
    patient: str
    time_point: str
    months: float | None
    seen_on: str | None
    written: int
    value: float | None

    @property
    def age(self) -> tuple[float, str, int]:
        """How late it was, as far as that is known; else when it was written down."""
        return self.months or 0.0, self.seen_on or "", self.written


def _by_time(visits: Iterable[_Visit]) -> dict[str, dict[str, float]]:
    """Value by operation, by time point; of several at one time point the latest."""
    told: dict[str, dict[str, float]] = {}
    for visit in sorted(visits, key=lambda visit: visit.age):
        if visit.value is not None:
            told.setdefault(visit.time_point, {})[visit.operation] = visit.value
    return told


def _point(time: str, values: Mapping[str, Mapping[str, Mapping[str, float]]], pair_test: str | None) -> CoursePoint:
    groups = {name: SpreadAnswer.model_validate(spread(each.get(time, {}).values())) for name, each in values.items()}
    against: dict[str, OutcomeAnswer] = {}
    if pair_test is not None and time != "before":
        for name, each in values.items():
            before, after = each.get("before", {}), each.get(time, {})
            both = sorted(before.keys() & after.keys())
            told = OF_PAIRS[pair_test]([before[key] for key in both], [after[key] for key in both])
            against[name] = OutcomeAnswer.model_validate(told)
    return CoursePoint(time_point=time, groups=groups, against_before=against)


def _overall(values: Mapping[str, Mapping[str, float]], times: Sequence[str], test: str) -> OutcomeAnswer:
    present = [values.get(time, {}) for time in times]
    complete = sorted(set.intersection(*(set(each) for each in present))) if present else []
    return OutcomeAnswer.model_validate(OF_COURSES[test]([[each[key] for each in present] for key in complete]))


def _course_warnings(
    told: Mapping[str, Sequence[_Visit]],
    values: Mapping[str, Mapping[str, Mapping[str, float]]],
    times: Sequence[str],
) -> list[str]:
    found = []
    for name, each in values.items():
        n = {time: len(each.get(time, {})) for time in times}
        if len(set(n.values())) > 1:
            shown = ", ".join(f"{time} {count}" for time, count in n.items())
            found.append(f"{name}: the number of operations changes over time: {shown}")
        n_operations = len({visit.operation for visit in told[name]})
        n_patients = len({visit.patient for visit in told[name]})
        if n_operations > n_patients:
            found.append(f"{name}: {n_operations} operations of {n_patients} patients; {DEPENDENT}")
        doubles = Counter((visit.operation, visit.time_point) for visit in told[name] if visit.value is not None)
        n_doubles = sum(count > 1 for count in doubles.values())
        if n_doubles:
            found.append(
                f"{name}: {n_doubles} times an operation has several values at one time point; the latest counts"
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
    told = by_group(engine, "level", ["level.id", "patient.id", "level.examined_with"], where, group, "vertebra")
    sites = _sites(engine, "confirmed", modalities)
    undecided = _sites(engine, "proposed", modalities).keys() - sites.keys()
    named = {site for found in told.values() for row in found for site in sites.get(row[0], ())}
    groups = {name: _leak_group(found, sites, named, modalities) for name, found in told.items()}
    n_undecided = {name: sum(row[0] in undecided for row in found) for name, found in told.items()}
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


def _sites(engine: Engine, finding: str, modalities: tuple[str, ...]) -> dict[str, list[str]]:
    """The sites of leaks of one finding, by vertebra."""
    meant = [Condition(field="leak.finding", among=(finding,)), Condition(field="leak.modality", among=modalities)]
    told: dict[str, list[str]] = {}
    for level, site in rows(engine, "leak", ["leak.level", "leak.site"], meant):
        told.setdefault(level, []).append(site)
    return told


def _leak_group(
    found: Sequence[Sequence[Any]],
    sites: Mapping[str, Sequence[str]],
    named: Collection[str],
    modalities: Sequence[str],
) -> LeakGroup:
    """One group; sites that are ``named`` in any group have a share here too, for a count of 0 has an upper limit."""
    examined = [row for row in found if row[0] in sites or set(row[2] or ()) & set(modalities)]
    leaking = [row for row in examined if row[0] in sites]
    n_vertebrae, n_patients = len(examined), len({row[1] for row in examined})
    by_site = Counter(site for row in leaking for site in set(sites[row[0]]))
    return LeakGroup(
        vertebrae=ShareAnswer.model_validate(share(len(leaking), n_vertebrae, "vertebra")),
        patients=ShareAnswer.model_validate(share(len({row[1] for row in leaking}), n_patients, "patient")),
        n_sites=sum(len(sites[row[0]]) for row in leaking),
        sites={
            site: ShareAnswer.model_validate(share(by_site[site], n_vertebrae, "vertebra")) for site in sorted(named)
        },
        n_not_examined=len(found) - n_vertebrae,
    )


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
    firsts: dict[str, str] = {}
    for patient, day in rows(engine, "operation", ["operation.patient", "operation.performed_on"]):
        if day is not None:
            firsts[patient] = min(day, firsts.get(patient, day))
    fields = ["patient.id", "patient.died_on", "patient.last_seen_on"]
    told = by_group(engine, "patient", fields, where, group, "patient")
    lives = {name: [_life(row, firsts.get(row[0])) for row in found] for name, found in told.items()}
    known = {name: [life for life in each if life is not None] for name, each in lives.items()}
    warnings = [
        f"{name}: {len(each) - len(known[name])} of {len(each)} patients lack the day of an operation or of the last news"
        for name, each in lives.items()
        if len(known[name]) < len(each)
    ]
    return CohortSurvival(
        groups={name: CurveAnswer.model_validate(curve(each)) for name, each in known.items()},
        test=outcome(log_rank(known_groups(known))) if group is not None else None,
        warnings=warnings,
    )


def _life(row: Sequence[Any], first: str | None) -> Life | None:
    _id, died_on, last_seen_on = row
    end = died_on or last_seen_on
    if first is None or end is None or end < first:
        return None
    days = (date.fromisoformat(end) - date.fromisoformat(first)).days
    return Life(months=days / DAYS_PER_MONTH, is_death=died_on is not None)
