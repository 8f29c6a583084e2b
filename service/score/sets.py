"""Which scenes a set is made of: every story, with other patients and X-ray systems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

from detection.phantom.scene import SCENARIOS, Scene, vary

FIRST_SEED = {"tune": 0, "exam": 500_000_000}
SEEDS_PER_STORY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One scene to be played, once with landmarks given by the operator and once with landmarks to be found."""

    scene: Scene
    landmarks: tuple[str, ...] = ("given", "found")


def tasks_of(set_name: str, n_each: int) -> Iterator[Task]:
    """Every story of a set, ``n_each`` times."""
    for story in sorted(SCENARIOS):
        for k in range(n_each):
            yield Task(scene=drawn(set_name, story, first_seed(set_name, story) + k))


def first_seed(set_name: str, story: str) -> int:
    """Where the seeds of a story begin; by its name, so that another story changes nothing."""
    return FIRST_SEED[set_name] + crc32(story.encode()) % 400_000 * SEEDS_PER_STORY


def drawn(set_name: str, story: str, seed: int) -> Scene:
    """A story as one seed of a set draws it."""
    return vary(SCENARIOS[story], seed, is_exam=set_name == "exam")
