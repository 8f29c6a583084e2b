"""The container files, as far as they can be tried without an engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.house.tree import CHECKOUT, PACKAGES, all_files

DOCKERFILE = CHECKOUT / "docker" / "Dockerfile"
COMPOSE = CHECKOUT / "docker" / "compose.yaml"
INSTALLED_AT = "/opt/cementwatch"


def instructions() -> list[list[tuple[str, str]]]:
    """(instruction, arguments) of each stage of the Dockerfile."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    stages: list[list[tuple[str, str]]] = []
    for line in filter(str.strip, text.splitlines()):
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest.strip()))
    return stages


@pytest.fixture(scope="module")
def compose() -> list[str]:
    """The compose client; neither form needs an engine to read a file."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    plugin = ["docker", "compose"]
    if (
        shutil.which("docker")
        and subprocess.run([*plugin, "version"], check=False, capture_output=True).returncode == 0
    ):
        return plugin
    missing("no compose client; apt-get install docker-compose")
    return []


def read_compose(client: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    """What the client makes of the file when only these variables are set."""
    command = [*client, "-f", str(COMPOSE), "--profile", "demo", "config"]
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | env
    return subprocess.run(command, check=False, capture_output=True, text=True, env=clean, timeout=60, cwd=CHECKOUT)


def test_compose_client_accepts_the_file(compose):
    seen = read_compose(compose, POSTGRES_PASSWORD="a-password")
    assert seen.returncode == 0, seen.stderr
    for service in ("cementwatch", "postgres", "orthanc", "sender"):
        assert f"\n  {service}:" in seen.stdout


@pytest.mark.parametrize("env", [{}, {"POSTGRES_PASSWORD": ""}], ids=["unset", "empty"])
def test_compose_refuses_to_start_without_a_password(compose, env):
    if (COMPOSE.parent / ".env").exists():
        pytest.skip("docker/.env gives a password here")
    seen = read_compose(compose, **env)
    assert seen.returncode != 0
    assert "choose one" in seen.stderr


def test_nothing_is_published_beyond_loopback():
    published = re.findall(r'- "([\d.]*:?\d+:\d+)"', COMPOSE.read_text())
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_no_password_is_committed():
    assert re.search(r"^POSTGRES_PASSWORD=$", (COMPOSE.parent / "env.example").read_text(), re.MULTILINE)


def test_orthanc_file_is_json_and_knows_us():
    told = json.loads((COMPOSE.parent / "orthanc.json").read_text())
    assert told["DicomModalities"]["cementwatch"] == ["CEMENTWATCH", "cementwatch", 11112]


def test_image_runs_as_nobody_special_and_says_whether_it_is_well():
    *_, final = instructions()
    words = dict(final)
    assert words["USER"] not in {"root", "0"}
    assert "/api/v1/health/ready" in words["HEALTHCHECK"]
    assert json.loads(words["CMD"])[0] == "cementwatch"


def in_sandbox(command: str, root: Path) -> str:
    """A step of the Dockerfile with this interpreter, and the image's folder moved below ``root``."""
    return command.replace(INSTALLED_AT, str(root / "opt")).replace("python -m venv", f"{sys.executable} -m venv")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_build_steps_install_a_program_that_starts(tmp_path):
    build, _ = instructions()
    work = tmp_path / "build"
    work.mkdir()
    for word, rest in build:
        if word == "RUN":
            subprocess.run(["bash", "-euc", in_sandbox(rest, tmp_path)], check=True, cwd=work, timeout=500)
        elif word == "COPY":
            copy_into(work, rest)
    program = tmp_path / "opt" / "bin" / "cementwatch"
    assert (
        "Usage" in subprocess.run([program, "--help"], check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    )
    listed = subprocess.run([program.parent / "pip", "list"], check=True, capture_output=True, text=True).stdout
    assert "pytest" not in listed
    library = next((tmp_path / "opt").glob("lib/python3*/site-packages"))
    left_out = [str(path) for path in all_files() if path.parts[0] in PACKAGES and not (library / path).is_file()]
    assert not left_out


def copy_into(work: Path, arguments: str) -> None:
    """``COPY a b ./`` or ``COPY folder folder``, without what .dockerignore leaves out."""
    *sources, target = arguments.split()
    for source in sources:
        if (CHECKOUT / source).is_dir():
            shutil.copytree(CHECKOUT / source, work / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(CHECKOUT / source, work / target)
