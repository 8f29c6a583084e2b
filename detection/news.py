"""What is news to the operator: how what one eye sees is worse than what was told, and what counts as told from then on."""

from __future__ import annotations

from dataclasses import replace

from detection.concern import Concern, Moment
from detection.eyes import Eye, Told
from detection.priorities import TIER_ORDER
from detection.rules import Rules
from detection.sightings import Need, Rank, priority_of
from detection.vocabulary import Kind, Side
from detection.zones import not_visible


def worse(concern: Concern, eye: Eye, need: Need, moment: Moment) -> tuple[str, ...]:
    """Why what this eye sees is worse than what the operator was told, in words."""
    if concern.key.kind is Kind.TECHNICAL:
        return ()
    told, sightings, rules = eye.told, eye.sightings, moment.rules
    causes = [*_graver(concern.rank, eye.rank), *_grown(told.size_mm2, sightings.steady_size_mm2(need), rules)]
    share = sightings.steady_share(need)
    if share is not None and told.share is not None and told.share - share >= rules.approach_step_share:
        causes.append("nearer by a step")
    causes.extend(_directions(sightings.lasting_sides(need) - told.sides))
    return tuple(causes)


def further(before: Concern, after: Concern, eye: Eye, need: Need, moment: Moment) -> tuple[str, ...]:
    """Why what a view that did not show a standing condition shows of it now is more than further evidence.

    A view that lost it is held against what it showed before. Size and sides of two projections cannot be compared; but what leaves
    by a way that the views so far show in part at most may be another leak into the same zone, and where no view that shows it looks
    any more, nobody else would tell of growth: then it is held against the largest that was told.
    """
    if before.eye_of(moment).has_shown:
        return worse(after, eye, need, moment)
    causes = _graver(after.rank, eye.rank)
    shown_by = [other for other in before.eyes if other.has_shown]
    if not any(other.is_open and other.is_fresh(moment.at, moment.rules.valid_s) for other in before.eyes):
        largest_mm2 = max((other.told.size_mm2 for other in shown_by), default=0.0)
        causes.extend(_grown(largest_mm2, eye.sightings.steady_size_mm2(need), moment.rules))
    if all(after.key.zone in not_visible(other.view) for other in shown_by):
        told = frozenset(side for other in shown_by for side in other.told.sides)
        causes.extend(_directions(eye.sightings.lasting_sides(need) - told))
    return tuple(causes)


def _grown(told_mm2: float, now_mm2: float, rules: Rules) -> list[str]:
    is_grown = now_mm2 - told_mm2 >= max(rules.step_mm2, rules.step_share * told_mm2)
    return ["grown by a step"] if is_grown else []


def _graver(told: Rank, now: Rank) -> list[str]:
    causes = []
    if now[0] > told[0]:
        causes.append(f"priority {priority_of(told)} to {priority_of(now)}")
    if now[1] > told[1]:
        causes.append(f"wall {TIER_ORDER[told[1]]} to {TIER_ORDER[now[1]]}")
    return causes


def _directions(sides: frozenset[Side]) -> list[str]:
    return [f"new direction: {side}" for side in sorted(sides)]


def told_now(eye: Eye, need: Need) -> Told:
    """What the operator is told now, on top of what was told before: never less cement, never farther away."""
    told, sightings = eye.told, eye.sightings
    shares = [share for share in (told.share, sightings.steady_share(need)) if share is not None]
    return Told(
        size_mm2=max(told.size_mm2, sightings.steady_size_mm2(need)),
        share=min(shares, default=None),
        sides=told.sides | sightings.lasting_sides(need) | sightings.looks[-1].sides,
    )


def told_with(eye: Eye, growth: float) -> Eye:
    """An eye whose size is told when another one tells of ``growth``, as a ratio: the same growth in two projections is one.

    Its newest outline may be a bad one, so no more is told than the same growth makes of what was told before.
    """
    told_mm2 = eye.told.size_mm2
    newest_mm2 = max((look.size_mm2 for look in eye.sightings.looks[-1:]), default=0.0)
    return replace(eye, told=replace(eye.told, size_mm2=max(told_mm2, min(newest_mm2, told_mm2 * growth))))


def growth_of(eye: Eye, need: Need) -> float:
    """How many times what was told of it this eye sees now; 1 where nothing was told, for that is no growth."""
    told_mm2 = eye.told.size_mm2
    return eye.sightings.steady_size_mm2(need) / told_mm2 if told_mm2 > 0 else 1.0
