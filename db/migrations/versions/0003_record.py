"""The clinical record: patients, operations and what hangs on them, each in versions."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KINDS = {"text": sa.Text, "real": sa.Double, "flag": sa.Boolean, "whole": sa.Integer, "json": sa.JSON}

TABLES = {
    "patient": (
        [],
        {
            "text_needed": "pseudonym",
            "whole": "birth_year",
            "text": "sex primary_tumour primary_text site consent arm allocation enrolled_on excluded_on excluded_reason lost_on lost_reason last_seen_on died_on death_cause remark",
        },
    ),
    "operation": (
        ["patient", "procedure"],
        {
            "text_needed": "patient kind",
            "text": "procedure performed_on visceral_metastases comorbidities unit planes position drugs cement_brand cement_opacifier cement_viscosity abort_reason remark confirmed_by",
            "real": "started_at ended_at age_years symptom_weeks leucocytes_per_ul platelets_per_ul inr life_expectancy_months tomita_total tokuhashi_total experience_years pulse_rate_hz fluoroscopy_s dose_area_product_gy_cm2 air_kerma_mgy antibiotic_before_min cement_mixed_at room_c duration_min blood_loss_ml stay_days confirmed_at",
            "whole": "n_bone_foci n_vertebral_metastases asa_class n_screws",
            "json": "prior_treatment contraindications tomita tokuhashi operators anaesthesia screw_levels",
            "flag": "is_allergic_to_pmma is_technical_success",
        },
    ),
    "step": (
        ["operation"],
        {
            "text_needed": "operation kind",
            "whole_needed": "place",
            "text": "level side instrument remark",
            "real": "started_at ended_at gauge_g",
        },
    ),
    "level": (
        ["operation"],
        {
            "text_needed": "operation level",
            "text": "lesion posterior_wall epidural_grade compression approach end_reason remark",
            "flag": "is_fractured is_pedicle_lysed is_arch_involved has_cleft has_biopsy",
            "real": "height_loss_percent kyphosis_deg sins_total volume_ml",
            "json": "sins examined_with",
        },
    ),
    "needle": (
        ["level"],
        {
            "text_needed": "level",
            "text": "side route brand tip_third remark",
            "real": "gauge_g cannula_mm placed_at",
            "flag": "has_venography",
        },
    ),
    "aliquot": (
        ["level"],
        {
            "text_needed": "level",
            "text": "needle remark",
            "real": "started_at ended_at volume_ml",
            "flag": "has_resistance",
        },
    ),
    "leak": (
        ["level"],
        {
            "text_needed": "level finding site modality",
            "text": "yeom side seen_by seen_on sop_instance_uid alert consequence treatment remark",
            "real": "first_seen_at first_alert_at first_action_at volume_ml",
            "whole": "frame_index",
        },
    ),
    "complication": (
        ["operation"],
        {
            "text_needed": "operation kind",
            "text": "happened_on resolved_on outcome treatment remark",
            "flag": "is_due_to_leak",
        },
    ),
    "follow_up": (
        ["operation"],
        {
            "text_needed": "operation time_point",
            "real": "months vas odi_percent barthel_total bm22_sum",
            "text": "seen_on asia pain_class analgesic_class analgesic_change analgesic_dose imaging_on remark",
            "json": "odi barthel bm22 imaging",
            "whole": "kps",
            "flag": "is_stable has_new_fracture is_alive",
        },
    ),
}
"""Each table: the columns that it is looked up by, and its columns by kind."""


def upgrade() -> None:
    for table, (owners, columns) in TABLES.items():
        create(table, owners, columns)
    counted = where("is_current = 1 AND is_withdrawn = 0", "is_current AND NOT is_withdrawn")
    op.create_index("uq_patient_pseudonym_current", "patient", ["pseudonym"], unique=True, **counted)


def where(sqlite: str, postgresql: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(sqlite), "postgresql_where": sa.text(postgresql)}


def create(table: str, owners: list[str], columns: dict[str, str]) -> None:
    op.create_table(
        table,
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("is_withdrawn", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.Double(), nullable=False),
        sa.Column("recorded_by", sa.Text()),
        sa.Column("reason", sa.Text()),
        *(
            sa.Column(name, KINDS[kind.removesuffix("_needed")](), nullable=not kind.endswith("_needed"))
            for kind, names in columns.items()
            for name in names.split()
        ),
    )
    op.create_index(f"uq_{table}_current", table, ["id"], unique=True, **where("is_current = 1", "is_current"))
    for name in ("number", *owners):
        op.create_index(f"ix_{table}_{name}_current", table, [name], **where("is_current = 1", "is_current"))
