"""Hits, misses and false alarms as pictures: what was seen in colour, what was true in white, many to a sheet."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from detection.outcome import Exhibit
from detection.phantom.truth import Truth
from detection.picture import Colour8, Marks, display_of, overlay
from detection.pixels import calm
from detection.rules import Rules
from detection.vocabulary import Corners, Findings, Frame, Mask, Zone

TILE_PX = 300
CAPTION_PX = 34
MARGIN_SHARE = 1.1
WHITE = (255, 255, 255)
FRAME_COLOUR = {"hit": (90, 200, 90), "miss": (60, 60, 255), "false": (0, 190, 255)}


def exhibit(kind: str, caption: str, frame: Frame, seen: tuple[Findings, Truth]) -> Exhibit:
    """A frame, cut to the body and its surroundings, with what was found and a white line about what truly leaked."""
    findings, truth = seen
    marks = Marks(
        cement=findings.cement_outlines,
        leaks=tuple((p.zone, p.outline) for p in findings.pieces if p.zone is not Zone.BODY),
        zones=findings.zone_outlines,
        corners=findings.body.corners if findings.body is not None else None,
    )
    window = _window(truth.corners, findings.shape)
    drawn = overlay(display_of(replace(frame, field=_field(frame))), marks)
    _outline_leak(drawn, truth)
    cut = drawn[window[0] : window[1], window[2] : window[3]]
    tile = _captioned(np.asarray(cv2.resize(cut, (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA), np.uint8), caption)
    cv2.rectangle(tile, (0, 0), (TILE_PX - 1, TILE_PX + CAPTION_PX - 1), FRAME_COLOUR[kind], 2)
    _, encoded = cv2.imencode(".jpg", tile, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return Exhibit(kind=kind, caption=caption, jpeg=base64.b64encode(encoded.tobytes()).decode())


def sheet(exhibits: Sequence[Exhibit], n_columns: int = 6) -> bytes:
    """All exhibits on one sheet, misses first, as PNG; ValueError without any."""
    if not exhibits:
        raise ValueError("no picture to put on the sheet")
    order = {"miss": 0, "false": 1, "hit": 2}
    tiles = [_decoded(each) for each in sorted(exhibits, key=lambda each: order[each.kind])]
    blank = np.zeros_like(tiles[0])
    tiles += [blank] * (-len(tiles) % n_columns)
    rows = [np.hstack(tiles[k : k + n_columns]) for k in range(0, len(tiles), n_columns)]
    _, encoded = cv2.imencode(".png", np.vstack(rows))
    return encoded.tobytes()


def _decoded(each: Exhibit) -> Colour8:
    encoded = np.frombuffer(base64.b64decode(each.jpeg), np.uint8)
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def _field(frame: Frame) -> Mask:
    """The open field at the frame's own size: outside it there is nothing to set a window by."""
    field = calm(frame, Rules()).field.astype(np.uint8)
    size = (frame.pixels.shape[1], frame.pixels.shape[0])
    return np.asarray(cv2.resize(field, size, interpolation=cv2.INTER_NEAREST), np.bool_)


def _window(corners: Corners, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """A square about the body: first and last row and column."""
    spots = np.array([corners.near_superior, corners.near_inferior, corners.far_superior, corners.far_inferior])
    half = float(np.ptp(spots, axis=0).max()) * (0.5 + MARGIN_SHARE)
    half = min(half, min(shape) / 2)
    row = min(max(float(spots[:, 0].mean()), half), shape[0] - half)
    col = min(max(float(spots[:, 1].mean()), half), shape[1] - half)
    return round(row - half), round(row + half), round(col - half), round(col + half)


def _outline_leak(picture: Colour8, truth: Truth) -> None:
    masks = [mask for zone, mask in truth.zones.items() if zone not in (Zone.BODY, Zone.POSTERIOR_BAND)]
    if not masks:
        return
    leaked = np.logical_or.reduce(masks).astype(np.uint8)
    lines, _ = cv2.findContours(leaked, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, lines, -1, WHITE, 1, cv2.LINE_AA)


def _captioned(tile: Colour8, caption: str) -> Colour8:
    strip = np.zeros((CAPTION_PX, TILE_PX, 3), np.uint8)
    for k, line in enumerate(caption.split("\n")[:2]):
        cv2.putText(strip, line, (5, 13 + 15 * k), cv2.FONT_HERSHEY_SIMPLEX, 0.37, WHITE, 1, cv2.LINE_AA)
    return np.vstack([tile, strip])
