"""A block of labelled voxels is treated like a patient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detection.phantom.ct import CANAL_LABEL, LABEL_OF, body_from_ct, scene_on_ct
from detection.phantom.flow import Leak, LeakKind
from detection.phantom.scene import play
from detection.phantom.script import Motion, Scan, Scene
from detection.vocabulary import Zone

SPACING = (2.0, 1.0, 1.0)
SCENE = Scene(
    name="block",
    seed=5,
    size=(256, 256),
    mm_per_px=0.5,
    frame_rate=2.0,
    duration_s=12.0,
    knots=((8.0, 0.98),),
    motion=Motion(breathing_mm=0.0),
    leak=Leak(kind=LeakKind.CANAL, at_s=8.0, speed_mm_s=6.0, length_mm=14.0),
)


def block() -> Scan:
    """A body of 24 x 32 x 40 mm (z, y, x) in soft tissue, its canal and arch behind."""
    hounsfield = np.full((60, 120, 120), 40, np.float32)
    labels = np.zeros(hounsfield.shape, np.uint8)
    labels[24:36, 40:72, 40:80] = LABEL_OF["L1"]
    labels[24:36, 72:90, 52:56] = LABEL_OF["L1"]
    labels[24:36, 90:100, 52:68] = LABEL_OF["L1"]
    labels[:, 72:88, 56:64] = CANAL_LABEL
    hounsfield[labels == LABEL_OF["L1"]] = 300
    return Scan(hounsfield=hounsfield, labels=labels, spacing_mm=SPACING)


def test_the_body_is_what_lies_in_front_of_the_canal():
    body = body_from_ct(block(), "L1")
    v = body.vertebra
    assert v.mid_depth == pytest.approx(32, abs=2.5)
    assert v.height_posterior == pytest.approx(24, abs=3)
    assert v.width[0] == pytest.approx(40, abs=2)
    assert v.tilt_deg == pytest.approx(0, abs=2)
    assert body.centre_mm == pytest.approx((59, 55.5, 59.5), abs=1.5)


def test_the_surface_is_where_the_label_ends():
    body = body_from_ct(block(), "L1")
    y = np.arange(-25, 25, 0.25, dtype=np.float32)
    inside = body.inside(np.stack([np.zeros_like(y), y, np.zeros_like(y)]))
    wall = y[inside < 0]
    assert wall.min() == pytest.approx(-16, abs=1.0)
    assert wall.max() == pytest.approx(16, abs=1.0)


def test_a_level_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no vertebra T5"):
        body_from_ct(block(), "T5")


def test_cement_runs_and_leaks_in_a_scan():
    scene = scene_on_ct(SCENE, block())
    last = [shot.truth for shot in play(scene)][-1]
    assert last.volume_ml > 0.3
    assert last.zone_ml[Zone.CANAL] > 0.02
    assert last.leak_visible
    assert last.distance_to_wall_mm < 0


def test_the_same_scan_gives_the_same_bits():
    scene = scene_on_ct(replace(SCENE, duration_s=1.0), block(), "L1")
    first, again = (next(iter(play(scene))).pixels for _ in range(2))
    assert np.array_equal(first, again)
