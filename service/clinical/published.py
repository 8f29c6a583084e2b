"""How a published summary is written down to be checked: what it prints, where, and in which unit. One TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction as Ratio
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from service.clinical.cohort_fields import UNITS
from service.clinical.grid import Grid
from service.clinical.grid import Printed as PrintedMean
from service.clinical.instruments import ImpossibleAnswer
from service.clinical.questions import FieldName, Where
from service.clinical.scores import INSTRUMENTS
from service.clinical.shape import problems_of

Printed = Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?$", description="A number as it is printed, digits and all.")]


Step = Annotated[Decimal, Field(gt=0, description="How fine values may be.")]


FieldOrNone = Field(None, pattern=r"^[a-z_]+\.[a-z0-9_]+$", max_length=80, description="kind.field of the record.")


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
    where: list[Where] = Field([], description="Which things of the record the numerator counts.")
    is_made: bool = Field(default=False, description="Nothing else makes it: so many are given the first of each code.")

    @model_validator(mode="after")
    def _counted(self) -> Self:
        if self.where:
            _countable(self.unit)
        if self.is_made and (self.unit != "patient" or not self.where or not all(each.among for each in self.where)):
            raise ValueError("is_made: expected patients, and where with codes to give them")
        return self


Codes = dict[str, str | bool | list[str]]
"""The code of the record, or several, that a printed word stands for; without one the word is the code."""


class Sum(Part):
    """Parts that should add up to a whole. Unit percent: up to the rounding of the parts.

    With ``field`` the record holds them, for visits at ``time``. Where the parts leave something over, ``rest`` says what
    patients are made to have instead, or they have nothing.
    """

    label: str
    whole: float
    unit: str
    parts: dict[str, Printed]
    field: str | None = FieldOrNone
    codes: Codes = {}
    rest: list[str] = []
    time: str | None = None
    of: dict[str, Annotated[int, Field(gt=0)]] = Field({}, description="What parts in percent may be percent of.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.field is not None and not all(count.isdecimal() for count in self.parts.values()):
            raise ValueError("parts: expected counts where the record holds them (field)")
        return self

    def codes_of(self, part: str) -> list[str | bool]:
        """What the record says where the paper says ``part``."""
        codes = self.codes.get(part, part)
        return [*codes] if isinstance(codes, list) else [codes]


class Leaks(Part):
    """Leaking vertebrae against sites; the modality is part of the number."""

    label: str
    modality: str
    vertebrae: int = Field(gt=0)
    leaking: int = Field(ge=0)
    sites: dict[str, Annotated[int, Field(ge=0)]]
    seen_with: Literal["fluoroscopy", "ct"] | None = None
    patients: int | None = Field(None, gt=0, description="Patients with a leak.")
    codes: dict[str, str] = {}
    regions: dict[str, list[str]] = Field({}, description="Vertebrae of each region that by_region names.")
    by_region: dict[str, dict[str, int]] = Field({}, description="Of a site, how many in which region.")


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


class MeanAndSd(Part):
    """A mean and an SD, with the decimals that are printed."""

    mean: float
    sd: float = Field(ge=0)
    mean_decimals: int = Field(0, exclude=True)
    sd_decimals: int = Field(0, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _count_decimals(cls, told: Any) -> Any:
        """``83.40`` says more than 83.4: how far a number may have been rounded."""
        if not isinstance(told, Mapping):
            return told
        exponents = {
            name: told[name].as_tuple().exponent for name in ("mean", "sd") if isinstance(told.get(name), Decimal)
        }
        finite = {name: each for name, each in exponents.items() if isinstance(each, int)}
        return {**told, **{f"{name}_decimals": max(0, -each) for name, each in finite.items()}}

    def printed(self, n: int) -> PrintedMean:
        """As ``n`` values may have given it."""
        return PrintedMean(
            mean=Ratio(str(self.mean)),
            sd=Ratio(str(self.sd)),
            n=n,
            mean_half=Ratio(1, 2 * 10**self.mean_decimals),
            sd_half=Ratio(1, 2 * 10**self.sd_decimals),
        )


class Point(MeanAndSd):
    """Mean and SD at one time. Without n the number of the series is assumed, and that is said."""

    n: int | None = Field(None, gt=1)


class Figure(MeanAndSd):
    """Mean, SD and range of a number that the record holds."""

    label: str
    field: str = FieldName
    unit: str
    n: int = Field(gt=1)
    low: float
    high: float
    step: Step = Decimal(1)

    @model_validator(mode="after")
    def _counted(self) -> Self:
        _countable(self.unit)
        _in_order(self.low, self.high)
        return self

    def grid(self) -> Grid:
        """The values that may have been written down."""
        return grid_of(self.low, self.high, self.step)


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


def _countable(unit: str) -> None:
    if unit not in UNITS:
        raise ValueError(f"unit: expected one of {', '.join(UNITS)}")


def _in_order(low: float, high: float) -> None:
    if high < low:
        raise ValueError("high: expected no less than low")


def grid_of(low: float, high: float, step: Decimal) -> Grid:
    """From ``low`` to ``high`` in steps."""
    size = Ratio(step)
    return Grid(step=size, low=round(Ratio(str(low)) / size), high=round(Ratio(str(high)) / size))


class Course(Part):
    """Mean and SD of one measure over time. ``steps``: how fine the values may be, the likeliest first."""

    label: str
    low: float
    high: float
    n: int = Field(gt=1)
    points: dict[str, Point]
    claims: list[Claim] = []
    classes: list[Named] = []
    field: str | None = FieldOrNone
    times: dict[str, str] = Field({}, description="The record's time point of each point; without one its own name.")
    steps: list[Step] = []

    @model_validator(mode="after")
    def _has_a_scale(self) -> Self:
        _in_order(self.low, self.high)
        return self

    def grids(self) -> list[Grid]:
        """Every fineness of the scale."""
        return [grid_of(self.low, self.high, step) for step in self.steps]


class Published(Part):
    """A whole paper's numbers."""

    title: str
    units: dict[str, Annotated[int, Field(gt=0)]] = {}
    site: str | None = Field(None, max_length=200, description="patient.site of the series in the record.")
    kind: str | None = Field(None, description="operation.kind of the series.")
    fraction: list[Fraction] = []
    sum: list[Sum] = []
    leaks: list[Leaks] = []
    stated: list[Stated] = []
    reach: list[Reach] = []
    words: list[Words] = []
    course: list[Course] = []
    figure: list[Figure] = []


def read(text: str) -> Published:
    """The summary that ``text`` (TOML) holds. Raises Unreadable."""
    try:
        told = Published.model_validate(tomllib.loads(text, parse_float=Decimal))
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
