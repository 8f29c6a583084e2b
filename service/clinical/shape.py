"""How a thing of the record is written down and checked: one field, one sentence, one unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from service.clinical.instruments import ImpossibleAnswer
from service.clinical.scores import INSTRUMENTS, score
from service.clinical.scores_spine import LEVELS
from service.expected import ID_PATTERN, LISTED_PATTERN, TEXT_PATTERN, expected_of

Id = Annotated[str, Field(pattern=ID_PATTERN)]
Note = Annotated[str, Field(max_length=4000, pattern=TEXT_PATTERN)]
Word = Annotated[str, Field(max_length=200, pattern=TEXT_PATTERN)]
Listed = Annotated[str, Field(max_length=200, pattern=LISTED_PATTERN)]
"""A word of a list, which stands between semicolons in a table."""
Gauge = Annotated[float, Field(ge=6, le=30)]
Months = Annotated[float, Field(ge=0, le=600)]
Millilitres = Annotated[float, Field(ge=0, le=50)]


class Shape(BaseModel):
    """One kind of thing. What is not known is null, never 0; a field that is not known here is an error."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def in_order(first: str, then: str, *, blamed: str, rule: str) -> Any:
    """A check between two fields of a shape: where both are known, ``then`` is not before ``first``."""

    def check(shape: Any) -> Any:
        early, late = getattr(shape, first), getattr(shape, then)
        if early and late and late < early:
            raise ValueError(f"{blamed}: expected {rule}")
        return shape

    return model_validator(mode="after")(check)


def _vertebra(level: str) -> str:
    if level not in LEVELS:
        raise ValueError("expected a vertebra from C1 to S5")
    return level


def _plausible(day: date) -> date:
    if not 1900 <= day.year <= 2200:
        raise ValueError("expected a date between 1900 and 2200")
    return day


Vertebra = Annotated[str, AfterValidator(_vertebra), WithJsonSchema({"type": "string", "enum": list(LEVELS)})]
Day = Annotated[date, AfterValidator(_plausible)]
Moment = AwareDatetime


def answers_to(instrument: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A check that lets only possible answers through."""

    def check(answers: dict[str, Any]) -> dict[str, Any]:
        score(instrument, answers)
        return answers

    return check


def sentence_of(instrument: str) -> str:
    """Name and items of an instrument, for the dictionary."""
    each = INSTRUMENTS[instrument]
    return f"{each.label}: the answers by item; {each.missing}"


OdiAnswers = Annotated[dict[str, Any], AfterValidator(answers_to("odi"))]
BarthelAnswers = Annotated[dict[str, Any], AfterValidator(answers_to("barthel"))]
Bm22Answers = Annotated[dict[str, Any], AfterValidator(answers_to("bm22"))]
SinsAnswers = Annotated[dict[str, Any], AfterValidator(answers_to("sins"))]
TomitaAnswers = Annotated[dict[str, Any], AfterValidator(answers_to("tomita"))]
TokuhashiAnswers = Annotated[dict[str, Any], AfterValidator(answers_to("tokuhashi"))]

SCORED: Mapping[str, str] = {
    "odi": "odi_percent",
    "barthel": "barthel_total",
    "bm22": "bm22_sum",
    "sins": "sins_total",
    "tomita": "tomita_total",
    "tokuhashi": "tokuhashi_total",
}
"""Fields that hold the answers of the instrument of the same name, and the derived value that stands beside them."""


def problems_of(error: ValidationError | ImpossibleAnswer) -> list[dict[str, str]]:
    """Each field that is wrong and what was expected of it; what was given is never repeated."""
    if isinstance(error, ImpossibleAnswer):
        return [{"field": error.field, "expected": error.expected}]
    return [{"field": _place(told["loc"]), "expected": expected_of(told)} for told in error.errors(include_input=False)]


def _place(location: Sequence[Any]) -> str:
    return ".".join(map(str, location)) or "record"
