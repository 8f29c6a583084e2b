"""One scene played before one watcher, told frame by frame: to see why it fails."""

from __future__ import annotations

from collections.abc import Iterator

from detection.tally import Look
from detection.vocabulary import EntryType, Kind
from service.score.kept import Archive
from service.score.play import Watcher, frame_of, patient_of
from service.score.report import line_of
from service.score.sets import Task

EVERY = 20


def told(task: Task, archive: Archive) -> Iterator[str]:
    """A line for every alert, every change of flags and every twentieth frame; the outcome at the end."""
    scene = task.scene
    watcher = Watcher(task=task, scene=scene, landmarks=task.landmarks[0])
    about = task.about(scene, task.landmarks[0])
    yield f"{about.view} {about.level}, {about.dose} dose, {about.cement}: {', '.join(sorted(about.confounders))}"
    yield f"{'frame':>5} {'s':>6} {'cnr':>6} {'true mm':>8} {'found mm':>8} {'mm2':>7}  what is said"
    flags = frozenset[str]()
    for shot in archive.shots(scene, patient=patient_of(task)):
        look = watcher.see(frame_of(scene, shot), shot)
        words = _words(look)
        if words or look.index % EVERY == 0 or look.findings.flags != flags:
            flags = frozenset(look.findings.flags)
            yield f"{_figures(look)}  {'; '.join([*words, ' '.join(sorted(flags))])}"
    yield line_of(watcher.outcome())


def _figures(look: Look) -> str:
    front = look.findings.front
    found = "" if front is None or front.distance_mm is None else f"{front.distance_mm:.1f}"
    true = "" if look.truth.distance_to_wall_mm is None else f"{look.truth.distance_to_wall_mm:.1f}"
    area = look.findings.cement_area_mm2
    shown = "" if area is None else f"{area:.0f}"
    return f"{look.index:5} {look.time_s:6.1f} {look.truth.cnr:6.1f} {true:>8} {found:>8} {shown:>7}"


def _words(look: Look) -> list[str]:
    said = []
    for change in look.changes:
        if change.type in (EntryType.ALERT_RAISED, EntryType.ALERT_WORSENED, EntryType.ALERT_ENDED):
            alert = change.alert
            what = alert.technical_cause if alert.kind is Kind.TECHNICAL else alert.zone
            area = "" if alert.area_mm2 is None else f" {alert.area_mm2:.1f} mm2"
            said.append(f"{change.type}: {alert.priority} {alert.kind} {what or ''}{area}")
    return said
