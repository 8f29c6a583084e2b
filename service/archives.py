"""Peers that we call, as the settings name them: archives (over DICOM or STOW-RS), a worklist, a FHIR server, an HL7 listener."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Archive(BaseModel):
    """Either ``host``, ``port`` and ``called``, or ``url``. ``name`` stands in the queue: keep it when an address changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,32}$", description="What the archive is called here.")
    host: str | None = Field(None, description="Address of its DICOM port.")
    port: int = Field(104, ge=1, le=65535, description="Its DICOM port.")
    called: str = Field("", max_length=16, description="Its AE title.")
    calling: str | None = Field(None, min_length=1, max_length=16, description="Our AE title there; empty means ours.")
    tls: bool = Field(default=False, description="Call it over TLS, with the certificate of the settings.")
    commit: bool = Field(default=False, description="Ask it for storage commitment of what it was sent.")
    url: str | None = Field(None, description="DICOMweb root, such as https://pacs.example/dicom-web.")
    authorities: Path | None = Field(None, description="PEM certificates to verify an https archive by.")
    authorization_file: Path | None = Field(None, description="File that holds the Authorization header, one line.")

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> Self:
        if (self.host is None) == (self.url is None):
            raise ValueError(f"archive {self.name}: expected either host (with port and called) or url")
        if self.url is None:
            return self._as_entity()
        return self._as_service(self.url)

    def _as_entity(self) -> Self:
        if not self.called.strip():
            raise ValueError(f"archive {self.name}: expected called, the archive's AE title")
        if self.authorities or self.authorization_file:
            raise ValueError(f"archive {self.name}: authorities and authorization_file belong to a url")
        return self

    def _as_service(self, url: str) -> Self:
        place = urlsplit(url)
        if place.scheme not in {"http", "https"} or not place.hostname:
            raise ValueError(f"archive {self.name}: expected a url such as https://pacs.example/dicom-web")
        if place.username or place.password:
            raise ValueError(f"archive {self.name}: a password belongs into authorization_file, not into the url")
        if self.tls or self.commit or self.called:
            raise ValueError(f"archive {self.name}: tls, commit and called belong to a DICOM port, not to a url")
        return self


class FhirServer(BaseModel):
    """A server that takes a transaction of FHIR R4 for each procedure that has ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(description="Its base address, such as https://fhir.example/r4.")
    authorities: Path | None = Field(None, description="PEM certificates to verify it by.")
    authorization_file: Path | None = Field(None, description="File that holds the Authorization header, one line.")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        place = urlsplit(url)
        if place.scheme not in {"http", "https"} or not place.hostname:
            raise ValueError("expected a url such as https://fhir.example/r4")
        if place.query or place.fragment or place.port == 0:  # a port that is none raises ValueError of its own
            raise ValueError("expected a url without query, fragment and port 0")
        if place.username or place.password:
            raise ValueError("a password belongs into authorization_file, not into the url")
        return url


class Hl7Listener(BaseModel):
    """A receiver of HL7 version 2 messages over MLLP that is told of alerts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(description="Its address.")
    port: int = Field(2575, ge=1, le=65535, description="Its port.")
    application: str = Field("", max_length=180, description="What it is called (MSH-5).")
    facility: str = Field("", max_length=180, description="Whose it is (MSH-6).")
    processing: Literal["P", "T", "D"] = Field("P", description="Production, training or debugging (MSH-11).")
    sends: Literal["escalations", "alerts"] = Field(
        "alerts", description="Escalated alerts only, or every change of every alert."
    )
    tls: bool = Field(default=False, description="Call it over TLS; its certificate is verified.")
    authorities: Path | None = Field(None, description="PEM certificates to verify it by.")

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.authorities is not None and not self.tls:
            raise ValueError("authorities belong to tls")
        return self


class Worklist(BaseModel):
    """A modality worklist that is asked for what is scheduled today."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(description="Address of its DICOM port.")
    port: int = Field(104, ge=1, le=65535, description="Its DICOM port.")
    called: str = Field(min_length=1, max_length=16, description="Its AE title.")
    calling: str | None = Field(None, min_length=1, max_length=16, description="Our AE title there; empty means ours.")
    tls: bool = Field(default=False, description="Call it over TLS, with the certificate of the settings.")
    station: str = Field("", max_length=16, description="Only steps of this station's AE title.")
    modality: str = Field("", max_length=16, description="Only steps of this modality, such as XA.")
    matches: str = Field(
        r"vertebroplast|kyphoplast|cement",
        description="Regular expression; only steps whose descriptions or codes match are opened.",
    )
    every_s: float = Field(60.0, ge=1, description="Time between two questions; s.")

    @field_validator("matches")
    @classmethod
    def _is_an_expression(cls, text: str) -> str:
        try:
            re.compile(text)
        except re.error as error:
            raise ValueError(f"expected a regular expression ({error})") from None
        return text
