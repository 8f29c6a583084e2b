"""What each view tells of leaks as they truly are, those that it hides included: `python -m tests.calibration.views`.

Every kind of leak is played in a lateral and in an AP view of the same patient, with landmarks given. Nothing of it is in
the tune or exam set, whose leaks can all be seen; here a leak counts whether its view shows it or not, as CT would count it.

--each N    patients for each kind of leak
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from detection.intervals import share
from detection.outcome import Outcome
from detection.phantom.scene import SCENARIOS, Scene, vary
from detection.threads import keep_memory, use_one_thread
from detection.vocabulary import View
from service.score.kept import Archive
from service.score.sets import Task
from service.settings import Settings
from tests.calibration.ablation import outcome_of
from tests.calibration.trials import Trial, as_it_is

FIRST_SEED = 700_000_000
VIEWS = {View.LATERAL: 90.0, View.AP: 0.0}
FRAMES_A_SECOND = 7.5
"""The slowest usual pace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """One leak in one patient, watched in each view."""

    kind: str
    lateral: Outcome
    ap: Outcome


def leaking_stories() -> dict[str, Scene]:
    """One story for each kind of leak: the first that tells of it."""
    stories: dict[str, Scene] = {}
    for scene in SCENARIOS.values():
        if scene.leak is not None:
            stories.setdefault(scene.leak.kind, replace(scene, swings=(), gaps=()))
    return stories


def trials(n_each: int) -> Iterator[tuple[str, Trial, Trial]]:
    """Each kind of leak, in a lateral and an AP view of the same patient."""
    for number, (kind, story) in enumerate(sorted(leaking_stories().items())):
        for k in range(n_each):
            seed = FIRST_SEED + 1000 * number + k
            lateral, ap = (_trial(kind, story, view, seed) for view in VIEWS)
            yield kind, lateral, ap


def _trial(kind: str, story: Scene, view: View, seed: int) -> Trial:
    name = f"{kind}_in_{view}"
    drawn = vary(replace(story, name=name, view=view, primary_deg=VIEWS[view]), seed)
    return Trial(
        name=f"{name}:{seed}",
        task=Task(set_name="views", story=name, seed=seed, landmarks=("given",)),
        scene=replace(drawn, frame_rate=FRAMES_A_SECOND, n_repeats=1, gaps=()),
        landmarks="given",
        seen=as_it_is,
    )


def lines_of(found: Sequence[Both]) -> Iterator[str]:
    """For each kind and for all: leaks in 3-D, how many of them a view shows, how many were told with a sound."""
    yield "| leak | leaks | shown in lateral | told in lateral | shown in AP | told in AP | told in either |"
    yield "|---|---|---|---|---|---|---|"
    for kind in (*dict.fromkeys(each.kind for each in found), None):
        here = [each for each in found if kind in (each.kind, None)]
        told = [[has_told(side) for side in (each.lateral, each.ap)] for each in here]
        cells = (
            sum(each.lateral.has_visible_leak for each in here),
            sum(side[0] for side in told),
            sum(each.ap.has_visible_leak for each in here),
            sum(side[1] for side in told),
            sum(any(side) for side in told),
        )
        yield f"| {kind or 'all'} | {len(here)} | " + " | ".join(map(str, cells)) + " |"
    for word, told_of in (("lateral", (0,)), ("AP", (1,)), ("either", (0, 1))):
        yield str(share(word, [any((has_told(each.lateral), has_told(each.ap))[k] for k in told_of) for each in found]))


def has_told(outcome: Outcome) -> bool:
    """Whether the leak was told by an alert that sounds."""
    return outcome.caught is not None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--each", type=int, default=3)
    args = parser.parse_args()
    use_one_thread()
    keep_memory()
    archive = Archive(folder=Settings().score_archive_dir, most_bytes=int(Settings().score_cache_gb * 1e9))
    found = []
    for kind, lateral, ap in trials(args.each):
        both = Both(kind=kind, lateral=_outcome(lateral, archive), ap=_outcome(ap, archive))
        found.append(both)
        print(kind, has_told(both.lateral), has_told(both.ap), flush=True)
    print("\n".join(lines_of(found)))


def _outcome(trial: Trial, archive: Archive) -> Outcome:
    outcome = outcome_of(trial, None, archive)
    assert outcome is not None
    return outcome


if __name__ == "__main__":
    main()
