"""Two threads answer on one association: the library's, and ours that has stored. Each answer comes in its turn, and whole."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dicom_gateway import sop_classes
from dicom_gateway.listener import Listener
from tests.dicom_gateway.raw import (
    ACCEPTED,
    answer,
    connect,
    context,
    data_unit,
    echo_command,
    number_in,
    request,
    store_command,
    until,
)

CONTEXTS = context(1), context(3, sop_classes.VERIFICATION, (sop_classes.IMPLICIT_LE,))
ANSWERS_MESSAGE = 0x0120
N_LONG = 6


@pytest.fixture
def listener(listen) -> Listener:
    """It refuses each object as soon as it is there."""
    return listen(min_free_bytes=2**62)


@pytest.fixture
def asked(listener) -> Iterator[socket.socket]:
    """Of an association that has just been accepted."""
    with connect(listener.port) as sock:
        sock.sendall(request(contexts=CONTEXTS))
        assert answer(sock)[0] == ACCEPTED
        yield sock


@contextmanager
def held(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """While this lasts the library stands before its next answer. Set when it does."""
    (association,) = listener._ae.active_associations
    answer_message, stands, may_go = association.dimse.send_msg, threading.Event(), threading.Event()

    def wait_and_answer(primitive: Any, context_id: int) -> None:
        stands.set()
        assert may_go.wait(20)
        answer_message(primitive, context_id)

    monkeypatch.setattr(association.dimse, "send_msg", wait_and_answer)
    try:
        yield stands
    finally:
        may_go.set()


def store(message: int) -> bytes:
    return data_unit(store_command(sop_classes.XA, "1.2.3", message), 3) + data_unit(b"", 2)


def is_silent(sock: socket.socket) -> bool:
    return not select.select([sock], [], [], 0.3)[0]


def test_an_answer_of_ours_waits_for_the_library_s_that_comes_before_it(listener, asked, monkeypatch):
    """Only a device that asks ahead without having agreed on it (PS3.7 D.3.3.3) has two answers under way at once."""
    (association,) = listener._ae.active_associations
    with held(listener, monkeypatch) as stands:
        asked.sendall(data_unit(echo_command(1), 3, 3) + store(2))
        assert stands.wait(20)
        assert until(lambda: association.dimse.msg_queue.qsize() > 0), "the object is here, whole"
        assert is_silent(asked), "written past the answer that comes first"
    assert [number_in(answer(asked), ANSWERS_MESSAGE) for _ in range(2)] == [1, 2]
    assert listener.counts().get("refused_A700") == 1


def test_objects_and_echoes_are_answered_one_by_one_on_the_same_association(asked):
    for message in range(1, 9):
        asked.sendall(store(message) if message % 3 else data_unit(echo_command(message), 3, 3))
        assert number_in(answer(asked), ANSWERS_MESSAGE) == message


def test_pdus_of_two_threads_stand_one_after_the_other_however_slowly_they_are_read(listener, asked):
    """Answers are short, and the system takes them whole; so that it would not, these are long."""
    (association,) = listener._ae.active_associations
    prompt = association.dul.socket
    prompt.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least that the system gives
    long = [data_unit(bytes([number]) * 2**17, 0) for number in range(N_LONG)]
    writers = [threading.Thread(target=prompt.send, args=(pdu,)) for pdu in long]
    for each in writers:
        each.start()
    assert until(lambda: not select.select([], [prompt.socket], [], 0)[1]), "nothing more can be written"
    assert sorted(answer(asked) for _ in long) == long
    for each in writers:
        each.join(20)
