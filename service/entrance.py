"""What the settings say of our DICOM port: who may come in, how many, and with which certificates."""

from __future__ import annotations

from dataclasses import replace

from dicom_gateway.callers import Callers, Device, network_of
from dicom_gateway.door import Limits
from dicom_gateway.peer import Peer
from dicom_gateway.tls import Credentials
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


def credentials_of(settings: Settings) -> Credentials | None:
    """The files for TLS; None when the port speaks plain DICOM."""
    certificate, key, ca = settings.dicom_tls_certificate, settings.dicom_tls_key, settings.dicom_tls_authorities
    if certificate is None or key is None or ca is None:
        return None
    return Credentials(certificate=certificate, key=key, authorities=ca)


def secured(peer: Peer, settings: Settings) -> Peer:
    """The same peer, called over TLS when it is our own port and that speaks TLS: we show our own certificate."""
    credentials = credentials_of(settings)
    return peer if credentials is None else replace(peer, tls=credentials.for_calling())
