"""Receivers to be measured: ours, Orthanc and storescp, each a process of its own with an empty store."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from dicom_gateway.peer import Peer, echo
from tests.conftest import CHECKOUT, SYSTEM_PATH, orthanc_settings, running, unused_port, wait_until

OURS = "cementwatch"
ENVIRONMENTS: dict[str, dict[str, str]] = {"default": {}, "TCP_NODELAY=1": {"TCP_NODELAY": "1"}}
Start = Callable[[Path, dict[str, str]], "Iterator[Receiver]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A receiver that runs: how it is called, and how many objects lie in its store (None: it keeps none)."""

    peer: Peer
    n_stored: Callable[[], int] | None


def wait_stored(receiver: Receiver, n_sent: int, limit_s: float = 10.0) -> None:
    """A receiver that lost objects would be fast for a bad reason."""
    until = time.monotonic() + limit_s
    while receiver.n_stored is not None and (n_stored := receiver.n_stored()) != n_sent:
        if time.monotonic() > until:
            raise RuntimeError(f"{receiver.peer.called} was sent {n_sent} objects and holds {n_stored}")
        time.sleep(0.1)


def is_installed(program: str) -> bool:
    """Whether a program that is no part of ours is there."""
    return shutil.which(program, path=SYSTEM_PATH) is not None


def new_peer(called: str) -> Peer:
    """Where a receiver of this title shall listen."""
    return Peer(host="127.0.0.1", port=unused_port(), called=called, calling="BENCH")


def _start_ours(folder: Path, environment: dict[str, str]) -> Iterator[Receiver]:
    peer, data, log = new_peer("CEMENTWATCH"), folder / "data", folder / "log"
    told = {"PYTHONPATH": str(CHECKOUT), "CEMENTWATCH_DATA_DIR": str(data), "CEMENTWATCH_DICOM_PORT": str(peer.port)}
    with running([sys.executable, "-m", "service", "receive"], log, **environment, **told) as child:
        wait_until(lambda: echo(peer), child, log)
        yield Receiver(peer=peer, n_stored=lambda: len(list(data.glob("spool/arrivals/*/*.dcm"))))


def _start_orthanc(folder: Path, environment: dict[str, str]) -> Iterator[Receiver]:
    peer, http_port, log = new_peer("ORTHANC"), unused_port(), folder / "log"
    config = folder / "orthanc.json"
    config.write_text(json.dumps(orthanc_settings(folder, http_port, peer.port)), encoding="utf-8")

    def count() -> int:
        return int(httpx.get(f"http://127.0.0.1:{http_port}/statistics", timeout=10).json()["CountInstances"])

    command = [str(shutil.which("Orthanc", path=SYSTEM_PATH)), config]
    with running(command, log, stop=signal.SIGKILL, **environment) as child:
        wait_until(lambda: echo(peer), child, log)
        yield Receiver(peer=peer, n_stored=count)


def _start_storescp(folder: Path, environment: dict[str, str]) -> Iterator[Receiver]:
    store = folder / "store"
    store.mkdir()
    with _storescp(folder, environment, "-od", store) as peer:
        yield Receiver(peer=peer, n_stored=lambda: len(list(store.iterdir())))


def start_sink(folder: Path, environment: dict[str, str]) -> Iterator[Receiver]:
    """What a sender and the loopback could do at most: a storescp that answers and keeps nothing."""
    with _storescp(folder, environment, "--ignore") as peer:
        yield Receiver(peer=peer, n_stored=None)


@contextmanager
def _storescp(folder: Path, environment: dict[str, str], *words: str | Path) -> Iterator[Peer]:
    # a child for each association, or four senders would be served one after another
    peer, log = new_peer("STORESCP"), folder / "log"
    command = [str(shutil.which("storescp", path=SYSTEM_PATH)), "--fork", *words, str(peer.port)]
    with running(command, log, **environment) as child:
        wait_until(lambda: echo(peer), child, log)
        yield peer


RECEIVERS: dict[str, tuple[str, Start]] = {
    OURS: ("storescu", _start_ours),
    "orthanc": ("Orthanc", _start_orthanc),
    "storescp": ("storescp", _start_storescp),
}
"""Program whose presence decides, and how it is started."""
