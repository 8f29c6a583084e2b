"""What looks like cement, or hides it: hands, contrast agent, a balloon, screws, old cement, blades, exposure steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.random import Generator

from detection.phantom.attenuation import cement_attenuation, per_cm
from detection.phantom.balloon import Balloon, draw_balloon
from detection.phantom.beam import Beam
from detection.phantom.chain import Chain
from detection.phantom.flow import Cells, Leak, LeakKind, Push, Site, pour
from detection.phantom.patient import tube_path
from detection.vocabulary import ZONE_ORDER, Gray, Point, Zone


class ObstacleKind(StrEnum):
    """What comes between."""

    HAND = "hand"
    VENOGRAPHY = "venography"
    BALLOON = "balloon"
    SCREWS = "screws"
    OLD_CEMENT = "old_cement"
    BLADES = "blades"
    EXPOSURE_STEP = "exposure_step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """One confounder, from when until when; screws and old cement are there from the start.

    ``left`` is the share of its contrast agent that a balloon keeps when it deflates, ``aside_mm`` how far from the needle's line
    towards the other side it lies.
    """

    kind: ObstacleKind
    from_s: float = 0.0
    until_s: float = math.inf
    left: float = 0.0
    aside_mm: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """An extra picture (nepers per pixel) that comes and goes.

    It rises and falls over ``rise_s`` and ``fall_s``, and ``left`` of it stays; a ``balloon`` swells instead of fading in.
    ``from_px`` is where it slides in from; ``is_inner`` moves with the patient; ``is_veil`` keeps a frame from being judged.
    """

    picture: Gray
    from_s: float
    until_s: float
    rise_s: float = 0.3
    fall_s: float = 0.3
    left: float = 0.0
    balloon: Balloon | None = None
    from_px: Point = (0.0, 0.0)
    is_inner: bool = True
    is_veil: bool = False

    def weight(self, time_s: float) -> float:
        """How much of it is there, 0 to 1."""
        up = (time_s - self.from_s) / self.rise_s
        down = (self.until_s + self.fall_s - time_s) / self.fall_s
        return min(max(min(up, max(down, self.left)), 0.0), 1.0)

    def shown(self, weight: float) -> Gray:
        """The picture when so much of it is there."""
        return self.picture * np.float32(weight) if self.balloon is None else self.balloon.picture(weight)


def sights_of(obstacles: tuple[Obstacle, ...], site: Site, chain: Chain, rng: Generator) -> tuple[Sight, ...]:
    """The pictures of all obstacles that are pictures; blades and exposure steps are not."""
    found = []
    for obstacle in obstacles:
        match obstacle.kind:
            case ObstacleKind.HAND:
                found.append(_hand(obstacle, site.beam, chain.kvp, rng))
            case ObstacleKind.VENOGRAPHY:
                found.append(_venography(obstacle, site, chain.kvp, rng))
            case ObstacleKind.BALLOON:
                found.append(_balloon(obstacle, site, chain.kvp, rng))
            case ObstacleKind.SCREWS:
                found.append(_screws(site, chain.kvp))
            case ObstacleKind.OLD_CEMENT | ObstacleKind.BLADES | ObstacleKind.EXPOSURE_STEP:
                continue
    return tuple(found)


def _hand(obstacle: Obstacle, beam: Beam, kvp: float, rng: Generator) -> Sight:
    """Fingers and a palm in a lead-free glove, reaching in from the upper border."""
    right, up, _ = beam.axes
    picture = np.zeros(beam.size, np.float32)
    foot = float(rng.uniform(-30, 30))
    for k in range(4):
        spots = np.array([[foot + 19 * k - 30, foot + 15 * k - 22], [34 + 5 * (k % 3), 90]], np.float32)
        line = (right[:, None] * spots[0] + up[:, None] * spots[1]).astype(np.float32)
        flesh, bone = tube_path(beam, line, 8.0), tube_path(beam, line, 3.6)
        picture += flesh * np.float32(per_cm("soft", kvp) / 10) + bone * np.float32(per_cm("cortical", kvp) / 20)
    away = (-beam.size[0] * 0.6, 0.0)
    return Sight(
        picture=picture,
        from_s=obstacle.from_s,
        until_s=obstacle.until_s,
        rise_s=0.8,
        fall_s=0.8,
        from_px=away,
        is_inner=False,
        is_veil=True,
    )


def _venography(obstacle: Obstacle, site: Site, kvp: float, rng: Generator) -> Sight:
    """Contrast agent: the whole tree at once, clear again in two to five seconds."""
    kinds = (LeakKind.EPIDURAL_VEIN, LeakKind.SEGMENTAL_VEIN, LeakKind.PREVERTEBRAL_VEIN)
    tree = tuple(Leak(kind=kind, at_s=0.1, speed_mm_s=500.0, radius_mm=1.3, length_mm=26.0) for kind in kinds)
    cells = pour(site, Push(times_s=(0.0, 0.1), shares=(0.0, 0.45)), tree, rng)
    weight = np.where(cells.zone == ZONE_ORDER.index(Zone.BODY), 0.2, 1.0).astype(np.float32)
    picture = _path_of(cells, site.beam, weight) * np.float32(per_cm("iodine", kvp) / 10)
    until = min(obstacle.until_s, obstacle.from_s + 2.0)
    return Sight(
        picture=picture,
        from_s=obstacle.from_s,
        until_s=until,
        rise_s=0.5,
        fall_s=float(rng.uniform(1.0, 3.0)),
        is_veil=True,
    )


def _path_of(cells: Cells, beam: Beam, weight: Gray) -> Gray:
    rays = np.zeros(beam.n_rays[0] * beam.n_rays[1], np.float32)
    np.add.at(rays, cells.ray, cells.path_mm * weight)
    return beam.magnify(rays.reshape(beam.n_rays))


def path_of(cells: Cells, beam: Beam) -> Gray:
    """Path (mm) per pixel through all cells, whenever they fill."""
    return _path_of(cells, beam, np.ones(cells.ray.shape, np.float32))


def old_cement(site: Site, chain: Chain, rng: Generator) -> Gray:
    """Attenuation (nepers) per pixel of cement from an earlier session in another level."""
    cells = pour(site, Push(times_s=(0.0, 1.0), shares=(0.0, 0.6)), (), rng)
    return cement_attenuation(path_of(cells, site.beam), chain.kvp, chain.cement)


def _balloon(obstacle: Obstacle, site: Site, kvp: float, rng: Generator) -> Sight:
    """Contrast agent in a skin that swells about the needle's line and deflates, not always wholly."""
    balloon = draw_balloon(site, per_cm("iodine", kvp) / 10, obstacle.aside_mm, rng)
    return Sight(
        picture=balloon.picture(1.0),
        from_s=obstacle.from_s,
        until_s=obstacle.until_s,
        rise_s=4.0,
        fall_s=1.5,
        left=obstacle.left,
        balloon=balloon,
    )


def _screws(site: Site, kvp: float) -> Sight:
    """Titanium screws through both pedicles of the levels above and below."""
    v, beam = site.vertebra, site.beam
    picture = np.zeros(beam.size, np.float32)
    for step in (-1.0, 1.0):
        rise = step * (v.height_posterior + v.disc + 1)
        for side in (-1.0, 1.0):
            ends = [(side * 6, -v.back * 0.4, rise), (side * (v.pedicle_x + 3), v.back + v.canal_depth + 12, rise + 5)]
            line = np.array([v.place(spot) for spot in ends], np.float32).T
            picture = np.maximum(picture, tube_path(beam, line, 2.8))
    return Sight(picture=picture * np.float32(per_cm("titanium", kvp) / 10), from_s=-1.0, until_s=math.inf)


def exposure_at(obstacles: tuple[Obstacle, ...], time_s: float) -> float:
    """How many times more light the tube gives than exposure control asked for."""
    steps = [o for o in obstacles if o.kind is ObstacleKind.EXPOSURE_STEP and o.from_s <= time_s < o.until_s]
    return 1.45 ** len(steps)


def has_blades(obstacles: tuple[Obstacle, ...], time_s: float) -> bool:
    """True while the collimator is closed to a smaller field."""
    return any(o.kind is ObstacleKind.BLADES and o.from_s <= time_s < o.until_s for o in obstacles)
