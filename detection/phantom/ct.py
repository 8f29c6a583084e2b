"""The same cement and X-ray chain on a real CT: a labelled scan instead of a drawn patient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from detection.phantom.attenuation import per_cm
from detection.phantom.beam import Beam, Points
from detection.phantom.obstacles import sights_of
from detection.phantom.patient import draw_needle, needle_attenuation
from detection.phantom.script import Scan, Scene
from detection.phantom.subject import Subject, corners_of, site_of
from detection.phantom.vertebra import Distance, Spot, Vertebra
from detection.vocabulary import Corners, Gray, Mask, View

LABEL_OF: Mapping[str, int] = {"L5": 27, "L4": 28, "L3": 29, "L2": 30, "L1": 31} | {
    f"T{n}": 44 - n for n in range(1, 13)
}
CANAL_LABEL = 79
GRID_MM = 0.7
BLUR_MM = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CtBody:
    """A vertebral body cut out of a scan: sizes and tilt, its centre (mm from the first voxel, z y x), and its surface.

    ``corners`` are its mid-sagittal corners in patient axes: back-top, back-low, front-top, front-low.
    ``surface`` (z, y, x) float32 on a cube grid of ``GRID_MM`` is the distance to the surface, negative inside, held
    at +-2 mm; its first sample lies at ``corner_mm`` from the centre.
    """

    vertebra: Vertebra
    corners: tuple[Spot, ...]
    centre_mm: tuple[float, float, float]
    surface: Distance
    corner_mm: tuple[float, float, float]

    def inside(self, local: Points) -> Distance:
        """Signed distance (mm) of local points (3, ...) to the surface, by the nearest sample."""
        v = self.vertebra
        cos, sin = math.cos(math.radians(v.tilt_deg)), math.sin(math.radians(v.tilt_deg))
        x, y, z = local[0], local[1] * cos - local[2] * sin, local[1] * sin + local[2] * cos
        index = [
            np.rint((axis - start) / GRID_MM).astype(np.int32)
            for axis, start in zip((z, y, x), self.corner_mm, strict=True)
        ]
        shape = self.surface.shape
        held = [np.clip(i, 0, n - 1) for i, n in zip(index, shape, strict=True)]
        distance: Distance = self.surface[held[0], held[1], held[2]]
        return distance


def body_from_ct(scan: Scan, level: str) -> CtBody:
    """The body of a level: what of its label lies in front of the spinal canal. ValueError when it is not there."""
    spacing = scan.spacing_mm
    label = LABEL_OF.get(level)
    found = np.argwhere(scan.labels == label) if label is not None else np.empty((0, 3))
    if len(found) < 1000:
        raise ValueError(f"the scan holds no vertebra {level}")
    low = np.maximum(found.min(axis=0) - np.array((3, 8, 8)), 0)
    high = np.minimum(found.max(axis=0) + np.array((4, 9, 9)), scan.labels.shape)
    cut = scan.labels[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    canal = cut == CANAL_LABEL
    mask = _in_front_of(cut == label, canal, spacing[2])
    spots, behind = np.argwhere(mask) * np.array(spacing), np.argwhere(canal) * np.array(spacing)
    corners = _extremes(_sagittal(spots))
    across = float(np.percentile(spots[:, 2], (1, 99)).mean())
    centre = np.array([corners[:, 1].mean(), corners[:, 0].mean(), across])
    corners = corners - centre[1::-1]
    vertebra = _measure(corners, spots - centre, behind - centre, level)
    place = centre + low * np.array(spacing)
    # Grid and voxels share their outer edge, not the middle of their first sample.
    first = (GRID_MM - np.array(spacing)) / 2 - centre
    return CtBody(
        vertebra=vertebra,
        corners=tuple((0.0, float(y), float(z)) for y, z in corners),
        centre_mm=(float(place[0]), float(place[1]), float(place[2])),
        surface=_surface_of(mask, spacing),
        corner_mm=(float(first[0]), float(first[1]), float(first[2])),
    )


def _in_front_of(bone: Mask, canal: Mask, column_mm: float) -> Mask:
    """Bone in front of the canal, slice by slice; where a slice has none, its neighbour's canal counts."""
    rows = np.arange(bone.shape[1])
    has = canal.any(axis=(1, 2))
    if not has.any():
        raise ValueError("the scan has no spinal canal label beside this vertebra")
    first = np.where(has, canal.any(axis=2).argmax(axis=1), 0)
    at = np.interp(np.arange(has.size), np.flatnonzero(has), first[has])
    cols = np.flatnonzero(canal.any(axis=(0, 1)))
    middle = np.abs(np.arange(bone.shape[2]) - cols.mean()) * column_mm < 28
    kept: Mask = bone & (rows[None, :, None] < at[:, None, None]) & middle[None, None, :]
    return kept


def _extremes(flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """The four corners of spots (n, 2): back-top, back-low, front-top, front-low; the mean of the outermost 1 %."""
    middle, size = np.median(flat, axis=0), np.ptp(flat, axis=0)
    scaled = (flat - middle) / size
    found = []
    for back, up in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        reach = scaled @ np.array([back, up])
        found.append(flat[reach >= np.percentile(reach, 99)].mean(axis=0))
    return np.array(found)


def _sagittal(spots: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (y, z) of spots (n, 3) z y x near the middle plane."""
    across = float(np.percentile(spots[:, 2], (1, 99)).mean())
    return spots[np.abs(spots[:, 2] - across) < 6][:, 1::-1]


def _tilt_of(corners: NDArray[np.float64]) -> float:
    """Mean slope of both endplates from front to back (radians)."""
    along = (corners[0] - corners[2]) + (corners[1] - corners[3])
    return math.atan2(float(along[1]), float(along[0]))


def _measure(
    corners: NDArray[np.float64], spots: NDArray[np.float64], canal: NDArray[np.float64], level: str
) -> Vertebra:
    """Sizes from sagittal corners, body voxels and canal voxels (n, 3) z y x, mm about the body's centre."""

    def gap(a: int, b: int) -> float:
        return float(np.linalg.norm(corners[a] - corners[b]))

    near = canal[np.abs(canal[:, 0]) < 8]
    width = float(np.ptp(np.percentile(spots[:, 2], (0.5, 99.5))))
    return Vertebra(
        level=level,
        width=(width, width),
        depth=(gap(0, 2), gap(1, 3)),
        height_anterior=gap(2, 3),
        height_posterior=gap(0, 1),
        canal_width=float(np.ptp(near[:, 2])),
        canal_depth=float(np.ptp(np.percentile(near[:, 1], (2, 98)))),
        pedicle_width=8.0,
        disc=6.0,
        tilt_deg=math.degrees(_tilt_of(corners)),
    )


def _surface_of(mask: Mask, spacing: tuple[float, float, float]) -> Distance:
    """Signed distance near the surface from a blurred mask: exact for a plane, held at +-2 mm."""
    size = [max(2, round(n * mm / GRID_MM)) for n, mm in zip(mask.shape, spacing, strict=True)]
    solid = mask.astype(np.float32)
    flat = np.stack([cv2.resize(layer, (size[2], size[1]), interpolation=cv2.INTER_LINEAR) for layer in solid])
    tall = _stretched(flat, size[0])
    sigma = BLUR_MM / GRID_MM
    smooth = np.stack([cv2.GaussianBlur(layer, (0, 0), sigma) for layer in tall])
    side = np.ascontiguousarray(smooth.transpose(1, 0, 2))
    smooth = np.stack([cv2.GaussianBlur(layer, (1, 0), sigmaX=0.01, sigmaY=sigma) for layer in side]).transpose(1, 0, 2)
    distance: Distance = np.clip((0.5 - smooth) * np.float32(BLUR_MM * math.sqrt(2 * math.pi)), -2, 2).astype(
        np.float32
    )
    return np.ascontiguousarray(distance)


def _stretched(flat: NDArray[np.float32], n_layers: int) -> NDArray[np.float32]:
    """Layers interpolated to another number of layers."""
    at = np.clip((np.arange(n_layers) + 0.5) * len(flat) / n_layers - 0.5, 0, len(flat) - 1)
    below = np.minimum(at.astype(np.int32), len(flat) - 2)
    part = (at - below).astype(np.float32)[:, None, None]
    stretched: NDArray[np.float32] = flat[below] * (1 - part) + flat[below + 1] * part
    return stretched


def subject_on_ct(scene: Scene, scan: Scan, beam: Beam, rng: Generator) -> Subject:
    """The patient of a scan, with a needle in the scene's level."""
    body = body_from_ct(scan, scene.level)
    needle = draw_needle(body.vertebra, rng)
    site = site_of(body.vertebra, beam, needle, body.inside)
    return Subject(
        spine=scan_attenuation(scan, body, beam, scene.chain.kvp),
        surroundings=np.zeros(scene.size, np.float32),
        needle=needle_attenuation(needle, beam, scene.chain.kvp),
        site=site,
        sights=sights_of(scene.obstacles, site, scene.chain, rng),
        corners=_corners_on(body, beam, scene.view),
    )


def scene_on_ct(scene: Scene, scan: Scan, level: str | None = None) -> Scene:
    """The same scene with the patient of a scan, at the scene's level or another."""
    return replace(scene, scan=scan, level=level or scene.level, height_loss=0.0)


def _corners_on(body: CtBody, beam: Beam, view: View) -> Corners:
    if view is not View.LATERAL:
        return corners_of(body.vertebra, beam, view)
    back_top, back_low, front_top, front_low = (beam.land(spot) for spot in body.corners)
    return Corners(near_superior=back_top, near_inferior=back_low, far_superior=front_top, far_inferior=front_low)


def scan_attenuation(scan: Scan, body: CtBody, beam: Beam, kvp: float) -> Gray:
    """Attenuation (nepers) per pixel of the scan about its mean: rays summed plane by plane (Joseph 1982)."""
    right, up, ahead = beam.axes
    axis = int(np.argmax(np.abs(ahead)))
    n_rows, n_cols = beam.n_rays
    high = (beam.centre[0] - ((np.arange(n_rows) + 0.5) * beam.px_per_ray - 0.5))[:, None] * beam.mm_per_px
    wide = (((np.arange(n_cols) + 0.5) * beam.px_per_ray - 0.5) - beam.centre[1])[None, :] * beam.mm_per_px
    source = -beam.source_mm * ahead
    way = [wide * right[k] + high * up[k] - source[k] for k in range(3)]
    # Scan axes are z, y, x; patient axes x, y, z.
    spacing, centre, volume = scan.spacing_mm[::-1], body.centre_mm[::-1], scan.hounsfield.transpose(2, 1, 0)
    others = [k for k in range(3) if k != axis]
    slope = np.sqrt(sum(np.square(w) for w in way)) / np.abs(way[axis]) * spacing[axis] / 10
    total = np.zeros(beam.n_rays, np.float32)
    for plane, sheet in enumerate(np.ascontiguousarray(np.moveaxis(volume, axis, 0))):
        far = (plane * spacing[axis] - centre[axis] - source[axis]) / way[axis]
        at = [((source[k] + far * way[k] + centre[k]) / spacing[k]).astype(np.float32) for k in others]
        total += cv2.remap(_per_cm_of(sheet, kvp), at[1], at[0], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    nepers = (total * slope).astype(np.float32)
    return beam.magnify(nepers - np.float32(nepers.mean()))


def _per_cm_of(hounsfield: NDArray[np.float32], kvp: float) -> Gray:
    """Attenuation (1/cm): water scaled up to 100 HU, then towards cortical bone at 1600 HU."""
    soft, cortical = per_cm("soft", kvp), per_cm("cortical", kvp)
    knots = (-1000.0, 100.0, 1600.0, 3100.0)
    values = (0.0, soft * 1.1, cortical, cortical * 1.6)
    return np.interp(hounsfield, knots, values).astype(np.float32)
