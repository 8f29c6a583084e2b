"""Counts, frame by frame, what is told about a scene against what is true of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from detection.memory import Memory, Scene
from detection.outcome import About, Contact, Instant, Leakage, Outcome, Precision, Telling
from detection.phantom.truth import Truth
from detection.priorities import LOW
from detection.vocabulary import (
    PRIORITY_ORDER,
    Body,
    Change,
    Corners,
    EntryType,
    Findings,
    Flag,
    Kind,
    Mask,
    Outline,
    Zone,
)

NEAR_LEAK_MM, ABOUT_LEAK_SHARE = 3.0, 0.25
"""An outline tells of a leak if this share of it lies so near to where cement truly leaked: a smear that also covers it
tells nobody where to look."""
CONTACT_MM, SPEED_OVER_S = 3.0, 4.0
"""The alarm's own notion of contact: nearer than that, the wall's concavity hides what is left."""
NEAR_WALL_SHARE, NEAR_WALL_MM = 1 / 3, 2.0
"""Cement within the first tier of the approach alarm, and the error of the wall line, is truly near."""
MASK_EVERY, SMALLEST_MASK_PX = 10, 400
KINDS = (Kind.LEAK, Kind.VANISHED, Kind.APPROACH)
CORNERS = ("near_superior", "near_inferior", "far_superior", "far_inferior")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """One frame of a scene with all that was said of it. ``mm_per_px`` is of the frame, ``leg`` counts the swings."""

    index: int
    leg: int
    mm_per_px: float
    truth: Truth
    findings: Findings
    changes: tuple[Change, ...]
    memory: Memory
    ms: float
    time_s: float


@dataclass(slots=True, kw_only=True)
class Tally:
    """What has been counted of a scene so far. ``is_body_asked``: landmarks are not given."""

    is_body_asked: bool
    n_judged: int = 0
    n_clear: int = 0
    n_unfit_clear: int = 0
    n_veiled: int = 0
    n_fit_veiled: int = 0
    leakage: Leakage = field(default_factory=Leakage)
    precision: Precision = field(default_factory=Precision)
    tellings: list[Telling] = field(default_factory=list)
    technical: set[str] = field(default_factory=set)
    fronts: list[tuple[float, float]] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)
    dice: list[float] = field(default_factory=list)
    boundaries: list[float] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    leaked: tuple[int, Mask] | None = None

    def count(self, look: Look) -> tuple[Telling, ...]:
        """Count one frame; what was told on it for the first time."""
        self.times_ms.append(look.ms)
        self.times_s.append(look.time_s)
        self._count_fitness(look)
        now = Instant(index=look.index, time_s=look.time_s, n_judged=self.n_judged)
        self._count_leakage(look, now)
        told = tuple(self._told(look, now))
        self.tellings += told
        self._count_growth(look)
        self._measure(look)
        return told

    def outcome(self, about: About) -> Outcome:
        """All of it."""
        precision = replace(
            self.precision,
            dice=float(np.median(self.dice)) if self.dice else None,
            boundary_mm=float(np.median(self.boundaries)) if self.boundaries else None,
            distance_errors_mm=tuple(self.distances),
            ms_median=float(np.median(self.times_ms)) if self.times_ms else 0.0,
            ms_p99=float(np.percentile(self.times_ms, 99)) if self.times_ms else 0.0,
        )
        return Outcome(
            about=about,
            n_frames=len(self.times_s),
            seconds=self.times_s[-1] - self.times_s[0] if self.times_s else 0.0,
            leakage=self.leakage,
            tellings=tuple(self.tellings),
            precision=precision,
            contacts=contacts_of(self.fronts, self.tellings),
            n_clear=self.n_clear,
            n_unfit_clear=self.n_unfit_clear,
            n_veiled=self.n_veiled,
            n_fit_veiled=self.n_fit_veiled,
            n_technical=len(self.technical),
        )

    def _count_fitness(self, look: Look) -> None:
        if Flag.DUPLICATE in look.findings.flags:
            return
        is_fit, is_clear = look.findings.is_fit, look.truth.is_clear
        self.n_judged += is_fit
        self.n_clear += is_clear
        self.n_veiled += not is_clear
        self.n_unfit_clear += is_clear and not is_fit
        self.n_fit_veiled += is_fit and not is_clear

    def _count_leakage(self, look: Look, now: Instant) -> None:
        truth, leak = look.truth, self.leakage
        if not truth.leak_3d:
            return
        ml = {zone: volume for zone, volume in truth.zone_ml.items() if zone is not Zone.BODY}
        masks = [mask for zone, mask in truth.zones.items() if zone not in (Zone.BODY, Zone.POSTERIOR_BAND)]
        width, length = leak.width_mm, leak.length_mm
        if masks:
            here = np.logical_or.reduce(masks)
            before = self.leaked[1] if self.leaked is not None and self.leaked[0] == look.leg else False
            self.leaked = look.leg, here | before
        if truth.visible is not None and look.index % MASK_EVERY == 0 and truth.visible.any():
            thick, long = extent_mm(truth.visible, look.mm_per_px)
            width, length = max(width, thick), max(length, long)
        self.leakage = Leakage(
            zones=leak.zones | frozenset(ml),
            ml=max(leak.ml, sum(ml.values())),
            width_mm=width,
            length_mm=length,
            onset=leak.onset or (now if truth.leak_visible else None),
            onset_3d=leak.onset_3d or now,
        )

    def _told(self, look: Look, now: Instant) -> list[Telling]:
        told: list[Telling] = []
        for change in look.changes:
            alert = change.alert
            if change.type not in (EntryType.ALERT_RAISED, EntryType.ALERT_WORSENED):
                continue
            if alert.kind is Kind.TECHNICAL and alert.priority is not LOW:
                self.technical.add(alert.id)
            if alert.kind not in KINDS:
                continue
            is_known = any(each.alert == alert.id for each in (*self.tellings, *told))
            near = self._is_near_wall(look) if alert.kind is Kind.APPROACH else self._is_at_leak(look, alert.outline)
            told.append(
                Telling(
                    alert=alert.id,
                    at=now,
                    kind=alert.kind,
                    zone=alert.zone,
                    priority=alert.priority,
                    told_as=alert.priority,
                    is_first=not is_known,
                    is_true=near,
                    trust=alert.trust or 0.0,
                    peak_mm2=alert.area_mm2 or 0.0,
                )
            )
        return told

    def _is_near_wall(self, look: Look) -> bool:
        distance, corners = look.truth.distance_to_wall_mm, look.truth.corners
        if distance is None:
            return False
        depth = np.hypot(*np.subtract(corners.near_superior, corners.far_superior)) * look.mm_per_px
        return bool(distance <= depth * NEAR_WALL_SHARE + NEAR_WALL_MM)

    def _is_at_leak(self, look: Look, outline: Outline) -> bool:
        if self.leakage.onset_3d is None or self.leaked is None or self.leaked[0] != look.leg:
            return False
        return is_about(outline, self.leaked[1], NEAR_LEAK_MM / look.mm_per_px)

    def _count_growth(self, look: Look) -> None:
        """The worst and the largest that becomes of each alert."""
        for change in look.changes:
            alert = change.alert
            for k, each in enumerate(self.tellings):
                if each.alert == alert.id:
                    worst = max(each.priority, alert.priority, key=PRIORITY_ORDER.index)
                    peak = max(each.peak_mm2, alert.area_mm2 or 0.0)
                    self.tellings[k] = replace(
                        each, priority=worst, peak_mm2=peak, trust=max(each.trust, alert.trust or 0.0)
                    )

    def _measure(self, look: Look) -> None:
        truth, findings = look.truth, look.findings
        if truth.distance_to_wall_mm is not None:
            self.fronts.append((look.time_s, truth.distance_to_wall_mm))
            if findings.front is not None and findings.front.distance_mm is not None:
                self.distances.append(round(findings.front.distance_mm - truth.distance_to_wall_mm, 2))
        if self.is_body_asked and findings.body is not None and self.precision.corner_errors_mm is None:
            errors = corner_errors_mm(findings.body, truth.corners, look.mm_per_px)
            self.precision = replace(self.precision, corner_errors_mm=errors)
        band = findings.cement_volume_ml
        if band is not None and truth.volume_ml > 0.2:
            middle = float(np.sqrt(band.low * band.high))
            self.precision = replace(
                self.precision,
                volume_error=middle / truth.volume_ml - 1,
                is_volume_in_band=band.low <= truth.volume_ml <= band.high,
            )
        true, place = truth.cement, look.memory.scene
        if look.index % MASK_EVERY or not findings.is_fit or true is None or true.sum() < SMALLEST_MASK_PX:
            return
        found = np.zeros(true.shape, np.bool_) if place is None else cement_in(place, true.shape)
        self.dice.append(dice(found, true))
        if found.any():
            self.boundaries.append(boundary_mm(found, true, look.mm_per_px))


def contacts_of(fronts: list[tuple[float, float]], tellings: list[Telling]) -> tuple[Contact, ...]:
    """When the true front (time s, mm to the wall) came to the wall, how fast, and how long before it an alarm sounded."""
    at_s = next((time_s for time_s, mm in fronts if mm <= CONTACT_MM), None)
    if at_s is None:
        return ()
    before = [(time_s, mm) for time_s, mm in fronts if at_s - SPEED_OVER_S <= time_s <= at_s]
    over_s = before[-1][0] - before[0][0]
    if over_s < SPEED_OVER_S / 2:
        return ()
    speed = (before[0][1] - before[-1][1]) / over_s
    told = [each.at.time_s for each in tellings if each.kind is Kind.APPROACH and each.is_true and each.did_sound]
    lead = max((at_s - told_s for told_s in told if told_s <= at_s), default=None)
    return (Contact(at_s=at_s, speed_mm_s=speed, lead_s=lead),)


def corner_errors_mm(body: Body, true: Corners, mm_per_px: float) -> tuple[float, ...]:
    """How far the four corners of a body lie from the true ones."""
    gaps = [np.subtract(getattr(true, name), getattr(body.corners, name)) for name in CORNERS]
    return tuple(round(float(np.hypot(*gap)) * mm_per_px, 2) for gap in gaps)


def extent_mm(mask: Mask, mm_per_px: float) -> tuple[float, float]:
    """Width and length (mm) of the smallest rectangle about a mask (H, W), the width as its area over its length."""
    spots = cv2.findNonZero(mask.astype(np.uint8))
    length = (max(cv2.minAreaRect(spots)[1]) + 1) * mm_per_px
    return float(mask.sum()) * mm_per_px * mm_per_px / length, length


def is_about(outline: Outline, mask: Mask, reach_px: float) -> bool:
    """Whether a quarter of what an outline (row, col) holds lies within reach of a mask (H, W); no outline tells of no place."""
    if not outline or not mask.any():
        return False
    inside = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(inside, [np.array([(round(col), round(row)) for row, col in outline], np.int32)], 1)
    away = cv2.distanceTransform(1 - mask.astype(np.uint8), cv2.DIST_L2, 3)[inside > 0]
    return bool(away.size) and bool((away <= reach_px).mean() >= ABOUT_LEAK_SHARE)


def cement_in(scene: Scene, shape: tuple[int, ...]) -> Mask:
    """A scene's cement, moved with the patient, in a frame of (H, W)."""
    size = (shape[1], shape[0])
    if scene.cement is None:
        return np.zeros(shape, np.bool_)
    found = cv2.resize(scene.cement.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    row, col = scene.shift_px[0] * scene.factor, scene.shift_px[1] * scene.factor
    matrix = np.array([[1.0, 0.0, -col], [0.0, 1.0, -row]])
    moved = cv2.warpAffine(found, matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return np.asarray(moved, np.bool_)


def dice(found: Mask, true: Mask) -> float:
    """Overlap of two masks (H, W); 1 is the same, 0 is apart."""
    return float(2 * (found & true).sum() / max(1, found.sum() + true.sum()))


def boundary_mm(found: Mask, true: Mask, mm_per_px: float) -> float:
    """Mean distance (mm) between the outlines of two masks (H, W) that are not empty, both ways."""
    rims = [
        mask & ~cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(np.bool_) for mask in (found, true)
    ]
    gaps = [cv2.distanceTransform((~rim).astype(np.uint8), cv2.DIST_L2, 3) for rim in rims]
    return float(np.concatenate([gaps[0][rims[1]], gaps[1][rims[0]]]).mean()) * mm_per_px
