"""Scenes: a patient, a push of cement and an X-ray system, played frame by frame with the truth beside each frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.random import default_rng
from numpy.typing import NDArray

from detection.phantom.attenuation import cement_attenuation
from detection.phantom.chain import Afterglow, Stored, detect, expose, photons_per_px, ramp_at, store
from detection.phantom.obstacles import exposure_at
from detection.phantom.script import (
    Motion,
    Scene,
    arrangement,
    gap_at,
    has_beam,
    leg_of,
    needle_slip,
    shift_at,
)
from detection.phantom.stage import Poured, Stage, advance, build
from detection.phantom.stories import SCENARIOS
from detection.phantom.truth import Truth, is_clear, moved, truth_of
from detection.phantom.vary import vary
from detection.vocabulary import ZONE_ORDER, Gray

__all__ = ["SCENARIOS", "Motion", "Scene", "Shot", "Stage", "Truth", "build", "play", "play_stage", "vary"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shot:
    """One frame as a detector stores it, (H, W) uint16, and the truth about it; ``leg`` counts the swings before it."""

    index: int
    time_s: float
    pixels: Stored
    truth: Truth
    leg: int = 0


def play(scene: Scene) -> Iterator[Shot]:
    """The frames of a scene, one at a time."""
    yield from play_stage(build(scene))


def play_stage(stage: Stage) -> Iterator[Shot]:
    """The frames of a built scene; where the C-arm swings, the other views are built on the way."""
    scene = stage.scene
    reels = {0: _Reel(stage=stage)}
    after: Afterglow | None = None
    shot: Shot | None = None
    lit_since = -math.inf
    n_shots = 0
    for step in range(scene.n_frames):
        time_s = step / scene.frame_rate
        if not has_beam(scene, time_s):
            gap = gap_at(scene, time_s)
            after, lit_since = None, time_s
            if gap is None or not gap.is_held or shot is None:
                continue
            shot = replace(shot, index=n_shots, time_s=time_s)
        elif shot is not None and step % scene.n_repeats and shot.leg == leg_of(scene, time_s):
            shot = replace(shot, index=n_shots, time_s=time_s)
        else:
            reel = _reel_at(reels, stage, leg_of(scene, time_s))
            after, shot = reel.shoot(n_shots, time_s, after, lit_since)
        yield shot
        n_shots += 1


@dataclass(slots=True, kw_only=True, eq=False)
class _Reel:
    """One arrangement of the C-arm and the cement that its beam has seen."""

    stage: Stage
    leg: int = 0
    poured: Poured = field(init=False)
    washed: NDArray[np.intp] = field(init=False)

    def __post_init__(self) -> None:
        n_rays, cells = self.stage.beam.n_rays, self.stage.cells
        paths = np.zeros((len(ZONE_ORDER), n_rays[0] * n_rays[1]), np.float32)
        self.poured = Poured(paths, np.zeros(len(ZONE_ORDER)))
        stays = np.isinf(cells.off_s)
        self.washed = np.argsort(cells.off_s, kind="stable")[: int((~stays).sum())]

    def shoot(self, index: int, time_s: float, before: Afterglow | None, lit_since: float) -> tuple[Afterglow, Shot]:
        """The next frame, and what it leaves for the one after it."""
        stage, scene = self.stage, self.stage.scene
        advance(self.poured, stage.cells, self.washed, time_s)
        expected, after = _shoot(stage, self.poured, (index, time_s), before, ramp_at(time_s - lit_since))
        pixels = store(after.shown, stage.field_at(time_s), scene.chain)
        truth = truth_of(stage, self.poured, time_s, shift_at(scene, time_s), expected)
        truth = replace(truth, is_clear=is_clear(stage, time_s, lit_since))
        return after, Shot(index=index, time_s=time_s, pixels=pixels, truth=truth, leg=self.leg)


def _reel_at(reels: dict[int, _Reel], stage: Stage, leg: int) -> _Reel:
    """The arrangement after so many swings; what was built for an earlier one that stood alike is used again."""
    if leg not in reels:
        wanted = arrangement(stage.scene, leg)
        same = next((reel for reel in reels.values() if reel.stage.scene == wanted), None)
        reels[leg] = _Reel(stage=same.stage if same else build(wanted), leg=leg)
    return reels[leg]


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
            inner += sight.shown(weight)
        elif weight > 0:
            outer = outer + moved(
                sight.picture, (sight.from_px[0] * (1 - weight), sight.from_px[1] * (1 - weight)), 0.0
            )
    if slip == (0.0, 0.0):
        return moved(inner + subject.needle, shift) + outer
    return moved(inner, shift) + moved(subject.needle, (shift[0] + slip[0], shift[1] + slip[1])) + outer


def _shoot(
    stage: Stage, poured: Poured, at: tuple[int, float], before: Afterglow | None, ramp: float
) -> tuple[Gray, Afterglow]:
    (index, time_s), scene, chain = at, stage.scene, stage.scene.chain
    photons = photons_per_px(chain, stage.beam.mm_per_px * stage.beam.magnification)
    lit = photons * exposure_at(scene.obstacles, time_s) * ramp
    expected, wanted = expose(_attenuation(stage, poured, time_s), stage.field_at(time_s), chain, lit, before)
    residue, shown = detect(expected, chain, photons, default_rng([scene.seed, 1, index]), before)
    gain = wanted if before is None else before.gain
    if before is not None and chain.has_control:
        gain += (wanted - gain) * min(1.0, scene.n_repeats / (scene.frame_rate * chain.control_s))
    return expected, Afterglow(gain=gain, residue=residue, shown=shown)
