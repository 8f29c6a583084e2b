"""Slows down whoever guesses passwords; nobody is ever locked out by somebody else.

Failures are counted for a name at an address, and for an address. After the first few, each further failure doubles the
wait up to its limit. An account as such is never locked: a stranger must not be able to keep an operator out. An attempt
counts from its beginning, else many at once would pass where one after another would wait.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict

from service.exposure import UNKNOWN

FREE_FOR_NAME, FREE_FOR_ADDRESS = 5, 20
"""Failures that cost no wait: of one name at one address, and of one address."""
LONGEST_WAIT_S = 60.0
N_DOUBLINGS = 6
"""After so many the wait has its limit."""
WAIT_FOR_OTHERS_S = 1.0
"""While attempts that would use up what is free are still being compared."""
FORGIVEN_AFTER_S = 900.0
N_KEPT = 10_000
"""Keys remembered; the oldest is forgotten first."""

Key = tuple[str, ...]


class Throttle:
    """Remembers failures in this process; ``now`` is seconds."""

    def __init__(self) -> None:
        self._failures: OrderedDict[Key, tuple[int, float]] = OrderedDict()
        self._under_way: Counter[Key] = Counter()
        self._lock = threading.Lock()

    def wait_s(self, name: str, address: str, now: float) -> float:
        """How long this name at this address must wait from now on; 0 when it may try."""
        with self._lock:
            return max(self._wait(key, n_free, now) for key, n_free in _keys(name, address).items())

    def begin(self, name: str, address: str, now: float) -> float:
        """As ``wait_s``; with 0 an attempt is under way, until ``fail``, ``succeed`` or ``give_up`` ends it."""
        keys = _keys(name, address)
        with self._lock:
            wait = max(self._wait(key, n_free, now) for key, n_free in keys.items())
            if wait == 0:
                self._under_way.update(keys.keys())
        return wait

    def give_up(self, name: str, address: str) -> None:
        """The attempt has not been compared."""
        with self._lock:
            self._end(name, address)

    def fail(self, name: str, address: str, now: float) -> None:
        """One more failure."""
        with self._lock:
            self._end(name, address)
            for key in _keys(name, address):
                n, at = self._failures.pop(key, (0, now))
                self._failures[key] = (n + 1 if now - at < FORGIVEN_AFTER_S else 1, now)
            while len(self._failures) > N_KEPT:
                self._failures.popitem(last=False)

    def succeed(self, name: str, address: str) -> None:
        """The name is forgiven at this address; the address is not: one good password must not buy more guesses."""
        with self._lock:
            self._end(name, address)
            self._failures.pop(("name", name, address), None)

    def _wait(self, key: Key, n_free: int, now: float) -> float:
        n, at = self._failures.get(key, (0, now))
        if at > now:  # the clock was set back: count from here, else a minute would become an hour
            at = now
            self._failures[key] = n, at
        if now - at >= FORGIVEN_AFTER_S:
            n = 0
        n_under_way = self._under_way[key]
        if n + n_under_way < n_free:
            return 0.0
        doubled = min(2.0 ** min(n - n_free, N_DOUBLINGS), LONGEST_WAIT_S) if n >= n_free else 0.0
        return max(0.0, at + doubled - now, WAIT_FOR_OTHERS_S if n_under_way else 0.0)

    def _end(self, name: str, address: str) -> None:
        for key in _keys(name, address):
            self._under_way[key] -= 1
            if self._under_way[key] <= 0:
                del self._under_way[key]


def _keys(name: str, address: str) -> dict[Key, int]:
    """What is counted, and how much of it is free. An address that is not known is everybody's: it counts for nobody."""
    by_name: dict[Key, int] = {("name", name, address): FREE_FOR_NAME}
    return by_name if address == UNKNOWN else {**by_name, ("address", address): FREE_FOR_ADDRESS}
