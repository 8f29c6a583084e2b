"""Fits what an edge of a body is worth and how far an answer may be trusted, and measures both: `python -m tests.calibration.bodies`.

--references FILE   references with their truth; made there if missing (two seconds each)
--ct FOLDER         a labelled CT for the second half of them; left out if missing
--set tune|exam     which seeds; only the table is read of exam
--fit               print SHAPES and TRUST for detection/edges.py and detection/anatomy.py
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from detection.anatomy import Search, answer_of, find_body, seed_of, walk
from detection.edges import GRID_MM, flatten, profiles_of
from detection.examine import examine
from detection.guesses import draw_guesses
from detection.memory import Memory, Needle
from detection.needle import see_needle
from detection.phantom.ct import scene_on_ct
from detection.phantom.scene import SCENARIOS, Scene, play, vary
from detection.rules import Rules
from detection.threads import use_one_thread
from detection.vocabulary import Gray, Mask, Plan, View
from service.scan import read_scan
from service.score.play import frame_of
from tests.detection.films import mottle

RULES = Rules()
NAMES = ("near_superior", "near_inferior", "far_superior", "far_inferior")
CT_LEVELS = ("T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12", "L1", "L2")
FIRST = {"tune": 30_000, "exam": 40_000}
N_EACH = {"tune": 60, "exam": 40}
CT_WEIGHT = 0.33
"""One patient at ten levels tells less than sixty drawn ones."""
KERNEL_MM = 1.8
PULL = 0.1
"""How strongly a fitted weight is pulled towards nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """A finished reference and the true corners (4, 2) in its pixels."""

    kind: str
    view: View
    level: str
    picture: Gray
    usable: Mask
    needle: Needle | None
    px_per_mm: float
    corners: np.ndarray


def references(args: argparse.Namespace) -> list[Reference]:
    """From the file, or made and kept there."""
    if args.references.exists():
        return pickle.loads(args.references.read_bytes())  # noqa: S301 - written by this script a moment ago
    made = [reference for scene, kind in scenes(args) if (reference := reference_of(scene, kind)) is not None]
    args.references.write_bytes(pickle.dumps(made))
    return made


def scenes(args: argparse.Namespace) -> Iterator[tuple[Scene, str]]:
    """Both views of drawn patients, and of the CT at every level that it holds."""
    scan = read_scan(args.ct) if args.ct.exists() else None
    for view, story in enumerate(("contained", "contained_ap")):
        for k in range(N_EACH[args.set]):
            for kind in ("drawn", "ct")[: 1 if scan is None else 2]:
                seed = FIRST[args.set] + 2000 * view + 1000 * (kind == "ct") + k
                scene = vary(SCENARIOS[story], seed, is_exam=args.set == "exam")
                scene = replace(scene, duration_s=4.0, start_s=3.5, knots=((4.0, 0.01),))
                yield scene if kind == "drawn" else scene_on_ct(scene, scan, CT_LEVELS[k % 10]), kind


def reference_of(scene: Scene, kind: str) -> Reference | None:
    """The reference that examine would search."""
    memory = Memory()
    for shot in play(scene):
        _, memory = examine(frame_of(scene, shot), memory, Plan(), RULES)
        place = memory.scene
        if place is not None and place.n_averaged >= RULES.reference_frames:
            break
    else:
        return None
    _, needle = see_needle(place.reference, place.field, place.px_per_mm, RULES)
    here = np.array([getattr(shot.truth.corners, name) for name in NAMES]) + 0.5
    return Reference(
        kind=kind,
        view=scene.view,
        level=scene.level,
        picture=place.reference,
        usable=place.field & ~place.opaque,
        needle=needle,
        px_per_mm=place.px_per_mm,
        corners=here / place.factor - 0.5 - np.array(place.shift_px),
    )


def search_of(one: Reference) -> Search:
    seed = seed_of(one.needle, one.view)
    flat = flatten(one.picture, one.usable, one.px_per_mm, RULES)
    at = (np.array(seed.at, np.float32) + 0.5) / np.float32(one.px_per_mm * GRID_MM) - np.float32(0.5)
    return Search(flat=flat, at=at.astype(np.float32), view=one.view, seed=seed)


def candidates(one: Reference, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Profiles (n, 8, taps) of outlines drawn, walked and near the truth, and how far (n,) each is off at its worst corner (mm)."""
    rng = np.random.default_rng(seed)
    search = search_of(one)
    true = (one.corners - np.array(search.seed.at)) / one.px_per_mm
    near = true + rng.normal(0, 1, (250, 4, 2)) + rng.normal(0, 1.2, (250, 1, 2))
    quads = np.concatenate([search.quads(draw_guesses(1000, rng)), search.quads(walk(search).guesses), near])
    quads = quads.astype(np.float32)
    off = np.linalg.norm(quads - true, axis=2).max(axis=1)
    return profiles_of(search.flat, quads / np.float32(GRID_MM) + search.at), off


def fit_shapes(found: list[Reference]) -> dict[View, np.ndarray]:
    """A conditional logit: of all outlines of a picture, those near the truth should win."""
    shapes = {}
    for view, alike in (
        (View.LATERAL, ((0, 1), (2,), (3,), (4, 5), (6, 7))),
        (View.AP, ((0,), (1,), (2, 3), (4, 5, 6, 7))),
    ):
        here = [one for one in found if one.view is view]
        pairs = [candidates(one, seed) for seed, one in enumerate(here)]
        sums = [np.concatenate([p[:, list(same)].sum(axis=1) for same in alike], axis=1) for p, _ in pairs]
        weights = np.array([CT_WEIGHT if one.kind == "ct" else 1.0 for one in here])
        parts = _logit(sums, [off for _, off in pairs], weights / weights.sum()).reshape(len(alike), -1)
        shape = np.zeros((8, parts.shape[1]))
        for same, part in zip(alike, parts, strict=True):
            shape[list(same)] = part
        shapes[view] = shape
    return shapes


def _logit(sums: list[np.ndarray], off: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    wanted = [np.exp(-0.5 * (o / KERNEL_MM) ** 2) for o in off]
    wanted = [w / (w.sum() + 1e-12) for w in wanted]
    scale = np.mean([s.std(axis=0) for s in sums], axis=0) + 1e-6
    sums = [s / scale for s in sums]
    w, mean, square = (np.zeros(sums[0].shape[1]) for _ in range(3))
    for step in range(1, 301):
        slope = PULL * w
        for s, goal, weight in zip(sums, wanted, weights, strict=True):
            chance = np.exp(s @ w - (s @ w).max())
            slope = slope + weight * ((chance / chance.sum() - goal) @ s)
        mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope * slope
        rate = 0.15 if step < 180 else 0.03
        w = w - rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-6)
    return w / scale


def fit_trust(found: list[Reference]) -> np.ndarray:
    """Logistic curve from the evidence for an answer to whether it is right."""
    evidence, rights = [], []
    for one in (*found, *textures()):
        search = search_of(one)
        outline, told = answer_of(search, walk(search), RULES)
        off = np.linalg.norm(outline - (one.corners - np.array(search.seed.at)) / one.px_per_mm, axis=1).max()
        evidence.append(told)
        rights.append(off < RULES.body_right_mm)
    x, y = np.array(evidence), np.array(rights, float)
    b = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ b))
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + 1e-2 * np.eye(b.size), x.T @ (y - p) - 1e-2 * b)
        b = b + np.clip(step, -1, 1)
    return b


def textures() -> Iterator[Reference]:
    """Pictures without a body, of grains from 1 to 8 mm."""
    needle = Needle(tip=(128.0, 138.0), tail=(106.0, 0.0), width_px=6.0)
    for view in (View.LATERAL, View.AP):
        for grain_px in (2.0, 4.0, 8.0, 16.0):
            for seed in range(40, 50):
                yield Reference(
                    kind="texture",
                    view=view,
                    level="",
                    picture=0.05 * mottle((256, 256), seed=seed, grain_px=grain_px),
                    usable=np.ones((256, 256), np.bool_),
                    needle=needle,
                    px_per_mm=2.0,
                    corners=np.full((4, 2), np.nan),
                )


def measure(found: list[Reference], n_all: int) -> None:
    """The table: found, median and p95 of the corners, and of those above the trust that is needed."""
    print(f"{n_all} references, {len(found)} with a needle")
    print("kind   view     found  median p95 mm   trusted  right  median p95 mm")
    for kind in ("drawn", "ct"):
        for view in (View.LATERAL, View.AP):
            every = [one for one in found if (one.kind, one.view) == (kind, view)]
            pairs = [(errors_of(one), one) for one in every]
            if not pairs:
                continue
            errors = np.array([e for (e, _), _ in pairs])
            sure = np.array([trust >= RULES.body_trust for (_, trust), _ in pairs])
            told = errors[sure] if sure.any() else np.full((1, 4), np.nan)
            right = (told.max(axis=1) < RULES.body_right_mm).mean()
            print(
                f"{kind:6} {view:8} {len(every):5}  {np.median(errors):5.2f} {np.percentile(errors, 95):6.1f}"
                f"     {sure.mean():5.2f}   {right:5.2f}  {np.median(told):5.2f} {np.percentile(told, 95):6.1f}"
            )


def errors_of(one: Reference) -> tuple[np.ndarray, float]:
    """Errors (4,) of the corners in mm, and the trust."""
    body = find_body(one.picture, one.usable, seed_of(one.needle, one.view), one.view, one.px_per_mm, RULES)
    here = np.array([getattr(body.corners, name) for name in NAMES])
    return np.linalg.norm(here - one.corners, axis=1) / one.px_per_mm, body.trust


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--references", type=Path, required=True)
    parser.add_argument("--ct", type=Path, default=Path("../shared/ct"))
    parser.add_argument("--set", choices=tuple(FIRST), default="tune")
    parser.add_argument("--fit", action="store_true")
    args = parser.parse_args()
    use_one_thread()
    every = references(args)
    found = [one for one in every if one.needle is not None]
    if args.fit:
        for view, shape in fit_shapes(found).items():
            print(view, np.round(shape * SHARPEN, 2).tolist())
        print("TRUST", np.round(fit_trust(found), 2).tolist())
    measure(found, len(every))


SHARPEN = 3.0
"""A fitted softmax is blunted by the pull and by coarse candidates; three times as sharp its trusts were right on the tune set."""

if __name__ == "__main__":
    main()
