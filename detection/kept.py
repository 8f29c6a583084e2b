"""What is worked out of a picture that stays as it is, and is asked for again with the next frame.

An array is known by being the same one, not an equal one: whoever keeps it in a scene never writes to it again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import Any, TypeVar

from numpy.typing import NDArray

Picture = NDArray[Any]
T = TypeVar("T")

MOST_KEPT = 8
"""Pictures of each kind that are remembered with what was worked out of them: those of the scenes under watch."""


def kept(work: Callable[[Picture], T]) -> Callable[[Picture], T]:
    """``work``, done once for each array."""
    known: list[tuple[Picture, T]] = []
    lock = Lock()

    @wraps(work)
    def asked(picture: Picture) -> T:
        with lock:
            for place, (before, worked) in enumerate(known):
                if before is picture:
                    known.append(known.pop(place))
                    return worked
        worked = work(picture)
        with lock:
            known.append((picture, worked))
            del known[:-MOST_KEPT]
        return worked

    return asked
