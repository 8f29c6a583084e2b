"""Who may sign in or ask: users, tokens, sessions, and the entry that last changed them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "user_account",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("disabled_at", sa.Double()),
    )
    op.create_table(
        "api_token",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("created_at", "expires_at")),
        sa.Column("revoked_at", sa.Double()),
        sa.UniqueConstraint("hash", name="uq_api_token_hash"),
    )
    op.create_table(
        "web_session",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("user_name", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=False) for name in ("began_at", "expires_at")),
    )
    register = op.create_table(
        "register",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
    )
    op.bulk_insert(register, [{"id": 1, "number": 0}])
