"""What was found in a procedure goes to a FHIR server once the procedure has ended; at least once, in the order of their ends.

Theory. The cursor in the database is the closing time of the last procedure that was dealt with; it moves on only when the
server has answered. What was taken without our hearing of it is sent again, and changes nothing there. While the server does
not answer, only the pause grows. A bundle that it will never take is given up, and the journal says so.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Callable

import httpx

from db import commitments, mirrors
from db.connect import Engine, StoreFailure
from db.journal import Journal
from db.procedures import Procedure
from detection.vocabulary import Entry, EntryType
from service.archives import FhirServer
from service.fhir.bundle import as_json, bundle_of
from service.fhir.dossier import dossier_of
from service.gather import NothingToReport
from service.mirror import AGAIN_S, NotTaken
from service.reporter import PER_S, ended
from service.reporter import READER as OBJECTS_READER
from service.settings import Settings

LOG = logging.getLogger(__name__)

READER, CHANNEL = 4, "fhir"
CONNECT_S, ANSWER_S = 10.0, 120.0
IDLE_S = 1.0
HEADERS = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json", "Prefer": "return=minimal"}
VERSION = r"4\.[03](\.\d+)*"
"""R4 and R4B, which differ in none of our resources."""
AGAIN = frozenset({401, 403, 404, 405, 408, 409, 423, 425, 429})
"""Answers below 500 that may be others once somebody has mended something, or a moment later."""


class NeverTaken(Exception):
    """The server will not take this bundle, however often it is sent. Its words name no patient."""


def sender(server: FhirServer) -> Callable[[bytes], None]:
    """Posts a transaction. NotTaken when it may be taken later, NeverTaken when not. No redirect is followed."""
    client: httpx.Client | None = None

    def send(body: bytes) -> None:
        nonlocal client
        try:
            client = client or _client(server)
            answer = client.post(server.url, content=body, headers=HEADERS | _authorization(server))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:  # files of the settings too
            raise NotTaken(type(error).__name__) from None
        if answer.is_client_error and answer.status_code not in AGAIN:
            raise NeverTaken(f"answered {answer.status_code}")
        if not answer.is_success:
            raise NotTaken(f"answered {answer.status_code}")

    return send


def trouble(server: FhirServer) -> str | None:
    """None when something that speaks FHIR R4 answers at the address; else what is wrong, in words."""
    try:
        with _client(server) as client:
            headers = {"Accept": "application/fhir+json"} | _authorization(server)
            answer = client.get(f"{server.url.rstrip('/')}/metadata", headers=headers)
        told = answer.json() if answer.is_success else {}
    except NotTaken as refusal:
        return str(refusal)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return f"does not answer ({type(error).__name__})"
    except ValueError:
        return "answers with something else than a capability statement"
    if not answer.is_success:
        return f"answers a question for its capability statement with {answer.status_code}"
    version = told.get("fhirVersion") if isinstance(told, dict) else None
    return None if re.fullmatch(VERSION, str(version)) else "says of itself another version of FHIR than R4"


def _client(server: FhirServer) -> httpx.Client:
    verify = True if server.authorities is None else ssl.create_default_context(cafile=server.authorities)
    timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
    return httpx.Client(timeout=timeout, verify=verify, trust_env=False, follow_redirects=False)


def _authorization(server: FhirServer) -> dict[str, str]:
    if server.authorization_file is None:
        return {}
    try:
        return {"Authorization": server.authorization_file.read_text(encoding="utf-8").strip()}
    except (OSError, UnicodeDecodeError):
        raise NotTaken("the authorization file cannot be read") from None


def send_procedure(
    settings: Settings, engine: Engine, send: Callable[[bytes], None], id: str, *, at: float, actor: str | None = None
) -> int:
    """Send what is known of one procedure and write it into the journal; how many resources that were.

    Raises KeyError for an unknown procedure, ``NothingToReport``, NotTaken and NeverTaken, ``StoreFailure``.
    """
    dossier = dossier_of(settings, engine, id, at=at)
    if not dossier.found:
        raise NothingToReport("no frame of this procedure was fit to be judged")
    bundle = bundle_of(dossier)
    send(as_json(bundle))
    n_sent = len(bundle["entry"])
    _tell(engine, id, at, "the findings were sent to the FHIR server", actor=actor, resources=n_sent)
    return n_sent


def _tell(engine: Engine, id: str, at: float, cause: str, *, actor: str | None = None, **said: object) -> None:
    data = {"changed": [CHANNEL], **said}
    line = Entry(at=at, type=EntryType.PROCEDURE_CHANGED, procedure=id, actor=actor, cause=cause, data=data)
    Journal(engine).append([line])


class Postman:
    """Follows the procedures of one installation as they close; those that closed before its first start are left alone."""

    def __init__(self, settings: Settings, engine: Engine, server: FhirServer, *, now: float) -> None:
        self._settings, self._engine, self._send = settings, engine, sender(server)
        self._n_failed = 0
        commitments.meet_reader(engine, READER, int(now * PER_S))
        if not any(each.name == CHANNEL for each in mirrors.standings(engine)):
            mirrors.keep_standing(engine, mirrors.Standing(name=CHANNEL, number=0))

    def turn(self, now: float) -> float:
        """Send what is due; how long to rest. StoreFailure when the database does not answer."""
        for procedure in ended(self._engine, READER, now, before=self._before(now)):
            try:
                if procedure.replay is None:
                    self._deliver(procedure, now)
            except NotTaken as refusal:
                return self._fail(str(refusal), now)
        return IDLE_S

    def _before(self, now: float) -> float:
        """Whatever closed before this is due: quiet long enough, and its objects are made where any are."""
        before = now - self._settings.report_after_s
        if self._settings.report_at_end and self._settings.archives:
            before = min(before, commitments.inbox_reach(self._engine, OBJECTS_READER) / PER_S)
        return before

    def _deliver(self, procedure: Procedure, now: float) -> None:
        """Sent, or given up for good. NotTaken when it is worth another try."""
        try:
            send_procedure(self._settings, self._engine, self._send, procedure.id, at=now)
        except NothingToReport as nothing:
            LOG.info("nothing to send", extra={"procedure": procedure.id, "reason": str(nothing)})
        except NeverTaken as refusal:
            self._give_up(procedure, now, "the FHIR server refused the findings", str(refusal))
        except (NotTaken, StoreFailure):
            raise
        except OSError as error:  # the disk or a file of the settings, not this procedure
            raise NotTaken(f"no bundle can be made ({type(error).__name__})") from None
        except Exception as error:  # noqa: BLE001 - one that cannot be told must not stop those behind it; its text may quote a patient
            self._give_up(procedure, now, "no FHIR bundle could be made of the findings", type(error).__name__)
        else:
            self._keep(now, None)

    def _give_up(self, procedure: Procedure, now: float, cause: str, reason: str) -> None:
        LOG.error(cause, extra={"procedure": procedure.id, "reason": reason})
        _tell(self._engine, procedure.id, now, cause, reason=reason)
        self._keep(now, f"procedure {procedure.id} was given up: {reason}")

    def _keep(self, now: float, reason: str | None) -> None:
        self._n_failed = 0
        standing = mirrors.Standing(name=CHANNEL, number=0, told_at=now, reason=reason)
        mirrors.keep_standing(self._engine, standing)

    def _fail(self, reason: str, now: float) -> float:
        (standing,) = (each for each in mirrors.standings(self._engine) if each.name == CHANNEL)
        if standing.failing_since is None:
            LOG.error("the FHIR server takes no bundles: %s", reason)
        since = now if standing.failing_since is None else standing.failing_since
        failing = mirrors.Standing(name=CHANNEL, number=0, told_at=standing.told_at, failing_since=since, reason=reason)
        mirrors.keep_standing(self._engine, failing)
        self._n_failed += 1
        return AGAIN_S[min(self._n_failed, len(AGAIN_S)) - 1]
