"""A FHIR server as another maker would write it: it takes transactions of what the foreign library holds for valid R4B."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from fhir.resources.R4B.bundle import Bundle

ALTERNATIVES, TOKEN = re.compile(r"(?<!\\),"), re.compile(r"(?<!\\)\|")


def unescaped(told: str) -> str:
    """A value of a search parameter (R4, "Escaping Search Parameters")."""
    return re.sub(r"\\([\\,|$])", r"\1", told)


@dataclass
class Store:
    """Resources by type and id; ``statuses`` are answers to come that are not ours to choose."""

    resources: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    statuses: list[int] = field(default_factory=list)
    version: str = "4.0.1"
    asked: list[dict[str, str]] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return list(self.resources.get(kind, {}).values())

    def post(self, headers: dict[str, str], body: bytes) -> int:
        self.asked.append(headers)
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            return status
        bundle = Bundle.model_validate_json(body)
        assert (bundle.type, headers["content-type"]) == ("transaction", "application/fhir+json")
        self.take(json.loads(body)["entry"])
        return 200

    def take(self, entries: list[dict[str, Any]]) -> None:
        """Everything or nothing: first where each goes, then each with its references told anew."""
        placed = {entry["fullUrl"]: self.place_of(entry) for entry in entries}
        for entry in entries:
            (kind, id), is_new = placed[entry["fullUrl"]]
            text = json.dumps(entry["resource"])
            for url, (there, _) in placed.items():
                text = text.replace(f'"{url}"', f'"{"/".join(there)}"')
            assert "urn:uuid:" not in text, "a reference that nothing in the bundle answers"
            if is_new or entry["request"]["method"] == "PUT":
                self.resources.setdefault(kind, {})[id] = json.loads(text) | {"id": id}

    def place_of(self, entry: dict[str, Any]) -> tuple[tuple[str, str], bool]:
        request, kind = entry["request"], entry["resource"]["resourceType"]
        if request["method"] == "PUT":
            named, id = request["url"].split("/")
            assert (named, id) == (kind, entry["resource"]["id"])
            return (kind, id), id not in self.resources.get(kind, {})
        (condition,) = parse_qs(request["ifNoneExist"])["identifier"]
        wanted = {tuple(map(unescaped, TOKEN.split(each))) for each in ALTERNATIVES.split(condition)}
        known = [
            each["id"]
            for each in self.of(kind)
            if wanted & {name for i in each["identifier"] for name in ((i.get("system"), i["value"]), (i["value"],))}
        ]
        assert len(known) <= 1
        return (kind, known[0] if known else str(uuid.uuid4())), not known


@contextmanager
def serving(store: Store) -> Iterator[str]:
    """Its base address while it is there."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            told = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(store.post(told, body))
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            body = json.dumps({"resourceType": "CapabilityStatement", "fhirVersion": store.version}).encode()
            self.send_response(200 if self.path == "/r4/metadata" else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/r4"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
