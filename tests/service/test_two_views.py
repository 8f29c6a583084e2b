"""A leak that two planes show, through the real watch: one alert, also after a restart, and what neither plane shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from db import plans, queries
from db.landmarks import CORNER_NAMES
from detection.phantom.scene import Scene
from detection.vocabulary import Entry, EntryType, Kind
from dicom_gateway.spool import Origin
from service.roles import make_watch
from tests.golden.theatre import BEGAN, SCENARIOS
from tests.journeys.scenes import Recording, record
from tests.service.conftest import Room, room_at

STUDY = "2.25.20261130.2"
LATERAL: Scene = SCENARIOS["disc_leak"].scene
AP = replace(
    SCENARIOS["vein_washout"].scene,
    seed=LATERAL.seed,
    level=LATERAL.level,
    duration_s=LATERAL.duration_s,
    leak=LATERAL.leak,
)
PLANES = {"PLANE_A": LATERAL, "PLANE_B": AP}
ALERTS = (EntryType.ALERT_RAISED, EntryType.ALERT_CHANGED, EntryType.ALERT_WORSENED, EntryType.ALERT_ENDED)


class Stage:
    """Two planes before one watch, on a clock that stands between frames."""

    def __init__(self, room: Room, recordings: dict[str, Recording]) -> None:
        self.room, self.recordings = room, recordings
        self.now = BEGAN
        self.restart()

    def restart(self) -> None:
        """Another process takes up the work."""
        self.watch = make_watch(self.room.deps.settings, self.room.engine, self.room.deps.bell, lambda: self.now)

    def lose_checkpoints(self, n_kept: int) -> None:
        """Of what was kept on the disk only so much is left."""
        kept = sorted((self.room.deps.settings.data_dir / "checkpoints").iterdir())
        assert len(kept) == len(PLANES)
        for path in kept[n_kept:]:
            path.unlink()

    def play(self, *, restart_at: int | None = None, n_kept: int = 0) -> None:
        """All frames in the order of their time, both planes in turn; landmarks are set on the first of each."""
        lines = [
            (item.offset_s, source, index, item)
            for source, each in self.recordings.items()
            for index, item in enumerate(each.due())
        ]
        for n, (offset_s, source, index, item) in enumerate(sorted(lines, key=lambda line: line[:2])):
            if n == restart_at:
                self.watch.close()
                self.lose_checkpoints(n_kept)
                self.restart()
            uid = next(uid for uid, place in self.recordings[source].index_of.items() if place == index)
            self.now = BEGAN + offset_s
            part = self.room.deps.spool.begin()
            part.write(Path(str(item.content)).read_bytes())
            self.room.deps.spool.add(part, Origin(sop_instance_uid=uid, source=source, received_ns=int(self.now * 1e9)))
            while self.watch.turn():
                pass
            if index == 0:
                self.agree(source, uid)
        self.now += 0.6
        self.watch.turn()
        self.watch.close()

    def agree(self, source: str, uid: str) -> None:
        """Somebody sets the landmarks of one view."""
        told = self.recordings[source]
        corners = {theirs: told.corners[0][ours] for ours, theirs in CORNER_NAMES[told.scene.view].items()}
        frame = {"frame": {"sop_instance_uid": uid, "index": 0}}
        procedure = self.log()[0].procedure
        plans.put_plan(self.room.engine, procedure, told.scene.view, corners | frame, at=self.now, actor="Dr A")

    def log(self, *types: EntryType) -> list[Entry]:
        """The journal."""
        lines = queries.entries_after(self.room.engine, 0, limit=1000)
        return [line for line in lines if not types or line.type in types]

    def told(self) -> list[tuple]:
        """What was said of alerts, by whose evidence."""
        return [
            (
                line.type,
                line.source,
                line.cause,
                line.to_state,
                line.data["alert"]["zone"],
                line.data["alert"]["message"],
            )
            for line in self.log(*ALERTS)
        ]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> dict[str, Recording]:
    return {
        source: record(scene, tmp_path_factory.mktemp(source), study_uid=STUDY, started_at=BEGAN)
        for source, scene in PLANES.items()
    }


@pytest.fixture(scope="module")
def played(tmp_path_factory, recordings):
    with room_at(tmp_path_factory.mktemp("room")) as room:
        stage = Stage(room, recordings)
        stage.play()
        yield stage


def test_a_leak_that_both_planes_show_is_told_once(played):
    (leak,) = [line for line in played.log(EntryType.ALERT_RAISED) if line.data["kind"] == Kind.LEAK]
    joined = [line for line in played.log(EntryType.ALERT_CHANGED) if "too" in (line.cause or "")]
    assert (leak.source, leak.data["zone"]) == ("PLANE_A", "disc")
    assert [(line.source, line.alert, line.cause) for line in joined] == [
        ("PLANE_B", leak.alert, "seen in the AP view too")
    ]


def test_a_client_sees_both_views_of_it(played):
    (alert,) = [each for each in played.room.api("alerts")["items"] if each["kind"] == "leak"]
    witnesses = {each["source"]: each for each in alert["witnesses"]}
    assert {source: each["view"] for source, each in witnesses.items()} == {"PLANE_A": "lateral", "PLANE_B": "ap"}
    for source, each in witnesses.items():
        assert each["condition"] == "present"
        assert each["area_mm2"] > 0
        assert each["last_frame"]["sop_instance_uid"] in played.recordings[source].index_of
    assert "Also in the AP view: superior" in alert["message"]


def test_a_client_sees_which_zones_no_view_shows_and_when_each_view_was_seen(played):
    for source in played.room.api("alerts")["sources"]:
        assert {each["view"] for each in source["views"]} == {"lateral", "ap"}
        assert source["zones_blind"] == []
        hidden = {
            zone: [each["source"] for each in source["views"] if zone in each["zones_shown"]]
            for zone in source["zones_not_visible"]
        }
        assert all(shown_by for shown_by in hidden.values())


@pytest.mark.parametrize(("kept", "later"), [(2, 4), (1, -1), (0, -1)])
def test_a_restart_about_the_onset_tells_nothing_twice_and_forgets_no_view(tmp_path, played, recordings, kept, later):
    """With the checkpoints of both planes, of one of them, and of none; some frames later, or before it is seen often enough."""
    (leak,) = [line for line in played.log(EntryType.ALERT_RAISED) if line.data["kind"] == Kind.LEAK]
    at = [line.frame for line in played.log(EntryType.FRAME_SEEN)].index(leak.frame) + later
    with room_at(tmp_path, checkpoint_every_s=0.1) as room:
        again = Stage(room, recordings)
        again.play(restart_at=at, n_kept=kept)
        assert again.told() == played.told()
