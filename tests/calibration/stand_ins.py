"""What stands in for a function of detection when a treatment is taken out; each is handed that function first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from detection.align import Shift
from detection.clutter import Sifted
from detection.column import Shadow
from detection.memory import Clutter
from detection.pacing import Pace
from detection.vocabulary import Flag, Polarity


def zeros(_own: Any, picture: Any, *_rest: Any) -> Any:
    return np.zeros_like(picture)


def first_as_it_came(_own: Any, first: Any, *_rest: Any) -> Any:
    return first


def everywhere(_own: Any, _scene: Any, shape: Any, *_rest: Any) -> Any:
    return np.ones(shape, np.bool_)


def whole_picture(_own: Any, darkness: Any, *_rest: Any) -> Any:
    return np.ones(darkness.shape, np.bool_)


def nothing(_own: Any, *_rest: Any) -> None:
    return None


def no_step(_own: Any, *_rest: Any) -> int:
    return 0


def nothing_of(_own: Any, picture: Any, *_rest: Any) -> Any:
    return np.zeros(picture.shape, np.bool_)


def needle_moves_too(own: Any, scene: Any, field: Any) -> Any:
    return own(replace(scene, opaque=None), field)


def unmoved(own: Any, *given: Any) -> Shift:
    return replace(own(*given), row=0.0, col=0.0)


def nothing_hidden(_own: Any, aligned: Any, *_rest: Any) -> Any:
    return np.zeros(aligned.shape, np.bool_)


def hidden_as_at_first(_own: Any, aligned: Any, scene: Any, _rules: Any) -> Any:
    return np.zeros(aligned.shape, np.bool_) if scene.opaque is None else scene.opaque


def no_shadow(_own: Any, *_rest: Any) -> Shadow:
    return Shadow(profile=None, filled=None)


def finest_only(_own: Any, *_rest: Any) -> tuple[int, ...]:
    return (1,)


def unsifted(_own: Any, hits: Any, _change: Any, _scene: Any, time_s: float, _rules: Any) -> Sifted:
    return Sifted(hits=hits, clutter=Clutter(at_s=time_s))


def never_a_duplicate(own: Any, *given: Any) -> Any:
    return own(*given) - {Flag.DUPLICATE}


def fit_in_spite_of(*flags: Flag) -> Callable[..., bool]:
    """A fit table without these rows."""

    def fit(own: Any, told: Any) -> bool:
        return bool(own(told - frozenset(flags)))

    return fit


def no_balloon(_own: Any, scene: Any, *_rest: Any) -> Any:
    return scene, frozenset()


def no_doubt(_own: Any, *_rest: Any) -> tuple[float, float, float, float]:
    return 0.0, 0.0, 0.0, 0.0


def dark_unless_told(own: Any, frame: Any, memory: Any) -> Any:
    frame = own(frame, memory)
    return frame if frame.polarity is not Polarity.UNCERTAIN else replace(frame, polarity=Polarity.DENSE_IS_DARK)


def time_of_receipt(_own: Any, told: Any, *_rest: Any) -> Pace:
    return Pace(told=told, time_s=told.time_s)


def nothing_kept_quiet(own: Any, usable: Any, scene: Any, rules: Any) -> Any:
    return own(usable, replace(scene, cement=None, clutter=None), rules)
