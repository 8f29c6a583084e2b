"""Tables of many records: grouped counts and figures, with the test that was asked for and what does not add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from db.cohort import Condition, rows
from db.connect import Engine
from service.clinical.cohort_answers import CohortTable, OutcomeAnswer, ShareAnswer, SpreadAnswer, TableRow, WordRow
from service.clinical.cohort_fields import UNITS, Nature, check_field
from service.clinical.comparisons import OF_COUNTS, OF_NUMBERS, Outcome
from service.clinical.figures import share, spread
from service.clinical.instruments import ImpossibleAnswer

ALL = "all"
NO_GROUP = "not known"
DEPENDENT = "tests take what belongs to one patient as independent"


def cohort_table(
    engine: Engine,
    unit: str,
    fields: Mapping[str, str | None],
    *,
    where: Sequence[Condition] = (),
    group: str | None = None,
) -> CohortTable:
    """One row for each of ``fields`` (kind.field and the name of a test or None). Raises ImpossibleAnswer."""
    natures = {name: check_field(name, unit, needs=("number", "word", "words")) for name in fields}
    for name, test in fields.items():
        _check_test(test, natures[name])
    told = by_group(engine, UNITS[unit], list(fields), where, group, unit)
    made = []
    for place, name in enumerate(fields):
        columns = {key: [row[place] for row in group_rows] for key, group_rows in told.items()}
        row = _number_row if natures[name] == "number" else _word_row
        made.append(row(name, columns, fields[name], unit))
    sizes = {key: len(group_rows) for key, group_rows in told.items()}
    return CohortTable(unit=unit, groups=sizes, rows=made, warnings=_warnings(sizes, made, unit))


def by_group(
    engine: Engine, kind: str, fields: list[str], where: Sequence[Condition], group: str | None, unit: str
) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of ``kind`` with ``fields``, by the value of ``group``; those without one come last."""
    if group is not None:
        check_field(group, unit, needs=("word",))
    found = rows(engine, kind, [*fields, *([group] if group else [])], where)
    if group is None:
        return {ALL: found}
    told: dict[str, list[tuple[Any, ...]]] = {}
    for row in found:
        told.setdefault(NO_GROUP if row[-1] is None else word(row[-1]), []).append(row[:-1])
    return {name: told[name] for name in sorted(told, key=lambda each: (each == NO_GROUP, each))}


def word(value: Any) -> str:
    """A coded value as a name."""
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def outcome(told: Outcome | None) -> OutcomeAnswer | None:
    """A test's outcome as it is answered."""
    return None if told is None else OutcomeAnswer.model_validate(told)


def known_groups(groups: Mapping[str, Any]) -> dict[str, Any]:
    """Groups that a test compares: those with a name."""
    return {name: value for name, value in groups.items() if name != NO_GROUP}


def _check_test(test: str | None, nature: Nature) -> None:
    if test is None:
        return
    if nature == "words":
        # one thing may hold several words: their counts are no table of groups that exclude each other
        raise ImpossibleAnswer("test", "expected none for a field that may hold several words")
    known = OF_NUMBERS if nature == "number" else OF_COUNTS
    if test not in known:
        raise ImpossibleAnswer("test", f"expected one of {', '.join(known)} for such a field")


def _number_row(name: str, columns: Mapping[str, list[Any]], test: str | None, _unit: str) -> TableRow:
    groups = {key: SpreadAnswer.model_validate(spread(values)) for key, values in columns.items()}
    told = None
    if test is not None:
        known = {key: [value for value in values if value is not None] for key, values in columns.items()}
        told = OF_NUMBERS[test](known_groups(known))
    missing = {key: figures.n_missing for key, figures in groups.items()}
    return TableRow(field=name, missing=missing, groups=groups, test=outcome(told))


def _word_row(name: str, columns: Mapping[str, list[Any]], test: str | None, unit: str) -> TableRow:
    """Each value in each group. A list field counts every word of a list, so its shares may add to more than all."""
    known = {key: [value for value in values if value is not None] for key, values in columns.items()}
    counts = {key: Counter(each for value in values for each in set(_words(value))) for key, values in known.items()}
    seen = sorted({each for counted in counts.values() for each in counted})
    values = [
        WordRow(
            value=each,
            groups={key: ShareAnswer.model_validate(share(counts[key][each], len(known[key]), unit)) for key in counts},
        )
        for each in seen
    ]
    told = None
    if test is not None:
        told = OF_COUNTS[test]([[counts[key][each] for key in known_groups(counts)] for each in seen] or [[0]])
    missing = {key: len(columns[key]) - len(known[key]) for key in columns}
    return TableRow(field=name, missing=missing, values=values, test=outcome(told))


def _words(value: Any) -> tuple[str, ...]:
    return tuple(map(word, value)) if isinstance(value, list) else (word(value),)


def _warnings(sizes: Mapping[str, int], made: Sequence[TableRow], unit: str) -> list[str]:
    told = []
    if sizes.get(NO_GROUP):
        told.append(f"{sizes[NO_GROUP]} of {sum(sizes.values())} ({unit}) belong to no group and to no test")
    if unit != "patient" and any(row.test is not None for row in made):
        told.append(f"{DEPENDENT} ({unit})")
    for row in made:
        lacking = {key: count for key, count in row.missing.items() if count}
        if lacking:
            shown = ", ".join(f"{key} {count} of {sizes[key]}" for key, count in lacking.items())
            told.append(f"{row.field}: not known in {shown}; its denominators are smaller than the groups")
        sums = [sum(line.groups[key].numerator for line in row.values) for key in row.missing] if row.values else []
        wholes = [row.values[0].groups[key].denominator for key in row.missing] if row.values else []
        if sums != wholes:
            told.append(f"{row.field}: several values for one {unit}; its counts add up to more than their denominator")
    return told
