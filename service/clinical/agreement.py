"""How far the live alerts agree with the final record: found, missed, false, and how late. The product measures itself.

A leak counts once a physician has confirmed it. It is found when an alert of kind leak names its zone at its level
(or names no level where only one was treated), silent or not. False is only what sounded: an alert of LOW priority asks
nobody to stop, so the silent ones are counted beside the others. Leaks that only CT showed are a table of their own: the screen could
not show them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from db.cohort import Condition, rows
from db.connect import Engine
from db.watched import leak_alerts_of
from detection.vocabulary import Alert, Priority
from service.clinical.codes import ZONE_OF_SITE
from service.clinical.cohort_answers import Agreement, ShareAnswer, SpreadAnswer, ZoneAgreement
from service.clinical.cohort_series import SEEN_WITH
from service.clinical.figures import share, spread


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leak:
    id: str
    procedure: str
    level: str
    zone: str
    modality: str
    first_seen_at: float | None
    alert: str | None
    finding: str


def agreement(engine: Engine, where: Sequence[Condition] = ()) -> Agreement:
    """Over all recorded operations that were watched live and meet the conditions."""
    told = rows(engine, "operation", ["operation.procedure", "operation.id"], where)
    watched = {operation: procedure for procedure, operation in told if procedure is not None}
    every = _leaks(engine, watched)
    leaks = [leak for leak in every if leak.finding == "confirmed"]
    undecided = [leak for leak in every if leak.finding == "proposed"]
    levels = _levels(engine, watched)
    raised = [listed.alert for listed in leak_alerts_of(engine, watched.values())]
    alerts = [alert for alert in raised if not _is_open(alert, leaks, undecided, levels)]
    by_procedure: dict[str, list[Alert]] = {}
    for alert in alerts:
        by_procedure.setdefault(alert.procedure, []).append(alert)
    found = {leak: _alert_of(leak, by_procedure.get(leak.procedure, ()), levels) for leak in leaks}
    true_ids = {alert.id for alert in found.values() if alert is not None}
    true_ids |= {leak.alert for leak in leaks if leak.alert}
    wrong = [alert for alert in alerts if alert.id not in true_ids and not _is_borne_out(alert, leaks, levels)]
    sounding, silent = _by_sound(alerts)
    false, false_silent = _by_sound(wrong)
    n = len(set(watched.values()))
    return Agreement(
        n_procedures=n,
        fluoroscopy=_by_zone(found, SEEN_WITH["fluoroscopy"]),
        ct=_by_zone(found, SEEN_WITH["ct"]),
        true_alerts=ShareAnswer.model_validate(share(len(sounding) - len(false), len(sounding), "alert")),
        true_silent_alerts=ShareAnswer.model_validate(share(len(silent) - len(false_silent), len(silent), "alert")),
        false_by_zone=_counted(false),
        false_per_procedure=len(false) / n if n else None,
        warnings=_warnings(len(undecided), leaks),
    )


def _leaks(engine: Engine, watched: Mapping[str, str]) -> list[_Leak]:
    """The leaks of watched operations, confirmed or not."""
    names = ("alert", "finding", "first_seen_at", "id", "modality")
    fields = ["level.operation", "level.level", "leak.site", *(f"leak.{name}" for name in names)]
    found = []
    for operation, level, site, *rest in rows(engine, "leak", fields):
        if operation in watched:
            told: dict[str, Any] = dict(zip(names, rest, strict=True))
            zone = str(ZONE_OF_SITE[site])
            found.append(_Leak(procedure=watched[operation], level=level, zone=zone, **told))
    return found


def _levels(engine: Engine, watched: Mapping[str, str]) -> dict[str, set[str]]:
    """The treated levels of each procedure."""
    told: dict[str, set[str]] = {}
    for operation, level in rows(engine, "level", ["level.operation", "level.level"]):
        if operation in watched:
            told.setdefault(watched[operation], set()).add(level)
    return told


def _alert_of(leak: _Leak, alerts: Sequence[Alert], levels: Mapping[str, set[str]]) -> Alert | None:
    """The first alert that names the leak's zone at its level."""
    fitting = [alert for alert in alerts if _fits(alert, leak, levels)]
    return min(fitting, key=lambda alert: alert.raised_at, default=None)


def _fits(alert: Alert, leak: _Leak, levels: Mapping[str, set[str]]) -> bool:
    is_only_one = len(levels.get(leak.procedure, ())) == 1
    is_level = alert.level == leak.level or (alert.level is None and is_only_one)
    return alert.procedure == leak.procedure and is_level and str(alert.zone) == leak.zone


def _is_open(alert: Alert, leaks: Sequence[_Leak], undecided: Sequence[_Leak], levels: Mapping[str, set[str]]) -> bool:
    """Whether nobody has said yet if this alert was true."""
    waits = any(leak.alert == alert.id or _fits(alert, leak, levels) for leak in undecided)
    return waits and not _is_borne_out(alert, leaks, levels)


def _is_borne_out(alert: Alert, leaks: Sequence[_Leak], levels: Mapping[str, set[str]]) -> bool:
    return any(_fits(alert, leak, levels) for leak in leaks)


def _by_zone(found: Mapping[_Leak, Alert | None], modalities: Sequence[str]) -> dict[str, ZoneAgreement]:
    told: dict[str, ZoneAgreement] = {}
    seen = {leak: alert for leak, alert in found.items() if leak.modality in modalities}
    for zone in sorted({leak.zone for leak in seen}):
        here = {leak: alert for leak, alert in seen.items() if leak.zone == zone}
        caught = {leak: alert for leak, alert in here.items() if alert is not None}
        delays = [
            None if leak.first_seen_at is None else alert.raised_at - leak.first_seen_at
            for leak, alert in caught.items()
        ]
        told[zone] = ZoneAgreement(
            found=ShareAnswer.model_validate(share(len(caught), len(here), "leak")),
            delay_s=SpreadAnswer.model_validate(spread(delays)),
        )
    return told


def _by_sound(alerts: Sequence[Alert]) -> tuple[list[Alert], list[Alert]]:
    """Those that sounded, and the silent ones of LOW priority."""
    silent = [alert for alert in alerts if alert.priority is Priority.LOW]
    return [alert for alert in alerts if alert.priority is not Priority.LOW], silent


def _counted(alerts: Sequence[Alert]) -> dict[str, int]:
    zones = [str(alert.zone) for alert in alerts]
    return {zone: zones.count(zone) for zone in sorted(set(zones))}


def _warnings(n_open: int, leaks: Sequence[_Leak]) -> list[str]:
    told = []
    if n_open:
        told.append(
            f"{n_open} leaks proposed by alerts are neither confirmed nor rejected; their alerts count neither way"
        )
    n_unread = sum(leak.first_seen_at is None for leak in leaks)
    if n_unread:
        told.append(f"{n_unread} of {len(leaks)} confirmed leaks lack the time at which they first were visible")
    return told
