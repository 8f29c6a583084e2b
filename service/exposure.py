"""How far the HTTP server can be reached, and whether it may be reached that far.

On loopback without users, local requests act as the user ``local``. A proxy in front makes the outside world look local,
so a server with trusted proxies never counts as local, wherever it listens.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from service.settings import Settings

Network = IPv4Network | IPv6Network
UNKNOWN = "unknown"
"""The address of a client whom the proxy does not name."""


class TooExposed(Exception):
    """The server was told to listen where it must not; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """``is_local``: only this machine can ask. ``is_encrypted``: whoever asks from elsewhere does so over TLS."""

    host: str
    is_local: bool
    has_tls: bool
    proxies: tuple[Network, ...]

    @property
    def is_encrypted(self) -> bool:
        """TLS ends here or at a trusted proxy."""
        return self.has_tls or bool(self.proxies)

    def is_proxy(self, address: str) -> bool:
        """Whether this peer is one of the trusted proxies."""
        try:
            peer = ip_address(address)
        except ValueError:
            return False
        return any(peer in network for network in self.proxies)


def exposure_of(settings: Settings) -> Exposure:
    """What the settings make of this server. TooExposed when they contradict themselves."""
    try:
        proxies = tuple(ip_network(told) for told in settings.http_trusted_proxies)
    except ValueError:
        raise TooExposed(
            "http_trusted_proxies: expected addresses or networks such as 10.0.0.5 or 10.0.0.0/24"
        ) from None
    if (settings.http_tls_certificate is None) != (settings.http_tls_key is None):
        raise TooExposed("http_tls_certificate and http_tls_key: expected both or neither")
    is_near = is_loopback(settings.http_host) or settings.http_published_on_loopback
    return Exposure(
        host=settings.http_host,
        is_local=is_near and not proxies,
        has_tls=settings.http_tls_certificate is not None,
        proxies=proxies,
    )


def refuse_if_exposed(settings: Settings, *, has_users: bool | None) -> None:
    """Raise TooExposed unless this server may listen where it is told to; ``has_users`` None is not known yet."""
    exposure = exposure_of(settings)
    if exposure.is_local:
        return
    where = f"http_host {settings.http_host}" if not exposure.proxies else "a server behind a proxy"
    wanted = []
    if not exposure.is_encrypted:
        wanted.append(
            "give http_tls_certificate and http_tls_key, or name the proxy that ends TLS in http_trusted_proxies"
        )
    if has_users is False:
        wanted.append("make a user with 'cementwatch user add NAME --role admin'")
    if wanted:
        raise TooExposed(
            f"{where} can be reached from other machines. Before it may serve: {'; and '.join(wanted)}. "
            "Or listen on 127.0.0.1, where no sign-in is needed."
        )


def is_loopback(host: str) -> bool:
    """Whether this address is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
