"""What clients may send, and what is expected of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from detection.rules import Rules
from detection.vocabulary import SCALE_MM_PER_PX, Wall
from service.api.wire import FrameRef, Position, ProcedureKind

OperatorEntry = Literal[
    "injection_started",
    "injection_stopped",
    "aliquot",
    "resistance",
    "cement_mixed",
    "needle_placed",
    "stylet",
    "note",
]
DEFAULTS = Rules()
Level = Annotated[str, Field(pattern=r"^[CTLS]([1-9]|1[0-2])$", description="Vertebral level, such as L2.")]
Uid = Annotated[str, Field(pattern=r"^[0-9.]{1,64}$", description="DICOM UID.")]
Text = Annotated[str, Field(max_length=4000)]


class Ask(BaseModel):
    """A body that a client sends; a field we do not know is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def without_nul(cls, value: object) -> object:
        """PostgreSQL cannot hold NUL in a text."""
        if isinstance(value, str) and "\0" in value:
            raise ValueError("expected a text without NUL characters")
        return value


class Acknowledgement(Ask):
    """Somebody has seen it."""

    note: Text | None = Field(None, description="Remark for the log.")


class PauseFor(Ask):
    """Silence for a while."""

    seconds: float = Field(DEFAULTS.pause_s, gt=0, le=DEFAULTS.pause_most_s, description="How long; s.")


class Dismissal(Ask):
    """Nobody needs this object any more."""

    note: Text | None = Field(None, description="Why, for the log.")


class ResetNote(Ask):
    """An ended alert may go."""

    note: Text | None = Field(None, description="Remark for the log.")


class Patient(Ask):
    """Who is treated."""

    name: str | None = Field(None, max_length=324, description="As DICOM writes it.")
    id: str | None = Field(None, max_length=64, description="Patient id of the hospital.")
    birth_date: str | None = Field(None, max_length=10, description="YYYYMMDD or YYYY-MM-DD.")
    sex: Literal["M", "F", "O"] | None = Field(None, description="As DICOM writes it.")


class ProcedureAsk(Ask):
    """A procedure made before its first image, or a change of one."""

    kind: ProcedureKind | None = Field(None, description="Kind of operation.")
    study_instance_uids: list[Uid] | None = Field(None, max_length=100, description="DICOM studies that belong to it.")
    patient: Patient | None = Field(None, description="Who is treated.")
    levels: list[Level] | None = Field(None, max_length=30, description="Vertebral levels under treatment.")
    accession_number: str | None = Field(None, max_length=64, description="DICOM accession number.")


class LogLine(Ask):
    """An operator's entry."""

    type: OperatorEntry = Field(description="What happened.")
    level: Level | None = Field(None, description="Vertebral level, such as L2.")
    side: Literal["left", "right", "both"] | None = Field(None, description="Side of the patient.")
    volume_ml: float | None = Field(None, ge=0, le=50, description="Volume of cement; ml.")
    text: Text | None = Field(None, description="Remark.")


class Landmarks(Ask):
    """Four corners of the vertebral body on one frame; which four depends on the view."""

    level: Level | None = Field(None, description="Vertebral level, such as L2.")
    posterior_superior: Position | None = Field(None, description="Lateral view; [row, col] px.")
    posterior_inferior: Position | None = Field(None, description="Lateral view; [row, col] px.")
    anterior_superior: Position | None = Field(None, description="Lateral view; [row, col] px.")
    anterior_inferior: Position | None = Field(None, description="Lateral view; [row, col] px.")
    left_superior: Position | None = Field(None, description="AP view, image left; [row, col] px.")
    left_inferior: Position | None = Field(None, description="AP view, image left; [row, col] px.")
    right_superior: Position | None = Field(None, description="AP view, image right; [row, col] px.")
    right_inferior: Position | None = Field(None, description="AP view, image right; [row, col] px.")
    frame: FrameRef | None = Field(None, description="The frame that the corners lie on; null is the latest judged.")
    posterior_wall: Wall = Field(Wall.INTACT, description="broken moves every warning forward.")
    mm_per_px: float | None = Field(
        None, ge=SCALE_MM_PER_PX[0], le=SCALE_MM_PER_PX[1], description="Scale at the object plane; mm/px."
    )


class SignIn(Ask):
    """A name and its password."""

    name: str = Field(min_length=1, max_length=64, description="Name of the user.")
    password: str = Field(min_length=1, max_length=256, description="Password of the user.")


class ReplayAsk(Ask):
    """A recorded study to play again."""

    source: Literal["orthanc", "folder"] = Field("orthanc", description="Where it is recorded.")
    study_instance_uid: Uid = Field(description="The recorded study.")
    speed: float | None = Field(1.0, gt=0, le=1000, description="1 is the original pace; null is as fast as possible.")
