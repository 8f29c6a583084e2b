"""Where the vertebral body is, when nobody has said: every body that anatomy allows about a seed, weighed by its edges.

The needle's tip, or the first cement, surely lies inside the body. Outlines are drawn from what bodies look like
(`guesses`), weighed by how well edges of the reference lie along them (`edges`), and walked for a few steps so that they
spread as the picture leaves open (Metropolis 1953). Where they crowd is the answer; how many crowd there is the trust. A
picture that shows no edges leaves an average body about the seed, with a trust to match.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from detection.edges import GRID_MM, fit_of, flatten, support_of
from detection.guesses import WIDEST, Guesses, Quads, Seed, draw_guesses, quads_of
from detection.memory import Needle, Scene
from detection.patches import widened
from detection.rules import Rules
from detection.vocabulary import Body, Corners, Gray, Mask, Origin, Point, View

N_DRAWN = 2500
N_KEPT = 400
TRUST = np.array([-7.1, 7.8, 1.6, 3.1])
"""How often an answer is right, as a logistic curve over 1, the share of outlines that crowd about it, its weakest halves and how
far its walls go on (`support_of`): fitted to 118 drawn and 117 CT references and 80 mere textures by
`python -m tests.calibration.bodies --fit`."""
SIDE_ENDS = ((0, 1), (2, 3), (0, 2), (1, 3))
"""Corners at the ends of the near, far, superior and inferior side."""
STRIDES = (0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1)
"""Size of each step of the walk, in spreads of a guess."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crowd:
    """Guesses (n, 7) and how likely each is, as a logarithm (n,)."""

    guesses: Guesses
    likely: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Search:
    """What guesses are weighed against: the flattened picture, the seed in its grid, the view."""

    flat: Gray
    at: NDArray[np.float32]
    view: View
    seed: Seed

    def weigh(self, guesses: Guesses) -> Crowd:
        """How likely guesses are: their prior times what the picture says."""
        fit = fit_of(self.flat, self.quads(guesses) / np.float32(GRID_MM) + self.at, self.view)
        return Crowd(guesses=guesses, likely=fit - (guesses * guesses).sum(axis=1) / 2)

    def quads(self, guesses: Guesses) -> Quads:
        """Corners (n, 4, 2) in mm from the seed."""
        return quads_of(guesses, self.view, self.seed)


def look_for_body(scene: Scene, rules: Rules) -> tuple[Scene, Body | None]:
    """Look once when the reference is done, and once more when there is cement where no body is known for sure."""
    seed = None
    if not scene.is_searched:
        scene = replace(scene, is_searched=True)
        seed = seed_of(scene.needle, scene.view) if scene.needle is not None else None
    elif not scene.is_seeded and (middle := _middle_of_first(scene, rules)) is not None:
        scene = replace(scene, is_seeded=True)
        seed = seed_in(middle, scene, rules)
    if seed is None or not has_room(seed.at, scene.field, scene.px_per_mm, rules):
        return scene, None
    usable = scene.field if scene.opaque is None else scene.field & ~scene.opaque
    if scene.view is View.LATERAL:
        usable &= ~skin_of(scene.reference, scene.field, scene.px_per_mm, rules)
    return scene, find_body(scene.reference, usable, seed, scene.view, scene.px_per_mm, rules)


def skin_of(reference: Gray, field: Mask, px_per_mm: float, rules: Rules) -> Mask:
    """What lies close to burnt-out air in a reference (h, w): the skin is a stronger edge than any wall, and no body is so near to it."""
    air = ~field & (reference < rules.air_nats)
    if not air.any():
        return air
    away = cv2.distanceTransform((~air).view(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(away < rules.body_skin_mm * px_per_mm)


def _middle_of_first(scene: Scene, rules: Rules) -> Point | None:
    """Where the middle of first cement lies, once there is enough of it."""
    if scene.cement is None:
        return None
    n_first = np.count_nonzero(scene.cement)
    if n_first < rules.body_cement_mm2 * scene.px_per_mm**2:
        return None
    if scene.opaque is not None:
        # cement in the cannula's bore darkens the whole shaft, and tells nothing of where it comes out
        shaft = widened(scene.opaque, round(rules.body_shaft_mm * scene.px_per_mm), is_kept=True)
        if np.count_nonzero(scene.cement & ~shaft) < rules.body_shaft_share * n_first:
            return None
    rows, cols = np.nonzero(scene.cement)
    return float(np.median(rows)), float(np.median(cols))


def has_room(at: Point, field: Mask, px_per_mm: float, rules: Rules) -> bool:
    """Whether a body about a point (working px) would lie in the open field (h, w).

    Nobody treats one at its rim, where frames, blades and lettering make lines like needles.
    """
    about = np.zeros(field.shape, np.uint8)
    reach = max(1, round(rules.body_room_mm * px_per_mm))
    cv2.circle(about, (round(at[1]), round(at[0])), reach, 1, -1)
    whole = np.pi * reach * reach
    return bool(np.count_nonzero(field & about.view(np.bool_)) >= rules.body_room_share * whole)


def seed_in(cement: Point, scene: Scene, rules: Rules) -> Seed | None:
    """What the middle of first cement tells: it lies inside, less surely so than a needle's tip.

    On the needle's line but off its tip it says that the tip was seen too far or too short, for cement comes out of it; anywhere
    else about a body that was found it says nothing new. Without a body nothing tells posterior (edges alone pick the right
    side of a lateral view less often than a coin), so only AP has this seed then.
    """
    if scene.region is None:
        return Seed(at=cement, posterior=-1, slack=1.5) if scene.view is View.AP else None
    if scene.needle is None:
        return None
    seed = seed_of(scene.needle, scene.view)
    along = np.subtract(scene.needle.tip, scene.needle.tail)
    along = along / max(float(np.hypot(*along)), 1e-6)
    off = np.subtract(cement, seed.at) / scene.px_per_mm
    is_on_line = abs(off[0] * along[1] - off[1] * along[0]) <= rules.body_line_mm
    is_off_tip = rules.body_tip_mm <= abs(float(off @ along)) <= rules.needle_follow_mm
    return replace(seed, at=cement, slack=1.3) if is_on_line and is_off_tip else None


def seed_of(needle: Needle, view: View) -> Seed:
    """What a needle tells: its tip lies inside; in the lateral view it comes from posterior."""
    if view is not View.LATERAL:
        return Seed(at=needle.tip, posterior=-1)
    rise, run = needle.tip[0] - needle.tail[0], needle.tip[1] - needle.tail[1]
    lean = float(np.degrees(np.arctan2(rise, abs(run))))
    return Seed(at=needle.tip, posterior=-1 if run > 0 else 1, lean_deg=lean)


def find_body(
    reference: Gray, usable: Mask, seed: Seed | None, view: View, px_per_mm: float, rules: Rules
) -> Body | None:
    """The body about a seed in working pixels of a reference (h, w), or None when there is nothing to go by.

    ``usable`` (h, w) is open field without instruments and cement. Trust is the share of such answers of which every
    corner lies within ``body_right_mm``.
    """
    if seed is None or view not in (View.LATERAL, View.AP):
        return None
    flat = flatten(reference, usable, px_per_mm, rules)
    if not flat.any():
        return None
    factor = 1 / (px_per_mm * GRID_MM)
    at = (np.array(seed.at, np.float32) + 0.5) * np.float32(factor) - 0.5
    search = Search(flat=flat, at=at.astype(np.float32), view=view, seed=seed)
    crowd = walk(search)
    outline, evidence = answer_of(search, crowd, rules)
    points = [(float(r), float(c)) for r, c in outline * px_per_mm + np.array(seed.at)]
    trust = round(float(1 / (1 + np.exp(-evidence @ TRUST))), 3)
    doubt_mm = doubt_of(outline, search.quads(crowd.guesses), rules)
    return Body(view=view, corners=_corners(points), origin=Origin.FOUND, trust=trust, doubt_mm=doubt_mm)


def doubt_of(outline: Quads, quads: Quads, rules: Rules) -> tuple[float, float, float, float]:
    """How far (mm) a crowd (n, 4, 2) reaches beyond the near, far, superior and inferior side of its answer (4, 2).

    All but ``body_doubt_share`` of the crowd lies within; what the whole crowd has wrong is not in it, so it is never less than ``body_least_doubt_mm``.
    """
    middle, doubts = outline.mean(axis=0), []
    for first, last in SIDE_ENDS:
        way = outline[last] - outline[first]
        outward = np.array([-way[1], way[0]]) / max(float(np.linalg.norm(way)), 1e-6)
        outward *= np.sign((outline[first] - middle) @ outward)
        beyond = ((quads[:, (first, last)] - outline[first]) @ outward).max(axis=1)
        doubts.append(max(float(np.quantile(beyond, rules.body_doubt_share)), rules.body_least_doubt_mm))
    near, far, superior, inferior = (round(each, 2) for each in doubts)
    return near, far, superior, inferior


def answer_of(search: Search, crowd: Crowd, rules: Rules) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The outline (4, 2) in mm from the seed, and the evidence (4,) that ``TRUST`` weighs."""
    outline, share = _densest(search.quads(crowd.guesses), rules)
    weakest, goes_on = support_of(search.flat, outline[None] / np.float32(GRID_MM) + search.at, search.view)
    return outline, np.array([1.0, share, weakest, goes_on])


def walk(search: Search) -> Crowd:
    """A crowd that lies as the picture and anatomy together make it likely."""
    rng = np.random.default_rng(0)
    drawn = draw_guesses(N_DRAWN, rng)
    first = search.weigh(drawn)
    # drawn from the prior already: only the picture weighs
    weight = np.exp(first.likely + (drawn * drawn).sum(axis=1) / 2 - first.likely.max())
    upto = np.cumsum(weight, dtype=np.float64)
    chosen = np.searchsorted(upto, (np.arange(N_KEPT) + 0.5) / N_KEPT * upto[-1])
    crowd = Crowd(guesses=drawn[chosen], likely=first.likely[chosen])
    for stride in STRIDES:
        step = rng.standard_normal(crowd.guesses.shape, dtype=np.float32) * np.float32(stride)
        there = search.weigh(np.clip(crowd.guesses + step, -WIDEST, WIDEST))
        goes = np.log(rng.random(N_KEPT, dtype=np.float32)) < there.likely - crowd.likely
        crowd = Crowd(
            guesses=np.where(goes[:, None], there.guesses, crowd.guesses),
            likely=np.where(goes, there.likely, crowd.likely),
        )
    return crowd


def _densest(quads: Quads, rules: Rules) -> tuple[NDArray[np.float32], float]:
    """The outline (4, 2) that most of the crowd lies about, and the share of the crowd close to it."""
    flat = quads.reshape(len(quads), -1).astype(np.float64)
    squares = (flat * flat).sum(axis=1)
    apart = squares[:, None] + squares[None, :]
    apart -= 2 * flat @ flat.T
    np.maximum(apart, 0, out=apart)
    apart /= 4
    apart /= -(2 * rules.body_crowd_mm**2)
    near = np.exp(apart, out=apart)
    weights = near[int(np.argmax(near.sum(axis=1)))]
    outline = np.average(quads, axis=0, weights=weights).astype(np.float32)
    off = np.linalg.norm(quads - outline, axis=2).max(axis=1)
    return outline, float((off < rules.body_right_mm).mean())


def _corners(points: list[Point]) -> Corners:
    return Corners(near_superior=points[0], near_inferior=points[1], far_superior=points[2], far_inferior=points[3])
