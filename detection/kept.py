"""What is worked out of a picture that stays as it is, and is asked for again with the next frame.

An array is known by being the same one, not an equal one: whoever keeps it in a scene never writes to it again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from numpy.typing import NDArray

Picture = NDArray[Any]
T = TypeVar("T")

MOST_KEPT = 8
"""Pictures of each kind that are remembered with what was worked out of them: those of the scenes under watch."""


def kept(work: Callable[[Picture], T]) -> Callable[[Picture], T]:
    """``work``, done once for each array."""
    known: tuple[tuple[Picture, T], ...] = ()

    @wraps(work)
    def asked(picture: Picture) -> T:
        nonlocal known
        # put in place whole: threads that do so at once lose an answer at most, and work it out again
        found = next((each for each in known if each[0] is picture), None) or (picture, work(picture))
        known = (*(each for each in known if each[0] is not picture), found)[-MOST_KEPT:]
        return found[1]

    return asked
