"""Which still arrangement of C-arm and patient a frame belongs to, and the reference of that scene.

A swing, a table move or a new collimation starts a new scene; coming back to an earlier one finds its reference again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from detection.align import TEXTURE_SHRINK, Shift, bring_back, find_shift, guess_shift, texture_of
from detection.blades import blades_in, lifted_in
from detection.column import column_of
from detection.memory import Memory, Scene
from detection.needle import see_needle
from detection.pixels import Calm
from detection.rules import Rules
from detection.vocabulary import Flag, Frame, Mask

MOST_SCENES = 6
"""Scenes remembered; the one not visited for longest is forgotten first."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """The scene of a frame, its shift, and what to say about it."""

    scene: Scene
    shift: Shift
    flags: frozenset[Flag] = frozenset()


def settle(calm: Calm, frame: Frame, memory: Memory, rules: Rules) -> Place:
    """Find the frame's place: the scene so far, an earlier one, a new one, or lost for the moment."""
    current = memory.scene
    if current is not None and _suits(current, calm, frame) and _is_open_alike(current, calm, rules):
        texture = texture_of(calm.attenuation, _open_in(current, calm))
        shift = find_shift(current.texture, texture, usable_for(current, calm.field), current.shift_px)
        if shift.trust >= max(rules.least_trust, _usual(current, rules)):
            return Place(scene=_at(current, shift, rules), shift=shift)
        if shift.trust >= rules.least_trust:
            if current.n_unlike + 1 < rules.turn_frames:
                # a hand hides as much for a while; a turned C-arm stays turned
                return _lost(replace(current, n_unlike=current.n_unlike + 1))
            current = None
    again = _return(calm, frame, memory, rules)
    if again is not None:
        return again
    if current is not None and _suits(current, calm, frame) and current.n_lost + 1 < rules.lost_frames:
        return _lost(replace(current, n_lost=current.n_lost + 1))
    return Place(
        scene=_begin(calm, frame, memory.n_scenes, rules),
        shift=Shift(row=0.0, col=0.0, trust=1.0),
        flags=frozenset({Flag.NEW_SCENE}) if memory.scenes else frozenset(),
    )


def _lost(scene: Scene) -> Place:
    return Place(scene=scene, shift=Shift(row=0.0, col=0.0, trust=0.0), flags=frozenset({Flag.MOTION_NOT_TRUSTED}))


def average_in(scene: Scene, calm: Calm, rules: Rules) -> Scene:
    """One more still frame into the reference; when there are enough, instruments are looked for in it."""
    aligned = bring_back(calm.attenuation, scene.shift_px)
    n = scene.n_averaged + 1
    level = float(np.mean((aligned - scene.reference)[scene.field])) if scene.n_averaged else 0.0
    reference = np.asarray(scene.reference + (aligned - level - scene.reference) / n, dtype=np.float32)
    before = calm.cells if scene.cells is None else scene.cells
    cells = np.asarray(before + (calm.cells - before) / n, dtype=np.float32)
    scene = replace(scene, reference=reference, n_averaged=n, cells=cells)
    if n < rules.reference_frames:
        return scene
    blades = blades_in(cells, reference.shape, rules)
    if blades is not None:
        field = scene.field & ~blades
        scene = replace(scene, blades=blades, field=field, rim=_rim_of(field))
    opaque, needle = see_needle(reference, scene.field, scene.px_per_mm, rules)
    column = None if needle is None else column_of(needle, opaque, scene.px_per_mm, rules)
    return replace(
        scene, texture=texture_of(reference, scene.field), opaque=opaque, needle=needle, column=column, shadow=None
    )


def usable_for(scene: Scene, field: Mask) -> Mask:
    """What motion may be read from, at texture size: open field without instruments."""
    usable = field & scene.field
    if scene.opaque is not None:
        usable = usable & ~scene.opaque
    return usable[::TEXTURE_SHRINK, ::TEXTURE_SHRINK][: scene.texture.shape[0], : scene.texture.shape[1]]


def remembered(memory: Memory, scene: Scene) -> Memory:
    """The memory with this scene as its current one, bounded."""
    others = tuple(other for other in memory.scenes if other.number != scene.number)
    kept = (*others, scene)[-MOST_SCENES:]
    return replace(memory, scenes=kept, current=scene.number, n_scenes=max(memory.n_scenes, scene.number + 1))


def _suits(scene: Scene, calm: Calm, frame: Frame) -> bool:
    return scene.view is frame.view and scene.reference.shape == calm.attenuation.shape and scene.factor == calm.factor


def _is_open_alike(scene: Scene, calm: Calm, rules: Rules) -> bool:
    """Whether the collimator stands as it did: scatter changes with the open field, and looks like cement at its rim."""
    changed = np.count_nonzero(scene.field != _open_in(scene, calm))
    if scene.blades is not None and scene.cells is not None:
        changed += lifted_in(calm.cells, scene.cells, scene.blades, rules)
    return bool(changed <= rules.same_field_share * np.count_nonzero(scene.field))


def _open_in(scene: Scene, calm: Calm) -> Mask:
    """The open field (h, w) of a frame without what the blades of a scene shut."""
    return calm.field if scene.blades is None else calm.field & ~scene.blades


def _usual(scene: Scene, rules: Rules) -> float:
    """The least trust of a picture that still looks like its scene: a small turn of the C-arm halves it at once."""
    return rules.trust_share * scene.usual_trust


def _at(scene: Scene, shift: Shift, rules: Rules) -> Scene:
    usual = scene.usual_trust
    if scene.n_averaged >= rules.reference_frames:
        usual = shift.trust if usual == 0.0 else usual + rules.trust_rate * (shift.trust - usual)
    return replace(scene, shift_px=(shift.row, shift.col), n_lost=0, n_unlike=0, usual_trust=usual)


def _return(calm: Calm, frame: Frame, memory: Memory, rules: Rules) -> Place | None:
    """The remembered scene that fits best after a large move, if any fits well enough."""
    best: Place | None = None
    for scene in memory.scenes:
        if not _suits(scene, calm, frame) or not _is_open_alike(scene, calm, rules):
            continue
        texture = texture_of(calm.attenuation, _open_in(scene, calm))
        start = guess_shift(scene.texture, texture)
        shift = find_shift(scene.texture, texture, usable_for(scene, calm.field), start)
        far = max(abs(shift.row), abs(shift.col)) > 0.25 * min(calm.attenuation.shape)
        least = max(rules.same_scene_trust, _usual(scene, rules))
        if shift.trust >= least and not far and (best is None or shift.trust > best.shift.trust):
            flags = frozenset({Flag.NEW_SCENE}) if scene.number != memory.current else frozenset()
            best = Place(scene=_at(scene, shift, rules), shift=shift, flags=flags)
    return best


def _begin(calm: Calm, frame: Frame, number: int, rules: Rules) -> Scene:
    mm = frame.mm_per_px
    return Scene(
        number=number,
        view=frame.view,
        factor=calm.factor,
        px_per_mm=1.0 / (mm * calm.factor) if mm else max(calm.attenuation.shape) / rules.nominal_field_mm,
        is_scale_known=mm is not None,
        reference=calm.attenuation,
        texture=texture_of(calm.attenuation, calm.field),
        field=calm.field,
        rim=_rim_of(calm.field),
        n_averaged=0,
    )


def _rim_of(field: Mask) -> Mask:
    """The outermost pixels of the open field, the picture's own edge included."""
    inner = cv2.erode(field.astype(np.uint8), np.ones((9, 9), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(field & ~inner.astype(np.bool_))
