"""Plays sets of phantom scenes through the function that runs live, and scores what comes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from detection.alarm import Alarm, Setting, judge
from detection.examine import examine
from detection.memory import Memory
from detection.phantom.scene import SCENARIOS, Scene, Shot, play, vary
from detection.rules import Rules
from detection.scorecard import Outcome, Raised, dice_of
from detection.threads import use_one_thread
from detection.vocabulary import (
    Body,
    Change,
    EntryType,
    Findings,
    Flag,
    Frame,
    Intensity,
    Kind,
    Landmarks,
    Mask,
    Mode,
    Origin,
    Plan,
    Polarity,
    Stamp,
    Zone,
)

FIRST_SEED = {"tune": 1000, "exam": 900_000}
PLANNED_AT = 12
"""Frame on which the operator of a scene gives landmarks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One scene to be played, with landmarks given by the operator or left to be found."""

    scene: Scene
    is_given: bool


@dataclass(slots=True, kw_only=True)
class Tally:
    """What is counted while a scene plays."""

    raised: list[Raised]
    distance_errors: list[float]
    dice: list[float]
    times_ms: list[float]
    zones: set[Zone]
    onset: int | None = None
    onset_3d: int | None = None
    corners: tuple[float, ...] | None = None
    n_unfit: int = 0


def tasks_of(set_name: str, n_each: int) -> Iterator[Task]:
    """Every story, ``n_each`` times with other patients and X-ray systems, with landmarks given and found."""
    for number, story in enumerate(sorted(SCENARIOS)):
        for k in range(n_each):
            seed = FIRST_SEED[set_name] + 100 * number + k
            scene = vary(SCENARIOS[story], seed, is_exam=set_name == "exam")
            for is_given in (True, False):
                yield Task(scene=scene, is_given=is_given)


def score(tasks: list[Task], n_processes: int) -> Iterator[Outcome]:
    """The outcome of each task, as they are done."""
    with ProcessPoolExecutor(n_processes) as pool:
        yield from pool.map(outcome_of, tasks)


def outcome_of(task: Task) -> Outcome:
    """Play one scene and hold what is said against what is true."""
    use_one_thread()
    scene, rules = task.scene, Rules()
    memory, alarm, plan = Memory(), Alarm(), Plan()
    tally = Tally(raised=[], distance_errors=[], dice=[], times_ms=[], zones=set())
    for shot in play(scene):
        if task.is_given and shot.index == PLANNED_AT:
            plan = _plan(scene, shot)
        began = time.process_time()
        findings, memory = examine(frame_of(scene, shot), memory, plan, rules)
        tally.times_ms.append(1000 * (time.process_time() - began))
        setting = Setting(procedure="score", source="PHANTOM", mode=Mode.REPLAY, rules=rules, plan=plan)
        changes, alarm = judge(findings, (), alarm, setting, shot.time_s)
        _count(tally, scene, shot, findings, changes, memory)
    return _outcome(task, tally)


def frame_of(scene: Scene, shot: Shot) -> Frame:
    """A shot as the gateway would hand it over."""
    stamp = Stamp(
        arrival=shot.index + 1,
        sop_instance_uid=str(shot.index),
        index=0,
        source="PHANTOM",
        study_instance_uid=scene.name,
        mode=Mode.REPLAY,
        acquired_at=shot.time_s,
        received_at=shot.time_s,
        time_s=shot.time_s,
    )
    ceiling = float(2**scene.chain.bits - 1)
    pixels = shot.pixels.astype(np.float32)
    if scene.chain.intensity is Intensity.LOG:
        # as the modality LUT of a phantom's object leads back to linear
        pixels = (65535.0 * np.exp(pixels / ceiling * 6.0 - 6.0)).astype(np.float32)
        ceiling = 65535.0
    is_display = scene.chain.intensity is Intensity.DISPLAY
    return Frame(
        stamp=stamp,
        pixels=pixels,
        intensity=Intensity.DISPLAY if is_display else Intensity.LINEAR,
        polarity=Polarity.DENSE_IS_BRIGHT if scene.chain.is_inverted else Polarity.DENSE_IS_DARK,
        ceiling=ceiling,
        mm_per_px=scene.mm_per_px,
        view=scene.view,
    )


def _plan(scene: Scene, shot: Shot) -> Plan:
    body = Body(view=scene.view, corners=shot.truth.corners, origin=Origin.OPERATOR, trust=1.0, level=scene.level)
    return Plan(level=scene.level, landmarks={scene.view: Landmarks(body=body, scene=0, shift_px=shot.truth.shift_px)})


def _count(
    tally: Tally, scene: Scene, shot: Shot, findings: Findings, changes: tuple[Change, ...], memory: Memory
) -> None:
    truth = shot.truth
    if truth.leak_3d and tally.onset_3d is None:
        tally.onset_3d = shot.index
    if truth.leak_visible and tally.onset is None:
        tally.onset = shot.index
    if truth.leak_3d:
        tally.zones |= set(truth.zone_ml) - {Zone.BODY, Zone.POSTERIOR_BAND}
    tally.n_unfit += not findings.is_fit and Flag.DUPLICATE not in findings.flags
    for change in changes:
        alert = change.alert
        if change.type is EntryType.ALERT_RAISED and alert.kind in (Kind.LEAK, Kind.VANISHED, Kind.APPROACH):
            tally.raised.append(Raised(index=shot.index, kind=alert.kind, zone=alert.zone, priority=alert.priority))
    if findings.front and findings.front.distance_mm is not None and truth.distance_to_wall_mm is not None:
        tally.distance_errors.append(findings.front.distance_mm - truth.distance_to_wall_mm)
    if findings.body is not None and tally.corners is None:
        tally.corners = _corner_errors(scene, shot, findings.body)
    if shot.index % 10 == 0 and findings.is_fit and truth.cement is not None:
        _count_dice(tally, truth.cement, memory)


def _count_dice(tally: Tally, true: Mask, memory: Memory) -> None:
    place = memory.scene
    if place is not None and place.cement is not None and true.sum() >= 400:
        tally.dice.append(dice_of(place, true))


def _corner_errors(scene: Scene, shot: Shot, body: Body) -> tuple[float, ...]:
    true, found = shot.truth.corners, body.corners
    names = ("near_superior", "near_inferior", "far_superior", "far_inferior")
    return tuple(
        float(np.hypot(*np.subtract(getattr(true, name), getattr(found, name)))) * scene.mm_per_px for name in names
    )


def _outcome(task: Task, tally: Tally) -> Outcome:
    scene = task.scene
    return Outcome(
        scene=scene.name,
        seed=scene.seed,
        view=scene.view,
        landmarks="given" if task.is_given else "found",
        frame_rate=scene.frame_rate,
        n_frames=scene.n_frames,
        has_leak=tally.onset_3d is not None,
        true_zones=frozenset(tally.zones),
        onset=tally.onset,
        onset_3d=tally.onset_3d,
        raised=tuple(tally.raised),
        dice=float(np.median(tally.dice)) if tally.dice else None,
        distance_errors_mm=tuple(tally.distance_errors),
        corner_errors_mm=None if task.is_given else tally.corners,
        is_body_asked=not task.is_given,
        n_unfit=tally.n_unfit,
        ms_per_frame=float(np.median(tally.times_ms)),
    )
