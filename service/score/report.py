"""The scorecard as text and as JSON, and two of them side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from pydantic import TypeAdapter

from detection.outcome import Outcome, Patient
from detection.scorecard import BREAKDOWN_HEAD, breakdowns, curve_of, figures_of
from detection.targets import targets_of
from service.score.sets import BOTH, name_of

OUTCOMES = TypeAdapter(list[Outcome])
Groups = Mapping[str, Sequence[Outcome]]


def groups_of(outcomes: Sequence[Outcome]) -> Groups:
    """Phantom and real CT, landmarks given and found, apart."""
    parts = {
        f"{patient}, landmarks {landmarks}": [
            each for each in outcomes if each.about.patient is patient and each.about.landmarks == landmarks
        ]
        for patient, landmarks in product(Patient, BOTH)
    }
    return {title: part for title, part in parts.items() if part}


def lines_of(set_name: str, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The whole scorecard, line by line."""
    for title, part in groups_of(outcomes).items():
        n_leaks = sum(each.has_visible_leak for each in part)
        n_quiet = sum(each.leakage.onset_3d is None for each in part)
        yield ""
        yield f"== set {set_name}, {title}: {len(part)} scenes, {n_leaks} with a visible leak, {n_quiet} without any"
        yield from map(str, targets_of(part, is_given=part[0].about.landmarks == "given"))
        yield ""
        yield from map(str, figures_of(part))
        for what, rows in breakdowns(part):
            yield ""
            yield f"by {what:25}{BREAKDOWN_HEAD[28:]}"
            yield from rows
        yield ""
        yield "free response"
        yield from curve_of(part)


def failures_of(set_name: str, outcomes: Sequence[Outcome], ct: str) -> Iterator[str]:
    """Every scene that missed a visible leak or sounded without reason, with the command that plays it again."""
    failed = [each for each in outcomes if each.is_failed]
    yield ""
    yield f"{len(failed)} of {len(outcomes)} failed; each is played again by the command behind it"
    for each in failed:
        name = name_of(each.about)
        scan = f" --ct {ct}" if name.endswith(":ct") else ""
        yield f"  {line_of(each):96} cementwatch score --set {set_name} --only {name}{scan}"


def line_of(outcome: Outcome) -> str:
    """One scene in one line."""
    words = []
    if outcome.has_visible_leak:
        words.append("missed" if outcome.caught is None else f"delay {outcome.delay:+d} frames")
    words += [f"false {each.priority} {each.kind} {each.zone or ''}".rstrip() for each in outcome.false_audible[:2]]
    more = len(outcome.false_audible) - 2
    return f"{name_of(outcome.about):44} {', '.join(words)}" + (f" and {more} more" if more > 0 else "")


def json_of(set_name: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Figures and, for a set that may be looked at scene by scene, all outcomes."""
    figures = {
        title: {figure.name.strip(): figure.value for figure in figures_of(part)}
        for title, part in groups_of(outcomes).items()
    }
    targets = {
        title: {
            target.figure.name.strip(): {"value": target.figure.value, "wanted": target.wanted, "is_met": target.is_met}
            for target in targets_of(part, is_given=part[0].about.landmarks == "given")
        }
        for title, part in groups_of(outcomes).items()
    }
    told = OUTCOMES.dump_python(list(outcomes), mode="json") if set_name != "exam" else []
    return {"set": set_name, "figures": figures, "targets": targets, "outcomes": told}


def against(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """What changed between two scorecards: figures, and scenes that were lost or won."""
    if before["set"] != now["set"]:
        yield f"these are different sets: {before['set']} and {now['set']}"
    for title, figures in now["figures"].items():
        yield ""
        yield f"== {title:58}{'before':>9}{'now':>9}{'change':>9}"
        earlier = before["figures"].get(title, {})
        for name in {**figures, **earlier}:
            old, value = earlier.get(name), figures.get(name)
            if (old is None) != (value is None):
                yield f"{name:61}{_or_dash(old):>9}{_or_dash(value):>9}"
            elif old is not None and value is not None and abs(value - old) > 5e-4:
                yield f"{name:61}{old:9.3f}{value:9.3f}{value - old:+9.3f}"
    for title in before["figures"].keys() - now["figures"].keys():
        yield f"== {title}: only in the file before"
    yield from _scenes_against(before, now)


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _scenes_against(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    old = {name_of(each.about): each for each in OUTCOMES.validate_python(before["outcomes"])}
    new = {name_of(each.about): each for each in OUTCOMES.validate_python(now["outcomes"])}
    shared = sorted(old.keys() & new.keys())
    for word, is_told in (("now fails", True), ("fails no more", False)):
        changed = [name for name in shared if new[name].is_failed is is_told and old[name].is_failed is not is_told]
        yield ""
        yield f"{word}: {len(changed)} of {len(shared)} scenes that both hold"
        yield from (f"  {line_of(new[name])}" for name in changed)
