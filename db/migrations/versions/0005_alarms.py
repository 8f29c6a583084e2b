"""How far each second channel has been told of alerts."""

import sqlalchemy as sa
from alembic import op

revision = "0005_alarms"
down_revision = "0003"
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
