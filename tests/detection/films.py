"""Small films for the tests of detection: frames made by hand or by the phantom, and what examine says of them.

Phantom films are 256 x 256 at half a millimetre, a few seconds long, and made once per session.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import cv2
import numpy as np

from detection.examine import examine
from detection.memory import Memory, Scene
from detection.phantom.chain import Chain
from detection.phantom.flow import Leak, LeakKind
from detection.phantom.obstacles import Obstacle, ObstacleKind
from detection.phantom.scene import Motion, Shot, play
from detection.phantom.scene import Scene as Script
from detection.rules import Rules
from detection.vocabulary import (
    Body,
    Corners,
    Findings,
    Flag,
    Frame,
    Gray,
    Intensity,
    Landmarks,
    Mode,
    Origin,
    Plan,
    Polarity,
    Stamp,
    View,
    Wall,
    Zone,
)

RULES = Rules()
NO_PLAN = Plan()
CEILING = 4095.0


def stamp(index: int = 0, time_s: float | None = None) -> Stamp:
    """A frame of one endless object, ten to the second unless told."""
    at = index / 10 if time_s is None else time_s
    return Stamp(
        arrival=index,
        sop_instance_uid=f"1.2.{index}",
        index=0,
        source="XA",
        study_instance_uid="1.9",
        mode=Mode.LIVE,
        acquired_at=at,
        received_at=at,
        time_s=at,
    )


def frame_of(pixels: Any, **changed: Any) -> Frame:
    """A linear 12-bit lateral frame of these stored values."""
    given: dict[str, Any] = {
        "stamp": stamp(),
        "intensity": Intensity.LINEAR,
        "polarity": Polarity.DENSE_IS_DARK,
        "ceiling": CEILING,
        "mm_per_px": 0.5,
        "view": View.LATERAL,
    }
    return Frame(pixels=np.asarray(pixels, np.float32), **(given | changed))


def mottle(size: tuple[int, int], seed: int = 1, grain_px: float = 4.0) -> Gray:
    """A smooth random picture, (h, w) float32, zero mean and unit spread: something to hold on to."""
    rough = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
    smooth = cv2.GaussianBlur(rough, (0, 0), grain_px)
    return np.asarray((smooth - smooth.mean()) / smooth.std(), np.float32)


def corners(top: float, left: float, bottom: float, right: float) -> Corners:
    """An upright rectangle; near is left."""
    return Corners(
        near_superior=(top, left), near_inferior=(bottom, left), far_superior=(top, right), far_inferior=(bottom, right)
    )


def body_of(where: Corners, view: View = View.LATERAL, wall: Wall = Wall.INTACT) -> Body:
    """A body as an operator gives it."""
    return Body(view=view, corners=where, origin=Origin.OPERATOR, trust=1.0, wall=wall)


def plan_for(body: Body) -> Plan:
    """A plan with one body."""
    return Plan(landmarks={body.view: Landmarks(body=body)})


def empty_scene(size: tuple[int, int] = (128, 128), px_per_mm: float = 2.0, **changed: Any) -> Scene:
    """A lateral scene with a finished, featureless reference."""
    rim = np.ones(size, np.bool_)
    rim[4:-4, 4:-4] = False
    given: dict[str, Any] = {
        "number": 0,
        "view": View.LATERAL,
        "factor": 1,
        "px_per_mm": px_per_mm,
        "is_scale_known": True,
        "reference": np.zeros(size, np.float32),
        "texture": np.zeros((size[0] // 2, size[1] // 2), np.float32),
        "field": np.ones(size, np.bool_),
        "rim": rim,
        "n_averaged": 8,
    }
    return Scene(**(given | changed))


SMALL = Script(
    name="small",
    seed=3,
    size=(256, 256),
    mm_per_px=0.5,
    frame_rate=5.0,
    duration_s=8.0,
    start_s=2.0,
    knots=((6.0, 0.45),),
    motion=Motion(breathing_mm=0.0),
)
STILL = replace(SMALL, name="still", duration_s=4.0, knots=((4.0, 0.0),))
CANAL = replace(
    SMALL,
    name="canal",
    duration_s=12.0,
    knots=((6.0, 0.7), (9.0, 0.99), (12.0, 1.02)),
    leak=Leak(kind=LeakKind.CANAL, at_s=9.0, speed_mm_s=6.0, radius_mm=1.8, length_mm=18.0),
)
DISC = replace(
    SMALL,
    name="disc",
    duration_s=10.0,
    leak=Leak(kind=LeakKind.DISC_SUPERIOR, at_s=5.0, speed_mm_s=6.0, length_mm=20.0),
)
AP = replace(SMALL, name="ap", view=View.AP, primary_deg=0.0, chain=Chain(kvp=80.0, scatter_to_primary=0.8))
VEIN = replace(
    AP,
    name="vein",
    duration_s=10.0,
    leak=Leak(kind=LeakKind.SEGMENTAL_VEIN, at_s=4.0, speed_mm_s=14.0, radius_mm=1.5, length_mm=22.0, washout_s=3.0),
)


def disturbed(kind: ObstacleKind, from_s: float, until_s: float) -> Script:
    """No cement at all, one thing that comes between."""
    return replace(
        STILL, name=str(kind), duration_s=8.0, obstacles=(Obstacle(kind=kind, from_s=from_s, until_s=until_s),)
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Film:
    """A played script: its frames as a gateway would hand them over, and the shots with their truth."""

    script: Script
    frames: tuple[Frame, ...]
    shots: tuple[Shot, ...]

    def plan(self) -> Plan:
        """The true corners of the first frame, as an operator would give them before the first frame."""
        return plan_for(body_of(self.shots[0].truth.corners, self.script.view))

    def moment(self, time_s: float) -> int:
        """The index of the frame at a time."""
        return round(time_s * self.script.frame_rate)


@cache
def film(script: Script) -> Film:
    """Play a script once."""
    shots = tuple(play(script))
    chain = script.chain
    frames = tuple(
        frame_of(
            shot.pixels,
            stamp=stamp(shot.index, shot.time_s),
            intensity=chain.intensity,
            polarity=Polarity.DENSE_IS_BRIGHT if chain.is_inverted else Polarity.DENSE_IS_DARK,
            ceiling=float((1 << chain.bits) - 1),
            mm_per_px=script.mm_per_px,
            view=script.view,
        )
        for shot in shots
    )
    for frame in frames:
        frame.pixels.setflags(write=False)
    return Film(script=script, frames=frames, shots=shots)


def watch(
    frames: Iterable[Frame], plan: Plan = NO_PLAN, memory: Memory | None = None, rules: Rules = RULES
) -> tuple[list[Findings], Memory]:
    """Examine frames in order."""
    memory = Memory() if memory is None else memory
    seen = []
    for frame in frames:
        findings, memory = examine(frame, memory, plan, rules)
        seen.append(findings)
    return seen, memory


@cache
def watched(script: Script, *, is_planned: bool = True) -> tuple[tuple[Findings, ...], Memory]:
    """What examine says of a script's film, with the true landmarks or with none."""
    played = film(script)
    seen, memory = watch(played.frames, played.plan() if is_planned else NO_PLAN)
    return tuple(seen), memory


def flags_of(findings: Sequence[Findings]) -> frozenset[Flag]:
    """Every flag that was ever up."""
    return frozenset().union(*(one.flags for one in findings))


def leaked(findings: Sequence[Findings]) -> frozenset[Zone]:
    """Every zone that ever held a piece."""
    return frozenset(piece.zone for one in findings for piece in one.pieces)
