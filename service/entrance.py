"""What the settings say of our DICOM port: who may come in and how many, and how we call it ourselves."""

from __future__ import annotations

from dataclasses import replace

from dicom_gateway.callers import Callers, Device, network_of
from dicom_gateway.door import Limits
from dicom_gateway.peer import Peer
from service.archives import Archive, Worklist
from service.settings import Settings


def callers_of(settings: Settings) -> Callers:
    """The lists of titles and addresses."""
    return Callers(
        called=settings.ae_title,
        titles=frozenset(settings.calling_ae_titles),
        networks=tuple(network_of(each) for each in settings.calling_addresses),
        known=tuple(Device.parse(each) for each in settings.known_devices),
    )


def limits_of(settings: Settings) -> Limits:
    """How many, and how long."""
    return Limits(
        n_associations=settings.max_associations,
        n_reserved=settings.reserved_associations,
        n_per_address=settings.max_associations_per_address,
        n_waiting=settings.max_waiting_connections,
        request_within_s=settings.request_within_s,
        read_within_s=settings.read_within_s,
    )


def secured(peer: Peer, settings: Settings) -> Peer:
    """Our own port as a peer, called over TLS where it speaks that: we show our own certificate."""
    return peer if settings.credentials is None else replace(peer, tls=settings.credentials.for_calling())


def peer_of(named: Archive | Worklist, settings: Settings) -> Peer:
    """The DICOM port of a peer that the settings name; over TLS with our own certificate where they say so."""
    return Peer(
        host=named.host or "",
        port=named.port,
        called=named.called.strip(),
        calling=named.calling or settings.ae_title,
        tls=settings.credentials.for_calling() if named.tls and settings.credentials else None,
    )
