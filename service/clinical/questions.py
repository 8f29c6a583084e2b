"""What can be asked of many records, over HTTP or from a file, and the answers."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from db.cohort import Condition
from db.connect import Engine
from service.clinical.cohort_answers import CohortCourse, CohortLeaks, CohortSurvival, CohortTable
from service.clinical.cohort_fields import nature_of
from service.clinical.instruments import ImpossibleAnswer
from service.clinical.shape import problems_of

FieldName = Field(pattern=r"^[a-z_]+\.[a-z0-9_]+$", max_length=80, description="kind.field, such as level.lesion.")


class Question(BaseModel):
    """A part of a question; a field that is not known is an error."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Where(Question):
    """A condition; on something that the unit owns it asks for at least one such thing."""

    field: str = FieldName
    among: list[str | bool | float] | None = Field(None, max_length=200, description="One of these.")
    low: float | str | None = Field(None, description="At least this number, or this day (YYYY-MM-DD).")
    high: float | str | None = Field(None, description="At most this number, or this day.")


class Narrowed(Question):
    """Which records."""

    label: str = Field("", max_length=200, description="Heading of the answer in a printed page.")
    where: list[Where] = Field([], max_length=20, description="All of these conditions hold.")


class Cohort(Narrowed):
    """Which records, and by what they are grouped."""

    group: str | None = Field(None, max_length=80, description="kind.field that makes the groups, such as patient.arm.")


class TableField(Question):
    """One field of a table."""

    field: str = FieldName
    test: str | None = Field(
        None,
        max_length=40,
        description="For numbers student_t, welch_t, mann_whitney; for words chi_square, chi_square_yates, fisher.",
    )


class TableAsk(Cohort):
    """A table of counts and figures."""

    unit: Literal["patient", "operation", "vertebra", "site", "visit", "complication"] = Field(
        description="What is counted."
    )
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


class ListAsk(Narrowed):
    """One row for each thing, as a small series prints its patients. For a page only: it tells of single patients."""

    unit: Literal["patient", "operation", "vertebra"] = Field(description="What a row stands for.")
    fields: list[str] = Field(min_length=1, max_length=30, description="kind.field of each column.")


Asked = TypeVar("Asked", bound=Narrowed)


class Page(Question):
    """The questions behind the tables of one paper or report."""

    title: str
    where: list[Where] = Field([], max_length=20, description="Conditions of every question, such as the site.")
    table: list[TableAsk] = []
    course: list[CourseAsk] = []
    leaks: list[LeaksAsk] = []
    survival: list[Cohort] = []
    rows: list[ListAsk] = []

    def asked(self, questions: Sequence[Asked]) -> list[Asked]:
        """``questions`` of this page's records alone."""
        return [ask.model_copy(update={"where": [*self.where, *ask.where]}) for ask in questions]


def read_page(text: str) -> Page:
    """The questions that ``text`` (TOML) holds. ValueError says where and what was expected."""
    try:
        return Page.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not TOML: {error}") from None
    except ValidationError as error:
        first = problems_of(error)[0]
        raise ValueError(f"{first['field']}: {first['expected']}") from None


def table_of(engine: Engine, ask: TableAsk) -> CohortTable:
    """The answer to a table. Raises ImpossibleAnswer."""
    from service.clinical.cohort import cohort_table

    fields = {each.field: each.test for each in ask.fields}
    return cohort_table(engine, ask.unit, fields, **_narrowed(ask))


def course_of(engine: Engine, ask: CourseAsk) -> CohortCourse:
    """The answer to a course. Raises ImpossibleAnswer."""
    from service.clinical.cohort_series import cohort_course

    return cohort_course(engine, ask.field, pair_test=ask.pair_test, course_test=ask.course_test, **_narrowed(ask))


def leaks_of(engine: Engine, ask: LeaksAsk) -> CohortLeaks:
    """The answer to leaks by site. Raises ImpossibleAnswer."""
    from service.clinical.cohort_series import cohort_leaks

    return cohort_leaks(engine, ask.seen_with, test=ask.test, **_narrowed(ask))


def survival_of(engine: Engine, ask: Cohort) -> CohortSurvival:
    """The answer to survival. Raises ImpossibleAnswer."""
    from service.clinical.cohort_series import cohort_survival

    return cohort_survival(engine, **_narrowed(ask))


def list_of(engine: Engine, ask: ListAsk) -> list[dict[str, str]]:
    """The rows of a list. Raises ImpossibleAnswer."""
    from service.clinical.cohort_list import cohort_list

    return cohort_list(engine, ask.unit, ask.fields, where=conditions_of(ask))


def conditions_of(ask: Narrowed) -> list[Condition]:
    """The conditions of a question, their values fit for their fields. Raises ImpossibleAnswer."""
    return conditions_among(ask.where)


def conditions_among(where: Sequence[Where]) -> list[Condition]:
    """Conditions, their values fit for their fields. Raises ImpossibleAnswer."""
    return [_condition(each) for each in where]


def _narrowed(ask: Cohort) -> dict[str, Any]:
    return {"where": conditions_of(ask), "group": ask.group}


def _condition(where: Where) -> Condition:
    """A database compares a text with no number, so each value must be of its field's kind."""
    nature = nature_of(where.field)
    if (nature is None and not where.field.endswith("_on")) or nature == "words":
        raise ImpossibleAnswer("where.field", "expected kind.field that holds a number, a word or a day")
    is_flag = nature == "word" and where.field.partition(".")[2].startswith(("is_", "has_"))
    wanted, words = (bool, "true or false") if is_flag else (float, "numbers") if nature == "number" else (str, "texts")
    told = [*(where.among or ()), *(each for each in (where.low, where.high) if each is not None)]
    if any(type(each) is not wanted for each in told):
        raise ImpossibleAnswer("where", f"expected {words}")
    among = None if where.among is None else tuple(where.among)
    return Condition(field=where.field, among=among, low=where.low, high=where.high)
