"""C-STORE requests in every shape that the standard allows, and in some that it does not."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE

from dicom_gateway import sop_classes
from dicom_gateway.asked import StoreAsked, store_asked
from dicom_gateway.messages import PDV_HEAD
from dicom_gateway.request import HEAD
from tests.dicom_gateway.objects import data_set_of, image, saved
from tests.dicom_gateway.raw import (
    ABORTED,
    ACCEPTED,
    answer,
    connect,
    context,
    data_unit,
    item,
    number_in,
    request,
    store_command,
    until,
)

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
