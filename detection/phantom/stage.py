"""A scene made ready: the patient drawn, cement placed in time, and everything projected that does not change."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from detection.phantom.beam import Beam
from detection.phantom.chain import field_of
from detection.phantom.ct import subject_on_ct
from detection.phantom.flow import Cells, draw_push, pour
from detection.phantom.obstacles import has_blades
from detection.phantom.script import Scene
from detection.phantom.subject import Subject, draw_subject
from detection.vocabulary import ZONE_ORDER, Gray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """All that stays the same in a scene.

    ``field`` and ``blades`` (H, W) are what the collimator lets through, as set up and closed in.
    """

    scene: Scene
    beam: Beam
    subject: Subject
    field: Gray
    blades: Gray
    cells: Cells

    def field_at(self, time_s: float) -> Gray:
        """What the collimator lets through at a time, (H, W) from 0 to 1."""
        return self.blades if has_blades(self.scene.obstacles, time_s) else self.field


@dataclass(slots=True)
class Poured:
    """Cement so far, added to as time goes on: path (mm) per zone and ray, and millilitres per zone."""

    paths: NDArray[np.float32]
    ml: NDArray[np.float64]
    n_on: int = 0
    n_off: int = 0


def build(scene: Scene) -> Stage:
    """Draw the patient or take the scan, place the cement in time, and project what does not move."""
    rng = default_rng([scene.seed, 0])
    beam = draw_beam(scene, rng)
    subject = draw_subject(scene, beam, rng) if scene.scan is None else subject_on_ct(scene, scene.scan, beam, rng)
    push = draw_push(scene.start_s, scene.knots, rng)
    return Stage(
        scene=scene,
        beam=beam,
        subject=subject,
        field=field_of(scene.chain, scene.size),
        blades=field_of(replace(scene.chain, field="blades", field_share=0.62), scene.size),
        cells=pour(subject.site, push, (scene.leak,) if scene.leak else (), rng),
    )


def draw_beam(scene: Scene, rng: Generator) -> Beam:
    """The beam of a scene: told angles, plus a few degrees by which the patient lies askew."""
    askew = rng.normal(0, 1.2, 2)
    middle = ((scene.size[0] - 1) / 2, (scene.size[1] - 1) / 2)
    off = rng.uniform(-8, 8, 2) / scene.mm_per_px
    return Beam(
        primary_deg=scene.primary_deg + float(askew[0]),
        secondary_deg=scene.secondary_deg + float(askew[1]),
        mm_per_px=scene.mm_per_px,
        size=scene.size,
        is_mirrored=scene.is_mirrored,
        centre=(middle[0] + float(off[0]), middle[1] + float(off[1])),
        roll_deg=scene.roll_deg,
    )


def advance(poured: Poured, cells: Cells, washed: NDArray[np.intp], time_s: float) -> None:
    """Lay down what has filled, and take away what has washed out, since the last call."""
    n_on = int(np.searchsorted(cells.on_s, time_s, side="right"))
    _lay(poured, cells, slice(poured.n_on, n_on), 1.0)
    poured.n_on = n_on
    n_off = int(np.searchsorted(cells.off_s[washed], time_s, side="right"))
    _lay(poured, cells, washed[poured.n_off : n_off], -1.0)
    poured.n_off = n_off


def _lay(poured: Poured, cells: Cells, which: slice | NDArray[np.intp], sign: float) -> None:
    zone = cells.zone[which]
    np.add.at(poured.paths, (zone, cells.ray[which]), cells.path_mm[which] * np.float32(sign))
    poured.ml += sign * np.bincount(zone, cells.ml[which], len(ZONE_ORDER))
