"""A heartbeat tells what the views of its procedure show together."""

import sqlalchemy as sa
from alembic import op

revision = "0009_sight"
down_revision = "0008_record_scope"
branch_labels = None
depends_on = None

NOTHING_YET = '{"glances":[],"zones_blind":[]}'


def upgrade() -> None:
    op.add_column("source_state", sa.Column("sight", sa.Text(), nullable=False, server_default=NOTHING_YET))
