"""Scenes: a patient, a push of cement and an X-ray system, played frame by frame with the truth beside each frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import default_rng

from detection.phantom.attenuation import cement_attenuation
from detection.phantom.chain import Afterglow, Chain, Stored, detect, expose, photons_per_px, store
from detection.phantom.flow import Leak, LeakKind
from detection.phantom.script import Motion, Scene, needle_slip, shift_at
from detection.phantom.stage import Poured, Stage, advance, build
from detection.phantom.truth import Truth, moved, truth_of
from detection.vocabulary import ZONE_ORDER, Gray, Point, View

__all__ = ["SCENARIOS", "Motion", "Scene", "Shot", "Stage", "Truth", "build", "play", "play_stage"]


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
    washed = np.argsort(stage.cells.off_s, kind="stable")[: int(np.isfinite(stage.cells.off_s).sum())]
    after: Afterglow | None = None
    for index in range(scene.n_frames):
        time_s = index / scene.frame_rate
        advance(poured, stage.cells, washed, time_s)
        shift = shift_at(scene, time_s)
        expected, after = _shoot(stage, poured, index, shift, after)
        pixels = store(after.shown, stage.field, scene.chain)
        yield Shot(index=index, time_s=time_s, pixels=pixels, truth=truth_of(stage, poured, time_s, shift, expected))


def _shoot(stage: Stage, poured: Poured, index: int, shift: Point, before: Afterglow | None) -> tuple[Gray, Afterglow]:
    scene, chain = stage.scene, stage.scene.chain
    time_s = index / scene.frame_rate
    shape = stage.beam.n_rays
    moving = stage.subject.spine
    if poured.n_on:
        path = np.maximum(poured.paths.sum(axis=0).reshape(shape), 0)
        moving = moving + stage.beam.magnify(cement_attenuation(path, chain.kvp, chain.cement))
    slip = needle_slip(scene, time_s)
    attenuation = (
        moved(moving, shift)
        + moved(stage.subject.surroundings, shift)
        + moved(stage.subject.needle, (shift[0] + slip[0], shift[1] + slip[1]))
    )
    photons = photons_per_px(chain, stage.beam.mm_per_px * stage.beam.magnification)
    expected, wanted = expose(attenuation, stage.field, chain, photons, before)
    residue, shown = detect(expected, chain, photons, default_rng([scene.seed, 1, index]), before)
    gain = wanted if before is None else before.gain
    if before is not None and chain.has_control:
        gain += (wanted - gain) * min(1.0, 1 / (scene.frame_rate * chain.control_s))
    return expected, Afterglow(gain=gain, residue=residue, shown=shown)


_LATERAL = Scene(name="contained", seed=11)

SCENARIOS: Mapping[str, Scene] = {
    scene.name: scene
    for scene in (
        _LATERAL,
        replace(
            _LATERAL,
            name="canal_leak",
            seed=12,
            duration_s=40.0,
            knots=((16.0, 0.68), (31.0, 0.99), (40.0, 1.03)),
            leak=Leak(kind=LeakKind.CANAL, at_s=31.0, speed_mm_s=2.2, radius_mm=1.5, length_mm=18.0),
        ),
        replace(
            _LATERAL,
            name="disc_leak",
            seed=13,
            level="L2",
            leak=Leak(kind=LeakKind.DISC_SUPERIOR, at_s=15.0, speed_mm_s=2.0, length_mm=20.0),
        ),
        replace(
            _LATERAL,
            name="vein_leak_ap",
            seed=14,
            level="T12",
            view=View.AP,
            primary_deg=0.0,
            chain=Chain(kvp=80.0),
            leak=Leak(
                kind=LeakKind.SEGMENTAL_VEIN, at_s=15.0, speed_mm_s=8.0, radius_mm=0.9, length_mm=22.0, washout_s=7.0
            ),
        ),
        replace(
            _LATERAL,
            name="soft_tissue_leak",
            seed=15,
            level="L3",
            leak=Leak(kind=LeakKind.SOFT_TISSUE_ANTERIOR, at_s=14.0, speed_mm_s=1.5, length_mm=16.0),
        ),
        replace(_LATERAL, name="needle_motion_only", seed=16, knots=((25.0, 0.0),), motion=Motion(needle_mm=2.5)),
        replace(
            _LATERAL,
            name="breathing_only",
            seed=17,
            knots=((25.0, 0.0),),
            motion=Motion(breathing_mm=3.0, breaths_per_min=18.0),
        ),
    )
}
