"""Questions made up from the OpenAPI document, right ones and wrong ones: no 5xx, and every answer is as announced."""

from __future__ import annotations

from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from detection.vocabulary import Condition, Signal
from tests.service.visitors import V1, admit, issue

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
N_EXAMPLES = 5
PARTS_ARE_AWAY = {f"{V1}/health/ready"}
"""Says 503 with its reasons as long as nobody receives and watches; held by tests of its own."""
START_A_PROCESS = {
    ("post", f"{V1}/procedures/{{id}}/results"),
    ("get", f"{V1}/procedures/{{id}}/deidentified.zip"),
}
"""Seconds for each question; held by tests of their own."""
SHORT_S = {"wait": 0.0, "lifetime": 0.05}
# schemathesis leaves temporary files and sockets of its cassettes to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def known(room, watch):
    """A room with something of everything, and the names to ask for it by."""
    id = room.open()
    room.see()
    room.raise_alert(condition=Condition.PRESENT, signal=Signal.ON)
    room.beat()
    replay = room.client.post(f"{V1}/replays", json={"study_instance_uid": "1.2.3"}).json()["id"]
    return {"procedures": id, "alerts": "alert-1", "replays": replay, "frames": "1.2.3.1"}


def operations(url, headers):
    schema = schemathesis.openapi.from_url(f"{url}{V1}/openapi.json", headers=headers)
    known = [made.ok() for made in schema.get_all_operations() if made.ok().path not in PARTS_ARE_AWAY]
    return [each for each in known if (each.method.lower(), each.path) not in START_A_PROCESS]


def shortened(query, names):
    """Polls and streams may last half a minute or an hour; here they do not. What is no number stays what it is."""
    told = dict(query or {})
    for name in names:
        with suppress(TypeError, ValueError):
            told[name] = min(float(told.get(name, SHORT_S[name])), SHORT_S[name])
    return told


def named(path, parameters, known):
    """The path's own thing in place of a made-up one."""
    kind = path.removeprefix(f"{V1}/").partition("/")[0]
    name = "sop_instance_uid" if kind == "frames" else "id"
    is_known = parameters and name in parameters and kind in known
    return {**parameters, name: known[kind]} if is_known else parameters


def ask_about(operation, mode, headers, known):
    """The statuses of some made-up requests, each answer held against the document."""
    seen = []

    @settings(
        max_examples=N_EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case):
        if limits := {each.name for each in operation.query} & set(SHORT_S):
            case.query = shortened(case.query, limits)
        if known is not None:
            case.path_parameters = named(operation.path, case.path_parameters, known)
        answer = case.call_and_validate(headers=headers, checks=CHECKS, timeout=20)
        seen.append(answer.status_code)

    one()
    return seen


def test_whatever_is_asked_the_answer_is_as_announced(room, known):
    admit(room)
    headers = issue(room, "fuzz", "read", "act", "export", "replay", "metrics", "audit")
    statuses = []
    for operation in operations(room.url, headers):
        statuses += ask_about(operation, GenerationMode.POSITIVE, headers, known)
        if operation.body or operation.query:
            with suppress(Unsatisfiable):  # whatever one sends here is right
                statuses += ask_about(operation, GenerationMode.NEGATIVE, headers, None)
    assert {200, 201, 204, 400, 404} <= set(statuses)
    assert room.deps.journal.verify() is None
