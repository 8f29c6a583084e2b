"""Forwarding: every object reaches every archive, one copy, whatever the archive does in the meantime."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from db import deliveries
from db.deliveries import RIVAL, Stage
from dicom_gateway import sop_classes
from service.archives import Archive
from service.forward import Forwarding, enqueue_files, pause_s
from service.retention import Retention
from service.settings import Settings
from service.standing import in_trouble
from tests.archive import SeenArchive, seen_archive
from tests.conftest import missing, orthanc_settings, program, running, unused_port, wait_until
from tests.dicom_gateway.objects import image, saved, with_meta
from tests.service.depot import Depot, pacs, until


@pytest.fixture
def depot(tmp_path):
    """Call it for a depot that forwards to these archives."""
    made: list[Depot] = []

    def build(*archives: Archive) -> Depot:
        made.append(Depot(folder=tmp_path / f"data{len(made)}", archives=archives))
        return made[-1]

    yield build
    for each in made:
        each.engine.dispose()


def test_every_object_arrives_once_and_a_replay_is_not_sent_back(depot):
    with seen_archive() as archive:
        house = depot(pacs(archive))
        uids = [house.arrive() for _ in range(5)]
        house.arrive(replay="abc")
        assert house.feed() == 6
        house.send()
        assert house.feed() == 0
        house.send()
    assert archive.copies == dict.fromkeys(uids, 1)
    assert (house.standing().n_waiting, house.standing().n_delivered) == (0, 5)


def test_an_archive_that_is_added_later_gets_what_is_still_in_the_spool(depot):
    with seen_archive() as archive:
        house = depot(pacs(archive))
        uids = {house.arrive(), house.arrive()}
        house.feed()
        late = Archive(name="VNA", host="127.0.0.1", port=archive.port, called="PACS")
        later = replace(house, archives=(*house.archives, late))
        later.feed()
        assert {each.sop_instance_uid for each in deliveries.due(later.engine, "VNA", 2000.0, 10)} == uids
        assert later.standing().n_waiting == 2, "the first archive's queue stays as it was"
        later.engine.dispose()


def test_an_outage_is_waited_out_with_growing_pauses_and_nothing_is_lost(depot):
    archive = SeenArchive()
    house = depot(pacs(archive))
    uids = [house.arrive() for _ in range(3)]
    house.feed()
    courier = house.courier()
    pauses = house.send(12, courier)
    assert pauses == [pause_s(n, 300.0) for n in range(1, 13)]
    assert (pauses[0], pauses[-1]) == (1.0, 300.0)
    standing = house.standing()
    assert (standing.n_waiting, standing.reason) == (3, "the peer does not answer")
    assert [each.attempts for each in deliveries.due(house.engine, "PACS", house.now, 9)] == [0, 0, 0], (
        "it was not asked"
    )
    assert in_trouble(standing, house.now, house.settings) is not None
    assert in_trouble(standing, 1100.0, house.settings) is None
    archive.open()
    house.send(1, courier)
    archive.close()
    assert archive.copies == dict.fromkeys(uids, 1)
    assert in_trouble(house.standing(), house.now + 5000.0, house.settings) is None


@pytest.mark.parametrize(
    ("status", "n_attempts", "reason"),
    [
        (0xA900, 1, "the archive says that it does not match its SOP class"),
        (0x0117, 1, "the archive calls the instance invalid"),
        (0xC000, 3, "the archive cannot understand it"),
    ],
)
def test_a_refusal_for_good_is_told_and_stops_no_other_object(depot, status, n_attempts, reason):
    bad = image()
    with seen_archive() as archive:
        archive.answer = lambda n: status if n == 0 or n >= 3 else 0x0000
        house = depot(pacs(archive))
        for each in (bad, image(), image()):
            house.arrive(each)
        house.feed()
        house.send(8)
    (refused,) = deliveries.refused(house.engine, "PACS")
    assert (refused.sop_instance_uid, refused.status, refused.attempts, refused.reason) == (
        bad.SOPInstanceUID,
        status,
        n_attempts,
        reason,
    )
    assert archive.copies.total() == 2
    assert "refused 1" in in_trouble(house.standing(), house.now, house.settings)


def test_an_archive_that_is_full_is_left_alone_after_three_objects(depot):
    with seen_archive() as archive:
        archive.answer = lambda n: 0xA700 if n < 3 else 0x0000
        house = depot(pacs(archive))
        uids = [house.arrive() for _ in range(6)]
        house.feed()
        (pause,) = house.send(1)
        assert (pause, archive.n_answered) == (1.0, 3)
        assert house.standing().reason == "the archive is out of resources"
        house.now += 10.0
        house.send(1)
    assert archive.copies == dict.fromkeys(uids, 1)


def test_an_archive_that_takes_only_the_default_syntax_gets_it_and_of_a_class_it_lacks_it_is_told_so(depot):
    odd = with_meta(image(SOPClassUID=sop_classes.XRF))
    with seen_archive(classes=(sop_classes.XA,), syntaxes=(sop_classes.IMPLICIT_LE,)) as archive:
        house = depot(pacs(archive))
        uid = house.arrive()
        house.arrive(odd)
        house.feed()
        house.send(2)
    assert archive.copies == {uid: 1}
    assert [each.sop_instance_uid for each in deliveries.refused(house.engine, "PACS")] == [odd.SOPInstanceUID]


def test_a_second_object_of_one_uid_waits_for_a_person_instead_of_replacing_the_first(depot):
    first = image()
    other = image(SOPInstanceUID=first.SOPInstanceUID)
    with seen_archive() as archive:
        house = depot(pacs(archive))
        house.arrive(first)
        house.arrive(other)
        house.feed()
        house.send(2)
    assert archive.copies == {first.SOPInstanceUID: 1}
    assert [each.reason for each in deliveries.refused(house.engine, "PACS")] == [RIVAL]


def test_objects_of_our_own_go_through_the_same_queue(depot):
    with seen_archive() as archive:
        house = depot(pacs(archive))
        folder = house.folder / "results"
        folder.mkdir()
        path = saved(image(), folder / "own.dcm")
        assert enqueue_files(house.engine, house.folder, [path], ["PACS"], at=house.now) == 1
        assert enqueue_files(house.engine, house.folder, [path], ["PACS"], at=house.now) == 0
        house.send()
        assert archive.copies.total() == 1
        path.unlink()
        enqueue_files(house.engine, house.folder, [saved(image(), folder / "gone.dcm")], ["PACS"], at=house.now)
        (folder / "gone.dcm").unlink()
        house.send()
    (gone,) = deliveries.refused(house.engine, "PACS")
    assert gone.reason == "the object is no longer in the data folder"


def test_a_slow_archive_delays_no_other(depot):
    release = threading.Event()

    def wait(_: int) -> int:
        release.wait(30)
        return 0x0000

    with seen_archive(answer=wait) as slow, seen_archive() as quick:
        brisk = Archive(name="VNA", host="127.0.0.1", port=quick.port, called="PACS")
        house = depot(pacs(slow), brisk)
        uids = [house.arrive() for _ in range(4)]
        forwarding = Forwarding(house.settings, house.engine, house.spool, time.time)
        forwarding.start()
        forwarding.feed()
        until(lambda: len(quick.copies) == 4)
        assert slow.copies.total() == 0
        release.set()
        until(lambda: house.standing().n_delivered == 4)
        forwarding.stop()
    assert quick.copies == slow.copies == dict.fromkeys(uids, 1)


def test_retention_asks_whether_every_archive_has_it(depot):
    with seen_archive() as archive:
        house = depot(pacs(archive))
        house.arrive()
        retention = Retention(house.spool, house.engine, keep_days=1.0, archives=["PACS"])
        assert deliveries.undelivered(house.engine, [1], ["PACS"]) == {1}, "not even in the queue yet"
        assert retention.step(1e9) == 0
        house.feed()
        assert deliveries.undelivered(house.engine, [1], ["PACS"]) == {1}
        house.send()
        assert deliveries.undelivered(house.engine, [1], ["PACS"]) == frozenset()


@pytest.mark.parametrize("state", [Stage.STORED, Stage.SENT])
def test_what_awaits_commitment_is_not_settled_yet(depot, state):
    with seen_archive() as archive:
        house = depot(pacs(archive, commit=state is Stage.SENT))
        house.arrive()
        house.feed()
        house.send()
    assert house.standing().n_sent == (state is Stage.SENT)
    assert deliveries.undelivered(house.engine, [1], ["PACS"]) == (frozenset() if state is Stage.STORED else {1})
    a_day_later = house.now + house.settings.commitment_within_s
    assert in_trouble(house.standing(), a_day_later, house.settings) is None
    trouble = in_trouble(house.standing(), a_day_later + 700.0, house.settings)
    assert trouble == (None if state is Stage.STORED else "archive PACS has not committed to objects of 24 h ago")


# STOW-RS


@pytest.fixture(scope="module")
def dicomweb(tmp_path_factory):
    """An Orthanc that speaks DICOMweb; its address."""
    plugin = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
    if not plugin.exists():
        missing("Orthanc has no DICOMweb; apt-get install orthanc-dicomweb")
    folder = tmp_path_factory.mktemp("dicomweb")
    url = f"http://127.0.0.1:{unused_port()}"
    told = orthanc_settings(folder, int(url.rpartition(":")[2]), unused_port()) | {
        "Plugins": [str(plugin)],
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"forwarder": "a-password"},
    }
    (folder / "orthanc.json").write_text(json.dumps(told))
    log = folder / "orthanc.log"
    with running([program("Orthanc", "orthanc"), folder / "orthanc.json"], log, stop=9) as child:
        wait_until(lambda: httpx.get(url + "/system").status_code == 401 if is_listening(url) else False, child, log)
        yield url


def is_listening(url: str) -> bool:
    try:
        httpx.get(url + "/system", timeout=5)
    except httpx.TransportError:
        return False
    return True


AUTHORIZATION = "Basic Zm9yd2FyZGVyOmEtcGFzc3dvcmQ="


def held(url: str) -> int:
    return len(httpx.get(url + "/instances", headers={"Authorization": AUTHORIZATION}).json())


def test_orthanc_takes_objects_over_stow_rs_and_what_it_refuses_is_told(depot, dicomweb, tmp_path):
    secret = tmp_path / "authorization"
    secret.write_text(AUTHORIZATION + "\n")
    house = depot(Archive(name="PACS", url=f"{dicomweb}/dicom-web", authorization_file=secret))
    before = held(dicomweb)
    house.arrive(), house.arrive()
    house.feed()
    house.send()
    assert held(dicomweb) - before == 2
    path = house.folder / "broken.dcm"
    broken = saved(image(), path).read_bytes()
    path.write_bytes(broken[: broken.index(b"CANARY") - 8])  # the file head is whole, the data set is cut off
    enqueue_files(house.engine, house.folder, [path], ["PACS"], at=house.now)
    house.send(6)
    (refused,) = deliveries.refused(house.engine, "PACS")
    assert refused.reason in {
        "the archive cannot understand it",
        "the archive failed to store it",
        "the archive refuses it",
    }


def test_a_wrong_password_and_an_address_without_service_are_waited_out(depot, dicomweb, tmp_path):
    secret = tmp_path / "authorization"
    secret.write_text("Basic bm9ib2R5Om5vdGhpbmc=")
    wrong = Archive(name="WRONG", url=f"{dicomweb}/dicom-web", authorization_file=secret)
    right = tmp_path / "right"
    right.write_text(AUTHORIZATION)
    nowhere = Archive(name="NOWHERE", url=f"{dicomweb}/nothing", authorization_file=right)
    house = depot(wrong, nowhere)
    house.arrive()
    house.feed()
    for each in ("WRONG", "NOWHERE"):
        house.send(1, house.courier(each))
    assert house.standing("WRONG").reason == "the archive wants another authorization"
    assert house.standing("NOWHERE").reason == "there is no STOW-RS service at this address"
    assert house.standing("WRONG").n_waiting == house.standing("NOWHERE").n_waiting == 1


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"name": "A"}, "either host"),
        ({"name": "A", "host": "h", "url": "http://h"}, "either host"),
        ({"name": "A", "host": "h"}, "AE title"),
        ({"name": "A", "url": "ftp://h"}, "a url such as"),
        ({"name": "A", "url": "https://me:secret@h/dicom-web"}, "authorization_file"),
        ({"name": "A", "url": "https://h", "commit": True}, "belong to a DICOM port"),
        ({"name": "a b", "host": "h", "called": "PACS"}, "pattern"),
    ],
)
def test_an_archive_that_cannot_be_meant_is_refused_in_words(told, expected):
    with pytest.raises(ValueError, match=expected):
        Archive(**told)


def test_archives_have_names_of_their_own_and_tls_has_its_files():
    one = {"name": "A", "host": "h", "called": "PACS"}
    with pytest.raises(ValueError, match="different names"):
        Settings(archives=(one, one))
    with pytest.raises(ValueError, match="dicom_tls_certificate"):
        Settings(archives=({**one, "tls": True},))
