"""Blades that let some light through are no field; a dark part of a patient is, and a scene says so once."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from detection.blades import blades_in, cells_of
from detection.memory import Memory
from detection.pixels import calm
from detection.scenes import average_in, remembered, settle
from tests.detection.films import RULES, frame_of, mottle, stamp

SIZE = (192, 192)
SHUT = (slice(None), slice(0, 40))


def patient(light=1200.0):
    return (light * np.exp(0.2 * mottle(SIZE, seed=3))).astype(np.float32)


def bladed(share, blur_px=1.5):
    """A patient behind a blade on the left that lets a share of the light through."""
    open_ = np.ones(SIZE, np.float32)
    open_[SHUT] = share
    return patient() * cv2.GaussianBlur(open_, (0, 0), blur_px)


def shut_in(picture):
    return blades_in(cells_of(np.asarray(picture, np.float32)), SIZE, RULES)


@pytest.mark.parametrize("share", [0.01, 0.04, 0.09, 0.18])
def test_a_blade_that_lets_some_light_through_shuts_the_field(share):
    shut = shut_in(bladed(share))
    assert shut is not None
    assert shut[:, :40].all()
    assert not shut[:, 56:].any()


@pytest.mark.parametrize(
    ("what", "picture"),
    [
        ("nothing is shut", patient()),
        ("a dark organ at the border fades in", bladed(0.04, blur_px=25.0)),
        ("half the light is a wedge filter", bladed(0.5)),
        ("a black screw lies inside", np.where(np.indices(SIZE).sum(axis=0) == 192, 10, patient())),
        ("next to nothing would be left", np.where(np.indices(SIZE)[1] < 170, 20, patient())),
    ],
)
def test_what_is_no_blade_shuts_nothing(what, picture):
    assert shut_in(picture) is None, what


def test_a_scene_leaves_blades_out_once_and_for_all_and_holds_on_to_the_rest():
    """Behind them few photons come: from frame to frame, a level amid what they let through would tell another field."""
    rng, memory, fields = np.random.default_rng(4), Memory(), []
    for k in range(2 * int(RULES.reference_frames)):
        # at the very level that is asked for, so that single frames say now this and now that
        frame = frame_of(rng.poisson(bladed(0.06 + 0.02 * (k % 2)) / 20) * 20, stamp=stamp(k))
        place = settle(calm(frame, RULES), frame, memory, RULES)
        scene = place.scene
        if scene.n_averaged < RULES.reference_frames:
            scene = average_in(scene, calm(frame, RULES), RULES)
        memory = remembered(memory, scene)
        fields.append(scene.field)
        assert scene.number == 0
        assert place.shift.trust > 0.5 or k == 0
    assert fields[0][:, :30].mean() > 0.8, "one frame does not tell"
    assert not fields[-1][:, :40].any()
    assert fields[-1][:, 56:].all()
    assert memory.scene is not None
    assert memory.scene.rim[100, 44:60].any(), "the rim of the field is where the blade ends"


@pytest.mark.parametrize(("is_lifted", "scene"), [(False, 0), (True, 1)])
def test_blades_that_open_begin_a_scene_anew(is_lifted, scene):
    """Light that comes from where they were scatters over all the rest, and looks like cement that goes or comes."""
    memory, n_seen = Memory(), int(RULES.reference_frames)
    for k in range(n_seen + 5 * int(RULES.lost_frames)):
        picture = patient(400.0) if is_lifted and k >= n_seen else bladed(0.04)
        frame = frame_of(picture, stamp=stamp(k))
        place = settle(calm(frame, RULES), frame, memory, RULES)
        now = place.scene
        if now.n_averaged < RULES.reference_frames:
            now = average_in(now, calm(frame, RULES), RULES)
        memory = remembered(memory, now)
    assert memory.scene is not None
    assert memory.scene.number == scene
