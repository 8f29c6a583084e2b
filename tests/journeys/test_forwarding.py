"""From a C-arm's C-STORE to the archive: real processes, a real Orthanc, and an end without a word in between."""

from __future__ import annotations

import json

import pytest

from db import deliveries
from db.connect import connect
from dicom_gateway.due import Due
from tests.dicom_gateway.objects import image
from tests.journeys.house import House


@pytest.fixture
def outpost(tmp_path):
    """Call it for a house that receives and forwards to this port."""
    made: list[House] = []

    def build(port: int, called: str) -> House:
        archives = [{"name": "PACS", "host": "127.0.0.1", "port": port, "called": called}]
        settings = {"ARCHIVES": json.dumps(archives), "FORWARD_PAUSE_S": "0.5"}
        made.append(House(folder=tmp_path / f"house{len(made)}", settings=settings))
        return made[-1]

    yield build
    for house in made:
        house.end()


def open_outpost(house: House) -> None:
    house.start("receive", "forward")
    house.until(lambda: house.run("echo").returncode == 0, "objects are taken")


def n_delivered(house: House) -> int:
    """Objects that the queue calls delivered."""
    engine = connect(f"sqlite:///{house.folder}/data/journal.sqlite")
    try:
        standing = deliveries.standing(engine, "PACS")
        return 0 if standing.n_waiting else standing.n_delivered
    finally:
        engine.dispose()


@pytest.mark.slow
def test_what_a_device_stores_is_in_orthanc_once_though_the_forwarder_is_killed_on_the_way(outpost, orthanc_at):
    house = outpost(orthanc_at.dicom_port, "ORTHANC")
    open_outpost(house)
    objects = [image() for _ in range(40)]
    house.send(Due(offset_s=0.0, content=each) for each in objects)
    house.until(lambda: orthanc_at.get("/instances"), "the first object is there")
    house.kill("forward")
    house.start("forward")
    house.until(lambda: n_delivered(house) >= len(objects), "the queue is empty")
    there = orthanc_at.get("/instances?expand")
    assert sorted(each["MainDicomTags"]["SOPInstanceUID"] for each in there) == sorted(
        str(each.SOPInstanceUID) for each in objects
    )
