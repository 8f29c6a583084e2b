"""Cement as an arrival-time map: when each cell of bone, vein, disc or canal is filled, and when it empties.

The front's schedule is given (how far towards the posterior wall, when) and the volume follows from it, so that a
scene can ask for an approach at 0.4 mm/s whatever the shape of the body.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from detection.phantom.beam import DEPTH_STEP_MM, Points, box_around
from detection.phantom.routes import ZONE_OF, Leak, LeakKind, Site, route_of
from detection.phantom.vertebra import Distance
from detection.vocabulary import ZONE_ORDER, Mask, Zone

__all__ = ["ZONE_OF", "Cells", "Leak", "LeakKind", "Push", "Site", "draw_push", "pour"]

POROSITY = 0.85


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Room:
    """Cells that cement may fill, as a flat list.

    ``local`` (3, n) mm, ``inside`` (n,) mm from the surface, negative inside, ``ray`` (n,), ``ml`` (n,).
    """

    local: Points
    inside: Distance
    ray: NDArray[np.int32]
    ml: Distance


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """Cement cells in the order in which they fill.

    ``ray`` flat ray index int32, ``path_mm`` and ``ml`` float32, ``on_s`` ascending, ``off_s`` (inf: stays),
    ``zone`` uint8 index into ``ZONE_ORDER``.
    """

    ray: NDArray[np.int32]
    path_mm: Distance
    ml: Distance
    on_s: Distance
    off_s: Distance
    zone: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """The front's schedule: times and the share of the way from the needle tip to the posterior wall."""

    times_s: tuple[float, ...]
    shares: tuple[float, ...]

    def time_of(self, share: Distance) -> Distance:
        """When the front passes each share; inf where it never gets."""
        times, shares = np.array(self.times_s), np.maximum.accumulate(np.array(self.shares))
        # A pause is a flat stretch: a cell at its share fills before it, one just beyond fills after.
        found = np.searchsorted(shares, share, side="left")
        last = np.clip(found, 1, len(times) - 1)
        low, high = shares[last - 1], shares[last]
        part = np.clip((share - low) / np.maximum(high - low, 1e-9), 0, 1)
        at = np.maximum(times[last - 1], 0) + part * (times[last] - times[last - 1])
        return np.where(found >= len(times), np.inf, at).astype(np.float32)


def draw_push(start_s: float, knots: tuple[tuple[float, float], ...], rng: Generator) -> Push:
    """Aliquots with short pauses from ``start_s`` through (time, share) knots."""
    times, shares = [start_s], [0.0]
    for until, share in knots:
        n = max(1, round((until - times[-1]) / rng.uniform(2.5, 4.0)))
        # A steady flow slows as the bolus grows: the first stretch runs with the cube root of time, later ones as told.
        grown = np.linspace(0, 1, n + 1) ** (0.5 if len(times) == 1 else 1.0)
        for at, value in zip(
            np.linspace(times[-1], until, n + 1)[1:], (shares[-1] + grown * (share - shares[-1]))[1:], strict=True
        ):
            pause = rng.uniform(0.1, 0.22) * (at - times[-1]) if n > 1 else 0.0
            times += [float(at - pause), float(at)]
            shares += [float(value), float(value)]
    return Push(times_s=tuple(times), shares=tuple(shares))


def wobble(local: Points, scale_mm: float, rng: Generator, n_waves: int = 10) -> Distance:
    """Smooth noise in space, mean 0 and deviation about 1: a sum of plane waves."""
    total = np.zeros(local.shape[1:], np.float32)
    for _ in range(n_waves):
        wave = rng.standard_normal(3).astype(np.float32) * np.float32(1.6 / scale_mm)
        total += np.cos(local[0] * wave[0] + local[1] * wave[1] + local[2] * wave[2] + rng.uniform(0, 6.283))
    return total * float((2 / n_waves) ** 0.5)


def pour(site: Site, push: Push, leaks: tuple[Leak, ...], rng: Generator) -> Cells:
    """When each cell fills: the body by the push, leaks outside it, each fed by a cleft from the bolus."""
    body = _room(site, site.vertebra.corners, 2.0, lambda inside: inside < -0.2)
    on = push.time_of(fill_share(body, site, rng))
    part = np.clip(0.5 - (body.inside + 0.5) / 0.6, 0, 1) * POROSITY
    flows = []
    for leak in leaks:
        route = route_of(leak, site, rng)
        on, part = _feed(body, route[0], leak, on, part)
        flows.append(_leak_cells(site, leak, route, rng))
    stays = np.full(on.shape, np.inf, np.float32)
    flows.append(_cells(body, part * rng.uniform(0.9, 1.0, on.shape), (on, stays), Zone.BODY))
    return _merged(flows)


def _room(site: Site, spots: Points, margin_mm: float, wanted: Callable[[Distance], Mask]) -> Room:
    """The cells around local spots (3, n) that are wanted by their distance to the surface of the body."""
    placed = np.array([site.vertebra.place((float(x), float(y), float(z))) for x, y, z in spots.T], np.float32).T
    box = box_around(site.beam, placed, margin_mm)
    if box is None:
        raise ValueError("cement would lie outside the picture")
    local = site.vertebra.localise(box.points)
    inside = site.inside(local)
    kept = wanted(inside)
    return Room(
        local=local[:, kept],
        inside=inside[kept],
        ray=np.broadcast_to(box.ray_index, kept.shape)[kept],
        ml=np.broadcast_to(box.cell_ml, kept.shape)[kept],
    )


def fill_share(body: Room, site: Site, rng: Generator) -> Distance:
    """Order of filling in the body: 0 at the needle tip, 1 where the front meets the posterior wall."""
    v = site.vertebra
    # Bending space, rather than adding noise to the order, grows lobes that stay connected.
    x, y, z = (body.local[k] - site.tip[k] + 1.6 * wobble(body.local, 7.0, rng) for k in range(3))
    wide, high, front = rng.uniform(0.4, 0.62), rng.uniform(0.4, 0.6), rng.uniform(0.45, 0.65)
    length = v.back - site.tip[1]
    # Early cement is round; later it runs on backwards along the vein's bed rather than filling the sides.
    aside = length * ((np.square(x / wide) + np.square(z / high)) / length**2) ** 0.8
    far = np.sqrt(np.square(aside) + np.square(y / np.where(y < 0, np.float32(front), np.float32(1))))
    far = far * (1 + 0.04 * wobble(body.local, 2.0, rng))
    at_wall = (
        (body.inside > -1.3)
        & (body.inside < -0.3)
        & (body.local[1] > v.back - v.concavity - 2.5)
        & (np.abs(body.local[2]) < v.height_posterior * 0.35)
        & (np.abs(body.local[0]) < v.side * 0.5)
    )
    contact = float(far[at_wall].min()) if at_wall.any() else v.back - site.tip[1]
    share: Distance = (far / contact).astype(np.float32)
    return share


def _feed(body: Room, trunk: Points, leak: Leak, on: Distance, part: Distance) -> tuple[Distance, Distance]:
    """Fill the cleft from the bolus to the wall in the two seconds before the leak opens."""
    along, gap, _ = _to_segment(body.local, trunk, 0)
    taken = gap < trunk[3, 0]
    early = np.where(taken, leak.at_s - 2.0 * (1 - along), np.inf).astype(np.float32)
    return np.minimum(on, early), np.where(taken, np.maximum(part, POROSITY), part).astype(np.float32)


def _leak_cells(site: Site, leak: Leak, route: tuple[Points, ...], rng: Generator) -> Cells:
    spots = np.concatenate([branch[:, 1:] if k == 0 else branch for k, branch in enumerate(route)], axis=1)
    room = _room(site, spots[:3], float(spots[3].max()) * 1.4 + 1.0, lambda inside: inside > 0)
    reached, within = _along(room.local, route, rng)
    on = (leak.at_s + reached / leak.speed_mm_s).astype(np.float32)
    off = np.full(on.shape, np.inf, np.float32) if leak.washout_s is None else on + np.float32(leak.washout_s)
    return _cells(room, within, (on, off), ZONE_OF[leak.kind])


def _cells(room: Room, part: Distance, when: tuple[Distance, Distance], zone: Zone) -> Cells:
    kept = (part > 0.01) & np.isfinite(when[0])
    return Cells(
        ray=room.ray[kept],
        path_mm=(part[kept] * DEPTH_STEP_MM).astype(np.float32),
        ml=(part[kept] * room.ml[kept]).astype(np.float32),
        on_s=when[0][kept],
        off_s=when[1][kept],
        zone=np.full(int(kept.sum()), ZONE_ORDER.index(zone), np.uint8),
    )


def _merged(flows: list[Cells]) -> Cells:
    order = np.argsort(np.concatenate([cells.on_s for cells in flows]), kind="stable")

    def joined(name: str) -> NDArray[np.generic]:
        return np.concatenate([getattr(cells, name) for cells in flows])[order]

    return Cells(**{name: joined(name) for name in ("ray", "path_mm", "ml", "on_s", "off_s", "zone")})  # type: ignore[arg-type]


def _to_segment(local: Points, branch: Points, k: int) -> tuple[Distance, Distance, float]:
    """Share of the way along step k of a branch, distance to it (mm), and its length (mm)."""
    axis = [float(branch[i, k + 1] - branch[i, k]) for i in range(3)]
    size = math.hypot(*axis)
    x, y, z = (local[i] - branch[i, k] for i in range(3))
    along = np.clip((x * axis[0] + y * axis[1] + z * axis[2]) / max(size * size, 1e-6), 0, 1)
    gap = np.sqrt(np.square(x - along * axis[0]) + np.square(y - along * axis[1]) + np.square(z - along * axis[2]))
    return along, gap, size


def _along(local: Points, route: tuple[Points, ...], rng: Generator) -> tuple[Distance, Distance]:
    """Distance run along the nearest branch (mm, 0 at the wall) and the share of each cell that lies within."""
    reached = np.zeros(local.shape[1:], np.float32)
    within = np.zeros(local.shape[1:], np.float32)
    rough = 1 + 0.15 * wobble(local, 3.0, rng, n_waves=6)
    for branch, start in zip(route, _starts(route), strict=True):
        run = start
        for k in range(branch.shape[1] - 1):
            along, gap, size = _to_segment(local, branch, k)
            radius = float(branch[3, k]) + along * float(branch[3, k + 1] - branch[3, k])
            cover = np.clip(0.5 + (radius * rough - gap) / 0.6, 0, 1)
            better = cover > within
            within = np.where(better, cover, within)
            reached = np.where(better, run + along * size, reached)
            run += size
    return np.maximum(reached, 0), within


def _starts(route: tuple[Points, ...]) -> tuple[float, ...]:
    """Arc length at the start of each branch: the first begins inside the bone, so that its wall spot is at 0."""
    trunk = route[0]
    length = float(np.linalg.norm(trunk[:3, 1] - trunk[:3, 0]))
    total = float(np.linalg.norm(np.diff(trunk[:3], axis=1), axis=0).sum()) - length
    return (-length, *(total for _ in route[1:]))
