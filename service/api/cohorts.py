"""Cohorts over HTTP: tables, courses, leaks and survival of many records. Asked with POST, for a question has parts."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import Field

from db.cohort import Condition
from service.api.asks import Ask
from service.api.deps import DepsHere
from service.api.errors import bad_field
from service.clinical.cohort_answers import CohortCourse, CohortLeaks, CohortSurvival, CohortTable
from service.clinical.cohort_fields import nature_of
from service.clinical.instruments import ImpossibleAnswer

router = APIRouter(prefix="/cohorts", tags=["cohorts"])

FieldName = Field(pattern=r"^[a-z_]+\.[a-z0-9_]+$", max_length=80, description="kind.field, such as level.lesion.")


class Where(Ask):
    """A condition; on something that the unit owns it asks for at least one such thing."""

    field: str = FieldName
    among: list[str | bool | float] | None = Field(None, max_length=200, description="One of these.")
    low: float | str | None = Field(None, description="At least this number, or this day (YYYY-MM-DD).")
    high: float | str | None = Field(None, description="At most this number, or this day.")


class Cohort(Ask):
    """Which records, and by what they are grouped."""

    where: list[Where] = Field([], max_length=20, description="All of these conditions hold.")
    group: str | None = Field(None, max_length=80, description="kind.field that makes the groups, such as patient.arm.")


class TableField(Ask):
    """One field of a table."""

    field: str = FieldName
    test: str | None = Field(
        None,
        max_length=40,
        description="For numbers student_t, welch_t, mann_whitney; for words chi_square, chi_square_yates, fisher.",
    )


class TableAsk(Cohort):
    """A table of counts and figures."""

    unit: Literal["patient", "operation", "vertebra", "site"] = Field(description="What is counted.")
    fields: list[TableField] = Field(min_length=1, max_length=50, description="One row of the table for each.")


class CourseAsk(Cohort):
    """A measure over time."""

    field: str = FieldName
    pair_test: Literal["paired_t", "wilcoxon"] | None = Field(None, description="Each time point against before.")
    course_test: Literal["friedman", "repeated_anova"] | None = Field(None, description="Over all time points.")


class LeaksAsk(Cohort):
    """Leaks by site."""

    seen_with: Literal["fluoroscopy", "ct"] = Field(description="What showed them; never pooled.")
    test: Literal["chi_square", "chi_square_yates", "fisher"] | None = Field(None, description="Between groups.")


@router.post("/table", response_model=CohortTable)
def make_table(deps: DepsHere, body: TableAsk) -> CohortTable:
    """Counts with numerator, denominator and unit; numbers with mean, SD, median, quartiles, range and n."""
    from service.clinical.cohort import cohort_table

    fields = {each.field: each.test for each in body.fields}
    return _answer(cohort_table, deps.engine, body.unit, fields, where=conditions_of(body), group=body.group)  # type: ignore[no-any-return] # as the function answers


@router.post("/course", response_model=CohortCourse)
def make_course(deps: DepsHere, body: CourseAsk) -> CohortCourse:
    """One measure at every time point, with n at each, and paired tests against before."""
    from service.clinical.cohort_series import cohort_course

    tests = {"pair_test": body.pair_test, "course_test": body.course_test}
    return _answer(cohort_course, deps.engine, body.field, where=conditions_of(body), group=body.group, **tests)  # type: ignore[no-any-return] # as above


@router.post("/leaks", response_model=CohortLeaks)
def make_leaks(deps: DepsHere, body: LeaksAsk) -> CohortLeaks:
    """Confirmed leaks by vertebra, patient and site, of those examined in one way."""
    from service.clinical.cohort_series import cohort_leaks

    where = conditions_of(body)
    return _answer(cohort_leaks, deps.engine, body.seen_with, where=where, group=body.group, test=body.test)  # type: ignore[no-any-return] # as above


@router.post("/survival", response_model=CohortSurvival)
def make_survival(deps: DepsHere, body: Cohort) -> CohortSurvival:
    """Kaplan-Meier from the first operation, with the log-rank test between groups."""
    from service.clinical.cohort_series import cohort_survival

    return _answer(cohort_survival, deps.engine, where=conditions_of(body), group=body.group)  # type: ignore[no-any-return] # as above


def _answer(make: Any, *told: Any, **named: Any) -> Any:
    try:
        return make(*told, **named)
    except ImpossibleAnswer as bad:
        raise bad_field(bad.field, bad.expected) from None
    except KeyError:
        raise bad_field("where", "expected a field of the unit, of its owners or of what it owns") from None


def conditions_of(body: Cohort) -> list[Condition]:
    """The conditions of a question, or 400."""
    return [_condition(each) for each in body.where]


def _condition(where: Where) -> Condition:
    """A condition whose values fit its field, for a database compares a text with no number."""
    nature = nature_of(where.field)
    is_day = where.field.endswith("_on")
    if (nature is None and not is_day) or nature == "words":
        raise bad_field("where.field", "expected kind.field that holds a number, a word or a day")
    kind: type = float if nature == "number" else str
    told = [*(where.among or ()), *(each for each in (where.low, where.high) if each is not None)]
    is_flag = nature == "word" and where.field.partition(".")[2].startswith(("is_", "has_"))
    wanted: tuple[type, ...] = (bool,) if is_flag else (kind,)
    if any(type(each) not in wanted for each in told):
        raise bad_field("where", f"expected {'true or false' if is_flag else 'numbers' if kind is float else 'texts'}")
    return Condition(
        field=where.field,
        among=None if where.among is None else tuple(where.among),
        low=where.low,
        high=where.high,
    )
