"""One table of settings. Built once in ``roles``; nobody else reads the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from detection.rules import Rules
from dicom_gateway.callers import Device, network_of
from dicom_gateway.tls import Credentials
from service.archives import Archive, FhirServer, Hl7Listener, Worklist
from service.channels import check_mqtt_url, check_webhook_url, key_of


class Settings(BaseSettings):
    """Every setting, its default and one sentence of help.

    Read from ``cementwatch.toml`` in the working directory and from ``CEMENTWATCH_...`` variables, which win.
    """

    model_config = SettingsConfigDict(
        env_prefix="CEMENTWATCH_", toml_file="cementwatch.toml", frozen=True, extra="forbid"
    )

    data_dir: Path = Field(
        Path("cementwatch-data"), description="Folder that holds spool, database, checkpoints and bells."
    )
    database_url: str | None = Field(
        None, description="SQLAlchemy URL of the journal; empty means SQLite in the data folder."
    )
    http_host: str = Field("127.0.0.1", description="Address that the HTTP server listens on.")
    http_port: int = Field(8000, ge=0, le=65535, description="Port of the HTTP server.")
    http_published_on_loopback: bool = Field(
        default=False,
        description="For a container whose HTTP port is published on loopback only: its requests count as local.",
    )
    http_tls_certificate: Path | None = Field(
        None, description="PEM file with the HTTP server's certificate chain; with it the server speaks TLS only."
    )
    http_tls_key: Path | None = Field(None, description="PEM file with the private key of that certificate.")
    http_trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses or networks of proxies that end TLS; only they are answered, and X-Forwarded-* is believed.",
    )
    session_hours: float = Field(
        12.0, gt=0, le=168, description="How long a browser stays signed in; a shift, so that no screen ends in a case."
    )
    one_click_operator: bool = Field(
        default=False,
        description="For demonstrations: on loopback one click signs in as an operator, without a password.",
    )
    dicom_host: str = Field("127.0.0.1", description="Address that the DICOM listener binds to.")
    dicom_port: int = Field(11112, ge=0, le=65535, description="Port of the DICOM listener.")
    ae_title: str = Field(
        "CEMENTWATCH",
        min_length=1,
        max_length=16,
        description="Our AE title; associations that call another are refused.",
    )
    calling_ae_titles: tuple[str, ...] = Field((), description="AE titles that may call; empty means any.")
    calling_addresses: tuple[str, ...] = Field(
        (), description="Addresses or networks (10.0.3.0/24) that may connect to the DICOM port; empty means any."
    )
    known_devices: tuple[str, ...] = Field(
        (),
        description="Devices that places are kept for, as TITLE or TITLE@address; that title from elsewhere is refused.",
    )
    max_associations: int = Field(32, ge=1, description="Associations served at once.")
    reserved_associations: int = Field(
        8, ge=0, description="Of these, how many only known devices and listed AE titles may use; at most half."
    )
    max_associations_per_address: int = Field(16, ge=1, description="Associations of one address at once.")
    max_waiting_connections: int = Field(
        64, ge=1, description="Connections without a whole request; beyond that the longest waiting one is closed."
    )
    request_within_s: float = Field(
        10.0, gt=0, description="Time for TLS handshake and association request; slower connections are closed."
    )
    read_within_s: float = Field(
        30.0, gt=0, description="Time for one whole PDU within an association; slower ones are ended."
    )
    dicom_tls_certificate: Path | None = Field(
        None, description="PEM certificate (with chain) of the DICOM port; with key and authorities it speaks TLS only."
    )
    dicom_tls_key: Path | None = Field(None, description="PEM key of that certificate, unencrypted.")
    dicom_tls_authorities: Path | None = Field(
        None, description="PEM certificates of the authorities that must have signed a caller's certificate."
    )
    min_free_mb: int = Field(512, ge=0, description="Below this much free disk, C-STORE is answered 0xA700.")
    max_object_mb: int = Field(4096, ge=1, description="Largest object that is accepted.")
    keep_days: float = Field(
        0.0,
        ge=0,
        description="Days that an object stays in the spool after its procedure closed with every frame judged and every "
        "alert acknowledged; 0 keeps everything.",
    )
    archives: tuple[Archive, ...] = Field(
        (),
        description="Archives that every object is forwarded to, each with a name and either host, port, called (and tls, "
        "commit) or url (and authorities, authorization_file); docs/archives.md.",
    )
    forward_pause_s: float = Field(
        300.0, gt=0, description="Longest pause before an archive that does not answer, or an object, is tried again."
    )
    forward_late_after_s: float = Field(
        600.0,
        gt=0,
        description="Age of an object that an archive still lacks at which the alarm 'forward queue' is raised.",
    )
    report_at_end: bool = Field(
        default=True,
        description="When a procedure has closed, its findings are sent to the archives as DICOM objects; docs/results.md.",
    )
    report_after_s: float = Field(
        60.0,
        ge=0,
        description="Quiet time after a procedure closed at which that is done; a late image opens it again.",
    )
    report_pictures: bool = Field(
        default=False, description="Key frames with everything drawn on them are sent too, as Secondary Captures."
    )
    report_pdf: bool = Field(
        default=True,
        description="The procedure report is sent too, as an Encapsulated PDF without the clinical record.",
    )
    report_terms_file: Path | None = Field(
        None, description="TOML file with licensed terms that replace codes of the private scheme 99CEMENT."
    )
    fhir_server: FhirServer | None = Field(
        None,
        description="FHIR R4 server that a procedure is sent to once it has ended: url, and authorities, authorization_file; "
        "docs/fhir.md.",
    )
    fhir_patient_system: str | None = Field(
        None,
        pattern=r"^[a-z][a-z0-9+.-]*:\S+$",
        description="Address of the site's patient numbers in FHIR, such as urn:oid:1.2.3; without it each procedure is of a patient of its own.",
    )
    worklist: Worklist | None = Field(
        None,
        description="Modality worklist that procedures are opened from: host, port, called, and station, modality, matches, "
        "every_s; docs/archives.md.",
    )
    close_after_step_s: float = Field(
        300.0,
        gt=0,
        description="Quiet time after a device ended its procedure step at which the procedure closes, unless an alert sounds.",
    )
    sources_file: Path | None = Field(
        None,
        description="File of what is known of each source, read again when it changes; empty: sources.toml in data_dir.",
    )
    commitment_within_s: float = Field(
        86_400.0,
        gt=0,
        description="Time for an archive to answer a request for storage commitment; then it is asked anew.",
    )
    commitment_again_s: float = Field(
        60.0, ge=0, description="Pause before an object that an archive does not commit to is sent or asked for again."
    )
    commitment_answer_s: float = Field(
        3600.0,
        gt=0,
        description="Time for the archives to commit to what a device asks us for; then it is told a failure.",
    )
    keeps_for_good: bool = Field(
        default=False,
        description="This installation is an archive of record: a device that asks is promised what lies in the spool.",
    )
    keep_dismissed_days: float = Field(
        30.0, ge=0, description="Days that an object stays in the quarantine after somebody dismissed it; 0 keeps it."
    )
    late_after_s: float = Field(
        1.0, gt=0, description="Age of an unjudged live frame at which the alarm 'analysis late' is raised."
    )
    skip_after_s: float = Field(
        5.0, gt=0, description="Age of an unjudged live frame at which the newest frame is judged first."
    )
    unlogged_after_s: float = Field(
        1.0,
        gt=0,
        description="How long a frame's verdict waits for the journal; after that alerts are shown unlogged and written later.",
    )
    no_frames_after_s: float = Field(
        10.0,
        gt=0,
        description="Silence of a live source at which 'no frames' is raised; after ten minutes it counts as idle.",
    )
    close_after_s: float = Field(
        3600.0, gt=0, description="A procedure without frames or entries for this long closes itself."
    )
    escalate_after_s: float = Field(
        30.0,
        ge=0,
        description="How long a HIGH alert sounds unacknowledged before the webhook is told; again after twice as long each time; 0 is never.",
    )
    webhook_url: str | None = Field(
        None, description="Where alerts are posted as a second channel; see docs/alarms.md. Empty means nowhere."
    )
    webhook_secret: str | None = Field(
        None, description="Signs what is posted: whsec_ and 24 to 64 random bytes in base64 (Standard Webhooks)."
    )
    webhook_sends: Literal["escalations", "alerts"] = Field(
        "escalations", description="What is posted: escalated alerts only, or every change of every alert."
    )
    mqtt_url: str | None = Field(
        None,
        description="Broker and topic that every change of every alert is published to, such as mqtt://broker:1883/cementwatch/alerts.",
    )
    hl7_listener: Hl7Listener | None = Field(
        None,
        description="Receiver of HL7 version 2 messages (ORU^R40 over MLLP) about alerts: host, port, and application, facility, "
        "processing, sends, tls, authorities; docs/alarms.md.",
    )
    checkpoint_every_s: float = Field(
        2.0, gt=0, description="How often a case's memory is saved, so that a restart resumes quickly."
    )
    orthanc_url: str = Field("http://127.0.0.1:8042", description="Orthanc whose recorded studies are replayed.")
    replay_dir: Path | None = Field(
        None, description="Folder of recorded studies that may be replayed; empty means none."
    )
    decode_mb: int = Field(
        2048, ge=512, description="Address space of the process that decodes compressed frames; MiB."
    )
    decode_within_s: float = Field(
        10.0, gt=0, description="How long one compressed frame may take to decode before it is given up; seconds."
    )
    default_frame_rate: float = Field(
        7.5, gt=0, description="Frames per second assumed for a run that does not tell its own."
    )

    score_cache_dir: Path | None = Field(
        None,
        description="Folder of played phantom scenes, which may be deleted at any time; empty means a folder in the user's cache directory.",
    )
    score_cache_gb: float = Field(
        8.0, ge=0, description="Most that played phantom scenes take on disk; what was not used for longest goes first."
    )

    @field_validator("calling_addresses")
    @classmethod
    def _are_networks(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            network_of(text)
        return texts

    @field_validator("known_devices")
    @classmethod
    def _are_devices(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        for text in texts:
            Device.parse(text)
        return texts

    @field_validator("archives")
    @classmethod
    def _are_named_apart(cls, archives: tuple[Archive, ...]) -> tuple[Archive, ...]:
        names = [archive.name for archive in archives]
        if len(set(names)) < len(names):
            raise ValueError("expected archives with different names")
        return archives

    @field_validator("report_terms_file")
    @classmethod
    def _are_terms(cls, path: Path | None) -> Path | None:
        if path is not None:
            from dicom_gateway.report.terms import terms_from  # brings the parser of DICOM, which few commands need

            try:
                terms_from(path.read_text(encoding="utf-8"))
            except OSError:
                raise ValueError("expected a file that can be read") from None
        return path

    @model_validator(mode="after")
    def _keeps_what_it_promises(self) -> Settings:
        if self.keeps_for_good and self.keep_days > 0:
            raise ValueError("keeps_for_good promises that nothing is removed: expected keep_days 0")
        return self

    @model_validator(mode="after")
    def _are_channels_whole(self) -> Settings:
        if self.webhook_url is not None:
            check_webhook_url(self.webhook_url)
            key_of(self.webhook_secret or "")
        if self.mqtt_url is not None:
            check_mqtt_url(self.mqtt_url)
        return self

    @model_validator(mode="after")
    def _is_tls_whole(self) -> Settings:
        told = [self.dicom_tls_certificate, self.dicom_tls_key, self.dicom_tls_authorities]
        if any(told) and not all(told):
            raise ValueError("TLS needs dicom_tls_certificate, dicom_tls_key and dicom_tls_authorities, all three")
        if self.credentials is not None:
            self.credentials.for_listening()
        elif any(peer.tls for peer in (*self.archives, *((self.worklist,) if self.worklist else ()))):
            raise ValueError("a peer with tls needs dicom_tls_certificate, dicom_tls_key and dicom_tls_authorities")
        return self

    @property
    def credentials(self) -> Credentials | None:
        """The files for TLS; None when the DICOM port speaks plain DICOM."""
        certificate, key, authorities = self.dicom_tls_certificate, self.dicom_tls_key, self.dicom_tls_authorities
        if certificate is None or key is None or authorities is None:
            return None
        return Credentials(certificate=certificate, key=key, authorities=authorities)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, which wins over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def rules(self) -> Rules:
        """The thresholds in force here."""
        return Rules(escalate_s=self.escalate_after_s)

    @property
    def has_channel(self) -> bool:
        """Whether anybody is to be told of alerts besides the screens."""
        return any(each is not None for each in (self.webhook_url, self.mqtt_url, self.hl7_listener))

    @property
    def journal_url(self) -> str:
        """Where the journal lives."""
        return self.database_url or f"sqlite:///{self.data_dir / 'journal.sqlite'}"

    @property
    def score_archive_dir(self) -> Path:
        """Where played phantom scenes are kept."""
        own = os.environ.get("XDG_CACHE_HOME", "")
        return self.score_cache_dir or (Path(own) if own else Path.home() / ".cache") / "cementwatch" / "score"

    @property
    def sources_path(self) -> Path:
        """Where the file of sources is looked for."""
        return self.sources_file or self.data_dir / "sources.toml"

    @property
    def notices_dir(self) -> Path:
        """Where messages of peers that are no images are kept."""
        return self.data_dir / "notices"

    @property
    def told_dir(self) -> Path:
        """Where ``serve`` listens for what the journal does not take."""
        return self.data_dir / "told"

    @property
    def report_dir(self) -> Path:
        """Where objects of our own are kept, in a folder for each procedure."""
        return self.data_dir / "reports"

    @property
    def exports_dir(self) -> Path:
        """Where downloads are made that take a while."""
        return self.data_dir / "exports"

    @property
    def spool_dir(self) -> Path:
        """Where arrivals are kept."""
        return self.data_dir / "spool"
