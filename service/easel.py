"""Key frames as pictures with everything drawn on them, the words of the safety notice below."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.connect import Engine
from detection.picture import Gray8, captioned, display_of, overlay
from detection.vocabulary import Entry, Frame
from dicom_gateway.decoding import Decoder
from dicom_gateway.frames import frames_of
from dicom_gateway.header import read_header
from dicom_gateway.refusal import GatewayError
from dicom_gateway.spool import Spool
from service.ahead import bounds_of
from service.marks import marks_of
from service.safety import SAFETY_WORDS
from service.settings import Settings
from service.whereabouts import find_object


class Easel:
    """Draws judged frames; compressed ones are decoded as they are for the analysis, within bounds."""

    def __init__(self, settings: Settings, spool: Spool, engine: Engine) -> None:
        self._spool, self._engine = spool, engine
        self._decoder = Decoder(bounds_of(settings))

    def paint(self, entry: Entry) -> NDArray[Any] | None:
        """The frame of a FRAME_SEEN line, (H, W, 3) uint8 RGB; None when its image cannot be had."""
        frame = self._frame(entry)
        if frame is None:
            return None
        drawn = captioned(overlay(display_of(frame), marks_of(entry.data)), SAFETY_WORDS)
        return np.ascontiguousarray(drawn[..., ::-1])

    def gray(self, entry: Entry) -> Gray8 | None:
        """The bare frame of such a line as a screen shows it, (H, W) uint8; None as above."""
        frame = self._frame(entry)
        return None if frame is None else display_of(frame)

    def _frame(self, entry: Entry) -> Frame | None:
        arrival = find_object(self._spool, self._engine, int(entry.data["arrival"]))
        if arrival is None:
            return None
        start = entry.frame.index if entry.frame else 0
        try:
            return next(frames_of(arrival, read_header(arrival.path), start=start, decoder=self._decoder), None)
        except (GatewayError, OSError):
            return None
