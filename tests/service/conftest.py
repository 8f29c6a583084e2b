"""A room under watch: the real app on a real port over a real journal and spool, filled as ``watch`` would fill it."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np
import pytest
import uvicorn
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, XRayAngiographicImageStorage
from sqlalchemy import Engine

from db.arrivals import ArrivalRow, note_arrivals
from db.connect import connect
from db.convert import findings_data
from db.heartbeat import Heartbeat, beat, heartbeats
from db.journal import Journal
from db.procedures import Opening, open_procedure
from detection.vocabulary import (
    ACTS,
    Alert,
    Band,
    Body,
    Condition,
    Corners,
    Entry,
    EntryType,
    Extent,
    Findings,
    Flag,
    Front,
    Interval,
    Kind,
    Mode,
    Origin,
    Piece,
    Priority,
    Seen,
    Side,
    Signal,
    Stamp,
    Validity,
    View,
    Zone,
)
from dicom_gateway.arrival import Origin as ObjectOrigin
from dicom_gateway.spool import Spool
from service.api.app import create_app
from service.api.deps import Deps
from service.bell import Bell
from service.patience import ImpatientProtocol
from service.roles import environment_of
from service.settings import Settings
from tests.conftest import CHECKOUT
from tests.screen import browser, screen  # noqa: F401 - browser is a fixture

T = TypeVar("T")
STUDY = "1.2.826.0.1.3680043.8.498.1"
SIDE_PX = 256
CARD = ".alert[data-id='alert-1']"
"""The card of the alert that ``raise_alert`` raises; another may stand beside it when the analysis falls silent."""
CEMENT = ((118.0, 96.0), (112.0, 130.0), (126.0, 158.0), (148.0, 150.0), (150.0, 104.0))
LEAK = ((120.0, 62.0), (118.0, 84.0), (132.0, 84.0), (134.0, 64.0))
CORNERS = Corners(near_superior=(84, 88), near_inferior=(172, 84), far_superior=(90, 190), far_inferior=(178, 186))
BAND = ((84.0, 88.0), (86.0, 113.0), (174.0, 110.0), (172.0, 84.0))
CANAL = ((84.0, 48.0), (84.0, 88.0), (172.0, 84.0), (172.0, 44.0))


@dataclass
class StudiesOnShelf:
    """A runner of replays whose recorder holds one study; ``roles`` has the real one."""

    known: dict[str, dict[str, Any]] = field(default_factory=dict)

    def start(self, source: str, study: str, speed: float | None) -> str:
        if study == "9.9.9":
            raise LookupError(study)
        if study == "5.0.3":
            raise ConnectionError("the recorder is off")
        id = f"replay-{len(self.known) + 1}"
        self.known[id] = {
            "id": id,
            "source": source,
            "study_instance_uid": study,
            "speed": speed,
            "state": "running",
            "total": 10,
            "sent": 3,
            "queued_at": 1.0,
        }
        return id

    def progress(self, id: str) -> Mapping[str, Any] | None:
        return self.known.get(id)

    def cancel(self, id: str) -> bool:
        if id in self.known:
            self.known[id]["state"] = "cancelled"
        return id in self.known


@dataclass
class Room:
    """What tests do in the place of ``receive`` and ``watch``, and a client that asks over HTTP."""

    deps: Deps
    engine: Engine
    url: str
    client: httpx.Client
    app: Any
    serving: Any
    procedure: str = ""
    n_frames: int = 0
    beat_at: float = 0.0
    beating: dict[str, Any] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)

    def api(self, path: str, **params: Any) -> Any:
        """JSON of a GET that succeeds."""
        response = self.client.get(f"/api/v1/{path}", params=params)
        assert response.status_code == 200, response.text
        return response.json()

    def error(self, response: httpx.Response, status: int) -> dict[str, Any]:
        """The error of an answer, whose shape is the one shape."""
        assert response.status_code == status, response.text
        body = response.json()
        assert set(body) == {"error"}
        assert set(body["error"]) == {"code", "message", "details"}
        return body["error"]

    def open(self, study: str = STUDY, **changes: Any) -> str:
        """A procedure, as the first image of a study opens it."""
        patient = {"name": "CANARY^PATIENT", "id": "CANARY-ID"}
        opening = Opening(at=time.time(), study_instance_uid=study, patient=patient, levels=("L2",), source="CARM1")
        made = open_procedure(self.engine, replace(opening, **changes))
        self.procedure = made.id
        return made.id

    def receive(self, uid: str, picture: np.ndarray | None = None, study: str = STUDY) -> int:
        """Store one object in the spool; its number."""
        part = self.deps.spool.begin()
        part.write(object_bytes(uid, picture if picture is not None else spine()))
        origin = ObjectOrigin(sop_instance_uid=uid, source="CARM1", received_ns=time.time_ns())
        return self.deps.spool.add(part, origin).number

    def see(self, *, picture: np.ndarray | None = None, mode: Mode = Mode.LIVE, **changes: Any) -> Entry:
        """Receive a frame and journal what it says, as ``follow`` does."""
        self.n_frames += 1
        stamp = stamp_of(self.receive(f"1.2.3.{self.n_frames}", picture), f"1.2.3.{self.n_frames}", mode)
        note_arrivals(self.engine, [row_of(stamp, self.procedure)])
        at = stamp.received_at
        seen = seen_of(stamp)
        entry = Entry(
            at=seen.judged_at,
            type=EntryType.FRAME_SEEN,
            procedure=self.procedure,
            source=stamp.source,
            frame=seen,
            times={"image": at - 0.1, "received": at, "decoded": at + 0.05, "judged": at + 0.1, "written": at + 0.11},
            data=findings_data(replace(findings(stamp), **changes)),
        )
        (written,) = self.deps.journal.append([entry])
        self.deps.bell.ring()
        return written

    def tell(self, alert: Alert, type: EntryType, **changes: Any) -> Entry:
        """Journal one transition of an alert."""
        self.alerts[alert.id] = alert
        entry = Entry(
            at=alert.changed_at,
            type=type,
            procedure=alert.procedure,
            source=alert.source,
            alert=alert.id,
            frame=alert.last_frame,
            **changes,
        )
        (written,) = self.deps.journal.append([entry], alerts=[alert])
        self.deps.bell.ring()
        return written

    def raise_alert(self, id: str = "alert-1", **changes: Any) -> Alert:
        """A leak into the canal, seen on the last frame."""
        alert = replace(leak(id, self.procedure, f"1.2.3.{max(self.n_frames, 1)}"), **changes)
        self.tell(alert, EntryType.ALERT_RAISED, from_state="absent", to_state="present", cause="3 of 4 frames")
        return alert

    def caught_up(self) -> None:
        """The server has heard of everything written so far."""

        def hears() -> bool:
            beat = self.app.state.pulse.beat
            return beat.head >= self.deps.journal.head() and beat.sources == heartbeats(self.engine)

        until(hears, "the server follows the journal")

    def beat(self, **changes: Any) -> None:
        """The analysis gives a sign of life for one source."""
        told = replace(heartbeat(self.procedure), **changes)
        self.beat_at, self.beating = told.beat_at, changes
        beat(self.engine, [told], at=told.beat_at)
        self.deps.bell.ring()


def until(ask: Callable[[], T], what: str, limit_s: float = 40.0) -> T:
    """The first answer that is true."""
    give_up = time.monotonic() + limit_s
    while not (answer := ask()):
        assert time.monotonic() < give_up, f"waited in vain until {what}"
        time.sleep(0.05)
    return answer


@pytest.fixture
def page(room, browser) -> Iterator[Any]:  # noqa: F811 - the fixture
    """The screen of the room, nothing opened."""
    with screen(browser, room.url) as page:
        yield page


@pytest.fixture
def room(tmp_path) -> Iterator[Room]:
    with room_at(tmp_path) as room:
        yield room


@contextmanager
def room_at(folder: Path, database_url: str | None = None, **more: Any) -> Iterator[Room]:
    """A room with its journal in this folder, or in the database at this URL."""
    settings = Settings(data_dir=folder / "data", dicom_port=1, database_url=database_url, **more)
    engine = connect(settings.journal_url)
    deps = Deps(
        settings=settings,
        engine=engine,
        journal=Journal(engine),
        spool=Spool(settings.spool_dir),
        bell=Bell(settings.data_dir / "bells"),
        now=time.time,
        replays=StudiesOnShelf(),
        environment=environment_of(settings) | {"PYTHONPATH": str(CHECKOUT)},
    )
    app = create_app(deps)
    serving = Serving(app)
    with serving as url, httpx.Client(base_url=url, timeout=40) as client:
        yield Room(deps=deps, engine=engine, url=url, client=client, app=app, serving=serving)
    engine.dispose()


class Serving:
    """The app on a loopback port, in a thread."""

    def __init__(self, app: Any, port: int = 0) -> None:
        as_served = {"http": ImpatientProtocol, "proxy_headers": False, "server_header": False, "log_config": None}
        config = uvicorn.Config(app, host="127.0.0.1", port=port, timeout_graceful_shutdown=1, **as_served)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)

    def __enter__(self) -> str:
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        return f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        """The port is free again; ending twice is ending once."""
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive(), "the server did not stop"


@pytest.fixture
def watch(room) -> Iterator[None]:
    """An analysis that is awake: it goes on giving signs of life once it gave one, grants what operators ask, and refuses
    to pause what it calls refused.
    """
    stopping = threading.Event()

    def follow() -> None:
        done = room.deps.journal.head()
        with room.deps.bell.listen() as ear:
            while not stopping.is_set():
                ear.wait(0.1)
                if 1.0 < time.time() - room.beat_at < 60.0:
                    room.beat(**room.beating)
                for act in room.deps.journal.acts_since(room.procedure, done) if room.procedure else ():
                    done = act.number
                    if act.type in ANSWERS and act.type in ACTS and act.alert in room.alerts:
                        grant(room, act)

    thread = threading.Thread(target=follow)
    thread.start()
    yield
    stopping.set()
    thread.join(10)


ANSWERS = {
    EntryType.ACKNOWLEDGE: (EntryType.ACKNOWLEDGED, Signal.ACKNOWLEDGED),
    EntryType.PAUSE: (EntryType.PAUSED, Signal.PAUSED),
    EntryType.RESET_ASKED: (EntryType.RESET, Signal.OFF),
}


def grant(room: Room, act: Any) -> None:
    alert = room.alerts[act.alert]
    if alert.signal is Signal.OFF:
        room.tell(alert, EntryType.ACT_REFUSED, cause="the alert is off", actor=act.actor, data={"act": act.number})
        return
    type, signal = ANSWERS[act.type]
    by = act.actor if type is EntryType.ACKNOWLEDGED else None
    room.tell(
        replace(alert, signal=signal, changed_at=time.time(), acknowledged_by=by),
        type,
        actor=act.actor,
        data={"act": act.number},
    )


def stamp_of(number: int, uid: str, mode: Mode) -> Stamp:
    """A frame made 0.2 s ago and received 0.1 s later."""
    now = time.time()
    return Stamp(
        arrival=number,
        sop_instance_uid=uid,
        index=0,
        source="CARM1",
        study_instance_uid=STUDY,
        mode=mode,
        acquired_at=now - 0.2,
        received_at=now - 0.1,
        time_s=now - 0.2,
    )


def row_of(stamp: Stamp, procedure: str) -> ArrivalRow:
    return ArrivalRow(
        number=stamp.arrival,
        source=stamp.source,
        sop_instance_uid=stamp.sop_instance_uid,
        study_instance_uid=STUDY,
        series_instance_uid="1.3",
        mode=stamp.mode,
        received_at=stamp.received_at,
        procedure=procedure,
        n_frames=1,
    )


def seen_of(stamp: Stamp) -> Seen:
    return Seen(
        sop_instance_uid=stamp.sop_instance_uid,
        index=stamp.index,
        acquired_at=stamp.acquired_at,
        received_at=stamp.received_at,
        judged_at=stamp.received_at + 0.1,
    )


def piece_of(stamp: Stamp) -> Piece:
    """A bit of cement beyond the posterior wall."""
    return Piece(
        zone=Zone.CANAL,
        side=Side.POSTERIOR,
        area_px=300.0,
        area_mm2=12.5,
        length_mm=8.0,
        width_mm=2.0,
        tubularity=0.4,
        n_seen=3,
        first_seen=stamp,
        outline=LEAK,
        trust=0.93,
    )


def findings(stamp: Stamp) -> Findings:
    """A fill that nears the posterior wall, with a bit of cement beyond it."""
    body = Body(view=View.LATERAL, corners=CORNERS, origin=Origin.FOUND, trust=0.88, level="L2", mm_per_px=0.33)
    return Findings(
        stamp=stamp,
        view=View.LATERAL,
        scene=1,
        shift_px=(0.4, -0.2),
        is_fit=True,
        flags=frozenset({Flag.LOSSY}),
        trust=0.93,
        shape=(SIDE_PX, SIDE_PX),
        mm_per_px=0.33,
        cement_area_mm2=210.0,
        cement_volume_ml=Band(low=0.8, high=1.3),
        front=Front(
            distance_px=12.0,
            share=0.12,
            distance_mm=4.1,
            depth_mm=33.0,
            speed_mm_s=0.42,
            seconds_to_wall=Interval(value=10.0, low=7.0, high=16.0),
        ),
        pieces=(piece_of(stamp),),
        zones={Zone.CANAL: Extent(area_mm2=12.5, length_mm=8.0, area_px=300.0)},
        zones_watched=(Zone.BODY, Zone.POSTERIOR_BAND, Zone.CANAL, Zone.DISC),
        zones_not_visible=(Zone.VEIN,),
        body=body,
        zone_outlines=((Zone.POSTERIOR_BAND, BAND), (Zone.CANAL, CANAL)),
        cement_outlines=(CEMENT,),
    )


def leak(id: str, procedure: str, uid: str) -> Alert:
    now = time.time()
    seen = Seen(sop_instance_uid=uid, index=0, acquired_at=now - 0.2, received_at=now - 0.1, judged_at=now)
    return Alert(
        id=id,
        procedure=procedure,
        source="CARM1",
        kind=Kind.LEAK,
        zone=Zone.CANAL,
        side=Side.POSTERIOR,
        priority=Priority.HIGH,
        condition=Condition.PRESENT,
        validity=Validity.VALID,
        signal=Signal.ON,
        view=View.LATERAL,
        level="L2",
        mode=Mode.LIVE,
        message="Cement in the spinal canal, L2, lateral view: 12 mm² and growing.",
        first_frame=seen,
        raised_frame=seen,
        last_frame=seen,
        area_mm2=12.5,
        length_mm=8.0,
        distance_to_wall_mm=-1.5,
        speed_mm_s=0.4,
        seconds_to_wall=None,
        volume_ml=Band(low=0.02, high=0.06),
        trust=0.93,
        outline=LEAK,
        raised_at=now,
        changed_at=now,
        acknowledged_by=None,
        technical_cause=None,
    )


def heartbeat(procedure: str) -> Heartbeat:
    now = time.time()
    return Heartbeat(
        source="CARM1",
        procedure=procedure,
        state="watching",
        last_frame_at=now,
        frames_received=12,
        frames_judged=12,
        frames_skipped=0,
        view=View.LATERAL,
        zones_watched=(Zone.BODY, Zone.POSTERIOR_BAND, Zone.CANAL, Zone.DISC),
        zones_not_visible=(Zone.VEIN,),
        flags=(),
        beat_at=now,
    )


def spine() -> np.ndarray:
    """A picture (H, W) uint16 that looks a little like bone: a dense block with cement in it."""
    rng = np.random.default_rng(7)
    picture = rng.normal(2600, 40, (SIDE_PX, SIDE_PX))
    picture[84:175, 86:188] -= 700
    picture[116:150, 98:156] -= 900
    return picture.clip(0, 4095).astype(np.uint16)


def object_bytes(uid: str, picture: np.ndarray) -> bytes:
    """A plain XA object."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = XRayAngiographicImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = uid
    dataset.SOPClassUID, dataset.SOPInstanceUID = XRayAngiographicImageStorage, uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, "1.3"
    dataset.Modality, dataset.PatientName, dataset.PatientID = "XA", "CANARY^PATIENT", "CANARY-ID"
    dataset.Rows, dataset.Columns = picture.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelData = picture.astype("<u2").tobytes()
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()
