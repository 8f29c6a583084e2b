"""The forwarder is ended without a word at every step: nothing is lost, and one copy stays."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from db.deliveries import undelivered
from service.archives import Archive
from tests.archive import seen_archive
from tests.conftest import CHECKOUT
from tests.service.depot import Depot, pacs, until


class Forwarder:
    """One process after another, each of which may be killed."""

    def __init__(self, depot: Depot) -> None:
        told = json.dumps([each.model_dump() for each in depot.archives])
        self._command = [sys.executable, "-m", "tests.service.forwarder", str(depot.folder), told]
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.child = subprocess.Popen(self._command, cwd=CHECKOUT)

    def kill(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child.wait(20)
            self.child = None


@pytest.fixture
def forwarder(tmp_path):
    """Call it with an archive for a depot and its forwarder."""
    made: list[tuple[Depot, Forwarder]] = []

    def build(archive: Archive) -> tuple[Depot, Forwarder]:
        depot = Depot(folder=tmp_path / "data", archives=(archive,))
        made.append((depot, Forwarder(depot)))
        return made[-1]

    yield build
    for depot, process in made:
        process.kill()
        depot.engine.dispose()


def is_done(depot: Depot, n_objects: int) -> bool:
    return not undelivered(depot.engine, range(1, n_objects + 1), ["PACS"])


@pytest.mark.slow
def test_killed_between_objects_orthanc_holds_each_once(forwarder, orthanc):
    depot, process = forwarder(Archive(name="PACS", host="127.0.0.1", port=orthanc.dicom_port, called="ORTHANC"))
    uids = [depot.arrive() for _ in range(25)]
    for n_there in (1, 10):
        process.start()
        until(lambda n=n_there: len(orthanc.get("/instances")) >= n)
        process.kill()
    assert not is_done(depot, len(uids))
    process.start()
    until(lambda: is_done(depot, len(uids)))
    there = orthanc.get("/instances?expand")
    assert sorted(each["MainDicomTags"]["SOPInstanceUID"] for each in there) == sorted(uids)


@pytest.mark.slow
def test_killed_between_the_archives_success_and_the_note_of_it_the_object_is_sent_again_under_its_uid(forwarder):
    with seen_archive() as archive:
        depot, process = forwarder(pacs(archive))
        uids = [depot.arrive() for _ in range(6)]
        killed = []

        def answer(n_before: int) -> int:
            if n_before == 2:
                killed.append(process.kill())
            return 0x0000

        archive.answer = answer
        process.start()
        until(lambda: killed)
        assert not is_done(depot, len(uids))
        process.start()
        until(lambda: is_done(depot, len(uids)))
    assert set(archive.copies) == set(uids)
    assert archive.n_answered == len(uids) + 3, "three were taken and not noted"
