"""The whole system as its users meet it: processes, a DICOM port, an HTTP port, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from dicom_gateway.due import Due
from dicom_gateway.peer import Peer, echo
from dicom_gateway.refusal import Unreachable
from dicom_gateway.sender import Sent, send
from tests.conftest import CHECKOUT, unused_port

ROLES = ("receive", "watch", "serve")
PATIENCE_S = 90.0
Json = dict[str, Any]
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class House:
    """One installation in a temporary folder; its processes are started and ended one by one, or all by ``all``."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    dicom_port: int = field(default_factory=unused_port)
    http_port: int = field(default_factory=unused_port)
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def log(self) -> Path:
        """What all processes printed."""
        return self.folder / "log.jsonl"

    def environment(self) -> dict[str, str]:
        """What a process of this installation is started with."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("CEMENTWATCH_")}
        told = {
            "DATA_DIR": str(self.folder / "data"),
            "HTTP_PORT": str(self.http_port),
            "DICOM_PORT": str(self.dicom_port),
            # a slow machine must not change what is judged first; haste has a test of its own
            "SKIP_AFTER_S": "600",
            **self.settings,
        }
        return own | {"PYTHONPATH": str(CHECKOUT)} | {f"CEMENTWATCH_{name}": value for name, value in told.items()}

    def start(self, *names: str) -> None:
        """Start roles, or ``all``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            with self.log.open("ab") as out:
                self.children[name] = subprocess.Popen(
                    [sys.executable, "-m", "service", name],
                    env=self.environment(),
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command of this installation, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "service", *words],
            env=self.environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def open(self, *names: str) -> None:
        """Start, and wait until objects and questions are taken, and frames are judged if ``watch`` is to run."""
        self.start(*names)
        if {"all", "watch"} & set(names):
            self.wait_until_ready()
        else:
            self.until(lambda: self._answers("/health/live") and echo(self.peer()), "objects and questions are taken")

    def wait_until_ready(self) -> None:
        """Until every check of ``/health/ready`` passes."""
        self.until(lambda: self._answers("/health/ready"), "the system is ready")

    def _answers(self, path: str) -> bool:
        try:
            return httpx.get(self.url + path, timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def pid_of(self, role: str) -> int | None:
        """The process of a role, our own child or the child of ``all``."""
        if role in self.children:
            return self.children[role].pid
        return _child_of(self.children["all"].pid, role)

    def kill(self, role: str) -> int:
        """End a role without a word, as a power cut would; its process id."""
        pid = self.until(lambda: self.pid_of(role), f"{role} runs")
        os.kill(pid, signal.SIGKILL)
        if role in self.children:
            self.children.pop(role).wait(20)
        return pid

    def end(self) -> None:
        """End everything politely, by process id."""
        for child in self.children.values():
            if child.poll() is None:
                child.terminate()
        for child in self.children.values():
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.children.clear()

    def until(self, ask: Callable[[], T | None], what: str, limit_s: float = PATIENCE_S) -> T:
        """The first answer of ``ask`` that is true."""
        give_up = time.monotonic() + limit_s
        while not (answer := ask()):
            if time.monotonic() > give_up:
                said = self.log.read_text(errors="replace")[-3000:] if self.log.exists() else "nothing"
                pytest.fail(f"waited in vain until {what}; the roles said:\n{said}", pytrace=False)
            time.sleep(0.1)
        return answer

    # DICOM

    def peer(self, calling: str = "CARM1") -> Peer:
        """Our door, as a device sees it."""
        return Peer(host="127.0.0.1", port=self.dicom_port, called="CEMENTWATCH", calling=calling)

    def send(self, due: Iterable[Due], *, speed: float | None = None, calling: str = "CARM1") -> list[Sent]:
        """Store objects; every one of them must be answered."""
        return list(send(due, self.peer(calling), speed=speed, clock=time.time, sleep=time.sleep))

    def send_stubbornly(self, due: Iterable[Due], *, pause_s: float = 0.0, calling: str = "CARM1") -> Iterator[Sent]:
        """Store objects as a C-arm does that tries again until it is told of success."""
        for item in due:
            time.sleep(pause_s)
            yield self.until(lambda item=item: self._success(item, calling), "an object is taken")

    def _success(self, item: Due, calling: str) -> Sent | None:
        try:
            (sent,) = self.send([Due(offset_s=0.0, content=item.content)], calling=calling)
        except Unreachable:
            return None
        return sent if sent.status == 0 else None

    # HTTP

    def ask(self, path: str, **params: Any) -> Any:
        """JSON of a GET below the API's root."""
        answer = httpx.get(f"{self.url}/api/v1{path}", params=params, timeout=40)
        answer.raise_for_status()
        return answer.json()

    def tell(self, path: str, body: Json | None = None, verb: str = "POST") -> httpx.Response:
        """What the API answers to a change."""
        return httpx.request(verb, f"{self.url}/api/v1{path}", json=body, timeout=40)

    def every(self, path: str, **params: Any) -> list[Json]:
        """All items of a list, page by page."""
        items: list[Json] = []
        after = 0
        while True:
            page = self.ask(path, after=after, limit=500, **params)
            items += page["items"]
            if len(page["items"]) < 500:
                return items
            after = page["next_after"]

    def procedure(self, study: str, mode: str = "live") -> Json:
        """The procedure of a study, waited for."""

        def find() -> Json | None:
            found = [each for each in self.ask("/procedures", study=study)["items"] if each["mode"] == mode]
            assert len(found) < 2, "one study has one procedure"
            return found[0] if found else None

        return self.until(find, f"the procedure of the {mode} study is open")

    def judged(self, procedure: str) -> list[Json]:
        """The log's lines about judged frames."""
        return self.every(f"/procedures/{procedure}/log", types="frame_seen")

    def wait_judged(self, study: str, n_frames: int, mode: str = "live", *, limit_s: float = PATIENCE_S) -> Json:
        """The procedure once so many frames of it have been judged."""
        procedure = self.procedure(study, mode)
        what = f"{n_frames} frames are judged"
        self.until(lambda: self.ask(f"/procedures/{procedure['id']}")["counts"]["frames"] >= n_frames, what, limit_s)
        return self.ask(f"/procedures/{procedure['id']}")

    def alerts(self, procedure: str) -> list[Json]:
        """Every alert about cement; what is technical depends on how busy the machine is."""
        return [each for each in self.every("/alerts", procedure=procedure) if each["kind"] != "technical"]

    def source(self, name: str = "CARM1") -> Json:
        """The heartbeat of a source."""
        return next((each for each in self.ask("/alerts", limit=1)["sources"] if each["name"] == name), {})


def verdict(alerts: Iterable[Json], index_of: dict[str, int]) -> list[tuple[Any, ...]]:
    """What a set of alerts says, in the words that a second run must repeat."""
    words = ("kind", "zone", "side", "priority", "condition")
    return sorted(
        tuple(str(alert[word]) for word in words)
        + tuple(index_of[alert[frame]["sop_instance_uid"]] for frame in ("first_frame", "raised_frame"))
        for alert in alerts
    )


def assert_each_once(lines: list[Json], n_frames: int) -> None:
    """Every frame has one line in the log, and no more."""
    places = Counter((line["data"]["arrival"], line["frame"]["index"]) for line in lines)
    assert [place for place, n_lines in places.items() if n_lines > 1] == []
    assert len(places) == n_frames


def _child_of(parent: int, role: str) -> int | None:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text()
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(status.rpartition(")")[2].split()[1]) == parent and role.encode() in words:
            return int(folder.name)
    return None
