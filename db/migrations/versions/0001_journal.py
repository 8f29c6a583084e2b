"""The journal, its chain, and what each role remembers."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FIRST_HASH = "0" * 64

# The journal is evidence: whoever wants to change a line must first remove these, which verify() then finds out.
SQLITE_GUARDS = (
    "CREATE TRIGGER entry_no_update BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END",
    "CREATE TRIGGER entry_no_delete BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries are never deleted'); END",
    """CREATE TRIGGER entry_no_replace BEFORE INSERT ON entry
    WHEN EXISTS (SELECT 1 FROM entry WHERE number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'entries are never replaced'); END""",
)
POSTGRESQL_GUARDS = (
    """CREATE FUNCTION entry_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'entries are never changed or deleted'; END $$""",
    "CREATE TRIGGER entry_no_change BEFORE UPDATE OR DELETE ON entry FOR EACH ROW EXECUTE FUNCTION entry_refuse()",
    "CREATE TRIGGER entry_no_truncate BEFORE TRUNCATE ON entry FOR EACH STATEMENT EXECUTE FUNCTION entry_refuse()",
)


def upgrade() -> None:
    create_entry()
    create_alert()
    create_arrival()
    create_procedure()
    create_source_and_replay()
    is_sqlite = op.get_context().dialect.name == "sqlite"
    for statement in SQLITE_GUARDS if is_sqlite else POSTGRESQL_GUARDS:
        op.execute(statement)


def where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def create_entry() -> None:
    op.create_table(
        "entry",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("procedure", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("source", "alert", "from_state", "to_state", "cause", "actor")),
        sa.Column("sop_instance_uid", sa.Text()),
        sa.Column("frame_index", sa.Integer()),
        *(sa.Column(name, sa.Double()) for name in ("acquired_at", "received_at", "judged_at")),
        sa.Column("times", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
    )
    op.create_index("ix_entry_procedure_number", "entry", ["procedure", "number"])
    op.create_index("ix_entry_procedure_type_number", "entry", ["procedure", "type", "number"])
    op.create_index("ix_entry_alert_number", "entry", ["alert", "number"], **where("alert IS NOT NULL"))
    frame = ["sop_instance_uid", "frame_index", "number"]
    op.create_index("ix_entry_frame", "entry", frame, **where("sop_instance_uid IS NOT NULL"))
    chain = op.create_table(
        "chain",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("alerts_number", sa.BigInteger(), nullable=False),
    )
    op.bulk_insert(chain, [{"id": 1, "number": 0, "hash": FIRST_HASH, "alerts_number": 0}])


def create_alert() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("procedure", "source", "priority")),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("acknowledged_at", sa.Double()),
        sa.Column("snapshot", sa.Text(), nullable=False),
    )
    op.create_index("ix_alert_number", "alert", ["number"])
    op.create_index("ix_alert_procedure_number", "alert", ["procedure", "number"])


def create_arrival() -> None:
    told = ("source", "sop_instance_uid", "study_instance_uid", "series_instance_uid", "mode", "status")
    op.create_table(
        "arrival",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("procedure", sa.Text()),
        *(sa.Column(name, sa.Text(), nullable=False) for name in told),
        sa.Column("replay", sa.Text()),
        sa.Column("n_frames", sa.Integer()),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("n_judged", "n_skipped", "attempts")),
        sa.Column("received_at", sa.Double(), nullable=False),
    )
    op.create_index("ix_arrival_sop_instance_uid", "arrival", ["sop_instance_uid"])
    op.create_index("ix_arrival_open", "arrival", ["number"], **where("status = 'open'"))


def create_procedure() -> None:
    op.create_table(
        "procedure",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("opened_number", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.Double()),
        sa.Column("mode", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("replay", "accession_number", "patient_id")),
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("levels", sa.Text(), nullable=False),
    )
    op.create_index("ix_procedure_opened_number", "procedure", ["opened_number"])
    op.create_index("ix_procedure_open", "procedure", ["opened_number"], **where("closed_at IS NULL"))
    op.create_table(
        "study",
        sa.Column("study_instance_uid", sa.Text(), primary_key=True),
        sa.Column("replay", sa.Text(), primary_key=True),
        sa.Column("procedure", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
    )
    op.create_index("ix_study_procedure_place", "study", ["procedure", "place"])


def create_source_and_replay() -> None:
    op.create_table(
        "source_state",
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("procedure", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("last_frame_at", sa.Double()),
        *(sa.Column(f"frames_{what}", sa.Integer(), nullable=False) for what in ("received", "judged", "skipped")),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("view", "zones_watched", "zones_not_visible", "flags")
        ),
        sa.Column("beat_at", sa.Double(), nullable=False),
    )
    op.create_table(
        "role",
        sa.Column("role", sa.Text(), primary_key=True),
        sa.Column("beat_at", sa.Double(), nullable=False),
    )
    op.create_table(
        "replay",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.Text()),
        sa.Column("speed", sa.Double()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer()),
        sa.Column("queued_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double()),
        sa.Column("ended_at", sa.Double()),
        *(sa.Column(name, sa.Text()) for name in ("reason", "procedure")),
        sa.UniqueConstraint("id", name="uq_replay_id"),
    )
