"""Stored values to a calm picture of attenuation: dense is high, exposure steps are offsets.

Attenuation is in nats (natural log of intensity) where the device is linear, and in like-sized units elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from detection.blades import cells_of
from detection.patches import touching_border
from detection.rules import Rules
from detection.vocabulary import Flag, Frame, Gray, Intensity, Mask, Polarity

DISPLAY_SPAN = 2.5
"""Nats that a display picture's full range stands for; a nominal figure, display curves differ."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calm:
    """A frame at working resolution: ``attenuation`` (h, w) float32, ``field`` (h, w) bool, whole-number ``factor``.

    ``cells`` is how bright it is, averaged down for ``blades``.
    """

    attenuation: Gray
    field: Mask
    cells: Gray
    factor: int
    flags: frozenset[Flag]


def calm(frame: Frame, rules: Rules) -> Calm:
    """Attenuation and open field of a frame, averaged down to the working size.

    Averaging comes before the logarithm: photons add, logs do not.
    """
    factor = max(1, round(max(frame.pixels.shape) / rules.working_px))
    values = shrink(frame.pixels, factor)
    flags = frozenset({Flag.LOSSY} if frame.is_lossy else ())
    if frame.polarity is Polarity.UNCERTAIN:
        flags |= {Flag.POLARITY_UNCERTAIN}
    darkness = frame.ceiling - values if frame.polarity is Polarity.DENSE_IS_BRIGHT else values
    attenuation = _attenuation(darkness, frame.ceiling, frame.intensity, frame.polarity)
    given = None if frame.field is None else shrink(frame.field.astype(np.float32), factor) > 0.99
    return Calm(
        attenuation=attenuation,
        field=_open_field(darkness, frame.ceiling, given, rules),
        cells=cells_of(darkness),
        factor=factor,
        flags=flags,
    )


def shrink(image: Gray, factor: int) -> Gray:
    """The image (H, W) averaged over blocks of ``factor`` pixels; rows and columns left over are dropped."""
    if factor == 1:
        return image
    height, width = image.shape[0] // factor, image.shape[1] // factor
    cut = image[: height * factor, : width * factor]
    return cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)


def _attenuation(darkness: Gray, ceiling: float, intensity: Intensity, polarity: Polarity) -> Gray:
    if intensity is Intensity.LINEAR and polarity is not Polarity.DENSE_IS_BRIGHT:
        _, shown = cv2.threshold(darkness, 0.0, 0.0, cv2.THRESH_TOZERO)  # a third of the time of a maximum
        depth = np.asarray(shown, dtype=np.float32)
        depth += np.float32(1)
        cv2.log(depth, dst=depth)
        np.subtract(np.float32(np.log(ceiling + 1.0)), depth, out=depth)
        return np.asarray(depth, dtype=np.float32)
    return np.asarray(DISPLAY_SPAN * (1.0 - darkness / ceiling), dtype=np.float32)


def _open_field(darkness: Gray, ceiling: float, given: Mask | None, rules: Rules) -> Mask:
    """Where the picture shows patient: not the black that touches the border, not burnt out, not shut by header."""
    least, most, _, _ = cv2.minMaxLoc(darkness)
    if given is None and rules.black_share * ceiling < least and most < rules.burnt_share * ceiling:
        return np.ones(darkness.shape, np.bool_)
    open_ = np.asarray(darkness < rules.burnt_share * ceiling, dtype=np.bool_)
    open_ &= ~touching_border(np.asarray(darkness <= rules.black_share * ceiling, dtype=np.bool_))
    if given is not None:
        open_ &= given
    if open_.all():
        return open_
    kernel = np.ones((2 * round(rules.field_margin_px) + 1,) * 2, np.uint8)
    return cv2.erode(open_.view(np.uint8), kernel, borderValue=1).view(np.bool_)
