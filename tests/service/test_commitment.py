"""Storage commitment either way: with a real Orthanc, and with peers that answer oddly."""

from __future__ import annotations

import time
from contextlib import contextmanager

import httpx
import pytest
from pynetdicom import AE, evt

from db import commitments, deliveries
from db.arrivals import ArrivalRow, note_arrivals
from detection.vocabulary import Mode
from dicom_gateway import sop_classes
from dicom_gateway.listener import Listener
from dicom_gateway.notices import Kind, Notices
from dicom_gateway.workflow import Workflow
from service.archives import Archive
from service.commitment import Answering, Asking
from service.inbox import Inbox
from service.settings import Settings
from service.sources import Sources
from service.steps import Steps
from tests.archive import seen_archive
from tests.conftest import orthanc_running, unused_port
from tests.dicom_gateway.objects import image
from tests.service.depot import Depot, until


class Room(Depot):
    """A depot with a listener, that speaks storage commitment both ways; on the clock of this world."""

    def __post_init__(self) -> None:
        Depot.__post_init__(self)
        self.notices = Notices(self.settings.notices_dir)
        self.sources = Sources(self.settings)
        self.workflow = Workflow(
            self.notices, may_ask=lambda title: self.sources.of(title).host is not None, now_ns=time.time_ns
        )
        self.listener = Listener(self.spool, port=0, min_free_bytes=0, workflow=self.workflow)
        self.listener.start()

    def ask(self, name: str = "PACS") -> int:
        (archive,) = [each for each in self.archives if each.name == name]
        return Asking(archive, self.settings, self.engine, self.workflow).turn(self.now)

    def hear(self) -> int:
        steps = Steps(self.settings, self.engine, lambda: None)
        return Inbox(self.settings, self.engine, self.notices, steps).step(self.now)

    def answer(self, **settings) -> int:
        told = Settings(**{**self.settings.model_dump(), **settings})
        return Answering(told, self.engine, self.spool, self.sources).turn(lambda: self.now)

    def know(self, title: str, port: int) -> None:
        """Write down where a device is."""
        self.settings.sources_path.write_text(
            f'[[sources]]\ntitle = "{title}"\nhost = "127.0.0.1"\nport = {port}\n', encoding="utf-8"
        )

    def states(self) -> list[str]:
        uids = [str(each) for each in self.uids]
        return sorted(str(each.state) for each in commitments.deliveries_of(self.engine, uids))

    def store(self, n_objects: int) -> list[str]:
        """Objects that arrive and are forwarded."""
        self.uids = [self.arrive() for _ in range(n_objects)]
        self.feed()
        self.send()
        self.now += 10.0
        return self.uids


@pytest.fixture
def room(tmp_path):
    made: list[Room] = []

    def build(*archives: Archive) -> Room:
        made.append(Room(folder=tmp_path / f"data{len(made)}", archives=archives))
        return made[-1]

    yield build
    for each in made:
        each.listener.stop()
        each.engine.dispose()


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory):
    with orthanc_running(tmp_path_factory.mktemp("orthanc")) as peer:
        yield peer


def archive_of(port: int, called: str = "ORTHANC") -> Archive:
    return Archive(name="PACS", host="127.0.0.1", port=port, called=called, commit=True)


def befriend(orthanc, port: int) -> None:
    """Let Orthanc know us; it answers to an address that it knows."""
    told = {"AET": "CEMENTWATCH", "Host": "127.0.0.1", "Port": port, "AllowStorageCommitment": True}
    orthanc.put("/modalities/cementwatch", told)


def test_orthanc_commits_to_what_it_was_sent(room, orthanc):
    house = room(archive_of(orthanc.dicom_port))
    befriend(orthanc, house.listener.port)
    house.store(3)
    assert house.states() == ["sent"] * 3
    assert house.ask() == 1
    until(lambda: house.notices.after(0))
    house.hear()
    assert house.states() == ["committed"] * 3
    assert deliveries.undelivered(house.engine, [1, 2, 3], ["PACS"]) == frozenset()
    assert house.ask() == 0, "nothing is asked twice"


def test_what_orthanc_has_lost_is_sent_again_and_then_committed(room, orthanc):
    house = room(archive_of(orthanc.dicom_port))
    befriend(orthanc, house.listener.port)
    lost, _ = house.store(2)
    (found,) = orthanc.post("/tools/find", {"Level": "Instance", "Query": {"SOPInstanceUID": lost}})
    delete(orthanc, found)
    house.ask()
    until(lambda: house.notices.after(0))
    house.hear()
    assert house.states() == ["committed", "waiting"]
    house.now += 100.0
    house.send()
    house.now += 10.0
    house.ask()
    until(lambda: len(house.notices.after(0)) == 2)
    house.hear()
    assert house.states() == ["committed", "committed"]


def delete(orthanc, instance: str) -> None:
    httpx.delete(f"{orthanc.http}/instances/{instance}").raise_for_status()


def test_orthanc_asks_us_and_is_told_what_our_archive_holds(room, orthanc, tmp_path_factory):
    """One Orthanc stands for the modality, another for the archive."""
    with orthanc_running(tmp_path_factory.mktemp("archive")) as archive:
        house = room(archive_of(archive.dicom_port))
        befriend(archive, house.listener.port)
        befriend(orthanc, house.listener.port)
        house.know("ORTHANC", orthanc.dicom_port)
        held, pending = house.store(2)
        house.ask()
        until(lambda: house.notices.after(0))
        house.hear()
        never = str(image().SOPInstanceUID)
        items = [{"SOPClassUID": sop_classes.XA, "SOPInstanceUID": uid} for uid in (held, never)]
        report = orthanc.post("/modalities/cementwatch/storage-commitment", {"DicomInstances": items})["ID"]
        until(lambda: len(house.notices.after(0)) == 2)
        house.hear()
        assert house.answer() == 0, "the archive may still be told of it"
        assert orthanc.get(f"/storage-commitment/{report}")["Status"] == "Pending"
        house.now += 3600.0
        assert house.answer() == 1
        told = orthanc.get(f"/storage-commitment/{report}")
        assert told["Status"] == "Failure"
        assert [each["SOPInstanceUID"] for each in told["Success"]] == [held]
        assert [each["SOPInstanceUID"] for each in told["Failures"]] == [never]
        items = [{"SOPClassUID": sop_classes.XA, "SOPInstanceUID": uid} for uid in (held, pending)]
        report = orthanc.post("/modalities/cementwatch/storage-commitment", {"DicomInstances": items})["ID"]
        until(lambda: len(house.notices.after(0)) == 3)
        house.hear()
        assert house.answer() == 1
        assert orthanc.get(f"/storage-commitment/{report}")["Status"] == "Success"


class Device:
    """A device that asks for commitment and takes the answer, unless it is told not to."""

    def __init__(self, port: int) -> None:
        self.port, self.told = port, []
        self._server = None
        self.status = 0x0000

    def open(self) -> None:
        entity = AE(ae_title="ARM1")
        entity.add_supported_context(sop_classes.COMMITMENT, scu_role=True, scp_role=True)
        self._server = entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._take)]
        )

    def _take(self, event):
        self.told.append((event.event_type, event.event_information))
        return self.status, None

    def close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server = None


@pytest.fixture
def device():
    device = Device(unused_port())
    yield device
    device.close()


def told_of(device: Device) -> list[tuple[int, dict[str, int]]]:
    """Event type, and failure reason by instance."""
    return [
        (
            kind,
            {str(item.ReferencedSOPInstanceUID): int(item.FailureReason) for item in told.get("FailedSOPSequence", [])},
        )
        for kind, told in device.told
    ]


def asked(house: Room, transaction: str, *uids: str, sop_class: str = sop_classes.XA) -> None:
    """A request has come in, as the listener keeps it."""
    told = {"transaction_uid": transaction, "items": [[sop_class, uid] for uid in uids]}
    house.notices.add(Kind.COMMITMENT_ASKED, source="ARM1", received_ns=time.time_ns(), told=told)
    house.hear()


def test_without_an_archive_nothing_is_promised(room, device):
    house = room()
    house.know("ARM1", device.port)
    device.open()
    uid = house.arrive()
    asked(house, "1.2.3", uid)
    assert house.answer() == 1
    assert told_of(device) == [(2, {uid: 0x0110})]


def test_an_archive_of_record_promises_what_lies_in_its_spool(room, device):
    house = room()
    house.know("ARM1", device.port)
    device.open()
    kept, gone = house.arrive(), house.arrive()
    for number, uid in enumerate((kept, gone), 1):
        row = ArrivalRow(
            number=number,
            source="ARM1",
            sop_instance_uid=uid,
            study_instance_uid="1",
            series_instance_uid="1",
            mode=Mode.LIVE,
            received_at=1.0,
        )
        note_arrivals(house.engine, [row])
    house.spool.remove(2)
    asked(house, "1.2.3", kept)
    asked(house, "1.2.4", kept, gone)
    asked(house, "1.2.5", kept, sop_class=sop_classes.XRF)
    house.answer(keeps_for_good=True)
    house.now += 3600.0
    house.answer(keeps_for_good=True)
    assert sorted(told_of(device), key=str) == sorted([(1, {}), (2, {gone: 0x0112}), (2, {kept: 0x0119})], key=str)


def test_a_device_that_does_not_listen_is_told_later_even_after_a_restart(room, device):
    house = room()
    house.know("ARM1", device.port)
    asked(house, "1.2.3", "1.9")
    assert house.answer() == 0
    device.status = 0x0110
    device.open()
    house.now += 10.0
    assert house.answer() == 0, "it listens and does not take it"
    device.status = 0x0000
    house.now += 10.0
    assert house.answer() == 1
    house.now += 1e6
    assert house.answer() == 0, "once taken it is not told again"
    asked(house, "1.2.3", "1.9")
    assert house.answer() == 1, "unless it asks again"


@contextmanager
def pushy_archive(answer):
    """An archive that answers N-ACTION by ``answer(event)``, and may report on the same association."""
    port = unused_port()
    entity = AE(ae_title="PACS")
    for each in (sop_classes.XA, sop_classes.COMMITMENT):
        entity.add_supported_context(each)
    handlers = [(evt.EVT_C_STORE, lambda _: 0x0000), (evt.EVT_N_ACTION, answer)]
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    try:
        yield port
    finally:
        server.shutdown()


def test_a_question_that_is_not_taken_is_asked_again_and_one_without_answer_under_another_uid(room):
    seen = []

    def answer(event):
        seen.append(str(event.action_information.TransactionUID))
        return {1: 0x0213, 2: 0x0131}.get(len(seen), 0x0000), None

    with pushy_archive(answer) as port:
        house = room(archive_of(port, "PACS"))
        house.store(1)
        for _ in range(4):
            house.ask()
            house.now += 400.0
        assert len(seen) == 3
        assert seen[0] == seen[1], "out of resources: the same question again"
        assert seen[2] != seen[1], "a UID that the archive has seen: another one"
        house.now += 86_400.0
        house.ask()
        house.ask()
    assert len(seen) == 4
    assert seen[3] != seen[2], "no answer in a day: asked anew"
    assert house.states() == ["sent"]


def test_an_archive_without_the_service_leaves_the_objects_uncommitted_and_says_so(room):
    with seen_archive() as archive:
        house = room(archive_of(archive.port, "PACS"))
        house.store(1)
        house.ask()
    assert house.states() == ["sent"]
    assert house.standing().reason == "the peer does not offer storage commitment"


def test_an_object_that_an_archive_takes_and_never_holds_is_refused_in_the_end(room):
    with pushy_archive(lambda _: (0x0000, None)) as port:
        house = room(archive_of(port, "PACS"))
        (uid,) = house.store(1)
        for _ in range(3):
            house.ask()
            (open_one,) = commitments.due_transactions(house.engine, at=1e12, is_ours=True)
            told = {"transaction_uid": open_one.transaction_uid, "held": [], "failed": [[uid, 0x0112]]}
            house.notices.add(Kind.COMMITMENT_ANSWERED, source="PACS", received_ns=time.time_ns(), told=told)
            house.hear()
            house.now += 100.0
            house.send()
            house.now += 10.0
    (refused,) = deliveries.refused(house.engine, "PACS")
    assert (refused.attempts, refused.reason) == (3, "the archive took it and does not hold it")


def test_an_answer_counts_only_for_what_was_asked(room):
    with pushy_archive(lambda _: (0x0000, None)) as port:
        house = room(archive_of(port, "PACS"))
        uid, other = house.store(2)
        house.ask()
        (mine,) = commitments.due_transactions(house.engine, at=1e12, is_ours=True)
        for transaction, held in (("1.2.3.4", [uid, other]), (mine.transaction_uid, [uid, "9.9.9"])):
            assert house.states() == ["sent", "sent"], "nobody asked that"
            told = {"transaction_uid": transaction, "held": held, "failed": []}
            house.notices.add(Kind.COMMITMENT_ANSWERED, source="PACS", received_ns=time.time_ns(), told=told)
            house.hear()
        assert house.states() == ["committed", "sent"]
        house.now += 100.0
        assert house.ask() == 1, "what the answer leaves out is asked for again"
