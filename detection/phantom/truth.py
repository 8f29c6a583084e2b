"""What really is, beside each frame: cement per zone, the leak, its visibility, the distance to the wall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.phantom.attenuation import cement_attenuation
from detection.phantom.obstacles import ObstacleKind
from detection.phantom.script import Scene
from detection.phantom.stage import Poured, Stage
from detection.vocabulary import ZONE_ORDER, Corners, Gray, Mask, Point, View, Zone

VISIBLE_CNR = 3.0
CAST_MM = 0.3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """What really is, at one frame.

    ``zones`` holds a mask (H, W) per zone with cement (3-D truth, projected); ``visible`` is the cast of the leak
    outside the body's outline. ``distance_to_wall_mm`` is along the body axis, negative once crossed, None without cement
    or in a view that does not show the wall. ``volume_ml`` counts all cement, ``zone_ml`` per zone. ``is_clear``: nothing
    stands in the way of judging this frame.
    """

    time_s: float
    volume_ml: float
    zone_ml: Mapping[Zone, float]
    zones: Mapping[Zone, Mask]
    visible: Mask | None
    cnr: float
    distance_to_wall_mm: float | None
    leak_3d: bool
    leak_visible: bool
    corners: Corners
    shift_px: Point
    is_clear: bool = True

    @property
    def cement(self) -> Mask | None:
        """All cement, (H, W), None where there is none."""
        masks = list(self.zones.values())
        return np.logical_or.reduce(masks) if masks else None


def moved(picture: Gray, shift: Point, rim: float | None = None) -> Gray:
    """A picture shifted by (row, col) px; what enters is ``rim``, or the edge repeated."""
    if shift == (0.0, 0.0):
        return picture
    matrix = np.array([[1, 0, shift[1]], [0, 1, shift[0]]], np.float64)
    size = (picture.shape[1], picture.shape[0])
    mode = cv2.BORDER_REPLICATE if rim is None else cv2.BORDER_CONSTANT
    return cast(
        "Gray", cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=mode, borderValue=rim or 0.0)
    )


def truth_of(stage: Stage, poured: Poured, time_s: float, shift: Point, expected: Gray) -> Truth:
    """The truth of one frame; ``expected`` is the photons per pixel without noise."""
    scene = stage.scene
    corners = _shifted(stage.subject.corners, shift)
    masks, paths = _zone_masks(stage, poured, time_s, shift)
    leaked: dict[Zone, Gray] = {zone: path for zone, path in paths.items() if zone is not Zone.BODY}
    visible, cnr = _visible(stage, masks, leaked, corners, expected)
    distance = _distance_to_wall(masks, corners, scene) if scene.view is View.LATERAL else None
    if scene.view is View.LATERAL and Zone.BODY in masks:
        masks = _with_band(masks, corners)
    ml = {zone: float(poured.ml[k]) for k, zone in enumerate(ZONE_ORDER) if poured.ml[k] > 1e-9}
    leak_3d = any(zone is not Zone.BODY for zone in ml)
    return Truth(
        time_s=time_s,
        volume_ml=float(poured.ml.sum()),
        zone_ml=ml,
        zones=masks,
        visible=visible,
        cnr=cnr,
        distance_to_wall_mm=distance,
        leak_3d=leak_3d,
        leak_visible=cnr > VISIBLE_CNR,
        corners=corners,
        shift_px=shift,
    )


SETTLING_S = 0.5
"""How long exposure takes to settle after a step, new blades, or a foot back on the pedal."""


def is_clear(stage: Stage, time_s: float, lit_since: float) -> bool:
    """Whether a frame may fairly be judged: no hand, no contrast agent, exposure settled."""
    for sight in stage.subject.sights:
        if sight.is_veil and sight.weight(time_s) > 0:
            return False
    steps = [
        step
        for obstacle in stage.scene.obstacles
        if obstacle.kind in (ObstacleKind.EXPOSURE_STEP, ObstacleKind.BLADES)
        for step in (obstacle.from_s, obstacle.until_s)
    ]
    return not any(0 <= time_s - step < SETTLING_S for step in (*steps, lit_since))


def _shifted(corners: Corners, shift: Point) -> Corners:
    def move(point: Point) -> Point:
        return point[0] + shift[0], point[1] + shift[1]

    return Corners(
        near_superior=move(corners.near_superior),
        near_inferior=move(corners.near_inferior),
        far_superior=move(corners.far_superior),
        far_inferior=move(corners.far_inferior),
    )


def _zone_masks(stage: Stage, poured: Poured, time_s: float, shift: Point) -> tuple[dict[Zone, Mask], dict[Zone, Gray]]:
    masks: dict[Zone, Mask] = {}
    is_open = stage.field_at(time_s) > 0.01
    paths: dict[Zone, Gray] = {}
    for k, zone in enumerate(ZONE_ORDER):
        if poured.ml[k] <= 1e-9:
            continue
        path = moved(stage.beam.magnify(poured.paths[k].reshape(stage.beam.n_rays)), shift)
        mask = (path > CAST_MM) & is_open
        if mask.any():
            masks[zone], paths[zone] = mask, path
    return masks, paths


def _with_band(masks: dict[Zone, Mask], corners: Corners) -> dict[Zone, Mask]:
    """Split the body's cement: the last quarter of its depth is the posterior band."""
    body = masks[Zone.BODY]
    band = np.zeros(body.shape, np.uint8)
    front = [
        _between(corners.near_superior, corners.far_superior, 0.25),
        _between(corners.near_inferior, corners.far_inferior, 0.25),
    ]
    back = [
        _between(corners.near_superior, corners.far_superior, -1.0),
        _between(corners.near_inferior, corners.far_inferior, -1.0),
    ]
    tall = [
        _between(front[0], front[1], -0.5),
        _between(front[0], front[1], 1.5),
        _between(back[0], back[1], 1.5),
        _between(back[0], back[1], -0.5),
    ]
    cv2.fillConvexPoly(band, _polygon(tall), 1)
    inside = body & (band > 0)
    split = dict(masks)
    if inside.any():
        split[Zone.POSTERIOR_BAND] = inside
        split[Zone.BODY] = body & ~inside
    return split


def _between(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def _polygon(points: list[Point]) -> NDArray[np.int32]:
    return np.array([(round(col), round(row)) for row, col in points], np.int32)


def _visible(
    stage: Stage, masks: dict[Zone, Mask], leaked: dict[Zone, Gray], corners: Corners, expected: Gray
) -> tuple[Mask | None, float]:
    """The leak's cast outside body and bolus, and its contrast-to-noise over the whole cast (quantum noise)."""
    if not leaked:
        return None, 0.0
    chain = stage.scene.chain
    outline = np.zeros(expected.shape, np.uint8)
    ring = [corners.near_superior, corners.far_superior, corners.far_inferior, corners.near_inferior]
    cv2.fillConvexPoly(outline, _polygon(ring), 1)
    path = np.add.reduce(list(leaked.values()))
    seen = np.logical_or.reduce([masks[zone] for zone in leaked]) & (outline == 0)
    if Zone.BODY in masks:
        seen &= ~masks[Zone.BODY]
    contrast = cement_attenuation(path[seen], chain.kvp, chain.cement) / (1 + chain.scatter_to_primary)
    return seen, float(np.sqrt((contrast * contrast * expected[seen]).sum()))


def _distance_to_wall(masks: dict[Zone, Mask], corners: Corners, scene: Scene) -> float | None:
    """From the hindmost cement to the posterior wall line, along the body's axis."""
    held = [masks[zone] for zone in (Zone.BODY, Zone.CANAL, Zone.FORAMEN) if zone in masks]
    if not held:
        return None
    rows, cols = np.nonzero(np.logical_or.reduce(held))
    near = _between(corners.near_superior, corners.near_inferior, 0.5)
    far = _between(corners.far_superior, corners.far_inferior, 0.5)
    axis = np.subtract(far, near) / np.hypot(*np.subtract(far, near))
    wall = np.subtract(corners.near_superior, corners.near_inferior)
    across = np.array([-wall[1], wall[0]]) / np.hypot(*wall)
    across = across * np.sign(across @ axis)
    gap = ((rows - near[0]) * across[0] + (cols - near[1]) * across[1]) / (across @ axis)
    return float(gap.min()) * scene.mm_per_px
