"""The tables of the journal and of what hangs on it.

``entry`` and ``chain`` are the evidence; ``alert`` is the fold of ``entry``; the rest is what each role remembers.
Times are seconds since 1970 UTC in double precision, which both databases give back bit for bit.
JSON is kept as text, because a line's hash covers its very characters.
"""

from __future__ import annotations

from typing import Any, cast

import sqlalchemy
from sqlalchemy import BigInteger, Boolean, Double, Index, Integer, MetaData, String, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _where(condition: str) -> dict[str, Any]:
    """A partial index in both dialects: most lines have no alert, most arrivals are done."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


Number = BigInteger().with_variant(Integer, "sqlite")
"""A running number; only under the name INTEGER does SQLite keep the rows themselves in its order."""


class Table(DeclarativeBase):
    """One table."""

    metadata = metadata
    type_annotation_map = {str: Text, float: Double, bool: Boolean, int: Integer}  # noqa: RUF012 - SQLAlchemy's own shape


class EntryTable(Table):
    """One line of the procedure log. Triggers refuse to change or delete a line."""

    __tablename__ = "entry"

    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    at: Mapped[float]
    type: Mapped[str]
    procedure: Mapped[str]
    source: Mapped[str | None]
    alert: Mapped[str | None]
    from_state: Mapped[str | None]
    to_state: Mapped[str | None]
    cause: Mapped[str | None]
    actor: Mapped[str | None]
    sop_instance_uid: Mapped[str | None]
    frame_index: Mapped[int | None]
    acquired_at: Mapped[float | None]
    received_at: Mapped[float | None]
    judged_at: Mapped[float | None]
    times: Mapped[str]
    data: Mapped[str]
    hash: Mapped[str] = mapped_column(String(64))
    previous_hash: Mapped[str] = mapped_column(String(64))

    __table_args__ = (
        Index("ix_entry_procedure_number", "procedure", "number"),
        Index("ix_entry_procedure_type_number", "procedure", "type", "number"),
        Index("ix_entry_alert_number", "alert", "number", **_where("alert IS NOT NULL")),
        Index("ix_entry_frame", "sop_instance_uid", "frame_index", "number", **_where("sop_instance_uid IS NOT NULL")),
    )


class ChainTable(Table):
    """One row: the last line's number and hash, and the number that alerts last changed at."""

    __tablename__ = "chain"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))
    alerts_number: Mapped[int] = mapped_column(BigInteger)


class AlertTable(Table):
    """The latest snapshot of each alert, with the number of the line that last changed it."""

    __tablename__ = "alert"

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    procedure: Mapped[str]
    source: Mapped[str]
    priority: Mapped[str]
    is_active: Mapped[bool]
    acknowledged_at: Mapped[float | None]
    snapshot: Mapped[str]

    __table_args__ = (
        Index("ix_alert_number", "number"),
        Index("ix_alert_procedure_number", "procedure", "number"),
        Index(
            "ix_alert_active",
            "number",
            sqlite_where=text("is_active IS 1"),
            postgresql_where=text("is_active IS true"),
        ),
    )


class ArrivalTable(Table):
    """One DICOM object of the spool and how far it has been judged."""

    __tablename__ = "arrival"

    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    procedure: Mapped[str | None]
    source: Mapped[str]
    sop_instance_uid: Mapped[str]
    study_instance_uid: Mapped[str]
    series_instance_uid: Mapped[str]
    replay: Mapped[str | None]
    mode: Mapped[str]
    n_frames: Mapped[int | None]
    n_judged: Mapped[int]
    n_skipped: Mapped[int]
    attempts: Mapped[int]
    status: Mapped[str]
    received_at: Mapped[float]

    __table_args__ = (
        Index("ix_arrival_sop_instance_uid", "sop_instance_uid"),
        Index("ix_arrival_procedure_number", "procedure", "number", **_where("procedure IS NOT NULL")),
        Index("ix_arrival_open", "number", **_where("status = 'open'")),
    )


class ProcedureTable(Table):
    """One procedure; ``patient`` stands here only, never in the chain, so that it can be erased."""

    __tablename__ = "procedure"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    opened_at: Mapped[float]
    opened_number: Mapped[int] = mapped_column(BigInteger)
    closed_at: Mapped[float | None]
    mode: Mapped[str]
    replay: Mapped[str | None]
    accession_number: Mapped[str | None]
    patient_id: Mapped[str | None]
    patient: Mapped[str]
    levels: Mapped[str]

    __table_args__ = (
        Index("ix_procedure_opened_number", "opened_number"),
        Index("ix_procedure_open", "opened_number", **_where("closed_at IS NULL")),
    )


class StudyTable(Table):
    """Which procedure a study belongs to; a replay of it is another procedure (``replay`` is '' for the real one)."""

    __tablename__ = "study"

    study_instance_uid: Mapped[str] = mapped_column(primary_key=True)
    replay: Mapped[str] = mapped_column(primary_key=True)
    procedure: Mapped[str]
    place: Mapped[int]

    __table_args__ = (Index("ix_study_procedure_place", "procedure", "place"),)


class SourceTable(Table):
    """The heartbeat of each source; overwritten at every beat."""

    __tablename__ = "source_state"

    source: Mapped[str] = mapped_column(primary_key=True)
    procedure: Mapped[str | None]
    state: Mapped[str]
    last_frame_at: Mapped[float | None]
    frames_received: Mapped[int]
    frames_judged: Mapped[int]
    frames_skipped: Mapped[int]
    view: Mapped[str]
    zones_watched: Mapped[str]
    zones_not_visible: Mapped[str]
    flags: Mapped[str]
    beat_at: Mapped[float]
    sight: Mapped[str]


class RoleTable(Table):
    """The last sign of life of each role."""

    __tablename__ = "role"

    role: Mapped[str] = mapped_column(primary_key=True)
    beat_at: Mapped[float]


class ReplayTable(Table):
    """A recorded study that is played again."""

    __tablename__ = "replay"

    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(unique=True)
    source: Mapped[str]
    study_instance_uid: Mapped[str | None]
    speed: Mapped[float | None]
    state: Mapped[str]
    sent: Mapped[int]
    total: Mapped[int | None]
    queued_at: Mapped[float]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    reason: Mapped[str | None]
    procedure: Mapped[str | None]


class UserTable(Table):
    """One person who may sign in; only the argon2 hash of the password is kept."""

    __tablename__ = "user_account"

    name: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    password_hash: Mapped[str]
    created_at: Mapped[float]
    disabled_at: Mapped[float | None]


class TokenTable(Table):
    """One program that may ask; ``hash`` is the SHA-256 of the token, which is nowhere kept."""

    __tablename__ = "api_token"

    name: Mapped[str] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[str]
    created_at: Mapped[float]
    expires_at: Mapped[float]
    revoked_at: Mapped[float | None]


class SessionTable(Table):
    """One browser that is signed in; ``hash`` is the SHA-256 of its cookie."""

    __tablename__ = "web_session"

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user: Mapped[str] = mapped_column("user_name")
    began_at: Mapped[float]
    expires_at: Mapped[float]


class MirrorTable(Table):
    """How far each second channel has been told of alerts."""

    __tablename__ = "mirror"

    name: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    told_at: Mapped[float | None]
    failing_since: Mapped[float | None]
    reason: Mapped[str | None]


class RegisterTable(Table):
    """One row: the journal entry that last changed users, tokens or sessions."""

    __tablename__ = "register"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)


def _table(rows: type[Table]) -> sqlalchemy.Table:
    return cast("sqlalchemy.Table", rows.__table__)


ENTRY = _table(EntryTable)
CHAIN = _table(ChainTable)
ALERT = _table(AlertTable)
ARRIVAL = _table(ArrivalTable)
PROCEDURE = _table(ProcedureTable)
STUDY = _table(StudyTable)
SOURCE = _table(SourceTable)
REPLAY = _table(ReplayTable)
ROLE = _table(RoleTable)
USER = _table(UserTable)
TOKEN = _table(TokenTable)
SESSION = _table(SessionTable)
REGISTER = _table(RegisterTable)
MIRROR = _table(MirrorTable)
