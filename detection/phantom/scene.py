"""Scenes: a patient, a push of cement and an X-ray system, played frame by frame with the truth beside each frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import default_rng

from detection.phantom.attenuation import Cement, cement_attenuation
from detection.phantom.chain import Afterglow, Chain, Stored, detect, expose, photons_per_px, store
from detection.phantom.flow import Leak, LeakKind
from detection.phantom.obstacles import Obstacle, ObstacleKind, Sight, exposure_at
from detection.phantom.script import Motion, Scene, needle_slip, shift_at
from detection.phantom.stage import Poured, Stage, advance, build
from detection.phantom.truth import Truth, moved, truth_of
from detection.phantom.vertebra import LEVELS
from detection.vocabulary import ZONE_ORDER, Gray, Intensity, View

__all__ = ["SCENARIOS", "Motion", "Scene", "Shot", "Stage", "Truth", "build", "play", "play_stage", "vary"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shot:
    """One frame as a detector stores it, (H, W) uint16, and the truth about it."""

    index: int
    time_s: float
    pixels: Stored
    truth: Truth


def play(scene: Scene) -> Iterator[Shot]:
    """The frames of a scene, one at a time."""
    yield from play_stage(build(scene))


def play_stage(stage: Stage) -> Iterator[Shot]:
    """The frames of a built scene."""
    scene, n_rays = stage.scene, stage.beam.n_rays
    poured = Poured(np.zeros((len(ZONE_ORDER), n_rays[0] * n_rays[1]), np.float32), np.zeros(len(ZONE_ORDER)))
    stays = np.isinf(stage.cells.off_s)
    washed = np.argsort(stage.cells.off_s, kind="stable")[: int((~stays).sum())]
    after: Afterglow | None = None
    shot: Shot | None = None
    for index in range(scene.n_frames):
        time_s = index / scene.frame_rate
        if shot is not None and index % scene.n_repeats:
            yield replace(shot, index=index, time_s=time_s)
            continue
        advance(poured, stage.cells, washed, time_s)
        shift = shift_at(scene, time_s)
        expected, after = _shoot(stage, poured, index, after)
        pixels = store(after.shown, stage.field_at(time_s), scene.chain)
        shot = Shot(index=index, time_s=time_s, pixels=pixels, truth=truth_of(stage, poured, time_s, shift, expected))
        yield shot


def _attenuation(stage: Stage, poured: Poured, time_s: float) -> Gray:
    """Nepers per pixel of all that is in the beam at a time."""
    scene, chain, subject = stage.scene, stage.scene.chain, stage.subject
    shift, slip = shift_at(scene, time_s), needle_slip(scene, time_s)
    inner, outer = subject.spine + subject.surroundings, np.zeros((), np.float32)
    if poured.n_on:
        path = np.maximum(poured.paths.sum(axis=0).reshape(stage.beam.n_rays), 0)
        inner += stage.beam.magnify(cement_attenuation(path, chain.kvp, chain.cement))
    for sight in subject.sights:
        weight = sight.weight(time_s)
        if weight > 0 and sight.is_inner:
            inner += _grown(sight, weight)
        elif weight > 0:
            outer = outer + moved(
                sight.picture, (sight.from_px[0] * (1 - weight), sight.from_px[1] * (1 - weight)), 0.0
            )
    if slip == (0.0, 0.0):
        return moved(inner + subject.needle, shift) + outer
    return moved(inner, shift) + moved(subject.needle, (shift[0] + slip[0], shift[1] + slip[1])) + outer


def _grown(sight: Sight, weight: float) -> Gray:
    if not sight.is_growing:
        return sight.picture * np.float32(weight)
    grown: Gray = np.maximum(sight.picture - sight.picture.max() * np.float32(1 - weight), 0)
    return grown


def _shoot(stage: Stage, poured: Poured, index: int, before: Afterglow | None) -> tuple[Gray, Afterglow]:
    scene, chain = stage.scene, stage.scene.chain
    time_s = index / scene.frame_rate
    photons = photons_per_px(chain, stage.beam.mm_per_px * stage.beam.magnification)
    lit = photons * exposure_at(scene.obstacles, time_s)
    expected, wanted = expose(_attenuation(stage, poured, time_s), stage.field_at(time_s), chain, lit, before)
    residue, shown = detect(expected, chain, photons, default_rng([scene.seed, 1, index]), before)
    gain = wanted if before is None else before.gain
    if before is not None and chain.has_control:
        gain += (wanted - gain) * min(1.0, scene.n_repeats / (scene.frame_rate * chain.control_s))
    return expected, Afterglow(gain=gain, residue=residue, shown=shown)


def vary(scene: Scene, seed: int, *, is_exam: bool = False) -> Scene:
    """The same story with another patient, X-ray system and motion, drawn from wide ranges.

    Exam scenes come from other seeds and somewhat wider ranges than those used for development.
    """
    rng = default_rng([seed, 2 + is_exam])
    wide = 1.25 if is_exam else 1.0
    is_ap = scene.view is View.AP
    size = int(rng.choice([512, 512, 1024] if is_exam else [512]))
    intensity = [Intensity.LINEAR, Intensity.LOG, Intensity.DISPLAY][int(rng.choice(3, p=[0.5, 0.2, 0.3]))]
    chain = Chain(
        kvp=float(rng.uniform(70, 85) if is_ap else rng.uniform(85, 110)),
        cement=Cement.ZIRCONIA if rng.random() < 0.3 else Cement.BARIUM_20,
        dose_ngy=float(rng.uniform(20 / wide, 60)),
        scatter_to_primary=float(rng.uniform(0.5, 1.0) if is_ap else rng.uniform(1.0, 2.2 * wide)),
        blur_px=float(rng.uniform(0.7, 1.2 * wide)) * size / 512,
        lag=float(rng.uniform(0.02, 0.1)),
        recursion=float(rng.uniform(0.4 / wide, 1.0)),
        control_s=float(rng.uniform(0.3, 1.0)),
        vignetting=float(rng.uniform(0.0, 0.25)),
        field=str(rng.choice(["full", "round", "blades"])),
        intensity=intensity,
        bits=8 if intensity is Intensity.DISPLAY else int(rng.choice([10, 12, 14])),
        is_inverted=bool(rng.random() < 0.15),
    )
    return replace(
        scene,
        seed=seed,
        size=(size, size),
        mm_per_px=float(rng.uniform(0.22, 0.3)) * 512 / size,
        frame_rate=float(rng.choice([7.5, 10.0, 15.0])),
        level=str(rng.choice(LEVELS[1:-1])),
        is_mirrored=bool(rng.random() < 0.5),
        height_loss=float(rng.uniform(0.0, 0.4 * wide)),
        motion=replace(
            scene.motion, breathing_mm=float(rng.uniform(0.5, 2.5 * wide)), breaths_per_min=float(rng.uniform(12, 20))
        ),
        chain=chain,
    )


_LATERAL = Scene(name="contained", seed=11)
_AP = replace(_LATERAL, view=View.AP, primary_deg=0.0, chain=Chain(kvp=80.0, scatter_to_primary=0.8), level="T12")
_EMPTY = replace(_LATERAL, knots=((25.0, 0.0),))


def _leaking(scene: Scene, name: str, seed: int, level: str, leak: Leak) -> Scene:
    return replace(scene, name=name, seed=seed, level=level, leak=leak)


def _disturbed(name: str, seed: int, kind: ObstacleKind, from_s: float, until_s: float) -> Scene:
    return replace(_EMPTY, name=name, seed=seed, obstacles=(Obstacle(kind=kind, from_s=from_s, until_s=until_s),))


_TO_THE_WALL = replace(_LATERAL, duration_s=40.0, knots=((16.0, 0.66), (31.0, 0.99), (40.0, 1.03)))

_STORIES = (
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

SCENARIOS: Mapping[str, Scene] = {scene.name: scene for scene in _STORIES}
