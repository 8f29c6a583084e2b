"""What fusion saves and costs: every leak of the tune set with two planes, judged apart and together: `python -m tests.calibration.planes`.

--seeds N    patients for each story (1)
--story NAME only this story; may be given again

Each story is drawn once more with the other view of the same patient, frames taken at the same times, landmarks given. Apart, each
plane has alarms of its own, as two procedures would; together, they share one.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from detection.alarm import Alarm, Setting, judge
from detection.examine import examine
from detection.memory import Memory
from detection.phantom.scene import SCENARIOS, Scene, play
from detection.rules import Rules
from detection.threads import use_one_thread
from detection.vocabulary import Body, Change, EntryType, Findings, Flag, Kind, Landmarks, Mode, Origin, Plan, View
from service.score.play import PLANNED_AFTER, frame_of
from service.score.sets import drawn, first_seed

RULES = Rules()
STORIES = tuple(
    name for name, scene in SCENARIOS.items() if scene.leak and not scene.swings and scene.view is not View.OBLIQUE
)
SOUNDS = {EntryType.ALERT_RAISED, EntryType.ALERT_WORSENED}


@dataclass(slots=True, kw_only=True)
class Plane:
    """One plane of the unit: what it remembers, and where its body was given."""

    name: str
    scene: Scene
    memory: Memory = field(default_factory=Memory)
    plan: Plan = field(default_factory=Plan)
    n_fit: int = 0

    def findings(self) -> Iterator[tuple[float, Findings]]:
        """What each of its frames says, and when."""
        for shot in play(self.scene):
            findings, self.memory = examine(frame_of(self.scene, shot), self.memory, self.plan, RULES)
            yield shot.time_s, findings
            self.n_fit += findings.is_fit and Flag.DUPLICATE not in findings.flags
            if self.n_fit >= PLANNED_AFTER and findings.is_fit and not self.plan.landmarks:
                view = self.scene.view
                body = Body(view=view, corners=shot.truth.corners, origin=Origin.OPERATOR, trust=1.0)
                given = Landmarks(body=body, scene=findings.scene, shift_px=findings.shift_px)
                self.plan = Plan(landmarks={view: given})


@dataclass(slots=True, kw_only=True)
class Court:
    """One alarm, and what it told of leaks."""

    alarm: Alarm = field(default_factory=Alarm)
    told: list[Change] = field(default_factory=list)

    def hear(self, plane: Plane, findings: Findings, at: float) -> None:
        """Judge one frame of one plane."""
        setting = Setting(procedure="planes", source=plane.name, mode=Mode.REPLAY, rules=RULES, plan=plane.plan)
        changes, self.alarm = judge(findings, (), self.alarm, setting, at)
        self.told += [change for change in changes if change.alert.kind is Kind.LEAK and change.type in SOUNDS]


def twin(scene: Scene) -> Scene:
    """The other view of the same patient and the same push of cement, with the beam that the other plane has."""
    is_ap = scene.view is View.AP
    other = next(each for each in SCENARIOS.values() if each.view is (View.LATERAL if is_ap else View.AP))
    chain = replace(scene.chain, kvp=other.chain.kvp, scatter_to_primary=other.chain.scatter_to_primary)
    return replace(scene, view=other.view, primary_deg=other.primary_deg, chain=chain)


def places(courts: list[Court]) -> str:
    """Each leak alert by its place and the views that raised it."""
    raised = [change.alert for court in courts for change in court.told if change.type is EntryType.ALERT_RAISED]
    return ", ".join(f"{alert.zone} {alert.side} ({alert.view})" for alert in raised) or "none"


def main() -> None:
    """Print a line for each scene, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--story", action="append", choices=STORIES)
    args = parser.parse_args()
    use_one_thread()
    sums: Counter[str] = Counter()
    for story in args.story or STORIES:
        for seed in range(first_seed("tune", story), first_seed("tune", story) + args.seeds):
            scene = drawn("tune", story, seed)
            planes = [Plane(name=each.view, scene=each) for each in (scene, twin(scene))]
            apart, together = [Court(), Court()], Court()
            for looks in zip(*(plane.findings() for plane in planes), strict=True):
                for plane, court, (at, findings) in zip(planes, apart, looks, strict=True):
                    court.hear(plane, findings, at)
                    together.hear(plane, findings, at)
            print(f"{story} {seed}: apart {places(apart)}; together {places([together])}", flush=True)
            for name, courts in (("apart", apart), ("together", [together])):
                kinds = Counter(change.type for court in courts for change in court.told)
                sums.update({f"{name}, {kind}": n for kind, n in kinds.items()}, **{f"{name}, scenes": 1})
    for name in sorted(sums):
        print(f"{name}: {sums[name]}")


if __name__ == "__main__":
    main()
