"""One arrival to frames, one at a time.

Memory is bounded by one frame whatever the length of the run: native pixels are read from their place in the
file, compressed ones fragment by fragment. Before a decoder sees a codestream its own size is held against
the header, for a decoder allocates what the codestream says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detection.vocabulary import Frame, Gray, Mode, Stamp
from dicom_gateway import sop_classes
from dicom_gateway.arrival import Arrival
from dicom_gateway.codestream import shape_in
from dicom_gateway.decoding import Decoder
from dicom_gateway.framing import Framing
from dicom_gateway.geometry import open_field
from dicom_gateway.guard import check_pixels, check_shape
from dicom_gateway.header import Header
from dicom_gateway.refusal import Refusal, Undecodable

POST_RUN_AFTER_S = 24 * 3600.0
"""Older than this at receipt cannot be a clock or a time zone: it was made before, and is no live image."""
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def mode_of(arrival: Arrival, header: Header) -> Mode:
    """How this arrival relates to the procedure."""
    if arrival.replay is not None:
        return Mode.REPLAY
    age_s = 0.0 if header.acquired_at is None else arrival.received_at - header.acquired_at
    return Mode.POST_RUN if header.n_frames > 1 or age_s > POST_RUN_AFTER_S else Mode.LIVE


def frames_of(arrival: Arrival, header: Header, *, start: int = 0, decoder: Decoder | None = None) -> Iterator[Frame]:
    """The frames of an image arrival from index ``start`` on. Raises ``Undecodable``, also after some frames.

    Packed ones by ``decoder``, or by one that lives as long as this lasts.
    """
    film, own = Film(arrival, header), decoder or Decoder()
    try:
        for index in range(start, header.n_frames if arrival.is_whole else film.n_whole()):
            yield film.frame(index, own)
    finally:
        film.close()
        if decoder is None:
            own.close()


class Film:
    """The frames of one image object, whole or still arriving. Raises ``Undecodable`` from all it does."""

    def __init__(self, arrival: Arrival, header: Header) -> None:
        if not header.is_image:
            raise Undecodable("not an image")
        try:
            check_shape(header)
            if arrival.is_whole:
                check_pixels(arrival.path, header, arrival.size)
            self._framing = Framing(arrival.path, header)
        except FileNotFoundError:
            raise Undecodable("the file is gone") from None
        except Refusal as refusal:
            raise Undecodable(refusal.reason) from refusal
        self._arrival, self._header = arrival, header
        self._field = open_field(header.apertures, header.rows, header.cols)
        self._ceiling = float(_calibrate(np.array([_largest(header)]), header)[0])
        if header.lut is not None:
            self._ceiling = max(header.lut.values)

    def close(self) -> None:
        """Let go of the file."""
        self._framing.close()

    def n_whole(self) -> int:
        """How many frames are there by now."""
        return self._framing.n_whole()

    def changed_at(self) -> float:
        """When the file was last written to; seconds since 1970."""
        return self._framing.changed_at()

    def continues(self, other: Film, n_frames: int) -> bool:
        """Whether these are the same object, byte for byte, up to the end of so many frames."""
        return self.n_whole() >= n_frames and self._framing.has_prefix_of(other._framing, n_frames)

    def falls_short_of(self, other: Film, n_frames: int) -> bool:
        """Whether this has not come as far as so many frames yet, and its newest whole frame is the other's, byte for byte."""
        n_whole = self.n_whole()
        if n_whole >= n_frames:
            return False
        return n_whole == 0 or self._framing.read(n_whole - 1) == other._framing.read(n_whole - 1)

    def only_repeats(self, other: Film, n_frames: int) -> bool:
        """Whether this ends before so many frames, and what is whole of it is the other's, byte for byte from its beginning."""
        n_whole = self.n_whole()
        return n_whole < n_frames and (n_whole == 0 or self._framing.has_prefix_of(other._framing, n_whole))

    def frame(self, index: int, decoder: Decoder | None) -> Frame:
        """Frame ``index``, by way of ``decoder`` where it is packed; without one only what is not."""
        header = self._header
        return Frame(
            stamp=stamp_of(self._arrival, header, index),
            pixels=_calibrate(_as_shown(_gray(self.stored(index, decoder)), header), header),
            intensity=header.intensity,
            polarity=header.polarity,
            ceiling=self._ceiling,
            field=self._field,
            mm_per_px=header.mm_per_px,
            view=header.view,
            primary_deg=header.primary_deg,
            secondary_deg=header.secondary_deg,
            is_lossy=header.is_lossy,
            is_subtracted=header.is_subtracted,
        )

    def stored(self, index: int, decoder: Decoder | None) -> NDArray[Any]:
        """Stored values of frame ``index``, (H, W) or (H, W, 3), without the bits beyond those stored (overlays)."""
        return _without_spare(self._unpacked(index, decoder), self._header)

    def _unpacked(self, index: int, decoder: Decoder | None) -> NDArray[Any]:
        stored = self._framing.read(index)
        if not is_packed(self._header):
            kind = np.dtype(f"<{'i' if self._header.is_signed else 'u'}{self._header.bits_allocated // 8}")
            return _shaped(np.frombuffer(stored, dtype=kind), self._header)
        if decoder is None:
            raise Undecodable("packed, and nothing to unpack it")
        if self._header.transfer_syntax_uid not in sop_classes.NATIVE:
            _check_codestream(stored, self._header)
        return decoder.decode(stored, self._header)


def is_packed(header: Header) -> bool:
    """Whether a frame takes a decoder, and with it a while."""
    return header.transfer_syntax_uid not in sop_classes.NATIVE or header.photometric.startswith("YBR")


def stamp_of(arrival: Arrival, header: Header, index: int) -> Stamp:
    """When frame ``index`` was made and from what it came."""
    offset = header.frame_offsets_s[index] if index < len(header.frame_offsets_s) else 0.0
    acquired = None if header.acquired_at is None else header.acquired_at + offset
    return Stamp(
        arrival=arrival.number,
        sop_instance_uid=header.sop_instance_uid,
        index=index,
        source=arrival.source,
        study_instance_uid=header.study_instance_uid,
        mode=mode_of(arrival, header),
        acquired_at=acquired,
        received_at=arrival.received_at,
        time_s=arrival.began_at + offset if acquired is None else acquired,
        period_s=header.period_s,
    )


def _shaped(values: NDArray[Any], header: Header) -> NDArray[Any]:
    if header.samples == 1:
        return values.reshape(header.rows, header.cols)
    if header.planar == 1:
        return np.moveaxis(values.reshape(3, header.rows, header.cols), 0, -1)
    return values.reshape(header.rows, header.cols, 3)


def _check_codestream(codestream: bytes, header: Header) -> None:
    shape = shape_in(codestream)
    if shape is not None and shape != (header.rows, header.cols):
        raise Undecodable("a codestream of another size than the header says")


def _gray(stored: NDArray[Any]) -> NDArray[Any]:
    """(H, W): colour to luminance."""
    return np.asarray(stored[..., :3].astype(np.float32) @ LUMINANCE) if stored.ndim == 3 else stored


def _without_spare(stored: NDArray[Any], header: Header) -> NDArray[Any]:
    """Without what lies beyond the stored bits; colour has nothing there."""
    spare = header.bits_allocated - header.bits_stored
    if spare == 0 or stored.ndim == 3:
        return stored
    if header.is_signed:
        return np.asarray(np.right_shift(np.left_shift(stored, spare), spare))
    return np.asarray(stored & ((1 << header.bits_stored) - 1))


def _largest(header: Header) -> int:
    return int((1 << (header.bits_stored - int(header.is_signed))) - 1)


def _as_shown(values: NDArray[Any], header: Header) -> NDArray[Any]:
    """Stored values, turned over where nothing but the display says which way they go."""
    if not header.is_turned:
        return values
    return np.invert(values) if header.is_signed else np.asarray(_largest(header) - values)


def _calibrate(values: NDArray[Any], header: Header) -> Gray:
    """Stored values through the modality LUT, else slope and intercept."""
    if header.lut is not None:
        table = np.asarray(header.lut.values, dtype=np.float32)
        places = np.clip(values.astype(np.int64) - header.lut.first, 0, table.size - 1)
        return np.asarray(table[places])
    gray = values.astype(np.float32)
    if (header.slope, header.intercept) != (1.0, 0.0):
        gray = gray * np.float32(header.slope) + np.float32(header.intercept)
    return gray
