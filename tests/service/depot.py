"""A data folder with a spool and a queue, whose forwarder runs step by step on a clock of the test's own."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.filewriter import dcmwrite

from db import deliveries
from db.connect import connect
from dicom_gateway.arrival import Origin
from dicom_gateway.spool import Spool
from service.archives import Archive
from service.forward import Courier, Feeder, carrier_of
from service.settings import Settings
from tests.archive import SeenArchive
from tests.dicom_gateway.objects import image


@dataclass(kw_only=True)
class Depot:
    """A spool with a queue, and a clock of its own."""

    folder: Path
    archives: tuple[Archive, ...]
    now: float = 1000.0
    n_arrived: int = field(default=0)

    def __post_init__(self) -> None:
        self.settings = Settings(data_dir=self.folder, archives=self.archives)
        self.engine = connect(self.settings.journal_url)
        self.spool = Spool(self.settings.spool_dir)

    def arrive(self, dataset=None, *, replay: str | None = None) -> str:
        """Store an object as the listener would; its SOP Instance UID."""
        dataset = image() if dataset is None else dataset
        content = io.BytesIO()
        dcmwrite(content, dataset, enforce_file_format=True)
        part = self.spool.begin()
        part.write(content.getvalue())
        uid = str(dataset.SOPInstanceUID)
        self.spool.add(part, Origin(sop_instance_uid=uid, source="ARM1", received_ns=self.n_arrived, replay=replay))
        self.n_arrived += 1
        return uid

    def feed(self) -> int:
        return Feeder(self.settings, self.engine, self.spool).step(self.now)

    def courier(self, name: str = "PACS") -> Courier:
        (archive,) = [each for each in self.archives if each.name == name]
        return Courier(archive, self.settings, self.engine, carrier_of(archive, self.settings))

    def send(self, n_turns: int = 1, courier: Courier | None = None) -> list[float]:
        """So many turns of a courier; the pauses it asked for, each waited for on our clock."""
        courier = courier or self.courier()
        pauses = []
        for _ in range(n_turns):
            pauses.append(courier.turn(lambda: self.now))
            self.now += pauses[-1]
        courier._carrier.rest()
        return pauses

    def standing(self, name: str = "PACS"):
        return deliveries.standing(self.engine, name)


def pacs(archive: SeenArchive, **more) -> Archive:
    return Archive(name="PACS", host="127.0.0.1", port=archive.port, called="PACS", **more)


def until(ask, limit_s: float = 30.0) -> None:
    give_up = time.monotonic() + limit_s
    while not ask():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.02)
