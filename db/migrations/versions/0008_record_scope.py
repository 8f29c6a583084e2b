"""The clinical record has a scope of its own; a token that could read it goes on reading it until it ends."""

from alembic import op

revision = "0008_record_scope"
down_revision = "0007_alarms"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("UPDATE api_token SET scopes = scopes || ' record' WHERE ' ' || scopes || ' ' LIKE '% read %'")
