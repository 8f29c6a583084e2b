"""The nouns of cementwatch. Read this first.

Every value here is frozen. Positions are (row, col), zero-based, centre of the top-left pixel.
Lengths are mm at the object plane, times are seconds since 1970 UTC, unless a name says otherwise.
What is not known is ``None``, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.float32]
"""An image, (H, W) float32."""
Mask = NDArray[np.bool_]
"""Yes or no for each pixel, (H, W) bool."""
ZoneMap = NDArray[np.uint8]
"""The zone of each pixel, (H, W) uint8, an index into ``ZONE_ORDER``."""
Point = tuple[float, float]
"""(row, col) in pixels."""
Outline = tuple[Point, ...]
"""A closed line of points; the last joins the first."""
SCALE_MM_PER_PX = (0.02, 2.0)
"""What a picture's scale can be at the object plane: from magnified high resolution to the coarsest screen copy. Anything else is a mistake."""

MM_UNCERTAINTY = 0.1
"""How far the scale may be off, as a share: a vertebra lies before or behind the isocentre that it is told for."""


class View(StrEnum):
    """How the beam looks at the patient."""

    LATERAL = "lateral"
    AP = "ap"
    OBLIQUE = "oblique"
    UNKNOWN = "unknown"


class Zone(StrEnum):
    """Where cement is."""

    BODY = "body"
    POSTERIOR_BAND = "posterior_band"
    CANAL = "canal"
    FORAMEN = "foramen"
    VEIN = "vein"
    DISC = "disc"
    SOFT_TISSUE = "soft_tissue"
    NEEDLE_TRACT = "needle_tract"
    ELSEWHERE = "elsewhere"


ZONE_ORDER: tuple[Zone, ...] = tuple(Zone)


class Side(StrEnum):
    """On which side of the body a finding lies; left and right are image sides."""

    SUPERIOR = "superior"
    INFERIOR = "inferior"
    ANTERIOR = "anterior"
    POSTERIOR = "posterior"
    IMAGE_LEFT = "image_left"
    IMAGE_RIGHT = "image_right"


class Mode(StrEnum):
    """How an arrival relates to the procedure: while the beam is on, after the run, or played again."""

    LIVE = "live"
    POST_RUN = "post_run"
    REPLAY = "replay"


class Intensity(StrEnum):
    """What stored values are proportional to (DICOM Pixel Intensity Relationship)."""

    LINEAR = "linear"
    LOG = "log"
    DISPLAY = "display"


class Polarity(StrEnum):
    """How dense material looks in the stored values."""

    DENSE_IS_DARK = "dense_is_dark"
    DENSE_IS_BRIGHT = "dense_is_bright"
    UNCERTAIN = "uncertain"


class Flag(StrEnum):
    """Why a frame may not be judged, or what to keep in mind about its findings."""

    NO_FIELD = "no_field"
    TOO_DARK = "too_dark"
    SATURATED = "saturated"
    NO_DETAIL = "no_detail"
    EXPOSURE_STEP = "exposure_step"
    BIG_OBJECT = "big_object"
    MOTION_NOT_TRUSTED = "motion_not_trusted"
    REFERENCE_BUILDING = "reference_building"
    NEW_SCENE = "new_scene"
    DUPLICATE = "duplicate"
    SUBTRACTED = "subtracted"
    CONTRAST_AGENT = "contrast_agent"
    BORDER_OBJECT = "border_object"
    BALLOON = "balloon"
    BALLOON_GONE = "balloon_gone"
    SCALE_UNKNOWN = "scale_unknown"
    POLARITY_UNCERTAIN = "polarity_uncertain"
    VIEW_UNKNOWN = "view_unknown"
    BODY_NOT_FOUND = "body_not_found"
    BODY_UNCERTAIN = "body_uncertain"
    ZONE_COLLIMATED = "zone_collimated"
    LOSSY = "lossy"


class Origin(StrEnum):
    """Who says where the vertebral body is."""

    OPERATOR = "operator"
    FOUND = "found"


class Wall(StrEnum):
    """State of the posterior wall before cement."""

    INTACT = "intact"
    BROKEN = "broken"


class Kind(StrEnum):
    """What an alert is about."""

    APPROACH = "approach"
    LEAK = "leak"
    VANISHED = "vanished"
    TECHNICAL = "technical"


class Priority(StrEnum):
    """How urgent an alert is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


PRIORITY_ORDER: tuple[Priority, ...] = (Priority.LOW, Priority.MEDIUM, Priority.HIGH)


class Condition(StrEnum):
    """What is true."""

    ABSENT = "absent"
    PENDING = "pending"
    PRESENT = "present"


class Validity(StrEnum):
    """Whether the condition still rests on valid frames."""

    VALID = "valid"
    QUESTIONABLE = "questionable"


class Signal(StrEnum):
    """What is being sounded."""

    OFF = "off"
    ON = "on"
    ACKNOWLEDGED = "acknowledged"
    PAUSED = "paused"
    LATCHED = "latched"


class TechnicalCause(StrEnum):
    """What keeps cementwatch from seeing."""

    NO_FRAMES = "no_frames"
    ANALYSIS_LATE = "analysis_late"
    ANALYSIS_STOPPED = "analysis_stopped"
    DECODER_FAILURE = "decoder_failure"
    FRAMES_UNFIT = "frames_unfit"
    VIEW_UNKNOWN = "view_unknown"
    BODY_NOT_FOUND = "body_not_found"
    BODY_UNCERTAIN = "body_uncertain"
    FIELD_COLLIMATED = "field_collimated"
    SCALE_UNKNOWN = "scale_unknown"
    POLARITY_UNCERTAIN = "polarity_uncertain"
    MOTION_NOT_TRUSTED = "motion_not_trusted"
    EXPOSURE_STEP = "exposure_step"
    VIEW_CHANGED = "view_changed"
    CONTRAST_AGENT = "contrast_agent"
    BORDER_OBJECT = "border_object"
    BALLOON = "balloon"
    BALLOON_GONE = "balloon_gone"
    DISK_FILLING = "disk_filling"
    FORWARD_QUEUE = "forward_queue"
    JOURNAL_FAILING = "journal_failing"


class EntryType(StrEnum):
    """What one line of the procedure log says happened."""

    PROCEDURE_OPENED = "procedure_opened"
    PROCEDURE_CHANGED = "procedure_changed"
    PROCEDURE_CLOSED = "procedure_closed"
    PLAN_SET = "plan_set"
    FRAME_SEEN = "frame_seen"
    FRAMES_SKIPPED = "frames_skipped"
    FRAME_FAILED = "frame_failed"
    OBJECT_KEPT = "object_kept"
    OBJECT_INCOMPLETE = "object_incomplete"
    OBJECTS_REMOVED = "objects_removed"
    ALERT_RAISED = "alert_raised"
    ALERT_WORSENED = "alert_worsened"
    ALERT_CHANGED = "alert_changed"
    ALERT_ENDED = "alert_ended"
    ALERT_ESCALATED = "alert_escalated"
    ACKNOWLEDGED = "acknowledged"
    PAUSED = "paused"
    PAUSE_ENDED = "pause_ended"
    RESET = "reset"
    ACT_REFUSED = "act_refused"
    ACKNOWLEDGE = "acknowledge"
    PAUSE = "pause"
    RESET_ASKED = "reset_asked"
    INJECTION_STARTED = "injection_started"
    INJECTION_STOPPED = "injection_stopped"
    ALIQUOT = "aliquot"
    RESISTANCE = "resistance"
    CEMENT_MIXED = "cement_mixed"
    NEEDLE_PLACED = "needle_placed"
    STYLET = "stylet"
    NOTE = "note"
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    PATIENT_VIEWED = "patient_viewed"
    EXPORTED = "exported"
    ACCESS_CHANGED = "access_changed"
    SETTINGS_CHANGED = "settings_changed"
    QUARANTINE_DISMISSED = "quarantine_dismissed"
    RECORD_CHANGED = "record_changed"


ACTS: frozenset[EntryType] = frozenset(
    {
        EntryType.PROCEDURE_CLOSED,
        EntryType.PLAN_SET,
        EntryType.ACKNOWLEDGE,
        EntryType.PAUSE,
        EntryType.RESET_ASKED,
        EntryType.INJECTION_STARTED,
        EntryType.INJECTION_STOPPED,
        EntryType.ALIQUOT,
        EntryType.RESISTANCE,
        EntryType.CEMENT_MIXED,
        EntryType.NEEDLE_PLACED,
        EntryType.STYLET,
        EntryType.NOTE,
    }
)
"""Entries that an operator causes; ``watch`` reads them before its next verdict."""

AUDIT: frozenset[EntryType] = frozenset(
    {
        EntryType.SIGNED_IN,
        EntryType.SIGN_IN_FAILED,
        EntryType.SIGNED_OUT,
        EntryType.PATIENT_VIEWED,
        EntryType.EXPORTED,
        EntryType.ACCESS_CHANGED,
        EntryType.SETTINGS_CHANGED,
        EntryType.QUARANTINE_DISMISSED,
    }
)
"""Entries about who came, looked, took away or changed who may; no screen of the room shows them."""

NO_PROCEDURE = ""
"""The procedure of an entry that belongs to none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """When a frame was made and from what object it came.

    ``time_s`` is what speeds are computed from: the device's own time base where it told one, else the
    time of receipt. ``index`` is zero-based within the object. ``period_s`` is how far apart an object that is one frame of
    many says that they are, if it does.
    """

    arrival: int
    sop_instance_uid: str
    index: int
    source: str
    study_instance_uid: str
    mode: Mode
    acquired_at: float | None
    received_at: float
    time_s: float
    period_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One image as the device made it.

    ``pixels`` (H, W) float32 are stored values after the modality LUT or rescale, in the sense of
    ``intensity``; ``ceiling`` is the largest value they can take. ``field`` (H, W) is True where header
    collimator and shutter leave the picture open, or None when the header says nothing.
    ``mm_per_px`` is at the object plane, None when unknown.
    """

    stamp: Stamp
    pixels: Gray
    intensity: Intensity
    polarity: Polarity
    ceiling: float
    field: Mask | None = None
    mm_per_px: float | None = None
    view: View = View.UNKNOWN
    primary_deg: float | None = None
    secondary_deg: float | None = None
    is_lossy: bool = False
    is_subtracted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Corners:
    """The four corners of a vertebral body in one view.

    *near* is posterior in the lateral view and image-left in AP; *far* is anterior, image-right.
    """

    near_superior: Point
    near_inferior: Point
    far_superior: Point
    far_inferior: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Where the vertebral body under treatment lies in one frame, who says so, and how sure that is.

    ``doubt_mm`` is how far beyond its near, far, superior and inferior side the true one may lie.
    """

    view: View
    corners: Corners
    origin: Origin
    trust: float
    level: str | None = None
    wall: Wall = Wall.INTACT
    mm_per_px: float | None = None
    doubt_mm: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmarks:
    """A body as given by the operator on one frame (None: the latest frame judged).

    ``scene`` and ``shift_px`` say where that frame lay; they are filled in when the act is read.
    """

    body: Body
    sop_instance_uid: str | None = None
    index: int = 0
    scene: int | None = None
    shift_px: Point | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was agreed before cement: level and landmarks per view."""

    level: str | None = None
    landmarks: Mapping[View, Landmarks] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value with the band it surely lies in."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A range without a best value."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The edge of the cement nearest to the posterior wall.

    ``share`` is the distance as a share of the body's depth D, known even where the scale is not;
    negative once the wall is crossed.
    """

    distance_px: float
    share: float
    distance_mm: float | None
    depth_mm: float | None
    speed_mm_s: float | None
    seconds_to_wall: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One connected bit of cement in one zone; ``has_run`` out of the body within a second or so."""

    zone: Zone
    side: Side | None
    area_px: float
    area_mm2: float | None
    length_mm: float | None
    width_mm: float | None
    tubularity: float
    n_seen: int
    first_seen: Stamp
    outline: Outline
    trust: float
    volume_ml: Band | None = None
    has_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much cement a zone holds."""

    area_mm2: float | None
    length_mm: float | None
    area_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that one frame says.

    ``shift_px`` is how far the patient moved (row, col) since the reference of this ``scene``.
    An unfit frame has ``is_fit`` False, its reasons in ``flags``, and no pieces.
    """

    stamp: Stamp
    view: View
    scene: int
    shift_px: Point
    is_fit: bool
    flags: frozenset[Flag]
    trust: float
    shape: tuple[int, int]
    mm_per_px: float | None = None
    cement_area_mm2: float | None = None
    cement_volume_ml: Band | None = None
    front: Front | None = None
    pieces: tuple[Piece, ...] = ()
    vanished: tuple[Piece, ...] = ()
    zones: Mapping[Zone, Extent] = field(default_factory=dict)
    zones_watched: tuple[Zone, ...] = ()
    zones_not_visible: tuple[Zone, ...] = ()
    body: Body | None = None
    zone_outlines: tuple[tuple[Zone, Outline], ...] = ()
    cement_outlines: tuple[Outline, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Evidence that is not a frame: every technical cause true of one source at one time."""

    source: str
    at: float
    causes: frozenset[TechnicalCause]


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """The last time that one view of one source could be judged, by our clock, and the zones that it shows whole."""

    source: str
    view: View
    at: float
    zones_shown: tuple[Zone, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What the views of one procedure show together: the last glance of each, newest first, and what none in use shows."""

    glances: tuple[Glance, ...] = ()
    zones_blind: tuple[Zone, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """An entry that an operator caused."""

    number: int
    type: EntryType
    at: float
    actor: str
    alert: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A frame as an alert names it."""

    sop_instance_uid: str
    index: int
    acquired_at: float | None
    received_at: float
    judged_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """One view of one source that has shown what an alert is about: whether it shows it still, and how much of it."""

    source: str
    view: View
    condition: Condition
    priority: Priority
    side: Side | None
    area_mm2: float | None
    length_mm: float | None
    trust: float | None
    first_frame: Seen | None
    last_frame: Seen | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alarm as screens show it: condition and signal, with the evidence behind them.

    ``source``, ``view`` and what is measured are those of the witness that shows it worst.
    """

    id: str
    procedure: str
    source: str
    kind: Kind
    zone: Zone | None
    side: Side | None
    priority: Priority
    condition: Condition
    validity: Validity
    signal: Signal
    view: View
    level: str | None
    mode: Mode
    message: str
    first_frame: Seen | None
    raised_frame: Seen | None
    last_frame: Seen | None
    area_mm2: float | None
    length_mm: float | None
    distance_to_wall_mm: float | None
    speed_mm_s: float | None
    seconds_to_wall: Interval | None
    volume_ml: Band | None
    trust: float | None
    outline: Outline
    raised_at: float
    changed_at: float
    acknowledged_by: str | None
    technical_cause: TechnicalCause | None
    escalation: int = 0
    witnesses: tuple[Witness, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One transition of one alert, to be written before it is shown; ``act`` is the entry that asked for it."""

    type: EntryType
    alert: Alert
    from_state: str
    to_state: str
    cause: str
    actor: str | None = None
    act: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the procedure log, past tense. ``number`` and hashes are the journal's to give."""

    at: float
    type: EntryType
    procedure: str
    source: str | None = None
    alert: str | None = None
    from_state: str | None = None
    to_state: str | None = None
    cause: str | None = None
    actor: str | None = None
    frame: Seen | None = None
    times: Mapping[str, float | None] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    number: int | None = None
    hash: str | None = None
    previous_hash: str | None = None
