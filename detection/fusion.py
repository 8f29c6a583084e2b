"""What one view leaves open and another answers: cement that lies over a disc in one projection, and beside it in truth.

In AP the canal lies behind the disc and the great vessels before it, in lateral the soft tissue beside it lies over it: a leak there is
seen over the disc as well. Where the other view looks, could show the disc and shows cement in such a place and none in the disc, the
sighting is named in the alert of that leak instead of being an alert of a disc.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from detection.claims import Claim
from detection.concern import Concern, Key, Moment
from detection.eyes import Eye
from detection.showing import refreshed
from detection.sightings import Look, Sightings
from detection.verdict import Step, changed, could_show, dated
from detection.vocabulary import PRIORITY_ORDER, Change, Condition, EntryType, Flag, Glance, Kind, Side, View, Zone
from detection.wording import place_in_view

OVERLAIN: Mapping[tuple[View, Zone, Side], frozenset[Zone]] = {
    (View.AP, Zone.DISC, Side.SUPERIOR): frozenset({Zone.CANAL, Zone.VEIN, Zone.SOFT_TISSUE}),
    (View.AP, Zone.DISC, Side.INFERIOR): frozenset({Zone.FORAMEN, Zone.VEIN, Zone.SOFT_TISSUE}),
    (View.LATERAL, Zone.DISC, Side.SUPERIOR): frozenset({Zone.VEIN, Zone.SOFT_TISSUE}),
    (View.LATERAL, Zone.DISC, Side.INFERIOR): frozenset({Zone.VEIN, Zone.SOFT_TISSUE}),
}
"""Where a view shows a place, and the zones of another view whose cement it cannot tell from that."""


def overlain(
    claims: Mapping[Key, Claim], concerns: Mapping[Key, Concern], glances: Sequence[Glance], moment: Moment
) -> dict[Key, Key]:
    """The claims of this frame that a standing leak explains, each with the condition of that leak.

    Never one that is an alert already, that any other view shows in the same place, or that is more urgent than the leak that stands.
    """
    explained = {}
    for key, claim in claims.items():
        over = (
            OVERLAIN.get((claim.view, key.zone, key.side)) if key.kind is Kind.LEAK and key.zone and key.side else None
        )
        concern = concerns.get(key)
        if over is None or (concern is not None and not _is_alone(concern, claim.view)):
            continue
        standing = (
            known
            for known in concerns.values()
            if known.key.kind is Kind.LEAK and known.key.zone in over and known.key.level == key.level
            if known.key not in claims and _is_as_urgent(known, claim) and _is_answered(known, claim, glances, moment)
        )
        leak = max(standing, key=lambda known: known.rank, default=None)
        if leak is not None:
            explained[key] = leak.key
    return explained


def _is_alone(concern: Concern, view: View) -> bool:
    """Whether no alert tells of it yet, and no view but this one has a glimpse of it."""
    others = (eye for eye in concern.eyes if eye.view is not view)
    return not concern.is_active and all(eye.condition is Condition.ABSENT for eye in others)


def _is_as_urgent(concern: Concern, claim: Claim) -> bool:
    return concern.rank[0] >= max(map(PRIORITY_ORDER.index, claim.ladder))


def _is_answered(concern: Concern, claim: Claim, glances: Sequence[Glance], moment: Moment) -> bool:
    """Whether another view shows this leak now, and where it looks it could have shown the claim's place as well."""
    whole = {(glance.source, glance.view) for glance in glances if claim.zone in glance.zones_shown}
    return any(
        _sees(eye, moment) and eye.view is not claim.view and (eye.source, eye.view) in whole for eye in concern.eyes
    )


def _sees(eye: Eye, moment: Moment) -> bool:
    return eye.is_open and eye.is_fresh(moment.at, moment.rules.valid_s)


def remarks(
    claims: Mapping[Key, Claim], concerns: dict[Key, Concern], held: Mapping[Key, Key], moment: Moment
) -> tuple[Change, ...]:
    """What standing leaks say of what they explain: said once it lasts, and no more once its place is clear again."""
    changes: list[Change] = []
    for key, leak in held.items():
        if concerns[key].eye_of(moment).sightings.is_enough(concerns[key].need(moment.rules)):
            step, concerns[leak] = _remark(concerns[leak], claims[key], moment)
            changes += step
    for key, concern in concerns.items():
        for each in concern.beside:
            step, concerns[key] = _remark_again(concerns[key], each, claims, moment)
            changes += step
    return tuple(changes)


def _remark(concern: Concern, claim: Claim, moment: Moment) -> Step:
    """A standing leak that another view shows over a place of another name: said once, and kept in its words."""
    eye = Eye(source=moment.setting.source, view=claim.view, claim=claim)
    others = tuple(each for each in concern.beside if _whence(each) != _whence(eye))
    after = refreshed(replace(concern, beside=(*others, eye)), moment)
    if len(others) < len(concern.beside):
        return (), after
    return changed(EntryType.ALERT_CHANGED, concern, dated(after, moment.at), f"seen over {place_in_view(claim)}")


def _whence(eye: Eye) -> tuple[object, ...]:
    return (eye.source, eye.view, *((eye.claim.zone, eye.claim.side) if eye.claim else ()))


def _remark_again(concern: Concern, eye: Eye, claims: Mapping[Key, Claim], moment: Moment) -> Step:
    """A place that a view showed a leak over, seen there still, or clear: taken back when it is clear for as long as an end needs."""
    findings, claim = moment.findings, eye.claim
    if findings is None or claim is None or (eye.source, eye.view) != (moment.setting.source, moment.view):
        return (), concern
    place = replace(concern.key, zone=claim.zone, side=claim.side)
    if any((key.kind, key.zone, key.side) == (Kind.LEAK, claim.zone, claim.side) for key in claims):
        seen = replace(eye, sightings=Sightings())
    elif Flag.DUPLICATE in findings.flags or not could_show(place, claim, findings, moment.level):
        return (), concern
    else:
        need = Concern(key=place).need(moment.rules)
        seen = replace(eye, sightings=eye.sightings.with_look(Look(time_s=moment.time_s), need, moment.rules))
        if seen.sightings.is_cleared(need):
            rest = tuple(each for each in concern.beside if each != eye)
            after = dated(refreshed(replace(concern, beside=rest), moment), moment.at)
            return changed(EntryType.ALERT_CHANGED, concern, after, f"no longer seen over {place_in_view(claim)}")
    return (), replace(concern, beside=tuple(seen if each == eye else each for each in concern.beside))
