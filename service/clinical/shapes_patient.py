"""Patient, operation, complication and follow-up, as they are written down."""

from __future__ import annotations

from typing import Self

from pydantic import ConfigDict, Field, model_validator

from service.clinical import codes
from service.clinical.shape import (
    BarthelAnswers,
    Bm22Answers,
    Day,
    Id,
    Listed,
    Moment,
    Months,
    Note,
    OdiAnswers,
    Shape,
    TokuhashiAnswers,
    TomitaAnswers,
    Vertebra,
    Word,
    in_order,
    sentence_of,
)


class Patient(Shape):
    """Who is treated, under a pseudonym. No name, no hospital number, no date of birth."""

    model_config = ConfigDict(title="RecordedPatient")

    pseudonym: Id = Field(description="The study's own name for the patient; letters, digits, dot, hyphen, underscore.")
    birth_year: int | None = Field(None, ge=1880, le=2200, description="Year of birth.")
    sex: codes.Sex | None = Field(None, description="Sex.")
    primary_tumour: codes.Primary | None = Field(
        None, description="Primary tumour; unknown: looked for and not found; none: no tumour."
    )
    primary_text: Word | None = Field(None, description="Histology or what the code does not say.")
    site: Word | None = Field(None, description="Centre that enrolled the patient.")
    consent: codes.Consent | None = Field(None, description="Ethics and consent.")
    arm: Word | None = Field(None, description="Arm of the study.")
    allocation: Word | None = Field(
        None, description="How the arm was allocated, such as random or the patient's choice."
    )
    enrolled_on: Day | None = Field(None, description="Day of enrolment.")
    excluded_on: Day | None = Field(None, description="Day of exclusion.")
    excluded_reason: Word | None = Field(None, description="Why the patient was excluded.")
    lost_on: Day | None = Field(None, description="Day since which the patient is lost to follow-up.")
    lost_reason: Word | None = Field(None, description="Why the patient was lost.")
    last_seen_on: Day | None = Field(None, description="Last day on which the patient was known to be alive.")
    died_on: Day | None = Field(None, description="Day of death.")
    death_cause: Word | None = Field(None, description="Cause of death.")
    remark: Note | None = Field(None, description="Remark; no names.")

    _order = in_order("last_seen_on", "died_on", blamed="last_seen_on", rule="a day not after died_on")


class Operation(Shape):
    """One operation on one patient: the state before it, the set-up, the course."""

    patient: Id = Field(description="Id of the patient.")
    procedure: str | None = Field(None, max_length=64, description="Id of the procedure that was watched live, if any.")
    kind: codes.OperationKind = Field(
        description="pvp vertebroplasty; pvp_itr with tumour removal; ppsf_pvp with pedicle screws; vp_rfa and vp_laser "
        "with ablation; pkp kyphoplasty; pvp_osteoblastic vertebroplasty of osteoblastic metastases."
    )
    performed_on: Day | None = Field(None, description="Day of the operation.")
    started_at: Moment | None = Field(None, description="Skin incision or first needle; UTC.")
    ended_at: Moment | None = Field(None, description="Last needle out or closure; UTC.")
    age_years: float | None = Field(None, ge=0, le=130, description="Age at the operation; years.")
    symptom_weeks: float | None = Field(None, ge=0, le=5000, description="Duration of symptoms; weeks.")
    n_bone_foci: int | None = Field(None, ge=0, le=1000, description="Bone metastases outside the spine; count.")
    n_vertebral_metastases: int | None = Field(None, ge=0, le=33, description="Vertebrae with metastases; count.")
    visceral_metastases: codes.Visceral | None = Field(None, description="Metastases in major organs.")
    prior_treatment: list[codes.PriorTreatment] | None = Field(
        None, description="Treatment before; an empty list: none; null: not known."
    )
    contraindications: list[codes.Contraindication] | None = Field(
        None, description="Contraindications present; an empty list: none; null: not known."
    )
    comorbidities: Note | None = Field(None, description="Other diseases.")
    asa_class: int | None = Field(None, ge=1, le=5, description="ASA physical status, 1 to 5.")
    leucocytes_per_ul: float | None = Field(None, ge=0, le=1e6, description="Leucocytes; per microlitre.")
    platelets_per_ul: float | None = Field(None, ge=0, le=1e7, description="Platelets; per microlitre.")
    inr: float | None = Field(None, ge=0.3, le=20, description="International normalised ratio.")
    is_allergic_to_pmma: bool | None = Field(None, description="Allergy to bone cement.")
    life_expectancy_months: Months | None = Field(None, description="Estimated life expectancy; months.")
    tomita: TomitaAnswers | None = Field(None, description=sentence_of("tomita"))
    tokuhashi: TokuhashiAnswers | None = Field(None, description=sentence_of("tokuhashi"))
    operators: list[Listed] | None = Field(None, description="Operators, by role or study code; no names.")
    experience_years: float | None = Field(None, ge=0, le=70, description="Experience of the first operator; years.")
    unit: Word | None = Field(None, description="X-ray unit and vendor.")
    planes: codes.Planes | None = Field(None, description="One C-arm or two.")
    pulse_rate_hz: float | None = Field(None, gt=0, le=120, description="Pulses of fluoroscopy during injection; 1/s.")
    fluoroscopy_s: float | None = Field(None, ge=0, le=36000, description="Fluoroscopy time; s.")
    dose_area_product_gy_cm2: float | None = Field(None, ge=0, le=10000, description="Dose-area product; Gy cm².")
    air_kerma_mgy: float | None = Field(None, ge=0, le=100000, description="Air kerma at the reference point; mGy.")
    position: codes.Position | None = Field(None, description="How the patient lies.")
    anaesthesia: list[codes.Anaesthesia] | None = Field(None, description="Kinds of anaesthesia.")
    drugs: Note | None = Field(None, description="Drugs and doses.")
    antibiotic_before_min: float | None = Field(
        None, ge=0, le=10000, description="Antibiotic before the operation; min."
    )
    cement_brand: Word | None = Field(None, description="Cement.")
    cement_opacifier: Word | None = Field(None, description="What makes it visible.")
    cement_viscosity: codes.Viscosity | None = Field(None, description="Class of viscosity.")
    cement_mixed_at: Moment | None = Field(None, description="Start of mixing; UTC.")
    room_c: float | None = Field(None, ge=0, le=45, description="Temperature of the room; degrees C.")
    duration_min: float | None = Field(None, ge=0, le=1440, description="Operation time; min.")
    blood_loss_ml: float | None = Field(None, ge=0, le=20000, description="Blood loss; ml.")
    n_screws: int | None = Field(None, ge=0, le=40, description="Pedicle screws; count.")
    screw_levels: list[Vertebra] | None = Field(None, description="Vertebrae with screws.")
    is_technical_success: bool | None = Field(None, description="Done as planned.")
    abort_reason: Word | None = Field(None, description="Why it was not.")
    stay_days: float | None = Field(None, ge=0, le=1000, description="Stay in hospital; days.")
    remark: Note | None = Field(None, description="Remark; no names.")
    confirmed_at: Moment | None = Field(None, description="When the record was confirmed as complete; UTC.")
    confirmed_by: Word | None = Field(None, description="Who confirmed it.")

    _order = in_order("started_at", "ended_at", blamed="ended_at", rule="a time not before started_at")


class Complication(Shape):
    """What happened to the patient during or after the operation."""

    operation: Id = Field(description="Id of the operation.")
    kind: codes.ComplicationKind = Field(description="What happened.")
    happened_on: Day | None = Field(None, description="Day.")
    resolved_on: Day | None = Field(None, description="Day since which it is over.")
    is_due_to_leak: bool | None = Field(None, description="Caused by cement outside the bone.")
    outcome: codes.Outcome | None = Field(None, description="How it ended.")
    treatment: Word | None = Field(None, description="What was done.")
    remark: Note | None = Field(None, description="Remark; no names.")

    _order = in_order("happened_on", "resolved_on", blamed="resolved_on", rule="a day not before happened_on")


class FollowUp(Shape):
    """How the patient fares at one time."""

    operation: Id = Field(description="Id of the operation.")
    time_point: codes.TimePoint = Field(
        description="before, h24, d3, d7, m1, m3, m6, m12, or later with its months beside it."
    )
    months: Months | None = Field(None, description="Months since the operation; needed for later.")
    seen_on: Day | None = Field(None, description="Day of the examination.")
    vas: float | None = Field(None, ge=0, le=10, description="Pain, 0 to 10.")
    odi: OdiAnswers | None = Field(None, description=sentence_of("odi"))
    kps: int | None = Field(
        None, ge=0, le=100, multiple_of=10, description="Karnofsky performance status, 0 to 100 in tens."
    )
    barthel: BarthelAnswers | None = Field(None, description=sentence_of("barthel"))
    asia: codes.AsiaGrade | None = Field(None, description="ASIA impairment, A complete to E normal.")
    bm22: Bm22Answers | None = Field(None, description=sentence_of("bm22"))
    pain_class: codes.PainClass | None = Field(None, description="Pain class as the physician gave it.")
    analgesic_class: codes.AnalgesicClass | None = Field(None, description="Strongest analgesic taken.")
    analgesic_change: codes.AnalgesicChange | None = Field(None, description="Against before the operation.")
    analgesic_dose: Word | None = Field(None, description="Drug and dose.")
    is_stable: bool | None = Field(None, description="Spine stable.")
    has_new_fracture: bool | None = Field(None, description="A new vertebral fracture.")
    imaging: list[codes.Imaging] | None = Field(None, description="Imaging at this time.")
    imaging_on: Day | None = Field(None, description="Day of imaging.")
    is_alive: bool | None = Field(None, description="Known to be alive.")
    remark: Note | None = Field(None, description="Remark; no names.")

    @model_validator(mode="after")
    def _later_says_when(self) -> Self:
        if self.time_point == "later" and self.months is None and self.seen_on is None:
            raise ValueError("months: expected a number of months, or seen_on, for a time point that is later")
        return self
