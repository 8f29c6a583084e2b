"""The stories that scenes tell: cement that stays, cement that leaks, and all that looks like it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from detection.phantom.chain import Chain
from detection.phantom.flow import Leak, LeakKind
from detection.phantom.obstacles import Obstacle, ObstacleKind
from detection.phantom.script import Gap, Motion, Scene, Swing
from detection.vocabulary import View

_LATERAL = Scene(name="contained", seed=11)
_AP = replace(_LATERAL, view=View.AP, primary_deg=0.0, chain=Chain(kvp=80.0, scatter_to_primary=0.8), level="T12")
_EMPTY = replace(_LATERAL, knots=((25.0, 0.0),))


def _leaking(scene: Scene, name: str, seed: int, level: str, leak: Leak) -> Scene:
    return replace(scene, name=name, seed=seed, level=level, leak=leak)


def _disturbed(name: str, seed: int, kind: ObstacleKind, from_s: float, until_s: float) -> Scene:
    return replace(_EMPTY, name=name, seed=seed, obstacles=(Obstacle(kind=kind, from_s=from_s, until_s=until_s),))


_TO_THE_WALL = replace(_LATERAL, duration_s=40.0, knots=((16.0, 0.66), (31.0, 0.99), (40.0, 1.03)))

_FIRST = (
    _LATERAL,
    _leaking(
        _TO_THE_WALL,
        "canal_leak",
        43,
        "L1",
        Leak(kind=LeakKind.CANAL, at_s=31.0, speed_mm_s=2.2, radius_mm=1.5, length_mm=18.0),
    ),
    _leaking(
        _TO_THE_WALL,
        "epidural_leak",
        22,
        "T11",
        Leak(kind=LeakKind.EPIDURAL_VEIN, at_s=30.0, speed_mm_s=8.0, radius_mm=1.0, length_mm=16.0),
    ),
    _leaking(
        _TO_THE_WALL,
        "foramen_leak",
        23,
        "L3",
        Leak(kind=LeakKind.FORAMEN, at_s=31.0, speed_mm_s=2.5, radius_mm=1.5, length_mm=14.0),
    ),
    _leaking(
        _LATERAL, "disc_leak", 13, "L2", Leak(kind=LeakKind.DISC_SUPERIOR, at_s=15.0, speed_mm_s=2.0, length_mm=20.0)
    ),
    _leaking(
        _AP,
        "vein_leak_ap",
        14,
        "T12",
        Leak(kind=LeakKind.SEGMENTAL_VEIN, at_s=15.0, speed_mm_s=8.0, radius_mm=1.0, length_mm=22.0, washout_s=7.0),
    ),
    _leaking(
        _LATERAL,
        "prevertebral_leak",
        24,
        "T9",
        Leak(kind=LeakKind.PREVERTEBRAL_VEIN, at_s=14.0, speed_mm_s=6.0, radius_mm=1.1, length_mm=22.0),
    ),
    _leaking(
        _LATERAL,
        "soft_tissue_leak",
        15,
        "L3",
        Leak(kind=LeakKind.SOFT_TISSUE_ANTERIOR, at_s=14.0, speed_mm_s=1.5, length_mm=16.0),
    ),
    _leaking(
        _LATERAL, "tract_leak", 25, "L4", Leak(kind=LeakKind.NEEDLE_TRACT, at_s=14.0, speed_mm_s=5.0, length_mm=14.0)
    ),
    replace(_AP, name="contained_ap", seed=26),
    replace(_EMPTY, name="needle_motion_only", seed=16, motion=Motion(needle_mm=2.5)),
    replace(_EMPTY, name="breathing_only", seed=17, motion=Motion(breathing_mm=3.0, breaths_per_min=18.0)),
    replace(_EMPTY, name="table_move_only", seed=27, motion=Motion(table_at_s=12.0, table_mm=(9.0, -14.0))),
    _disturbed("hand_only", 28, ObstacleKind.HAND, 8.0, 16.0),
    _disturbed("venography_only", 29, ObstacleKind.VENOGRAPHY, 8.0, 10.0),
    _disturbed("balloon_only", 30, ObstacleKind.BALLOON, 6.0, 17.0),
    _disturbed("exposure_step_only", 31, ObstacleKind.EXPOSURE_STEP, 10.0, 18.0),
    _disturbed("collimator_only", 32, ObstacleKind.BLADES, 10.0, 18.0),
    replace(_LATERAL, name="old_cement", seed=33, obstacles=(Obstacle(kind=ObstacleKind.OLD_CEMENT),)),
    replace(_LATERAL, name="screws", seed=34, obstacles=(Obstacle(kind=ObstacleKind.SCREWS),)),
)

_TO_AP_AND_BACK = (
    Swing(at_s=8.0, view=View.AP, primary_deg=0.0),
    Swing(at_s=15.0, off_mm=(3.0, -2.0)),
)
_OBLIQUE = replace(_LATERAL, view=View.OBLIQUE, primary_deg=50.0, level="L2")

_FURTHER = (
    replace(_EMPTY, name="hammering_only", seed=35, motion=Motion(hammer_mm=2.5, hammer_s=(6.0, 15.0))),
    replace(_EMPTY, name="image_hold_only", seed=36, gaps=(Gap(from_s=9.0, until_s=13.0, is_held=True),)),
    replace(_EMPTY, name="zoom_only", seed=37, swings=(Swing(at_s=9.0, zoom=1.4), Swing(at_s=17.0, off_mm=(1.0, 1.0)))),
    replace(_EMPTY, name="turn_only", seed=38, swings=(Swing(at_s=10.0, primary_deg=94.0, roll_deg=2.0),)),
    replace(
        _LATERAL,
        name="pedal_gaps",
        seed=39,
        gaps=(Gap(from_s=8.0, until_s=10.0), Gap(from_s=14.0, until_s=17.5)),
    ),
    replace(_LATERAL, name="repeated_frames", seed=40, n_repeats=3),
    replace(_LATERAL, name="view_swap", seed=41, swings=_TO_AP_AND_BACK),
    replace(_LATERAL, name="lytic_body", seed=42, level="L2", lysis_mm=8.0),
    replace(_LATERAL, name="wedge_body", seed=44, level="T11", height_loss=0.5),
    replace(_OBLIQUE, name="contained_oblique", seed=45),
    replace(_LATERAL, name="wall_contact", seed=46, duration_s=38.0, knots=((12.0, 0.66), (30.0, 1.0), (37.0, 1.2))),
    _leaking(
        replace(_LATERAL, swings=_TO_AP_AND_BACK, knots=((16.0, 0.7), (25.0, 1.0))),
        "view_swap_leak",
        47,
        "L1",
        Leak(kind=LeakKind.CANAL, at_s=20.0, speed_mm_s=3.0, radius_mm=1.5, length_mm=16.0),
    ),
    _leaking(
        replace(_LATERAL, gaps=(Gap(from_s=12.0, until_s=16.0),)),
        "leak_in_a_pause",
        48,
        "L2",
        Leak(kind=LeakKind.PREVERTEBRAL_VEIN, at_s=13.0, speed_mm_s=6.0, radius_mm=1.2, length_mm=22.0),
    ),
    _leaking(
        _LATERAL,
        "fast_vein_leak",
        49,
        "L1",
        Leak(
            kind=LeakKind.PREVERTEBRAL_VEIN,
            at_s=14.0,
            speed_mm_s=45.0,
            radius_mm=1.0,
            length_mm=30.0,
            washout_s=3.0,
        ),
    ),
    _leaking(_LATERAL, "disc_inferior_leak", 50, "L3", Leak(kind=LeakKind.DISC_INFERIOR, at_s=14.0, length_mm=18.0)),
    _leaking(_AP, "disc_leak_ap", 51, "L2", Leak(kind=LeakKind.DISC_SUPERIOR, at_s=14.0, length_mm=20.0)),
    _leaking(
        _AP,
        "soft_tissue_leak_ap",
        52,
        "L3",
        Leak(kind=LeakKind.SOFT_TISSUE_LATERAL, at_s=14.0, speed_mm_s=1.5, length_mm=16.0),
    ),
    _leaking(
        _OBLIQUE,
        "vein_leak_oblique",
        53,
        "L2",
        Leak(kind=LeakKind.SEGMENTAL_VEIN, at_s=14.0, speed_mm_s=8.0, radius_mm=1.2, length_mm=24.0),
    ),
)

_BALLOON = Obstacle(kind=ObstacleKind.BALLOON, from_s=3.0, until_s=10.0)
_THEN_CEMENT = replace(_LATERAL, start_s=14.0, knots=((30.0, 0.5),), duration_s=31.0)

_AFTER_BALLOONS = (
    _leaking(
        replace(_THEN_CEMENT, obstacles=(_BALLOON,), knots=((24.0, 0.6), (32.0, 0.75)), duration_s=32.0),
        "balloon_disc_leak",
        54,
        "L2",
        Leak(kind=LeakKind.DISC_SUPERIOR, at_s=25.0, speed_mm_s=2.0, length_mm=20.0),
    ),
    _leaking(
        replace(_THEN_CEMENT, obstacles=(_BALLOON,), knots=((22.0, 0.66), (30.0, 0.99), (36.0, 1.02)), duration_s=36.0),
        "balloon_canal_leak",
        55,
        "L1",
        Leak(kind=LeakKind.CANAL, at_s=30.0, speed_mm_s=2.2, radius_mm=1.5, length_mm=18.0),
    ),
    replace(_THEN_CEMENT, name="balloon_left", seed=56, obstacles=(replace(_BALLOON, left=0.25),)),
    replace(
        _AP,
        name="balloons_ap",
        seed=57,
        start_s=15.0,
        knots=((30.0, 0.4),),
        duration_s=31.0,
        obstacles=(_BALLOON, replace(_BALLOON, from_s=4.5, until_s=11.5, aside_mm=13.0)),
    ),
)

SCENARIOS: Mapping[str, Scene] = {scene.name: scene for scene in (*_FIRST, *_FURTHER, *_AFTER_BALLOONS)}
"""Every story by its name."""
