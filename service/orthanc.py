"""Recorded studies from an Orthanc server, over its REST interface."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path
from typing import Any

import httpx

TIMEOUT_S = 30.0


class StudyNotFound(LookupError):
    """The server answers, and does not have this study."""


class OrthancUnreachable(ConnectionError):
    """The server does not answer, or not as Orthanc does."""


def instances_of(url: str, study_instance_uid: str) -> list[str]:
    """Orthanc's own ids of the objects of a study. Raises ``StudyNotFound`` or ``OrthancUnreachable``."""
    with _client(url) as client:
        return _instances(client, study_instance_uid)


def studies_in(url: str) -> list[str]:
    """The Study Instance UIDs of all studies, sorted. Raises ``OrthancUnreachable``."""
    with _client(url) as client:
        found = _json(client, "GET", "/studies?expand")
    try:
        return sorted(str(study["MainDicomTags"]["StudyInstanceUID"]) for study in found)
    except (LookupError, TypeError):
        raise OrthancUnreachable("Orthanc does not answer as expected") from None


def fetch_study(url: str, study_instance_uid: str, folder: Path) -> int:
    """Write every object of a study into ``folder``; how many there are."""
    with _client(url) as client:
        ids = _instances(client, study_instance_uid)
        folder.mkdir(parents=True, exist_ok=True)
        for number, instance in enumerate(ids):
            try:
                answer = client.get(f"/instances/{instance}/file")
                answer.raise_for_status()
            except httpx.HTTPError as error:
                raise OrthancUnreachable("Orthanc does not give the object") from error
            (folder / f"{number:06d}.dcm").write_bytes(answer.content)
    return len(ids)


def _client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=TIMEOUT_S, verify=_authorities())


@cache
def _authorities() -> ssl.SSLContext:
    """Whom this machine trusts: read once, for it takes as long as three objects."""
    return httpx.create_ssl_context()


def _instances(client: httpx.Client, study_instance_uid: str) -> list[str]:
    query = {"Level": "Study", "Query": {"StudyInstanceUID": study_instance_uid}}
    found = _json(client, "POST", "/tools/find", query)
    if not found:
        raise StudyNotFound("the study is not in Orthanc")
    return [str(item["ID"]) for study in found for item in _json(client, "GET", f"/studies/{study}/instances")]


def _json(client: httpx.Client, method: str, path: str, body: Any = None) -> Any:
    try:
        answer = client.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise OrthancUnreachable("Orthanc does not answer as expected") from error
