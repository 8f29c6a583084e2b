"""Which way a picture goes where nobody says: dense material dark, or bright.

A console may invert what it shows, and captures tell nothing. In a vertebroplasty the needle is the densest thing in sight, so
the sense of the picture is the one in which it is dense.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detection.align import bring_back, bring_field_back, texture_of
from detection.memory import Memory, Scene
from detection.needle import see_needle
from detection.pixels import calm
from detection.rules import Rules
from detection.vocabulary import Frame, Polarity


def as_known(frame: Frame, memory: Memory) -> Frame:
    """The frame with what earlier ones told of its polarity, where it does not say itself."""
    if frame.polarity is not Polarity.UNCERTAIN or memory.polarity is None:
        return frame
    return replace(frame, polarity=memory.polarity)


def read_polarity(scene: Scene, rules: Rules) -> Polarity:
    """The sense in which a finished reference shows a needle; uncertain where it shows none.

    A picture is turned over only for a clear needle that comes in from the border and a picture that has none the usual way.
    """
    if _length_mm(scene, 1, rules) > 0:
        return Polarity.DENSE_IS_DARK
    return Polarity.DENSE_IS_BRIGHT if _length_mm(scene, -1, rules) >= rules.needle_faint_mm else Polarity.UNCERTAIN


def _length_mm(scene: Scene, sign: int, rules: Rules) -> float:
    """How long a clear needle is in the picture or in its negative; 0 where there is none."""
    picture = np.asarray(sign * scene.reference, dtype=np.float32)
    _, needle = see_needle(picture, scene.field, scene.px_per_mm, rules)
    if needle is None or needle.faintness:
        return 0.0
    return float(np.hypot(*np.subtract(needle.tip, needle.tail))) / scene.px_per_mm


def started_over(scene: Scene, frame: Frame, rules: Rules) -> Scene:
    """The scene as it begins with this frame of another polarity, in the same place and under the same number."""
    picture = calm(frame, rules)
    reference = bring_back(picture.attenuation, scene.shift_px)
    field = bring_field_back(picture.field, scene.shift_px)
    return replace(
        scene,
        reference=reference,
        texture=texture_of(reference, field),
        field=field,
        n_averaged=0,
        cells=None,
        blades=None,
        usual_trust=0.0,
        needle=None,
        opaque=None,
        column=None,
        shadow=None,
        region=None,
        planned=None,
        is_searched=False,
    )
