"""Where leaks run: a trunk from the bolus through the wall, and branches beyond it, for every kind of leak."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.random import Generator

from detection.phantom.beam import Beam, Points
from detection.phantom.vertebra import Distance, Spot, Vertebra
from detection.vocabulary import Zone

Line = list[Spot]


class LeakKind(StrEnum):
    """Where cement escapes to."""

    CANAL = "canal"
    EPIDURAL_VEIN = "epidural_vein"
    FORAMEN = "foramen"
    SEGMENTAL_VEIN = "segmental_vein"
    PREVERTEBRAL_VEIN = "prevertebral_vein"
    DISC_SUPERIOR = "disc_superior"
    DISC_INFERIOR = "disc_inferior"
    SOFT_TISSUE_ANTERIOR = "soft_tissue_anterior"
    SOFT_TISSUE_LATERAL = "soft_tissue_lateral"
    NEEDLE_TRACT = "needle_tract"


ZONE_OF: dict[LeakKind, Zone] = {
    LeakKind.CANAL: Zone.CANAL,
    LeakKind.EPIDURAL_VEIN: Zone.CANAL,
    LeakKind.FORAMEN: Zone.FORAMEN,
    LeakKind.SEGMENTAL_VEIN: Zone.VEIN,
    LeakKind.PREVERTEBRAL_VEIN: Zone.VEIN,
    LeakKind.DISC_SUPERIOR: Zone.DISC,
    LeakKind.DISC_INFERIOR: Zone.DISC,
    LeakKind.SOFT_TISSUE_ANTERIOR: Zone.SOFT_TISSUE,
    LeakKind.SOFT_TISSUE_LATERAL: Zone.SOFT_TISSUE,
    LeakKind.NEEDLE_TRACT: Zone.NEEDLE_TRACT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """One escape: it opens at ``at_s`` and its tip runs at ``speed_mm_s``; a vein may wash out later."""

    kind: LeakKind
    at_s: float
    speed_mm_s: float = 2.0
    radius_mm: float = 1.4
    length_mm: float = 14.0
    washout_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where cement goes in: the body (its sizes, and the signed distance to its surface), needle tip and hub (local, mm)."""

    beam: Beam
    vertebra: Vertebra
    inside: Callable[[Points], Distance]
    tip: Spot
    hub: Spot


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """What every route is drawn from: radius and length (mm), the side it takes (-1, 1) and its height on the wall."""

    v: Vertebra
    tip: Spot
    r: float
    n: float
    side: float
    z: float


def route_of(leak: Leak, site: Site, rng: Generator) -> tuple[Points, ...]:
    """Branches of a leak, each (4, n): spots (local, mm) and radius. The trunk's first step runs inside the bone."""
    side = float(rng.choice([-1.0, 1.0]))
    z = float(rng.uniform(-0.05, 0.1)) * site.vertebra.height_posterior
    if leak.kind is LeakKind.NEEDLE_TRACT:
        return _tract(leak, site)
    if leak.kind in (LeakKind.DISC_SUPERIOR, LeakKind.DISC_INFERIOR):
        return _disc(leak, site.vertebra, site.tip, rng)
    return _COURSES[leak.kind](
        _Course(v=site.vertebra, tip=site.tip, r=leak.radius_mm, n=leak.length_mm, side=side, z=z)
    )


def _canal(c: _Course) -> tuple[Points, ...]:
    back = c.v.back - c.v.concavity
    up: Line = [(0, back + 4, c.z), (0, back + 4.5, c.z + c.n * 0.65)]
    down: Line = [(0, back + 4, c.z), (0, back + 4.2, c.z - c.n * 0.45)]
    return _branches([c.tip, (0, back, c.z), (0, back + 4, c.z + 0.5)], c.r, [up, down], c.r * 1.15)


def _epidural(c: _Course) -> tuple[Points, ...]:
    """Both plexus tracks up and down, entered through the basivertebral vein."""
    back, x = c.v.back - c.v.concavity, c.v.canal_width * 0.28
    tracks: list[Line] = [
        [(0, back + 1.8, c.z), (s * x, back + 2, c.z + 2 * up), (s * x * 1.1, back + 2.2, c.z + up * c.n)]
        for s in (-1, 1)
        for up in (1, -1)
    ]
    return _branches([c.tip, (0, back, c.z), (0, back + 1.8, c.z)], c.r, tracks, c.r)


def _foramen(c: _Course) -> tuple[Points, ...]:
    """Through the wall beside the canal, then down below the pedicle."""
    v, half = c.v, c.v.height_posterior / 2
    wall = (c.side * v.canal_width * 0.35, v.back, -0.15 * v.height_posterior)
    bend = (c.side * v.pedicle_x, v.back + 5, -half * 0.9)
    end = (c.side * (v.pedicle_x + 4), v.back + c.n * 0.7, -half * 1.1)
    return _branches([c.tip, wall, bend, end], c.r, [], c.r)


def _segmental(c: _Course) -> tuple[Points, ...]:
    """From the waist to the side, then back along the body."""
    beside = [(c.v.side, 0, 0), (c.v.side + 2.5, 1, -1), (c.v.side + c.n * 0.6, 6, -3), (c.v.side + c.n, 14, -2)]
    return _branches([c.tip, *((c.side * x, y, c.z + dz) for x, y, dz in beside)], c.r, [], c.r)


def _prevertebral(c: _Course) -> tuple[Points, ...]:
    front = -c.v.back
    ahead: Line = [(0, 0, 0), (2, -3.5, 0), (4, -5, c.n * 0.5), (5, -4.5, c.n)]
    return _branches([c.tip, *((c.side * x, front + y, c.z + dz) for x, y, dz in ahead)], c.r, [], c.r)


def _anterior(c: _Course) -> tuple[Points, ...]:
    front, low = -c.v.back, -c.z * 2
    out: Line = [(0, front, low), (0, front - c.n * 0.45, low - 1), (1, front - c.n * 0.6, low - c.n * 0.4)]
    return _branches([c.tip, *out], c.r * 1.6, [], c.r * 2)


def _lateral(c: _Course) -> tuple[Points, ...]:
    beside = [(c.v.side, -2, 0), (c.v.side + c.n * 0.45, -2, -1), (c.v.side + c.n * 0.6, -1, -c.n * 0.4)]
    return _branches([c.tip, *((c.side * x, y, c.z + dz) for x, y, dz in beside)], c.r * 1.6, [], c.r * 2)


_COURSES: Mapping[LeakKind, Callable[[_Course], tuple[Points, ...]]] = {
    LeakKind.CANAL: _canal,
    LeakKind.EPIDURAL_VEIN: _epidural,
    LeakKind.FORAMEN: _foramen,
    LeakKind.SEGMENTAL_VEIN: _segmental,
    LeakKind.PREVERTEBRAL_VEIN: _prevertebral,
    LeakKind.SOFT_TISSUE_ANTERIOR: _anterior,
    LeakKind.SOFT_TISSUE_LATERAL: _lateral,
}


def _disc(leak: Leak, v: Vertebra, tip: Spot, rng: Generator) -> tuple[Points, ...]:
    """A ragged sheet: spokes from the endplate's hole along the disc."""
    up = 1.0 if leak.kind is LeakKind.DISC_SUPERIOR else -1.0
    y = float(rng.uniform(-0.2, 0.05)) * v.mid_depth
    wall = v.height_at(y) / 2 - v.dish * 0.8
    gap = v.disc if up < 0 else v.disc * 0.95
    middle = up * (wall + v.dish * 0.6 + gap * 0.5)
    trunk: list[Spot] = [tip, (0, y, up * wall), (0, y, middle)]
    n = leak.length_mm
    thick = min(leak.radius_mm, gap * 0.35)
    spokes: list[list[Spot]] = []
    for angle in rng.uniform(0, 6.283) + np.linspace(0, 6.283, 9)[:-1]:
        reach = n * 0.5 * float(rng.uniform(0.6, 1.15))
        spokes.append(
            [
                (0, y, middle),
                (float(np.cos(angle)) * reach, y + float(np.sin(angle)) * reach, middle + float(rng.normal(0, 0.4))),
            ]
        )
    return _branches(trunk, leak.radius_mm, spokes, thick)


def _tract(leak: Leak, site: Site) -> tuple[Points, ...]:
    """Back along the needle: inside bone to the arch, then out for the leak's length."""
    start, way = np.array(site.tip), np.subtract(site.hub, site.tip)
    axis = way / np.linalg.norm(way)
    gone = (site.vertebra.back - site.tip[1]) / float(axis[1])
    spots = [
        start + axis * far
        for far in (0.0, gone, gone + site.vertebra.canal_depth, gone + site.vertebra.canal_depth + leak.length_mm)
    ]
    return _branches([(float(s[0]), float(s[1]), float(s[2])) for s in spots], leak.radius_mm * 1.5, [], leak.radius_mm)


def _branches(trunk: list[Spot], radius: float, others: list[list[Spot]], thick: float) -> tuple[Points, ...]:
    def with_radius(spots: list[Spot], start: float, end: float) -> Points:
        widths = np.linspace(start, end, len(spots))
        return np.array([(*spot, width) for spot, width in zip(spots, widths, strict=True)], np.float32).T

    return (with_radius(trunk, radius, radius), *(with_radius(spots, thick, thick * 0.9) for spots in others))
