"""What does not add up within one record. Said beside it, never repaired, and no reason to refuse it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.record import Version
from service.clinical.instruments import ImpossibleAnswer
from service.clinical.scores_spine import sins_collapse, sins_location

SLACK_ML = 0.05
"""Volumes are read off a syringe with marks of 0.1 ml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """About which thing, which field, and what is odd."""

    kind: str
    id: str
    field: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """One operation with everything that belongs to it, by kind."""

    patient: Version
    operation: Version
    things: Mapping[str, Sequence[Version]]

    def of(self, kind: str, owner: Version) -> list[Version]:
        """The things of ``kind`` that belong to ``owner``."""
        return [each for each in self.things.get(kind, ()) if each.fields[owner.kind] == owner.id]


def remarks_on(whole: Whole) -> list[Remark]:
    """Everything odd, from the operation downwards."""
    return [*_operation(whole), *_follow_ups(whole), *_each_level(whole), *_since_confirmed(whole)]


def _since_confirmed(whole: Whole) -> Iterator[Remark]:
    """What was written after somebody read the record; a change of the operation itself ends the confirmation."""
    confirmed_at = whole.operation.fields["confirmed_at"]
    for each in [thing for things in whole.things.values() for thing in things]:
        if confirmed_at is not None and each.recorded_at > confirmed_at:
            yield _remark(each, "version", "was written after the record was confirmed")


def _remark(thing: Version, field: str, words: str) -> Remark:
    return Remark(kind=thing.kind, id=thing.id, field=field, words=words)


def _operation(whole: Whole) -> Iterator[Remark]:
    operation, levels = whole.operation, whole.things.get("level", ())
    told = operation.fields
    if not levels:
        yield _remark(operation, "levels", "no vertebra is recorded")
    for level, count in Counter(each.fields["level"] for each in levels).items():
        if count > 1:
            yield _remark(operation, "levels", f"{level} is recorded {count} times")
    if told["kind"] == "ppsf_pvp" and told["n_screws"] == 0:
        yield _remark(operation, "n_screws", "a fixation with pedicle screws has no screws")
    if told["kind"] != "ppsf_pvp" and told["n_screws"]:
        yield _remark(operation, "n_screws", f"screws do not belong to the kind {told['kind']}")
    if told["is_technical_success"] and told["abort_reason"]:
        yield _remark(operation, "abort_reason", "a reason to abort, but a technical success")
    died = whole.patient.fields["died_on"]
    if died and told["performed_on"] and died < told["performed_on"]:
        yield _remark(operation, "performed_on", "the patient died before this day")


def _follow_ups(whole: Whole) -> Iterator[Remark]:
    day = whole.operation.fields["performed_on"]
    seen = whole.things.get("follow_up", ())
    for each in seen:
        at, point = each.fields["seen_on"], each.fields["time_point"]
        if day and at and (at > day if point == "before" else at < day):
            side = "after" if point == "before" else "before"
            yield _remark(each, "seen_on", f"the time point {point} lies {side} the operation")
    for point, count in Counter(each.fields["time_point"] for each in seen).items():
        if count > 1 and point != "later":
            yield _remark(whole.operation, "follow_ups", f"the time point {point} is recorded {count} times")
    graded = (whole.operation.fields["tokuhashi"] or {}).get("kps")
    for each in seen:
        kps = each.fields["kps"]
        if each.fields["time_point"] == "before" and None not in {kps, graded} and kps != graded:
            yield _remark(each, "kps", "differs from the KPS in the Tokuhashi score")


def _each_level(whole: Whole) -> Iterator[Remark]:
    for level in whole.things.get("level", ()):
        yield from _volume(whole, level)
        yield from _leaks(whole, level)
        yield from _sins(level)
        needles = whole.of("needle", level)
        for aliquot in whole.of("aliquot", level):
            if aliquot.fields["needle"] not in {None, *(needle.id for needle in needles)}:
                yield _remark(aliquot, "needle", "this needle is not recorded for this vertebra")
        sides = {needle.fields["side"] for needle in needles} & {"left", "right"}
        if level.fields["approach"] == "unilateral" and len(sides) == 2:
            yield _remark(level, "approach", "unilateral, but needles on both sides")


def _volume(whole: Whole, level: Version) -> Iterator[Remark]:
    told = level.fields["volume_ml"]
    parts = [each.fields["volume_ml"] for each in whole.of("aliquot", level)]
    if told is not None and parts and None not in parts and abs(told - sum(parts)) > SLACK_ML:
        yield _remark(level, "volume_ml", f"the aliquots add up to {sum(parts):.2f} ml")


def _leaks(whole: Whole, level: Version) -> Iterator[Remark]:
    leaks = [each for each in whole.of("leak", level) if each.fields["finding"] != "rejected"]
    if level.fields["end_reason"] == "leak" and not leaks:
        yield _remark(level, "end_reason", "ended because of a leak, but no leak is recorded")
    examined = level.fields["examined_with"]
    for leak in leaks:
        if leak.fields["finding"] == "proposed":
            yield _remark(leak, "finding", "proposed by an alert; a physician has not decided")
        if examined is not None and leak.fields["modality"] not in examined:
            yield _remark(leak, "modality", "the vertebra is not recorded as examined with this")
    sites = Counter((leak.fields["site"], leak.fields["side"], leak.fields["modality"]) for leak in leaks)
    for (site, _side, _modality), count in sites.items():
        if count > 1:
            yield _remark(level, "leaks", f"the site {site} is recorded {count} times")


def _sins(level: Version) -> Iterator[Remark]:
    answers: dict[str, Any] = level.fields["sins"] or {}
    place = sins_location(level.fields["level"])
    if answers.get("location") not in {None, place}:
        yield _remark(level, "sins", f"{level.fields['level']} is {place} in SINS")
    loss = level.fields["height_loss_percent"]
    if loss is None or answers.get("collapse") is None:
        return
    is_mostly_involved = answers["collapse"] == "none_but_over_half_involved"
    try:
        wanted = sins_collapse(loss, is_mostly_involved=is_mostly_involved)
    except ImpossibleAnswer:
        return
    if wanted != answers["collapse"]:
        yield _remark(level, "sins", f"a loss of height of {loss:g} % is {wanted} in SINS")
