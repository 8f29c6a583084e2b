"""Plays sets of phantom scenes through the function that runs live, and scores what comes of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from pydantic import TypeAdapter

from detection.alarm import Alarm, Setting, judge
from detection.examine import examine
from detection.memory import Memory
from detection.phantom.scene import Scene, Shot
from detection.phantom.script import arrangement
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
from service.score.kept import Archive, digest_of, judging_source
from service.score.sets import Task

PLANNED_AT = 12
"""Frame on which the operator of a scene gives landmarks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hall:
    """Where tasks are played: what was played before, and on how many processes."""

    archive: Archive
    n_processes: int = 1


@dataclass(slots=True, kw_only=True)
class Tally:
    """What is counted while a scene plays."""

    raised: list[Raised] = field(default_factory=list)
    distance_errors: list[float] = field(default_factory=list)
    dice: list[float] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)
    zones: set[Zone] = field(default_factory=set)
    onset: int | None = None
    onset_3d: int | None = None
    corners: tuple[float, ...] | None = None
    n_unfit: int = 0


def score(tasks: Iterable[Task], hall: Hall) -> Iterator[Outcome]:
    """The outcomes of each task, as they are done."""
    with ProcessPoolExecutor(hall.n_processes) as pool:
        for outcomes in pool.map(partial(outcomes_of, archive=hall.archive), tasks):
            yield from outcomes


def outcomes_of(task: Task, archive: Archive) -> tuple[Outcome, ...]:
    """What comes of a task, one outcome for each kind of landmarks; from the archive where the same was played before."""
    kind = TypeAdapter(tuple[Outcome, ...])
    name = digest_of(task, judging_source())
    if (said := archive.said(name)) is not None:
        return kind.validate_json(said)
    outcomes = _play(task, archive)
    archive.keep(name, kind.dump_json(outcomes).decode())
    return outcomes


def _play(task: Task, archive: Archive) -> tuple[Outcome, ...]:
    """Play a scene once before several watchers and hold what each says against what is true."""
    use_one_thread()
    watchers = [Watcher(scene=task.scene, landmarks=landmarks) for landmarks in task.landmarks]
    for shot in archive.shots(task.scene):
        frame = frame_of(task.scene, shot)
        for watcher in watchers:
            watcher.see(frame, shot)
    return tuple(_outcome(watcher) for watcher in watchers)


@dataclass(slots=True, kw_only=True)
class Watcher:
    """The function that runs live before one scene, and what is counted of it."""

    scene: Scene
    landmarks: str
    rules: Rules = field(default_factory=Rules)
    memory: Memory = field(default_factory=Memory)
    alarm: Alarm = field(default_factory=Alarm)
    plan: Plan = field(default_factory=Plan)
    tally: Tally = field(default_factory=Tally)

    def see(self, frame: Frame, shot: Shot) -> None:
        """Judge one frame and hold it against its shot."""
        if self.landmarks == "given" and shot.index == PLANNED_AT:
            self.plan = _plan(self.scene, shot)
        began = time.process_time()
        findings, self.memory = examine(frame, self.memory, self.plan, self.rules)
        self.tally.times_ms.append(1000 * (time.process_time() - began))
        setting = Setting(procedure="score", source="PHANTOM", mode=Mode.REPLAY, rules=self.rules, plan=self.plan)
        changes, self.alarm = judge(findings, (), self.alarm, setting, shot.time_s)
        _count(self.tally, self.scene, shot, findings, changes, self.memory)


def frame_of(scene: Scene, shot: Shot) -> Frame:
    """A shot as the gateway would hand it over."""
    scene = arrangement(scene, shot.leg)
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
        primary_deg=scene.primary_deg,
        secondary_deg=scene.secondary_deg,
        is_lossy=scene.chain.jpeg_quality is not None,
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


def _outcome(watcher: Watcher) -> Outcome:
    scene, tally = watcher.scene, watcher.tally
    return Outcome(
        scene=scene.name,
        seed=scene.seed,
        view=scene.view,
        landmarks=watcher.landmarks,
        frame_rate=scene.frame_rate,
        n_frames=scene.n_frames,
        has_leak=tally.onset_3d is not None,
        true_zones=frozenset(tally.zones),
        onset=tally.onset,
        onset_3d=tally.onset_3d,
        raised=tuple(tally.raised),
        dice=float(np.median(tally.dice)) if tally.dice else None,
        distance_errors_mm=tuple(tally.distance_errors),
        corner_errors_mm=tally.corners if watcher.landmarks == "found" else None,
        is_body_asked=watcher.landmarks == "found",
        n_unfit=tally.n_unfit,
        ms_per_frame=float(np.median(tally.times_ms)),
    )
