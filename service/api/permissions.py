"""Who may ask what: one row for each route, and nothing that has no row.

A role is a set of scopes; a token has scopes of its own. ``tests/service/test_permissions.py`` tries every row with every
role, and holds the table against the application's routes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from detection.vocabulary import EntryType

V1 = "/api/v1"


class Scope(StrEnum):
    """One kind of permission."""

    READ = "read"
    RECORD = "record"
    ACT = "act"
    EXPORT = "export"
    REPLAY = "replay"
    METRICS = "metrics"
    AUDIT = "audit"


class Role(StrEnum):
    """What a user is there for."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ENGINEER = "engineer"
    ADMIN = "admin"


SCOPES_OF: Mapping[Role, frozenset[Scope]] = {
    Role.VIEWER: frozenset({Scope.READ, Scope.RECORD}),
    Role.OPERATOR: frozenset({Scope.READ, Scope.RECORD, Scope.ACT, Scope.EXPORT}),
    # looks after the machine; does not stand at the table and acknowledges nothing
    Role.ENGINEER: frozenset({Scope.READ, Scope.RECORD, Scope.EXPORT, Scope.REPLAY, Scope.METRICS}),
    Role.ADMIN: frozenset(Scope),
}


class Permission(NamedTuple):
    """One route: the scope it takes (None: anybody), and what its success is called in the journal (None: nothing)."""

    method: str
    path: str
    scope: Scope | None
    told: EntryType | None = None


VIEWED, EXPORTED = EntryType.PATIENT_VIEWED, EntryType.EXPORTED

_KINDS = "patients operations steps levels needles aliquots leaks complications follow-ups".split()
_RECORD: tuple[Permission, ...] = (
    Permission("GET", f"{V1}/record/dictionary", Scope.READ),
    Permission("GET", f"{V1}/record/export.json", Scope.EXPORT, EXPORTED),
    Permission("GET", f"{V1}/record/{{address}}.csv", Scope.EXPORT, EXPORTED),
    Permission("POST", f"{V1}/record/import", Scope.ACT),
    Permission("POST", f"{V1}/record/{{address}}/import", Scope.ACT),
    Permission("GET", f"{V1}/record/operations/{{id}}/whole", Scope.RECORD, VIEWED),
    Permission("POST", f"{V1}/record/operations/{{id}}/confirm", Scope.ACT),
    Permission("GET", f"{V1}/procedures/{{id}}/record", Scope.RECORD, VIEWED),
    Permission("POST", f"{V1}/procedures/{{id}}/record", Scope.ACT),
    Permission("GET", f"{V1}/procedures/{{id}}/agreement", Scope.RECORD),
    Permission("GET", f"{V1}/scores", Scope.READ),
    Permission("POST", f"{V1}/scores/{{name}}", Scope.READ),
    *(
        Permission("POST", f"{V1}/cohorts/{what}", Scope.RECORD)
        for what in "table course leaks survival agreement".split()
    ),
    *(Permission("GET", f"{V1}/record/{kind}", Scope.RECORD, VIEWED) for kind in _KINDS),
    *(Permission("GET", f"{V1}/record/{kind}/{{id}}", Scope.RECORD, VIEWED) for kind in _KINDS),
    *(Permission("GET", f"{V1}/record/{kind}/{{id}}/history", Scope.RECORD, VIEWED) for kind in _KINDS),
    *(Permission("POST", f"{V1}/record/{kind}", Scope.ACT) for kind in _KINDS),
    *(Permission("PATCH", f"{V1}/record/{kind}/{{id}}", Scope.ACT, VIEWED) for kind in _KINDS),
    *(Permission("POST", f"{V1}/record/{kind}/{{id}}/withdraw", Scope.ACT) for kind in _KINDS),
)

PERMISSIONS: tuple[Permission, ...] = (
    *_RECORD,
    Permission("GET", "/", None),
    Permission("GET", "/dashboard/{file}", None),
    Permission("GET", "/health/live", None),
    Permission("GET", "/health/ready", None),
    Permission("GET", "/metrics", Scope.METRICS),
    Permission("GET", "/version", None),
    Permission("GET", f"{V1}/health/live", None),
    Permission("GET", f"{V1}/health/ready", None),
    Permission("GET", f"{V1}/metrics", Scope.METRICS),
    Permission("GET", f"{V1}/version", None),
    Permission("GET", f"{V1}/openapi.json", Scope.READ),
    Permission("GET", f"{V1}/session", None),
    Permission("POST", f"{V1}/session", None),
    Permission("POST", f"{V1}/session/one-click", None),
    Permission("DELETE", f"{V1}/session", Scope.READ),
    Permission("GET", f"{V1}/audit", Scope.AUDIT),
    Permission("GET", f"{V1}/alerts", Scope.READ),
    Permission("GET", f"{V1}/alerts/{{id}}", Scope.READ),
    Permission("GET", f"{V1}/alerts/{{id}}/history", Scope.READ),
    Permission("POST", f"{V1}/alerts/{{id}}/acknowledge", Scope.ACT),
    Permission("POST", f"{V1}/alerts/{{id}}/pause", Scope.ACT),
    Permission("POST", f"{V1}/alerts/{{id}}/reset", Scope.ACT),
    Permission("GET", f"{V1}/live", Scope.READ),
    Permission("GET", f"{V1}/procedures", Scope.READ, VIEWED),
    Permission("POST", f"{V1}/procedures", Scope.ACT),
    Permission("GET", f"{V1}/procedures/{{id}}", Scope.READ, VIEWED),
    Permission("PATCH", f"{V1}/procedures/{{id}}", Scope.ACT, VIEWED),
    Permission("POST", f"{V1}/procedures/{{id}}/close", Scope.ACT, VIEWED),
    Permission("GET", f"{V1}/procedures/{{id}}/log", Scope.READ),
    Permission("POST", f"{V1}/procedures/{{id}}/log", Scope.ACT),
    Permission("GET", f"{V1}/procedures/{{id}}/measurements", Scope.READ),
    Permission("GET", f"{V1}/procedures/{{id}}/frames", Scope.READ),
    Permission("GET", f"{V1}/procedures/{{id}}/frames/latest.jpg", Scope.READ, VIEWED),
    Permission("GET", f"{V1}/procedures/{{id}}/plan/{{view}}", Scope.READ),
    Permission("PUT", f"{V1}/procedures/{{id}}/plan/{{view}}", Scope.ACT),
    Permission("GET", f"{V1}/procedures/{{id}}/report.json", Scope.EXPORT, EXPORTED),
    Permission("GET", f"{V1}/procedures/{{id}}/report.html", Scope.EXPORT, EXPORTED),
    Permission("GET", f"{V1}/procedures/{{id}}/report.pdf", Scope.EXPORT, EXPORTED),
    Permission("GET", f"{V1}/procedures/{{id}}/report.fhir.json", Scope.EXPORT, EXPORTED),
    # told of by the process that makes it, before it makes anything
    Permission("GET", f"{V1}/procedures/{{id}}/deidentified.zip", Scope.EXPORT),
    Permission("GET", f"{V1}/procedures/{{id}}/report.csv", Scope.EXPORT, EXPORTED),
    Permission("GET", f"{V1}/procedures/{{id}}/report.jsonl", Scope.EXPORT, EXPORTED),
    Permission("GET", f"{V1}/procedures/{{id}}/results", Scope.READ),
    Permission("POST", f"{V1}/procedures/{{id}}/results", Scope.EXPORT, EXPORTED),
    Permission("GET", f"{V1}/frames/{{sop_instance_uid}}/{{index}}.jpg", Scope.READ, VIEWED),
    Permission("POST", f"{V1}/replays", Scope.REPLAY),
    Permission("GET", f"{V1}/replays/{{id}}", Scope.READ),
    Permission("DELETE", f"{V1}/replays/{{id}}", Scope.REPLAY),
    Permission("GET", f"{V1}/quarantine", Scope.READ),
    Permission("GET", f"{V1}/forwarding", Scope.READ),
    Permission("GET", f"{V1}/forwarding/{{name}}/refused", Scope.READ),
    Permission("POST", f"{V1}/quarantine/{{name}}/dismiss", Scope.ACT),
)


Rows = Mapping[str, tuple[Permission, Mapping[str, str]]]
"""By method, with what stands in the braces of the address."""


def _pattern_of(path: str) -> re.Pattern[str]:
    """``{name}`` stands for one part between slashes; all else for itself."""
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile("".join(f"(?P<{part}>[^/]+)" if i % 2 else re.escape(part) for i, part in enumerate(parts)))


_PATTERNS = tuple((_pattern_of(row.path), row) for row in sorted(PERMISSIONS, key=lambda row: row.path.count("{")))


def _match(path: str) -> Rows:
    found: dict[str, tuple[Permission, Mapping[str, str]]] = {}
    for pattern, row in _PATTERNS:
        if row.method not in found and (match := pattern.fullmatch(path)):
            found[row.method] = row, match.groupdict()
    return found


_FIXED = {row.path: _match(row.path) for row in PERMISSIONS if "{" not in row.path}


def permissions_at(path: str) -> Rows:
    """The rows of this address by method, each with what stands in its braces; none for an address without a row."""
    # a screen polls an address without braces: seventy patterns would be tried for it each time
    fixed = _FIXED.get(path)
    return _match(path) if fixed is None else fixed
