"""A record proposed from the journal: what was done and seen live, for a physician to confirm, correct and add to.

Nothing is proposed that the journal does not say. Dose is not in it. When a leak first was visible is not proposed
either: that is for whoever reads the frames, else the alerts would be measured against themselves.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import Any

from db.dose import Dose
from db.procedures import Procedure
from db.queries import Listed
from db.record import Draft
from detection.vocabulary import Alert, Entry, EntryType, Side, Zone
from service.clinical.record import fields_of
from service.clinical.scores_spine import LEVELS

SHORTEST_PULSE_S = 1 / 120
"""The record takes no faster rate."""
BEAM_GAP_S = 1.0
"""Frames further apart than this do not belong to one press of the pedal."""

SITE_OF_ZONE: Mapping[Zone, str] = {
    Zone.CANAL: "spinal_canal",
    Zone.FORAMEN: "foramen",
    Zone.VEIN: "vein",
    Zone.DISC: "disc",
    Zone.SOFT_TISSUE: "paravertebral",
    Zone.NEEDLE_TRACT: "needle_tract",
    Zone.ELSEWHERE: "other",
}
"""What an alert's zone says at most of the site; a physician may know better."""

STEP_OF_ACT: Mapping[EntryType, str] = {
    EntryType.CEMENT_MIXED: "cement_mixed",
    EntryType.NEEDLE_PLACED: "needle",
    EntryType.INJECTION_STARTED: "injection",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the journal holds of one procedure."""

    procedure: Procedure
    acts: Sequence[Entry]
    alerts: Sequence[Listed]
    frame_times: Sequence[float]
    doses: Sequence[Dose] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Drafts in the order in which they can be written, and what could not be placed."""

    drafts: tuple[Draft, ...]
    remarks: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class _Sheet:
    """The record while it is being proposed; ids are those of the level in this operation."""

    watched: Watched
    operation: str
    drafts: list[Draft] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, of: str, id: str, **told: Any) -> None:
        self.drafts.append(Draft(kind=of, id=id, fields=fields_of(of, told)))

    def id_of(self, *parts: object) -> str:
        """The same proposal has the same ids, so that it cannot be taken over twice."""
        return str(uuid.uuid5(uuid.UUID(self.operation), "|".join(map(str, parts))))

    def level_of(self, level: object, what: str, levels: Sequence[str]) -> str | None:
        """The level named, or the only one there is; else a remark."""
        named = level or (levels[0] if len(levels) == 1 else None)
        if named not in levels:
            self.remarks.append(f"{what} names no level of this procedure and was left out")
            return None
        return str(named)


def propose(watched: Watched, patient: str) -> Proposal:
    """The record of one procedure as the journal knows it, for the patient with this id."""
    operation = str(uuid.uuid5(uuid.NAMESPACE_URL, f"cementwatch:operation:{watched.procedure.id}"))
    sheet = _Sheet(watched=watched, operation=operation)
    levels = _levels(watched)
    sheet.add("operation", operation, patient=patient, **_operation(watched))
    _add_levels(sheet, levels)
    _add_steps(sheet)
    _add_needles(sheet, levels)
    _add_aliquots(sheet, levels)
    _add_leaks(sheet, levels)
    if not watched.doses:
        sheet.remarks.append("There is no dose report: enter dose-area product and air kerma by hand.")
    return Proposal(drafts=tuple(sheet.drafts), remarks=tuple(sheet.remarks))


def beam_of(times: Sequence[float]) -> tuple[float | None, float | None]:
    """Seconds of fluoroscopy and frames per second, estimated from the times of frames.

    None without two of them, and where they came faster than any fluoroscope pulses: then their times are those of a transfer.
    """
    gaps = [later - earlier for earlier, later in pairwise(times) if 0 < later - earlier <= BEAM_GAP_S]
    typical = median(gaps) if gaps else 0.0
    if typical < SHORTEST_PULSE_S:
        return None, None
    # Each press of the pedal lasts one frame longer than its gaps.
    n_presses = 1 + sum(later - earlier > BEAM_GAP_S for earlier, later in pairwise(times))
    return round(sum(gaps) + n_presses * typical, 1), round(1 / typical, 2)


def _total(watched: Watched, name: str) -> float | None:
    """The sum of what the dose reports tell; None when none of them does."""
    known = [value for each in watched.doses if (value := getattr(each, name)) is not None]
    return round(sum(known), 3) if known else None


def _operation(watched: Watched) -> dict[str, Any]:
    about, acts = watched.procedure, watched.acts
    fluoroscopy_s, rate = beam_of(watched.frame_times)
    mixed = next((_moment(act.at) for act in acts if act.type is EntryType.CEMENT_MIXED), None)
    needle = next((_moment(act.at) for act in acts if act.type is EntryType.NEEDLE_PLACED), None)
    return {
        "procedure": about.id,
        "kind": about.kind,
        "performed_on": datetime.fromtimestamp(about.opened_at, UTC).date(),
        "started_at": needle,
        "ended_at": _moment(about.closed_at) if about.closed_at and needle else None,
        "cement_mixed_at": mixed,
        # the device has counted what frames only let us estimate
        "fluoroscopy_s": fluoroscopy_s if (beam_s := _total(watched, "fluoroscopy_s")) is None else beam_s,
        "air_kerma_mgy": _total(watched, "air_kerma_mgy"),
        "dose_area_product_gy_cm2": _total(watched, "dose_area_product_gy_cm2"),
        "pulse_rate_hz": rate,
    }


def _levels(watched: Watched) -> list[str]:
    named = {*watched.procedure.levels, *(act.data.get("level") for act in watched.acts)}
    named |= {each.alert.level for each in watched.alerts}
    return [level for level in LEVELS if level in named]


def _add_levels(sheet: _Sheet, levels: Sequence[str]) -> None:
    for level in levels:
        pushes = [push for push in _pushes(sheet.watched.acts) if _is_at(push, level, levels)]
        volumes = [push["volume_ml"] for push in pushes]
        is_known = bool(volumes) and None not in volumes
        sheet.add(
            "level",
            sheet.id_of("level", level),
            operation=sheet.operation,
            level=level,
            posterior_wall=_wall(sheet.watched.acts, level, levels),
            volume_ml=round(sum(volumes), 3) if is_known else None,
            examined_with=["live"] if sheet.watched.frame_times else None,
        )


def _wall(acts: Sequence[Entry], level: str, levels: Sequence[str]) -> str | None:
    """What the latest landmarks of this level say of its posterior wall."""
    plans = [act for act in acts if act.type is EntryType.PLAN_SET and _is_at(act.data, level, levels)]
    return plans[-1].data.get("posterior_wall") if plans else None


def _is_at(told: Mapping[str, Any], level: str, levels: Sequence[str]) -> bool:
    return (told.get("level") or (levels[0] if len(levels) == 1 else None)) == level


def _add_steps(sheet: _Sheet) -> None:
    acts = sheet.watched.acts
    stops = [act for act in acts if act.type is EntryType.INJECTION_STOPPED]
    place = 0
    for act in acts:
        if act.type not in STEP_OF_ACT:
            continue
        place += 1
        is_injection = act.type is EntryType.INJECTION_STARTED
        end = next((stop.at for stop in stops if is_injection and (stop.number or 0) > (act.number or 0)), None)
        sheet.add(
            "step",
            sheet.id_of("step", act.number),
            operation=sheet.operation,
            place=place,
            kind=STEP_OF_ACT[act.type],
            level=act.data.get("level"),
            side=act.data.get("side"),
            started_at=_moment(act.at),
            ended_at=None if end is None else _moment(end),
            remark=act.data.get("text"),
        )


def _add_needles(sheet: _Sheet, levels: Sequence[str]) -> None:
    for act in sheet.watched.acts:
        if act.type is EntryType.NEEDLE_PLACED:
            level = sheet.level_of(act.data.get("level"), f"The needle of log line {act.number}", levels)
            if level is not None:
                sheet.add(
                    "needle",
                    sheet.id_of("needle", act.number),
                    level=sheet.id_of("level", level),
                    side=act.data.get("side"),
                    placed_at=_moment(act.at),
                )


def _pushes(acts: Sequence[Entry]) -> Iterator[dict[str, Any]]:
    """Every push of cement: an aliquot that was noted, or an injection without any that was stopped with its volume."""
    started: Entry | None = None
    has_aliquots = False
    for act in acts:
        if act.type is EntryType.INJECTION_STARTED:
            started, has_aliquots = act, False
        elif act.type is EntryType.ALIQUOT:
            has_aliquots = True
            yield _push(act, None)
        elif act.type is EntryType.INJECTION_STOPPED:
            if act.data.get("volume_ml") is not None and (started is None or not has_aliquots):
                yield _push(act, started)
            started = None


def _push(act: Entry, started: Entry | None) -> dict[str, Any]:
    """``since`` is the line with which it begins: that of the injection, or the note itself."""
    told = {name: act.data.get(name) for name in ("level", "side", "volume_ml")}
    since = act.number if started is None else started.number
    return {**told, "number": act.number, "since": since, "started": started and started.at, "ended": act.at}


def _add_aliquots(sheet: _Sheet, levels: Sequence[str]) -> None:
    acts = sheet.watched.acts
    pushes = list(_pushes(acts))
    noted = {push["number"] for push in pushes}
    stops = [act for act in acts if act.type is EntryType.INJECTION_STOPPED and act.data.get("volume_ml") is not None]
    for stop in stops:
        if stop.number not in noted:
            sheet.remarks.append(f"The volume of log line {stop.number} was left out: aliquots were noted before it")
    for index, push in enumerate(pushes):
        level = sheet.level_of(push["level"], f"The cement of log line {push['number']}", levels)
        if level is None:
            continue
        after = pushes[index + 1]["since"] if index + 1 < len(pushes) else None
        felt = any(act.type is EntryType.RESISTANCE and _between(act.number, push["since"], after) for act in acts)
        sheet.add(
            "aliquot",
            sheet.id_of("aliquot", push["number"]),
            level=sheet.id_of("level", level),
            started_at=None if push["started"] is None else _moment(push["started"]),
            ended_at=_moment(push["ended"]),
            volume_ml=push["volume_ml"],
            has_resistance=felt or None,
        )


def _between(number: int | None, after: int | None, before: int | None) -> bool:
    return number is not None and number > (after or 0) and (before is None or number < before)


def _add_leaks(sheet: _Sheet, levels: Sequence[str]) -> None:
    """One proposed leak for each level and site, with the first alert about it."""
    seen: set[tuple[str, str]] = set()
    for listed in sorted(sheet.watched.alerts, key=lambda each: each.alert.raised_at):
        alert = listed.alert
        level = sheet.level_of(alert.level, f"A leak alert ({alert.zone})", levels)
        site = _site(alert)
        if level is None or (level, site) in seen:
            continue
        seen.add((level, site))
        frame = alert.first_frame
        sheet.add(
            "leak",
            sheet.id_of("leak", level, site),
            level=sheet.id_of("level", level),
            finding="proposed",
            site=site,
            modality="live",
            sop_instance_uid=frame.sop_instance_uid if frame else None,
            frame_index=frame.index if frame else None,
            alert=alert.id,
            first_alert_at=_moment(alert.raised_at),
            first_action_at=_first_action(listed, sheet.watched.acts),
            remark=_estimate(alert),
        )


def _site(alert: Alert) -> str:
    if alert.zone is Zone.DISC and alert.side in {Side.SUPERIOR, Side.INFERIOR}:
        return f"disc_{alert.side}"
    return SITE_OF_ZONE.get(alert.zone or Zone.ELSEWHERE, "other")


def _first_action(listed: Listed, acts: Sequence[Entry]) -> datetime | None:
    """The first of: the alert was acknowledged, an injection was stopped after it."""
    stops = [act.at for act in acts if act.type is EntryType.INJECTION_STOPPED and act.at >= listed.alert.raised_at]
    told = [*stops[:1], *([listed.acknowledged_at] if listed.acknowledged_at else [])]
    return _moment(min(told)) if told else None


def _estimate(alert: Alert) -> str | None:
    band = alert.volume_ml
    return f"Estimated from its shape: {band.low:.2f}-{band.high:.2f} ml." if band else None


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
