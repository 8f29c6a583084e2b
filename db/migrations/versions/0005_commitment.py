"""Transactions of storage commitment, and how far notices have been acted on."""

import sqlalchemy as sa
from alembic import op

revision = "0005_commitment"
down_revision = "0004_forwarding"
branch_labels = None
depends_on = None

UNFINISHED = "state IN ('made', 'asked')"


def upgrade() -> None:
    op.create_table(
        "commitment",
        sa.Column("peer", sa.Text(), primary_key=True),
        sa.Column("transaction_uid", sa.Text(), primary_key=True),
        sa.Column("is_ours", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("items", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text()),
    )
    op.create_index(
        "ix_commitment_open",
        "commitment",
        ["is_ours", "due_at"],
        sqlite_where=sa.text(UNFINISHED),
        postgresql_where=sa.text(UNFINISHED),
    )
    op.create_index("ix_commitment_transaction_uid", "commitment", ["transaction_uid"])
    inbox = op.create_table(
        "inbox",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
    )
    op.bulk_insert(inbox, [{"id": 1, "number": 0}])
