"""The admin guide is done as it is written: every command block, in order, in one shell, against a real PostgreSQL."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from tests.archive import seen_archive
from tests.conftest import CHECKOUT, postgres_programs, unused_port
from tests.house.fences import fences
from tests.service.aged import FIRST

GUIDE = CHECKOUT / "docs" / "admin-guide.md"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


NEW_VERSION = "# now install the new version\n"
OLD_DATABASE = 'python3 -m tests.service.aged "postgresql+psycopg://$DB_ROLE:$DB_PASSWORD@$PGHOST:$PGPORT/$DB_NAME"'


def script() -> str:
    """All blocks, each of which says where it begins; the upgrade is of a database in the first schema, with what this site has recorded."""
    told = [f"echo '== line {each.line}' >&2\n{each.text}" for each in fences(GUIDE)]
    (upgrade,) = (place for place, text in enumerate(told) if NEW_VERSION in text)
    told[upgrade] = f"{told[upgrade].replace(NEW_VERSION, OLD_DATABASE + chr(10))}{OLD_DATABASE} --count\n"
    return "set -euo pipefail\ntrap 'jobs -p | xargs --no-run-if-empty kill' EXIT\n" + "\n".join(told)


def newest_schema() -> str:
    return str(ScriptDirectory(str(CHECKOUT / "db" / "migrations")).get_current_head())


def environment(folder: Path, port: int, pacs_port: int) -> dict[str, str]:
    """What a site sets before the first block; all else is the guide's."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("CEMENTWATCH_", "PG"))}
    return clean | {
        "PATH": os.pathsep.join([postgres_programs(), os.environ["PATH"]]),
        "PYTHONPATH": str(CHECKOUT),
        "SITE": str(folder / "site"),
        "VENV": str(Path(sys.executable).parents[1]),
        "HOST_NAME": "localhost",
        "HTTP_PORT": str(unused_port()),
        "DICOM_PORT": str(unused_port()),
        "PGPORT": str(port),
        "PGUSER": "cementwatch",
        "DB_NAME": "site",
        "DB_ROLE": "site_owner",
        "PACS_PORT": str(pacs_port),
    }


def test_the_admin_guide_is_done_from_its_first_block_to_its_last(tmp_path, postgres):
    with seen_archive() as pacs, (tmp_path / "said.txt").open("w+") as said:
        child = subprocess.Popen(
            ["bash", "-c", script()],
            cwd=CHECKOUT,
            env=environment(tmp_path, postgres.port, pacs.port),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            child.wait(500)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGTERM)
            child.wait(60)
        said.seek(0)
        told = said.read()
    assert child.returncode == 0, told[-4000:]
    assert told.count("lines, unbroken") == 3, "the restored one, the small one, and the one that is brought up to date"
    assert "server.pem: OK" in told
    assert "socket ignored" not in told, "the backup holds what is worth keeping"
    assert sum(pacs.copies.values()) >= 1, "the archive has what was sent"
    assert "WRONG" not in told
    (old, held), (new, kept) = re.findall(r"^schema (\w+): (.+)$", told, re.MULTILINE)
    assert (old, new) == (FIRST, newest_schema())
    assert kept == held, "an upgrade loses nothing"
    assert re.search(r"entry [1-9]\d+, .*arrival 10, procedure 1, ", held), "there was something to lose"
    private = tmp_path / "site" / "cementwatch.toml"
    assert private.stat().st_mode & 0o077 == 0, "the settings hold a password"
