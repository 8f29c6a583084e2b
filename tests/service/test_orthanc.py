"""An Orthanc is asked for objects as they lie there, over one connection; what it does not give whole is no object."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from service.orthanc import OrthancUnreachable, StudyNotFound, fetch_study, instances_of, studies_in
from tests.conftest import orthanc_running
from tests.dicom_gateway.objects import image, saved

OBJECT = bytes(range(256)) * 20_000
"""Longer than one piece."""


@dataclass
class Counter:
    """A stand-in that answers as Orthanc does and writes down what it was asked."""

    url: str = ""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    callers: set[int] = field(default_factory=set)
    n_given: int = len(OBJECT)
    hangs_up: bool = False
    answers: dict[str, object] = field(
        default_factory=lambda: {
            "/at/tools/find": ["study"],
            "/at/studies/study/series": [{"Instances": ["a"]}, {"Instances": ["b"]}],
        }
    )


@pytest.fixture
def counter() -> Iterator[Counter]:
    told = Counter()

    class Desk(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told.asked.append((self.command, self.path, dict(self.headers)))
            told.callers.add(self.client_address[1])
            is_object = self.path.endswith("/file")
            body = OBJECT if is_object else json.dumps(told.answers.get(self.path, [])).encode()
            self.send_response(200 if is_object or self.path in told.answers else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: told.n_given])
            self.close_connection = told.hangs_up or told.n_given < len(body)

        do_GET = do_POST = answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    told.url = f"http://nurse:p%40ss@127.0.0.1:{server.server_port}/at/"
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


def test_objects_are_asked_for_as_they_are_over_one_connection(counter, tmp_path):
    assert fetch_study(counter.url, "1.2", tmp_path / "study") == 2
    assert [path.read_bytes() for path in sorted((tmp_path / "study").iterdir())] == [OBJECT, OBJECT]
    assert len(counter.callers) == 1
    assert [path for _, path, _ in counter.asked] == [
        "/at/tools/find",
        "/at/studies/study/series",
        "/at/instances/a/file",
        "/at/instances/b/file",
    ]
    for _, _, headers in counter.asked:
        assert headers["Accept-Encoding"] == "identity", "packing takes Orthanc longer than judging takes us"
        assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"nurse:p@ss"


def test_half_an_object_is_none(counter, tmp_path):
    counter.n_given = len(OBJECT) // 2
    with pytest.raises(OrthancUnreachable, match="does not give the object"):
        fetch_study(counter.url, "1.2", tmp_path / "study")


def test_who_was_hung_up_on_between_two_objects_calls_again(counter, tmp_path):
    counter.hangs_up = True
    assert fetch_study(counter.url, "1.2", tmp_path / "study") == 2
    assert [path.read_bytes() for path in sorted((tmp_path / "study").iterdir())] == [OBJECT, OBJECT]
    assert len(counter.callers) == 4


def test_a_study_that_is_not_there_is_not_taken_for_silence(counter):
    counter.answers["/at/tools/find"] = []
    with pytest.raises(StudyNotFound):
        instances_of(counter.url, "1.2")


def test_what_does_not_answer_as_orthanc_does_is_said(counter, free_port):
    counter.answers.clear()
    for url in (
        counter.url,
        f"http://127.0.0.1:{free_port}",
        "http://127.0.0.1:port",
        "nonsense",
        "http://[::1",
        "http://a b",
    ):
        with pytest.raises(OrthancUnreachable):
            studies_in(url)


def test_orthanc_gives_back_what_was_stored_byte_for_byte(orthanc, tmp_path):
    stored = saved(image(StudyInstanceUID="2.25.1", PatientID="1"), tmp_path / "one.dcm").read_bytes()
    orthanc.post("/instances", stored)
    assert studies_in(orthanc.http) == ["2.25.1"]
    assert fetch_study(orthanc.http, "2.25.1", tmp_path / "study") == len(instances_of(orthanc.http, "2.25.1")) == 1
    assert (tmp_path / "study" / "000000.dcm").read_bytes() == stored


def test_a_study_is_whole_however_few_objects_orthanc_finds_at_once(tmp_path):
    with orthanc_running(tmp_path, LimitFindInstances=2) as orthanc:
        for number in range(5):
            made = image(StudyInstanceUID="2.25.1", SOPInstanceUID=f"2.25.1.{number}", PatientID="1")
            orthanc.post("/instances", saved(made, tmp_path / "one.dcm").read_bytes())
        assert fetch_study(orthanc.http, "2.25.1", tmp_path / "study") == 5
