"""The commands by name: listed and completed without being loaded, and each role loads what it needs and no more."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from contextlib import suppress
from importlib import import_module

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from db import heartbeat
from db.connect import StoreFailure, connect
from service.__main__ import COMMANDS, main
from service.settings import Settings
from tests.conftest import CHECKOUT, running, unused_port, wait_until

START = [sys.executable, "-X", "importtime", "-m", "service"]
HEAVY = {"numpy", "cv2", "pydicom", "pynetdicom", "sqlalchemy", "pydantic", "fastapi", "httpx"}
"""What makes a start slow."""


def loaded(told: str) -> set[str]:
    """The packages that an interpreter says it has loaded."""
    return {name.partition(".")[0] for name in re.findall(r"^import time:.*\|\s+([\w.]+)$", told, re.MULTILINE)}


@pytest.mark.parametrize("name", [each.name for each in COMMANDS])
def test_a_command_is_listed_as_it_explains_itself(name):
    stand_in = main.commands[name]
    command = stand_in.load()
    assert (command.name, command.hidden) == (name, stand_in.hidden)
    for width in (45, 500):
        assert stand_in.get_short_help_str(width) == command.get_short_help_str(width)


def test_no_command_is_forgotten():
    modules = {each.place.partition(":")[0] for each in COMMANDS}
    told = [
        each for module in modules for each in vars(import_module(module)).values() if isinstance(each, click.Command)
    ]
    below = {child.name for each in told if isinstance(each, click.Group) for child in each.commands.values()}
    groups = {each for each in told if each.name in below}
    assert {each.name for each in told if each not in groups} == {each.name for each in COMMANDS}


def test_a_command_explains_its_own_options():
    told = CliRunner().invoke(main, ["send", "--help"])
    assert told.exit_code == 0
    assert "--phantom" in told.output
    assert "Usage: main send [OPTIONS]" in told.output


def test_a_word_that_is_no_command_is_refused():
    told = CliRunner().invoke(main, ["wotch"])
    assert told.exit_code == 2
    assert "No such command 'wotch'" in told.output


def completed(words: list[str], begun: str) -> set[str]:
    """What a shell offers after these words."""
    return {each.value for each in ShellComplete(main, {}, "cementwatch", "_X").get_completions(words, begun)}


def test_a_shell_completes_commands_and_the_options_of_each():
    assert completed([], "re") == {"receive", "replay", "results"}
    assert completed([], "play") == set(), "hidden"
    assert completed(["send"], "--ph") == {"--phantom"}
    assert completed(["user"], "") == {"add", "disable", "list", "password"}


def test_help_lists_every_command_and_loads_none(tmp_path):
    told = subprocess.run(
        [*START, "--help"], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment()
    )
    assert set(re.findall(r"^  ([a-z-]+)  ", told.stdout, re.MULTILINE)) == {c.name for c in COMMANDS if not c.hidden}
    assert "click" in loaded(told.stderr)
    assert not HEAVY & loaded(told.stderr)


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(CHECKOUT)} | more


def test_the_receiver_loads_no_database_no_analysis_and_no_interface(tmp_path):
    port, log = unused_port(), tmp_path / "log"

    def answers() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    env = environment(CEMENTWATCH_DATA_DIR=str(tmp_path / "data"), CEMENTWATCH_DICOM_PORT=str(port))
    with running([*START, "receive"], log, **env) as child:
        wait_until(answers, child, log)
    assert "pynetdicom" in loaded(log.read_text())
    assert not {"sqlalchemy", "alembic", "cv2", "fastapi", "uvicorn", "httpx", "reportlab"} & loaded(log.read_text())


def test_the_analysis_loads_no_network_and_no_interface(tmp_path):
    log, settings = tmp_path / "log", Settings(data_dir=tmp_path / "data")

    def beats() -> bool:
        with suppress(StoreFailure):
            engine = connect(settings.journal_url)
            told = heartbeat.last_sign(engine)
            engine.dispose()
            return told is not None
        return False

    settings.data_dir.mkdir()
    with running([*START, "watch"], log, **environment(CEMENTWATCH_DATA_DIR=str(settings.data_dir))) as child:
        wait_until(beats, child, log)
    assert {"sqlalchemy", "cv2"} <= loaded(log.read_text())
    assert not {"pynetdicom", "fastapi", "uvicorn", "httpx", "reportlab", "highdicom"} & loaded(log.read_text())
