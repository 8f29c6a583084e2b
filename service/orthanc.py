"""Recorded studies from an Orthanc server, over its REST interface.

One connection serves a whole study. It is the standard library's: objects are large and many, and a client made for more
than this took half as long over each of them as the judging of one.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

TIMEOUT_S = 30.0
PIECE = 2**20


class StudyNotFound(LookupError):
    """The server answers, and does not have this study."""


class OrthancUnreachable(ConnectionError):
    """The server does not answer, or not as Orthanc does."""


def instances_of(url: str, study_instance_uid: str) -> list[str]:
    """Orthanc's own ids of the objects of a study. Raises ``StudyNotFound`` or ``OrthancUnreachable``."""
    with closing(_Line(url)) as line:
        return line.instances(study_instance_uid)


def studies_in(url: str) -> list[str]:
    """The Study Instance UIDs of all studies, sorted. Raises ``OrthancUnreachable``."""
    with closing(_Line(url)) as line:
        found = line.told("GET", "/studies?expand")
    try:
        return sorted(str(study["MainDicomTags"]["StudyInstanceUID"]) for study in found)
    except (LookupError, TypeError):
        raise OrthancUnreachable("Orthanc does not answer as expected") from None


def fetch_study(
    url: str, study_instance_uid: str, folder: Path, *, may_go_on: Callable[[], bool] = lambda: True
) -> int:
    """Write every object of a study into ``folder``; how many there are. ``OrthancUnreachable`` also when it may not go on."""
    with closing(_Line(url)) as line:
        ids = line.instances(study_instance_uid)
        folder.mkdir(parents=True, exist_ok=True)
        for number, instance in enumerate(ids):
            if not may_go_on():
                raise OrthancUnreachable("broken off")
            line.fetch(f"/instances/{instance}/file", folder / f"{number:06d}.dcm")
    return len(ids)


class _Line:
    """One connection, a question at a time. The address may hold a path, a name and a password."""

    def __init__(self, url: str) -> None:
        try:
            place = urlsplit(url)
            host, port = place.hostname or "", place.port
            self._connection = (
                HTTPSConnection(host, port, timeout=TIMEOUT_S, context=_authorities())
                if place.scheme == "https"
                else HTTPConnection(host, port, timeout=TIMEOUT_S)
            )
        except (ValueError, HTTPException):
            raise OrthancUnreachable("the address of Orthanc is none") from None
        if place.scheme not in {"http", "https"}:
            raise OrthancUnreachable("the address of Orthanc is none of http or https")
        self._path, self._headers = place.path.rstrip("/"), {}
        if place.username is not None:
            known = f"{unquote(place.username)}:{unquote(place.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(known.encode()).decode()}"
        self._buffer = memoryview(bytearray(PIECE))
        self._has_answered = False

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def instances(self, study_instance_uid: str) -> list[str]:
        """As ``instances_of``."""
        # not asked for by a search of its own: Orthanc cuts one off at LimitFindInstances, without a word
        query = {"Level": "Study", "Query": {"StudyInstanceUID": study_instance_uid}}
        found = self.told("POST", "/tools/find", query)
        if not found:
            raise StudyNotFound("the study is not in Orthanc")
        try:
            series = [each for study in found for each in self.told("GET", f"/studies/{study}/series")]
            return [str(instance) for each in series for instance in each["Instances"]]
        except (LookupError, TypeError):
            raise OrthancUnreachable("Orthanc does not answer as expected") from None

    def told(self, method: str, path: str, question: Any = None) -> Any:
        """What Orthanc answers to a question."""
        try:
            return json.loads(self._ask(method, path, question).read())
        except (OSError, HTTPException, ValueError) as error:
            raise OrthancUnreachable("Orthanc does not answer as expected") from error

    def fetch(self, path: str, file: Path) -> None:
        """Write what lies under ``path`` into a file. OSError from the disk."""
        with file.open("wb") as written:
            for piece in self._pieces(path):
                written.write(piece)

    def _pieces(self, path: str) -> Iterator[memoryview]:
        try:
            answer = self._ask("GET", path)
            n_due = answer.length
            n_there = 0
            while n_bytes := answer.readinto(self._buffer):
                n_there += n_bytes
                yield self._buffer[:n_bytes]
        except (OSError, HTTPException) as error:
            raise OrthancUnreachable("Orthanc does not give the object") from error
        if n_due is not None and n_there < n_due:
            raise OrthancUnreachable("Orthanc does not give the object")

    def _ask(self, method: str, path: str, question: Any = None) -> HTTPResponse:
        body = None if question is None else json.dumps(question).encode()
        asked = method, self._path + path, body, self._headers
        try:
            self._connection.request(*asked)
            answer = self._connection.getresponse()
        except ConnectionError:
            if not self._has_answered:
                raise
            # Orthanc hangs up on who asks nothing for a second: all that we ask may be asked twice
            self._connection.close()
            self._connection.request(*asked)
            answer = self._connection.getresponse()
        self._has_answered = True
        if answer.status != 200:
            raise HTTPException(f"answered {answer.status}")
        return answer


@cache
def _authorities() -> ssl.SSLContext:
    """Whom this machine trusts: read once, for it takes as long as three objects."""
    import httpx  # brings the certificates that our other clients go by; the common address is of this machine, and needs none

    return httpx.create_ssl_context()
