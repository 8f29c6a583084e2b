"""Which scenes a set is made of: every story, with other patients and X-ray systems, and some of them in a real CT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zlib import crc32

import numpy as np

from detection.outcome import About, Patient
from detection.phantom.ct import scene_on_ct
from detection.phantom.labels import confounders_of
from detection.phantom.obstacles import ObstacleKind
from detection.phantom.scene import SCENARIOS, Scene, vary
from detection.phantom.script import Scan

FIRST_SEED = {"tune": 0, "exam": 500_000_000}
SEEDS_PER_STORY = 1000
BOTH = ("given", "found")
ON_CT = (
    "breathing_only",
    "canal_leak",
    "contained",
    "contained_ap",
    "disc_leak",
    "prevertebral_leak",
    "vein_leak_ap",
    "view_swap",
)
CT_LEVELS = ("T7", "T8", "T9", "T10", "T11", "T12", "L1", "L2")
"""Wholly within the scan, with lung or belly about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One scene of a set to be played before watchers with these landmarks; ``ct`` is the folder of the patient's scan."""

    set_name: str
    story: str
    seed: int
    landmarks: tuple[str, ...] = BOTH
    ct: Path | None = None

    @property
    def scene(self) -> Scene:
        """The scene that is played."""
        scene = drawn(self.set_name, self.story, self.seed)
        if self.ct is None:
            return scene
        level = CT_LEVELS[int(np.random.default_rng([self.seed, 8]).integers(len(CT_LEVELS)))]
        return scene_on_ct(scene, scan_of(self.ct), level)

    def about(self, scene: Scene, landmarks: str) -> About:
        """What the scorecard says of this scene besides what comes of it."""
        is_empty = all(share == 0 for _, share in scene.knots)
        has_old = any(obstacle.kind is ObstacleKind.OLD_CEMENT for obstacle in scene.obstacles)
        return About(
            scene=self.story,
            seed=self.seed,
            landmarks=landmarks,
            patient=Patient.DRAWN if self.ct is None else Patient.SCANNED,
            view=scene.view,
            level=scene.level,
            dose=scene.chain.dose,
            cement=scene.chain.cement,
            confounders=confounders_of(scene),
            is_control=scene.leak is None and (is_empty or has_old),
        )


def tasks_of(set_name: str, n_each: int, ct: Path | None = None, *, only: Sequence[str] = ()) -> Iterator[Task]:
    """Every story of a set, or ``only`` some, ``n_each`` times; once more in the CT, when there is one, those it can play."""
    for patient in (None, *([ct] if ct is not None else [])):
        for story in sorted(SCENARIOS):
            if (only and story not in only) or (patient is not None and story not in ON_CT):
                continue
            for k in range(n_each):
                yield Task(set_name=set_name, story=story, seed=first_seed(set_name, story) + k, ct=patient)


def task_named(name: str, set_name: str, ct: Path | None) -> Task:
    """The task that a line of the scorecard names: ``STORY:SEED:given``, with ``:ct`` behind it for the CT's patient.

    Raises ValueError when it names none.
    """
    is_on_ct = name.endswith(":ct")
    story, seed, landmarks, *rest = [*name.removesuffix(":ct").split(":"), "", ""]
    if story not in SCENARIOS or not seed.isdigit() or landmarks not in BOTH or any(rest):
        raise ValueError(f"expected STORY:SEED:given or STORY:SEED:found, with :ct behind it for the CT, not {name}")
    if is_on_ct and ct is None:
        raise ValueError("this scene needs --ct")
    folder = ct if is_on_ct else None
    return Task(set_name=set_name, story=story, seed=int(seed), landmarks=(landmarks,), ct=folder)


def name_of(about: About) -> str:
    """How a scene is named on the command line."""
    return f"{about.scene}:{about.seed}:{about.landmarks}" + (":ct" if about.patient is Patient.SCANNED else "")


def first_seed(set_name: str, story: str) -> int:
    """Where the seeds of a story begin; by its name, so that another story changes nothing."""
    return FIRST_SEED[set_name] + crc32(story.encode()) % 400_000 * SEEDS_PER_STORY


def drawn(set_name: str, story: str, seed: int) -> Scene:
    """A story as one seed of a set draws it."""
    return vary(SCENARIOS[story], seed, is_exam=set_name == "exam")


@lru_cache(maxsize=1)
def scan_of(folder: Path) -> Scan:
    """The CT of a folder, read once in a process."""
    from service.scan import read_scan

    return read_scan(folder)
