"""A wake-up between our processes, never the truth.

Whoever writes to the journal or the spool rings; whoever reads them listens, and looks for itself.
Each listener is a Unix datagram socket in one folder; ringing is a one-byte datagram to every socket found there.
A lost ring costs at most the listener's own patience, so nothing here waits, retries or fails.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

LONGEST_MESSAGE = 150_000
"""Bytes; what a Unix datagram surely holds."""
LONGEST_ADDRESS = 100
"""Unix socket addresses hold 108 bytes on Linux, 104 elsewhere."""


class Bell:
    """Rings every listener of a folder; cheap to make, safe from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ring(self) -> int:
        """Wake all listeners and sweep the dead ones; how many were alive."""
        return self._ring(b"!")

    def _ring(self, message: bytes) -> int:
        with (
            suppress(FileNotFoundError),
            _address_of(self._folder) as folder,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.setblocking(False)
            return sum(_ring_one(sender, f"{folder}/{name}", message) for name in os.listdir(folder))  # noqa: PTH208 - may be a descriptor, not a path
        return 0

    def tell(self, message: bytes) -> int:
        """As ``ring``, with some words for ``Ear.take``; a listener that is full or gone does not get them."""
        return self._ring(message)

    def listen(self) -> Ear:
        """An open ear; close it, or use it as a context."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return Ear(self._folder, f"{os.getpid()}-{secrets.token_hex(6)}")


class Ear:
    """One listener. Rings that came since the last ``wait`` count as one."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with _address_of(folder) as address:
            self._socket.bind(f"{address}/{name}")

    def wait(self, timeout_s: float) -> bool:
        """True as soon as the bell has rung, False when ``timeout_s`` seconds passed in silence."""
        has_rung = self._heard(max(timeout_s, 0.0))
        while has_rung and self._heard(0.0):
            pass
        return has_rung

    def take(self, timeout_s: float) -> bytes | None:
        """The oldest words not yet taken, or None when ``timeout_s`` seconds passed in silence."""
        try:
            self._socket.settimeout(max(timeout_s, 0.001))
            return self._socket.recv(LONGEST_MESSAGE)
        except OSError:
            return None

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _heard(self, timeout_s: float) -> bool:
        """Whether one ring could be taken from the queue; False on a closed ear too."""
        try:
            self._socket.settimeout(timeout_s)
            return bool(self._socket.recv(1))
        except OSError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _ring_one(sender: socket.socket, address: str, message: bytes) -> bool:
    """Whether the listener at ``address`` is alive; a full queue means that it has been rung already."""
    try:
        sender.sendto(message, address)
    except BlockingIOError:
        return True
    except ConnectionRefusedError:
        with suppress(OSError):
            os.unlink(address)  # noqa: PTH108 - as above
        return False
    except OSError:
        return False
    return True


@contextmanager
def _address_of(folder: Path) -> Iterator[str]:
    """A short name of ``folder``: a deep data folder would not fit into a socket address."""
    if len(os.fsencode(folder)) + 32 < LONGEST_ADDRESS:
        yield str(folder)
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
