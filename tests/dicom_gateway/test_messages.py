"""C-STORE requests in every shape that the standard allows, and in some that it does not."""

from __future__ import annotations

import os
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE

from dicom_gateway import sop_classes
from dicom_gateway.asked import StoreAsked, store_asked
from dicom_gateway.growing import Growing
from dicom_gateway.messages import PDV_HEAD
from dicom_gateway.reactor import MAX_OWED
from dicom_gateway.request import HEAD
from tests.dicom_gateway.objects import data_set_of, image, ramp, saved
from tests.dicom_gateway.raw import (
    ABORTED,
    ACCEPTED,
    answer,
    connect,
    context,
    data_unit,
    echo_command,
    item,
    number_in,
    request,
    store_command,
    until,
)
from tests.dicom_gateway.trickle import Trickle

STATUS, ANSWERS_MESSAGE, SUCCESS = 0x0900, 0x0120, 0
COMMAND, LAST_COMMAND, DATA, LAST_DATA = 1, 3, 0, 2
UID = "1.2.840.99.1"
PLAIN = store_command(sop_classes.XA, UID, 513)


@pytest.fixture
def line(listener) -> Iterator[socket.socket]:
    """An association that has just been accepted."""
    with connect(listener.port) as sock:
        sock.sendall(request())
        assert answer(sock)[0] == ACCEPTED
        yield sock


@pytest.fixture
def sent(tmp_path) -> tuple[bytes, bytes]:
    """A command and its data set."""
    dataset = image()
    return store_command(sop_classes.XA, str(dataset.SOPInstanceUID)), data_set_of(saved(dataset, tmp_path / "a.dcm"))


def element(number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, number, len(value)) + value


def unit_of(*fragments: tuple[int, bytes]) -> bytes:
    """One P-DATA-TF of several fragments."""
    body = b"".join(PDV_HEAD.pack(len(content) + 2, 1, control) + content for control, content in fragments)
    return HEAD.pack(4, len(body)) + body


def test_a_request_is_read_as_the_library_reads_it():
    asked, message = C_STORE(), C_STORE_RQ()
    asked.MessageID, asked.Priority, asked.AffectedSOPClassUID, asked.AffectedSOPInstanceUID = (
        65535,
        0,
        "1.2.3",
        "1." + "9" * 61,
    )
    asked.MoveOriginatorApplicationEntityTitle, asked.MoveOriginatorMessageID = "PACS", 9
    message.primitive_to_message(asked)
    message.command_set.CommandDataSetType = 1
    (pdata,) = message.encode_msg(1, 16384)
    command = pdata.presentation_data_value_list[0][1][1:]
    assert store_asked(command) == StoreAsked(65535, "1.2.3", "1." + "9" * 61)


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(PLAIN[:-1], id="cut short"),
        pytest.param(PLAIN[:30], id="cut in the middle"),
        pytest.param(b"", id="nothing"),
        pytest.param(PLAIN + element(0x1000, b"1.2.3 "), id="an element twice"),
        pytest.param(PLAIN + element(0x0600, b"PACS"), id="out of order"),
        pytest.param(PLAIN + element(0x1030, b"A" * 18), id="a title too long"),
        pytest.param(PLAIN + element(0x1031, b"123"), id="a number of three bytes"),
        pytest.param(store_command(sop_classes.XA, ""), id="no instance"),
        pytest.param(store_command("", UID), id="no class"),
        pytest.param(store_command(sop_classes.XA, "1.2.3\\4"), id="two instances"),
        pytest.param(store_command(sop_classes.XA, "1." + "9" * 64), id="an instance too long"),
        pytest.param(
            PLAIN.replace(struct.pack("<HHIH", 0, 0x0800, 2, 1), struct.pack("<HHIH", 0, 0x0800, 2, 0x0101)),
            id="no data set",
        ),
        pytest.param(
            PLAIN.replace(struct.pack("<HHIH", 0, 0x0700, 2, 2), struct.pack("<HHIH", 0, 0x0700, 2, 3)),
            id="no such priority",
        ),
        pytest.param(
            PLAIN.replace(struct.pack("<HHIH", 0, 0x0100, 2, 1), struct.pack("<HHIH", 0, 0x0100, 2, 0x30)), id="an echo"
        ),
        pytest.param(b"\x08" + PLAIN[1:], id="another group"),
    ],
)
def test_what_is_not_plainly_a_request_to_store_is_left_to_the_library(command):
    assert command != PLAIN
    assert store_asked(command) is None


def test_a_request_in_any_pieces_is_taken(line, spool, sent):
    """Fragments and PDUs end where the sender likes (PS3.8 9.3.5, annex E), but for the message."""
    command, data = sent
    ways = [
        data_unit(command, LAST_COMMAND) + data_unit(data, LAST_DATA),
        unit_of((LAST_COMMAND, command), (DATA, data[:9]), (LAST_DATA, data[9:])),
        data_unit(command[:20], COMMAND) + data_unit(command[20:], LAST_COMMAND) + data_unit(data, LAST_DATA),
        data_unit(command, LAST_COMMAND) + data_unit(data, DATA) + data_unit(b"", LAST_DATA),
        unit_of((COMMAND, command[:1]), (COMMAND, command[1:9]), (LAST_COMMAND, command[9:]), (DATA, data))
        + data_unit(b"", LAST_DATA),
        data_unit(command, LAST_COMMAND)
        + unit_of(*[(DATA, data[at : at + 999]) for at in range(0, len(data), 999)], (LAST_DATA, b"")),
    ]
    for way in ways:
        line.sendall(way)
        assert number_in(answer(line), STATUS) == SUCCESS
    (arrival,) = spool.after(0)
    assert data_set_of(arrival.path) == data
    assert list(spool.incoming.iterdir()) == []


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(HEAD.pack(4, 5) + b"\0\0\0\x09\1", id="a fragment without control"),
        pytest.param(HEAD.pack(4, 6) + PDV_HEAD.pack(1, 1, LAST_DATA), id="a fragment of one byte"),
        pytest.param(HEAD.pack(4, 8) + PDV_HEAD.pack(99, 1, LAST_DATA) + b"ab", id="a fragment beyond its PDU"),
        pytest.param(data_unit(PLAIN, LAST_COMMAND), id="a command within the data set"),
    ],
)
def test_a_broken_fragment_within_an_object_ends_the_association_and_leaves_nothing(line, spool, sent, broken, store):
    command, data = sent
    line.sendall(data_unit(command, LAST_COMMAND) + data_unit(data[:1000], DATA))
    assert until(lambda: len(list(spool.incoming.iterdir())) > 0)
    line.sendall(broken)
    assert answer(line)[0] == ABORTED
    assert until(lambda: list(spool.incoming.iterdir()) == [])
    assert store(image()) == SUCCESS


def test_a_context_that_was_not_agreed_on_ends_the_association(line, spool, sent):
    command, data = sent
    line.sendall(data_unit(command, LAST_COMMAND, 99) + data_unit(data, LAST_DATA, 99))
    assert answer(line)[0] == ABORTED
    assert spool.after(0) == []


def test_a_device_that_takes_short_pdus_only_gets_its_answer_in_them(listener, sent):
    short = item(0x50, item(0x51, struct.pack(">I", 70)) + item(0x52, b"1.2.3.4"))
    whole = request(contexts=(context(1),))
    at = whole.index(item(0x51, struct.pack(">I", 16384))) - 4
    body = whole[HEAD.size : at] + short
    with connect(listener.port) as sock:
        sock.sendall(HEAD.pack(1, len(body)) + body)
        assert answer(sock)[0] == ACCEPTED
        sock.sendall(data_unit(sent[0], LAST_COMMAND) + data_unit(sent[1], LAST_DATA))
        pieces = [answer(sock)]
        while pieces[-1][HEAD.size + PDV_HEAD.size - 1] != LAST_COMMAND:
            pieces.append(answer(sock))
    assert all(len(each) <= HEAD.size + 70 for each in pieces)
    told = b"".join(each[HEAD.size + PDV_HEAD.size :] for each in pieces)
    assert (number_in(told, STATUS), number_in(told, ANSWERS_MESSAGE)) == (SUCCESS, 1)


def test_a_data_set_in_another_context_than_its_command_ends_the_association(listener, spool, sent):
    """Its bytes would be read in the transfer syntax of the other."""
    command, data = sent
    both = context(1), context(3, syntaxes=(sop_classes.IMPLICIT_LE,))
    with connect(listener.port) as sock:
        sock.sendall(request(contexts=both))
        assert answer(sock)[0] == ACCEPTED
        sock.sendall(data_unit(command, LAST_COMMAND, 3) + data_unit(data, LAST_DATA, 1))
        assert answer(sock)[0] == ABORTED
    assert spool.after(0) == []
    assert until(lambda: list(spool.incoming.iterdir()) == [])


def test_a_slow_line_is_not_an_idle_one(listener, line, sent):
    """On a slow line there is always some of the next PDU when one is whole."""
    (association,) = listener._ae.active_associations
    association.network_timeout = 1.0
    command, data = sent
    size = len(data) // 12
    pieces = [data_unit(data[at : at + size], DATA) for at in range(0, len(data), size)]
    stream = b"".join(pieces) + data_unit(b"", LAST_DATA)
    line.sendall(data_unit(command, LAST_COMMAND) + stream[:9])
    for at in range(9, len(stream), len(pieces[0])):
        time.sleep(0.15)
        line.sendall(stream[at : at + len(pieces[0])])
    assert number_in(answer(line), STATUS) == SUCCESS
    assert association.is_established


def test_a_store_that_takes_long_is_no_idleness_of_its_sender(listener, line, sent, monkeypatch):
    (association,) = listener._ae.active_associations
    association.network_timeout = 0.3
    take = association.dimse.take
    monkeypatch.setattr(association.dimse, "take", lambda *asked: (time.sleep(0.8), take(*asked))[1])
    line.sendall(data_unit(sent[0], LAST_COMMAND) + data_unit(sent[1], LAST_DATA))
    assert number_in(answer(line), STATUS) == SUCCESS
    association.network_timeout = 60
    assert association.is_established


def test_whole_frames_stay_however_an_association_fails(listener, spool, tmp_path):
    path = saved(image(ramp(3)), tmp_path / "run.dcm")
    sender, growing = Trickle(listener.port, path), Growing(spool.folder)
    sender.send_frames(path, 1)
    assert until(lambda: len(growing.all()) == 1)
    (association,) = listener._ae.active_associations
    association.dul.event_queue.put("no such event")
    assert until(lambda: [growing.has_ended(each) for each in growing.all()] == [True])
    sender.vanish()


def test_descriptors_beyond_a_thousand_are_descriptors(listener, sent):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    null = os.open(os.devnull, os.O_RDONLY)
    many = [os.dup(null) for _ in range(1100)]
    try:
        with connect(listener.port) as sock:
            sock.sendall(request())
            assert answer(sock)[0] == ACCEPTED
            sock.sendall(data_unit(sent[0], LAST_COMMAND) + data_unit(sent[1], LAST_DATA))
            assert number_in(answer(sock), STATUS) == SUCCESS
    finally:
        for each in (null, *many):
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_asks_far_ahead_waits_for_answers_and_holds_few_files(listener, line, spool, sent, monkeypatch):
    """A command in two pieces goes the library's way, where each object waits for its answer as an open file."""
    may_go, n_open, n_asked = threading.Event(), [], 40
    take = listener._take

    def slowly(*asked: Any) -> int:
        assert may_go.wait(20)
        n_open.append(len(list(spool.incoming.iterdir())))
        return take(*asked)

    monkeypatch.setattr(listener, "_take", slowly)
    command, data = sent
    one = data_unit(command[:20], COMMAND) + data_unit(command[20:], LAST_COMMAND) + data_unit(data, LAST_DATA)
    sender = threading.Thread(target=line.sendall, args=(n_asked * one,))
    sender.start()
    (association,) = listener._ae.active_associations
    assert until(lambda: association.dimse.n_owed >= MAX_OWED)
    time.sleep(0.3)  # for those that must not come
    may_go.set()
    assert [number_in(answer(line), STATUS) for _ in range(n_asked)] == [SUCCESS] * n_asked
    sender.join(20)
    assert max(n_open) <= MAX_OWED + 1


def test_more_messages_than_may_wait_in_one_pdu_end_the_association(listener, line):
    line.sendall(unit_of(*[(LAST_COMMAND, echo_command(number)) for number in range(2000)]))
    kinds = [answer(line)[0]]
    while kinds[-1] != ABORTED:
        kinds.append(answer(line)[0])


def test_stopping_does_not_wait_for_the_rest_of_a_pdu(listener, line, spool, sent):
    line.sendall(data_unit(sent[0], LAST_COMMAND) + data_unit(sent[1], LAST_DATA)[:1000])
    assert until(lambda: len(list(spool.incoming.iterdir())) > 0)
    stopping = threading.Thread(target=listener.stop)
    stopping.start()
    stopping.join(10)  # a third of what a PDU may take
    assert not stopping.is_alive()
    assert until(lambda: list(spool.incoming.iterdir()) == [])
