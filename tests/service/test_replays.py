"""Replays whose process ends without a word: nothing of them is left, and they say by themselves that they failed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from db.connect import connect
from db.replays import ReplayState, find_replay
from service.replays import DIED, Replayer, folder_of
from service.roles import environment_of
from service.settings import Settings
from tests.conftest import CHECKOUT
from tests.service.conftest import until


def children() -> dict[int, str]:
    """The processes that this one has started and not yet seen out, by id, with their state: Z is a zombie."""
    states = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parent) == os.getpid():
            states[int(stat.parent.name)] = state
    return states


@pytest.mark.parametrize("end", ["killed", "refused its settings"])
def test_a_replay_whose_process_died_has_failed_and_leaves_nothing_though_nobody_asks(tmp_path, end):
    settings = Settings(data_dir=tmp_path / "data", replay_dir=tmp_path)
    engine = connect(settings.journal_url)
    wrong = {"CEMENTWATCH_DICOM_PORT": "none"} if end != "killed" else {}
    environment = environment_of(settings) | {"PYTHONPATH": str(CHECKOUT)} | wrong
    replayer = Replayer(settings, engine, now=time.time, environment=environment)
    before = set(children())
    id = replayer.start("folder", "1.2.3", None)
    (child,) = set(children()) - before
    folder = folder_of(settings, id)
    folder.mkdir(parents=True)
    (folder / "fetched.dcm").write_bytes(b"a patient's")
    if end == "killed":
        os.kill(child, signal.SIGKILL)
    until(lambda: find_replay(engine, id).state is not ReplayState.QUEUED, "the replay has failed")
    assert (find_replay(engine, id).state, find_replay(engine, id).reason) == (ReplayState.FAILED, DIED)
    assert child not in children()
    until(lambda: not folder.exists(), "what was fetched is gone")
    assert replayer.progress(id)["state"] == "failed"
    engine.dispose()
