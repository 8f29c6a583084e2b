"""What a sender is answered, over real associations."""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.uid import UID, generate_uid

from dicom_gateway import sop_classes
from dicom_gateway.callers import Callers
from dicom_gateway.door import Limits
from dicom_gateway.due import Due
from dicom_gateway.frames import frames_of
from dicom_gateway.header import read_header
from dicom_gateway.intake import file_head
from dicom_gateway.listener import Listener
from dicom_gateway.peer import Peer, associated, echo
from dicom_gateway.prompt import PDU_HEAD
from dicom_gateway.refusal import Unreachable
from dicom_gateway.sender import send
from dicom_gateway.spool import Spool
from tests.dicom_gateway.objects import CANARY, data_set_of, image, other, ramp, saved, send_bytes, with_meta
from tests.dicom_gateway.raw import ACCEPTED, answer, connect, request, store_request, until

SUCCESS, OUT_OF_RESOURCES, NOT_THIS_CLASS, UNREADABLE = 0x0000, 0xA700, 0xA900, 0xC000


def reasons(spool: Spool) -> list[str]:
    return [json.loads(path.read_text())["reason"] for path in sorted(spool.quarantined.glob("*.json"))]


def test_echo_is_answered(peer):
    assert echo(peer)


def test_a_stored_object_is_an_arrival_before_its_sender_knows(store, spool, heard):
    sent = image()
    assert store(sent) == SUCCESS
    (arrival,) = spool.after(0)
    assert (arrival.source, arrival.replay, heard) == ("ARM1", None, [arrival])
    assert list(spool.incoming.iterdir()) == []


def test_the_file_holds_the_very_bytes_that_were_sent(store, spool, tmp_path):
    path = saved(image(ramp(40, (256, 256))), tmp_path / "run.dcm")
    assert path.stat().st_size > 5_000_000
    assert store(path) == SUCCESS
    assert data_set_of(spool.after(0)[0].path) == data_set_of(path)


@pytest.mark.parametrize("sop_class", sorted(sop_classes.KEPT))
def test_an_object_without_frames_is_kept(store, spool, sop_class):
    assert store(other(sop_class)) == SUCCESS
    assert len(spool.after(0)) == 1


@pytest.mark.parametrize("sop_class", sorted(sop_classes.IMAGES))
def test_every_image_class_is_taken(store, spool, sop_class):
    assert store(image(SOPClassUID=sop_class)) == SUCCESS
    assert len(spool.after(0)) == 1


@pytest.mark.parametrize("syntax", [*sop_classes.NATIVE, *sop_classes.COMPRESSED])
def test_every_syntax_that_we_decode_is_offered(peer, syntax):
    with associated(peer, [(sop_classes.XA, syntax)]) as association:
        assert [str(each.transfer_syntax[0]) for each in association.accepted_contexts] == [syntax]


@pytest.mark.parametrize(
    ("sop_class", "syntax"),
    [
        (sop_classes.XA, "1.2.840.10008.1.2.1.99"),
        (sop_classes.XA, "1.2.840.10008.1.2.2"),
        (sop_classes.XA, "1.2.840.10008.1.2.4.102"),
        ("1.2.840.10008.5.1.4.1.1.2", sop_classes.EXPLICIT_LE),
        ("1.2.840.10008.5.1.4.1.1.13.1.1", sop_classes.EXPLICIT_LE),
        ("1.2.276.0.1.2.3", sop_classes.EXPLICIT_LE),
    ],
    ids=["deflated", "big endian", "video", "CT", "XA 3D", "unknown"],
)
def test_what_is_not_offered_is_refused_and_logged(peer, caplog, sop_class, syntax):
    offers = [(sop_class, syntax), (sop_classes.VERIFICATION, sop_classes.IMPLICIT_LE)]
    with caplog.at_level(logging.WARNING), associated(peer, offers) as association:
        assert [str(each.abstract_syntax) for each in association.accepted_contexts] == [sop_classes.VERIFICATION]
    (record,) = [record for record in caplog.records if record.message == "contexts refused"]
    assert record.contexts == [
        {"sop_class": sop_class, "transfer_syntax": syntax, "result": pytest.approx(3.5, abs=0.6)}
    ]


def bad_things() -> dict[str, tuple[bytes, int, str]]:
    """Name: bytes of a data set, status, reason."""

    def encoded(dataset, path: Path) -> bytes:
        return data_set_of(saved(dataset, path))

    folder = Path(os.environ.get("PYTEST_TMP", "/tmp"))
    scratch = folder / f"bad-{os.getpid()}.dcm"
    run = encoded(image(ramp(10)), scratch)
    huge = encoded(image(Rows=60000, Columns=60000), scratch)
    many = encoded(image(NumberOfFrames=2_000_000), scratch)
    deep = encoded(image(BitsAllocated=32), scratch)
    short = encoded(image(PixelData=b"\0" * 100), scratch)
    none = encoded(other(sop_classes.XA), scratch)
    scratch.unlink()
    return {
        "a text file": (b"Dear Sir or Madam,\nplease find enclosed\n" * 20, UNREADABLE, "the header is cut short"),
        "cut short": (run[: len(run) - 5000], UNREADABLE, "pixel data is cut short"),
        "rows and columns of 60000": (huge, UNREADABLE, "rows or columns outside 64 to 4096"),
        "two million frames": (many, UNREADABLE, "number of frames outside 1 to 10000"),
        "32 bits": (deep, UNREADABLE, "bits that are not taken"),
        "too few pixels": (short, UNREADABLE, "pixel data of another length than the header says"),
        "no pixels": (none, UNREADABLE, "rows or columns outside 64 to 4096"),
    }


@pytest.mark.parametrize("name", list(bad_things()))
def test_a_bad_object_gets_its_status_and_lies_aside_and_the_next_good_one_is_unaffected(
    name, peer, store, spool, heard, tmp_path, caplog
):
    content, status, reason = bad_things()[name]
    uid = _uid_in(content)
    with caplog.at_level(logging.DEBUG):
        assert send_bytes(peer, tmp_path / "bad.dcm", content, uid=uid) == status
    assert spool.after(0) == []
    assert heard == []
    assert [said in {reason, "the header cannot be parsed"} for said in reasons(spool)] == [True]
    assert CANARY not in caplog.text + str([record.__dict__ for record in caplog.records])
    assert store(image()) == SUCCESS
    assert [arrival.number for arrival in heard] == [1]


def _uid_in(content: bytes) -> str:
    """The SOP Instance UID within a data set in explicit little endian, or a new one."""
    at = content.find(b"\x08\x00\x18\x00UI")
    if at < 0:
        return str(generate_uid())
    length = int.from_bytes(content[at + 6 : at + 8], "little")
    return content[at + 8 : at + 8 + length].decode().rstrip("\0")


def test_an_empty_object_is_refused(peer, store, tmp_path):
    path = tmp_path / "empty.dcm"
    path.write_bytes(file_head(sop_classes.XA, "1.2.3", sop_classes.EXPLICIT_LE))
    with associated(peer, [(sop_classes.XA, sop_classes.EXPLICIT_LE)]) as association:
        assert association.send_c_store(path).get("Status") != SUCCESS
    assert store(image()) == SUCCESS


def test_another_class_or_instance_than_announced_is_refused(peer, spool, tmp_path):
    sent = data_set_of(saved(image(), tmp_path / "good.dcm"))
    assert send_bytes(peer, tmp_path / "a.dcm", sent, uid="1.2.3") == NOT_THIS_CLASS
    assert send_bytes(peer, tmp_path / "b.dcm", sent, sop_class=sop_classes.XRF, uid=_uid_in(sent)) == NOT_THIS_CLASS
    assert spool.after(0) == []


def test_an_identical_duplicate_is_a_success_and_no_arrival(store, spool, heard):
    sent = image()
    assert [store(sent), store(sent)] == [SUCCESS, SUCCESS]
    assert len(spool.after(0)) == len(heard) == 1


def test_a_duplicate_uid_with_other_bytes_is_kept_and_told(store, spool, heard, caplog):
    first, second = image(), image(ramp() + 1)
    second.SOPInstanceUID = first.SOPInstanceUID
    with caplog.at_level(logging.WARNING):
        assert [store(first), store(with_meta(second))] == [SUCCESS, SUCCESS]
    assert [arrival.has_rival for arrival in heard] == [False, True]
    assert len(spool.after(0)) == 2
    assert "object with the UID of another" in caplog.messages


def test_a_full_disk_asks_to_try_later(listen, spool, heard):
    full = listen(min_free_bytes=2**62)
    peer = Peer(host="127.0.0.1", port=full.port)
    (sent,) = send([Due(offset_s=0, content=image())], peer, speed=None, clock=time.monotonic, sleep=time.sleep)
    assert sent.status == OUT_OF_RESOURCES
    assert (spool.after(0), heard, reasons(spool), list(spool.incoming.iterdir())) == ([], [], [], [])
    assert full.counts() == {"refused_A700": 1}


def test_an_object_beyond_the_limit_is_refused(listen, spool):
    small = listen(max_object_bytes=100_000)
    peer = Peer(host="127.0.0.1", port=small.port)
    due = [Due(offset_s=0, content=image(ramp(20))), Due(offset_s=0, content=image())]
    sent = list(send(due, peer, speed=None, clock=time.monotonic, sleep=time.sleep))
    assert [each.status for each in sent] == [UNREADABLE, SUCCESS]
    assert len(spool.after(0)) == 1


def test_an_announcement_that_fails_does_not_cost_the_sender_its_success(listen, spool):
    def fail(_):
        raise RuntimeError(CANARY)

    port = listen(on_arrival=fail).port
    due = [Due(offset_s=0, content=image())]
    (sent,) = send(due, Peer(host="127.0.0.1", port=port), speed=None, clock=time.monotonic, sleep=time.sleep)
    assert sent.status == SUCCESS
    assert len(spool.after(0)) == 1


def test_only_our_title_and_the_callers_on_the_list_are_let_in(listen):
    port = listen(callers=Callers(called="CEMENTWATCH", titles=frozenset({"ARM1"}))).port
    welcome = Peer(host="127.0.0.1", port=port, calling="ARM1")
    assert echo(welcome)
    assert echo(replace(welcome, calling="RPL.r1"))
    for stranger in (
        replace(welcome, calling="ARM2"),
        replace(welcome, called="OTHER"),
        replace(welcome, calling="RPL."),
    ):
        with (
            pytest.raises(Unreachable, match="refuses"),
            associated(stranger, [(sop_classes.VERIFICATION, "1.2.840.10008.1.2")]),
        ):
            pass


def test_a_replay_is_marked_and_is_no_duplicate_of_the_original(store, spool, peer):
    sent = image()
    assert [store(sent), store(sent, replace(peer, calling="RPL.r-1"))] == [SUCCESS, SUCCESS]
    assert [(arrival.source, arrival.replay) for arrival in spool.after(0)] == [("ARM1", None), ("RPL.r-1", "r-1")]


def test_too_many_associations_are_turned_away(listen):
    port = listen(limits=Limits(n_associations=1)).port
    peer = Peer(host="127.0.0.1", port=port)
    with associated(peer, [(sop_classes.VERIFICATION, sop_classes.IMPLICIT_LE)]):
        assert not echo(peer)
    assert any(echo(peer) or time.sleep(0.05) for _ in range(200))


def test_an_association_aborted_within_an_object_leaves_nothing(peer, store, spool, tmp_path):
    path = saved(image(ramp(100, (256, 256))), tmp_path / "run.dcm")
    with associated(peer, [(sop_classes.XA, sop_classes.EXPLICIT_LE)]) as association:
        association.dul.socket.socket = _Breaking(association.dul.socket.socket, after=4_000_000)
        assert "Status" not in association.send_c_store(path)
    assert store(image()) == SUCCESS
    assert len(spool.after(0)) == 1
    deadline = time.monotonic() + 10
    while list(spool.incoming.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(spool.incoming.iterdir()) == []


def test_a_request_that_names_no_instance_leaves_nothing_in_the_spool(listener, spool, store):
    with connect(listener.port) as line:
        line.sendall(request())
        assert answer(line)[0] == ACCEPTED
        for _ in range(3):
            line.sendall(store_request(sop_classes.XA, "", bytes(100_000)))
        assert until(lambda: len(list(spool.incoming.iterdir())) > 0)
    assert store(image()) == SUCCESS
    assert until(lambda: list(spool.incoming.iterdir()) == [])


class _Breaking:
    """A socket whose line is cut after so many bytes."""

    def __init__(self, real: socket.socket, *, after: int) -> None:
        self._real, self._left = real, after

    def send(self, piece: bytes) -> int:
        self._left -= len(piece)
        if self._left < 0:
            self._real.shutdown(socket.SHUT_RDWR)
            raise OSError("cut")
        return self._real.send(piece)

    def __getattr__(self, name: str):
        return getattr(self._real, name)


@pytest.mark.parametrize(
    "bytes_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        PDU_HEAD.pack(1, 0xFFFFFFF0) + b"x" * 100_000,
        PDU_HEAD.pack(4, 20) + b"y" * 20,
        b"",
    ],
    ids=["HTTP", "four gigabytes", "data before association", "nothing"],
)
def test_a_stranger_on_the_port_harms_nobody(listener, store, bytes_):
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as stranger:
        stranger.sendall(bytes_)
    assert store(image()) == SUCCESS


def test_stopping_does_not_wait_for_a_silent_stranger_or_an_open_association(listen):
    listener = listen()
    peer = Peer(host="127.0.0.1", port=listener.port)
    before = threading.active_count()
    with (
        socket.create_connection((peer.host, peer.port)),
        associated(peer, [(sop_classes.VERIFICATION, sop_classes.IMPLICIT_LE)]),
    ):
        stopping = threading.Thread(target=listener.stop)
        stopping.start()
        stopping.join(20)
        assert not stopping.is_alive()
        deadline = time.monotonic() + 10
        while threading.active_count() >= before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert threading.active_count() < before
    assert not echo(peer)


def test_a_protocol_break_within_an_association_ends_it_and_no_other(peer, store):
    with associated(peer, [(sop_classes.XA, sop_classes.EXPLICIT_LE)]) as association:
        # a command set that is none, on a context that was never agreed
        body = struct.pack(">IBB", 12, 99, 3) + b"0123456789"
        association.dul.socket.socket.sendall(PDU_HEAD.pack(4, len(body)) + body)
        deadline = time.monotonic() + 10
        while association.is_established and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not association.is_established
    assert store(image()) == SUCCESS


def test_no_patient_in_any_log(peer, store, tmp_path, caplog):
    with caplog.at_level(logging.DEBUG):
        sent = image()
        store(sent)
        store(sent)
        store(image(ContentDate=CANARY))
        send_bytes(peer, tmp_path / "bad.dcm", data_set_of(saved(image(Rows=1), tmp_path / "x.dcm")))
    said = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert "CANARY" not in said
    assert str(sent.SOPInstanceUID) not in said


CHILD = """
import sys, time
from pathlib import Path
from dicom_gateway.listener import Listener
from dicom_gateway.spool import Spool
listener = Listener(Spool(Path(sys.argv[1])), port=0, min_free_bytes=0)
listener.start()
print(listener.port, flush=True)
time.sleep(600)
"""


def test_kill_9_while_storing_loses_nothing_that_was_answered(tmp_path):
    folder = tmp_path / "spool"
    pixels = ramp(1, (512, 512))
    told: list[str] = []
    for n_before in (3, 11, 6):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE, text=True, env=_env()
        )
        peer = Peer(host="127.0.0.1", port=int(child.stdout.readline()))
        try:
            due = (Due(offset_s=0, content=image(pixels)) for _ in range(500))
            sent = send(due, peer, speed=None, clock=time.monotonic, sleep=time.sleep)
            for count, each in enumerate(sent):
                if each.status == SUCCESS:
                    told.append(each.sop_instance_uid)
                if count == n_before:
                    # it dies while the next objects are being sent
                    threading.Timer(n_before / 100, child.kill).start()
        except Unreachable:
            pass
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
    again = Listener(Spool(folder), port=0, min_free_bytes=0)
    again.start()
    again.stop()
    arrivals = Spool(folder).after(0)
    whole = {read_header(arrival.path).sop_instance_uid for arrival in arrivals}
    assert set(told) <= whole
    assert len(arrivals) - len(told) <= 3  # at most the one whose answer was cut off, each time
    assert all((next(frames_of(a, read_header(a.path))).pixels == pixels[0]).all() for a in arrivals)
    assert list((folder / "incoming").iterdir()) == []


def _env() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}


def test_contexts_of_one_class_may_differ_in_syntax(peer, store, spool, tmp_path):
    native, packed = image(), image()
    packed.compress(sop_classes.RLE, generate_instance_uid=False)
    paths = [saved(native, tmp_path / "a.dcm"), saved(packed, tmp_path / "b.dcm")]
    assert [store(path) for path in paths] == [SUCCESS, SUCCESS]
    assert [data_set_of(arrival.path) for arrival in spool.after(0)] == [data_set_of(path) for path in paths]


def test_every_uid_in_our_tables_is_the_standard_s():
    for uid in sop_classes.IMAGES | sop_classes.KEPT:
        assert UID(uid).type == "SOP Class", uid
    for uid in (*sop_classes.NATIVE, *sop_classes.COMPRESSED):
        assert UID(uid).is_transfer_syntax, uid
    assert UID(sop_classes.DX).name == "Digital X-Ray Image Storage - For Presentation"
