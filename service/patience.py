"""How long a client may take to ask: uvicorn waits for ever for the rest of a request's header.

The body's own limit stands in ``service.api.guard``. Whoever opens connections and says little by little holds nothing of
ours for longer than ``HEADER_WITHIN_S``.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_WITHIN_S = 10.0


class ImpatientProtocol(H11Protocol):
    """Closes a connection whose next request has begun, or whose first has not, for too long."""

    _giving_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Stop waiting when a request has become whole; begin when another has begun."""
        before = vars(self)["cycle"]
        super().data_received(data)
        if self.cycle is not before:
            self._relax()
        elif getattr(before, "response_complete", True):
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        self._relax()
        super().connection_lost(exc)

    def _expect(self) -> None:
        if self._giving_up is None:
            self._giving_up = self.loop.call_later(HEADER_WITHIN_S, self._give_up)

    def _relax(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _give_up(self) -> None:
        self._giving_up = None
        if not self.transport.is_closing():
            self.transport.close()
