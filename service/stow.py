"""Objects go out to an archive over STOW-RS (PS3.18 10.5), one in each request, read from disk piece by piece."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from dicom_gateway.forward import Answer, Identity, Verdict, answer_of
from dicom_gateway.refusal import Unreachable
from service.archives import Archive

CONNECT_S, ANSWER_S = 10.0, 120.0
PIECE = 2**18
FAILED_SEQUENCE, FAILURE_REASON = "00081198", "00081197"
STORED_SEQUENCE, STORED_INSTANCE = "00081199", "00081155"
"""Failed SOP Sequence and its Failure Reason, Referenced SOP Sequence and its instance, as DICOM JSON names them."""
AGAIN = frozenset({408, 423, 425, 429})
NOT_US = {
    401: "the archive wants another authorization",
    403: "the archive does not let us store",
    404: "there is no STOW-RS service at this address",
    405: "there is no STOW-RS service at this address",
}
NEVER = {
    400: "the archive cannot understand it",
    413: "the archive takes no object so large",
    415: "the archive does not take this transfer syntax",
    422: "the archive cannot understand it",
}


class StowCarrier:
    """Brings objects to one archive over STOW-RS; the connection stays open between objects until ``rest``."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._client: httpx.Client | None = None

    def deliver(self, path: Path, identity: Identity) -> Answer:
        """One object. Raises ``Unreachable`` when the archive does not answer or does not know us."""
        boundary = secrets.token_hex(16)
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        try:
            response = self._open().post(
                "studies",
                content=_body(path, boundary),
                headers={"Content-Type": kind, "Accept": "application/dicom+json"} | self._authorization(),
            )
        except httpx.HTTPError as error:
            self.rest()
            raise Unreachable(f"the archive does not answer ({type(error).__name__})") from None
        if response.status_code in NOT_US:
            raise Unreachable(NOT_US[response.status_code])
        return answer_to(response, identity.sop_instance_uid)

    def rest(self) -> None:
        """Close the connection; the next object makes one anew."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def trouble(self) -> str | None:
        """None when something that speaks DICOMweb answers at the address; else what is wrong, in words."""
        try:
            response = self._open().get("studies", params={"limit": "1"}, headers=self._authorization())
        except Unreachable as trouble:
            return trouble.reason
        except httpx.HTTPError as error:
            return f"does not answer ({type(error).__name__})"
        finally:
            self.rest()
        if response.status_code in NOT_US:
            return NOT_US[response.status_code]
        return None if response.status_code < 400 else f"answers a search for studies with {response.status_code}"

    def _open(self) -> httpx.Client:
        if self._client is None:
            authorities = self._archive.authorities
            self._client = httpx.Client(
                base_url=f"{self._archive.url}/",
                timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
                verify=True if authorities is None else ssl.create_default_context(cafile=authorities),
                trust_env=False,
            )
        return self._client

    def _authorization(self) -> dict[str, str]:
        if self._archive.authorization_file is None:
            return {}
        try:
            return {"Authorization": self._archive.authorization_file.read_text(encoding="utf-8").strip()}
        except (OSError, UnicodeDecodeError):
            raise Unreachable("the authorization file cannot be read") from None


def _body(path: Path, boundary: str) -> Iterator[bytes]:
    # without the syntax as a parameter: Orthanc's plugin 1.7 then takes the part for something else and stores nothing
    yield f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
    yield f"\r\n--{boundary}--\r\n".encode()


def answer_to(response: httpx.Response, sop_instance_uid: str) -> Answer:
    """What an HTTP answer says of the one object that was sent; what it says of the instance counts first.

    Success is only what names the instance as stored: a service that has found no object in the request answers 200 too.
    """
    code, told = response.status_code, _told(response)
    reason = _first(told, FAILED_SEQUENCE, FAILURE_REASON)
    if isinstance(reason, int) and reason:
        return answer_of(reason)
    if code in {200, 202}:
        if _first(told, STORED_SEQUENCE, STORED_INSTANCE) == sop_instance_uid:
            reason = "stored" if code == 200 else "stored with a warning"
            return Answer(verdict=Verdict.STORED, reason=reason, status=code)
        return Answer(verdict=Verdict.DOUBTFUL, reason="the archive does not say that it has stored it", status=code)
    if code in AGAIN or code >= 500:
        return Answer(verdict=Verdict.LATER, reason="the archive is out of resources", status=code)
    if code == 409:
        return Answer(verdict=Verdict.DOUBTFUL, reason="the archive failed to store it", status=code)
    return Answer(verdict=Verdict.NEVER, reason=NEVER.get(code, "the archive refuses it"), status=code)


def _told(response: httpx.Response) -> Any:
    """The store instances response in DICOM JSON (PS3.18 10.5.3); empty when it is something else."""
    try:
        told = response.json()
    except ValueError:
        return {}
    return told[0] if isinstance(told, list) and told else told


def _first(told: Any, sequence: str, element: str) -> Any:
    """The element's first value in the first item of the sequence; None when there is none."""
    try:
        return told[sequence]["Value"][0][element]["Value"][0]
    except (KeyError, IndexError, TypeError):
        return None
