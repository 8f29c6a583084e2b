"""What is news to the operator: how what one eye sees is worse than what was told, and what counts as told from then on."""

from __future__ import annotations

from dataclasses import replace

from detection.concern import Concern, Moment
from detection.eyes import Eye, Told
from detection.priorities import TIER_ORDER
from detection.sightings import Need, Rank, priority_of
from detection.vocabulary import Kind, Side
from detection.zones import not_visible


def worse(concern: Concern, eye: Eye, need: Need, moment: Moment) -> tuple[str, ...]:
    """Why what this eye sees is worse than what the operator was told, in words."""
    if concern.key.kind is Kind.TECHNICAL:
        return ()
    causes = _graver(concern.rank, eye.rank)
    rules, told, sightings = moment.rules, eye.told, eye.sightings
    size = sightings.steady_size_mm2(need)
    if size - told.size_mm2 >= max(rules.step_mm2, rules.step_share * told.size_mm2):
        causes.append("grown by a step")
    share = sightings.steady_share(need)
    if share is not None and told.share is not None and told.share - share >= rules.approach_step_share:
        causes.append("nearer by a step")
    causes.extend(_directions(sightings.lasting_sides(need) - told.sides))
    return tuple(causes)


def further(before: Concern, after: Concern, eye: Eye, need: Need) -> tuple[str, ...]:
    """Why what another view shows of a standing condition is more than further evidence of it.

    Size and sides of two projections cannot be compared; but what leaves by a way that the views so far show in part at most may
    be another leak into the same zone.
    """
    causes = _graver(after.rank, eye.rank)
    shown_by = [other for other in before.eyes if other.has_shown]
    if all(after.key.zone in not_visible(other.view) for other in shown_by):
        told = frozenset(side for other in shown_by for side in other.told.sides)
        causes.extend(_directions(eye.sightings.lasting_sides(need) - told))
    return tuple(causes)


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


def told_with(eye: Eye) -> Eye:
    """An eye whose size is told when another one tells of growth: the same growth in two projections is one."""
    latest = eye.sightings.looks[-1:]
    return replace(eye, told=replace(eye.told, size_mm2=max([eye.told.size_mm2, *(look.size_mm2 for look in latest)])))
