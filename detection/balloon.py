"""A balloon that makes room for cement: told by its shape while it is full, and for certain when it then deflates.

A balloon in the body is filled with contrast agent and grows like cement. Three things tell them apart:

* *Shape.* Its skin makes it smooth and symmetric: hardly any of it lies between its outline and an ellipse. Cement pushes its way
  between trabeculae and keeps to none. What has been so smooth for a while, wholly within the body and not small, looks like a
  balloon, until the first frame on which it is rougher or reaches beyond the body. That is told, and silences nothing.
* *Fading.* The density of its shadow measures its volume (law of Beer and Lambert), and cement never shrinks. What has looked like a balloon
  and then lost most of its density, with nothing new elsewhere, was one. Fading alone forgets nothing: an
  instrument that is drawn back or a shutter takes density away, too, and real cement with it.
* *Once.* Cement may fill the hollow that a balloon has left as smoothly. After the first has deflated, in whatever view, nothing
  is told by its shape.

Nothing is taken from what counts as cement for its shape, and alarms are as loud as ever. Only what has faded is forgotten, so that
cement that follows is measured from nothing. What a balloon keeps when it deflates in part goes on counting, for it may be
cement from another needle.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import cv2
import numpy as np

from detection.cement import Evidence
from detection.memory import Scene, Swelling
from detection.patches import among, patch_kept, widened, with_margin
from detection.rules import Rules
from detection.running import NEVER
from detection.vocabulary import ZONE_ORDER, Flag, Mask, Zone

WITHIN = tuple(ZONE_ORDER.index(zone) for zone in (Zone.BODY, Zone.POSTERIOR_BAND))
VEILS = frozenset({Flag.CONTRAST_AGENT, Flag.BORDER_OBJECT, Flag.EXPOSURE_STEP})
"""With these on a frame nothing can be said of how dense something is."""
SKIN, LEAST_SHOWN = 0.2, 0.5
"""So much (square of the radius) on either side of an ellipse is its skin, of which so much must show."""
TAKEN_AWAY = 0.3
"""What is lighter than the reference by so much (nats), more than the bone of a hollow, had something dense before it then: an
instrument that nobody found, such as a cannula end on. What is behind it may be as dense as ever."""
FALLS = 0.05
"""What loses more than such a share of its density from frame to frame is still deflating."""
RESTS = 4
"""On so many frames the shape of what was rough is not looked at: cement does not turn into a balloon."""
SAYS_NOTHING: frozenset[Flag] = frozenset()


def watch_balloon(
    scene: Scene, evidence: Evidence, flags: frozenset[Flag], rules: Rules
) -> tuple[Scene, frozenset[Flag]]:
    """The scene with what is known of a balloon in it, its cement without one that has deflated, and what to say.

    ``evidence`` is what this frame shows, ``flags`` what is known of it.
    """
    cement, before = scene.cement, scene.swelling or Swelling()
    if scene.region is None or cement is None or flags & VEILS:
        return replace(scene, swelling=replace(before, n_faded=0)), SAYS_NOTHING
    density = _density(cement, scene)
    left = _left_of(before, density, scene, rules)
    if left < rules.balloon_left * before.most:
        n_faded = before.n_faded + 1 if left > before.left - FALLS * before.most else 0
        if n_faded >= rules.balloon_faded_frames:
            return _without(before, evidence.hits, scene, rules), frozenset({Flag.BALLOON_GONE})
        return replace(scene, swelling=replace(before, n_faded=n_faded, n_smooth=0, left=left)), SAYS_NOTHING
    swelling = replace(_looked_at(before, cement, evidence.unseen, scene, rules), n_faded=0, left=left)
    if density > before.most and _is_within(cement, scene, rules):
        swelling = replace(swelling, mask=cement, most=density)
    is_told = swelling.n_smooth >= rules.balloon_smooth_frames
    return replace(scene, swelling=swelling), frozenset({Flag.BALLOON}) if is_told else SAYS_NOTHING


def without_shape(scene: Scene, others: Iterable[Scene]) -> Scene:
    """The scene, in which nothing is told by its shape any more if a balloon has deflated in another: the hollow is the same."""
    is_over = any(other.swelling is not None and other.swelling.is_over for other in others)
    if not is_over or (scene.swelling is not None and scene.swelling.is_over):
        return scene
    return replace(scene, swelling=replace(scene.swelling or Swelling(), is_over=True))


def _looked_at(before: Swelling, cement: Mask, unseen: Mask, scene: Scene, rules: Rules) -> Swelling:
    """What is known after a look at its shape; what was rough is looked at again a few frames later."""
    if before.is_over or before.n_rest:
        return replace(before, n_smooth=0, n_rest=max(before.n_rest - 1, 0))
    # once it has been told it may be a little rougher, lest what is said should flicker
    was_told = before.n_smooth >= rules.balloon_smooth_frames
    roughness = _roughness_of(cement, unseen, scene, rules)
    is_smooth = roughness <= (rules.balloon_keeps_rough if was_told else rules.balloon_rough)
    n_rest = 0 if roughness <= rules.balloon_keeps_rough else RESTS
    n_smooth = before.n_smooth + 1 if is_smooth else 0
    is_told = n_smooth >= rules.balloon_smooth_frames
    return replace(before, n_smooth=n_smooth, n_rest=n_rest, was_told=before.was_told or is_told)


def _density(mask: Mask, scene: Scene, *, left_out: Mask | None = None) -> float:
    """How much denser than the reference the seen part of a mask (h, w) is in all, nats times pixels."""
    patch = patch_kept(mask)
    if patch is None or scene.change is None:
        return 0.0
    here = mask[patch]
    for hidden in (scene.opaque, left_out):
        here = here if hidden is None else here & ~hidden[patch]
    return float(np.vdot(scene.change[patch], here.astype(np.float32)))


def _left_of(before: Swelling, density: float, scene: Scene, rules: Rules) -> float:
    """The density that is left of what looked like a balloon, elsewhere too; without end where nothing did that is large enough."""
    if not before.was_told or before.mask is None or scene.cement is None or before.most < _least(scene, rules):
        return math.inf
    return density + _density(before.mask, scene, left_out=scene.cement) + _bared(before, before.mask, scene)


def _bared(before: Swelling, mask: Mask, scene: Scene) -> float:
    """What the density of a mask (h, w) lacks where something dense was taken away, as if it were there as dense as it was."""
    patch = patch_kept(mask)
    if patch is None or scene.change is None:
        return 0.0
    here, change = mask[patch], scene.change[patch]
    if scene.opaque is not None:
        here = here & ~scene.opaque[patch]
    bare = here & (change < -TAKEN_AWAY)
    n_bare = np.count_nonzero(bare)
    if n_bare == 0:
        return 0.0
    return n_bare * before.most / np.count_nonzero(here) - float(change[bare].sum(dtype=np.float64))


def _least(scene: Scene, rules: Rules) -> float:
    """The density of the smallest thing that is told to have been a balloon."""
    return rules.balloon_mm2 * scene.px_per_mm**2 * rules.least_contrast


def _is_within(mask: Mask, scene: Scene, rules: Rules) -> bool:
    """Whether no more of a mask (h, w) reaches beyond the body than would be told."""
    patch = patch_kept(mask)
    if patch is None or scene.region is None:
        return False
    n_beyond = np.count_nonzero(mask[patch] & ~among(scene.region.intact.zones[patch], WITHIN))
    return bool(n_beyond < rules.least_leak_mm2 * scene.px_per_mm**2)


def _without(before: Swelling, hits: Mask, scene: Scene, rules: Rules) -> Scene:
    """The scene as if what has deflated had never been: what this frame shows of it stays."""
    assert before.mask is not None and scene.cement is not None and scene.seen is not None  # noqa: S101, PT018 - it has faded
    gone = widened(before.mask, round(rules.guard_mm * scene.px_per_mm), is_kept=True) & ~hits
    arrivals = scene.arrivals
    if arrivals is not None:
        arrivals = replace(arrivals, came=np.where(gone, NEVER, arrivals.came))
    return replace(
        scene,
        seen=np.where(gone, np.uint8(0), scene.seen),
        cement=scene.cement & ~gone,
        arrivals=arrivals,
        front=(),
        is_breached=False,
        tracks=tuple(track for track in scene.tracks if ZONE_ORDER.index(track.zone) not in WITHIN),
        swelling=Swelling(is_over=True),
    )


def _roughness_of(cement: Mask, unseen: Mask, scene: Scene, rules: Rules) -> float:
    """How rough cement (h, w) is that may be an ellipse in the body, or several, whatever lies behind a needle; 1 for all other."""
    patch, least_px = patch_kept(cement), rules.balloon_mm2 * scene.px_per_mm**2
    if patch is None or np.count_nonzero(cement[patch]) < least_px or not _is_within(cement, scene, rules):
        return 1.0
    reach_px = round((rules.needle_width_mm / 2 + rules.needle_tremor_mm) * scene.px_per_mm)
    patch, _ = with_margin(patch, reach_px, cement.shape)
    hidden = unseen[patch] if scene.opaque is None else unseen[patch] | scene.opaque[patch]
    hidden = cv2.dilate(hidden.view(np.uint8), np.ones((3, 3), np.uint8)).view(np.bool_)
    seen = cement[patch] & ~hidden
    # what a needle cuts in two hangs together behind it
    near = cv2.dilate(seen.view(np.uint8), np.ones((2 * reach_px + 1,) * 2, np.uint8))
    linked = seen.view(np.uint8) | (near & hidden.view(np.uint8))
    count, labels = cv2.connectedComponents(linked, connectivity=8)
    blobs = [seen & (labels == label) for label in range(1, count)]
    blobs = [blob for blob in blobs if np.count_nonzero(blob) >= rules.least_piece_mm2 * scene.px_per_mm**2]
    return max((_roughness(blob, hidden, least_px) for blob in blobs), default=1.0)


def _roughness(blob: Mask, hidden: Mask, least_px: float) -> float:
    """Which share of a blob (h, w) lies between it and the ellipse of the same moments, as if what is ``hidden`` were like the rest.

    1 for what is smaller than ``least_px`` or mostly hidden.
    """
    spots = cv2.findNonZero(blob.view(np.uint8))
    hull = cv2.fillConvexPoly(np.zeros(blob.shape, np.uint8), cv2.convexHull(spots), 1)
    whole = blob.view(np.uint8) | (hull & hidden.view(np.uint8))
    m = cv2.moments(whole, binaryImage=True)
    if m["m00"] < least_px:
        return 1.0
    rows = np.arange(blob.shape[0], dtype=np.float32)[:, None] - np.float32(m["m01"] / m["m00"])
    cols = np.arange(blob.shape[1], dtype=np.float32)[None, :] - np.float32(m["m10"] / m["m00"])
    wide, high, skew = (m[name] / m["m00"] for name in ("mu20", "mu02", "mu11"))
    room = max(4.0 * (wide * high - skew * skew), 1e-6)
    # an ellipse reaches twice as far as its standard deviation
    away = np.float32(high / room) * cols * cols + np.float32(wide / room) * rows * rows
    away -= np.float32(2.0 * skew / room) * rows * cols
    ellipse, skin = away <= 1.0, np.abs(away - np.float32(1.0)) <= SKIN
    shown = int(np.count_nonzero(skin & ~hidden)) / max(int(np.count_nonzero(skin)), 1)
    if shown < LEAST_SHOWN:
        return 1.0
    return float(np.count_nonzero((ellipse ^ blob) & ~hidden) / (shown * np.count_nonzero(ellipse)))
