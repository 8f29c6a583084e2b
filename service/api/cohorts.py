"""Cohorts over HTTP: tables, courses, leaks and survival of many records. Asked with POST, for a question has parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fastapi import APIRouter

from db.connect import Engine
from service.api.deps import DepsHere
from service.api.errors import bad_field
from service.clinical import questions
from service.clinical.cohort_answers import CohortCourse, CohortLeaks, CohortSurvival, CohortTable
from service.clinical.instruments import ImpossibleAnswer

router = APIRouter(prefix="/cohorts", tags=["cohorts"])

Asked = TypeVar("Asked")
Told = TypeVar("Told")


@router.post("/table", response_model=CohortTable)
def make_table(deps: DepsHere, body: questions.TableAsk) -> CohortTable:
    """Counts with numerator, denominator and unit; numbers with mean, SD, median, quartiles, range and n."""
    return answered(questions.table_of, deps.engine, body)


@router.post("/course", response_model=CohortCourse)
def make_course(deps: DepsHere, body: questions.CourseAsk) -> CohortCourse:
    """One measure at every time point, with n at each, and paired tests against before."""
    return answered(questions.course_of, deps.engine, body)


@router.post("/leaks", response_model=CohortLeaks)
def make_leaks(deps: DepsHere, body: questions.LeaksAsk) -> CohortLeaks:
    """Confirmed leaks by vertebra, patient and site, of those examined in one way."""
    return answered(questions.leaks_of, deps.engine, body)


@router.post("/survival", response_model=CohortSurvival)
def make_survival(deps: DepsHere, body: questions.Cohort) -> CohortSurvival:
    """Kaplan-Meier from the first operation, with the log-rank test between groups."""
    return answered(questions.survival_of, deps.engine, body)


def answered(answer: Callable[[Engine, Asked], Told], engine: Engine, ask: Asked) -> Told:
    """The answer, or 400 that names the part of the question that makes no sense."""
    try:
        return answer(engine, ask)
    except ImpossibleAnswer as bad:
        raise bad_field(bad.field, bad.expected) from None
    except KeyError:
        raise bad_field("where", "expected a field of the unit, of its owners or of what it owns") from None
