"""What strangers try over HTTP: injection, traversal, large and slow requests. Nothing breaks, nothing is believed."""

from __future__ import annotations

import re
import socket
import time
from contextlib import suppress
from urllib.parse import quote

import pytest

from service import patience
from service.api import guard
from tests.service.conftest import room_at
from tests.service.visitors import V1, admit, browser_of

INJECTIONS = (
    "' OR '1'='1",
    "1; DROP TABLE entry;--",
    '" UNION SELECT password_hash FROM user_account--',
    "%27%20OR%201=1--",
    "\\",
    "x" * 5000,
    "null\x00byte",
    "\N{RIGHT-TO-LEFT OVERRIDE}",
    "\N{GRINNING FACE}",
)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """One room for all of them: whatever one sends, the next is served."""
    with room_at(tmp_path_factory.mktemp("hostile")) as room:
        yield room


def raw(room, text: bytes, patience_s: float = 20.0) -> bytes:
    """What the server says to these very bytes: one answer, or nothing when it closes."""
    host, port = room.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=patience_s) as line:
        line.sendall(text)
        said = b""
        with suppress(ConnectionResetError):  # closed while we were still talking
            while not is_whole(said) and (piece := line.recv(65536)):
                said += piece
        return said


def is_whole(said: bytes) -> bool:
    """Whether an answer has all that its head announces."""
    head, _, body = said.partition(b"\r\n\r\n")
    announced = re.search(rb"content-length: (\d+)", head)
    return announced is not None and len(body) >= int(announced.group(1))


@pytest.mark.parametrize("words", INJECTIONS)
def test_sql_is_a_value_wherever_it_stands(room, words):
    id = room.open()
    room.raise_alert(f"alert of {id}")
    lines = room.deps.journal.head()
    for path, params in (
        ("procedures", {"study": words}),
        ("alerts", {"procedure": words}),
        (f"procedures/{id}/log", {"types": words}),
        (f"procedures/{id}/measurements", {"zone": words}),
        ("frames/1.2.3/0.jpg", {"procedure": words}),
    ):
        answer = room.client.get(f"{V1}/{path}", params=params)
        assert answer.status_code in {200, 400, 404}, (path, answer.text)
        if answer.status_code == 200:
            assert answer.json()["items"] == []
    for path in ("alerts/{}", "procedures/{}", "procedures/{}/log", "replays/{}", "frames/{}/0.jpg"):
        address = f"{V1}/{path}".format(quote(words, safe=""))
        assert room.client.get(address).status_code in {400, 404}
    assert room.deps.journal.head() == lines
    assert room.deps.journal.verify() is None


@pytest.mark.parametrize("words", INJECTIONS)
def test_hostile_text_is_kept_as_it_was_given_or_refused(room, words):
    body = {"patient": {"name": words[:300]}, "accession_number": words}
    answer = room.client.post(f"{V1}/procedures", json=body)
    if len(words) > 64 or "\0" in words:
        room.error(answer, 400)
        return
    assert answer.status_code == 201, answer.text
    assert answer.json()["patient"]["name"] == words
    id = answer.json()["id"]
    assert room.client.post(f"{V1}/procedures/{id}/log", json={"type": "note", "text": words}).status_code == 201
    exported = room.client.get(f"{V1}/procedures/{id}/report.csv").text
    assert not [line for line in exported.splitlines() if line.startswith(("=", "@"))]


HEADERS = ("evil\r\nSet-Cookie: cementwatch=x", "evil\nX-Injected: 1", "\x1b[31m", "é\r\n\r\nHTTP/1.1 200 OK")


def test_nothing_that_is_sent_becomes_a_header(tmp_path):
    with room_at(tmp_path) as room:
        admit(room)
        with browser_of(room) as client:
            answers = [answer for words in HEADERS for answer in said_back(client, words, quote(words, safe=""))]
    for answer in answers:
        assert answer.status_code in {200, 400, 401, 404, 429}
        assert "x-injected" not in answer.headers
        assert "set-cookie" not in answer.headers


def said_back(client, words, quoted):
    """Answers of routes that put something of the request into a header or might."""
    return [
        client.get(f"{V1}/procedures/{quoted}/frames/latest.jpg"),
        client.get(f"{V1}/alerts/{quoted}"),
        client.get(f"{V1}/alerts?procedure={quoted}"),
        client.get(f"{V1}/procedures/{quoted}/report.csv"),
        client.get(f"{V1}/{quoted}"),
        client.post(f"{V1}/session", json={"name": words, "password": "x"}),
    ]


@pytest.mark.parametrize(
    "header",
    [
        b"Host: 127.0.0.1\r\nHost: evil.example",
        b"Host: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6",
        b"Host: 127.0.0.1\r\nContent-Length: -1",
        b"Host: 127.0.0.1\r\nContent-Length: \xb2",
        b"Host: 127.0.0.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked",
        b"Host: 127.0.0.1\r\nTransfer-Encoding: smuggled",
        b"Host: [::1",
        b"Host: 127.0.0.1\r\nOrigin: http://[",
        b"Host: 127.0.0.1\r\nLast-Event-ID: \xb2",
        b"Host: 127.0.0.1\r\nLast-Event-ID: " + b"9" * 5000,
        b"Host: 127.0.0.1\r\nX Y: z",
        b"Host: 127.0.0.1\r\nCookie: cementwatch=\xff\xfe; ;;=",
    ],
)
def test_a_header_that_is_none_is_the_clients_fault(room, header):
    said = raw(room, b"GET /api/v1/live?lifetime=0.1 HTTP/1.1\r\nConnection: close\r\n" + header + b"\r\n\r\n")
    status = int(said.split(b" ", 2)[1])
    assert status < 500, said[:300]
    assert status in {200, 400, 403, 501}


@pytest.mark.parametrize(
    "path",
    [
        "/dashboard/../settings.py",
        "/dashboard/..%2fsettings.py",
        "/dashboard/%2e%2e/%2e%2e/etc/passwd",
        "/dashboard/....//settings.py",
        "/dashboard//etc/passwd",
        "/dashboard/main.js%00.css",
        "/dashboard/",
        "//etc/passwd",
        "/..%5c..%5cetc/passwd",
        "/api/v1/frames/..%2f..%2f..%2fetc%2fpasswd/0.jpg",
        "/api/v1/frames/..%252f/0.jpg",
        "/api/v1/procedures/..%2f..%2fetc%2fpasswd/report.html",
    ],
)
def test_no_file_of_the_disk_can_be_asked_for(room, path):
    said = raw(room, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    assert int(said.split(b" ", 2)[1]) in {400, 404}
    assert b"root:" not in said
    assert b"BaseSettings" not in said


@pytest.mark.parametrize("value", ["../../etc/passwd", "..%2f..%2fetc", "/etc/passwd", "a/b", "\x00"])
def test_a_replay_cannot_name_a_folder(room, value):
    body = {"source": "folder", "study_instance_uid": value}
    room.error(room.client.post(f"{V1}/replays", json=body), 400)


def test_numbers_that_no_database_holds_are_bad_input(room):
    id = room.open()
    big = 10**30
    for path in (
        f"alerts?after={big}",
        f"live?after={big}",
        f"procedures?after={big}",
        f"procedures/{id}/log?after={big}",
        f"frames/1.2.3/{big}.jpg",
        f"frames/1.2.3/0.jpg?width={big}",
        "alerts?wait=nan",
        "live?lifetime=inf",
    ):
        room.error(room.client.get(f"{V1}/{path}"), 400)
    for body in ({"type": "aliquot", "volume_ml": 1e999}, {"type": "note", "text": "x" * 5000}):
        content = str(body).replace("'", '"').replace("inf", "1e999")
        headers = {"Content-Type": "application/json"}
        room.error(room.client.post(f"{V1}/procedures/{id}/log", content=content, headers=headers), 400)


def test_a_body_nested_beyond_reason_is_bad_input(room):
    content = b'{"patient":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    answer = room.client.post(f"{V1}/procedures", content=content, headers={"Content-Type": "application/json"})
    room.error(answer, 400)


def test_headers_larger_than_any_browser_sends_are_refused(room):
    said = raw(room, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"x" * 200_000 + b"\r\n\r\n")
    assert said == b"" or said.startswith(b"HTTP/1.1 400")


def test_a_request_names_one_host(room):
    for hosts in (b"", b"Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n"):
        assert raw(room, b"GET /health/live HTTP/1.1\r\n" + hosts + b"\r\n").startswith(b"HTTP/1.1 400")
    assert raw(room, b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("rest", [b"X: " + b"y" * 600_000, b"X: y\r\n" * 100_000, b"1;" + b"z" * 600_000])
def test_what_follows_a_body_without_end_is_refused(room, rest, monkeypatch):
    monkeypatch.setattr(guard, "BODY_WITHIN_S", 60.0)  # it is not for being slow that it is refused
    head = b"POST /api/v1/procedures HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    begun = b"" if rest.startswith(b"1;") else b"0\r\n"
    said = raw(room, head + begun + rest)
    assert said == b"" or said.startswith(b"HTTP/1.1 400")


# Slow


def test_a_body_that_does_not_come_is_given_up(room, monkeypatch):
    monkeypatch.setattr(guard, "BODY_WITHIN_S", 0.3)
    head = b"POST /api/v1/procedures HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    said = raw(room, head)
    assert said.startswith(b"HTTP/1.1 400")
    assert b"A body that comes at once was expected." in said


def test_a_header_that_does_not_end_holds_no_connection(room, monkeypatch):
    monkeypatch.setattr(patience, "HEADER_WITHIN_S", 0.3)
    for begun in (b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "):
        assert raw(room, begun) == b""


def test_a_second_request_that_does_not_end_holds_no_connection_either(room, monkeypatch):
    monkeypatch.setattr(patience, "HEADER_WITHIN_S", 0.3)
    whole = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    host, port = room.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(whole)
        said = b""
        while not is_whole(said):
            said += line.recv(65536)
        assert said.startswith(b"HTTP/1.1 200")
        line.sendall(whole[:20])
        assert line.recv(65536) == b"", "closed by the server"


def test_a_long_answer_is_not_cut_by_the_patience_for_headers(room, monkeypatch):
    monkeypatch.setattr(patience, "HEADER_WITHIN_S", 0.3)
    began = time.monotonic()
    assert room.client.get(f"{V1}/alerts", params={"wait": 1}).status_code == 200
    with room.client.stream("GET", f"{V1}/live", params={"lifetime": 1}) as stream:
        assert "closing" in "".join(stream.iter_text())
    assert time.monotonic() - began > 1, "the poll and the stream took longer than a header may"


def test_slow_clients_keep_nobody_waiting(room, monkeypatch):
    monkeypatch.setattr(patience, "HEADER_WITHIN_S", 2.0)
    host, port = room.url.removeprefix("http://").split(":")
    lines = [socket.create_connection((host, int(port)), timeout=20) for _ in range(100)]
    try:
        for line in lines:
            line.sendall(b"GET / HTTP/1.1\r\n")
        assert room.client.get(f"{V1}/alerts").status_code == 200
    finally:
        for line in lines:
            line.close()
