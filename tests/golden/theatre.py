"""A scenario played before a watcher: frames as they come, acts as they are made, on a clock that stands between frames.

Objects are handed to the spool as a C-arm's, and the same ``watch`` judges them that runs live. Scenes are 256 x 256 at
half a millimetre and 5 frames a second, and somebody has set the landmarks: what is agreed here is what is said when.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from db import plans, queries
from db.connect import connect
from db.journal import Journal
from db.landmarks import CORNER_NAMES
from detection.phantom.chain import Chain
from detection.phantom.flow import Leak, LeakKind
from detection.phantom.obstacles import Obstacle, ObstacleKind
from detection.phantom.script import Gap, Motion, Scene, Swing
from detection.vocabulary import Entry, EntryType, View
from dicom_gateway.spool import Origin, Spool
from service.bell import Bell
from service.roles import make_watch
from service.settings import Settings
from tests.journeys.scenes import Recording

BEGAN = 1_760_000_000.0
SOURCE = "CARM1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """What somebody does before frame ``frame``; about the alert ``zone``, if it is about one."""

    frame: int
    type: EntryType
    zone: str | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scene and what happens beside it. ``held`` frames reach the watcher only with the last of them, ``late_s`` late."""

    scene: Scene
    acts: Sequence[Doing] = ()
    held: range = range(0)
    late_s: float = 0.0
    is_technical: bool = False
    """Whether what the system says of itself is part of what was agreed."""


def perform(scenario: Scenario, recording: Recording, folder: Path) -> list[Entry]:
    """The journal that comes of it."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(data_dir=folder, database_url=None, unlogged_after_s=3600)
    engine, spool = connect(settings.journal_url), Spool(settings.spool_dir)
    clock = [BEGAN]
    watch = make_watch(settings, engine, Bell(settings.data_dir / "bells"), lambda: clock[0])
    due = recording.due()
    uids = {index: uid for uid, index in recording.index_of.items()}
    for index, item in enumerate(due):
        for doing in scenario.acts:
            if doing.frame == index:
                _act(engine, doing, clock[0])
        part = spool.begin()
        part.write(Path(str(item.content)).read_bytes())
        at = BEGAN + item.offset_s
        spool.add(part, Origin(sop_instance_uid=uids[index], source=SOURCE, received_ns=int(at * 1e9)))
        is_last_held = index + 1 == scenario.held.stop
        clock[0] = at + (scenario.late_s if is_last_held else 0.0)
        if index in scenario.held and not is_last_held:
            continue
        while watch.turn():
            pass
        if index == 0:
            _plan(engine, recording, uids[0], clock[0])
    watch.close()
    told = list(_lines(engine))
    engine.dispose()
    return told


def _plan(engine: Any, recording: Recording, uid: str, at: float) -> None:
    view = recording.scene.view
    corners = {theirs: recording.corners[0][ours] for ours, theirs in CORNER_NAMES[view].items()}
    procedure = next(_lines(engine)).procedure
    frame = {"sop_instance_uid": uid, "index": 0}
    plans.put_plan(engine, procedure, view, corners | {"frame": frame}, at=at, actor="Dr A")


def _act(engine: Any, doing: Doing, at: float) -> None:
    """Somebody at the screen acts on what the screen shows."""
    lines = list(_lines(engine))
    shown = [line.data["alert"] for line in lines if "alert" in line.data]
    about = next((alert["id"] for alert in shown if alert["zone"] == doing.zone), None)
    line = Entry(at=at, type=doing.type, procedure=lines[0].procedure, actor="Dr A", alert=about, data=doing.told)
    Journal(engine).append([line])


def _lines(engine: Any) -> Iterator[Entry]:
    after = 0
    while entries := queries.entries_after(engine, after, limit=500):
        yield from entries
        after = entries[-1].number or after


_STILL = Scene(
    name="contained",
    seed=3,
    size=(256, 256),
    mm_per_px=0.5,
    frame_rate=5.0,
    duration_s=7.0,
    start_s=1.6,
    knots=((6.0, 0.45),),
    motion=Motion(breathing_mm=0.0),
)
_TO_THE_WALL = replace(_STILL, duration_s=9.0, knots=((4.0, 0.7), (6.6, 0.99), (9.0, 1.02)))
_AP = replace(_STILL, view=View.AP, primary_deg=0.0, chain=Chain(kvp=80.0, scatter_to_primary=0.8))


def _leaking(scene: Scene, name: str, kind: LeakKind, at_s: float, **told: Any) -> Scene:
    how = {"speed_mm_s": 7.0, "radius_mm": 1.6, "length_mm": 18.0} | told
    return replace(scene, name=name, leak=Leak(kind=kind, at_s=at_s, **how))


_CANAL = _leaking(_TO_THE_WALL, "canal_leak", LeakKind.CANAL, 6.6)

SCENARIOS: Mapping[str, Scenario] = {
    each.scene.name: each
    for each in (
        Scenario(scene=_STILL),
        Scenario(scene=_CANAL),
        Scenario(scene=_leaking(_TO_THE_WALL, "foramen_leak", LeakKind.FORAMEN, 6.6)),
        Scenario(scene=_leaking(_STILL, "disc_leak", LeakKind.DISC_SUPERIOR, 3.6)),
        Scenario(scene=_leaking(_STILL, "tract_leak", LeakKind.NEEDLE_TRACT, 3.6)),
        Scenario(scene=_leaking(_STILL, "soft_tissue_leak", LeakKind.SOFT_TISSUE_ANTERIOR, 3.6, speed_mm_s=4.0)),
        Scenario(
            scene=_leaking(
                replace(_AP, duration_s=10.0, seed=14, level="T12"), "vein_washout", LeakKind.SEGMENTAL_VEIN, 3.0,
                speed_mm_s=14.0, radius_mm=1.5, length_mm=22.0, washout_s=2.0,
            )
        ),
        Scenario(
            scene=replace(
                _STILL, name="view_swap", duration_s=10.0,
                swings=(Swing(at_s=3.0, view=View.AP, primary_deg=0.0), Swing(at_s=6.5, off_mm=(1.0, -1.0))),
            ),
            is_technical=True,
        ),
        Scenario(
            scene=replace(
                _CANAL, name="pedal_gaps", gaps=(Gap(from_s=3.0, until_s=4.4), Gap(from_s=7.2, until_s=8.0)),
            )
        ),
        Scenario(
            scene=replace(
                _STILL, name="unfit", obstacles=(Obstacle(kind=ObstacleKind.HAND, from_s=3.0, until_s=5.5),),
            ),
            is_technical=True,
        ),
        Scenario(scene=replace(_CANAL, name="late"), held=range(20, 34), late_s=6.0),
        Scenario(
            scene=replace(_CANAL, name="acts", duration_s=10.0, knots=(*_TO_THE_WALL.knots, (10.0, 1.02))),
            acts=(
                Doing(frame=2, type=EntryType.CEMENT_MIXED),
                Doing(frame=7, type=EntryType.INJECTION_STARTED, told={"level": "L1"}),
                Doing(frame=26, type=EntryType.ACKNOWLEDGE, zone="posterior_band"),
                Doing(frame=28, type=EntryType.RESISTANCE),
                Doing(frame=41, type=EntryType.PAUSE, zone="canal", told={"seconds": 1.0}),
                Doing(frame=42, type=EntryType.INJECTION_STOPPED, told={"volume_ml": 2.5}),
                Doing(frame=48, type=EntryType.RESET_ASKED, zone="canal"),
            ),
        ),
    )
}  # fmt: skip
"""Every scenario by its name."""
