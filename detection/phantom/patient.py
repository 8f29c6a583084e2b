"""The patient in the beam: a few vertebrae, ribs, soft tissue and the needle, as attenuation pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from numpy.random import Generator

from detection.phantom.attenuation import per_cm, steel_attenuation
from detection.phantom.beam import DEPTH_STEP_MM, Beam, Box, Points, box_around
from detection.phantom.vertebra import (
    LEVELS,
    Distance,
    Spot,
    Vertebra,
    body_distance,
    draw_vertebra,
    fracture,
    rod_distance,
    rods_of,
)
from detection.vocabulary import Gray

GAUGE_MM = {11: 3.05, 13: 2.41, 14: 2.11}


@dataclass(frozen=True, slots=True, kw_only=True)
class Needle:
    """A steel cannula: tip, and a spot far back on its axis (patient axes, mm)."""

    tip: Spot
    hub: Spot
    outer_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spine:
    """Vertebrae from head to foot; ``treated`` is the index of the one under treatment, at the origin.

    ``holes`` are spots (patient axes, mm) and radii without bone.
    """

    vertebrae: tuple[Vertebra, ...]
    treated: int
    needle: Needle
    holes: tuple[tuple[Spot, float], ...] = ()

    @property
    def vertebra(self) -> Vertebra:
        """The vertebra under treatment."""
        return self.vertebrae[self.treated]


def draw_spine(level: str, rng: Generator, *, n_beyond: int = 3, height_loss: float = 0.0) -> Spine:
    """A spine about a level: stacked bodies with their discs along a gentle curve, and a needle in place."""
    at = LEVELS.index(level)
    names = LEVELS[max(0, at - n_beyond) : at + n_beyond + 1]
    drawn = [draw_vertebra(name, rng) for name in names]
    treated = names.index(level)
    drawn[treated] = fracture(drawn[treated], height_loss)
    bend = rng.uniform(2.0, 5.0) * (1 if level.startswith("L") else -1)
    base = rng.normal(0, 4)
    tilts = [base + bend * (treated - k) for k in range(len(drawn))]
    placed = _stack([replace(v, tilt_deg=float(tilt)) for v, tilt in zip(drawn, tilts, strict=True)], treated)
    return Spine(vertebrae=placed, treated=treated, needle=draw_needle(placed[treated], rng))


def _stack(drawn: list[Vertebra], treated: int) -> tuple[Vertebra, ...]:
    placed = list(drawn)
    for step in (-1, 1):
        k = treated
        while 0 <= k + step < len(placed):
            here, there = placed[k], placed[k + step]
            gap = (here if step == 1 else there).disc + (here.height_at(0) + there.height_at(0)) / 2
            angle = math.radians((here.tilt_deg + there.tilt_deg) / 2)
            x, y, z = here.centre
            placed[k + step] = replace(
                there, centre=(x, y + step * gap * math.sin(angle), z - step * gap * math.cos(angle))
            )
            k += step
    return tuple(placed)


def draw_needle(vertebra: Vertebra, rng: Generator, gauge: int | None = None) -> Needle:
    """A needle through one pedicle with its tip in the anterior third."""
    side = float(rng.choice([-1.0, 1.0]))
    v = vertebra
    entry = (side * (v.pedicle_x + 2), v.back + v.canal_depth * 0.5, v.height_posterior * rng.uniform(0.2, 0.32))
    tip = (
        side * rng.uniform(1, 5),
        -v.mid_depth * rng.uniform(0.18, 0.3),
        rng.uniform(-0.12, 0.1) * v.height_posterior,
    )
    hub = tuple(tip[k] + (entry[k] - tip[k]) * 130 / float(np.linalg.norm(np.subtract(entry, tip))) for k in range(3))
    outer = GAUGE_MM[int(gauge or rng.choice([11, 13]))]
    return Needle(tip=v.place(tip), hub=v.place((hub[0], hub[1], hub[2])), outer_mm=outer)


def bone_paths(spine: Spine, beam: Beam) -> tuple[Gray, Gray]:
    """Paths through cortical and trabecular bone (mm) per ray, two (rows, cols) float32."""
    middle = np.array([v.centre for v in spine.vertebrae], np.float32).T
    everything = box_around(beam, middle, 75.0)
    if everything is None:
        return np.zeros(beam.n_rays, np.float32), np.zeros(beam.n_rays, np.float32)
    shape = (everything.n_depths, *beam.n_rays)
    surface, shell = np.full(shape, 9, np.float32), np.full(shape, 0.8, np.float32)
    for vertebra in spine.vertebrae:
        _carve(vertebra, everything, surface, shell)
    for spot, radius in spine.holes:
        _bore(spot, radius, everything, surface, shell)
    cortical, core = np.zeros(beam.n_rays, np.float32), np.zeros(beam.n_rays, np.float32)
    for distance, thickness in zip(surface, shell, strict=True):
        inner = _inside(distance + thickness)
        core += inner
        cortical += _inside(distance) - inner
    return cortical * np.float32(DEPTH_STEP_MM), core * np.float32(DEPTH_STEP_MM)


def _inside(distance: Distance) -> Distance:
    share: Distance = np.clip(0.5 - distance / 0.8, 0, 1)
    return share


def _carve(vertebra: Vertebra, everything: Box, surface: Distance, shell: Distance) -> None:
    def put(corners: Points, margin: float, measure: Callable[[Points], Distance], thickness: float) -> None:
        part = _part_of(everything, corners, margin)
        if part is None:
            return
        kept, region = part
        distance = measure(vertebra.localise(kept.points))
        nearer = distance < surface[region]
        np.copyto(surface[region], distance, where=nearer)
        np.copyto(shell[region], np.float32(thickness), where=nearer)

    corners = np.array([vertebra.place((float(x), float(y), float(z))) for x, y, z in vertebra.corners.T], np.float32).T
    put(corners, 1.5, lambda local: body_distance(local, vertebra), vertebra.shell)
    for rod in rods_of(vertebra):
        ends = np.array([vertebra.place(rod.start), vertebra.place(rod.end)], np.float32).T
        put(ends, rod.radius * rod.tall + 1.0, partial(rod_distance, rod=rod), 0.9)


def _part_of(everything: Box, spots: Points, margin: float) -> tuple[Box, tuple[slice, slice, slice]] | None:
    """The part of a box that holds spots (3, n), and where it lies in arrays over all rays."""
    box = box_around(everything.beam, spots, margin)
    if box is None:
        return None
    first = round((box.depth_from_mm - everything.depth_from_mm) / DEPTH_STEP_MM)
    layers = slice(max(0, first), min(everything.n_depths, first + box.n_depths))
    kept = replace(
        box,
        depth_from_mm=everything.depth_from_mm + layers.start * DEPTH_STEP_MM,
        n_depths=layers.stop - layers.start,
    )
    return kept, (layers, box.rows, box.cols)


def _bore(spot: Spot, radius: float, everything: Box, surface: Distance, shell: Distance) -> None:
    """Take a ball of bone away, its rim without cortex, as lysis does."""
    part = _part_of(everything, np.array([spot], np.float32).T, radius + 1.0)
    if part is None:
        return
    kept, region = part
    x, y, z = kept.points
    outside = (radius - np.sqrt((x - spot[0]) ** 2 + (y - spot[1]) ** 2 + (z - spot[2]) ** 2)).astype(np.float32)
    eaten = outside > surface[region]
    np.copyto(surface[region], outside, where=eaten)
    np.copyto(shell[region], np.float32(0.0), where=eaten)


def tube_path(beam: Beam, spots: Points, radius_mm: float) -> Gray:
    """Path (mm) per pixel through a solid tube along a line of spots (3, n), by its chord."""
    row, col = beam.project(spots)
    ahead = beam.axes[2]
    path = np.zeros(beam.size, np.float32)
    r_px = radius_mm / beam.mm_per_px
    for k in range(spots.shape[1] - 1):
        step = spots[:, k + 1] - spots[:, k]
        lean = float(step @ ahead) / max(float(np.linalg.norm(step)), 1e-6)
        steep = max(math.sqrt(max(1 - lean * lean, 0)), 0.25)
        low_r, high_r = _window(row[k : k + 2], r_px, beam.size[0])
        low_c, high_c = _window(col[k : k + 2], r_px, beam.size[1])
        if low_r >= high_r or low_c >= high_c:
            continue
        rr = np.arange(low_r, high_r, dtype=np.float32)[:, None] - row[k]
        cc = np.arange(low_c, high_c, dtype=np.float32)[None, :] - col[k]
        dr, dc = row[k + 1] - row[k], col[k + 1] - col[k]
        along = np.clip((rr * dr + cc * dc) / max(float(dr * dr + dc * dc), 1e-6), 0, 1)
        gap = (rr - along * dr) ** 2 + (cc - along * dc) ** 2
        chord = 2 * beam.mm_per_px * np.sqrt(np.maximum(r_px * r_px - gap, 0)) / steep
        here = path[low_r:high_r, low_c:high_c]
        np.maximum(here, chord, out=here)
    return path


def _window(at: Distance, reach: float, n: int) -> tuple[int, int]:
    return max(0, int(at.min() - reach - 2)), min(n, int(at.max() + reach + 3))


def needle_attenuation(needle: Needle, beam: Beam, kvp: float) -> Gray:
    """Attenuation (nepers) per pixel of the cannula: a steel tube, its lumen partly taken by the bone filler."""
    spots = np.array([needle.tip, needle.hub], np.float32).T
    outer = tube_path(beam, spots, needle.outer_mm / 2)
    lumen = tube_path(beam, spots, needle.outer_mm / 2 - 0.28)
    steel: Gray = outer - np.float32(0.4) * lumen
    return steel_attenuation(steel, kvp)


def smooth_noise(rng: Generator, size: tuple[int, int], scale_px: float) -> Gray:
    """Noise of mean 0 and deviation 1, smooth over about ``scale_px``, (H, W) float32."""
    coarse = tuple(max(4, int(np.ceil(n / scale_px)) + 3) for n in size)
    seedling = rng.standard_normal(coarse, dtype=np.float32)
    field = cv2.resize(seedling, (int(coarse[1] * scale_px), int(coarse[0] * scale_px)), interpolation=cv2.INTER_CUBIC)
    cut = field[: size[0], : size[1]]
    flat: Gray = ((cut - cut.mean()) / max(float(cut.std()), 1e-6)).astype(np.float32)
    return flat


def spine_attenuation(spine: Spine, beam: Beam, kvp: float, rng: Generator) -> Gray:
    """Attenuation (nepers) per pixel of the vertebrae in excess of the soft tissue they displace."""
    cortical, core = bone_paths(spine, beam)
    mesh = np.add.reduce(
        [smooth_noise(rng, beam.size, mm / beam.mm_per_px) * share for mm, share in ((1.2, 0.5), (2.5, 0.7), (6, 0.6))]
    )
    soft = per_cm("soft", kvp)
    dense = beam.magnify(cortical) * np.float32((per_cm("cortical", kvp) - soft) / 10)
    sponge = beam.magnify(core) * np.float32((per_cm("trabecular", kvp) - soft) / 10)
    bone: Gray = (dense + sponge * (1 + np.float32(0.35) * mesh)).astype(np.float32)
    return bone


def surroundings_attenuation(beam: Beam, level: str, kvp: float, rng: Generator) -> Gray:
    """Attenuation (nepers) per pixel of what is not spine, in excess of its mean: muscle, lung, gas, vessel, ribs."""
    soft, lung = per_cm("soft", kvp), per_cm("lung", kvp)
    mm = beam.mm_per_px
    right = beam.axes[0]
    cols = (np.arange(beam.size[1], dtype=np.float32) - beam.centre[1])[None, :] * mm
    rows = (beam.centre[0] - np.arange(beam.size[0], dtype=np.float32))[:, None] * mm
    is_lateral = abs(right[1]) > 0.7
    thick = 0.5 * smooth_noise(rng, beam.size, 70 / mm) + 0.12 * smooth_noise(rng, beam.size, 18 / mm)
    along = cols * right[1] if is_lateral else np.abs(cols)
    edge = rng.uniform(-22, -14) if is_lateral else rng.uniform(32, 40)
    beyond = 1 / (1 + np.exp((along - edge) / 7 if is_lateral else (edge - along) / 4))
    if level.startswith("T"):
        air = rng.uniform(3, 5) if level in ("T5", "T6", "T7", "T8", "T9") else rng.uniform(0.5, 2.5)
        picture = soft * thick - (soft - lung) * air * beyond
        picture = picture + _ribs(beam, kvp, rng)
    else:
        gas = np.clip(smooth_noise(rng, beam.size, 16 / mm) - 0.9, 0, 1.2) * beyond
        picture = soft * (thick - 1.5 * beyond) - soft * rng.uniform(0.5, 1.6) * gas
    tilt = rng.normal(0, 0.004, 2)
    whole: Gray = (picture + tilt[0] * cols + tilt[1] * rows).astype(np.float32)
    return whole


def _ribs(beam: Beam, kvp: float, rng: Generator) -> Gray:
    """Ribs of both sides: rings that start beside the bodies and fall towards the front."""
    total = np.zeros(beam.size, np.float32)
    excess = (per_cm("cortical", kvp) - per_cm("soft", kvp)) / 10
    angle = np.linspace(0.25, 2.6, 26)
    spacing = 27.0 + rng.normal(0, 1.5)
    for side in (-1.0, 1.0):
        for k in range(-5, 5):
            x = side * (12 + 118 * np.sin(angle))
            y = 22 + 18 * np.sin(angle * 2) - 95 * (1 - np.cos(angle)) * 0.7
            z = k * spacing + 8 - 26 * angle + rng.normal(0, 2)
            spots = np.stack([x, y, z]).astype(np.float32)
            total += tube_path(beam, spots, 5.0) - tube_path(beam, spots, 4.0) * np.float32(0.9)
    return cv2.GaussianBlur(total, (0, 0), 0.6 / beam.mm_per_px) * np.float32(excess)
