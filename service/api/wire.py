"""What the API answers, field by field, each with its unit. Fields may be added, never renamed or removed.

Times are RFC 3339 with offset, lengths mm at the object plane, areas mm², volumes ml, positions ``[row, col]`` in pixels of
the frame, zero-based, from the centre of the top-left pixel. What is not known is ``null``, never 0.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from db.heartbeat import SourceState
from detection.vocabulary import (
    Condition,
    Flag,
    Kind,
    Mode,
    Priority,
    Side,
    Signal,
    TechnicalCause,
    Validity,
    View,
    Zone,
)

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
"""RFC 3339 in UTC with offset."""
Position = tuple[float, float]
"""``[row, col]`` in pixels."""
ProcedureKind = Literal["pvp", "pvp_itr", "ppsf_pvp", "vp_rfa", "vp_laser", "pkp", "pvp_osteoblastic"]


class Wire(BaseModel):
    """A shape of the contract."""

    model_config = ConfigDict(populate_by_name=True, extra="ignore")


class ErrorText(Wire):
    """What went wrong."""

    code: str = Field(description="One word for programs, such as bad_input or conflict.")
    message: str = Field(description="One sentence for people.")
    details: dict[str, Any] = Field(description="What helps to mend it; for bad input the field and what was expected.")


class Error(Wire):
    """The one error shape."""

    error: ErrorText = Field(description="Code, message and details.")


class Frame(Wire):
    """One image, as alerts and entries name it."""

    sop_instance_uid: str = Field(description="SOP Instance UID of the DICOM object.")
    index: int = Field(description="Frame within the object, zero-based.")
    acquired_at: Time | None = Field(None, description="When the device made it, by the device's clock; UTC.")
    received_at: Time | None = Field(None, description="When it was safely stored; UTC.")
    judged_at: Time | None = Field(None, description="When it was judged; UTC.")


class Band(Wire):
    """A range without a best value."""

    low: float = Field(description="Lower end, in the unit of the field that holds it.")
    high: float = Field(description="Upper end, in the unit of the field that holds it.")


class Interval(Band):
    """A value with the range it surely lies in."""

    value: float = Field(description="Best value, in the unit of the field that holds it.")


class Witness(Wire):
    """One view of one source that has shown what an alert is about."""

    source: str = Field(description="Calling AE title.")
    view: View = Field(description="How the beam looks.")
    condition: Condition | Literal["ended"] = Field(description="present: it shows it; ended: it no longer does.")
    priority: Priority = Field(description="How urgent it is by this view alone.")
    side: Side | None = Field(
        None, description="On which side of the body it shows it; left and right are image sides."
    )
    area_mm2: float | None = Field(None, description="Projected area in this view; mm².")
    length_mm: float | None = Field(None, description="Length in this view; mm.")
    trust: float | None = Field(None, description="How sure the finding is, 0 to 1.")
    first_frame: Frame | None = Field(None, description="First evidence in this view.")
    last_frame: Frame | None = Field(None, description="Latest evidence in this view.")


class Alert(Wire):
    """One alarm: condition (what is true) and signal (what is sounded), with the evidence behind them."""

    id: str = Field(description="Identifier of the alert.")
    number: int = Field(description="Number of the journal entry that last changed it; the polling cursor.")
    procedure: str = Field(description="Identifier of the procedure.")
    source: str = Field(
        description="Calling AE title that the images came from; of several, that of the view it shows."
    )
    kind: Kind = Field(description="What it is about.")
    zone: Zone | None = Field(None, description="Where the cement is.")
    side: Side | None = Field(None, description="On which side of the body; left and right are image sides.")
    priority: Priority = Field(description="How urgent it is.")
    condition: Condition | Literal["ended"] = Field(description="What is true: present or ended.")
    validity: Validity = Field(description="questionable: present, but no valid frame says so any more.")
    signal: Signal = Field(
        description="What is being sounded; latched: the condition has ended and nobody has reset it."
    )
    view: View = Field(description="View of the frames it rests on; of several, the one that shows it worst.")
    level: str | None = Field(None, description="Vertebral level, such as L2.")
    mode: Mode = Field(description="Live, after the run, or a replay.")
    message: str = Field(description="Where, what, how far and how fast, in plain words.")
    first_frame: Frame | None = Field(None, description="First evidence.")
    raised_frame: Frame | None = Field(None, description="The frame that made the condition present.")
    last_frame: Frame | None = Field(None, description="Latest evidence.")
    area_mm2: float | None = Field(None, description="Projected area of the piece; mm².")
    length_mm: float | None = Field(None, description="Length of the piece; mm.")
    distance_to_wall_mm: float | None = Field(
        None, description="Cement front to posterior wall, negative beyond it; mm."
    )
    speed_mm_s: float | None = Field(None, description="Speed of the front toward the wall; mm/s.")
    seconds_to_wall: Interval | None = Field(None, description="Time until the front reaches the wall; s.")
    volume_ml: Band | None = Field(None, description="Volume of the piece, estimated from its shape; ml.")
    trust: float | None = Field(None, description="How sure the finding is, 0 to 1.")
    outline: list[Position] = Field(description="Outline on last_frame; [row, col] in pixels.")
    raised_at: Time = Field(description="When the condition became present; UTC.")
    changed_at: Time = Field(description="When it last changed; UTC.")
    acknowledged_by: str | None = Field(None, description="Who acknowledged it.")
    technical_cause: TechnicalCause | None = Field(None, description="What keeps cementwatch from seeing.")
    escalation: int = Field(
        0,
        description="How long nobody has acknowledged it: 1 after the configured time, 2 after three of it, 3 after seven.",
    )
    witnesses: list[Witness] = Field(
        default_factory=list,
        description="Every view that has shown it, as of number; the first to show it first. Empty for technical alerts.",
    )
    unlogged: bool = Field(
        default=False, description="true: shown although the journal does not have it (yet); it cannot be acted on."
    )


class Glance(Wire):
    """The last time that one view of a procedure could be judged."""

    source: str = Field(description="Calling AE title.")
    view: View = Field(description="How the beam looked.")
    seen_at: Time = Field(description="When its latest frame that could be judged was received; UTC.")
    age_s: float = Field(description="How long ago that is at server_time; s.")
    zones_shown: list[Zone] = Field(description="Zones that it shows whole and that were judged.")


class Source(Wire):
    """Whether one source is being judged right now."""

    name: str = Field(description="Calling AE title.")
    procedure: str | None = Field(None, description="Identifier of the open procedure.")
    state: SourceState = Field(
        description="stopped: no sign of life from the analysis for 3 s. Only watching means judged frames."
    )
    last_frame_at: Time | None = Field(None, description="When the latest frame was received; UTC.")
    frame_age_s: float | None = Field(None, description="Age of the latest frame at server_time; s.")
    frames_received: int | None = Field(None, description="Frames received in this procedure; count.")
    frames_judged: int | None = Field(None, description="Frames judged in this procedure; count.")
    frames_skipped: int | None = Field(None, description="Frames not judged live; count.")
    view: View | None = Field(None, description="View of the latest frame.")
    zones_watched: list[Zone] = Field(description="Zones that this view can show and that are judged.")
    zones_not_visible: list[Zone] = Field(description="Zones that this view cannot show, or only in part.")
    views: list[Glance] = Field(
        default_factory=list, description="Every view of the procedure, of all its sources, newest first."
    )
    zones_blind: list[Zone] = Field(
        default_factory=list,
        description="Zones that no view of the procedure has shown whole for as long as the rule view_stays_s says.",
    )
    flags: list[Flag] = Field(description="What to keep in mind about the latest frame.")
    beat_at: Time | None = Field(None, description="Latest sign of life from the analysis; UTC.")


class Alerts(Wire):
    """One poll."""

    items: list[Alert] = Field(description="Alerts changed after the cursor, ascending by number.")
    next_after: int = Field(description="Pass it back as after.")
    server_time: Time = Field(description="The server's clock; UTC.")
    sources: list[Source] = Field(description="Heartbeat: is each source being judged right now.")
    journal: str | None = Field(
        None, description="Why the journal takes no entries; items then end with alerts that are unlogged."
    )


class Entry(Wire):
    """One line of the procedure log."""

    number: int = Field(description="Place in the journal, without gaps.")
    at: Time = Field(description="When it happened; UTC.")
    type: str = Field(description="What happened.")
    procedure: str = Field(description="Identifier of the procedure; empty for an entry that belongs to none.")
    source: str | None = Field(None, description="Calling AE title.")
    alert: str | None = Field(None, description="Identifier of the alert it is about.")
    from_: str | None = Field(None, alias="from", description="State before.")
    to: str | None = Field(None, description="State after.")
    cause: str | None = Field(None, description="Why.")
    actor: str | None = Field(None, description="Who.")
    frame: Frame | None = Field(None, description="The frame on whose evidence it was written.")
    times: dict[str, Time | None] = Field(description="image, received, decoded, judged, written; UTC.")
    steps_ms: dict[str, float] = Field(
        {}, description="How long each step took that is known: by the later moment, and received_to_written; ms."
    )
    data: dict[str, Any] = Field(
        description="What belongs to this type; lengths mm, areas mm², volumes ml, positions [row, col] px."
    )
    hash: str | None = Field(None, description="SHA-256 over this entry and previous_hash.")
    previous_hash: str | None = Field(None, description="Hash of the entry before.")


class Entries(Wire):
    """A page of the log."""

    items: list[Entry] = Field(description="Entries, ascending by number.")
    next_after: int = Field(description="Pass it back as after.")


class FrameRef(Wire):
    """A frame by name."""

    sop_instance_uid: str = Field(description="SOP Instance UID of the DICOM object.")
    index: int = Field(0, description="Frame within the object, zero-based.")


class Replay(Wire):
    """A recorded study that is played again."""

    id: str = Field(description="Identifier of the replay.")
    source: str = Field(description="orthanc or folder.")
    study_instance_uid: str = Field(description="The recorded study.")
    speed: float | None = Field(None, description="1 is the original pace; null is as fast as possible.")
    state: str = Field(description="queued, running, done, failed or cancelled.")
    sent: int = Field(description="Objects sent; count.")
    total: int | None = Field(None, description="Objects to send; count.")
    queued_at: Time | None = Field(None, description="When it was asked for; UTC.")
    started_at: Time | None = Field(None, description="When its first object was sent; UTC.")
    ended_at: Time | None = Field(None, description="When it ended; UTC.")
    procedure: str | None = Field(None, description="The procedure it became.")
    reason: str | None = Field(None, description="Why it failed, in words.")


class Session(Wire):
    """Who is asking."""

    name: str | None = Field(None, description="As the journal calls them; null for somebody who is not known.")
    by: Literal["local", "session", "token"] | None = Field(
        None, description="How they are known: by sitting at this machine, by a cookie, or by a token."
    )
    role: str | None = Field(
        None, description="viewer, operator, engineer or admin; null for tokens and local requests."
    )
    scopes: list[str] = Field(description="What they may: read, record, act, export, replay, metrics, audit.")
    csrf_token: str | None = Field(
        None, description="To be sent as X-CSRF-Token with each change that a cookie allows."
    )
    expires_at: Time | None = Field(None, description="When it ends; UTC.")
    one_click: bool = Field(description="Whether one click signs in as the operator of a demonstration.")


class Check(Wire):
    """One part of readiness."""

    name: str = Field(description="database, spool, receive, watch; forward, mirror and fhir where they are set.")
    ok: bool = Field(description="Whether this part works.")
    reason: str = Field(description="Why, in words.")


class Ready(Wire):
    """Every part works."""

    status: Literal["ready"] = Field(description="ready; otherwise the answer is 503 with the checks in error.details.")
    checks: list[Check] = Field(description="Each part with its reason.")


class Alive(Wire):
    """The process answers."""

    status: Literal["alive"] = Field(description="alive.")


class DistanceTiers(Wire):
    """Where warnings about the distance to the posterior wall begin, from the rules in force."""

    far_share: float = Field(description="A first notice; share of the body's depth.")
    near_share: float = Field(description="Cement in the posterior band; share of the body's depth.")
    contact_share: float = Field(description="Counts as touching the wall; share of the body's depth.")
    contact_mm: float = Field(description="Counts as touching the wall, whichever is more; mm.")
    broken_wall_factor: float = Field(description="far_share and near_share times this where the wall is broken.")


class Version(Wire):
    """What is running."""

    software: str = Field(description="Version of the package.")
    algorithm: str = Field(description="Version of the detection algorithm.")
    rules: str = Field(description="Hash of the rules in force, 12 hex digits.")
    distance_tiers: DistanceTiers = Field(description="Where warnings about the distance begin.")
    api: str = Field(description="Version of this contract.")
    safety: str = Field(description="What every screen and export must say.")
