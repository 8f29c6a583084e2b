"""Findings and alarms held against known truth: one outcome a scene, one table a set.

Two truths are kept apart: what is visible in projection (contrast-to-noise above 3 over the cast) and what has leaked in
three dimensions. People find 34 % of leaks that CT proves in the lateral view (Schmidt 2005).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detection.memory import Scene
from detection.vocabulary import Kind, Mask, Priority, View, Zone

SPINAL = (Zone.CANAL, Zone.FORAMEN)
"""Counted as one zone: the sides of the wall line are half a body apart, and both are HIGH."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """One leak alert as it was raised or worsened: on which frame, where, how urgent."""

    index: int
    kind: Kind
    zone: Zone | None
    priority: Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one scene. Indices are of frames; ``onset`` is the first frame on which the leak is visible."""

    scene: str
    seed: int
    view: View
    landmarks: str
    frame_rate: float
    n_frames: int
    has_leak: bool
    true_zones: frozenset[Zone]
    onset: int | None
    onset_3d: int | None
    raised: tuple[Raised, ...]
    dice: float | None
    distance_errors_mm: tuple[float, ...]
    corner_errors_mm: tuple[float, ...] | None
    is_body_asked: bool
    n_unfit: int
    ms_per_frame: float

    @property
    def caught(self) -> Raised | None:
        """The first leak alert that is no false one."""
        return next((alert for alert in self.raised if self.is_true(alert)), None)

    @property
    def delay(self) -> int | None:
        """Frames from visible onset to alert; negative when the alert came first."""
        if self.onset is None or self.caught is None:
            return None
        return self.caught.index - self.onset

    @property
    def is_zone_right(self) -> bool | None:
        """Whether the first alert names the true zone, canal and foramen counted as one."""
        if self.caught is None or self.caught.zone is None:
            return None
        return _family(self.caught.zone) in {_family(zone) for zone in self.true_zones}

    @property
    def false_alerts(self) -> tuple[Raised, ...]:
        """Leak alerts without a leak, or well before it."""
        return tuple(alert for alert in self.raised if alert.kind is not Kind.APPROACH and not self.is_true(alert))

    def is_true(self, alert: Raised) -> bool:
        """Whether a leak alert has a leak to tell of: cement is outside the body in three dimensions by then."""
        return alert.kind is not Kind.APPROACH and self.onset_3d is not None and alert.index >= self.onset_3d


def table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """The scorecard of a set, line by line."""
    leaks = [each for each in outcomes if each.onset is not None]
    hidden = [each for each in outcomes if each.onset_3d is not None]
    quiet = [each for each in outcomes if not each.has_leak]
    yield f"{len(outcomes)} scenes, {len(leaks)} with a visible leak, {len(quiet)} without any"
    yield _share("recall, projection-visible leaks", [each.caught is not None for each in leaks])
    for zone in (Zone.CANAL, Zone.VEIN, Zone.DISC, Zone.SOFT_TISSUE, Zone.NEEDLE_TRACT):
        part = [each for each in leaks if zone in {_family(true) for true in each.true_zones}]
        if part:
            yield _share(f"  {zone}", [each.caught is not None for each in part])
    yield _share("recall against 3-D truth", [each.caught is not None for each in hidden])
    yield _quantiles("delay after visible onset, frames", [each.delay for each in leaks])
    yield _share("zone named right", [each.is_zone_right for each in leaks])
    yield _rate("false HIGH alerts per scene", [_n_high(each) for each in outcomes])
    yield _rate("false leak alerts per scene", [len(each.false_alerts) for each in outcomes])
    yield _rate("  on scenes without a leak", [len(each.false_alerts) for each in quiet])
    yield _quantiles("Dice of the cement mask", [each.dice for each in outcomes])
    errors = [abs(error) for each in outcomes for error in each.distance_errors_mm]
    yield _quantiles("distance to the wall, absolute error, mm", errors)
    asked = [each for each in outcomes if each.is_body_asked]
    if asked:
        yield _share("body found", [each.corner_errors_mm is not None for each in asked])
        yield _quantiles("body corners, error, mm", [e for each in asked for e in each.corner_errors_mm or ()])
    yield _quantiles("frames called unfit per scene", [each.n_unfit for each in outcomes])
    yield _quantiles("examine, ms a frame", [each.ms_per_frame for each in outcomes])


def wilson(n_true: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927); (0, 1) for no cases."""
    if n == 0:
        return 0.0, 1.0
    z, p = 1.96, n_true / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def dice_of(scene: Scene, true: Mask) -> float:
    """Overlap of a scene's cement, moved with the patient, with the true mask (H, W); 1 is the same, 0 is apart."""
    if scene.cement is None:
        return 0.0
    size = (true.shape[1], true.shape[0])
    found = cv2.resize(scene.cement.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    row, col = scene.shift_px[0] * scene.factor, scene.shift_px[1] * scene.factor
    matrix = np.array([[1.0, 0.0, -col], [0.0, 1.0, -row]])
    here = cv2.warpAffine(found, matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP).astype(np.bool_)
    return float(2 * (here & true).sum() / max(1, here.sum() + true.sum()))


def _family(zone: Zone) -> Zone:
    return Zone.CANAL if zone in SPINAL else zone


def _n_high(outcome: Outcome) -> int:
    return sum(alert.priority is Priority.HIGH for alert in outcome.false_alerts)


def _share(name: str, answers: Sequence[bool | None]) -> str:
    known = [answer for answer in answers if answer is not None]
    low, high = wilson(sum(known), len(known))
    figure = f"{sum(known) / len(known):.2f}" if known else "-"
    return f"{name:46}{figure:>7}   {sum(known)}/{len(known)}, 95 % {low:.2f}-{high:.2f}"


def _rate(name: str, counts: Sequence[int]) -> str:
    figure = f"{sum(counts) / len(counts):.2f}" if counts else "-"
    return f"{name:46}{figure:>7}   {sum(counts)} in {len(counts)}"


def _quantiles(name: str, values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return f"{name:46}{'-':>7}"
    middle, high = np.percentile(known, [50, 95])
    return f"{name:46}{middle:7.2f}   p95 {high:.2f}, n {len(known)}"
