"""A frame as a screen shows it: eight bits, outlines, a width, a JPEG."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.vocabulary import Corners, Frame, Intensity, Mask, Outline, Point, Polarity, Zone

Gray8 = NDArray[np.uint8]
"""A picture for the eye, (H, W) uint8, dense material dark."""
Colour8 = NDArray[np.uint8]
"""A picture with colours, (H, W, 3) uint8 in OpenCV's order blue, green, red."""

SMALLEST_WIDTH, LARGEST_WIDTH = 64, 4096
WINDOW_PERCENTILES = (0.5, 99.5)
N_WINDOW_PIXELS = 200_000
"""Percentiles are taken over about this many pixels: enough for a window, cheap on a 2048 x 2048 frame."""

ZONE_COLOUR: dict[Zone, tuple[int, int, int]] = {
    Zone.BODY: (200, 200, 200),
    Zone.POSTERIOR_BAND: (60, 210, 255),
    Zone.CANAL: (70, 70, 255),
    Zone.FORAMEN: (60, 130, 255),
    Zone.VEIN: (255, 110, 200),
    Zone.DISC: (255, 170, 80),
    Zone.SOFT_TISSUE: (190, 200, 120),
    Zone.NEEDLE_TRACT: (150, 150, 150),
    Zone.ELSEWHERE: (180, 120, 180),
}
CEMENT_COLOUR = (120, 230, 90)
LABELLED_ZONES = frozenset({Zone.POSTERIOR_BAND, Zone.CANAL, Zone.FORAMEN, Zone.DISC, Zone.VEIN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What to draw over one frame, in pixels of that frame. ``leaks`` are pieces of cement beyond the body."""

    cement: tuple[Outline, ...] = ()
    leaks: tuple[tuple[Zone, Outline], ...] = ()
    zones: tuple[tuple[Zone, Outline], ...] = ()
    corners: Corners | None = None


def display_of(frame: Frame) -> Gray8:
    """The frame in eight bits, dense material dark whatever its polarity.

    The window spans the 0.5 to 99.5 percentile of the open field. Values linear in intensity are shown by
    their logarithm, so that bone keeps its detail beside open air. An even image comes back as middle grey.
    """
    pixels = frame.pixels
    if frame.intensity is Intensity.LINEAR:
        pixels = np.log1p(np.maximum(pixels, 0))
    low, high = _window(pixels, frame.field)
    if not high > low:
        return np.full(pixels.shape, 128, np.uint8)
    scaled = cv2.convertScaleAbs(np.clip(pixels, low, high) - low, alpha=255.0 / (high - low))
    if frame.polarity is Polarity.DENSE_IS_BRIGHT:
        scaled = cv2.bitwise_not(scaled)
    if frame.field is not None:
        scaled[~frame.field] = 0
    return np.asarray(scaled, np.uint8)


def _window(pixels: NDArray[Any], field: Mask | None) -> tuple[float, float]:
    """The lowest and the highest value worth showing, over finite pixels of the open field."""
    step = max(1, int(np.sqrt(pixels.size / N_WINDOW_PIXELS)))
    sample = pixels[::step, ::step]
    if field is not None and field[::step, ::step].any():
        sample = sample[field[::step, ::step]]
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 0.0
    low, high = np.percentile(sample, WINDOW_PERCENTILES)
    return float(low), float(high)


def draw(gray: Gray8, marks: Marks | None = None, *, width: int | None = None, quality: int = 88) -> bytes:
    """One picture as JPEG.

    Args:
        gray: (H, W) uint8.
        marks: outlines in pixels of ``gray``; None for the bare picture.
        width: of the picture in pixels, kept within 64 and 4096; None keeps the frame's own.
        quality: of the JPEG, 1 to 100.

    Raises:
        ValueError: ``gray`` has no pixels.
    """
    if gray.ndim != 2 or gray.size == 0:
        raise ValueError(f"a picture has two dimensions and some pixels, not the shape {gray.shape}")
    picture, scale = _scaled(gray, width)
    if marks is not None:
        picture = overlay(picture, marks, scale=scale)
    is_made, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not is_made:
        raise ValueError("this picture cannot be written as JPEG")
    return encoded.tobytes()


def _scaled(gray: Gray8, width: int | None) -> tuple[Gray8, float]:
    """The picture at ``width`` and the factor that its pixel positions were multiplied by."""
    n_rows, n_cols = gray.shape
    if width is None or width == n_cols:
        return gray, 1.0
    wanted = min(max(width, SMALLEST_WIDTH), LARGEST_WIDTH)
    scale = wanted / n_cols
    size = (wanted, max(1, round(n_rows * scale)))
    resized = cv2.resize(gray, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return np.asarray(resized, np.uint8), scale


def overlay(gray: Gray8, marks: Marks, *, scale: float = 1.0) -> Colour8:
    """The picture (H, W) in colour (H, W, 3) with zones, body, cement and leaks drawn over it.

    ``scale`` takes positions of the frame to positions of ``gray``. Lines are drawn after scaling so that they stay thin.
    """
    picture = np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR), np.uint8)
    thin = max(1, round(gray.shape[1] / 500))
    _fill(picture, [_points(outline, scale) for outline in marks.cement], CEMENT_COLOUR, 0.22)
    for zone, outline in marks.leaks:
        _fill(picture, [_points(outline, scale)], ZONE_COLOUR[zone], 0.45)
    for zone, outline in marks.zones:
        _line(picture, _points(outline, scale), ZONE_COLOUR[zone], thin)
    if marks.corners is not None and all(zone is not Zone.BODY for zone, _ in marks.zones):
        _line(picture, _points(_ring(marks.corners), scale), ZONE_COLOUR[Zone.BODY], thin)
    for outline in marks.cement:
        _line(picture, _points(outline, scale), CEMENT_COLOUR, thin)
    for zone, outline in marks.leaks:
        _line(picture, _points(outline, scale), ZONE_COLOUR[zone], thin + 1)
    for zone, outline in marks.zones:
        if zone in LABELLED_ZONES:
            _label(picture, _points(outline, scale), zone)
    return picture


def captioned(picture: Colour8, words: str) -> Colour8:
    """The picture (H, W, 3) with ``words`` in a band below it, (H + n, W, 3), broken into lines that fit."""
    size = max(0.35, picture.shape[1] / 1600)
    (width, height), _ = cv2.getTextSize("n", cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    lines = textwrap.wrap(words.encode("ascii", "replace").decode(), max(20, int(picture.shape[1] / width) - 1))
    pitch = 2 * height
    band = np.zeros((pitch * (len(lines) + 1), picture.shape[1], 3), np.uint8)
    for place, line in enumerate(lines):
        where = (2, pitch * (place + 1))
        cv2.putText(band, line, where, cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)
    return np.asarray(np.vstack([picture, band]), np.uint8)


def filled(outlines: tuple[Outline, ...], shape: tuple[int, int]) -> Mask:
    """The inside of ``outlines`` with its edge, (H, W) bool; all False without any. Outlines are thinned to 0.7 px."""
    inside = np.zeros(shape, np.uint8)
    for outline in outlines:
        whole = np.round([(col, row) for row, col in outline]).astype(np.int32).reshape(-1, 1, 2)
        cv2.fillPoly(inside, [whole], color=1, lineType=cv2.LINE_8)
    return inside > 0


def _ring(corners: Corners) -> Outline:
    return (corners.near_superior, corners.far_superior, corners.far_inferior, corners.near_inferior)


def _points(outline: Outline, scale: float) -> NDArray[np.int32]:
    """OpenCV points (N, 1, 2) int32 as x, y in sixteenths of a pixel; (0, 1, 2) for an empty outline."""
    rows_cols = np.asarray([_place(point, scale) for point in outline], np.float64).reshape(-1, 1, 2)
    return np.round(rows_cols[..., ::-1] * 16).astype(np.int32)


def _place(point: Point, scale: float) -> Point:
    """The centre of the top-left pixel is 0, 0 at every scale."""
    return (point[0] + 0.5) * scale - 0.5, (point[1] + 0.5) * scale - 0.5


def _line(picture: Colour8, points: NDArray[np.int32], colour: tuple[int, int, int], thickness: int) -> None:
    if len(points) > 0:
        cv2.polylines(
            picture, [points], isClosed=True, color=colour, thickness=thickness, lineType=cv2.LINE_AA, shift=4
        )


def _fill(picture: Colour8, shapes: list[NDArray[np.int32]], colour: tuple[int, int, int], opacity: float) -> None:
    """Tint the inside of ``shapes``; the image stays readable below."""
    inside = np.zeros(picture.shape[:2], np.uint8)
    for points in shapes:
        if len(points) > 2:
            cv2.fillPoly(inside, [points], color=255, lineType=cv2.LINE_8, shift=4)
    chosen = inside > 0
    picture[chosen] = (picture[chosen] * (1 - opacity) + np.asarray(colour) * opacity).astype(np.uint8)


def _label(picture: Colour8, points: NDArray[np.int32], zone: Zone) -> None:
    """The zone's name at the top of its outline, dark-edged so that it reads on bone and on air."""
    if len(points) == 0:
        return
    size = max(0.4, picture.shape[1] / 1300)  # read from across the room
    text = zone.value.replace("_", " ")
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    flat = points.reshape(-1, 2) / 16
    top = flat[np.argmin(flat[:, 1])]
    col = int(min(max(top[0] - width / 2, 2), max(picture.shape[1] - width - 2, 2)))
    row = int(min(max(top[1] - 4, height + 2), picture.shape[0] - 3))
    thick = max(1, round(1.5 * size))
    for colour, thickness in (((0, 0, 0), thick + 3), (ZONE_COLOUR[zone], thick)):
        cv2.putText(picture, text, (col, row), cv2.FONT_HERSHEY_SIMPLEX, size, colour, thickness, cv2.LINE_AA)
