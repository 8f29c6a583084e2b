"""The patient as one view shows them: pictures of what does not change, where cement goes in, and the body's corners."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.random import Generator, default_rng

from detection.phantom.beam import Beam, Points
from detection.phantom.flow import Site
from detection.phantom.obstacles import ObstacleKind, Sight, old_cement, sights_of
from detection.phantom.patient import (
    Needle,
    Spine,
    draw_needle,
    draw_spine,
    needle_attenuation,
    spine_attenuation,
    surroundings_attenuation,
)
from detection.phantom.script import Scene
from detection.phantom.vertebra import Distance, Spot, Vertebra, body_distance
from detection.vocabulary import Corners, Gray, Point, View


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """Pictures (nepers per pixel) of spine, surroundings and needle, and of obstacles; the site of the cement; the body's corners (px)."""

    spine: Gray
    surroundings: Gray
    needle: Gray
    site: Site
    sights: tuple[Sight, ...]
    corners: Corners


def draw_subject(scene: Scene, beam: Beam, rng: Generator) -> Subject:
    """A patient drawn from the scene's seed."""
    spine = draw_spine(scene.level, rng, height_loss=scene.height_loss)
    vertebra, kvp = spine.vertebra, scene.chain.kvp
    if scene.lysis_mm:
        spine = replace(spine, holes=(_draw_hole(scene, vertebra),))
    site = site_of(vertebra, beam, spine.needle, partial(body_distance, vertebra=vertebra))
    bones = spine_attenuation(spine, beam, kvp, rng)
    if any(obstacle.kind is ObstacleKind.OLD_CEMENT for obstacle in scene.obstacles):
        bones = bones + old_cement(_neighbour_site(spine, beam, rng), scene.chain, rng)
    return Subject(
        spine=bones,
        surroundings=surroundings_attenuation(beam, scene.level, kvp, rng),
        needle=needle_attenuation(spine.needle, beam, kvp),
        site=site,
        sights=sights_of(scene.obstacles, site, scene.chain, rng),
        corners=corners_of(vertebra, beam, scene.view),
    )


def _draw_hole(scene: Scene, vertebra: Vertebra) -> tuple[Spot, float]:
    """A hole in the hind half of the body, drawn apart so that everything else stays as it is without it."""
    rng = default_rng([scene.seed, 6])
    side, back, up = rng.uniform(-0.6, 0.6), rng.uniform(0.0, 0.9), rng.uniform(-0.3, 0.3)
    spot = vertebra.place((side * vertebra.side, back * vertebra.back, up * vertebra.height_posterior))
    return spot, scene.lysis_mm


def _neighbour_site(spine: Spine, beam: Beam, rng: Generator) -> Site:
    neighbour = spine.vertebrae[spine.treated + 1]
    return site_of(neighbour, beam, draw_needle(neighbour, rng), partial(body_distance, vertebra=neighbour))


def site_of(vertebra: Vertebra, beam: Beam, needle: Needle, inside: Callable[[Points], Distance]) -> Site:
    """Where a needle lets cement into a vertebra."""
    return Site(
        beam=beam, vertebra=vertebra, inside=inside, tip=_local(vertebra, needle.tip), hub=_local(vertebra, needle.hub)
    )


def _local(vertebra: Vertebra, spot: Spot) -> Spot:
    x, y, z = vertebra.localise(np.array(spot, np.float32))
    return float(x), float(y), float(z)


def corners_of(vertebra: Vertebra, beam: Beam, view: View) -> Corners:
    """The true corners (px) of the body in a view."""
    v = vertebra

    def corner(side: float, up: float) -> Point:
        width, depth = (v.width[0], v.depth[0]) if up > 0 else (v.width[1], v.depth[1])
        if view is View.AP:
            return beam.land(v.place((side * width / 2 * (1 - v.waist * 0.1), 0, up * v.height_at(0) / 2)))
        y = side * depth / 2
        return beam.land(v.place((0, y, up * v.height_at(y) / 2)))

    near = 1.0
    if view is View.AP:
        near = -1.0 if beam.axes[0][0] > 0 else 1.0
    return Corners(
        near_superior=corner(near, 1),
        near_inferior=corner(near, -1),
        far_superior=corner(-near, 1),
        far_inferior=corner(-near, -1),
    )
