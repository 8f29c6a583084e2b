"""Real peers for tests: Orthanc, PostgreSQL, DCMTK, Chromium, and the shared recordings.

Whatever is missing skips its tests and names the Debian package. With ``CEMENTWATCH_NO_SKIP=1`` a missing
program fails them instead, so that a build server cannot pass by having nothing installed.
"""

from __future__ import annotations

import json
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"


def pytest_addoption(parser: pytest.Parser) -> None:
    """``make golden`` asks for new golden journals."""
    parser.addoption("--rewrite-golden", action="store_true", help="write the golden journals anew")


LONGEST = frozenset(
    {
        "journeys",
        "speed",
        "golden",
        "test_docker",
        "test_schema_fuzz",
        "test_fuzz",
        "test_many_processes",
        "test_admin_guide",
    }
)
"""Folders and files of films, whole systems and many questions."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: where processes share the files, they must not be the last."""
    items.sort(key=lambda item: LONGEST.isdisjoint({item.path.parent.name, item.path.stem}))


def missing(reason: str) -> None:
    """Skip, or fail where nothing may be missing."""
    if os.environ.get("CEMENTWATCH_NO_SKIP") == "1":
        pytest.fail(f"MISSING: {reason}", pytrace=False)
    pytest.skip(f"MISSING: {reason}")


def program(name: str, package: str, path: str = SYSTEM_PATH) -> Path:
    """The program of a Debian package, not a namesake of the virtual environment."""
    found = shutil.which(name, path=path)
    if found is None:
        missing(f"{name} is not installed; apt-get install {package}")
    return Path(str(found))


def unused_port() -> int:
    """A loopback TCP port that nobody holds, below those that the system hands to whoever calls out."""
    while True:
        port = random.SystemRandom().randrange(10_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def running(
    command: Sequence[str | Path], log: Path, *, user: str | None = None, stop: int = signal.SIGINT, **env: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process of ours, stopped by its own pid at the end."""
    as_user: dict[str, Any] = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    with log.open("ab") as out:
        child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | env,
            cwd=log.parent,
            **as_user,
        )
    try:
        yield child
    finally:
        child.send_signal(stop)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_until(
    is_ready: Callable[[], bool], child: subprocess.Popen[bytes], log: Path, *, limit_s: float = 60.0
) -> None:
    """Wait for a peer that is starting; say what it printed when it does not."""
    give_up = time.monotonic() + limit_s
    while not is_ready():
        if child.poll() is not None or time.monotonic() > give_up:
            pytest.fail(f"{child.args!r} did not start:\n{log.read_text(errors='replace')[-2000:]}", pytrace=False)
        time.sleep(0.05)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real recordings and the CT; they are not part of the project."""
    folder = Path(os.environ.get("CEMENTWATCH_SHARED") or CHECKOUT.parent / "shared")
    if not (folder / "recordings").is_dir():
        pytest.skip("no shared recordings: set CEMENTWATCH_SHARED to the folder that holds recordings/ and ct/")
    return folder.resolve()


@pytest.fixture(scope="session")
def recordings(shared: Path) -> tuple[Path, ...]:
    """Every recorded DICOM object, in order of name."""
    return tuple(sorted(path for path in (shared / "recordings").iterdir() if path.is_file()))


@pytest.fixture
def free_port() -> int:
    """One free loopback port."""
    return unused_port()


@dataclass(frozen=True, slots=True, kw_only=True)
class Orthanc:
    """A running Orthanc: where it listens, and the three REST verbs that tests need."""

    http: str
    dicom_port: int
    aet: str = "ORTHANC"
    host: str = "127.0.0.1"

    def get(self, path: str) -> Any:
        """JSON of a GET."""
        return httpx.get(self.http + path, timeout=30).raise_for_status().json()

    def put(self, path: str, content: Any) -> None:
        """PUT JSON."""
        httpx.put(self.http + path, json=content, timeout=30).raise_for_status()

    def post(self, path: str, content: Any) -> Any:
        """POST JSON, or bytes as they are (an instance to store)."""
        body = {"content": content} if isinstance(content, bytes) else {"json": content}
        return httpx.post(self.http + path, timeout=120, **body).raise_for_status().json()

    def add_modality(self, name: str, aet: str, port: int, host: str = "127.0.0.1") -> None:
        """Let Orthanc know a peer that it may push to: ``POST /modalities/{name}/store``."""
        self.put(f"/modalities/{name}", {"AET": aet, "Host": host, "Port": port, "Timeout": 30})


def orthanc_settings(folder: Path, http_port: int, dicom_port: int) -> dict[str, Any]:
    """What a test Orthanc is told; the rest is Debian's default."""
    return {
        "Name": "cementwatch test peer",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "index"),
        "Plugins": [],
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAet": "ORTHANC",
        "DicomPort": dicom_port,
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowEcho": True,
        "DicomAlwaysAllowStore": True,
        "UnknownSopClassAccepted": True,
        "OverwriteInstances": True,
        "DicomScuTimeout": 30,
        "ConcurrentJobs": 2,
        "LimitFindResults": 0,
    }


@contextmanager
def orthanc_running(folder: Path, **told: Any) -> Iterator[Orthanc]:
    """An empty Orthanc on loopback, with Nagle's delay off as DCMTK's TCP_NODELAY=1 asks."""
    server = program("Orthanc", "orthanc")
    peer = Orthanc(http=f"http://127.0.0.1:{unused_port()}", dicom_port=unused_port())
    config, log = folder / "orthanc.json", folder / "orthanc.log"
    settings = orthanc_settings(folder, int(peer.http.rpartition(":")[2]), peer.dicom_port)
    config.write_text(json.dumps(settings | told))
    with running([server, config], log, stop=signal.SIGKILL, TCP_NODELAY="1") as child:
        wait_until(lambda: is_answering(peer.http + "/system"), child, log)
        yield peer


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    """An empty Orthanc of this test's own."""
    folder = tmp_path / "orthanc"
    folder.mkdir()
    with orthanc_running(folder) as peer:
        yield peer


def is_answering(url: str) -> bool:
    """True once an HTTP peer says 200."""
    try:
        return httpx.get(url, timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A running PostgreSQL cluster that trusts loopback."""

    port: int

    def url(self, database: str) -> str:
        """As SQLAlchemy writes it."""
        return f"postgresql+psycopg://cementwatch@127.0.0.1:{self.port}/{database}"

    def is_up(self) -> bool:
        """True once the cluster takes connections."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self) -> psycopg.Connection[Any]:
        """As the cluster's owner, to create databases."""
        return psycopg.connect(host="127.0.0.1", port=self.port, user="cementwatch", dbname="postgres", autocommit=True)


def postgres_programs() -> str:
    """Where Debian keeps the newest server's programs."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    return os.pathsep.join([*(str(folder) for folder in reversed(folders)), SYSTEM_PATH])


def postgres_user() -> str | None:
    """PostgreSQL refuses to run as root; Debian's package makes a user for it."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        missing("no user 'postgres'; apt-get install postgresql")
        raise


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A cluster in a temporary folder, made once per session."""
    initdb = program("initdb", "postgresql", postgres_programs())
    server = program("postgres", "postgresql", postgres_programs())
    user = postgres_user()
    folder = Path(tempfile.mkdtemp(prefix="cementwatch-postgres-"))
    if user is not None:
        shutil.chown(folder, user, user)
    cluster, log = Postgres(port=unused_port()), folder / "server.log"
    make = [initdb, "-D", folder / "cluster", "-U", "cementwatch", "-E", "UTF8", "--locale=C.UTF-8", "--auth=trust"]
    options = {
        "fsync": "off",
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": folder,
        "max_connections": 200,
    }
    start = [server, "-D", folder / "cluster", "-p", str(cluster.port)]
    start += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    try:
        with running([*make, "--no-sync"], log, user=user) as child:
            child.wait(120)
        with running(start, log, user=user) as child:
            wait_until(cluster.is_up, child, log)
            yield cluster
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def new_postgres_url(postgres: Postgres) -> Callable[[], str]:
    """Call it for the URL of one more empty database."""
    made: list[str] = []

    def make() -> str:
        made.append(f"journal_{len(made)}")
        with postgres.connect() as connection:
            connection.execute(f"CREATE DATABASE {made[-1]}")  # a name of our own
        return postgres.url(made[-1])

    return make


@pytest.fixture
def postgres_url(new_postgres_url: Callable[[], str]) -> str:
    """URL of an empty PostgreSQL database of this test's own."""
    return new_postgres_url()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dcmtk:
    """DCMTK's programs, which speak DICOM as most devices do."""

    storescu: Path
    dcmsend: Path
    echoscu: Path
    storescp: Path


@pytest.fixture(scope="session")
def dcmtk() -> Dcmtk:
    """Paths of DCMTK's programs."""
    return Dcmtk(**{name: program(name, "dcmtk") for name in ("storescu", "dcmsend", "echoscu", "storescp")})


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Path of the browser that looks at the page."""
    return program("chromium", "chromium")
