"""Tables of many records: grouped counts and figures, with the test that was asked for and what does not add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from db.cohort import Condition
from db.connect import Engine
from db.counting import Tally, tally
from service.clinical.cohort_answers import CohortTable, OutcomeAnswer, ShareAnswer, SpreadAnswer, TableRow, WordRow
from service.clinical.cohort_fields import UNITS, Nature, check_field
from service.clinical.comparisons import OF_COUNTS, OF_NUMBERS, Outcome
from service.clinical.figures import share, spread_of
from service.clinical.instruments import ImpossibleAnswer

ALL = "all"
NO_GROUP = "not known"
Counted = TypeVar("Counted")
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
    if group is not None:
        check_field(group, unit, needs=("word",))
    numbers = [name for name in fields if natures[name] == "number"]
    words = [name for name in fields if natures[name] != "number"]
    told = named_groups(tally(engine, UNITS[unit], words, numbers, where=where, group=group), group, {})
    made = []
    for name in fields:
        columns = {key: found.get(name, Tally()) for key, found in told.items()}
        row = _number_row if natures[name] == "number" else _word_row
        made.append(row(name, columns, fields[name], unit))
    sizes = {key: max((each.n for each in found.values()), default=0) for key, found in told.items()}
    return CohortTable(unit=unit, groups=sizes, rows=made, warnings=_warnings(sizes, made, unit))


def named_groups(found: Mapping[Any, Counted], group: str | None, nothing: Counted) -> dict[str, Counted]:
    """What was counted by the names of its groups; what belongs to none comes last. Without groups there is one."""
    if group is None:
        return {ALL: next(iter(found.values()), nothing)}
    told = {_group_name(key): counted for key, counted in found.items()}
    return {name: told[name] for name in sorted(told, key=lambda each: (each == NO_GROUP, each))}


def _group_name(key: Any) -> str:
    """Whoever wrote "not known" as a site is a group of its own, in quotation marks."""
    if key is None:
        return NO_GROUP
    return f'"{NO_GROUP}"' if key == NO_GROUP else word(key)


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


def _number_row(name: str, columns: Mapping[str, Tally], test: str | None, _unit: str) -> TableRow:
    known = {key: known_numbers(counted.numbers) for key, counted in columns.items()}
    missing = {key: counted.n - len(known[key]) for key, counted in columns.items()}
    groups = {key: SpreadAnswer.model_validate(spread_of(values, missing[key])) for key, values in known.items()}
    told = None if test is None else OF_NUMBERS[test](known_groups(known))
    return TableRow(field=name, missing=missing, groups=groups, test=outcome(told))


def known_numbers(numbers: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Those that are not NaN, in rising order: a sum comes out alike whatever order a database tells them in."""
    told = np.asarray(numbers, dtype=float)
    return np.sort(told[~np.isnan(told)])


def _word_row(name: str, columns: Mapping[str, Tally], test: str | None, unit: str) -> TableRow:
    """Each value in each group. A list field counts every word of a list, so its shares may add to more than all."""
    known = {key: sum(counted.words.values()) for key, counted in columns.items()}
    counts = {key: _by_word(counted) for key, counted in columns.items()}
    seen = sorted({each for counted in counts.values() for each in counted})
    values = [
        WordRow(
            value=each,
            groups={key: ShareAnswer.model_validate(share(counts[key][each], known[key], unit)) for key in counts},
        )
        for each in seen
    ]
    told = None
    if test is not None:
        told = OF_COUNTS[test]([[counts[key][each] for key in known_groups(counts)] for each in seen] or [[0]])
    missing = {key: counted.n - known[key] for key, counted in columns.items()}
    return TableRow(field=name, missing=missing, values=values, test=outcome(told))


def _by_word(counted: Tally) -> Counter[str]:
    told: Counter[str] = Counter()
    for value, n in counted.words.items():
        for each in {word(one) for one in value} if isinstance(value, tuple) else {word(value)}:
            told[each] += n
    return told


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
