"""Roles as processes: what runs in this installation, started again when it ends by itself, ended with its parent."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType

from service.settings import Settings

LOG = logging.getLogger(__name__)

ROLES = ("receive", "watch", "serve", "forward")
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "1")
"""Threads that wait for sums so small cost more than they save."""
RESTART_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""How long a role that ended is waited for before it is started again; the last wait repeats."""


def roles_of(settings: Settings) -> tuple[str, ...]:
    """The roles that this installation runs."""
    return (*ROLES, "mirror") if settings.has_channel else ROLES


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment in which a child process reads the very same settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("CEMENTWATCH_")}
    own.setdefault(*ONE_THREAD)
    for name, value in settings.model_dump(mode="json").items():
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            own[f"CEMENTWATCH_{name.upper()}"] = text
    return own


def keep_children_to_one_thread() -> None:
    """So for all processes that this one begins from now on, unless its own environment says otherwise."""
    os.environ.setdefault(*ONE_THREAD)


def command_of(*words: str) -> list[str]:
    """The command line of another process of ours."""
    return [sys.executable, "-m", "service", *words]


def keep_running(role: str, settings: Settings, stop: threading.Event, clock: Callable[[], float]) -> None:
    """Run ``role`` until told to stop; when it ends by itself it is waited for, longer each time, and started again."""
    n_ended = 0
    while not stop.is_set():
        child = _start(role, environment_of(settings))
        began = clock()
        while child.poll() is None and not stop.wait(0.1):
            pass
        if stop.is_set():
            _end(child)
            return
        n_ended = 0 if clock() - began > 60 else n_ended + 1
        wait = RESTART_S[min(n_ended, len(RESTART_S) - 1)]
        LOG.error("%s ended with %s; started again in %.1f s", role, child.returncode, wait)
        stop.wait(wait)


def _start(role: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command_of(role), env=dict(environment), start_new_session=True)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def stop_on_signal() -> threading.Event:
    """An event that is set once somebody asks this process to end."""
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    return stop
