"""How far each second channel has been told of alerts; standing alerts and a procedure's arrivals are found at once."""

import sqlalchemy as sa
from alembic import op

revision = "0007_alarms"
down_revision = "0006_steps_and_dose"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mirror",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.Double()),
        sa.Column("failing_since", sa.Double()),
        sa.Column("reason", sa.Text()),
    )
    op.create_index(
        "ix_alert_active",
        "alert",
        ["number"],
        sqlite_where=sa.text("is_active IS 1"),
        postgresql_where=sa.text("is_active IS true"),
    )
    told = sa.text("procedure IS NOT NULL")
    op.create_index(
        "ix_arrival_procedure_number", "arrival", ["procedure", "number"], sqlite_where=told, postgresql_where=told
    )
