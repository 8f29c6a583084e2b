"""Plays scenes through the function that runs live, and keeps what comes of them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context

import numpy as np
from pydantic import TypeAdapter

from detection.alarm import Alarm, Setting, judge
from detection.examine import examine
from detection.memory import Memory
from detection.outcome import Exhibit, Outcome
from detection.phantom.scene import Scene, Shot
from detection.phantom.script import arrangement
from detection.rules import Rules
from detection.tally import Look, Tally
from detection.threads import keep_memory, use_one_thread
from detection.vocabulary import (
    Body,
    Findings,
    Flag,
    Frame,
    Intensity,
    Landmarks,
    Mode,
    Origin,
    Plan,
    Polarity,
    Stamp,
    View,
)
from service.score.gallery import Gallery
from service.score.kept import Archive, digest_of, file_digest, judging_source
from service.score.sets import Task

PLANNED_AFTER = 12
"""Judged frames of a view after which the operator of a scene gives landmarks in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hall:
    """Where tasks are played: what was played before, on how many processes, and whether pictures are wanted."""

    archive: Archive
    n_processes: int = 1
    has_gallery: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of a task: an outcome for each kind of landmarks, and pictures if they were wanted."""

    outcomes: tuple[Outcome, ...]
    exhibits: tuple[Exhibit, ...] = ()


PLAYED = TypeAdapter(Played)


def score(tasks: Iterable[Task], hall: Hall) -> Iterator[Played]:
    """What comes of each task, as they are done."""
    if hall.n_processes == 1:
        yield from (play_task(task, hall) for task in tasks)
        return
    with ProcessPoolExecutor(hall.n_processes, get_context("spawn")) as pool:  # a fork amid OpenCV's threads hangs
        yield from pool.map(partial(play_task, hall=hall), tasks)


def play_task(task: Task, hall: Hall) -> Played:
    """What comes of a task; from the archive where the same was played and judged by the same code before."""
    name = digest_of(replace(task, ct=None), patient_of(task), hall.has_gallery, judging_source())
    if (said := hall.archive.said(name)) is not None:
        return PLAYED.validate_json(said)
    watchers = _watch(task, hall)
    played = Played(
        outcomes=tuple(watcher.outcome() for watcher in watchers),
        exhibits=tuple(each for watcher in watchers for each in watcher.exhibits()),
    )
    hall.archive.keep(name, PLAYED.dump_json(played).decode())
    return played


def _watch(task: Task, hall: Hall) -> list[Watcher]:
    """Play a scene once before several watchers."""
    use_one_thread()
    keep_memory()
    scene = task.scene
    watchers = [Watcher(task=task, scene=scene, landmarks=each) for each in task.landmarks]
    for shot in hall.archive.shots(scene, patient=patient_of(task)):
        frame = frame_of(scene, shot)
        for watcher in watchers:
            look = watcher.see(frame, shot)
            if hall.has_gallery:
                watcher.gallery.hang(frame, look)
    return watchers


def patient_of(task: Task) -> str:
    """A name for the scan of a task; the scene itself does not tell it."""
    return "" if task.ct is None else "".join(file_digest(path) for path in sorted(task.ct.glob("*.nii*")))


@dataclass(slots=True, kw_only=True)
class Watcher:
    """The function that runs live before one scene, and what is counted of it."""

    task: Task
    scene: Scene
    landmarks: str
    rules: Rules = field(default_factory=Rules)
    memory: Memory = field(default_factory=Memory)
    alarm: Alarm = field(default_factory=Alarm)
    plan: Plan = field(default_factory=Plan)
    tally: Tally = field(init=False)
    gallery: Gallery = field(default_factory=Gallery)
    n_fit: dict[View, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tally = Tally(is_body_asked=self.landmarks == "found")

    def see(self, frame: Frame, shot: Shot) -> Look:
        """Judge one frame and hold it against its shot."""
        began = time.process_time()
        findings, self.memory = examine(frame, self.memory, self.plan, self.rules)
        ms = 1000 * (time.process_time() - began)
        setting = Setting(procedure="score", source="PHANTOM", mode=Mode.REPLAY, rules=self.rules, plan=self.plan)
        changes, self.alarm = judge(findings, (), self.alarm, setting, shot.time_s)
        look = Look(
            index=shot.index,
            leg=shot.leg,
            mm_per_px=frame.mm_per_px or 1.0,
            truth=shot.truth,
            findings=findings,
            changes=changes,
            memory=self.memory,
            ms=ms,
            time_s=shot.time_s,
        )
        self.tally.count(look)
        if self.landmarks == "given":
            self._give(findings, shot)
        return look

    def outcome(self) -> Outcome:
        """What came of it."""
        return self.tally.outcome(self.task.about(self.scene, self.landmarks))

    def exhibits(self) -> tuple[Exhibit, ...]:
        """The pictures of it."""
        return tuple(self.gallery.exhibits(self.outcome()))

    def _give(self, findings: Findings, shot: Shot) -> None:
        """The operator's landmarks, once in each view that takes any, on the frame just judged."""
        view = findings.view
        if view not in (View.LATERAL, View.AP):
            return
        self.n_fit[view] = self.n_fit.get(view, 0) + (findings.is_fit and Flag.DUPLICATE not in findings.flags)
        if view in self.plan.landmarks or self.n_fit[view] < PLANNED_AFTER or not findings.is_fit:
            return
        body = Body(view=view, corners=shot.truth.corners, origin=Origin.OPERATOR, trust=1.0, level=self.scene.level)
        given = Landmarks(body=body, scene=findings.scene, shift_px=findings.shift_px)
        self.plan = Plan(level=self.scene.level, landmarks={**self.plan.landmarks, view: given})


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
