"""Why the gateway says no.

    GatewayError
    +-- Refusal              answered to a sender, each with its DICOM status
    |   +-- TryLater         0xA700  out of resources: the sender may try again
    |   +-- NotThisClass     0xA900  the object is not what its sender says it is
    |   +-- Unreadable       0xC000  no retry will help: the object is kept aside
    |   +-- NotYou           0x0124  this peer may not store here
    +-- Undecodable          a stored object whose pixels cannot be turned into frames
    +-- Unreachable          a peer that does not answer, or refuses us

A reason is a short fixed phrase: it never quotes a value of the object, for that may name a patient.
"""

from __future__ import annotations

from typing import ClassVar


class GatewayError(Exception):
    """All that the gateway raises on purpose."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refusal(GatewayError):
    """An object that is not taken; ``status`` goes back to its sender."""

    status: ClassVar[int] = 0xC000


class TryLater(Refusal):
    """We cannot keep it now."""

    status = 0xA700


class NotThisClass(Refusal):
    """It does not match the SOP class or the identity it was announced with."""

    status = 0xA900


class Unreadable(Refusal):
    """It cannot be understood, or exceeds a limit."""

    status = 0xC000


class NotYou(Refusal):
    """The peer is not allowed to do this."""

    status = 0x0124


class Undecodable(GatewayError):
    """A stored object gives no frame, or no further frame."""


class Unreachable(GatewayError):
    """No association with a peer."""
