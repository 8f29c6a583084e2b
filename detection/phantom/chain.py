"""From attenuation to what a detector stores: scatter, dose, noise, blur, lag, exposure control, field, display."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from detection.phantom.attenuation import Cement
from detection.vocabulary import Gray, Intensity

Stored = NDArray[np.uint16]
"""Stored values, (H, W) uint16."""

PHOTONS_PER_MM2_NGY = 21.0
LIT = 0.55


class Dose(StrEnum):
    """How much light a frame has at the detector: low-dose pulses, the usual, and a high-level or slow pulse rate."""

    LOW = "low"
    USUAL = "usual"
    HIGH = "high"


DOSE_NGY: Mapping[Dose, tuple[float, float]] = {Dose.LOW: (8, 18), Dose.USUAL: (18, 38), Dose.HIGH: (38, 75)}
"""From and to, nGy per frame: Siemens Arcadis factory values and AAPM TG-11, 7.5 to 15 frames per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """One X-ray system and its settings. ``recursion`` is k in out = k*new + (1-k)*old; 1 is off.

    ``glare`` is the share of light that an intensifier spreads over the picture. ``sharpening`` over ``rim_px`` leaves
    bright rims, ``curve`` is middle and steepness of the display's S; all three shape DISPLAY only, as does
    ``jpeg_quality`` (None: not compressed), and only at eight bits.
    """

    kvp: float = 90.0
    cement: Cement = Cement.BARIUM_20
    dose_ngy: float = 30.0
    scatter_to_primary: float = 1.2
    blur_px: float = 0.9
    lag: float = 0.04
    recursion: float = 0.6
    control_s: float = 0.6
    has_control: bool = True
    vignetting: float = 0.1
    field: str = "full"
    field_share: float = 0.94
    intensity: Intensity = Intensity.LINEAR
    bits: int = 12
    is_inverted: bool = False
    sharpening: float = 0.5
    rim_px: float = 2.0
    curve: tuple[float, float] = (0.62, 9.0)
    glare: float = 0.0
    jpeg_quality: int | None = None

    @property
    def dose(self) -> Dose:
        """The dose level that its dose belongs to."""
        return next((dose for dose in (Dose.LOW, Dose.USUAL) if self.dose_ngy < DOSE_NGY[dose][1]), Dose.HIGH)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Afterglow:
    """What one frame leaves for the next: exposure gain, detector residue and filtered picture."""

    gain: float
    residue: Gray
    shown: Gray


def field_of(chain: Chain, size: tuple[int, int]) -> Gray:
    """Transmission of collimator and vignetting, (H, W) float32 from 0 to 1."""
    rows = (np.arange(size[0], dtype=np.float32) - (size[0] - 1) / 2)[:, None] / (size[0] / 2)
    cols = (np.arange(size[1], dtype=np.float32) - (size[1] - 1) / 2)[None, :] / (size[1] / 2)
    away = rows * rows + cols * cols
    shade = 1 - np.float32(chain.vignetting) * away / 2
    soft = size[0] / 6
    if chain.field == "round":
        shade = shade * np.clip((chain.field_share - np.sqrt(away)) * soft, 0, 1)
    elif chain.field == "blades":
        shade = shade * np.clip((chain.field_share - np.maximum(np.abs(rows), np.abs(cols) * 1.25)) * soft, 0, 1)
    open_: Gray = shade.astype(np.float32)
    return open_


def photons_per_px(chain: Chain, mm_at_detector: float) -> float:
    """Photons detected in one pixel of the centre in one frame."""
    return chain.dose_ngy * PHOTONS_PER_MM2_NGY * mm_at_detector * mm_at_detector


def spread_scatter(primary: Gray, ratio: float) -> Gray:
    """Primary and its scatter: a wide smooth kernel, scaled to the mean."""
    step = max(4, min(primary.shape) // 32)
    small = cv2.resize(primary, (primary.shape[1] // step, primary.shape[0] // step), interpolation=cv2.INTER_AREA)
    wide = cv2.GaussianBlur(small, (0, 0), 5.0, borderType=cv2.BORDER_REFLECT)
    total: Gray = primary + np.float32(ratio) * cv2.resize(wide, primary.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return total


def ramp_at(since_s: float) -> float:
    """Share of its light that the tube gives so long after the foot came back to the pedal."""
    return 1 - 0.4 * math.exp(-max(since_s, 0.0) / 0.2)


def veil(light: Gray, share: float) -> Gray:
    """Light of which a share is spread far and wide, as behind the window of an intensifier."""
    step = max(4, min(light.shape) // 32)
    small = cv2.resize(light, (light.shape[1] // step, light.shape[0] // step), interpolation=cv2.INTER_AREA)
    wide = cv2.GaussianBlur(small, (0, 0), 9.0, borderType=cv2.BORDER_REFLECT)
    spread = cv2.resize(wide, light.shape[::-1], interpolation=cv2.INTER_CUBIC)
    veiled: Gray = (1 - np.float32(share)) * light + np.float32(share) * spread
    return veiled


def expose(
    attenuation: Gray, field: Gray, chain: Chain, photons: float, before: Afterglow | None
) -> tuple[Gray, float]:
    """Expected photons per pixel and the gain that exposure control has reached."""
    primary = np.exp(-attenuation) * field
    light = np.asarray(
        cv2.GaussianBlur(spread_scatter(primary, chain.scatter_to_primary), (0, 0), chain.blur_px), np.float32
    )
    if chain.glare:
        light = veil(light, chain.glare)
    light *= field > 0.01
    rows, cols = light.shape
    middle = light[rows // 5 : rows * 4 // 5 : 4, cols // 5 : cols * 4 // 5 : 4]
    wanted = 1 / max(float(middle.mean()), 1e-9)
    gain = wanted if before is None else before.gain
    return light * np.float32(gain * photons), wanted


def detect(expected: Gray, chain: Chain, photons: float, rng: Generator, before: Afterglow | None) -> tuple[Gray, Gray]:
    """Noise, lag and recursive filter on expected photons; (residue, shown), both in units of the centre."""
    noise = rng.standard_normal(expected.shape, dtype=np.float32)
    signal = (expected + np.sqrt(expected + np.float32(1.0)) * noise) / np.float32(photons)
    residue = signal if before is None else signal + np.float32(chain.lag) * (before.residue - signal)
    shown = residue if before is None else before.shown + np.float32(chain.recursion) * (residue - before.shown)
    return residue, shown


def store(shown: Gray, field: Gray, chain: Chain) -> Stored:
    """Stored values: LINEAR and LOG keep the full range, DISPLAY has a curve and edge enhancement."""
    ceiling = (1 << chain.bits) - 1
    if chain.intensity is Intensity.LINEAR:
        grey = shown * np.float32(LIT / 2.2)
    else:
        grey = (np.log(np.maximum(shown, 1e-3)) + np.float32(4.0)) / np.float32(6.0)
    if chain.intensity is Intensity.DISPLAY:
        edge = grey - cv2.GaussianBlur(grey, (0, 0), chain.rim_px)
        grey = _s_curve(grey + np.float32(chain.sharpening) * edge, *chain.curve)
    grey = np.where(field > 0.01, grey, 0) if chain.intensity is not Intensity.LINEAR else grey
    scaled = np.clip(grey, 0, 1)
    if chain.is_inverted:
        scaled = 1 - scaled
    stored: Stored = np.rint(scaled * np.float32(ceiling)).astype(np.uint16)
    return stored if chain.jpeg_quality is None or chain.bits > 8 else _lossy(stored, chain.jpeg_quality)


def _lossy(stored: Stored, quality: int) -> Stored:
    """What JPEG leaves of eight-bit values."""
    _, encoded = cv2.imencode(".jpg", stored.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint16)


def _s_curve(grey: Gray, middle: float, steepness: float) -> Gray:
    curved: Gray = 1 / (1 + np.exp(-(grey - np.float32(middle)) * np.float32(steepness)))
    return curved
