"""Cohorts counted where they lie: a few lines for each group come back, however many things were counted.

What a test or a median needs all values of comes gathered, NaN where a value is not known, in no order of rows.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    ColumnElement,
    Connection,
    Engine,
    FromClause,
    Integer,
    LargeBinary,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    text,
    union_all,
)

from db.cohort import Condition, chosen, column
from db.connect import snapshot
from db.gathered import gathered, numbers_of
from db.record import KINDS

Group = str | bool | None
"""A value of the field that makes the groups; None where it is not known, and where nothing makes groups."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """One field in one group of ``n`` things: how often each word occurs, or every number, NaN where there is none."""

    n: int = 0
    words: dict[Any, int] = field(default_factory=dict)
    numbers: array[float] = field(default_factory=lambda: array("d"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A measure over time in one group.

    ``values``: for each operation one number for each time point, NaN where there is none. ``n_doubled``: how often an
    operation has several values at one time point.
    """

    n_operations: int
    n_patients: int
    n_doubled: int
    values: array[float]


@dataclass(slots=True, kw_only=True)
class LeakCount:
    """Vertebrae of one group, and their leaks as far as one way of looking shows them; counts."""

    n: int = 0
    n_examined: int = 0
    n_leaking: int = 0
    n_undecided: int = 0
    n_sites: int = 0
    n_examined_patients: int = 0
    n_leaking_patients: int = 0
    by_site: dict[str, int] = field(default_factory=dict)


@contextmanager
def _counting(engine: Engine) -> Iterator[Connection]:
    """A snapshot; PostgreSQL may keep a whole cohort in memory instead of writing it to disk in parts."""
    with snapshot(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL work_mem = '64MB'"))
        yield connection


def tally(
    engine: Engine,
    unit: str,
    words: Sequence[str],
    numbers: Sequence[str],
    *,
    where: Sequence[Condition] = (),
    group: str | None = None,
) -> dict[Group, dict[str, Tally]]:
    """What ``words`` and ``numbers`` (kind.field) hold in each group of things of kind ``unit``; one pass over them.

    A list of words is a tuple. KeyError for a field that is not there.
    """
    fields = {name: f"f{place}" for place, name in enumerate([*words, *numbers])}
    told = [_as_text(column(name)) if name in words else column(name) for name in fields]
    named = [each.label(label) for each, label in zip(told, fields.values(), strict=True)]
    asked = [*fields, *([group] if group else [])]
    cohort = chosen(unit, asked, where, [_group(group), *named]).cte("cohort")
    made = cohort.c.made
    lines = [
        select(literal(name), made, cohort.c[fields[name]], func.count(), cast(null(), LargeBinary)).group_by(
            made, cohort.c[fields[name]]
        )
        for name in words
    ]
    if numbers:
        every = gathered(*(cohort.c[fields[name]] for name in numbers))
        lines.append(select(literal(""), made, cast(null(), Text), func.count(), every).group_by(made))
    found: dict[Group, dict[str, Tally]] = {}
    with _counting(engine) as connection:
        for name, key, said, n, packed in connection.execute(union_all(*lines)):
            here = found.setdefault(key, {each: Tally() for each in fields})
            if name:
                _add_word(here[name], column(name), said, n)
            else:
                _add_numbers(here, numbers, n, packed)
    return found


def _add_word(told: Tally, asked: ColumnElement[Any], said: str | None, n: int) -> None:
    told.n += n
    if said is not None:
        word = _from_text(asked, said)
        told.words[word] = told.words.get(word, 0) + n


def _add_numbers(here: Mapping[str, Tally], names: Sequence[str], n: int, packed: bytes) -> None:
    every = numbers_of(packed)
    for place, name in enumerate(names):
        here[name].n, here[name].numbers = n, every[place :: len(names)]


def _group(group: str | None) -> ColumnElement[Any]:
    return (cast(null(), Text) if group is None else column(group)).label("made")


def _as_text(asked: ColumnElement[Any]) -> ColumnElement[Any]:
    """PostgreSQL compares no JSON, and one column takes them all."""
    if isinstance(asked.type, Boolean):
        return case((asked.is_(True), "true"), (asked.is_(False), "false"))
    return cast(asked, Text)


def _from_text(asked: ColumnElement[Any], said: str) -> Any:
    if isinstance(asked.type, Boolean):
        return said == "true"
    return tuple(json.loads(said)) if isinstance(asked.type, JSON) else said


def courses(
    engine: Engine,
    field: str,
    times: Sequence[str],
    *,
    where: Sequence[Condition] = (),
    group: str | None = None,
) -> dict[Group, Course]:
    """The numbers of a follow-up's ``field`` at each of ``times``; of several at one time point the latest.

    Later is what says more months, then a later day; where neither is said, what was written later.
    """
    visit = KINDS["follow_up"].table.c
    value = column(field)
    order = (value.is_(None), func.coalesce(visit.months, 0).desc(), func.coalesce(visit.seen_on, "").desc())
    rank = func.row_number().over(
        partition_by=(visit.operation, visit.time_point), order_by=(*order, visit.number.desc())
    )
    named = [visit.operation, column("operation.patient"), visit.time_point, value.label("value"), rank.label("rank")]
    asked = [field, "operation.patient", *([group] if group else [])]
    visits = chosen("follow_up", asked, where, [_group(group), *named]).subquery()
    is_doubled = and_(visits.c.rank == 2, visits.c.value.is_not(None))
    latest = [
        func.max(case((and_(visits.c.rank == 1, visits.c.time_point == time), visits.c.value))).label(f"t{place}")
        for place, time in enumerate(times)
    ]
    keys = (visits.c.made, visits.c.patient, visits.c.operation)
    one = select(*keys, func.count().filter(is_doubled).label("doubled"), *latest).group_by(*keys).subquery()
    counted = (func.count(), func.count(one.c.patient.distinct()), func.sum(one.c.doubled))
    every = gathered(*(one.c[f"t{place}"] for place in range(len(times))))
    with _counting(engine) as connection:
        return {
            row[0]: Course(n_operations=row[1], n_patients=row[2], n_doubled=int(row[3]), values=numbers_of(row[4]))
            for row in connection.execute(select(one.c.made, *counted, every).group_by(one.c.made))
        }


def leak_counts(
    engine: Engine,
    modalities: Sequence[str],
    sites: Sequence[str],
    *,
    where: Sequence[Condition] = (),
    group: str | None = None,
) -> dict[Group, LeakCount]:
    """Vertebrae and what ``modalities`` showed of them. One that leaks was examined, whatever its list says.

    ``sites`` are all that there are. Vertebrae and leaks are joined once, and counted twice: by patient, for patients are
    counted too, and by which sites leak together, of which there are few.
    """
    asked = ["level.id", "level.examined_with", "operation.patient", *([group] if group else [])]
    lists = cast(column("level.examined_with"), Text)
    is_listed = or_(*(lists.contains(json.dumps(each), autoescape=True) for each in modalities))
    told = [
        column("level.id").label("level"),
        column("operation.patient").label("patient"),
        is_listed.label("is_listed"),
    ]
    cohort = chosen("level", asked, where, [_group(group), *told]).subquery()
    seen = _leaks_by_level(modalities, sites).subquery()
    counts = [func.coalesce(seen.c[name], 0).label(name) for name in ("confirmed", "proposed", "together")]
    keys = (cohort.c.made, cohort.c.patient, cohort.c.is_listed)
    both = select(*keys, *counts).select_from(cohort.outerjoin(seen, seen.c.level == cohort.c.level)).cte("both")
    with _counting(engine) as connection:
        found: dict[Group, LeakCount] = {}
        for key, together, *numbers in connection.execute(union_all(_by_patient(both), _by_sites(both))):
            here = found.setdefault(key, LeakCount())
            if together is None:
                for name, n in zip(_COUNTS, numbers, strict=True):
                    setattr(here, name, int(n))
                continue
            for place, site in enumerate(sites):
                if together >> place & 1:
                    here.by_site[site] = here.by_site.get(site, 0) + int(numbers[0])
    return found


_COUNTS = ("n", "n_examined", "n_leaking", "n_undecided", "n_sites", "n_examined_patients", "n_leaking_patients")


def _by_patient(both: FromClause) -> Select[Any]:
    yes = {
        "n_examined": or_(both.c.is_listed, both.c.confirmed > 0),
        "n_leaking": both.c.confirmed > 0,
        "n_undecided": and_(both.c.confirmed == 0, both.c.proposed > 0),
    }
    keys = (both.c.made, both.c.patient)
    sums = [func.count().filter(is_so).label(name) for name, is_so in yes.items()]
    by_patient = select(*keys, func.count().label("n"), *sums, func.sum(both.c.confirmed).label("n_sites"))
    one = by_patient.group_by(*keys).subquery().c
    patients = [func.count().filter(one[name] > 0) for name in ("n_examined", "n_leaking")]
    whole = [func.sum(one[name]) for name in _COUNTS[: -len(patients)]]
    return select(one.made, cast(null(), Integer).label("together"), *whole, *patients).group_by(one.made)


def _by_sites(both: FromClause) -> Select[Any]:
    keys = (both.c.made, both.c.together)
    nothing = [literal(0) for _ in _COUNTS[1:]]
    return select(*keys, func.count(), *nothing).where(both.c.together > 0).group_by(*keys)


def _leaks_by_level(modalities: Sequence[str], sites: Sequence[str]) -> Select[Any]:
    """Leaks of a vertebra: how many are confirmed, how many nobody has decided about, and a bit for each site."""
    leaks = KINDS["leak"].table.c
    counts = [func.count().filter(leaks.finding == name).label(name) for name in ("confirmed", "proposed")]
    bit = case({site: 1 << place for place, site in enumerate(sites)}, value=leaks.site, else_=0)
    together = func.bit_or(case((leaks.finding == "confirmed", bit), else_=0)).label("together")
    shown = (leaks.is_current, ~leaks.is_withdrawn, leaks.modality.in_(modalities))
    return select(leaks.level, *counts, together).where(*shown).group_by(leaks.level)


def spans(
    engine: Engine, *, where: Sequence[Condition] = (), group: str | None = None
) -> list[tuple[Group, str | None, str | None, str | None, int]]:
    """Group, day of the first operation, of death and of the last news, and how many patients share these days."""
    operation, patient = KINDS["operation"].table.c, KINDS["patient"].table.c
    is_counted = (operation.is_current, ~operation.is_withdrawn)
    first = select(operation.patient, func.min(operation.performed_on).label("day")).where(*is_counted)
    firsts = first.group_by(operation.patient).subquery()
    told = [patient.id.label("patient"), patient.died_on, patient.last_seen_on]
    asked = ["patient.id", *([group] if group else [])]
    cohort = chosen("patient", asked, where, [_group(group), *told]).subquery()
    days = (cohort.c.made, firsts.c.day, cohort.c.died_on, cohort.c.last_seen_on)
    both = cohort.outerjoin(firsts, firsts.c.patient == cohort.c.patient)
    with _counting(engine) as connection:
        return [tuple(row) for row in connection.execute(select(*days, func.count()).select_from(both).group_by(*days))]
