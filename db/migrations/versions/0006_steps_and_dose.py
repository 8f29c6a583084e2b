"""Performed and scheduled procedure steps, and the dose that reports tell."""

import sqlalchemy as sa
from alembic import op

revision = "0006_steps_and_dose"
down_revision = "0005_commitment"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "step_performed",
        sa.Column("step", sa.Text(), primary_key=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("procedure", "source", "status")),
        sa.Column("began_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("is_settled", sa.Boolean(), nullable=False),
    )
    op.create_index("ix_step_performed_procedure", "step_performed", ["procedure"])
    op.create_table(
        "scheduled",
        sa.Column("procedure", sa.Text(), primary_key=True),
        sa.Column("starts_at", sa.Double()),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("is_settled", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "dose",
        *(sa.Column(name, sa.Text(), primary_key=True) for name in ("study_instance_uid", "replay", "scope_uid")),
        sa.Column("arrival", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.Double()) for name in ("air_kerma_mgy", "dose_area_product_gy_cm2", "fluoroscopy_s")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("n_events", "n_planes")),
    )
    op.execute("INSERT INTO inbox (id, number) VALUES (2, 0)")
