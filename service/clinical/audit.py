"""Whether the numbers of a published summary hold together. What does not is flagged beside the number, not repaired."""

from __future__ import annotations

import re
from collections.abc import Iterator

from service.clinical.audit_course import course_findings, figure_findings
from service.clinical.figures import printed_as, rounded, share
from service.clinical.finding import Finding, Verdict
from service.clinical.published import Fraction, Leaks, Published, Reach, Stated, Sum, Words

__all__ = ["Finding", "Verdict", "audit"]


def audit(published: Published) -> list[Finding]:
    """Every finding, in the order of the file's sections."""
    found: list[Finding] = []
    for fraction in published.fraction:
        found.extend(_fraction(fraction, published.units))
    for total in published.sum:
        found.append(_sum(total))
        found.extend(_percent_of_what(total))
    for leaks in published.leaks:
        found.extend(_leaks(leaks))
    found.extend(map(_stated, published.stated))
    found.extend(map(_reach, published.reach))
    found.extend(map(_words, published.words))
    for course in published.course:
        found.extend(course_findings(course))
    for figure in published.figure:
        found.extend(figure_findings(figure))
    return found


def told(numerator: int, denominator: int, unit: str) -> str:
    """A fraction as a sentence should print it: fraction, unit, percentage, exact interval."""
    counted = share(numerator, denominator, unit)
    assert counted.percent is not None and counted.exact is not None  # noqa: S101, PT018 - the denominator is not 0
    span = f"exact 95 % {rounded(counted.exact.low)}-{rounded(counted.exact.high)}"
    return f"{numerator}/{denominator} ({unit}) is {rounded(counted.percent)} %, {span}"


def _fraction(fraction: Fraction, units: dict[str, int]) -> Iterator[Finding]:
    if fraction.numerator > fraction.denominator:
        yield Finding(Verdict.FLAG, fraction.label, "", "more than all: the numerator is above the denominator")
        return
    words = told(fraction.numerator, fraction.denominator, fraction.unit)
    percent = 100.0 * fraction.numerator / fraction.denominator
    for place, printed in fraction.printed.items():
        holds = printed_as(percent, printed)
        other = "" if holds else _other_source(printed, fraction, units)
        verdict = Verdict.REPRODUCES if holds else Verdict.FLAG
        yield Finding(verdict, fraction.label, f"{printed} % ({place})", f"{words}{other}")
    if fraction.wording:
        yield Finding(Verdict.FLAG, fraction.label, fraction.wording, f"wording against the count: {words}")
    elif not fraction.printed:
        yield Finding(Verdict.NOTE, fraction.label, "", words)


def _other_source(printed: str, fraction: Fraction, units: dict[str, int]) -> str:
    """Another fraction of the same paper that the printed percentage would fit."""
    for unit, whole in units.items():
        for count in range(whole + 1):
            is_other = (count, whole) != (fraction.numerator, fraction.denominator)
            if is_other and whole != fraction.denominator and printed_as(100.0 * count / whole, printed):
                return f"; {printed} % would be {count}/{whole} ({unit})"
    return ""


def _sum(total: Sum) -> Finding:
    added = sum(map(float, total.parts.values()))
    shown = f"{' + '.join(total.parts.values())} = {total.whole:g} ({total.unit})"
    slack = 0.0
    if total.unit == "percent":
        slack = sum(0.5 * 10.0 ** -len(part.partition(".")[2]) for part in total.parts.values())
    gap = total.whole - added
    if abs(gap) <= slack + 1e-9:
        return Finding(Verdict.REPRODUCES, total.label, shown, f"the parts add up to {added:g}")
    which = "missing" if gap > 0 else "too many"
    return Finding(Verdict.FLAG, total.label, shown, f"the parts add up to {added:g}: {abs(gap):g} {which}")


def _percent_of_what(total: Sum) -> Iterator[Finding]:
    """Whether parts in percent are counts of the first whole that is named; if not, of which other one."""
    told = {unit: _counts(total, whole) for unit, whole in total.of.items()}
    if not told:
        return
    unit, whole = next(iter(total.of.items()))
    shown = f"{' / '.join(total.parts.values())} % of {whole} ({unit})"
    missing = [part for part, count in zip(total.parts.values(), told[unit], strict=True) if count is None]
    if not missing and sum(each or 0 for each in told[unit]) == whole:
        words = f"{' + '.join(map(str, told[unit]))} = {whole}"
        yield Finding(Verdict.REPRODUCES, f"{total.label}: of what", shown, words)
        return
    words = f"no count gives {', '.join(missing)} %" if missing else "the counts do not add up to the whole"
    for other, counts in told.items():
        if other != unit and sum(each or 0 for each in counts) == total.of[other] and None not in counts:
            words += f"; of {total.of[other]} ({other}) they are {' + '.join(map(str, counts))}"
    yield Finding(Verdict.FLAG, f"{total.label}: of what", shown, words)


def _counts(total: Sum, whole: int) -> list[int | None]:
    """The count behind each percentage; None where no count of ``whole`` rounds to it."""
    near = [(part, round(float(part) * whole / 100)) for part in total.parts.values()]
    return [count if printed_as(100.0 * count / whole, part) else None for part, count in near]


def _leaks(leaks: Leaks) -> Iterator[Finding]:
    n_sites = sum(leaks.sites.values())
    shown = f"{leaks.leaking} leaking vertebrae, {n_sites} sites ({leaks.modality})"
    if n_sites < leaks.leaking or leaks.leaking > leaks.vertebrae:
        words = "every leaking vertebra has at least one site, and no more leak than were treated"
        yield Finding(Verdict.FLAG, leaks.label, shown, words)
    elif n_sites > leaks.leaking:
        extra = n_sites - leaks.leaking
        words = f"holds only if vertebrae have more than one site: {extra} more sites than leaking vertebrae"
        yield Finding(Verdict.NOTE, leaks.label, shown, words)
    else:
        yield Finding(Verdict.REPRODUCES, leaks.label, shown, "one site for each leaking vertebra")
    for site, count in leaks.sites.items():
        words = told(min(count, leaks.vertebrae), leaks.vertebrae, "vertebra, if one each")
        yield Finding(Verdict.NOTE, f"{leaks.label}, {site}", str(count), words)


def _stated(stated: Stated) -> Finding:
    shown = "; ".join(f"{value} ({place})" for place, value in stated.values.items())
    if len(set(stated.values.values())) == 1:
        return Finding(Verdict.REPRODUCES, stated.label, shown, "told alike everywhere")
    words = "the places contradict each other"
    if stated.denominator is not None:
        counts = sorted({int(value) for value in stated.values.values()})
        words += ": " + "; ".join(told(count, stated.denominator, stated.unit or "") for count in counts)
    return Finding(Verdict.FLAG, stated.label, shown, words)


def _reach(reach: Reach) -> Finding:
    shown = f"{reach.low:g}-{reach.high:g} {reach.unit}"
    outside = [f"{value:g} ({place})" for place, value in reach.seen.items() if not reach.low <= value <= reach.high]
    if outside:
        return Finding(Verdict.FLAG, reach.label, shown, f"outside of the printed range: {', '.join(outside)}")
    return Finding(Verdict.REPRODUCES, reach.label, shown, "nothing told lies outside")


def _words(words: Words) -> Finding:
    mixes = re.search(r"\bmedian\b.*(\bSD\b|\+-|±)", words.printed, re.IGNORECASE)
    if mixes:
        beside = f"; {words.means}" if words.means else ""
        found = f"a median goes with a range or quartiles, an SD with a mean{beside}"
        return Finding(Verdict.FLAG, words.label, words.printed, found)
    return Finding(Verdict.NOTE, words.label, words.printed, words.means or "nothing to check")
