"""How many threads OpenCV may use; findings are the same to the bit with any number."""

from __future__ import annotations

import cv2


def use_one_thread() -> None:
    """For a process of several on one machine: pictures this small gain nothing from more, and latency suffers."""
    cv2.setNumThreads(1)
