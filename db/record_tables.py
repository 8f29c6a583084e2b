"""The clinical record: one row for each version of each thing, the latest marked as current, none ever deleted.

Owners: patient > operation > step, level, complication, follow-up; level > needle, aliquot, leak. ``operation`` is one
operation on one patient; ``procedure`` names what was watched live of it, if anything was. Dates are ISO texts, times
seconds since 1970 UTC. Values that follow from answers (``odi_percent``) stand only beside those answers (``odi``).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from db.tables import Table

JsonText = JSON(none_as_null=True)
"""A list of words or the answers by item; None is null of the database, not of JSON."""

Words = Mapped[list[str] | None]
Answers = Mapped[dict[str, Any] | None]


class Versioned:
    """What every row says about itself. ``number`` is the line of the journal that tells of this version."""

    id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)
    is_current: Mapped[bool]
    is_withdrawn: Mapped[bool]
    recorded_at: Mapped[float]
    recorded_by: Mapped[str | None]
    reason: Mapped[str | None]


_CURRENT: dict[str, Any] = {"sqlite_where": text("is_current = 1"), "postgresql_where": text("is_current")}
_COUNTED: dict[str, Any] = {
    "sqlite_where": text("is_current = 1 AND is_withdrawn = 0"),
    "postgresql_where": text("is_current AND NOT is_withdrawn"),
}
"""As SQLAlchemy writes the conditions in each dialect: SQLite takes a partial index only for the very same words."""


def _indexes(table: str, *others: str) -> tuple[Index, ...]:
    """Two writers can never both make a current version; lists and owners are looked up among the current ones."""
    return (
        Index(f"uq_{table}_current", "id", unique=True, **_CURRENT),
        *(Index(f"ix_{table}_{name}_current", name, **_CURRENT) for name in ("number", *others)),
    )


class PatientTable(Versioned, Table):
    """Who is treated, under a pseudonym."""

    __tablename__ = "patient"
    __table_args__ = (
        *_indexes("patient"),
        Index("uq_patient_pseudonym_current", "pseudonym", unique=True, **_COUNTED),
    )

    pseudonym: Mapped[str]
    birth_year: Mapped[int | None]
    sex: Mapped[str | None]
    primary_tumour: Mapped[str | None]
    primary_text: Mapped[str | None]
    site: Mapped[str | None]
    consent: Mapped[str | None]
    arm: Mapped[str | None]
    allocation: Mapped[str | None]
    enrolled_on: Mapped[str | None]
    excluded_on: Mapped[str | None]
    excluded_reason: Mapped[str | None]
    lost_on: Mapped[str | None]
    lost_reason: Mapped[str | None]
    last_seen_on: Mapped[str | None]
    died_on: Mapped[str | None]
    death_cause: Mapped[str | None]
    remark: Mapped[str | None]


class OperationTable(Versioned, Table):
    """One operation: the patient's state before it, the set-up, the course."""

    __tablename__ = "operation"
    __table_args__ = _indexes("operation", "patient", "procedure")

    patient: Mapped[str]
    procedure: Mapped[str | None]
    kind: Mapped[str]
    performed_on: Mapped[str | None]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    age_years: Mapped[float | None]
    symptom_weeks: Mapped[float | None]
    n_bone_foci: Mapped[int | None]
    n_vertebral_metastases: Mapped[int | None]
    visceral_metastases: Mapped[str | None]
    prior_treatment: Words = mapped_column(JsonText)
    contraindications: Words = mapped_column(JsonText)
    comorbidities: Mapped[str | None]
    asa_class: Mapped[int | None]
    leucocytes_per_ul: Mapped[float | None]
    platelets_per_ul: Mapped[float | None]
    inr: Mapped[float | None]
    is_allergic_to_pmma: Mapped[bool | None]
    life_expectancy_months: Mapped[float | None]
    tomita: Answers = mapped_column(JsonText)
    tomita_total: Mapped[float | None]
    tokuhashi: Answers = mapped_column(JsonText)
    tokuhashi_total: Mapped[float | None]
    operators: Words = mapped_column(JsonText)
    experience_years: Mapped[float | None]
    unit: Mapped[str | None]
    planes: Mapped[str | None]
    pulse_rate_hz: Mapped[float | None]
    fluoroscopy_s: Mapped[float | None]
    dose_area_product_gy_cm2: Mapped[float | None]
    air_kerma_mgy: Mapped[float | None]
    position: Mapped[str | None]
    anaesthesia: Words = mapped_column(JsonText)
    drugs: Mapped[str | None]
    antibiotic_before_min: Mapped[float | None]
    cement_brand: Mapped[str | None]
    cement_opacifier: Mapped[str | None]
    cement_viscosity: Mapped[str | None]
    cement_mixed_at: Mapped[float | None]
    room_c: Mapped[float | None]
    duration_min: Mapped[float | None]
    blood_loss_ml: Mapped[float | None]
    n_screws: Mapped[int | None]
    screw_levels: Words = mapped_column(JsonText)
    is_technical_success: Mapped[bool | None]
    abort_reason: Mapped[str | None]
    stay_days: Mapped[float | None]
    remark: Mapped[str | None]
    confirmed_at: Mapped[float | None]
    confirmed_by: Mapped[str | None]


class StepTable(Versioned, Table):
    """One step of an operation, in its place."""

    __tablename__ = "step"
    __table_args__ = _indexes("step", "operation")

    operation: Mapped[str]
    place: Mapped[int]
    kind: Mapped[str]
    level: Mapped[str | None]
    side: Mapped[str | None]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    instrument: Mapped[str | None]
    gauge_g: Mapped[float | None]
    remark: Mapped[str | None]


class LevelTable(Versioned, Table):
    """One treated vertebra."""

    __tablename__ = "level"
    __table_args__ = _indexes("level", "operation")

    operation: Mapped[str]
    level: Mapped[str]
    lesion: Mapped[str | None]
    is_fractured: Mapped[bool | None]
    height_loss_percent: Mapped[float | None]
    kyphosis_deg: Mapped[float | None]
    posterior_wall: Mapped[str | None]
    is_pedicle_lysed: Mapped[bool | None]
    is_arch_involved: Mapped[bool | None]
    epidural_grade: Mapped[str | None]
    has_cleft: Mapped[bool | None]
    compression: Mapped[str | None]
    sins: Answers = mapped_column(JsonText)
    sins_total: Mapped[float | None]
    has_biopsy: Mapped[bool | None]
    approach: Mapped[str | None]
    volume_ml: Mapped[float | None]
    end_reason: Mapped[str | None]
    examined_with: Words = mapped_column(JsonText)
    remark: Mapped[str | None]


class NeedleTable(Versioned, Table):
    """One needle in one vertebra."""

    __tablename__ = "needle"
    __table_args__ = _indexes("needle", "level")

    level: Mapped[str]
    side: Mapped[str | None]
    route: Mapped[str | None]
    gauge_g: Mapped[float | None]
    brand: Mapped[str | None]
    tip_third: Mapped[str | None]
    cannula_mm: Mapped[float | None]
    placed_at: Mapped[float | None]
    has_venography: Mapped[bool | None]
    remark: Mapped[str | None]


class AliquotTable(Versioned, Table):
    """One push of cement."""

    __tablename__ = "aliquot"
    __table_args__ = _indexes("aliquot", "level")

    level: Mapped[str]
    needle: Mapped[str | None]
    started_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    volume_ml: Mapped[float | None]
    has_resistance: Mapped[bool | None]
    remark: Mapped[str | None]


class LeakTable(Versioned, Table):
    """Cement outside one vertebra at one site, and what showed it."""

    __tablename__ = "leak"
    __table_args__ = _indexes("leak", "level")

    level: Mapped[str]
    finding: Mapped[str]
    site: Mapped[str]
    yeom: Mapped[str | None]
    side: Mapped[str | None]
    modality: Mapped[str]
    seen_by: Mapped[str | None]
    seen_on: Mapped[str | None]
    first_seen_at: Mapped[float | None]
    sop_instance_uid: Mapped[str | None]
    frame_index: Mapped[int | None]
    alert: Mapped[str | None]
    first_alert_at: Mapped[float | None]
    first_action_at: Mapped[float | None]
    volume_ml: Mapped[float | None]
    consequence: Mapped[str | None]
    treatment: Mapped[str | None]
    remark: Mapped[str | None]


class ComplicationTable(Versioned, Table):
    """What happened to the patient during or after an operation."""

    __tablename__ = "complication"
    __table_args__ = _indexes("complication", "operation")

    operation: Mapped[str]
    kind: Mapped[str]
    happened_on: Mapped[str | None]
    resolved_on: Mapped[str | None]
    is_due_to_leak: Mapped[bool | None]
    outcome: Mapped[str | None]
    treatment: Mapped[str | None]
    remark: Mapped[str | None]


class FollowUpTable(Versioned, Table):
    """How the patient fares at one time: before, or after the operation."""

    __tablename__ = "follow_up"
    __table_args__ = _indexes("follow_up", "operation")

    operation: Mapped[str]
    time_point: Mapped[str]
    months: Mapped[float | None]
    seen_on: Mapped[str | None]
    vas: Mapped[float | None]
    odi: Answers = mapped_column(JsonText)
    odi_percent: Mapped[float | None]
    kps: Mapped[int | None]
    barthel: Answers = mapped_column(JsonText)
    barthel_total: Mapped[float | None]
    asia: Mapped[str | None]
    bm22: Answers = mapped_column(JsonText)
    bm22_sum: Mapped[float | None]
    pain_class: Mapped[str | None]
    analgesic_class: Mapped[str | None]
    analgesic_change: Mapped[str | None]
    analgesic_dose: Mapped[str | None]
    is_stable: Mapped[bool | None]
    has_new_fracture: Mapped[bool | None]
    imaging: Words = mapped_column(JsonText)
    imaging_on: Mapped[str | None]
    is_alive: Mapped[bool | None]
    remark: Mapped[str | None]
