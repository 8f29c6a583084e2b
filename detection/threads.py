"""What a process that judges frames is set to once: the threads of OpenCV, and the memory that it keeps.

Findings are the same to the bit with any number of threads.
"""

from __future__ import annotations

import ctypes

import cv2

KEPT_BYTES = 32 * 2**20
"""A picture below this size is made in memory that the process has already, and so much of it is kept free; glibc takes no more."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""As ``malloc.h`` has them."""


def use_one_thread() -> None:
    """For a process of several on one machine: pictures this small gain nothing from more, and latency suffers."""
    cv2.setNumThreads(1)


def keep_memory() -> bool:
    """Keep the memory of each frame for the next; whether this C library can.

    Given back and taken anew page by page, as is usual for what is larger than 128 KiB, it costs a tenth of each frame's time.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is None:
        return False
    was_taken = [bool(set_option(option, KEPT_BYTES)) for option in (_MMAP_THRESHOLD, _TRIM_THRESHOLD)]
    return all(was_taken)
