"""One arrival to frames, one at a time.

Memory is bounded by one frame whatever the length of the run: native pixels are read from their place in the
file, compressed ones fragment by fragment. Before a decoder sees a codestream its own size is held against
the header, for a decoder allocates what the codestream says.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.pixels import iter_pixels

from detection.vocabulary import Frame, Gray, Mode, Stamp
from dicom_gateway import jpeg12, sop_classes
from dicom_gateway.codestream import shape_in
from dicom_gateway.geometry import open_field
from dicom_gateway.guard import check_pixels, check_shape, frame_bytes
from dicom_gateway.header import Header
from dicom_gateway.refusal import Refusal, Undecodable
from dicom_gateway.spool import Arrival

POST_RUN_AFTER_S = 24 * 3600.0
"""Older than this at receipt cannot be a clock or a time zone: it was made before, and is no live image."""
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)

jpeg12.register()


def mode_of(arrival: Arrival, header: Header) -> Mode:
    """How this arrival relates to the procedure."""
    if arrival.replay is not None:
        return Mode.REPLAY
    age_s = 0.0 if header.acquired_at is None else arrival.received_at - header.acquired_at
    return Mode.POST_RUN if header.n_frames > 1 or age_s > POST_RUN_AFTER_S else Mode.LIVE


def frames_of(arrival: Arrival, header: Header, *, start: int = 0) -> Iterator[Frame]:
    """The frames of an image arrival from index ``start`` on. Raises ``Undecodable``, also after some frames."""
    if not header.is_image:
        raise Undecodable("not an image")
    if not arrival.path.exists():
        raise Undecodable("the file is gone")
    try:
        check_shape(header)
        check_pixels(arrival.path, header, arrival.size)
    except Refusal as refusal:
        raise Undecodable(refusal.reason) from refusal
    field = open_field(header.apertures, header.rows, header.cols)
    ceiling = float(_calibrate(np.array([_largest(header)]), header)[0])
    if header.lut is not None:
        ceiling = max(header.lut.values)
    for index, stored in _stored(arrival.path, header, start):
        yield Frame(
            stamp=stamp_of(arrival, header, index),
            pixels=_calibrate(_gray(stored, header), header),
            intensity=header.intensity,
            polarity=header.polarity,
            ceiling=ceiling,
            field=field,
            mm_per_px=header.mm_per_px,
            view=header.view,
            primary_deg=header.primary_deg,
            secondary_deg=header.secondary_deg,
            is_lossy=header.is_lossy,
            is_subtracted=header.is_subtracted,
        )


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
        time_s=arrival.received_at + offset if acquired is None else acquired,
    )


def _stored(path: Path, header: Header, start: int) -> Iterator[tuple[int, NDArray[Any]]]:
    """Stored values, (H, W) or (H, W, 3), with the index of each frame."""
    is_native = header.transfer_syntax_uid in sop_classes.NATIVE
    if is_native and not header.photometric.startswith("YBR"):
        yield from _native(path, header, start)
        return
    try:
        yield from enumerate(_decoded(path, header, start), start)
    except (Undecodable, MemoryError, OSError):
        raise
    except BaseException as error:  # decoders raise whatever they like over damaged data
        # a decoder written in Rust panics outside the tree of Exception, and would take the role down
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise Undecodable("the pixels cannot be decoded") from error
        raise


def _native(path: Path, header: Header, start: int) -> Iterator[tuple[int, NDArray[Any]]]:
    assert header.pixels is not None  # noqa: S101 - check_pixels has seen it
    size = frame_bytes(header)
    kind = np.dtype(f"<{'i' if header.is_signed else 'u'}{header.bits_allocated // 8}")
    with path.open("rb") as file:
        for index in range(start, header.n_frames):
            file.seek(header.pixels.at + index * size)
            values = np.frombuffer(file.read(size), dtype=kind)
            if values.nbytes != size:
                raise Undecodable("the file has shrunk")
            yield index, _shaped(values, header)


def _shaped(values: NDArray[Any], header: Header) -> NDArray[Any]:
    if header.samples == 1:
        return values.reshape(header.rows, header.cols)
    if header.planar == 1:
        return np.moveaxis(values.reshape(3, header.rows, header.cols), 0, -1)
    return values.reshape(header.rows, header.cols, 3)


def _decoded(path: Path, header: Header, start: int) -> Iterator[NDArray[Any]]:
    plugin = jpeg12.LABEL if header.transfer_syntax_uid == sop_classes.JPEG_EXTENDED else ""
    indices = range(start, header.n_frames)
    arrays = iter_pixels(path, indices=indices, decoding_plugin=plugin)
    if header.pixels is not None and header.pixels.n_bytes is None:
        with path.open("rb") as file:
            file.seek(header.pixels.at)
            for index, codestream in enumerate(generate_frames(file, number_of_frames=header.n_frames)):
                if index >= start:
                    _check_codestream(codestream, header)
                    yield next(arrays)
        return
    yield from arrays


def _check_codestream(codestream: bytes, header: Header) -> None:
    shape = shape_in(codestream)
    if shape is not None and shape != (header.rows, header.cols):
        raise Undecodable("a codestream of another size than the header says")


def _gray(stored: NDArray[Any], header: Header) -> NDArray[Any]:
    """(H, W): colour to luminance; bits beyond those stored (overlays) are dropped."""
    if stored.ndim == 3:
        return np.asarray(stored[..., :3].astype(np.float32) @ LUMINANCE)
    spare = header.bits_allocated - header.bits_stored
    if spare == 0:
        return stored
    if header.is_signed:
        return np.asarray(np.right_shift(np.left_shift(stored, spare), spare))
    return np.asarray(stored & ((1 << header.bits_stored) - 1))


def _largest(header: Header) -> int:
    return int((1 << (header.bits_stored - int(header.is_signed))) - 1)


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
