"""What a cohort table holds, field by field."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """A part of a cohort's answer."""

    model_config = ConfigDict(from_attributes=True, extra="ignore")


class SpanAnswer(Answer):
    """An interval of percentages."""

    low: float = Field(description="Lower end; percent.")
    high: float = Field(description="Upper end; percent.")
    level: float = Field(description="Confidence level, 0 to 1.")
    method: str = Field(description="Clopper-Pearson or Wilson.")


class ShareAnswer(Answer):
    """A count of a whole; never a percentage alone."""

    numerator: int = Field(description="Count.")
    denominator: int = Field(description="Of how many that are known; count.")
    unit: str = Field(description="What is counted: patient, operation, vertebra or site.")
    percent: float | None = Field(None, description="Percentage; null of nothing.")
    exact: SpanAnswer | None = Field(None, description="Exact interval.")
    wilson: SpanAnswer | None = Field(None, description="Wilson interval.")


class SpreadAnswer(Answer):
    """What a column of numbers comes to, in the unit of its field."""

    n: int = Field(description="Known values; count.")
    n_missing: int = Field(description="Values that are not known; count.")
    mean: float | None = Field(None, description="Mean.")
    sd: float | None = Field(None, description="Standard deviation of the sample.")
    median: float | None = Field(None, description="Median.")
    q1: float | None = Field(None, description="Lower quartile.")
    q3: float | None = Field(None, description="Upper quartile.")
    low: float | None = Field(None, description="Smallest.")
    high: float | None = Field(None, description="Largest.")


class OutcomeAnswer(Answer):
    """What a named test says."""

    name: str = Field(description="Name of the test.")
    options: str = Field(description="Its options, in words.")
    n: dict[str, int] = Field(description="On how many; counts.")
    statistic: float | None = Field(None, description="Test statistic.")
    df: tuple[float, ...] = Field((), description="Degrees of freedom.")
    p: float | None = Field(None, description="p value; null where the test has no answer.")
    remark: str = Field("", description="Why there is no answer, or what to keep in mind.")


class WordRow(Answer):
    """One value of a coded field, counted in each group."""

    value: str = Field(description="The coded value.")
    groups: dict[str, ShareAnswer] = Field(description="Share by group.")


class TableRow(Answer):
    """One field of a cohort table."""

    field: str = Field(description="kind.field.")
    missing: dict[str, int] = Field(description="Not known, by group; counts.")
    values: list[WordRow] = Field([], description="Of a coded field: each value.")
    groups: dict[str, SpreadAnswer] = Field({}, description="Of a number: its figures by group.")
    test: OutcomeAnswer | None = Field(None, description="The test that was asked for.")


class CohortTable(Answer):
    """Counts and figures by group."""

    unit: str = Field(description="What is counted.")
    groups: dict[str, int] = Field(description="Size of each group; counts.")
    rows: list[TableRow] = Field(description="One row for each field.")
    warnings: list[str] = Field(description="What does not add up, in words.")


class CoursePoint(Answer):
    """One time point."""

    time_point: str = Field(description="before, h24, ..., later.")
    groups: dict[str, SpreadAnswer] = Field(description="Figures by group.")
    against_before: dict[str, OutcomeAnswer] = Field({}, description="Paired test against before, by group.")


class CohortCourse(Answer):
    """One measure over time."""

    field: str = Field(description="The measure.")
    points: list[CoursePoint] = Field(description="Time points in order.")
    overall: dict[str, OutcomeAnswer] = Field({}, description="Test over all time points, complete cases, by group.")
    warnings: list[str] = Field(description="What does not add up, in words.")


class LeakGroup(Answer):
    """Leaks of one group."""

    vertebrae: ShareAnswer = Field(description="Vertebrae with a leak, of those examined.")
    patients: ShareAnswer = Field(description="Patients with a leak, of those with an examined vertebra.")
    n_sites: int = Field(description="Sites; count; at least the leaking vertebrae.")
    sites: dict[str, ShareAnswer] = Field(description="Vertebrae with a leak at this site, of those examined.")
    n_not_examined: int = Field(description="Vertebrae that were not examined this way, or nobody said so; count.")


class CohortLeaks(Answer):
    """Leaks by site; one modality at a time, they are different quantities."""

    seen_with: str = Field(description="fluoroscopy or ct.")
    modalities: list[str] = Field(description="The modalities that count as this.")
    groups: dict[str, LeakGroup] = Field(description="By group.")
    test: OutcomeAnswer | None = Field(None, description="Test of leaking vertebrae between groups.")
    warnings: list[str] = Field(description="What does not add up, in words.")


class CurveStep(Answer):
    """One step of a survival curve."""

    months: float = Field(description="Time since the first operation; months.")
    n_at_risk: int = Field(description="At risk just before; count.")
    n_deaths: int = Field(description="Deaths at this time; count.")
    survival: float = Field(description="Share alive just after, 0 to 1.")
    low: float | None = Field(None, description="Lower end of the 95 % interval, 0 to 1.")
    high: float | None = Field(None, description="Upper end of the 95 % interval, 0 to 1.")


class CurveAnswer(Answer):
    """Kaplan-Meier of one group."""

    n: int = Field(description="Patients; count.")
    n_deaths: int = Field(description="Deaths; count.")
    median_months: float | None = Field(None, description="Median survival; null while more than half live; months.")
    steps: list[CurveStep] = Field(description="Steps in order of time.")
    observed_months: SpreadAnswer = Field(description="From the first operation to death or the last news; months.")
    method: str = Field(description="Method and interval.")


class CohortSurvival(Answer):
    """Survival from the first operation."""

    groups: dict[str, CurveAnswer] = Field(description="By group.")
    test: OutcomeAnswer | None = Field(None, description="Log-rank test between groups.")
    warnings: list[str] = Field(description="What does not add up, in words.")


class ZoneAgreement(Answer):
    """Leaks into one zone."""

    found: ShareAnswer = Field(description="Confirmed leaks about which there was a live alert, of all confirmed.")
    delay_s: SpreadAnswer = Field(
        description="From when the leak first was visible, by whoever read the frames, to the alert; s."
    )


class Agreement(Answer):
    """Live alerts against the final record."""

    n_procedures: int = Field(description="Operations that were watched live and have a record; count.")
    fluoroscopy: dict[str, ZoneAgreement] = Field(description="Leaks that the screen or a radiograph showed, by zone.")
    ct: dict[str, ZoneAgreement] = Field(description="Leaks that only CT showed, by zone.")
    true_alerts: ShareAnswer = Field(
        description="Leak alerts of HIGH and MEDIUM priority that a confirmed leak bears out, of all such alerts."
    )
    true_silent_alerts: ShareAnswer = Field(description="The same of alerts of LOW priority, which make no sound.")
    false_by_zone: dict[str, int] = Field(
        description="Leak alerts of HIGH and MEDIUM priority without a confirmed leak, by zone; counts."
    )
    false_per_procedure: float | None = Field(None, description="Such false leak alerts per procedure; count.")
    warnings: list[str] = Field(description="What limits these numbers, in words.")
