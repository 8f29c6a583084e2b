"""The scenes that treatments are tried on: scenes of the tune set by name, and some of our own that hold a confounder it lacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from detection.phantom.attenuation import Cement
from detection.phantom.chain import Chain
from detection.phantom.flow import Leak, LeakKind
from detection.phantom.obstacles import Obstacle, ObstacleKind
from detection.phantom.scene import SCENARIOS, Scene
from detection.phantom.script import Gap
from detection.vocabulary import Frame, Intensity, Plan, Polarity
from service.score.sets import Task, first_seed
from tests.calibration import angiogram
from tests.calibration.marking import SHORT_MM, ByHand, Exact, Hand, Short

LEAKS = ("canal_leak", "disc_leak", "prevertebral_leak", "vein_leak_ap")
CONTROLS = (
    "balloon_only",
    "breathing_only",
    "collimator_only",
    "exposure_step_only",
    "hammering_only",
    "hand_only",
    "image_hold_only",
    "needle_motion_only",
    "old_cement",
    "table_move_only",
    "turn_only",
    "venography_only",
    "zoom_only",
)
"""Leaks and negative controls that every treatment is tried on besides its own scenes."""


def as_it_is(frame: Frame) -> Frame:
    return frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A scene of ours: a story without the set's draw, changed, and what its frames look like on arrival."""

    story: str
    scene: Scene
    seen: Callable[[Frame], Frame] = as_it_is


def _with_another_voltage(frame: Frame) -> Frame:
    """From ten seconds on all attenuation counts for 1.25 of what it was, as at 80 instead of 110 kVp."""
    if frame.stamp.time_s < 10.0:
        return frame
    return replace(frame, pixels=(frame.ceiling * (frame.pixels / frame.ceiling) ** 1.25).astype(np.float32))


def _dimmed(frame: Frame) -> Frame:
    """From ten to eighteen seconds with 0.7 of the light, as when pulses get shorter."""
    if not 10.0 <= frame.stamp.time_s < 18.0:
        return frame
    return replace(frame, pixels=(0.7 * frame.pixels).astype(np.float32))


def _with_torn_frames(frame: Frame) -> Frame:
    """Every seventh picture has a band of lines that got a quarter less light; a picture that is shown thrice has it thrice."""
    if (frame.stamp.arrival - 1) // 3 % 7:
        return frame
    pixels = frame.pixels.copy()
    pixels[240:252] *= np.float32(0.75)
    return replace(frame, pixels=pixels)


def _with_single_torn_frames(frame: Frame) -> Frame:
    """As ``_with_torn_frames``, where each picture is shown once."""
    return _with_torn_frames(frame) if frame.stamp.arrival % 3 == 1 else frame


def _without_polarity(frame: Frame) -> Frame:
    return replace(frame, polarity=Polarity.UNCERTAIN)


def _in_bursts(frame: Frame) -> Frame:
    """Without a time of its own; four seconds of frames arrive together, a few milliseconds apart."""
    time_s = frame.stamp.time_s
    received_at = 4.0 * (time_s // 4.0 + 1.0) + 0.01 * (time_s % 4.0)
    return replace(frame, stamp=replace(frame.stamp, acquired_at=None, received_at=received_at, time_s=received_at))


def _without_light(frame: Frame) -> Frame:
    """From 11 to 14.5 s the tube gives no light, and frames of the detector's own current still come."""
    if not 11.0 <= frame.stamp.time_s < 14.5:
        return frame
    dark = np.random.default_rng(frame.stamp.arrival).uniform(0.0, 0.006 * frame.ceiling, frame.pixels.shape)
    return replace(frame, pixels=dark.astype(np.float32))


@dataclass(slots=True)
class _Subtraction:
    """Frames less the first one, about middle grey, as a subtracted run comes."""

    mask: np.ndarray | None = None

    def __call__(self, frame: Frame) -> Frame:
        logs = np.log1p(frame.pixels)
        if frame.stamp.arrival == 1 or self.mask is None:
            self.mask = logs
        grey = np.clip(0.5 + (logs - self.mask) / 2.0, 0.0, 1.0) * frame.ceiling
        return replace(frame, pixels=grey.astype(np.float32), intensity=Intensity.DISPLAY, is_subtracted=True)


def _with_a_passing_tip(frame: Frame) -> Frame:
    """For half a second the tip of some instrument, 2 x 4 mm, lies behind the wall of an untroubled body."""
    if not 15.0 <= frame.stamp.time_s < 15.5:
        return frame
    pixels = frame.pixels.copy()
    pixels[276:292, 318:326] *= np.float32(0.7)
    return replace(frame, pixels=pixels)


ANGIOGRAM = "angiogram"
_HAND = Obstacle(kind=ObstacleKind.HAND, from_s=8.0, until_s=24.0)
_FULL = ((10.0, 0.7), (22.0, 1.5))
"""Cement that fills the body as far as bone goes."""
_THICK = Chain(kvp=120.0, scatter_to_primary=3.2)
OWN: Mapping[str, Own] = {
    "voltage_step": Own(story="contained", scene=SCENARIOS["contained"], seen=_with_another_voltage),
    "dimmed": Own(story="contained", scene=SCENARIOS["contained"], seen=_dimmed),
    "negative_untold": Own(
        story="canal_leak",
        scene=replace(SCENARIOS["canal_leak"], chain=Chain(intensity=Intensity.DISPLAY, bits=8, is_inverted=True)),
        seen=_without_polarity,
    ),
    "burst": Own(story="prevertebral_leak", scene=SCENARIOS["prevertebral_leak"], seen=_in_bursts),
    "light_lost": Own(story="disc_leak", scene=SCENARIOS["disc_leak"], seen=_without_light),
    "subtracted": Own(story="contained", scene=SCENARIOS["contained"], seen=_Subtraction()),
    "torn_frames": Own(story="contained", scene=SCENARIOS["contained"], seen=_with_single_torn_frames),
    "torn_frames_shown_thrice": Own(
        story="contained", scene=replace(SCENARIOS["contained"], n_repeats=3, frame_rate=15.0), seen=_with_torn_frames
    ),
    "noise": Own(
        story="contained",
        scene=replace(SCENARIOS["contained"], chain=Chain(dose_ngy=6.0, scatter_to_primary=2.2, recursion=1.0)),
    ),
    "dense_bolus": Own(
        story="contained",
        scene=replace(
            SCENARIOS["contained"],
            knots=((10.0, 0.5), (20.0, 0.8)),
            chain=Chain(kvp=85.0, scatter_to_primary=2.2, glare=0.13, dose_ngy=60.0),
        ),
    ),
    "filled_to_the_rim": Own(story="contained", scene=replace(SCENARIOS["contained"], knots=_FULL)),
    "filled_to_the_rim_ap": Own(story="contained_ap", scene=replace(SCENARIOS["contained_ap"], knots=_FULL)),
    "passing_tip": Own(story="contained", scene=SCENARIOS["contained"], seen=_with_a_passing_tip),
    "leak_in_a_long_pause": Own(
        story="leak_in_a_pause",
        scene=replace(
            SCENARIOS["leak_in_a_pause"],
            gaps=(Gap(from_s=12.0, until_s=20.0),),
            leak=Leak(kind=LeakKind.PREVERTEBRAL_VEIN, at_s=13.0, speed_mm_s=6.0, radius_mm=2.0, length_mm=34.0),
        ),
    ),
    "canal_leak_in_a_thick_patient": Own(
        story="canal_leak", scene=replace(SCENARIOS["canal_leak"], chain=replace(_THICK, dose_ngy=30.0))
    ),
    "faint_needle_that_moves": Own(
        story="needle_motion_only",
        scene=replace(SCENARIOS["needle_motion_only"], chain=replace(_THICK, dose_ngy=60.0), duration_s=14.0),
    ),
    "slow_leak_on_a_display": Own(
        story="disc_leak",
        scene=replace(
            SCENARIOS["disc_leak"],
            chain=Chain(intensity=Intensity.DISPLAY, bits=8, dose_ngy=10.0, cement=Cement.BARIUM_7),
            leak=Leak(kind=LeakKind.DISC_SUPERIOR, at_s=10.0, speed_mm_s=0.8, length_mm=20.0),
        ),
    ),
    "sharp_round_field": Own(
        story="breathing_only",
        scene=replace(
            SCENARIOS["breathing_only"],
            chain=Chain(intensity=Intensity.DISPLAY, bits=8, field="round", sharpening=1.8, rim_px=4.0),
        ),
    ),
    "needle_in_a_small_field": Own(
        story="needle_motion_only",
        scene=replace(
            SCENARIOS["needle_motion_only"],
            chain=Chain(field="blades", field_share=0.5, dose_ngy=12.0),
            duration_s=14.0,
        ),
    ),
    "hand_that_rests": Own(story="contained", scene=replace(SCENARIOS["contained"], obstacles=(_HAND,))),
}
"""Confounders that no scene of the set holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One scene with given or without landmarks; ``hand`` makes of true ones what is given.

    ``film`` is a recording instead of the scene's own shots, ``plan`` what is known before the first.
    """

    name: str
    task: Task
    scene: Scene
    landmarks: str
    seen: Callable[[Frame], Frame]
    hand: Hand = field(default_factory=Exact)
    film: Path | None = None
    plan: Plan = field(default_factory=Plan)


def trial_named(name: str, ct: Path | None, recordings: Path | None = None) -> Trial | None:
    """``STORY``, ``STORY+2`` for its third patient, ``:found`` without landmarks, ``:ct`` in the CT; or a name of ``OWN``.

    ``:short`` marks the posterior wall a millimetre in front of where it is, ``:hand`` every corner a little off.
    ``angiogram`` is a recording. None where a CT or a recording is asked for and not at hand.
    """
    if name == ANGIOGRAM:
        return _recorded(recordings)
    plain, *marks = name.split(":")
    landmarks, is_on_ct = "found" if "found" in marks else "given", "ct" in marks
    if is_on_ct and ct is None:
        return None
    own = OWN.get(plain)
    story, _, number = (own.story if own else plain).partition("+")
    seed = first_seed("tune", story) + int(number or 0)
    task = Task(set_name="tune", story=story, seed=seed, landmarks=(landmarks,), ct=ct if is_on_ct else None)
    scene = own.scene if own else task.scene
    return Trial(
        name=name,
        task=task,
        scene=scene,
        landmarks=landmarks,
        seen=own.seen if own else as_it_is,
        hand=_hand_of(marks, seed, scene),
    )


def _recorded(recordings: Path | None) -> Trial | None:
    film = None if recordings is None else recordings / angiogram.RECORDING
    if film is None or not film.exists():
        return None
    return Trial(
        name=ANGIOGRAM,
        task=Task(set_name="recordings", story=ANGIOGRAM, seed=0, landmarks=("given",)),
        scene=angiogram.SCENE,
        landmarks="given",
        seen=as_it_is,
        film=film,
        plan=angiogram.PLAN,
    )


def _hand_of(marks: list[str], seed: int, scene: Scene) -> Hand:
    if "short" in marks:
        return Short(SHORT_MM / scene.mm_per_px)
    return ByHand(seed, 1 / scene.mm_per_px) if "hand" in marks else Exact()
