"""Slows down whoever guesses passwords; nobody is ever locked out by somebody else.

Failures are counted for a name at an address, and for an address. After the first few, each further failure doubles the
wait up to its limit. An account as such is never locked: a stranger must not be able to keep an operator out.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

FREE_FOR_NAME, FREE_FOR_ADDRESS = 5, 20
"""Failures that cost no wait: of one name at one address, and of one address."""
LONGEST_WAIT_S = 60.0
FORGIVEN_AFTER_S = 900.0
N_KEPT = 10_000
"""Keys remembered; the oldest is forgotten first."""

Key = tuple[str, ...]


class Throttle:
    """Remembers failures in this process; ``now`` is seconds."""

    def __init__(self) -> None:
        self._failures: OrderedDict[Key, tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, name: str, address: str, now: float) -> float:
        """How long this name at this address must wait from now on; 0 when it may try."""
        with self._lock:
            by_name = self._wait(("name", name, address), FREE_FOR_NAME, now)
            return max(by_name, self._wait(("address", address), FREE_FOR_ADDRESS, now))

    def fail(self, name: str, address: str, now: float) -> None:
        """One more failure."""
        with self._lock:
            for key in (("name", name, address), ("address", address)):
                n, at = self._failures.pop(key, (0, now))
                self._failures[key] = (n + 1 if now - at < FORGIVEN_AFTER_S else 1, now)
            while len(self._failures) > N_KEPT:
                self._failures.popitem(last=False)

    def succeed(self, name: str, address: str) -> None:
        """The name is forgiven at this address; the address is not: one good password must not buy more guesses."""
        with self._lock:
            self._failures.pop(("name", name, address), None)

    def _wait(self, key: Key, n_free: int, now: float) -> float:
        n, at = self._failures.get(key, (0, now))
        if n < n_free or now - at >= FORGIVEN_AFTER_S:
            return 0.0
        return max(0.0, at + min(2.0 ** (n - n_free), LONGEST_WAIT_S) - now)
