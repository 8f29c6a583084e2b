"""``cementwatch check``: what is wrong with a configuration, in words, and whether each peer answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from db.connect import StoreFailure, connect
from dicom_gateway.callers import Callers
from dicom_gateway.peer import Peer, asked_echo
from service import mllp
from service.archives import Archive
from service.entrance import callers_of, peer_of, secured
from service.exposure import TooExposed, refuse_if_exposed
from service.fhir import post
from service.settings import Settings
from service.sources import BadSources, Source, read_sources
from service.stow import StowCarrier


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: whether it is as it should be, and why, in words."""

    about: str
    is_well: bool
    words: str


def check(settings: Settings) -> Iterator[Finding]:
    """Look at everything that these settings name; each finding as soon as it is known."""
    yield _folder(settings)
    yield _database(settings)
    yield _exposure(settings)
    yield from _retention(settings)
    yield _echoed("receiver", secured(_ourselves(settings), settings))
    for archive in settings.archives:
        yield from _archive(archive, settings)
    if settings.worklist is not None:
        yield _echoed("worklist", peer_of(settings.worklist, settings))
    yield from _told(settings)
    yield from _sources(settings)


def _folder(settings: Settings) -> Finding:
    folder = settings.data_dir
    there = folder if folder.exists() else folder.parent
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(about="data_dir", is_well=False, words=f"{folder} cannot be written by this user")
    state = os.statvfs(there)
    free_mb = state.f_bavail * state.f_frsize // 2**20
    words = f"{free_mb} MB free, objects are refused below {settings.min_free_mb} MB"
    return Finding(about="data_dir", is_well=free_mb >= settings.min_free_mb, words=words)


def _database(settings: Settings) -> Finding:
    try:
        connect(settings.journal_url).dispose()
    except (StoreFailure, ValueError) as failure:
        return Finding(about="database", is_well=False, words=str(failure))
    return Finding(about="database", is_well=True, words="answers, and its schema is ours")


def _exposure(settings: Settings) -> Finding:
    try:
        refuse_if_exposed(settings, has_users=None)
    except TooExposed as refusal:
        return Finding(about="http", is_well=False, words=str(refusal))
    return Finding(about="http", is_well=True, words=f"may listen at {settings.http_host}:{settings.http_port}")


def _retention(settings: Settings) -> Iterator[Finding]:
    if settings.keep_days > 0 and not settings.archives:
        words = "objects are removed and no archive has them: add one to archives, or set keep_days to 0"
        yield Finding(about="keep_days", is_well=False, words=words)


def _ourselves(settings: Settings) -> Peer:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.dicom_host, settings.dicom_host)  # noqa: S104 - bound to everything, called on loopback
    calling = settings.calling_ae_titles[0] if settings.calling_ae_titles else settings.ae_title
    return Peer(host=host, port=settings.dicom_port, called=settings.ae_title, calling=calling)


def _archive(archive: Archive, settings: Settings) -> Iterator[Finding]:
    about = f"archive {archive.name}"
    for file in (archive.authorities, archive.authorization_file):
        if file is not None and not os.access(file, os.R_OK):
            yield Finding(about=about, is_well=False, words=f"{file} cannot be read")
            return
    if archive.url is not None:
        trouble = StowCarrier(archive).trouble()
        yield Finding(about=about, is_well=trouble is None, words=trouble or "answers a search for studies")
        return
    yield _echoed(about, peer_of(archive, settings))
    if archive.commit and not _may_call(callers_of(settings), archive.called.strip(), archive.host or ""):
        words = f"its title {archive.called} may not call us: its answers about storage commitment would be refused"
        yield Finding(about=about, is_well=False, words=words)


def _told(settings: Settings) -> Iterator[Finding]:
    """Who is told of alerts and findings in other words than DICOM's."""
    if settings.fhir_server is not None:
        trouble = post.trouble(settings.fhir_server)
        words = trouble or "answers with its capability statement"
        yield Finding(about="fhir_server", is_well=trouble is None, words=words)
    if (listener := settings.hl7_listener) is not None:
        trouble = mllp.trouble(listener)
        words = f"{listener.host}:{listener.port}: {trouble or 'takes a connection'}"
        yield Finding(about="hl7_listener", is_well=trouble is None, words=words)


def _may_call(callers: Callers, title: str, host: str) -> bool:
    """Whether our lists let a peer in. A name instead of an address is not looked up; then only the title counts."""
    try:
        return callers.may_connect(host) and callers.reject(callers.called, title, host) is None
    except ValueError:
        return not callers.titles or title in callers.titles


def _sources(settings: Settings) -> Iterator[Finding]:
    try:
        sources = read_sources(settings.sources_path)
    except BadSources as bad:
        yield Finding(about="sources", is_well=False, words=str(bad))
        return
    callers = callers_of(settings)
    for source in sources.values():
        yield from _source(source, callers, settings)


def _source(source: Source, callers: Callers, settings: Settings) -> Iterator[Finding]:
    about = f"source {source.title}"
    if not _may_call(callers, source.title, source.host or "127.0.0.1"):
        yield Finding(about=about, is_well=False, words="the lists of callers would turn it away")
    if source.tls and settings.credentials is None:
        yield Finding(about=about, is_well=False, words="tls needs dicom_tls_certificate, _key and _authorities")
        return
    peer = source.peer(settings)
    if peer is not None:
        yield _echoed(about, peer)


def _echoed(about: str, peer: Peer) -> Finding:
    trouble = asked_echo(peer)
    where = f"{peer.called} at {peer.host}:{peer.port}"
    return Finding(about=about, is_well=trouble is None, words=f"{where}: {trouble or 'answers C-ECHO'}")
