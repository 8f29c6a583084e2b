"""Runs are judged while they arrive, each frame once, whatever ends the transfer or the analysis meanwhile."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from pydicom import dcmread

from db import arrivals, procedures, queries
from db.arrivals import Status
from db.connect import Engine, StoreUnreachable, appending, connect
from db.heartbeat import heartbeats
from detection.phantom.scene import SCENARIOS
from detection.vocabulary import Entry, EntryType
from dicom_gateway import quarantine, sop_classes
from dicom_gateway.arrival import Origin
from dicom_gateway.compose import run_of, study_of
from dicom_gateway.growing import Growing
from dicom_gateway.listener import Listener
from dicom_gateway.spool import Spool
from service.bell import Bell
from service.roles import make_watch
from service.settings import Settings
from service.watch import Watch
from tests.dicom_gateway.objects import data_set_of, saved
from tests.dicom_gateway.raw import until
from tests.dicom_gateway.trickle import Trickle

N_FRAMES = 6
SCENE = replace(
    SCENARIOS["canal_leak"],
    size=(128, 128),
    mm_per_px=1.0,
    frame_rate=3.0,
    start_s=0.5,
    duration_s=2.0,
    knots=((2.0, 0.9),),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of six frames."""
    return saved(run_of(SCENE, started_at=time.time()), tmp_path_factory.mktemp("run") / "run.dcm")


def patiently(is_so: Callable[[], bool]) -> bool:
    """As ``until``, for what waits for a new process on a busy machine."""
    return any(until(is_so) for _ in range(4))


@dataclass(kw_only=True)
class Place:
    """A receiver and an analysis over one spool and one journal; the analysis works when the test lets it."""

    folder: Path
    settings: Settings = field(init=False)
    engine: Engine = field(init=False)
    spool: Spool = field(init=False)
    listener: Listener = field(init=False)
    watch: Watch = field(init=False)
    senders: list[Trickle] = field(default_factory=list)

    def open(self) -> None:
        # long: what a slow disk does to a line is told elsewhere
        self.settings = Settings(data_dir=self.folder, unlogged_after_s=60)
        self.engine = connect(self.settings.journal_url)
        self.spool = Spool(self.settings.spool_dir)
        self.listener = Listener(self.spool, port=0, min_free_bytes=0)
        self.listener.start()
        self.restart_watch()

    def close(self) -> None:
        for each in self.senders:
            each.sock.close()
        self.listener.stop()
        self.engine.dispose()

    def restart_watch(self) -> None:
        """As after its death: nothing but journal, spool and checkpoints is left."""
        self.watch = make_watch(self.settings, self.engine, Bell(self.settings.data_dir / "bells"))

    def sender(self, path: Path) -> Trickle:
        """A device that begins to send a file."""
        self.senders.append(Trickle(self.listener.port, path))
        return self.senders[-1]

    def work_until(self, type: EntryType, n_lines: int = 1) -> None:
        """Let the analysis work until so many lines say so, and on until nothing is left to do."""

        def is_said() -> bool:
            self.watch.turn()
            return len(self.said(type)) >= n_lines

        assert patiently(is_said)
        while self.watch.turn():
            pass
        assert len(self.said(type)) == n_lines

    def said(self, type: EntryType) -> list[Entry]:
        """Lines of the log, in order."""
        return [entry for entry in queries.entries_after(self.engine, 0, None, 1000) if entry.type is type]

    def indices(self) -> list[int]:
        """The frames that were judged, in the order of the log."""
        return [entry.frame.index for entry in self.said(EntryType.FRAME_SEEN)]

    def findings(self) -> list[dict]:
        """What was said of each frame, but under which number."""
        return [{**entry.data, "arrival": None} for entry in self.said(EntryType.FRAME_SEEN)]

    def counts(self) -> tuple[int, int]:
        """Frames received and judged, as after a restart."""
        return arrivals.counts_by_source(self.engine)["ARM1"]


@pytest.fixture
def places(tmp_path) -> Iterator[itertools.count]:
    """Each ``next`` is an installation of its own."""
    made: list[Place] = []

    def build() -> Iterator[Place]:
        while True:
            made.append(Place(folder=tmp_path / f"place{len(made)}"))
            made[-1].open()
            yield made[-1]

    yield build()
    for place in made:
        place.close()


@pytest.fixture
def place(places) -> Place:
    return next(places)


def test_a_frame_is_judged_before_the_next_is_sent_and_none_again_at_the_end(place, run):
    sender = place.sender(run)
    for n_frames in range(1, N_FRAMES):
        sender.send_frames(run, n_frames)
        place.work_until(EntryType.FRAME_SEEN, n_frames)
    assert place.spool.after(0) == []
    assert sender.finish() == 0
    place.work_until(EntryType.FRAME_SEEN, N_FRAMES)
    assert place.indices() == [*range(N_FRAMES)]
    (arrival,) = place.spool.after(0)
    assert data_set_of(arrival.path) == data_set_of(run)
    row = arrivals.find_arrival(place.engine, arrival.number)
    assert (row.status, row.n_judged, row.n_frames) == (Status.DONE, N_FRAMES, N_FRAMES)
    assert place.counts() == (N_FRAMES, N_FRAMES)
    assert place.said(EntryType.OBJECT_INCOMPLETE) == []


def test_what_is_said_early_is_what_would_have_been_said_at_the_end(places, run):
    early, late = next(places), next(places)
    sender = early.sender(run)
    for n_frames in range(1, N_FRAMES):
        sender.send_frames(run, n_frames)
        early.work_until(EntryType.FRAME_SEEN, n_frames)
    sender.finish()
    early.work_until(EntryType.FRAME_SEEN, N_FRAMES)
    late.sender(run).finish()
    late.work_until(EntryType.FRAME_SEEN, N_FRAMES)
    assert early.findings() == late.findings()


def test_what_waited_is_noted_at_once_before_any_of_it_is_judged(place, tmp_path, monkeypatch):
    noted, note = [], arrivals.note_arrivals
    monkeypatch.setattr(arrivals, "note_arrivals", lambda engine, rows: noted.append(len(rows)) or note(engine, rows))
    for n, dataset in enumerate(due.content for due in study_of(replace(SCENE, duration_s=1.0))):
        part = place.spool.begin()
        part.write(saved(dataset, tmp_path / f"{n}.dcm").read_bytes())
        place.spool.add(
            part, Origin(sop_instance_uid=dataset.SOPInstanceUID, source="ARM1", received_ns=time.time_ns())
        )
    place.watch.turn()
    assert noted == [3]
    assert len(arrivals.open_arrivals(place.engine)) == 2
    assert len(place.indices()) == 1


def test_one_that_cannot_be_read_is_noted_after_those_that_came_before_it(place, tmp_path, monkeypatch):
    """A restart goes on after the newest that is noted: none before it may be missing."""
    noted, note = [], arrivals.note_arrivals
    monkeypatch.setattr(
        arrivals, "note_arrivals", lambda engine, rows: noted.extend(row.number for row in rows) or note(engine, rows)
    )
    whole = saved(next(iter(study_of(replace(SCENE, duration_s=1.0)))).content, tmp_path / "whole.dcm").read_bytes()
    for n, content in enumerate((whole, b"no image", whole)):
        part = place.spool.begin()
        part.write(content)
        place.spool.add(part, Origin(sop_instance_uid=f"1.2.{n}", source="ARM1", received_ns=time.time_ns()))
    place.watch.turn()
    assert noted == sorted(noted)
    assert len(noted) == 3


def test_an_act_is_heard_though_the_journal_failed_while_it_was_read(place, tmp_path, monkeypatch):
    """A procedure that was closed opens again with the next image; one whose close was missed would stay closed."""
    images = (
        saved(due.content, tmp_path / "next.dcm").read_bytes() for due in study_of(replace(SCENE, duration_s=1.0))
    )

    def receive(uid: str) -> str:
        part = place.spool.begin()
        part.write(next(images))
        place.spool.add(part, Origin(sop_instance_uid=uid, source="ARM1", received_ns=time.time_ns()))
        while place.watch.turn():
            pass
        return place.said(EntryType.FRAME_SEEN)[-1].procedure

    def fails(*_: object, **__: object) -> None:
        raise StoreUnreachable("it is down")

    procedure = receive("1.2.1")
    procedures.close(place.engine, procedure, at=time.time(), actor="nurse")
    with monkeypatch.context() as down:
        down.setattr(queries, "alerts_after", fails)
        with pytest.raises(StoreUnreachable):
            place.watch.turn()
    place.watch.turn()
    assert receive("1.2.2") == procedure
    assert procedures.procedure(place.engine, procedure).closed_at is None


def test_compressed_frames_too(place, tmp_path):
    path = saved(run_of(SCENE, transfer_syntax=sop_classes.RLE), tmp_path / "run.dcm")
    sender = place.sender(path)
    sender.send_to(len(sender.content) * 2 // 3)
    assert patiently(lambda: bool(place.watch.turn() or place.indices()))
    assert 0 < len(place.indices()) < N_FRAMES
    assert sender.finish() == 0
    place.work_until(EntryType.FRAME_SEEN, N_FRAMES)
    assert place.indices() == [*range(N_FRAMES)]


def test_all_frames_judged_before_the_object_is_whole_are_enough(place, run):
    sender = place.sender(run)
    sender.content += b"\xfc\xff\xfc\xff\x4f\x42\0\0\x02\0\0\0\0\0"  # trailing padding (0xFFFC,FFFC)
    sender.send_frames(run, N_FRAMES)
    place.work_until(EntryType.FRAME_SEEN, N_FRAMES)
    assert place.spool.after(0) == []
    assert sender.finish() == 0
    assert until(lambda: place.watch.turn() or arrivals.newest_arrival(place.engine) == 1)
    assert arrivals.find_arrival(place.engine, 1).status is Status.DONE
    assert place.indices() == [*range(N_FRAMES)]


@pytest.mark.parametrize("n_before", [0, 1, 3])
def test_an_aborted_run_keeps_what_was_judged_and_the_log_says_it_is_incomplete(place, run, n_before):
    sender = place.sender(run)
    sender.send_frames(run, n_before)
    place.work_until(EntryType.FRAME_SEEN, n_before)
    sender.send_frames(run, 4)
    sender.abort()
    place.work_until(EntryType.OBJECT_INCOMPLETE)
    assert place.indices() == [0, 1, 2, 3]
    (line,) = place.said(EntryType.OBJECT_INCOMPLETE)
    assert (line.data["n_judged"], line.data["n_whole"], line.source) == (4, 4, "ARM1")
    assert line.procedure == place.said(EntryType.FRAME_SEEN)[0].procedure
    assert place.spool.after(0) == []
    assert place.counts() == (4, 4)
    place.restart_watch()
    place.watch.turn()
    assert len(place.said(EntryType.OBJECT_INCOMPLETE)) == 1


def test_the_same_object_sent_again_goes_on_where_the_first_transfer_ended(place, run):
    for n_frames in (2, 4):
        sender = place.sender(run)
        sender.send_frames(run, n_frames)
        place.work_until(EntryType.FRAME_SEEN, n_frames)
        sender.abort()
        place.work_until(EntryType.OBJECT_INCOMPLETE, n_frames // 2)
    place.sender(run).finish()
    place.work_until(EntryType.FRAME_SEEN, N_FRAMES)
    assert place.indices() == [*range(N_FRAMES)]
    assert place.counts() == (N_FRAMES, N_FRAMES)
    assert len(place.spool.after(0)) == 1


@pytest.mark.parametrize("n_first", [1, 2])
def test_an_analysis_that_looks_before_the_repetition_has_come_as_far_judges_nothing_twice(place, run, n_first):
    sender = place.sender(run)
    sender.send_frames(run, 3)
    place.work_until(EntryType.FRAME_SEEN, 3)
    sender.abort()
    place.work_until(EntryType.OBJECT_INCOMPLETE)
    again = place.sender(run)
    again.send_frames(run, n_first)
    assert until(lambda: len(list((place.folder / "spool" / "growing").iterdir())) == 1)
    for _ in range(3):
        place.watch.turn()
    again.send_frames(run, 4)
    place.work_until(EntryType.FRAME_SEEN, 4)
    again.finish()
    place.work_until(EntryType.FRAME_SEEN, N_FRAMES)
    assert place.indices() == [*range(N_FRAMES)]
    assert place.counts() == (N_FRAMES, N_FRAMES)


def n_ended(place: Place) -> int:
    """How many transfers lie there that never became whole."""
    growing = Growing(place.spool.folder)
    return sum(map(growing.has_ended, growing.all()))


def send_and_abort(place: Place, path: Path, n_frames: int) -> None:
    """So many frames, and no more."""
    n_before, sender = n_ended(place), place.sender(path)
    sender.send_frames(path, n_frames)
    sender.abort()
    assert until(lambda: n_ended(place) == n_before + 1)


def work_off(place: Place) -> None:
    while place.watch.turn():
        pass


@pytest.mark.parametrize("is_looked_at", [True, False])
@pytest.mark.parametrize("n_second", [1, 2])
def test_a_repetition_that_ends_before_it_has_come_as_far_is_not_judged_again(place, run, n_second, is_looked_at):
    send_and_abort(place, run, 3)
    place.work_until(EntryType.OBJECT_INCOMPLETE)
    again = place.sender(run)
    again.send_frames(run, n_second)
    assert until(lambda: len(Growing(place.spool.folder).all()) == 2)
    if is_looked_at:
        place.watch.turn()
    again.abort()
    assert until(lambda: n_ended(place) == 2)
    if is_looked_at:
        work_off(place)
        place.restart_watch()
    work_off(place)
    assert place.indices() == [0, 1, 2]
    assert len(place.said(EntryType.OBJECT_INCOMPLETE)) == 1
    assert place.counts() == (3, 3)
    assert place.sender(run).finish() == 0
    place.work_until(EntryType.FRAME_SEEN, N_FRAMES)
    assert place.indices() == [*range(N_FRAMES)]
    assert place.counts() == (N_FRAMES, N_FRAMES)


def test_what_ends_early_and_began_otherwise_is_no_repetition(place, run, tmp_path):
    """Its newest frame is the same; the one before it is not."""
    send_and_abort(place, run, 3)
    place.work_until(EntryType.OBJECT_INCOMPLETE)
    changed = dcmread(run)
    changed.PixelData = changed.PixelData[:100] + b"\1" + changed.PixelData[101:]
    send_and_abort(place, saved(changed, tmp_path / "changed.dcm"), 2)
    place.work_until(EntryType.OBJECT_INCOMPLETE, 2)
    assert place.indices() == [0, 1, 2, 0, 1]


def test_another_object_under_the_same_uid_is_judged_from_its_first_frame(place, run, tmp_path):
    sender = place.sender(run)
    sender.send_frames(run, 2)
    place.work_until(EntryType.FRAME_SEEN, 2)
    sender.abort()
    place.work_until(EntryType.OBJECT_INCOMPLETE)
    changed = dcmread(run)
    changed.PixelData = changed.PixelData[:100] + b"\1" + changed.PixelData[101:]
    place.sender(saved(changed, tmp_path / "changed.dcm")).finish()
    place.work_until(EntryType.FRAME_SEEN, 2 + N_FRAMES)
    assert place.indices() == [0, 1, *range(N_FRAMES)]


def test_a_sender_that_tries_again_while_its_first_transfer_hangs_has_each_frame_judged_once(place, run):
    hanging = place.sender(run)
    hanging.send_frames(run, 3)
    place.work_until(EntryType.FRAME_SEEN, 3)
    assert place.sender(run).finish() == 0
    place.work_until(EntryType.FRAME_SEEN, N_FRAMES)
    assert place.indices() == [*range(N_FRAMES)]
    hanging.vanish()
    assert until(lambda: any(map(Growing(place.spool.folder).has_ended, Growing(place.spool.folder).all())))
    place.watch.turn()
    assert place.said(EntryType.OBJECT_INCOMPLETE) == []
    assert place.counts() == (N_FRAMES, N_FRAMES)


@pytest.mark.parametrize("n_at_end", [3, N_FRAMES])
def test_an_analysis_that_dies_meanwhile_judges_nothing_twice_and_loses_nothing(place, run, n_at_end):
    sender = place.sender(run)
    for n_frames in (1, 2, 3):
        sender.send_frames(run, n_frames)
        place.work_until(EntryType.FRAME_SEEN, n_frames)
        place.restart_watch()
    if n_at_end == N_FRAMES:
        assert sender.finish() == 0
        place.restart_watch()
        place.work_until(EntryType.FRAME_SEEN, N_FRAMES)
    else:
        sender.abort()
        place.restart_watch()
        place.work_until(EntryType.OBJECT_INCOMPLETE)
    assert place.indices() == [*range(n_at_end)]


def test_a_case_recalled_from_early_frames_says_the_same_of_the_next(places, run):
    steady, recalled = next(places), next(places)
    for place in (steady, recalled):
        sender = place.sender(run)
        sender.send_frames(run, 4)
        place.work_until(EntryType.FRAME_SEEN, 4)
        assert until(lambda place=place: not place.watch.turn() and bool(heartbeats(place.engine)))
        assert sender.finish() == 0
        if place is recalled:
            for path in (place.settings.data_dir / "checkpoints").iterdir():
                path.unlink()
            place.restart_watch()
        place.work_until(EntryType.FRAME_SEEN, N_FRAMES)
    assert steady.findings() == recalled.findings()


def packed_still(path: Path) -> Path:
    """One frame in JPEG-LS."""
    dataset = next(study_of(SCENE, started_at=time.time())).content
    dataset.compress(sop_classes.JPEG_LS, generate_instance_uid=False)
    return saved(dataset, path)


def decoder_of(place: Place) -> int:
    """The process that decodes for the only source that needs one."""
    (lane,) = place.watch._lanes._lanes.values()
    return lane.decoder._child.pid


def test_a_source_whose_decoder_hangs_delays_no_other_and_its_object_lies_aside(place, run, tmp_path):
    place.sender(packed_still(tmp_path / "first.dcm")).finish()
    place.work_until(EntryType.FRAME_SEEN, 1)
    decoder = decoder_of(place)
    os.kill(decoder, signal.SIGSTOP)
    place.sender(packed_still(tmp_path / "second.dcm")).finish()
    Trickle(place.listener.port, run, calling="ARM2").finish()
    place.work_until(EntryType.FRAME_SEEN, 1 + N_FRAMES)
    assert place.said(EntryType.FRAME_FAILED) == []
    os.kill(decoder, signal.SIGKILL)
    place.work_until(EntryType.FRAME_FAILED)
    (failed,) = place.said(EntryType.FRAME_FAILED)
    (note,) = quarantine.notes(place.spool.quarantined)
    assert (note.reason, note.arrival) == (failed.cause, failed.data["arrival"]) == ("decoding ended the decoder", 2)
    place.sender(packed_still(tmp_path / "third.dcm")).finish()
    place.work_until(EntryType.FRAME_SEEN, 2 + N_FRAMES)


def test_a_run_that_leaves_no_trace_is_told_as_incomplete(place, run):
    sender = place.sender(run)
    sender.send_frames(run, 2)
    place.work_until(EntryType.FRAME_SEEN, 2)
    (left,) = Growing(place.spool.folder).all()
    left.path.unlink()
    place.work_until(EntryType.OBJECT_INCOMPLETE)
    (line,) = place.said(EntryType.OBJECT_INCOMPLETE)
    assert (line.data["n_judged"], line.data["n_whole"]) == (2, None)
    sender.vanish()


def order_of(place: Place) -> list[int]:
    """The objects whose frames were judged, frame by frame."""
    return [entry.data["arrival"] for entry in place.said(EntryType.FRAME_SEEN)]


def test_a_run_on_its_way_in_waits_for_no_stored_one_that_has_not_begun(place, run, tmp_path):
    for name in ("first", "second"):
        place.sender(saved(run_of(SCENE), tmp_path / f"{name}.dcm")).finish()
    while len(place.said(EntryType.FRAME_SEEN)) < 1:
        place.watch.turn()
    sender = place.sender(run)
    sender.send_frames(run, 2)
    assert patiently(lambda: bool(Growing(place.spool.folder).all()))
    place.work_until(EntryType.FRAME_SEEN, 2 * N_FRAMES + 2)
    (growing,) = Growing(place.spool.folder).all()
    assert order_of(place) == [1] * N_FRAMES + [growing.number] * 2 + [2] * N_FRAMES
    sender.vanish()


def n_judged_after_a_turn(place: Place) -> int:
    """Frames judged, written or not."""
    place.watch.turn()
    return place.watch._lines["ARM1"].n_judged


def test_a_run_is_judged_on_while_the_journal_is_stuck_and_no_frame_twice(place, run):
    sender = place.sender(run)
    sender.send_frames(run, 2)
    place.work_until(EntryType.FRAME_SEEN, 2)
    with appending(place.engine):
        sender.send_frames(run, 4)
        assert patiently(lambda: n_judged_after_a_turn(place) == 4)
        assert sender.finish() == 0
        assert patiently(lambda: n_judged_after_a_turn(place) == N_FRAMES)
        assert place.indices() == [0, 1]
    place.work_until(EntryType.FRAME_SEEN, N_FRAMES)
    assert place.indices() == [*range(N_FRAMES)]
    (arrival,) = place.spool.after(0)
    row = arrivals.find_arrival(place.engine, arrival.number)
    assert (row.status, row.n_judged, row.n_frames) == (Status.DONE, N_FRAMES, N_FRAMES)
