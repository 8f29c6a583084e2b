"""The API guide is walked as it is written: every block, against a server with a procedure and an alert."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.conftest import CHECKOUT
from tests.house.fences import fences
from tests.service.visitors import admit, issue

GUIDE = CHECKOUT / "docs" / "api-guide.md"


@pytest.fixture
def walk(room, watch, tmp_path):
    """Call it with an interpreter and a language: all blocks of that language as one program; what it printed."""
    admit(room)
    token = issue(room, "guide", "read", "act", "export")["Authorization"].removeprefix("Bearer ")
    room.open()
    room.beat()
    room.see()
    room.raise_alert()

    def run(command: list[str], language: str, head: str = "") -> str:
        told = head + "\n".join(each.text for each in fences(GUIDE, language))
        environment = os.environ | {"URL": room.url, "TOKEN": token}
        done = subprocess.run(
            command, input=told, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_shell_walks_the_guide(walk, tmp_path):
    said = walk(["bash"], "bash", "set -euo pipefail\n")
    assert "('CARM1', 'watching'" in said
    assert "nothing new" in said
    assert "\nacknowledged token:guide\n" in said
    assert "conflict" in said
    assert "ff d8" in said, "a JPEG"
    assert "%PDF-" in said
    assert "('receive', False," in said, "a part that is not there is named with its reason"


def test_a_program_walks_the_guide(walk):
    said = walk([sys.executable, "-"], "python")
    assert "high canal present on Cement in the spinal canal" in said
    assert "frames are being judged" in said
    assert "found 0.88" in said
    assert "nearest to the posterior wall: 4.1 mm" in said


def test_every_block_of_a_guide_is_of_a_language_that_is_run():
    for page in (GUIDE, CHECKOUT / "docs" / "admin-guide.md"):
        languages = {each.language for each in fences(page)}
        assert languages <= {"bash", "python"}, f"{page.name}: {languages}"
        assert "bash" in languages
