"""Objects on their way to archives, and how the archives stand."""

import sqlalchemy as sa
from alembic import op

revision = "0004_forwarding"
down_revision = "0003"
branch_labels = None
depends_on = None

OPEN = "state IN ('waiting', 'sent', 'refused')"


def upgrade() -> None:
    op.create_table(
        "delivery",
        sa.Column("destination", sa.Text(), primary_key=True),
        sa.Column("path", sa.Text(), primary_key=True),
        sa.Column("arrival", sa.BigInteger()),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("sop_class_uid", "sop_instance_uid", "digest", "state")
        ),
        sa.Column("queued_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.Double()),
        sa.Column("status", sa.Integer()),
        sa.Column("reason", sa.Text()),
        sa.Column("transaction_uid", sa.Text()),
    )
    op.create_index(
        "ix_delivery_open",
        "delivery",
        ["destination", "state", "due_at"],
        sqlite_where=sa.text(OPEN),
        postgresql_where=sa.text(OPEN),
    )
    for name in ("arrival", "sop_instance_uid", "transaction_uid"):
        op.create_index(f"ix_delivery_{name}", "delivery", [name])
    op.create_table(
        "destination",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("reach", sa.BigInteger(), nullable=False),
        sa.Column("n_delivered", sa.BigInteger(), nullable=False),
        sa.Column("success_at", sa.Double()),
        sa.Column("failing_since", sa.Double()),
        sa.Column("reason", sa.Text()),
    )
