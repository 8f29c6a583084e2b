"""Cohorts counted one thing after another from the rows themselves: slow, plain, and what the quick way is held against."""

from __future__ import annotations

from collections import Counter
from datetime import date

from db.cohort import Condition, rows
from service.clinical.cohort import ALL, DEPENDENT, NO_GROUP, known_groups, outcome, word
from service.clinical.cohort_answers import CurveAnswer, OutcomeAnswer, ShareAnswer, SpreadAnswer
from service.clinical.cohort_fields import UNITS, nature_of
from service.clinical.cohort_series import DAYS_PER_MONTH, SEEN_WITH, TIME_POINTS
from service.clinical.comparisons import OF_COUNTS, OF_COURSES, OF_NUMBERS, OF_PAIRS
from service.clinical.figures import share, spread
from service.clinical.survival import Life, curve, log_rank


def by_group(engine, kind, fields, where, group):
    found = rows(engine, kind, [*fields, *([group] if group else [])], where)
    if group is None:
        return {ALL: found}
    told = {}
    for row in found:
        told.setdefault(NO_GROUP if row[-1] is None else word(row[-1]), []).append(row[:-1])
    return {name: told[name] for name in sorted(told, key=lambda each: (each == NO_GROUP, each))}


def share_of(n, of, unit):
    return ShareAnswer.model_validate(share(n, of, unit)).model_dump()


def spread_of(values):
    """In rising order, for the last digit of a sum hangs on the order."""
    return SpreadAnswer.model_validate(spread(sorted(values, key=lambda value: (value is None, value)))).model_dump()


def table(engine, unit, fields, where=(), group=None):
    """Of each field: what is missing, the figures, the shares and the test, by group."""
    told = by_group(engine, UNITS[unit], list(fields), where, group)
    made = {}
    for place, (name, test) in enumerate(fields.items()):
        columns = {key: [row[place] for row in found] for key, found in told.items()}
        known = {key: [value for value in values if value is not None] for key, values in columns.items()}
        missing = {key: len(columns[key]) - len(known[key]) for key in columns}
        if nature_of(name) == "number":
            figures = {key: spread_of(values) for key, values in columns.items()}
            said = OF_NUMBERS[test]({key: sorted(each) for key, each in known_groups(known).items()}) if test else None
            made[name] = (missing, figures, {}, outcome(said))
            continue
        counts = {key: Counter(each for value in values for each in words(value)) for key, values in known.items()}
        seen = sorted({each for counted in counts.values() for each in counted})
        shares = {each: {key: share_of(counts[key][each], len(known[key]), unit) for key in counts} for each in seen}
        tested = [[counts[key][each] for key in known_groups(counts)] for each in seen] or [[0]]
        made[name] = (missing, {}, shares, outcome(OF_COUNTS[test](tested) if test else None))
    return {key: len(found) for key, found in told.items()}, made


def words(value):
    return {word(each) for each in value} if isinstance(value, list) else {word(value)}


def course(engine, field, where=(), group=None, pair_test=None, course_test=None):
    """Figures and paired test at each time point, the test over all, and what is told of doubles and patients."""
    visit = ["operation", "time_point", "months", "seen_on", "number"]
    asked = [*(f"follow_up.{name}" for name in visit), "operation.patient", field]
    told, warned = {}, []
    for name, found in by_group(engine, "follow_up", asked, where, group).items():
        latest = {}
        for row in sorted(found, key=lambda row: (row[2] or 0.0, row[3] or "", row[4])):
            if row[6] is not None:
                latest[row[1], row[0]] = row[6]
        told[name] = {time: {op: v for (at, op), v in latest.items() if at == time} for time in TIME_POINTS}
        n_operations, n_patients = len({row[0] for row in found}), len({row[5] for row in found})
        if n_operations > n_patients:
            warned.append(f"{name}: {n_operations} operations of {n_patients} patients; {DEPENDENT}")
        doubles = sum(n > 1 for n in Counter((row[0], row[1]) for row in found if row[6] is not None).values())
        warned += [f"{name}: {doubles} times an operation has several values"] if doubles else []
    times = [time for time in TIME_POINTS if any(each[time] for each in told.values())]
    points = {}
    for time in times:
        figures = {name: spread_of(each[time].values()) for name, each in told.items()}
        paired = {name: together(each, ["before", time]) for name, each in told.items()} if time != "before" else {}
        tests = {name: OF_PAIRS[pair_test](*transposed(both, 2)) for name, both in paired.items()} if pair_test else {}
        points[time] = figures, {name: OutcomeAnswer.model_validate(each) for name, each in tests.items()}
    overall = (
        {name: OF_COURSES[course_test](together(each, times)) for name, each in told.items()} if course_test else {}
    )
    return points, {name: OutcomeAnswer.model_validate(each) for name, each in overall.items()}, warned


def together(values, times):
    """Operations with a value at each time, in an order of all their values."""
    if not times:
        return []
    complete = [key for key in values[times[0]] if all(key in values[time] for time in times)]

    def order(key):
        return [values[time].get(key, float("inf")) for time in TIME_POINTS]

    return [[values[time][key] for time in times] for key in sorted(complete, key=order)]


def transposed(found, n):
    return [list(column) for column in zip(*found, strict=True)] if found else [[] for _ in range(n)]


def leaks(engine, seen_with, where=(), group=None, test=None):
    """Shares and counts of each group, the test, and how many are undecided."""
    modalities = SEEN_WITH[seen_with]
    told = by_group(engine, "level", ["level.id", "patient.id", "level.examined_with"], where, group)
    sites, undecided = (sites_of(engine, finding, modalities) for finding in ("confirmed", "proposed"))
    named = sorted({site for found in told.values() for row in found for site in sites.get(row[0], ())})
    made, tested = {}, []
    for name, found in told.items():
        examined = [row for row in found if row[0] in sites or set(row[2] or ()) & set(modalities)]
        leaking = [row for row in examined if row[0] in sites]
        by_site = Counter(site for row in leaking for site in set(sites[row[0]]))
        made[name] = {
            "vertebrae": share_of(len(leaking), len(examined), "vertebra"),
            "patients": share_of(len({row[1] for row in leaking}), len({row[1] for row in examined}), "patient"),
            "n_sites": sum(len(sites[row[0]]) for row in leaking),
            "sites": {site: share_of(by_site[site], len(examined), "vertebra") for site in named},
            "n_not_examined": len(found) - len(examined),
        }
        if name != NO_GROUP:
            tested.append((len(leaking), len(examined) - len(leaking)))
    n_undecided = {name: sum(row[0] in undecided.keys() - sites.keys() for row in each) for name, each in told.items()}
    said = (
        None
        if test is None
        else outcome(OF_COUNTS[test]([list(column) for column in zip(*tested, strict=True)] or [[]]))
    )
    return made, said, n_undecided


def sites_of(engine, finding, modalities):
    meant = [Condition(field="leak.finding", among=(finding,)), Condition(field="leak.modality", among=modalities)]
    told = {}
    for level, site in rows(engine, "leak", ["leak.level", "leak.site"], meant):
        told.setdefault(level, []).append(site)
    return told


def survival(engine, where=(), group=None):
    """Curve of each group and the log-rank test."""
    firsts = {}
    for patient, day in rows(engine, "operation", ["operation.patient", "operation.performed_on"]):
        if day is not None:
            firsts[patient] = min(day, firsts.get(patient, day))
    fields = ["patient.id", "patient.died_on", "patient.last_seen_on"]
    told = by_group(engine, "patient", fields, where, group)
    lives = {
        name: [life for row in found if (life := life_of(row, firsts.get(row[0])))] for name, found in told.items()
    }
    tested = None if group is None else outcome(log_rank(known_groups(lives)))
    left_out = {name: len(told[name]) - len(each) for name, each in lives.items()}
    curves = {name: CurveAnswer.model_validate(curve(each)).model_dump() for name, each in lives.items()}
    return curves, tested, left_out


def life_of(row, first):
    end = row[1] or row[2]
    if first is None or end is None or end < first:
        return None
    days = (date.fromisoformat(end) - date.fromisoformat(first)).days
    return Life(months=days / DAYS_PER_MONTH, is_death=row[1] is not None)
