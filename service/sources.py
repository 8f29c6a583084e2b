"""What is known of each source beyond what its images tell: a file that may change while everything runs.

``sources.toml`` in the data folder (or ``sources_file``), one table a source:

    [[sources]]
    title = "CARM1"          # its calling AE title
    host = "10.0.3.7"        # where it takes C-ECHO and answers about storage commitment
    port = 104
    pace = 15.0              # frames per second of runs that do not tell their own
    polarity = "dense_is_dark"
    intensity = "display"
    open_field = [0.05, 0.1, 0.95, 0.9]
    burned_in = [[0.0, 0.0, 0.08, 0.3], [0.94, 0.0, 1.0, 1.0]]

It is read again when it changes. One that cannot be read leaves everything as it was, and is told.
"""

from __future__ import annotations

import logging
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from detection.vocabulary import Intensity, Polarity
from dicom_gateway.arrival import Arrival
from dicom_gateway.geometry import Rectangle
from dicom_gateway.header import Header, read_header
from service.settings import Settings

if TYPE_CHECKING:
    from dicom_gateway.peer import Peer

LOG = logging.getLogger(__name__)

Share = Annotated[float, Field(ge=0, le=1)]
Area = tuple[Share, Share, Share, Share]
"""Top, left, bottom, right."""


class Source(BaseModel):
    """One source by its calling AE title."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(min_length=1, max_length=16, description="Its calling AE title.")
    host: str | None = Field(None, description="Address of its own DICOM port, for C-ECHO and storage commitment.")
    port: int = Field(104, ge=1, le=65535, description="That port.")
    called: str | None = Field(None, max_length=16, description="Its AE title there; empty means the same title.")
    tls: bool = Field(default=False, description="Call it over TLS, with the certificate of the settings.")

    pace: float | None = Field(None, gt=0, le=120, description="Frames per second of runs that do not tell their own.")
    polarity: Polarity | None = Field(None, description="How dense material looks, whatever the images say.")
    intensity: Intensity | None = Field(None, description="What stored values are proportional to, whatever they say.")
    open_field: Area | None = Field(
        None, description="Top, left, bottom, right of what is never collimated nor burnt in, as shares of the picture."
    )
    burned_in: tuple[Area, ...] = Field(
        (),
        max_length=32,
        description="Areas that text is burnt into, as shares of the picture: never judged, blank in an export without identity.",
    )

    @field_validator("open_field")
    @classmethod
    def _is_a_field(cls, field: Area | None) -> Area | None:
        if field is not None and not (field[0] < field[2] and field[1] < field[3]):
            raise ValueError("expected top, left, bottom, right with top above bottom and left before right")
        return field

    @field_validator("burned_in")
    @classmethod
    def _are_fields(cls, fields: tuple[Area, ...]) -> tuple[Area, ...]:
        for field in fields:
            cls._is_a_field(field)
        return fields

    @property
    def is_declared(self) -> bool:
        """Whether somebody has told where text is burnt into its pictures."""
        return bool(self.burned_in) or self.open_field is not None

    def adjusted(self, header: Header) -> Header:
        """The header as this source means it."""
        apertures = header.apertures
        if self.open_field is not None:
            apertures = (*apertures, _window(self.open_field, header))
        apertures = (*apertures, *(replace(_window(area, header), is_shut=True) for area in self.burned_in))
        return replace(
            header,
            polarity=self.polarity or header.polarity,
            is_turned=header.is_turned and self.polarity is None,  # it is of values as they are stored
            intensity=self.intensity or header.intensity,
            apertures=apertures,
        )

    def peer(self, settings: Settings) -> Peer | None:
        """Where to call it; None when no address is known."""
        if self.host is None:
            return None
        from dicom_gateway.peer import Peer  # the analysis calls nobody

        return Peer(
            host=self.host,
            port=self.port,
            called=self.called or self.title,
            calling=settings.ae_title,
            tls=settings.credentials.for_calling() if self.tls and settings.credentials else None,
        )


def _window(area: Area, header: Header) -> Rectangle:
    top, left, bottom, right = area
    rows, cols = header.rows - 1, header.cols - 1
    return Rectangle(top=top * rows, bottom=bottom * rows, left=left * cols, right=right * cols)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[Source, ...] = ()

    @field_validator("sources")
    @classmethod
    def _are_named_apart(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        if len({each.title for each in sources}) < len(sources):
            raise ValueError("expected each title once")
        return sources


class BadSources(ValueError):
    """The file of sources cannot be used; the text says what was expected where."""


def read_sources(path: Path) -> dict[str, Source]:
    """The sources of a file by title; none when there is no file. Raises ``BadSources``."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadSources(f"{path.name}: expected a readable file of text") from error
    try:
        return {each.title: each for each in _File.model_validate(tomllib.loads(text)).sources}
    except tomllib.TOMLDecodeError as error:
        raise BadSources(f"{path.name}: {error}") from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise BadSources(f"{path.name}: {wrong}") from None


class Sources:
    """The file as it is now; one that went bad leaves what it said before."""

    def __init__(self, settings: Settings) -> None:
        self._path, self._default_rate = settings.sources_path, settings.default_frame_rate
        self._seen: tuple[int, int] | None = None
        self._known: dict[str, Source] = {}
        self.trouble: str | None = None

    def of(self, title: str) -> Source:
        """What is known of a source; one that nobody named has its title only."""
        self._look()
        return self._known.get(title) or Source(title=title)

    def header_of(self, arrival: Arrival) -> Header:
        """An arrival's header as its source means it. Raises ``Unreadable``, or OSError when the file is gone."""
        source = self.of(arrival.source)
        return source.adjusted(read_header(arrival.path, default_rate=source.pace or self._default_rate))

    def every(self) -> tuple[Source, ...]:
        """All that are named."""
        self._look()
        return tuple(self._known.values())

    def _look(self) -> None:
        try:
            state = self._path.stat()
            seen = (state.st_mtime_ns, state.st_size)
        except OSError:
            seen = (0, 0)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._known, self.trouble = read_sources(self._path), None
        except BadSources as bad:
            self.trouble = str(bad)
            LOG.error("the file of sources cannot be used; what it said before stays", extra={"reason": str(bad)})  # noqa: TRY400 - the reason says it all
