"""The report of one procedure, gathered from journal and tables; whoever serves, prints or archives it begins here."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from db import queries, schedule
from db.connect import Engine
from db.dose import doses_of
from db.procedures import Procedure
from detection.rules import ALGORITHM_VERSION, rules_hash
from detection.vocabulary import Entry, EntryType, Zone
from service.api import procedure_wire, wire
from service.api.answers import alert_of, dose_of, entry_of, procedure_of, step_of, time_of
from service.safety import SAFETY_WORDS
from service.settings import Settings

PAGE = 1000
TOLD = tuple(kind for kind in EntryType if kind is not EntryType.FRAME_SEEN)
"""What a report tells: everything but single frames, which the measurements hold."""


def report_of(settings: Settings, engine: Engine, procedure: Procedure, *, made_at: float) -> procedure_wire.Report:
    """All that an export holds of one procedure."""
    return procedure_wire.Report(
        safety=SAFETY_WORDS,
        made_at=time_of(made_at),
        procedure=counted(engine, procedure),
        alerts=list(_all_alerts(engine, procedure.id)),
        log=[entry_of(line) for line in _all_lines(engine, procedure.id)],
        zones_not_visible=_hidden_zones(engine, procedure.id),
        version=version_of(settings),
    )


def counted(engine: Engine, procedure: Procedure) -> procedure_wire.Procedure:
    """The procedure with how much it holds."""
    counts = queries.counts_of(engine, procedure.id)
    scheduled = schedule.scheduled_of(engine, procedure.id)
    told = {
        "scheduled": scheduled and procedure_wire.Scheduled(**scheduled),
        "steps": [step_of(step) for step in schedule.steps_of(engine, procedure.id)],
        "dose": dose_of(doses_of(engine, procedure)),
    }
    return procedure_of(procedure, counts, queries.latencies_of(engine, procedure.id), told)


def version_of(settings: Settings) -> wire.Version:
    """Software, algorithm and rules of now."""
    rules = settings.rules
    return wire.Version(
        software=software(),
        algorithm=ALGORITHM_VERSION,
        rules=rules_hash(rules),
        distance_tiers=wire.DistanceTiers(**{name: getattr(rules, name) for name in wire.DistanceTiers.model_fields}),
        api="1",
        safety=SAFETY_WORDS,
    )


def software() -> str:
    """The version of the package."""
    try:
        return version("cementwatch")
    except PackageNotFoundError:
        return "not installed"


def _all_alerts(engine: Engine, id: str) -> Iterator[wire.Alert]:
    after = 0
    while rows := queries.alerts_after(engine, after, procedure=id, active=None, limit=PAGE):
        yield from (alert_of(row.number, row.alert) for row in rows)
        after = rows[-1].number


def _all_lines(engine: Engine, id: str) -> Iterator[Entry]:
    after = 0
    while lines := queries.log_of(engine, id, after=after, types=TOLD, limit=PAGE):
        yield from lines
        after = lines[-1].number or after


def _hidden_zones(engine: Engine, id: str) -> dict[str, list[Zone]]:
    """By view, the zones that could not be seen in it."""
    entry = queries.latest_frame(engine, id)
    if entry is None:
        return {}
    return {str(entry.data.get("view")): [Zone(zone) for zone in entry.data.get("zones_not_visible") or ()]}
