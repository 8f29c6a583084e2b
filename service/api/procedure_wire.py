"""What the API answers of one procedure: itself, its landmarks, measurements and frames, and the report of it all.

Units and positions as in ``wire``; fields may be added, never renamed or removed.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from detection.vocabulary import Mode, Origin, Priority, View, Wall, Zone
from service.api.wire import Alert, Band, Entry, Frame, FrameRef, Interval, Position, Time, Version, Wire


class Latency(Wire):
    """Received to judged and written, of the latest 3000 frames."""

    p50: float | None = Field(None, description="Median; ms.")
    p95: float | None = Field(None, description="95th percentile; ms.")
    p99: float | None = Field(None, description="99th percentile; ms.")
    max: float | None = Field(None, description="Largest; ms.")


class Counts(Wire):
    """How much a procedure holds."""

    frames: int = Field(0, description="Frames judged; count.")
    frames_failed: int = Field(0, description="Frames that could not be read; count.")
    alerts: dict[Priority, int] = Field(description="Alerts raised by priority; count.")


class Scheduled(Wire):
    """What the worklist said of a procedure that was opened from it."""

    description: str = Field(description="Requested procedure, step and codes in words.")
    side: str | None = Field(None, description="left, right, bilateral or unilateral, of the patient.")
    station: str = Field(description="AE title of the station it is scheduled for.")


class PerformedStep(Wire):
    """One performed procedure step (MPPS)."""

    source: str = Field(description="Calling AE title.")
    status: str = Field(description="IN PROGRESS, COMPLETED or DISCONTINUED.")
    began_at: Time = Field(description="When we were told that it began; UTC.")
    ended_at: Time | None = Field(None, description="When we were told that it ended; UTC.")


class Dose(Wire):
    """Totals over all dose reports; a total that no report tells is null."""

    air_kerma_mgy: float | None = Field(None, description="At the reference point, fluoroscopy and acquisition; mGy.")
    dose_area_product_gy_cm2: float | None = Field(None, description="Fluoroscopy and acquisition; Gy cm².")
    fluoroscopy_s: float | None = Field(None, description="Fluoroscopy time; s.")
    events: int = Field(description="Irradiation events; count.")
    reports: int = Field(description="Dose reports that were read; count.")
    planes: int = Field(description="X-ray tubes that the totals are summed over; 2 for a biplane device.")


class Procedure(Wire):
    """One operation under watch."""

    id: str = Field(description="Identifier of the procedure.")
    study_instance_uids: list[str] = Field(description="DICOM studies that belong to it.")
    kind: str | None = Field(None, description="pvp, pvp_itr, ppsf_pvp, vp_rfa, vp_laser, pkp or pvp_osteoblastic.")
    opened_at: Time = Field(description="When it was opened; UTC.")
    closed_at: Time | None = Field(None, description="When it was closed; UTC.")
    patient: dict[str, Any] = Field(description="name, id, birth_date, sex as the images tell them.")
    levels: list[str] = Field(description="Vertebral levels under treatment.")
    mode: Mode | None = Field(None, description="Live, after the run, or a replay.")
    replay: str | None = Field(None, description="Identifier of the replay, if it is one.")
    accession_number: str | None = Field(None, description="DICOM accession number.")
    scheduled: Scheduled | None = Field(None, description="What the worklist said of it; null in lists.")
    steps: list[PerformedStep] | None = Field(
        None, description="Performed procedure steps of the device; null in lists."
    )
    dose: Dose | None = Field(None, description="Radiation, as the device's dose reports tell it; null in lists.")
    counts: Counts | None = Field(None, description="How much it holds; null in lists.")
    latency_ms: Latency | None = Field(None, description="Received to judged; ms; null in lists.")


class Procedures(Wire):
    """A page of procedures."""

    items: list[Procedure] = Field(description="Procedures, in the order they were opened.")
    next_after: str | int | None = Field(description="Pass it back as after; null when there is none.")


class PlanView(Wire):
    """Where the vertebral body lies in one view: four corners named as the view names them; the others are null."""

    view: View = Field(description="lateral or ap.")
    origin: Origin = Field(description="operator: landmarks were given. found: found automatically.")
    trust: float | None = Field(None, description="How sure it is, 0 to 1.")
    level: str | None = Field(None, description="Vertebral level, such as L2.")
    posterior_superior: Position | None = Field(None, description="Lateral view; [row, col] px.")
    posterior_inferior: Position | None = Field(None, description="Lateral view; [row, col] px.")
    anterior_superior: Position | None = Field(None, description="Lateral view; [row, col] px.")
    anterior_inferior: Position | None = Field(None, description="Lateral view; [row, col] px.")
    left_superior: Position | None = Field(None, description="AP view, image left; [row, col] px.")
    left_inferior: Position | None = Field(None, description="AP view, image left; [row, col] px.")
    right_superior: Position | None = Field(None, description="AP view, image right; [row, col] px.")
    right_inferior: Position | None = Field(None, description="AP view, image right; [row, col] px.")
    frame: FrameRef | None = Field(None, description="The frame that the corners lie on.")
    posterior_wall: Wall | None = Field(None, description="State of the posterior wall before cement.")
    mm_per_px: float | None = Field(None, description="Scale at the object plane; mm/px.")


class ZoneExtent(Wire):
    """How much cement a zone holds."""

    area_mm2: float | None = Field(None, description="Projected area; mm².")
    length_mm: float | None = Field(None, description="Length; mm.")


class Measurement(Wire):
    """What one judged frame measured; an unfit frame has flags and nulls."""

    number: int = Field(description="Number of the journal entry.")
    frame: Frame | None = Field(None, description="The frame.")
    view: View | None = Field(None, description="Its view.")
    cement_area_mm2: float | None = Field(None, description="Projected area of all cement; mm².")
    cement_volume_ml: Band | None = Field(None, description="Volume of all cement, estimated from its shape; ml.")
    distance_to_wall_mm: float | None = Field(
        None, description="Cement front to posterior wall, negative beyond it; mm."
    )
    distance_share: float | None = Field(
        None, description="The same as a share of the body's depth; known without a scale."
    )
    speed_mm_s: float | None = Field(None, description="Speed of the front toward the wall; mm/s.")
    seconds_to_wall: Interval | None = Field(None, description="Time until the front reaches the wall; s.")
    zones: dict[str, ZoneExtent] = Field(description="Cement by zone.")
    flags: list[str] = Field(description="Why it was not judged, or what to keep in mind.")
    trust: float | None = Field(None, description="How sure the findings are, 0 to 1.")


class Measurements(Wire):
    """A time series."""

    items: list[Measurement] = Field(description="One item per judged frame, ascending by number.")
    next_after: int = Field(description="Pass it back as after.")


class SeenFrame(Wire):
    """One judged frame of a procedure."""

    number: int = Field(description="Number of the journal entry.")
    frame: Frame = Field(description="The frame.")
    source: str | None = Field(None, description="Calling AE title.")
    view: View | None = Field(None, description="Its view.")
    is_fit: bool | None = Field(None, description="Whether it could be judged.")
    url: str = Field(description="Its picture, relative to this server.")


class Frames(Wire):
    """A page of frames."""

    items: list[SeenFrame] = Field(description="Frames, ascending by number.")
    next_after: int = Field(description="Pass it back as after.")


class Report(Wire):
    """All that an export holds of one procedure."""

    safety: str = Field(description="What every screen and export must say.")
    made_at: Time = Field(description="When the report was made; UTC.")
    procedure: Procedure = Field(description="The procedure.")
    alerts: list[Alert] = Field(description="Its alerts, by number.")
    log: list[Entry] = Field(description="Its log without single frames, by number.")
    zones_not_visible: dict[str, list[Zone]] = Field(description="By view: zones that it cannot show, or only in part.")
    version: Version = Field(description="Software and rules that made it.")
