"""DICOM over TLS: who is let in, and that a handshake that hangs keeps nobody else waiting."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import subprocess
import time
from dataclasses import replace

import pytest

from dicom_gateway import sop_classes
from dicom_gateway.callers import Callers
from dicom_gateway.door import Limits
from dicom_gateway.due import Due
from dicom_gateway.peer import Peer, echo
from dicom_gateway.request import HEAD
from dicom_gateway.sender import send
from dicom_gateway.tls import BadCertificate
from tests.conftest import program
from tests.dicom_gateway.objects import data_set_of, image, ramp, saved
from tests.dicom_gateway.papers import Papers, make_papers
from tests.dicom_gateway.raw import (
    ABORTED,
    ACCEPTED,
    REJECTED,
    answer,
    connect,
    context,
    data_unit,
    echo_command,
    is_closed,
    number_in,
    request,
    store_request,
    until,
)


@pytest.fixture(scope="module")
def papers(tmp_path_factory) -> Papers:
    return make_papers(program("openssl", "openssl"), tmp_path_factory.mktemp("papers"))


@pytest.fixture
def port(listen, papers) -> int:
    callers = Callers(called="CEMENTWATCH", titles=frozenset({"ARM1"}))
    return listen(tls=papers.port.for_listening(), callers=callers).port


@pytest.fixture
def device(port, papers) -> Peer:
    return Peer(host="127.0.0.1", port=port, calling="ARM1", tls=papers.device.for_calling())


def store(peer: Peer, *contents) -> list[int | None]:
    due = [Due(offset_s=0.0, content=content) for content in contents]
    return [each.status for each in send(due, peer, speed=None, clock=time.monotonic, sleep=time.sleep)]


def refusals(caplog) -> list[str]:
    return [record.tls for record in caplog.records if getattr(record, "reason", "") == "TLS"]


def test_a_device_with_a_certificate_stores_the_very_bytes(device, spool, tmp_path):
    run = saved(image(ramp(40, (256, 256))), tmp_path / "run.dcm")
    assert run.stat().st_size > 5_000_000
    assert store(device, run, image(), image()) == [0, 0, 0]
    assert data_set_of(spool.after(0)[0].path) == data_set_of(run)


@pytest.mark.parametrize("name", ["stranger", "expired"])
def test_a_certificate_that_our_authority_does_not_vouch_for_is_refused(name, device, papers, port, caplog):
    with caplog.at_level(logging.WARNING):
        assert not echo(replace(device, tls=getattr(papers, name).for_calling()))
    assert until(lambda: refusals(caplog) == ["CERTIFICATE_VERIFY_FAILED"])
    assert store(device, image()) == [0]


def test_no_certificate_is_refused(device, papers, caplog):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(papers.device.authorities)
    with caplog.at_level(logging.WARNING):
        assert not echo(replace(device, tls=context))
    assert until(lambda: refusals(caplog) == ["PEER_DID_NOT_RETURN_A_CERTIFICATE"])
    assert store(device, image()) == [0]


def test_a_caller_finds_out_a_port_that_is_not_ours(listen, papers):
    impostor = listen(tls=papers.stranger.for_listening())
    assert not echo(Peer(host="127.0.0.1", port=impostor.port, tls=papers.device.for_calling()))


@pytest.mark.parametrize("suites", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"])
def test_a_suite_without_forward_secrecy_or_authenticated_encryption_is_refused(suites, device, papers, caplog):
    weak = papers.device.for_calling()
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers(suites + ":@SECLEVEL=0")
    with caplog.at_level(logging.WARNING):
        assert not echo(replace(device, tls=weak))
    assert until(lambda: refusals(caplog) == ["NO_SHARED_CIPHER"])
    assert store(device, image()) == [0]


def test_a_version_before_1_2_is_refused(device, papers, caplog):
    old = papers.device.for_calling()
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with caplog.at_level(logging.WARNING):
        assert not echo(replace(device, tls=old))
    assert until(lambda: refusals(caplog) == ["UNSUPPORTED_PROTOCOL"])


def test_plain_dicom_at_a_tls_port_is_closed_and_tls_at_a_plain_port_aborted(port, device, listen, caplog):
    with caplog.at_level(logging.WARNING), connect(port) as sock:
        sock.sendall(request())
        answer(sock)
    assert until(lambda: refusals(caplog) == ["WRONG_VERSION_NUMBER"])
    plain = listen()
    assert not echo(replace(device, port=plain.port))
    assert echo(Peer(host="127.0.0.1", port=plain.port))


def test_a_good_certificate_does_not_make_a_wrong_title_right(device):
    with device.tls.wrap_socket(connect(device.port)) as sock:
        sock.sendall(request("STRANGER"))
        told = answer(sock)
    assert (told[0], tuple(told[7:10])) == (REJECTED, (1, 1, 3))
    with device.tls.wrap_socket(connect(device.port)) as sock:
        sock.sendall(HEAD.pack(1, 0xFFFFFFF0))
        assert answer(sock)[0] == ABORTED


def test_handshakes_that_hang_keep_nobody_waiting(listen, papers, device):
    listener = listen(tls=papers.port.for_listening(), limits=Limits(request_within_s=1.0))
    with contextlib.ExitStack() as crowd:
        silent = [crowd.enter_context(connect(listener.port)) for _ in range(20)]
        for sock in silent[::2]:
            sock.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert store(replace(device, port=listener.port), image()) == [0]
        assert all(is_closed(sock) for sock in silent)


def test_a_pdu_that_stops_halfway_within_tls_ends_its_association(listen, papers, device):
    listener = listen(tls=papers.port.for_listening(), limits=Limits(read_within_s=0.5))
    with device.tls.wrap_socket(connect(listener.port)) as sock:
        sock.sendall(request())
        assert answer(sock)[0] == ACCEPTED
        sock.sendall(HEAD.pack(4, 1000) + b"x")
        with contextlib.suppress(ssl.SSLError):
            assert is_closed(sock)


def test_messages_that_share_a_tls_record_are_all_answered(device, port):
    """Once a record is decrypted nothing more arrives that would tell of what is left of it."""
    nothing = store_request(sop_classes.XA, "1.2.3", b"")
    two_contexts = context(1), context(3, sop_classes.VERIFICATION, (sop_classes.IMPLICIT_LE,))
    with device.tls.wrap_socket(connect(port)) as sock:
        sock.sendall(request(contexts=two_contexts))
        assert answer(sock)[0] == ACCEPTED
        sock.sendall(2 * nothing + data_unit(echo_command(7), 3, 3) + 2 * nothing)
        assert [number_in(answer(sock), 0x0120) for _ in range(5)] == [1, 1, 7, 1, 1]


def test_a_foreign_sender_stores_over_tls(device, papers, dcmtk, spool, tmp_path):
    path = saved(image(ramp(4, (256, 256))), tmp_path / "run.dcm")
    own = papers.device
    command = [dcmtk.storescu, "+tls", own.key, own.certificate, "+cf", own.authorities, "-aet", "ARM1"]
    command += ["-aec", "CEMENTWATCH", device.host, str(device.port), path]
    said = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=False)
    assert said.returncode == 0, said.stderr
    assert data_set_of(spool.after(0)[0].path) == data_set_of(path)


def test_files_that_are_no_credentials_are_named(papers, tmp_path):
    junk = tmp_path / "junk.pem"
    junk.write_text("Dear Sir or Madam")
    for wrong, named in (
        (replace(papers.port, certificate=tmp_path / "absent.pem"), "absent.pem"),
        (replace(papers.port, key=papers.device.key), "key"),
        (replace(papers.port, certificate=junk), "junk.pem"),
        (replace(papers.port, authorities=junk), "junk.pem"),
    ):
        with pytest.raises(BadCertificate, match=rf"{named}.*expected"):
            wrong.for_listening()


def test_a_context_lets_nothing_older_than_tls_1_2_through(papers):
    for each in (papers.port.for_listening(), papers.port.for_calling()):
        assert each.minimum_version == ssl.TLSVersion.TLSv1_2
        names = [suite["name"] for suite in each.get_ciphers()]
        assert all(name.startswith(("ECDHE-", "TLS_")) for name in names)
        assert all("GCM" in name or "CHACHA20" in name or "CCM" in name for name in names)


def test_a_socket_that_goes_during_its_handshake_harms_nobody(port, device):
    for piece in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01" + bytes(100)):
        sock = connect(port)
        sock.sendall(piece)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    assert store(device, image()) == [0]
