"""Clients that others write: one generated from the OpenAPI document, the example that polls, and Grafana's dashboard."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import httpx
import pytest

from detection.vocabulary import EntryType
from tests.conftest import CHECKOUT
from tests.service.conftest import until

EXAMPLE = CHECKOUT / "docs" / "examples" / "poll.py"
DASHBOARD = CHECKOUT / "docker" / "grafana-dashboard.json"


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """Writes a client of a document into a folder that can be imported from; what the generator complained of."""

    def generate(document: dict, folder) -> list[str]:
        (folder / "openapi.json").write_text(json.dumps(document))
        (folder / "config.yaml").write_text("post_hooks: []\n")
        words = [
            "generate",
            "--path",
            "openapi.json",
            "--meta",
            "none",
            "--output-path",
            "client",
            "--config",
            "config.yaml",
        ]
        made = subprocess.run(
            [sys.executable, "-m", "openapi_python_client", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return [line for line in made.stdout.splitlines() if "WARNING" in line or "Unable" in line]

    return generate


USE = """
import sys
from client import Client
from client.api.alerts import acknowledge, list_alerts
from client.api.procedures import add_to_log, get_log, list_procedures
from client.models import Acknowledgement, LogLine, LogLineType

client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)
(procedure,) = list_procedures.sync(client=client).items
page = list_alerts.sync(client=client, procedure=procedure.id)
(alert,) = page.items
assert alert.zone.value == "canal" and alert.outline[0], alert
assert page.sources[0].name == "CARM1"
told = acknowledge.sync(alert.id, client=client, body=Acknowledgement(note="seen"))
assert told.signal.value == "acknowledged", told
refused = acknowledge.sync("nothing", client=client, body=Acknowledgement())
assert refused.error.code == "not_found", refused
note = add_to_log.sync(procedure.id, client=client, body=LogLine(type_=LogLineType.NOTE, text="from a client"))
log = get_log.sync(procedure.id, client=client, types="note")
assert [line.number for line in log.items] == [note.number]
print(page.next_after)
"""


def test_a_client_is_generated_from_the_document_and_works(room, watch, generated, tmp_path):
    complaints = generated(room.api("openapi.json"), tmp_path)
    binary = re.compile(r"\.jpg|\.jsonl|/import")
    assert [line for line in complaints if not binary.search(line)] == [], "all but pictures and files can be generated"
    room.open()
    room.beat()
    room.see()
    room.raise_alert()
    used = subprocess.run(
        [sys.executable, "-c", USE, room.url], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert used.returncode == 0, used.stderr
    assert int(used.stdout) >= 3


def test_every_operation_and_every_shape_has_a_name_of_its_own(room):
    document = room.api("openapi.json")
    operations = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    titles = [shape.get("title", name) for name, shape in document["components"]["schemas"].items()]
    for names in (operations, titles):
        assert [name for name, n in Counter(names).items() if n > 1] == []


def test_the_example_shows_alerts_and_says_when_it_hears_nothing(room, tmp_path):
    assert len([line for line in EXAMPLE.read_text().splitlines() if line.strip()]) <= 45
    room.open()
    room.beat()
    out = tmp_path / "out.txt"
    with out.open("w") as told:
        child = subprocess.Popen([sys.executable, str(EXAMPLE), room.url], stdout=told, stderr=told)
    try:
        alert = room.raise_alert()
        until(lambda: "HIGH   present/on live:" in out.read_text(), "the alert is shown")
        room.tell(replace(alert, signal="acknowledged"), EntryType.ACKNOWLEDGED)
        until(lambda: "present/acknowledged" in out.read_text(), "the change is shown")
        room.serving.__exit__()
        until(lambda: "! cementwatch cannot be reached" in out.read_text(), "silence is told")
    finally:
        child.kill()
        child.wait()


def test_grafana_asks_for_figures_that_there_are(room):
    room.open()
    room.beat()
    room.api("alerts")
    text = httpx.get(f"{room.url}/metrics").text
    exposed = set(re.findall(r"^(cementwatch_\w+)", text, re.MULTILINE))
    dashboard = json.loads(DASHBOARD.read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"cementwatch_\w+", target["expr"])
    }
    assert asked - {name for name in asked if name in exposed} == set()
    assert {"cementwatch_source_state", "cementwatch_journal_up", "cementwatch_unlogged_alerts"} <= asked
