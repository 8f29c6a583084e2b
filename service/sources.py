"""What is known of each source beyond what its images tell: a file that may change while everything runs.

``sources.toml`` in the data folder (or ``sources_file``), one table a source:

    [[sources]]
    title = "CARM1"          # its calling AE title
    host = "10.0.3.7"        # where it takes C-ECHO and answers about storage commitment
    port = 104

It is read again when it changes. One that cannot be read leaves everything as it was, and is told.
"""

from __future__ import annotations

import logging
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dicom_gateway.peer import Peer
from service.settings import Settings

LOG = logging.getLogger(__name__)


class Source(BaseModel):
    """One source by its calling AE title."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(min_length=1, max_length=16, description="Its calling AE title.")
    host: str | None = Field(None, description="Address of its own DICOM port, for C-ECHO and storage commitment.")
    port: int = Field(104, ge=1, le=65535, description="That port.")
    called: str | None = Field(None, max_length=16, description="Its AE title there; empty means the same title.")
    tls: bool = Field(default=False, description="Call it over TLS, with the certificate of the settings.")

    def peer(self, settings: Settings) -> Peer | None:
        """Where to call it; None when no address is known."""
        if self.host is None:
            return None
        return Peer(
            host=self.host,
            port=self.port,
            called=self.called or self.title,
            calling=settings.ae_title,
            tls=settings.credentials.for_calling() if self.tls and settings.credentials else None,
        )


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

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._known: dict[str, Source] = {}
        self.trouble: str | None = None

    def of(self, title: str) -> Source:
        """What is known of a source; one that nobody named has its title only."""
        self._look()
        return self._known.get(title) or Source(title=title)

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
