"""The stages in order: calm pixels, shift, fitness, zones, cement, spread, findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from detection.align import Shift, bring_back, bring_field_back, find_shift, guess_shift
from detection.anatomy import look_for_body
from detection.balloon import watch_balloon, without_shape
from detection.cement import Evidence, remember, weigh_change
from detection.clutter import sift
from detection.fit import hidden_zones, is_fit, picture_flags
from detection.memory import Memory, Region, Scene
from detection.needle import hidden_now
from detection.pacing import paced
from detection.pixels import Calm, calm
from detection.polarity import as_known, read_polarity, started_over
from detection.rules import Rules
from detection.scenes import Place, average_in, remembered, settle, usable_for
from detection.spread import Spread, after_spread, measure_spread, outlines_of
from detection.vocabulary import (
    SCALE_MM_PER_PX,
    Body,
    Corners,
    Findings,
    Flag,
    Frame,
    Gray,
    Landmarks,
    Outline,
    Plan,
    Point,
    Polarity,
    View,
    Zone,
)
from detection.zones import not_visible, region_of

Mapping = Callable[[Point], Point]
"""A point in one picture to the same point in another."""


def examine(frame: Frame, memory: Memory, plan: Plan, rules: Rules) -> tuple[Findings, Memory]:
    """All that one frame says, given what earlier frames left behind. Pure: same input, same output, to the bit."""
    pace = paced(frame.stamp, memory.pace, rules)
    memory = replace(memory, pace=pace)
    frame = as_known(replace(frame, stamp=pace.stamp()), memory)
    if not _is_possible(frame.mm_per_px):
        frame = replace(frame, mm_per_px=None)
    thumbnail = _thumbnail(frame.pixels)
    picture = calm(frame, rules)
    flags = picture_flags(picture, frame.ceiling, float(thumbnail.mean()), rules) | _frame_flags(
        frame, thumbnail, memory
    )
    if not is_fit(flags):
        return _unfit(frame, memory, flags), replace(memory, thumbnail=thumbnail)
    place = settle(picture, frame, memory, rules)
    flags |= place.flags
    if not is_fit(flags):
        memory = remembered(replace(memory, thumbnail=thumbnail), place.scene)
        return _unfit(frame, memory, flags), memory
    scene = without_shape(_prepare(place.scene, picture, memory, plan, rules), memory.scenes)
    if frame.polarity is Polarity.UNCERTAIN and place.scene.n_averaged < scene.n_averaged == rules.reference_frames:
        scene, memory = _with_polarity(scene, frame, memory, rules)
    if scene.n_averaged < rules.reference_frames:
        findings = _findings(frame, scene, place.shift, flags | {Flag.REFERENCE_BUILDING}, None)
    else:
        findings, scene = _judge(frame, picture, scene, place, flags, rules)
    return findings, remembered(replace(memory, thumbnail=thumbnail), scene)


def _judge(
    frame: Frame, picture: Calm, scene: Scene, place: Place, flags: frozenset[Flag], rules: Rules
) -> tuple[Findings, Scene]:
    """Cement and spread on a frame that has its place and a finished reference."""
    aligned = bring_back(picture.attenuation, scene.shift_px)
    field = bring_field_back(picture.field, scene.shift_px)
    if scene.blades is not None:
        field &= ~scene.blades
    usable = field & scene.field & ~hidden_now(aligned, scene, rules)
    evidence = weigh_change(aligned, usable, scene, rules)
    sifted = sift(evidence.hits, evidence.change, scene, frame.stamp.time_s, rules)
    flags |= _evidence_flags(scene, evidence, rules) | sifted.flags
    scene, evidence = replace(scene, clutter=sifted.clutter), replace(evidence, hits=sifted.hits)
    seen_through = field if sifted.covered is None else field & ~sifted.covered
    hidden = hidden_zones(scene, seen_through, rules)
    if hidden:
        flags |= {Flag.ZONE_COLLIMATED}
    if not is_fit(flags):
        return replace(_findings(frame, scene, place.shift, flags, None), is_fit=False), scene
    scene = remember(scene, evidence, rules)
    scene, told = watch_balloon(scene, evidence, flags, rules)
    flags |= told
    spread = measure_spread(scene, frame.stamp, rules)
    scene = after_spread(scene, spread)
    findings = _findings(frame, scene, place.shift, flags, spread)
    watched = tuple(zone for zone in findings.zones_watched if zone not in hidden)
    return replace(findings, zones_watched=watched), scene


def _is_possible(mm_per_px: float | None) -> bool:
    """Whether a picture can have this scale; every neighbourhood in pixels follows from it."""
    return mm_per_px is not None and SCALE_MM_PER_PX[0] <= mm_per_px <= SCALE_MM_PER_PX[1]


def _thumbnail(pixels: Gray) -> Gray:
    return np.asarray(cv2.resize(pixels, (64, 64), interpolation=cv2.INTER_NEAREST), dtype=np.float32)


def _frame_flags(frame: Frame, thumbnail: Gray, memory: Memory) -> frozenset[Flag]:
    """Cautions that come with the frame itself."""
    flags = set()
    if frame.is_subtracted:
        flags.add(Flag.SUBTRACTED)
    if frame.mm_per_px is None:
        flags.add(Flag.SCALE_UNKNOWN)
    if frame.view in (View.UNKNOWN, View.OBLIQUE):
        flags.add(Flag.VIEW_UNKNOWN)
    if memory.thumbnail is not None and np.array_equal(memory.thumbnail, thumbnail):
        flags.add(Flag.DUPLICATE)
    return frozenset(flags)


def _evidence_flags(scene: Scene, evidence: Evidence, rules: Rules) -> frozenset[Flag]:
    flags = set()
    if evidence.big_share > rules.big_object:
        flags.add(Flag.BIG_OBJECT)
    if abs(evidence.offset - scene.offset) > rules.exposure_step:
        flags.add(Flag.EXPOSURE_STEP)
    return frozenset(flags)


def _prepare(scene: Scene, picture: Calm, memory: Memory, plan: Plan, rules: Rules) -> Scene:
    """The scene with its reference one frame better, and with the region that the plan or the picture gives."""
    was_done = scene.n_averaged >= rules.reference_frames
    if not was_done:
        scene = average_in(scene, picture, rules)
    given = _given_for(scene, plan)
    if given is not None and given is not scene.planned:
        body = _given_body(given, scene, memory, rules)
        return _with_region(replace(scene, planned=given), body, rules)
    # one frame after the needle: the two searches together would keep the next frames waiting
    return _with_found(scene, rules) if was_done else scene


def _with_found(scene: Scene, rules: Rules) -> Scene:
    """The scene with the body that its picture shows, while nobody has given one and none is sure."""
    if scene.region is None or (scene.planned is None and not scene.region.is_sure):
        scene, body = look_for_body(scene, rules)
        scene = _with_region(scene, body, rules)
    return scene


def _with_polarity(scene: Scene, frame: Frame, memory: Memory, rules: Rules) -> tuple[Scene, Memory]:
    """The scene and memory with the polarity that its reference tells; turned over it begins anew."""
    polarity = read_polarity(scene, rules)
    if polarity is Polarity.UNCERTAIN:
        return scene, memory
    if polarity is Polarity.DENSE_IS_BRIGHT:
        scene = started_over(scene, replace(frame, polarity=polarity), rules)
    return scene, replace(memory, polarity=polarity)


def _given_for(scene: Scene, plan: Plan) -> Landmarks | None:
    """The operator's landmarks for this view; where the device does not tell the view, those given in this scene tell it."""
    if scene.view is not View.UNKNOWN:
        return plan.landmarks.get(scene.view)
    given = tuple(plan.landmarks.values())
    here = next((each for each in given if each.scene == scene.number), None)
    return here or (given[0] if len(given) == 1 else None)


def _given_body(given: Landmarks, scene: Scene, memory: Memory, rules: Rules) -> Body | None:
    """The operator's body in working pixels of this scene's reference; from another scene only if the two can be matched."""
    shift = given.shift_px or (scene.shift_px[0] * scene.factor, scene.shift_px[1] * scene.factor)
    moved: Point = (0.0, 0.0)
    if given.scene is not None and given.scene != scene.number:
        other = next(
            (old for old in memory.scenes if old.number == given.scene and old.texture.shape == scene.texture.shape),
            None,
        )
        if other is None:
            return None
        step = find_shift(
            other.texture, scene.texture, usable_for(other, scene.field), guess_shift(other.texture, scene.texture)
        )
        if step.trust < rules.same_scene_trust:
            return None
        moved = (step.row, step.col)

    def place(point: Point) -> Point:
        row = (point[0] - shift[0] + 0.5) / scene.factor - 0.5 + moved[0]
        col = (point[1] - shift[1] + 0.5) / scene.factor - 0.5 + moved[1]
        return row, col

    return replace(given.body, corners=_each(given.body.corners, place))


def _with_region(scene: Scene, body: Body | None, rules: Rules) -> Scene:
    if body is None:
        return scene
    if body.mm_per_px is not None and _is_possible(body.mm_per_px):
        scene = replace(scene, px_per_mm=1.0 / (body.mm_per_px * scene.factor), is_scale_known=True)
    scale = scene.px_per_mm if scene.is_scale_known else _depth_px(body.corners) / rules.nominal_depth_mm
    scene = replace(scene, px_per_mm=scale)
    region = region_of(body, scene.reference.shape, scale, scene.opaque, rules)
    return replace(scene, region=region, front=(), is_breached=False, tracks=(), out=None, casts=None)


def _depth_px(corners: Corners) -> float:
    near = np.add(corners.near_superior, corners.near_inferior) / 2
    far = np.add(corners.far_superior, corners.far_inferior) / 2
    return float(np.linalg.norm(far - near))


def _each(corners: Corners, move: Mapping) -> Corners:
    return Corners(
        near_superior=move(corners.near_superior),
        near_inferior=move(corners.near_inferior),
        far_superior=move(corners.far_superior),
        far_inferior=move(corners.far_inferior),
    )


def _unfit(frame: Frame, memory: Memory, flags: frozenset[Flag]) -> Findings:
    scene = memory.scene
    return Findings(
        stamp=frame.stamp,
        view=_view_in(scene, frame),
        scene=scene.number if scene is not None else 0,
        shift_px=(0.0, 0.0) if scene is None else (scene.shift_px[0] * scene.factor, scene.shift_px[1] * scene.factor),
        is_fit=False,
        flags=flags,
        trust=0.0,
        shape=(frame.pixels.shape[0], frame.pixels.shape[1]),
        mm_per_px=frame.mm_per_px,
        zones_not_visible=not_visible(frame.view),
    )


def _view_in(scene: Scene | None, frame: Frame) -> View:
    """The view as the device tells it, else as the operator's landmarks in this scene do."""
    if scene is None or scene.region is None or frame.view is not View.UNKNOWN or scene.view is not View.UNKNOWN:
        return frame.view
    return scene.region.body.view


def _findings(frame: Frame, scene: Scene, shift: Shift, flags: frozenset[Flag], spread: Spread | None) -> Findings:
    """Everything in the frame's own pixels, ready for the journal and the screen."""
    region = scene.region
    if region is None:
        flags |= {Flag.BODY_NOT_FOUND}
    elif not region.is_sure:
        flags |= {Flag.BODY_UNCERTAIN}
    if region is not None and frame.view is View.UNKNOWN:
        flags -= {Flag.VIEW_UNKNOWN}  # the operator's landmarks tell it
    if scene.is_scale_known:
        flags -= {Flag.SCALE_UNKNOWN}  # the plan may bring the scale that the frame lacks
    here = _mapping(scene)
    drawn = _drawing(scene)
    unfit = _unfit(frame, Memory(), flags)
    findings = replace(
        unfit,
        view=_view_in(scene, frame),
        scene=scene.number,
        shift_px=(scene.shift_px[0] * scene.factor, scene.shift_px[1] * scene.factor),
        is_fit=True,
        trust=round(min(1.0, shift.trust), 3),
        body=None if region is None else replace(region.body, corners=_each(region.body.corners, here)),
        zone_outlines=() if region is None else tuple((zone, drawn(line)) for zone, line in region.outlines),
        mm_per_px=1.0 / (scene.px_per_mm * scene.factor) if scene.is_scale_known else None,
    )
    if spread is None:
        return findings
    return replace(
        findings,
        cement_area_mm2=spread.area_mm2,
        cement_volume_ml=spread.volume_ml,
        front=spread.front,
        pieces=tuple(replace(piece, outline=drawn(piece.outline)) for piece in spread.pieces),
        vanished=tuple(replace(piece, outline=drawn(piece.outline)) for piece in spread.vanished),
        zones=spread.zones,
        zones_watched=_watched(region),
        zones_not_visible=region.not_visible if region is not None else not_visible(frame.view),
        cement_outlines=tuple(map(drawn, outlines_of(scene.cement))) if scene.cement is not None else (),
    )


def _watched(region: Region | None) -> tuple[Zone, ...]:
    return region.watched if region is not None else ()


def _mapping(scene: Scene) -> Mapping:
    """From working pixels of the reference to pixels of the frame."""

    def here(point: Point) -> Point:
        row = (point[0] + scene.shift_px[0] + 0.5) * scene.factor - 0.5
        col = (point[1] + scene.shift_px[1] + 0.5) * scene.factor - 0.5
        return round(row, 1), round(col, 1)

    return here


def _drawing(scene: Scene) -> Callable[[Outline], Outline]:
    """As ``_mapping``, of a whole outline."""
    down, right, factor = scene.shift_px[0] + 0.5, scene.shift_px[1] + 0.5, scene.factor

    def drawn(line: Outline) -> Outline:
        return tuple(
            [(round((row + down) * factor - 0.5, 1), round((col + right) * factor - 0.5, 1)) for row, col in line]
        )

    return drawn
