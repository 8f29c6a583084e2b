"""Answers of a page of questions as Markdown: the tables of a paper, by one command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from db.connect import Engine
from service.clinical.cohort_answers import (
    CohortCourse,
    CohortLeaks,
    CohortSurvival,
    CohortTable,
    OutcomeAnswer,
    ShareAnswer,
    SpreadAnswer,
)
from service.clinical.figures import p_text
from service.clinical.questions import Page, course_of, leaks_of, list_of, survival_of, table_of


def page_of(engine: Engine, page: Page, safety: str) -> Iterator[str]:
    """The page line by line, first and last the safety words. Raises ImpossibleAnswer."""
    yield from (f"# {page.title}", "", safety, "")
    for table in page.asked(page.table):
        yield from _section(table.label or f"By {table.unit}", _table(table_of(engine, table)))
    for course in page.asked(page.course):
        yield from _section(course.label or course.field, _course(course_of(engine, course)))
    for leaks in page.asked(page.leaks):
        yield from _section(leaks.label or f"Leaks, {leaks.seen_with}", _leaks(leaks_of(engine, leaks)))
    for survival in page.asked(page.survival):
        yield from _section(survival.label or "Survival", _survival(survival_of(engine, survival)))
    for rows in page.asked(page.rows):
        yield from _section(rows.label or f"Each {rows.unit}", _list(rows.fields, list_of(engine, rows)))
    yield safety


def share_text(told: ShareAnswer) -> str:
    """``19/50 (38.0 %; 24.7-52.8)``: fraction, percentage, exact interval."""
    if told.percent is None or told.exact is None:
        return f"{told.numerator}/{told.denominator}"
    span = f"{told.exact.low:.1f}-{told.exact.high:.1f}"
    return f"{told.numerator}/{told.denominator} ({told.percent:.1f} %; {span})"


def spread_text(told: SpreadAnswer) -> str:
    """``3.22 ± 0.84 (n 50); 3.10 (2.50-4.00; 1.00-5.00)``: mean, SD, n; median, quartiles, range."""
    if told.mean is None:
        return "n 0"
    sd = "-" if told.sd is None else f"{told.sd:.2f}"
    rest = f"{told.median:.2f} ({told.q1:.2f}-{told.q3:.2f}; {told.low:.2f}-{told.high:.2f})"
    return f"{told.mean:.2f} ± {sd} (n {told.n}); {rest}"


def outcome_text(told: OutcomeAnswer | None) -> str:
    """Test, options and p in words; nothing where no test was asked for."""
    if told is None:
        return ""
    p = "no answer" if told.p is None else f"p {p_text(told.p)}"
    options = f" ({told.options})" if told.options else ""
    return f"{told.name}{options}: {p}{f', {told.remark}' if told.remark else ''}"


def _section(label: str, lines: Iterator[str]) -> Iterator[str]:
    yield from (f"## {label}", "")
    yield from lines
    yield ""


def _table(told: CohortTable) -> Iterator[str]:
    yield from _head("", *(f"{name} (n {n})" for name, n in told.groups.items()), "test")
    for row in told.rows:
        if row.groups:
            yield _row(row.field, *map(spread_text, row.groups.values()), outcome_text(row.test))
        else:
            yield _row(row.field, *("" for _ in told.groups), outcome_text(row.test))
        for line in row.values:
            yield _row(f"- {line.value}", *map(share_text, line.groups.values()), "")
    yield from _notes(
        "Shares: fraction (percent; exact 95 %). Numbers: mean ± SD (n); median (quartiles; range).", told
    )


def _course(told: CohortCourse) -> Iterator[str]:
    names = list(told.points[0].groups) if told.points else []
    yield from _head("", *names, "against before")
    for point in told.points:
        tests = [f"{name}: {outcome_text(each)}" for name, each in point.against_before.items()]
        yield _row(point.time_point, *(spread_text(point.groups[name]) for name in names), "; ".join(tests))
    for name, each in told.overall.items():
        yield from ("", f"{name}, all times: {outcome_text(each)}")
    yield from _notes("Mean ± SD (n); median (quartiles; range).", told)


def _leaks(told: CohortLeaks) -> Iterator[str]:
    yield from _head(f"seen with {', '.join(told.modalities)}", *told.groups)
    groups = told.groups.values()
    yield _row("vertebrae with a leak", *(share_text(each.vertebrae) for each in groups))
    yield _row("patients with a leak", *(share_text(each.patients) for each in groups))
    yield _row("sites", *(str(each.n_sites) for each in groups))
    for site in sorted({site for each in groups for site in each.sites}):
        yield _row(f"- {site}", *(share_text(each.sites[site]) for each in groups))
    if told.test is not None:
        yield from ("", outcome_text(told.test))
    yield from _notes("Of the vertebrae examined this way; exact 95 %.", told)


def _survival(told: CohortSurvival) -> Iterator[str]:
    yield from _head("", "patients", "deaths", "median survival (months)", "follow-up (months)")
    for name, each in told.groups.items():
        median = "not reached" if each.median_months is None else f"{each.median_months:.1f}"
        yield _row(name, str(each.n), str(each.n_deaths), median, spread_text(each.observed_months))
    if told.test is not None:
        yield from ("", outcome_text(told.test))
    yield from _notes("Kaplan-Meier from the first operation; follow-up to death or the last news.", told)


def _list(fields: Sequence[str], rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    yield from _head("", *fields)
    for number, row in enumerate(rows, start=1):
        yield _row(str(number), *(row[name] for name in fields))
    yield from ("", "What is not known is left empty.")


def _head(*cells: str) -> Iterator[str]:
    yield _row(*cells)
    yield _row(*("---" for _ in cells))


def _row(*cells: str) -> str:
    """What somebody wrote into a record ends neither the cell nor the row."""
    return f"| {' | '.join(' '.join(cell.replace('|', '/').split()) for cell in cells)} |"


def _notes(legend: str, told: CohortTable | CohortCourse | CohortLeaks | CohortSurvival) -> Iterator[str]:
    yield from ("", legend)
    warnings: Sequence[str] = told.warnings
    yield from (f"* {warning}" for warning in warnings)
