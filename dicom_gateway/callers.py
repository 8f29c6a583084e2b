"""Who may call, and who is known: our own title, the callers' titles and the addresses they call from.

A title is a name that anyone may write into a request; an address is proven by the connection. ``TITLE@10.0.3.7``
asks for both.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import NamedTuple

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

REPLAY_CALLER = re.compile(r"RPL\.([A-Za-z0-9_-]{1,12})")
"""A replay's calling AE title names it; only from this machine, so that no device can pass for a replay."""


class Reject(NamedTuple):
    """Result, source and diagnostic of an A-ASSOCIATE-RJ (PS3.8 table 9-21), and the reason in words."""

    result: int
    source: int
    diagnostic: int
    reason: str


WRONG_CALLED = Reject(1, 1, 7, "a called AE title that is not ours")
WRONG_CALLER = Reject(1, 1, 3, "a calling AE title that is not on the list")
TOO_MANY = Reject(2, 3, 2, "too many associations")
DISK_LOW = Reject(2, 3, 1, "the disk is filling")


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device that places are kept for; ``network`` None stands for any address."""

    title: str
    network: Network | None = None

    @classmethod
    def parse(cls, text: str) -> Device:
        """From ``TITLE``, ``TITLE@address`` or ``TITLE@network``. ValueError names what was expected."""
        title, at, place = text.partition("@")
        if not 0 < len(title.strip()) <= 16:
            raise ValueError(f"expected an AE title of 1 to 16 characters, or TITLE@address, not {text!r}")
        return cls(title=title.strip(), network=network_of(place) if at else None)

    def is_at(self, title: str, address: Address) -> bool:
        """Whether a caller of this title at this address is the device."""
        return title == self.title and (self.network is None or address in self.network)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """The lists. An empty list of titles or networks lets anyone through; ``known`` are let in before all others."""

    called: str
    titles: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    known: tuple[Device, ...] = field(default=())

    def may_connect(self, host: str) -> bool:
        """Whether a connection from this address is taken at all."""
        return not self.networks or any(address_of(host) in network for network in self.networks)

    def reject(self, called: str, calling: str, host: str) -> Reject | None:
        """Why this request is turned away, or None."""
        if called != self.called:
            return WRONG_CALLED
        if REPLAY_CALLER.fullmatch(calling):
            return None if address_of(host).is_loopback else WRONG_CALLER
        if self._is_listed(calling, host):
            return None
        # the title of a device whose address is known, from elsewhere, is somebody who pretends
        is_false = calling.startswith("RPL.") or any(each.title == calling for each in self.known)
        return WRONG_CALLER if self.titles or is_false or not calling else None

    def is_known(self, calling: str, host: str) -> bool:
        """Whether places are kept for this caller."""
        return self._is_listed(calling, host) and not REPLAY_CALLER.fullmatch(calling)

    @property
    def has_known(self) -> bool:
        """Whether there is anybody to keep places for."""
        return bool(self.known or self.titles)

    def _is_listed(self, calling: str, host: str) -> bool:
        bound = [each for each in self.known if each.title == calling]
        return any(each.is_at(calling, address_of(host)) for each in bound) or (calling in self.titles and not bound)


def network_of(text: str) -> Network:
    """An address or network. ValueError names what was expected."""
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(
            f"expected an address such as 10.0.3.7 or a network such as 10.0.3.0/24, not {text!r}"
        ) from None


def address_of(host: str) -> Address:
    """A peer's address; one of IPv4 that came over an IPv6 socket counts as what it is."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
