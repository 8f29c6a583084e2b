"""How a published summary is written down to be checked: what it prints, where, and in which unit. One TOML file."""

from __future__ import annotations

import tomllib
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.clinical.instruments import ImpossibleAnswer
from service.clinical.scores import INSTRUMENTS
from service.clinical.shape import problems_of

Printed = Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?$", description="A number as it is printed, digits and all.")]


class Unreadable(ValueError):
    """The file is no published summary; says where and what was expected."""


class Part(BaseModel):
    """A section of the file."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class Fraction(Part):
    """A count of a whole, with the percentages that are printed for it, by place."""

    label: str
    numerator: int = Field(ge=0)
    denominator: int = Field(gt=0)
    unit: str
    printed: dict[str, Printed] = {}
    wording: str | None = None


class Sum(Part):
    """Parts that should add up to a whole. Unit percent: up to the rounding of the parts."""

    label: str
    whole: float
    unit: str
    parts: dict[str, Printed]


class Leaks(Part):
    """Leaking vertebrae against sites; the modality is part of the number."""

    label: str
    modality: str
    vertebrae: int = Field(gt=0)
    leaking: int = Field(ge=0)
    sites: dict[str, Annotated[int, Field(ge=0)]]


class Stated(Part):
    """One fact, told in several places. With a denominator the values are counts of it."""

    label: str
    values: dict[str, str]
    denominator: int | None = Field(None, gt=0)
    unit: str | None = None

    @model_validator(mode="after")
    def _counts(self) -> Self:
        whole = self.denominator
        if whole is not None and any(not value.isdecimal() or int(value) > whole for value in self.values.values()):
            raise ValueError(f"expected counts from 0 to the denominator {whole}")
        return self


class Reach(Part):
    """A printed range, and single values that are told elsewhere."""

    label: str
    low: float
    high: float
    unit: str
    seen: dict[str, float] = {}


class Words(Part):
    """A way of putting it, such as ``median +- SD``."""

    label: str
    printed: str
    means: str | None = None


class Point(Part):
    """Mean and SD at one time. Without n the number of the series is assumed, and that is said."""

    mean: float
    sd: float = Field(ge=0)
    n: int | None = Field(None, gt=1)


class Claim(Part):
    """What the text says of two or more times: no_difference, difference, or a printed p."""

    says: Literal["no_difference", "difference", "p"]
    times: Annotated[list[str], Field(min_length=2)]
    printed: str
    p: float | None = Field(None, ge=0, le=1)
    test: str | None = None
    also_n: list[int] = []


class Named(Part):
    """A value that the text puts into a class of a score."""

    time: str
    instrument: str
    scheme: str
    printed: str

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.instrument not in INSTRUMENTS:
            raise ValueError(f"instrument: expected one of {', '.join(INSTRUMENTS)}")
        try:
            INSTRUMENTS[self.instrument].scheme(self.scheme)
        except ImpossibleAnswer as unknown:
            raise ValueError(f"{unknown.field}: {unknown.expected}") from None
        return self


class Course(Part):
    """Mean and SD of one measure over time."""

    label: str
    low: float
    high: float
    n: int = Field(gt=1)
    points: dict[str, Point]
    claims: list[Claim] = []
    classes: list[Named] = []


class Published(Part):
    """A whole paper's numbers."""

    title: str
    units: dict[str, int] = {}
    fraction: list[Fraction] = []
    sum: list[Sum] = []
    leaks: list[Leaks] = []
    stated: list[Stated] = []
    reach: list[Reach] = []
    words: list[Words] = []
    course: list[Course] = []


def read(text: str) -> Published:
    """The summary that ``text`` (TOML) holds. Raises Unreadable."""
    try:
        told = Published.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Unreadable(f"not TOML: {error}") from None
    except ValidationError as error:
        first = problems_of(error)[0]
        raise Unreadable(f"{first['field']}: {first['expected']}") from None
    for course in told.course:
        for times in [*(claim.times for claim in course.claims), *([each.time] for each in course.classes)]:
            missing = [time for time in times if time not in course.points]
            if missing:
                raise Unreadable(f"course {course.label}: expected times among its points, not {missing[0]}")
    return told
