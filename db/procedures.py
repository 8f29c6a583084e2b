"""Procedures: opened by the first image of a study or by hand, changed, closed; each step is a line of the journal.

Patient data stand in the procedure's row only. The lines of the journal name the fields that changed, not the
patient: the chain can never be shortened, a name must be erasable.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, Select, insert, select, update

from db.connect import appending, reading, rows_of
from db.convert import json_text
from db.journal import append_in
from db.tables import PROCEDURE, STUDY
from detection.vocabulary import Entry, EntryType, Mode

PROCEDURE_KINDS = ("pvp", "pvp_itr", "ppsf_pvp", "vp_rfa", "vp_laser", "pkp", "pvp_osteoblastic")

_NAMESPACE = uuid.UUID("5c7d3a70-64c8-5a2b-9d63-0f3b6d1f7c11")
_CHANGEABLE = frozenset({"kind", "mode", "patient", "levels", "accession_number", "study_instance_uids", "closed_at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """One procedure. ``replay`` names the replay that it is of; None for the real one. ``number`` orders lists."""

    id: str
    study_instance_uids: tuple[str, ...]
    kind: str
    opened_at: float
    closed_at: float | None
    patient: Mapping[str, Any]
    levels: tuple[str, ...]
    mode: Mode
    replay: str | None
    accession_number: str | None
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What is known when a procedure opens. ``said`` goes into the journal's line: version, hash of the rules, ..."""

    at: float
    study_instance_uid: str | None = None
    replay: str | None = None
    mode: Mode = Mode.LIVE
    kind: str = "pvp"
    patient: Mapping[str, Any] = field(default_factory=dict)
    levels: tuple[str, ...] = ()
    accession_number: str | None = None
    source: str | None = None
    actor: str | None = None
    said: Mapping[str, Any] = field(default_factory=dict)


def open_procedure(engine: Engine, opening: Opening) -> Procedure:
    """The procedure of ``opening``: found by its study, else one that waits for it, else a new one.

    Without a study UID always a new one. Two processes that open the same study get the same procedure.
    A study's procedure has an id made of study UID and replay, so that a second run gives equal alert ids.
    """
    with appending(engine) as connection:
        if opening.study_instance_uid is not None:
            known = _find(connection, opening.study_instance_uid, opening.replay)
            if known:
                return known
            waiting = _match(connection, opening)
            if waiting:
                return _attach(connection, waiting, opening)
        return _create(connection, opening)


def find_procedure(engine: Engine, study_instance_uid: str, replay: str | None = None) -> Procedure | None:
    """The procedure that this study belongs to, open or closed."""
    with reading(engine) as connection:
        return _find(connection, study_instance_uid, replay)


def procedure(engine: Engine, procedure_id: str) -> Procedure | None:
    """The procedure with this id."""
    with reading(engine) as connection:
        return _by_id(connection, procedure_id)


def change(
    engine: Engine, procedure_id: str, changes: Mapping[str, Any], *, at: float, actor: str | None = None
) -> Procedure:
    """Change fields of a procedure: kind, mode, patient, levels, accession_number, more study_instance_uids.

    ``closed_at`` None opens it again. KeyError for an unknown procedure, ValueError for a field or value that is
    not allowed. Nothing is written when nothing changes.
    """
    _check(changes)
    with appending(engine) as connection:
        before = _known(connection, procedure_id)
        told = {name: value for name, value in changes.items() if _differs(before, name, value)}
        if not told:
            return before
        _store(connection, before, told)
        said = {name: value for name, value in told.items() if name != "patient"}
        append_in(
            connection,
            [
                Entry(
                    at=at,
                    type=EntryType.PROCEDURE_CHANGED,
                    procedure=procedure_id,
                    actor=actor,
                    data={"changed": sorted(told), **said},
                )
            ],
        )
        return _known(connection, procedure_id)


def close(
    engine: Engine, procedure_id: str, *, at: float, actor: str | None = None, cause: str | None = None
) -> Procedure:
    """Close a procedure; one that is closed stays as it is. KeyError for an unknown one."""
    with appending(engine) as connection:
        before = _known(connection, procedure_id)
        if before.closed_at is not None:
            return before
        connection.execute(update(PROCEDURE).where(PROCEDURE.c.id == procedure_id).values(closed_at=at))
        line = Entry(at=at, type=EntryType.PROCEDURE_CLOSED, procedure=procedure_id, actor=actor, cause=cause)
        append_in(connection, [line])
        return _known(connection, procedure_id)


def procedures_from(connection: Connection, query: Select[Any]) -> list[Procedure]:
    """The procedures of ``query`` over the whole PROCEDURE table, with their studies, in its order."""
    rows = rows_of(connection, query)
    studies: dict[str, list[str]] = {row["id"]: [] for row in rows}
    theirs = select(STUDY).where(STUDY.c.procedure.in_(studies)).order_by(STUDY.c.procedure, STUDY.c.place)
    for row in rows_of(connection, theirs):
        studies[row["procedure"]].append(row["study_instance_uid"])
    return [_from_row(row, studies[row["id"]]) for row in rows]


def _from_row(row: Mapping[str, Any], studies: Sequence[str]) -> Procedure:
    return Procedure(
        id=row["id"],
        study_instance_uids=tuple(studies),
        kind=row["kind"],
        opened_at=row["opened_at"],
        closed_at=row["closed_at"],
        patient=json.loads(row["patient"]),
        levels=tuple(json.loads(row["levels"])),
        mode=Mode(row["mode"]),
        replay=row["replay"],
        accession_number=row["accession_number"],
        number=row["opened_number"],
    )


def _first(connection: Connection, query: Select[Any]) -> Procedure | None:
    return next(iter(procedures_from(connection, query.limit(1))), None)


def _by_id(connection: Connection, procedure_id: str) -> Procedure | None:
    return _first(connection, select(PROCEDURE).where(PROCEDURE.c.id == procedure_id))


def _known(connection: Connection, procedure_id: str) -> Procedure:
    known = _by_id(connection, procedure_id)
    if known is None:
        raise KeyError(procedure_id)
    return known


def _find(connection: Connection, study_instance_uid: str, replay: str | None) -> Procedure | None:
    owner = select(STUDY.c.procedure).where(
        STUDY.c.study_instance_uid == study_instance_uid, STUDY.c.replay == (replay or "")
    )
    return _first(connection, select(PROCEDURE).where(PROCEDURE.c.id.in_(owner)))


def _match(connection: Connection, opening: Opening) -> Procedure | None:
    """The newest open procedure with the same accession number, else one without a study for the same patient.

    A patient's other open procedure that already has images is another matter; a replay never joins a real one.
    """
    if opening.replay is not None:
        return None
    is_open = PROCEDURE.c.closed_at.is_(None) & PROCEDURE.c.replay.is_(None)
    newest = select(PROCEDURE).where(is_open).order_by(PROCEDURE.c.opened_number.desc())
    if opening.accession_number:
        found = _first(connection, newest.where(PROCEDURE.c.accession_number == opening.accession_number))
        if found:
            return found
    patient_id = opening.patient.get("id")
    if not patient_id:
        return None
    has_study = select(STUDY.c.procedure).where(STUDY.c.procedure == PROCEDURE.c.id).exists()
    return _first(connection, newest.where(PROCEDURE.c.patient_id == str(patient_id), ~has_study))


def _attach(connection: Connection, waiting: Procedure, opening: Opening) -> Procedure:
    """``waiting`` with the study of ``opening``, and with what was not known of patient and accession number."""
    told: dict[str, Any] = {"study_instance_uids": [*waiting.study_instance_uids, opening.study_instance_uid]}
    if not waiting.study_instance_uids:
        told["mode"] = opening.mode
    if opening.patient and not waiting.patient:
        told["patient"] = opening.patient
    if opening.accession_number and not waiting.accession_number:
        told["accession_number"] = opening.accession_number
    _store(connection, waiting, told)
    said = {name: value for name, value in told.items() if name != "patient"}
    line = Entry(
        at=opening.at,
        type=EntryType.PROCEDURE_CHANGED,
        procedure=waiting.id,
        source=opening.source,
        actor=opening.actor,
        cause="first image of a study",
        data={**opening.said, "changed": sorted(told), **said},
    )
    append_in(connection, [line])
    return _known(connection, waiting.id)


def _create(connection: Connection, opening: Opening) -> Procedure:
    _check({"kind": opening.kind, "levels": opening.levels, "patient": opening.patient})
    procedure_id = _new_id(opening)
    line = Entry(
        at=opening.at,
        type=EntryType.PROCEDURE_OPENED,
        procedure=procedure_id,
        source=opening.source,
        actor=opening.actor,
        data={
            **opening.said,
            "kind": opening.kind,
            "mode": str(opening.mode),
            "levels": list(opening.levels),
            "replay": opening.replay,
            "study_instance_uids": [opening.study_instance_uid] if opening.study_instance_uid else [],
        },
    )
    (written,) = append_in(connection, [line])
    row = {
        "id": procedure_id,
        "kind": opening.kind,
        "opened_at": float(opening.at),
        "opened_number": written.number,
        "mode": str(opening.mode),
        "replay": opening.replay,
        "accession_number": opening.accession_number,
        **_patient_columns(opening.patient),
        "levels": json_text(opening.levels),
    }
    connection.execute(insert(PROCEDURE), [row])
    if opening.study_instance_uid is not None:
        _add_studies(connection, procedure_id, opening.replay, [opening.study_instance_uid])
    return _known(connection, procedure_id)


def _new_id(opening: Opening) -> str:
    if opening.study_instance_uid is None:
        return str(uuid.uuid4())
    return str(uuid.uuid5(_NAMESPACE, f"{opening.study_instance_uid}|{opening.replay or ''}"))


def _store(connection: Connection, before: Procedure, told: Mapping[str, Any]) -> None:
    columns: dict[str, Any] = {name: told[name] for name in ("kind", "accession_number", "closed_at") if name in told}
    if "mode" in told:
        columns["mode"] = str(told["mode"])
    if "levels" in told:
        columns["levels"] = json_text(told["levels"])
    if "patient" in told:
        columns |= _patient_columns(told["patient"])
    if columns:
        connection.execute(update(PROCEDURE).where(PROCEDURE.c.id == before.id).values(**columns))
    _add_studies(connection, before.id, before.replay, told.get("study_instance_uids", ()), before.study_instance_uids)


def _add_studies(
    connection: Connection, procedure_id: str, replay: str | None, wanted: Sequence[str], present: Sequence[str] = ()
) -> None:
    for study in dict.fromkeys(wanted):
        if study in present:
            continue
        owner = _find(connection, study, replay)
        if owner is not None:
            raise ValueError("study_instance_uids: this study belongs to another procedure")
        row = {
            "study_instance_uid": study,
            "replay": replay or "",
            "procedure": procedure_id,
            "place": list(wanted).index(study),
        }
        connection.execute(insert(STUDY), [row])


def _patient_columns(patient: Mapping[str, Any]) -> dict[str, Any]:
    patient_id = patient.get("id")
    return {"patient": json_text(dict(patient)), "patient_id": str(patient_id) if patient_id else None}


def _differs(before: Procedure, name: str, value: Any) -> bool:
    if name == "study_instance_uids":
        return not set(value) <= set(before.study_instance_uids)
    old = getattr(before, name)
    return json_text(old) != json_text(value)


def _check(changes: Mapping[str, Any]) -> None:
    unknown = sorted(set(changes) - _CHANGEABLE)
    if unknown:
        raise ValueError(f"{unknown[0]}: cannot be changed")
    if "kind" in changes and changes["kind"] not in PROCEDURE_KINDS:
        raise ValueError(f"kind: expected one of {', '.join(PROCEDURE_KINDS)}")
    if changes.get("closed_at") is not None:
        raise ValueError("closed_at: only null is expected, which opens the procedure again")
    if not isinstance(changes.get("patient", {}), Mapping):
        raise ValueError("patient: expected an object")  # noqa: TRY004 - the caller answers 400 to ValueError
