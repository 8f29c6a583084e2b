"""What one frame says deserves an alarm, before anybody asks whether it lasts.

A claim is one frame's word; ``alarm`` decides how many of them make a condition. Pieces of one zone are
one claim, because an operator acts on places, not on pixels. Priorities follow the table of the alarm
design; ``docs/algorithm.md`` and ``rules`` give the sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import hypot

from detection.priorities import (
    FLAG_CAUSES,
    LEAK_LADDERS,
    TECHNICAL_PRIORITIES,
    TIER_PRIORITIES,
    UNPLACED_LADDER,
    UNSURE_LADDERS,
    VANISHED_PRIORITIES,
    Ladder,
    Pace,
    Tier,
)
from detection.rules import Rules
from detection.vocabulary import (
    Band,
    Body,
    Findings,
    Flag,
    Front,
    Kind,
    Outline,
    Piece,
    Plan,
    Priority,
    Side,
    TechnicalCause,
    View,
    Wall,
    Zone,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One place or cause that one piece of evidence complains of.

    ``size_mm2`` and ``reach_mm`` are for thresholds only: where the scale is unknown they are ruled by the
    nominal depth of a body, while ``area_mm2`` and ``length_mm`` stay None.
    """

    kind: Kind
    ladder: Ladder
    zone: Zone | None = None
    side: Side | None = None
    technical_cause: TechnicalCause | None = None
    tier: Tier | None = None
    view: View = View.UNKNOWN
    level: str | None = None
    sides: frozenset[Side] = frozenset()
    area_px: float | None = None
    area_mm2: float | None = None
    length_mm: float | None = None
    volume_ml: Band | None = None
    size_mm2: float = 0.0
    reach_mm: float = 0.0
    first_seen_s: float | None = None
    front: Front | None = None
    wall: Wall = Wall.INTACT
    trust: float | None = None
    is_body_sure: bool = True
    has_body: bool = True
    has_run: bool = False
    outline: Outline = ()

    def priority_at(self, pace: Pace) -> Priority:
        """How urgent this is for cement of that pace."""
        return self.ladder[tuple(Pace).index(pace)]


def claims_of(findings: Findings, rules: Rules, plan: Plan) -> tuple[Claim, ...]:
    """What this frame says deserves an alarm: at most one claim per kind, zone, disc side and cause.

    An unfit frame claims technical causes only. No claim is no proof of absence: ``alarm`` asks for that
    whether the frame could have shown the place at all.
    """
    technical = tuple(technical_claim(cause, view=findings.view) for cause in _causes(findings))
    if not findings.is_fit:
        return technical
    return (
        *_approach(findings, rules, plan),
        *_leaks(findings, rules, plan),
        *_vanished(findings, rules, plan),
        *technical,
    )


def technical_claim(cause: TechnicalCause, *, view: View = View.UNKNOWN) -> Claim:
    """The claim of one technical cause."""
    priority = TECHNICAL_PRIORITIES[cause]
    return Claim(kind=Kind.TECHNICAL, ladder=(priority,) * 3, technical_cause=cause, view=view)


def _causes(findings: Findings) -> tuple[TechnicalCause, ...]:
    """Technical causes of one frame, in the order of the vocabulary."""
    if Flag.DUPLICATE in findings.flags:
        return ()
    found = {FLAG_CAUSES[flag] for flag in findings.flags if flag in FLAG_CAUSES}
    if Flag.REFERENCE_BUILDING in findings.flags:
        found.discard(TechnicalCause.BODY_NOT_FOUND)  # nobody has looked for it yet
    if not findings.is_fit:
        found.add(TechnicalCause.FRAMES_UNFIT)
    return tuple(cause for cause in TechnicalCause if cause in found)


def _approach(findings: Findings, rules: Rules, plan: Plan) -> tuple[Claim, ...]:
    """Cement near the posterior wall, from the front; from a piece in the band where no front is known."""
    pieces = [piece for piece in _trusted(findings.pieces, rules) if piece.zone is Zone.POSTERIOR_BAND]
    wall = wall_of(findings, plan)
    tier = tier_of(findings.front, wall, rules) if findings.front else (Tier.NEAR if pieces else None)
    if tier is None:
        return ()
    largest = max(pieces, key=lambda piece: piece.area_px, default=None)
    return (
        Claim(
            kind=Kind.APPROACH,
            ladder=(TIER_PRIORITIES[tier],) * 3,
            zone=Zone.POSTERIOR_BAND,
            side=Side.POSTERIOR,
            tier=tier,
            view=findings.view,
            level=level_of(findings, plan),
            front=findings.front,
            wall=wall,
            trust=_trust(findings, pieces),
            outline=largest.outline if largest else (),
        ),
    )


def tier_of(front: Front, wall: Wall, rules: Rules) -> Tier | None:
    """How near the front is, or None when it is farther than any tier. A broken wall moves every tier forward."""
    factor = rules.broken_wall_factor if wall is Wall.BROKEN else 1.0
    depth_mm = front.depth_mm or rules.nominal_depth_mm
    contact_share = max(rules.contact_mm / depth_mm, rules.contact_share)
    if front.share <= contact_share * factor:
        return Tier.CONTACT
    if front.seconds_to_wall is not None and front.seconds_to_wall.value <= rules.soon_s:
        return Tier.SOON
    if front.share <= rules.near_share * factor:
        return Tier.NEAR
    return Tier.FAR if front.share <= rules.far_share * factor else None


def wall_of(findings: Findings, plan: Plan) -> Wall:
    """Whether the posterior wall was marked broken before cement, in any view of the plan."""
    marked = [landmarks.body.wall for landmarks in plan.landmarks.values()]
    bodies = [findings.body.wall] if findings.body else []
    return Wall.BROKEN if Wall.BROKEN in (*marked, *bodies) else Wall.INTACT


def _leaks(findings: Findings, rules: Rules, plan: Plan) -> tuple[Claim, ...]:
    """Cement beyond the body: one claim per zone, and per side for discs."""
    claims = []
    for zone, side, pieces in _grouped(_trusted(findings.pieces, rules)):
        claim = _of_pieces(Kind.LEAK, _ladder(zone, findings), pieces, findings, plan, rules, side)
        if claim.size_mm2 > rules.small_residue_mm2:
            claim = _large(claim)
        claims.append(claim)
    return tuple(claims)


def _ladder(zone: Zone, findings: Findings) -> Ladder:
    if findings.body is None and zone is Zone.ELSEWHERE:
        return UNPLACED_LADDER
    is_sure = findings.body is not None and Flag.BODY_UNCERTAIN not in findings.flags
    return LEAK_LADDERS[zone] if is_sure else UNSURE_LADDERS[zone]


def _vanished(findings: Findings, rules: Rules, plan: Plan) -> tuple[Claim, ...]:
    """Cement that was beyond the body and is gone: a possible embolus, not a false alarm."""
    return tuple(
        _of_pieces(Kind.VANISHED, (VANISHED_PRIORITIES[zone],) * 3, pieces, findings, plan, rules, side)
        for zone, side, pieces in _grouped(_trusted(findings.vanished, rules))
    )


def _trusted(pieces: Sequence[Piece], rules: Rules) -> tuple[Piece, ...]:
    return tuple(piece for piece in pieces if piece.trust >= rules.least_piece_trust)


def _grouped(pieces: Sequence[Piece]) -> tuple[tuple[Zone, Side | None, list[Piece]], ...]:
    """Pieces beyond the body by zone, and by side for discs, each group largest first."""
    groups: dict[tuple[Zone, Side | None], list[Piece]] = {}
    for piece in sorted(pieces, key=lambda piece: -piece.area_px):
        if piece.zone in LEAK_LADDERS:
            groups.setdefault((piece.zone, piece.side if piece.zone is Zone.DISC else None), []).append(piece)
    return tuple((zone, side, group) for (zone, side), group in groups.items())


def _of_pieces(
    kind: Kind, ladder: Ladder, pieces: list[Piece], findings: Findings, plan: Plan, rules: Rules, side: Side | None
) -> Claim:
    """One claim of all pieces of one place; the largest gives side and outline."""
    ruler = ruler_of(findings, rules)
    areas = [piece.area_mm2 for piece in pieces]
    return Claim(
        kind=kind,
        ladder=ladder,
        zone=pieces[0].zone,
        side=side or pieces[0].side,
        view=findings.view,
        level=level_of(findings, plan),
        sides=frozenset(piece.side for piece in pieces if piece.side is not None),
        area_px=sum(piece.area_px for piece in pieces),
        area_mm2=sum(area for area in areas if area is not None) if None not in areas else None,
        length_mm=max((piece.length_mm for piece in pieces if piece.length_mm is not None), default=None),
        volume_ml=_sum_of([piece.volume_ml for piece in pieces]),
        size_mm2=sum(piece.area_px for piece in pieces) * ruler**2 if None in areas else sum(filter(None, areas)),
        reach_mm=max(_reach(piece, ruler) for piece in pieces),
        first_seen_s=min(piece.first_seen.time_s for piece in pieces),
        trust=_trust(findings, pieces),
        is_body_sure=Flag.BODY_UNCERTAIN not in findings.flags,
        has_body=findings.body is not None,
        has_run=any(piece.has_run for piece in pieces),
        outline=pieces[0].outline,
    )


def _sum_of(bands: Sequence[Band | None]) -> Band | None:
    known = [band for band in bands if band is not None]
    if not known or len(known) < len(bands):
        return None
    return Band(low=sum(band.low for band in known), high=sum(band.high for band in known))


def _large(claim: Claim) -> Claim:
    """A residue too large to be called small is as urgent as one that grows."""
    return replace(claim, ladder=(claim.ladder[1], claim.ladder[1], claim.ladder[2]))


def _reach(piece: Piece, ruler: float) -> float:
    if piece.length_mm is not None:
        return piece.length_mm
    if not piece.outline:
        return 0.0
    rows, cols = zip(*piece.outline, strict=True)
    return hypot(max(rows) - min(rows), max(cols) - min(cols)) * ruler


def ruler_of(findings: Findings, rules: Rules) -> float:
    """Millimetres per pixel for thresholds: the scale, or else a body of nominal depth, or else a nominal field."""
    if findings.mm_per_px is not None:
        return findings.mm_per_px
    if findings.body is not None and findings.body.view is View.LATERAL:
        depth_px = _depth_px(findings.body)
        if depth_px > 0:
            return rules.nominal_depth_mm / depth_px
    return rules.nominal_field_mm / max(findings.shape)


def _depth_px(body: Body) -> float:
    near = (body.corners.near_superior, body.corners.near_inferior)
    far = (body.corners.far_superior, body.corners.far_inferior)
    return sum(hypot(a[0] - b[0], a[1] - b[1]) for a, b in zip(near, far, strict=True)) / 2


def level_of(findings: Findings, plan: Plan) -> str | None:
    """The level that this view looks at: its own landmarks know best."""
    own = findings.body.level if findings.body else None
    return own or plan.level


def _trust(findings: Findings, pieces: Sequence[Piece]) -> float:
    """How sure: the weaker of frame and surest piece, which knows how sure the body is; of frame and body where there is none."""
    if pieces:
        return round(min(findings.trust, max(piece.trust for piece in pieces)), 3)
    return round(min([findings.trust, *([findings.body.trust] if findings.body else [])]), 3)
