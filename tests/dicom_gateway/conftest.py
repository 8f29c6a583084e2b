"""A listener on a spool of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicom_gateway.arrival import Arrival
from dicom_gateway.due import Due
from dicom_gateway.listener import Listener
from dicom_gateway.peer import Peer
from dicom_gateway.sender import send
from dicom_gateway.spool import Spool


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
def heard() -> list[Arrival]:
    """What the listener announced."""
    return []


@pytest.fixture
def listen(spool: Spool, heard: list[Arrival]) -> Iterator[Callable[..., Listener]]:
    """Call it for a listener with these settings."""
    started: list[Listener] = []

    def start(**settings: Any) -> Listener:
        values = {"port": 0, "min_free_bytes": 0, "on_arrival": heard.append} | settings
        started.append(Listener(spool, **values))
        started[-1].start()
        return started[-1]

    yield start
    for listener in started:
        listener.stop()


@pytest.fixture
def listener(listen: Callable[..., Listener]) -> Listener:
    return listen()


@pytest.fixture
def peer(listener: Listener) -> Peer:
    return Peer(host="127.0.0.1", port=listener.port, calling="ARM1")


@pytest.fixture
def store(peer: Peer) -> Callable[..., int | None]:
    """Store one object or file; the status."""

    def store_one(content: Dataset | Path, to: Peer = peer) -> int | None:
        (sent,) = send([Due(offset_s=0.0, content=content)], to, speed=None, clock=time.monotonic, sleep=time.sleep)
        return sent.status

    return store_one
