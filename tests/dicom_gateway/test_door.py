"""Strangers at the port: what they may cost, and that a known device never notices them."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import threading
import time
from pathlib import Path

import pytest

from dicom_gateway import sop_classes
from dicom_gateway.callers import Callers, Device, network_of
from dicom_gateway.door import PORCH_BYTES, Limits
from dicom_gateway.due import Due
from dicom_gateway.listener import Listener
from dicom_gateway.peer import Peer, associated, echo
from dicom_gateway.refusal import Unreachable
from dicom_gateway.request import HEAD, MOST_ITEMS, MOST_REQUEST, is_request, titles_of
from dicom_gateway.sender import send
from tests.dicom_gateway.objects import image
from tests.dicom_gateway.raw import (
    ABORTED,
    ACCEPTED,
    REJECTED,
    answer,
    connect,
    context,
    is_closed,
    item,
    request,
    until,
)

ECHO = [(sop_classes.VERIFICATION, sop_classes.IMPLICIT_LE)]
ELSEWHERE = "127.0.0.2"


def memory_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def store(port: int, n_objects: int = 1, calling: str = "ARM1") -> list[int | None]:
    peer = Peer(host="127.0.0.1", port=port, calling=calling)
    due = [Due(offset_s=0.0, content=image()) for _ in range(n_objects)]
    return [each.status for each in send(due, peer, speed=None, clock=time.monotonic, sleep=time.sleep)]


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [getattr(record, "reason", "") for record in caplog.records]


def test_a_plain_request_is_accepted_whatever_pieces_it_comes_in(listener):
    whole = request()
    for cuts in ([len(whole)], [3, 4, 80], [6, 74], range(0, len(whole), 7)):
        with connect(listener.port) as sock:
            for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
                sock.sendall(whole[begin:end])
                time.sleep(0.002)
            assert answer(sock)[0] == ACCEPTED


def test_what_follows_a_request_at_once_is_not_swallowed_with_it(listener):
    with connect(listener.port) as sock:
        sock.sendall(request() + HEAD.pack(7, 4) + bytes(4))
        assert answer(sock)[:1] in {bytes([ACCEPTED]), b""}
        assert answer(sock) == b""
    assert until(lambda: listener._door._places._by_address.total() == 0)


def test_who_does_not_wait_for_the_answer_to_a_request_ends_its_own_association(listener):
    with connect(listener.port) as sock:
        sock.sendall(request() + HEAD.pack(5, 4) + bytes(4))  # a release of what is not accepted yet (PS3.8 AA-8)
        while answer(sock):
            pass
    assert until(lambda: listener._door._places._by_address.total() == 0)
    assert store(listener.port) == [0]


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0xFFFFFFF0, MOST_REQUEST + 1, 67, 0])
def test_a_request_of_an_impossible_length_is_aborted_before_anything_of_it_is_kept(listener, length, caplog):
    before, n_threads = memory_bytes(), threading.active_count()
    with caplog.at_level(logging.WARNING), connect(listener.port) as sock:
        sock.sendall(HEAD.pack(1, length))
        with contextlib.suppress(ConnectionError, TimeoutError):
            for _ in range(400):
                sock.sendall(bytes(2**16))
        assert answer(sock)[:1] in {bytes([ABORTED]), b""}  # a stack may take an answer back that nobody waited for
    assert memory_bytes() - before < 4 * 2**20
    assert threading.active_count() == n_threads
    assert until(lambda: "a request of an impossible length" in reasons(caplog))
    assert store(listener.port) == [0]


def test_who_declares_four_gigabytes_and_listens_is_told_of_the_abort(listener):
    with connect(listener.port) as sock:
        sock.sendall(HEAD.pack(1, 0xFFFFFFF0))
        told = answer(sock)
    assert (told[0], told[8], told[9]) == (ABORTED, 2, 6)


@pytest.mark.parametrize(
    "first",
    [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", HEAD.pack(4, 20) + bytes(20), HEAD.pack(2, 68)],
    ids=["HTTP", "TLS", "data", "acceptance"],
)
def test_what_is_no_request_is_aborted(listener, first):
    with connect(listener.port) as sock:
        sock.sendall(first)
        assert answer(sock)[0] == ABORTED


def test_a_silent_and_a_dripping_stranger_are_dropped_and_cost_no_thread(listen, caplog):
    listener = listen(limits=Limits(request_within_s=0.5))
    n_threads = threading.active_count()
    with caplog.at_level(logging.WARNING), connect(listener.port) as silent, connect(listener.port) as dripping:
        dripping.settimeout(0.05)
        for byte in request()[:200]:
            try:
                dripping.send(bytes([byte]))
                if dripping.recv(1) == b"":
                    break
            except TimeoutError:
                assert threading.active_count() <= n_threads
            except ConnectionError:
                break
        else:
            pytest.fail("a dripping stranger was never dropped")
        assert is_closed(silent)
    assert until(lambda: reasons(caplog).count("no whole request in time") == 2)


@pytest.mark.parametrize("address", [ELSEWHERE, "127.0.0.1"], ids=["from elsewhere", "from the address of the device"])
def test_two_hundred_silent_and_two_hundred_dripping_strangers_cost_a_known_device_nothing(listen, address, spool):
    listener = listen(callers=Callers(called="CEMENTWATCH", known=(Device(title="ARM1"),)))
    n_threads = threading.active_count()
    with contextlib.ExitStack() as crowd:
        strangers = [crowd.enter_context(connect(listener.port, address)) for _ in range(400)]
        drips = request("STRANGER")
        for at in range(3):
            for each in strangers[::2]:
                with contextlib.suppress(ConnectionError):
                    each.send(drips[at : at + 1])
            assert store(listener.port, 10) == [0] * 10
            assert echo(Peer(host="127.0.0.1", port=listener.port, calling="ARM1"))
        assert until(lambda: threading.active_count() <= n_threads)
    assert len(spool.after(0)) == 30


def test_the_oldest_stranger_makes_way_for_a_newcomer(listen):
    listener = listen(limits=Limits(n_waiting=3, n_per_address=2))
    with contextlib.ExitStack() as crowd:
        first, second, _ = (crowd.enter_context(connect(listener.port, ELSEWHERE)) for _ in range(3))
        assert is_closed(first)
        for _ in range(2):
            crowd.enter_context(connect(listener.port))
        assert is_closed(second)


def test_all_requests_that_are_not_whole_hold_no_more_than_one_pdu(listener):
    whole = request(contexts=tuple(context(1 + 2 * n, syntaxes=("1.2.3",) * 90) for n in range(128)))
    assert 100_000 < len(whole) < MOST_REQUEST
    before = memory_bytes()
    with contextlib.ExitStack() as crowd:
        crowded = [crowd.enter_context(connect(listener.port, f"127.0.0.{2 + n % 4}")) for n in range(60)]
        for each in crowded:
            with contextlib.suppress(ConnectionError):
                each.sendall(whole[:-1])
        assert memory_bytes() - before < 8 * PORCH_BYTES  # the buffers of both ends of loopback are not ours
        assert until(lambda: sum(len(each.buffer) for each in list(listener._door._guests)) <= PORCH_BYTES)
    assert store(listener.port) == [0]


def test_strangers_cannot_use_up_the_places_of_known_devices(listen, caplog):
    known = (Device(title="ARM1"), Device(title="ARM2", network=network_of("127.0.0.1")))
    limits = Limits(n_associations=6, n_reserved=2, n_per_address=6)
    listener = listen(callers=Callers(called="CEMENTWATCH", known=known), limits=limits)
    with contextlib.ExitStack() as crowd:

        def call(title: str, address: str = "127.0.0.1") -> bytes:
            sock = crowd.enter_context(connect(listener.port, address))
            sock.sendall(request(title))
            return answer(sock)

        assert [call("STRANGER", ELSEWHERE)[0] for _ in range(4)] == [ACCEPTED] * 4
        with caplog.at_level(logging.WARNING):
            assert call("STRANGER", "127.0.0.3")[:1] + call("STRANGER")[:1] == bytes([REJECTED] * 2)
        assert until(lambda: reasons(caplog) == ["too many associations"] * 2)
        assert [call("ARM1")[0], call("ARM2")[0]] == [ACCEPTED] * 2
        told = call("ARM1")
        assert (told[0], tuple(told[7:10])) == (REJECTED, (2, 3, 2))
    assert until(lambda: store(listener.port) == [0])


def test_one_address_cannot_take_every_place(listen):
    listener = listen(limits=Limits(n_per_address=2))
    with contextlib.ExitStack() as crowd:
        told = []
        for address in (ELSEWHERE, ELSEWHERE, ELSEWHERE, "127.0.0.3"):
            sock = crowd.enter_context(connect(listener.port, address))
            sock.sendall(request())
            told.append(answer(sock)[0])
    assert told == [ACCEPTED, ACCEPTED, REJECTED, ACCEPTED]


def test_a_place_is_free_again_however_its_association_ended(listen):
    listener = listen(limits=Limits(n_associations=1))
    ends = (HEAD.pack(5, 4) + bytes(4), HEAD.pack(7, 4) + bytes(4), HEAD.pack(4, 0xFFFFFFF0), b"HTTP/1", b"")

    def is_accepted(end: bytes) -> bool:
        with connect(listener.port) as sock:
            sock.sendall(request())
            if answer(sock)[0] != ACCEPTED:
                return False
            sock.sendall(end)
            return True

    for end in ends:
        assert until(lambda end=end: is_accepted(end)), end
    assert until(lambda: echo(Peer(host="127.0.0.1", port=listener.port)))


def reject_of(
    port: int, calling: str = "ARM1", called: str = "CEMENTWATCH", address: str = "127.0.0.1"
) -> tuple[int, ...]:
    """What is answered to a request: result, source, diagnostic; empty when it is accepted."""
    with connect(port, address) as sock:
        sock.sendall(request(calling, called))
        told = answer(sock)
    return () if told[0] == ACCEPTED else tuple(told[7:10])


def test_titles_and_addresses_are_listed(listen, caplog):
    known = (Device.parse("ARM2@127.0.0.2"), Device.parse("ARM3@127.0.0.0/29"))
    titles = frozenset({"ARM1"})
    port = listen(callers=Callers(called="CEMENTWATCH", titles=titles, known=known)).port
    with caplog.at_level(logging.WARNING):
        assert reject_of(port, called="OTHER") == (1, 1, 7)
        assert reject_of(port, "STRANGER") == (1, 1, 3)
        assert reject_of(port, "ARM2") == (1, 1, 3)
        assert reject_of(port, "ARM3", address="127.0.0.9") == (1, 1, 3)
    expected = ["a called AE title that is not ours"] + ["a calling AE title that is not on the list"] * 3
    assert until(lambda: reasons(caplog) == expected)
    assert [record.source for record in caplog.records] == ["ARM1", "STRANGER", "ARM2", "ARM3"]
    assert reject_of(port, "ARM1") == reject_of(port, "ARM2", address=ELSEWHERE) == ()
    assert reject_of(port, "ARM3", address="127.0.0.6") == ()


def test_an_address_that_is_not_listed_is_closed_without_a_word(listen, caplog):
    port = listen(callers=Callers(called="CEMENTWATCH", networks=(network_of("127.0.0.1"),))).port
    with caplog.at_level(logging.WARNING), connect(port, ELSEWHERE) as stranger:
        assert is_closed(stranger)
    assert until(lambda: reasons(caplog) == ["an address that is not on the list"])
    assert store(port) == [0]


def test_a_flood_is_counted_and_not_written_line_by_line(listen, caplog):
    listener = listen(callers=Callers(called="CEMENTWATCH", networks=(network_of("10.0.0.0/8"),)))
    with caplog.at_level(logging.WARNING):
        for _ in range(300):
            connect(listener.port).close()
        assert until(lambda: listener.counts().get("turned_away") == 300)
    assert len(caplog.records) < 200


@pytest.mark.parametrize("text", ["", "@10.0.0.1", "A" * 17, "ARM1@ten", "ARM1@10.0.0.300"])
def test_a_device_that_is_none_names_what_was_expected(text):
    with pytest.raises(ValueError, match="expected"):
        Device.parse(text)


def test_an_ipv4_address_on_an_ipv6_socket_is_itself():
    callers = Callers(called="X", networks=(ipaddress.ip_network("10.0.0.0/8"),))
    assert callers.may_connect("::ffff:10.1.2.3")
    assert not callers.may_connect("::ffff:11.1.2.3")
    assert not callers.may_connect("fe80::1%2")


BAD_OUTLINES = {
    "no items": request(contexts=())[: 6 + 68],
    "no context": request(contexts=()),
    "an item beyond the end": request() + b"\x50\x00\xff\xff",
    "an item of an unknown kind": request(more=item(0x60, b"")),
    "two users": request(more=item(0x50, b"")),
    "two classes in a context": request(contexts=(item(0x20, bytes(4) + item(0x30, b"1") * 2),)),
    "a context within a context": request(contexts=(item(0x20, bytes(4) + context(1)),)),
    "129 contexts": request(contexts=tuple(context(1) for _ in range(129))),
    "thousands of empty items": request(contexts=(context(1, syntaxes=("",) * (MOST_ITEMS // 2)), context(3)) * 2),
}


@pytest.mark.parametrize("name", BAD_OUTLINES)
def test_a_request_that_is_none_is_aborted_before_it_is_parsed(listener, name):
    whole = BAD_OUTLINES[name]
    whole = HEAD.pack(1, len(whole) - HEAD.size) + whole[HEAD.size :]
    n_threads = threading.active_count()
    with connect(listener.port) as sock:
        sock.sendall(whole)
        assert answer(sock)[0] == ABORTED
    assert threading.active_count() == n_threads
    assert store(listener.port) == [0]


def test_a_large_honest_request_is_one():
    syntaxes = (*sop_classes.NATIVE, *sop_classes.COMPRESSED, *sop_classes.COMPRESSED)
    whole = request("A" * 16, contexts=tuple(context(1 + 2 * n, syntaxes=syntaxes) for n in range(128)))
    assert len(whole) < MOST_REQUEST
    assert is_request(whole)
    assert titles_of(whole) == ("CEMENTWATCH", "A" * 16)


def test_four_gigabytes_within_an_association_end_it_and_are_never_kept(listener):
    before = memory_bytes()
    with connect(listener.port) as sock:
        sock.sendall(request())
        assert answer(sock)[0] == ACCEPTED
        sock.sendall(HEAD.pack(4, 0xFFFFFFF0))
        assert answer(sock)[:1] == bytes([ABORTED])
        with contextlib.suppress(ConnectionError):
            for _ in range(400):
                sock.sendall(bytes(2**16))
    assert memory_bytes() - before < 4 * 2**20
    assert store(listener.port) == [0]


def test_a_pdu_that_drips_within_an_association_ends_it(listen):
    listener = listen(limits=Limits(read_within_s=0.5))
    with connect(listener.port) as sock:
        sock.sendall(request())
        assert answer(sock)[0] == ACCEPTED
        sock.sendall(HEAD.pack(4, 1000))
        sock.settimeout(0.1)

        def is_ended() -> bool:
            try:
                sock.send(b"x")
                return sock.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        assert until(is_ended)


def test_a_title_from_a_replay_counts_from_this_machine_only(listen):
    port = listen(callers=Callers(called="CEMENTWATCH", networks=())).port
    assert reject_of(port, "RPL.r1") == ()
    assert Callers(called="X").reject("X", "RPL.r1", "10.0.0.1") is not None
    assert not Callers(called="X", titles=frozenset({"RPL.r1"})).is_known("RPL.r1", "127.0.0.1")


def test_guests_are_sent_away_when_the_listener_stops(spool):
    listener = Listener(spool, port=0, min_free_bytes=0)
    listener.start()
    with connect(listener.port) as sock, connect(listener.port) as half:
        half.sendall(request()[:50])
        listener.stop()
        assert is_closed(sock)
        assert is_closed(half)


def test_an_association_is_refused_while_the_disk_is_low_and_an_echo_is_not(listen, caplog):
    port = listen(min_free_bytes=2**62).port
    peer = Peer(host="127.0.0.1", port=port)
    with caplog.at_level(logging.WARNING):
        assert reject_of(port) == (2, 3, 1)
    assert until(lambda: "the disk is filling" in reasons(caplog))
    assert echo(peer)
    with pytest.raises(Unreachable, match="refuses"), associated(peer, [(sop_classes.XA, sop_classes.EXPLICIT_LE)]):
        pass


def test_a_socket_that_is_reset_at_every_stage_harms_nobody(listener):
    for n_bytes in (0, 1, 6, 60, len(request())):
        sock = connect(listener.port)
        sock.sendall(request()[:n_bytes])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    assert store(listener.port) == [0]
