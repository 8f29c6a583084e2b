"""Step, vertebra, needle, aliquot and leak, as they are written down."""

from __future__ import annotations

from pydantic import Field

from service.clinical import codes
from service.clinical.shape import (
    Day,
    Gauge,
    Id,
    Millilitres,
    Moment,
    Note,
    Shape,
    SinsAnswers,
    Vertebra,
    Word,
    in_order,
    sentence_of,
)


class Step(Shape):
    """One step of an operation, in its place."""

    operation: Id = Field(description="Id of the operation.")
    place: int = Field(ge=1, le=1000, description="Place in the order of steps, from 1.")
    kind: codes.StepKind = Field(description="What was done.")
    level: Vertebra | None = Field(None, description="Vertebra, such as L2.")
    side: codes.Side | None = Field(None, description="Side of the patient.")
    started_at: Moment | None = Field(None, description="Begin; UTC.")
    ended_at: Moment | None = Field(None, description="End; UTC.")
    instrument: Word | None = Field(None, description="Instrument.")
    gauge_g: Gauge | None = Field(None, description="Its gauge; G.")
    remark: Note | None = Field(None, description="Remark; no names.")

    _order = in_order("started_at", "ended_at", blamed="ended_at", rule="a time not before started_at")


class Level(Shape):
    """One treated vertebra."""

    operation: Id = Field(description="Id of the operation.")
    level: Vertebra = Field(description="Vertebra, such as L2.")
    lesion: codes.Lesion | None = Field(None, description="Kind of lesion.")
    is_fractured: bool | None = Field(None, description="Pathological fracture.")
    height_loss_percent: float | None = Field(None, ge=0, le=100, description="Loss of height; percent.")
    kyphosis_deg: float | None = Field(None, ge=-90, le=120, description="Kyphosis angle; degrees.")
    posterior_wall: codes.WallState | None = Field(None, description="Posterior wall before cement.")
    is_pedicle_lysed: bool | None = Field(None, description="A pedicle is destroyed.")
    is_arch_involved: bool | None = Field(None, description="The posterior arch is involved.")
    epidural_grade: codes.EpiduralGrade | None = Field(None, description="Epidural spinal cord compression scale.")
    has_cleft: bool | None = Field(None, description="Intravertebral cleft.")
    compression: codes.Compression | None = Field(None, description="Nervous tissue that is compressed.")
    sins: SinsAnswers | None = Field(None, description=sentence_of("sins"))
    has_biopsy: bool | None = Field(None, description="A biopsy was taken.")
    approach: codes.Approach | None = Field(None, description="From one side or from both.")
    volume_ml: Millilitres | None = Field(None, description="Cement in this vertebra; ml.")
    end_reason: codes.EndReason | None = Field(None, description="Why the injection ended.")
    examined_with: list[codes.Modality] | None = Field(
        None,
        description="What was looked at for leaks; only these make a vertebra without leaks count as free of them.",
    )
    remark: Note | None = Field(None, description="Remark; no names.")


class Needle(Shape):
    """One needle in one vertebra."""

    level: Id = Field(description="Id of the treated vertebra.")
    side: codes.Side | None = Field(None, description="Side of the patient.")
    route: codes.Route | None = Field(None, description="Way into the body.")
    gauge_g: Gauge | None = Field(None, description="Gauge; G.")
    brand: Word | None = Field(None, description="Brand.")
    tip_third: codes.Third | None = Field(None, description="Third of the body in which the tip lies.")
    cannula_mm: float | None = Field(None, gt=0, le=20, description="Working cannula's diameter; mm.")
    placed_at: Moment | None = Field(None, description="When it was in place; UTC.")
    has_venography: bool | None = Field(None, description="Contrast was given through it.")
    remark: Note | None = Field(None, description="Remark; no names.")


class Aliquot(Shape):
    """One push of cement."""

    level: Id = Field(description="Id of the treated vertebra.")
    needle: Id | None = Field(None, description="Id of the needle.")
    started_at: Moment | None = Field(None, description="Begin; UTC.")
    ended_at: Moment | None = Field(None, description="End; UTC.")
    volume_ml: Millilitres | None = Field(None, description="Volume; ml.")
    has_resistance: bool | None = Field(None, description="Substantial resistance was felt.")
    remark: Note | None = Field(None, description="Remark; no names.")

    _order = in_order("started_at", "ended_at", blamed="ended_at", rule="a time not before started_at")


class Leak(Shape):
    """Cement outside one vertebra at one site, and what showed it."""

    level: Id = Field(description="Id of the treated vertebra.")
    finding: codes.Finding = Field(
        "confirmed", description="proposed by the live alerts; confirmed or rejected by a physician."
    )
    site: codes.LeakSite = Field(description="Where.")
    yeom: codes.Yeom | None = Field(
        None, description="Type: B basivertebral vein, S segmental vein, C cortical defect, D into the disc."
    )
    side: codes.Side | None = Field(None, description="Side of the patient.")
    modality: codes.Modality = Field(description="What showed it first.")
    seen_by: Word | None = Field(None, description="Who saw it, by role or study code; no names.")
    seen_on: Day | None = Field(None, description="Day on which it was seen.")
    first_seen_at: Moment | None = Field(
        None, description="When it first was visible, by whoever read the frames; UTC."
    )
    sop_instance_uid: str | None = Field(None, pattern=r"^[0-9.]{1,64}$", description="The frame that first shows it.")
    frame_index: int | None = Field(None, ge=0, description="Frame within that object, zero-based.")
    alert: str | None = Field(None, max_length=64, description="Id of the live alert about it.")
    first_alert_at: Moment | None = Field(None, description="When the first alert was raised; UTC.")
    first_action_at: Moment | None = Field(None, description="The operator's first action; UTC.")
    volume_ml: Millilitres | None = Field(None, description="Estimated volume; ml.")
    consequence: codes.Consequence | None = Field(None, description="What it did to the patient.")
    treatment: Word | None = Field(None, description="What was done about it.")
    remark: Note | None = Field(None, description="Remark; no names.")
