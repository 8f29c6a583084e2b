"""The whole system under mixed live sources for long: memory, threads and files of each role, and every frame counted.

``python -m tests.speed.soak --seconds 3600``. Three devices send one procedure after another to the real system: single
images as they are, single images in lossless JPEG, and multi-frame runs of 8 bits. An operator acknowledges and closes, a
real Orthanc is the archive, retention is on; every few seconds each role is looked at through /proc. Exit status 1 when
a frame is missing anywhere, a role was started again or, after ten minutes or more, its memory grew by more than 5 % or
its threads or files became more.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import PYDICOM_ROOT_UID, JPEGLSLossless
from sqlalchemy import func, select

from db.connect import connect, reading
from db.deliveries import Stage
from db.forward_tables import DELIVERY
from dicom_gateway.due import Due
from dicom_gateway.sender import send
from tests.conftest import Orthanc, orthanc_running
from tests.journeys.house import House
from tests.speed.figures import median
from tests.speed.reel import Reel, draw

ROLES = ("receive", "watch", "serve", "forward")
EVERY_S = 5.0
LONG_S = 600.0
"""A shorter soak is still warming up: what it holds is told, not judged."""
MOST_GROWN = 0.05
ARCHIVE_MB = 3000
"""The archive keeps the newest: an hour is some fifty GB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What one source sends: ``rate`` frames a second, ``n_frames`` of them in each object."""

    name: str
    rate: float
    n_frames: int
    pack: Callable[[Dataset, int], None]

    @property
    def mode(self) -> str:
        """How its procedures are judged: a run comes when it is over."""
        return "live" if self.n_frames == 1 else "post_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One role at one moment."""

    pid: int
    rss_mb: float
    n_threads: int
    n_files: int


@dataclass(slots=True, kw_only=True)
class Soak:
    """What was sent and seen. ``run_s``: length of one procedure; ``n_sent``: objects by device and study."""

    run_s: float
    n_sent: dict[tuple[str, str], int] = field(default_factory=dict)
    n_refused: int = 0
    n_acknowledged: int = 0
    looks: dict[str, list[Look]] = field(default_factory=lambda: {role: [] for role in ROLES})


def _as_it_is(_: Dataset, __: int) -> None:
    """Single images of 16 bits, explicit little endian."""


def _jpeg_ls(image: Dataset, _: int) -> None:
    image.compress(JPEGLSLossless, generate_instance_uid=False)


def _run(image: Dataset, n_frames: int) -> None:
    pixels = np.frombuffer(image.PixelData, np.uint16) >> (image.BitsStored - 8)
    image.BitsAllocated, image.BitsStored, image.HighBit = 8, 8, 7
    image.NumberOfFrames, image.FrameTime, image.FrameIncrementPointer = n_frames, "133", 0x00181063
    image.PixelData = pixels.astype(np.uint8).tobytes() * n_frames


DEVICES = (
    Device(name="ROOM1", rate=10.0, n_frames=1, pack=_as_it_is),
    Device(name="ROOM2", rate=7.5, n_frames=1, pack=_jpeg_ls),
    Device(name="ROOM3", rate=7.5, n_frames=50, pack=_run),
)


def main(words: Sequence[str] | None = None) -> int:
    """Soak, report, and say whether anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--run", type=float, default=30.0, help="length of one procedure; s")
    parser.add_argument("--px", type=int, default=512)
    wanted = parser.parse_args(words)
    folder = Path(tempfile.mkdtemp(prefix="cementwatch-soak-"))
    (folder / "archive").mkdir()
    soak = Soak(run_s=wanted.run)
    told = {"MaximumStorageSize": ARCHIVE_MB, "OverwriteInstances": False}
    try:
        with orthanc_running(folder / "archive", **told) as archive:
            house = House(folder=folder / "house", settings=_settings(archive))
            try:
                house.open("all")
                _play(house, soak, draw(wanted.px, round(wanted.run * DEVICES[0].rate)), wanted.seconds)
                return _report(house, soak, archive, is_long=wanted.seconds >= LONG_S)
            finally:
                house.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settings(archive: Orthanc) -> dict[str, str]:
    there = {"name": "PACS", "host": archive.host, "port": archive.dicom_port, "called": archive.aet}
    return {"ARCHIVES": json.dumps([there]), "KEEP_DAYS": "0.0001"}


def _play(house: House, soak: Soak, reel: Reel, seconds: float) -> None:
    """All devices at once, with an operator, looked at until the last has ended."""
    until = time.monotonic() + seconds
    senders = [threading.Thread(target=_feed, args=(house, soak, device, reel, until)) for device in DEVICES]
    over = threading.Event()
    operator = threading.Thread(target=_operate, args=(house, soak, over))
    for each in (*senders, operator):
        each.start()
    try:
        while any(sender.is_alive() for sender in senders):
            time.sleep(EVERY_S)
            _look(house, soak)
    finally:
        over.set()
        operator.join()


def _feed(house: House, soak: Soak, device: Device, reel: Reel, until: float) -> None:
    """One procedure after another at the device's pace, each closed once it has been judged."""
    n_runs = 0
    n_objects = max(1, round(device.rate * soak.run_s / device.n_frames))
    while time.monotonic() < until:
        n_runs += 1
        folder = house.folder / f"{device.name}-{n_runs}"
        paths = reel.write(folder, n_objects)
        study = _pack(device, paths)
        pause_s = device.n_frames / device.rate
        due = [Due(offset_s=number * pause_s, content=path) for number, path in enumerate(paths)]
        soak.n_sent[device.name, study] = 0
        for sent in send(due, house.peer(device.name), speed=1.0, clock=time.time, sleep=time.sleep):
            soak.n_sent[device.name, study] += 1
            soak.n_refused += sent.status != 0
        shutil.rmtree(folder)
        judged = house.wait_judged(study, n_objects * device.n_frames, device.mode, limit_s=600.0)
        house.tell(f"/procedures/{judged['id']}/close").raise_for_status()


def _pack(device: Device, paths: Sequence[Path]) -> str:
    """Make the device's own objects of those in ``paths``, of a patient of their own; their study."""
    study = ""
    for path in paths:
        image = dcmread(path)
        study = str(image.StudyInstanceUID)
        image.PatientID = study[-16:]  # an archive that is full forgets its oldest patient
        device.pack(image, device.n_frames)
        image.save_as(path, enforce_file_format=True)
    return study


def _operate(house: House, soak: Soak, over: threading.Event) -> None:
    """Acknowledge every alert, as it comes; once more when all is over, for retention waits for it."""
    after, is_last = 0, False
    while not is_last:
        is_last = over.wait(EVERY_S)
        page = house.ask("/alerts", after=after, limit=500)
        for alert in page["items"]:
            if alert["acknowledged_by"] is None:
                soak.n_acknowledged += house.tell(f"/alerts/{alert['id']}/acknowledge").is_success
        after = page["next_after"]


def _look(house: House, soak: Soak) -> None:
    for role in ROLES:
        pid = house.pid_of(role)
        place = Path(f"/proc/{pid}")
        try:
            told = dict(line.split(":", 1) for line in (place / "status").read_text(encoding="ascii").splitlines())
            n_files = len(list((place / "fd").iterdir()))
        except OSError:
            continue
        rss_mb = int(told["VmRSS"].split()[0]) / 1024
        soak.looks[role].append(Look(pid=pid or 0, rss_mb=rss_mb, n_threads=int(told["Threads"]), n_files=n_files))


def _report(house: House, soak: Soak, archive: Orthanc, *, is_long: bool) -> int:
    """Print what became of it; 0 when every frame is accounted for and no role grew or was started again."""
    faults = [f"{soak.n_refused} objects were refused"] if soak.n_refused else []
    for device in DEVICES:
        faults += _account(house, soak, device)
    faults += _forwarded(house, soak, archive)
    for role in ROLES:
        faults += _weigh(role, soak.looks[role], is_long=is_long)
    if PYDICOM_ROOT_UID in house.log.read_text(encoding="utf-8"):
        faults.append("the log names objects by their UIDs")
    print(f"alerts acknowledged {soak.n_acknowledged}; images left in the spool {_n_in_spool(house)}")
    print("every frame accounted for, nothing grew" if not faults else "NOT whole: " + "; ".join(faults))
    return 1 if faults else 0


def _account(house: House, soak: Soak, device: Device) -> Iterator[str]:
    """Frames sent, received, journaled and judged of one device, which must be the same number."""
    sent = {study: n * device.n_frames for (name, study), n in soak.n_sent.items() if name == device.name}
    n_sent = sum(sent.values())
    counts = [house.ask(f"/procedures/{house.procedure(study, device.mode)['id']}")["counts"] for study in sent]
    n_journaled = sum(each["frames"] for each in counts)
    n_failed = sum(each["frames_failed"] for each in counts)
    state = house.source(device.name)
    n_received, n_judged = state["frames_received"], state["frames_judged"]
    print(
        f"{device.name}: {len(sent)} procedures, frames sent {n_sent}, received {n_received}, journaled {n_journaled}, "
        f"judged {n_judged}, failed {n_failed}, passed over at first {state['frames_skipped']}"
    )
    if {n_received, n_journaled, n_judged} != {n_sent} or n_failed:
        yield f"frames of {device.name} differ"


def _forwarded(house: House, soak: Soak, archive: Orthanc) -> Iterator[str]:
    """Objects that the archive has taken, which must be all that were sent."""
    n_sent = sum(soak.n_sent.values())
    wanted = (DELIVERY.c.arrival.is_not(None), DELIVERY.c.state == str(Stage.STORED))
    engine = connect(f"sqlite:///{house.folder / 'data' / 'journal.sqlite'}")

    def n_stored() -> int:
        with reading(engine) as connection:
            return int(connection.execute(select(func.count()).select_from(DELIVERY).where(*wanted)).scalar_one())

    house.until(lambda: n_stored() >= n_sent, "every object is forwarded")
    house.until(lambda: house.ask("/forwarding")["items"][0]["delivered"] > n_sent, "findings follow")
    (state,) = house.ask("/forwarding")["items"]
    n_there = archive.get("/statistics")["CountInstances"]
    print(f"objects sent {n_sent}, forwarded {n_stored()}, refused {state['refused']}; the archive holds {n_there} now")
    if n_stored() != n_sent or state["refused"]:
        yield "objects of the archive differ"
    engine.dispose()


def _weigh(role: str, looks: Sequence[Look], *, is_long: bool) -> Iterator[str]:
    """What a role holds: the last third of the time against the one before, and how often it was started."""
    third = max(1, len(looks) // 3)
    parts = looks[third : 2 * third] or looks, looks[-third:]
    held = {
        what: [of([float(getattr(each, what)) for each in part]) for part in parts] for what, (_, of) in HELD.items()
    }
    grown = held["rss_mb"][1] / max(held["rss_mb"][0], 1e-9) - 1.0
    n_starts = len({look.pid for look in looks})
    told = ", ".join(f"{word} {held[what][0]:.0f} -> {held[what][1]:.0f}" for what, (word, _) in HELD.items())
    print(f"{role:8} {told} (middle third to last; memory {grown:+.1%}), starts {n_starts}")
    if n_starts != 1:
        yield f"{role} was started {n_starts} times"
    has_more = any(held[what][1] > held[what][0] for what in ("n_threads", "n_files"))
    if is_long and (grown > MOST_GROWN or has_more):
        yield f"{role} grew"


HELD: dict[str, tuple[str, Callable[[Sequence[float]], float]]] = {
    "rss_mb": ("memory/MB", median),
    "n_threads": ("threads at least", min),  # those of open associations come and go; what is lost stays
    "n_files": ("files at least", min),
}


def _n_in_spool(house: House) -> int:
    return len(list((house.folder / "data").glob("spool/**/*.dcm")))


if __name__ == "__main__":
    sys.exit(main())
