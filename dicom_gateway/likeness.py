"""Headers that say the same: what a device tells with every single image is parsed once.

Of all elements that are read, those must agree that hold for a whole run, byte for byte as they stand in the file. Only name,
number and time of an image are its own, and read anew each time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from io import BytesIO
from threading import Lock
from typing import Generic, TypeVar

from pydicom.datadict import tag_for_keyword
from pydicom.filereader import read_dataset

from dicom_gateway.told import Told
from dicom_gateway.walk import Walked

MOST_KNOWN = 8
"""Headers that are remembered: sources that send at once, and their views."""

_OWN = frozenset(
    tag_for_keyword(word) or 0
    for word in (
        "SOPInstanceUID InstanceNumber ContentDate ContentTime AcquisitionDate AcquisitionTime AcquisitionDateTime"
    ).split()
)
"""What each image tells of itself alone."""
_READ = _OWN | {tag_for_keyword(word) or 0 for word in ("SeriesNumber", "TimezoneOffsetFromUTC")}
"""What is read to tell it: those, and what their meaning hangs on."""

T = TypeVar("T")


class Known(Generic[T]):
    """A few values by what they were made of, the newest used ones."""

    def __init__(self) -> None:
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = Lock()

    def find(self, key: Hashable | None) -> T | None:
        """What was kept under this key; nothing for None."""
        with self._lock:
            if key is None or key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key]

    def keep(self, key: Hashable | None, value: T) -> None:
        """Keep a value, in place of the one not asked for longest; None is no key."""
        if key is None:
            return
        with self._lock:
            self._values[key] = value
            while len(self._values) > MOST_KNOWN:
                self._values.popitem(last=False)


def likeness_of(walked: Walked, default_rate: float) -> Hashable | None:
    """All that a header but for name, number and time is made of; None where that is too much to compare."""
    if walked.noted is None:
        return None
    same = tuple(sorted((tag, element) for tag, element in walked.noted.items() if tag not in _OWN))
    return walked.syntax, walked.is_implicit, default_rate, same


def told_apart(walked: Walked) -> Told:
    """What an image like one before tells of itself."""
    elements = b"".join(element for tag, element in sorted((walked.noted or {}).items()) if tag in _READ)
    return Told(read_dataset(BytesIO(elements), is_implicit_VR=walked.is_implicit, is_little_endian=True))
