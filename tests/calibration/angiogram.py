"""A real coronary angiogram as a scene: contrast agent, a beating heart, a catheter, a table that moves, and no cement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom

from detection.phantom.chain import Chain
from detection.phantom.scene import SCENARIOS, Scene, Shot
from detection.phantom.truth import Truth
from detection.vocabulary import Plan
from tests.detection.films import body_of, corners, plan_for

RECORDING = "xa_multiframe_jpeg_baseline.dcm"
"""96 frames at 30 frames/s."""
BEHIND_THE_FIRST_TRACE = corners(300, 120, 396, 256)
"""A body of 24 x 34 mm where contrast agent first comes to its canal."""
AS_TAKEN = Chain(bits=8, jpeg_quality=80)
SCENE: Scene = replace(SCENARIOS["contained"], name="angiogram", mm_per_px=0.25, size=(512, 512), chain=AS_TAKEN)
PLAN: Plan = plan_for(body_of(BEHIND_THE_FIRST_TRACE))


def film_of(file: Path) -> Iterator[Shot]:
    """Its frames. No cement is in it, and none is clear of contrast agent for certain."""
    run = pydicom.dcmread(file)
    step_s = float(run.FrameTime) / 1000
    for k, pixels in enumerate(run.pixel_array):
        truth = Truth(
            time_s=k * step_s,
            volume_ml=0.0,
            zone_ml={},
            zones={},
            visible=None,
            cnr=0.0,
            distance_to_wall_mm=None,
            leak_3d=False,
            leak_visible=False,
            corners=BEHIND_THE_FIRST_TRACE,
            shift_px=(0.0, 0.0),
            is_clear=False,
        )
        yield Shot(index=k, time_s=k * step_s, pixels=pixels.astype(np.uint16), truth=truth)
