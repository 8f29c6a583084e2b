"""Recorded studies, played again through our own door by a process of their own."""

from __future__ import annotations

import itertools
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from db import procedures, replays
from db.connect import Engine, StoreFailure
from db.replays import UNFINISHED, ReplayState
from dicom_gateway.due import Due, due_from_folder
from dicom_gateway.header import read_header
from dicom_gateway.peer import Peer
from dicom_gateway.refusal import Unreachable, Unreadable
from dicom_gateway.sender import Sent, send
from service.entrance import secured
from service.orthanc import fetch_study, instances_of
from service.settings import Settings

LOG = logging.getLogger(__name__)

AGAIN_S = (0.5, 1.0, 5.0, 30.0)
"""Pauses between attempts to tell the journal that a replay has ended; the last one repeats."""
DIED = "the replay process ended unexpectedly"


class Replayer:
    """Starts, follows and cancels replays for the HTTP side; each runs in a child process."""

    def __init__(
        self, settings: Settings, engine: Engine, *, now: Callable[[], float], environment: Mapping[str, str]
    ) -> None:
        self._settings, self._engine, self._now = settings, engine, now
        self._environment = dict(environment)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()

    def start(self, source: str, study: str, speed: float | None) -> str:
        """The id of a new replay. Raises ValueError, LookupError or ConnectionError before anything has begun."""
        if source == "orthanc":
            instances_of(self._settings.orthanc_url, study)
        else:
            _folder_of(self._settings)
        queued = replays.queue_replay(
            self._engine, source=source, study_instance_uid=study, speed=speed, at=self._now()
        )
        id = queued.id
        command = [sys.executable, "-m", "service", "play-replay", id]
        with self._lock:
            child = subprocess.Popen(command, env=self._environment, start_new_session=True)
            self._children[id] = child
        threading.Thread(target=self._see_out, args=(id, child), name="replay", daemon=True).start()
        return id

    def _see_out(self, id: str, child: subprocess.Popen[bytes]) -> None:
        """Wait for the end of a child, so that nothing of it is left, and say so where it could not."""
        child.wait()
        pauses = itertools.chain(AGAIN_S, itertools.repeat(AGAIN_S[-1]))
        while not self._is_settled(id):
            time.sleep(next(pauses))
        _remove(folder_of(self._settings, id))
        with self._lock:
            self._children.pop(id, None)

    def _is_settled(self, id: str) -> bool:
        """Whether the journal knows that a child which is no more has ended; one that died without a word has failed."""
        try:
            replays.end_replay(self._engine, id, ReplayState.FAILED, at=self._now(), reason=DIED)
        except StoreFailure as failure:
            LOG.warning("the end of a replay waits for the journal (%s)", type(failure).__name__)
            return False
        return True

    def progress(self, id: str) -> Mapping[str, Any] | None:
        """How far it is."""
        known = replays.find_replay(self._engine, id)
        if known is None:
            return None
        opened = procedures.find_procedure(self._engine, known.study_instance_uid or "", id)
        return asdict(known) | {"procedure": opened.id if opened else None}

    def cancel(self, id: str) -> bool:
        """Stop it if it runs; False for an unknown one."""
        known = replays.find_replay(self._engine, id)
        if known is None:
            return False
        with self._lock:
            child = self._children.get(id)
        replays.end_replay(self._engine, id, ReplayState.CANCELLED, at=self._now())
        if child is not None and child.poll() is None:
            child.send_signal(signal.SIGTERM)
            child.wait(timeout=10)
        _remove(folder_of(self._settings, id))
        return True


def play_replay(
    settings: Settings, engine: Engine, id: str, *, now: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    """The child's work: fetch the study, send it with the replay's own AE title, note the progress."""
    known = replays.find_replay(engine, id)
    if known is None or known.study_instance_uid is None:
        raise LookupError("no such replay")
    folder = folder_of(settings, id)
    if not replays.begin_replay(engine, id, at=now()):
        return
    try:
        due = _due(settings, known.source, known.study_instance_uid, folder)
        replays.note_sent(engine, id, sent=0, total=len(due))
        peer = Peer(
            host=_reachable(settings.dicom_host),
            port=settings.dicom_port,
            called=settings.ae_title,
            calling=f"RPL.{id}",
        )
        for n_sent, sent in enumerate(
            send(due, secured(peer, settings), speed=known.speed, clock=now, sleep=sleep), start=1
        ):
            _check(sent)
            if replays.note_sent(engine, id, sent=n_sent).state not in UNFINISHED:
                return
        replays.end_replay(engine, id, ReplayState.DONE, at=now())
    except (Unreachable, LookupError, ConnectionError, OSError) as error:
        replays.end_replay(engine, id, ReplayState.FAILED, at=now(), reason=str(error))
    finally:
        _remove(folder)


def folder_of(settings: Settings, id: str) -> Path:
    """Where a replay keeps what it fetched while it plays."""
    return settings.data_dir / "replays" / id


def _check(sent: Sent) -> None:
    if sent.status != 0:
        raise Unreachable("the receiver refused an object")


def _due(settings: Settings, source: str, study: str, folder: Path) -> tuple[Due, ...]:
    if source == "orthanc":
        fetch_study(settings.orthanc_url, study, folder)
        return due_from_folder(folder)
    due = tuple(item for item in due_from_folder(_folder_of(settings)) if _is_of(item, study))
    if not due:
        raise LookupError("the study is not in the replay folder")
    return due


def _is_of(item: Due, study: str) -> bool:
    try:
        return isinstance(item.content, Path) and read_header(item.content).study_instance_uid == study
    except Unreadable:
        return False


def _folder_of(settings: Settings) -> Path:
    if settings.replay_dir is None:
        raise ValueError("no replay folder is set: CEMENTWATCH_REPLAY_DIR")
    return settings.replay_dir


def _reachable(host: str) -> str:
    """Where a process on this machine finds a listener; replays are taken from loopback only."""
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - compared, not bound


def _remove(folder: Path) -> None:
    for path in folder.glob("*"):
        path.unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        folder.rmdir()
