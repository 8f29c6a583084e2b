"""The main job on one screen: two phantom procedures over real DICOM, and what the whole system makes of them."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from detection.phantom.scene import SCENARIOS, Scene
from dicom_gateway.compose import shots_of
from dicom_gateway.due import Due
from dicom_gateway.peer import Peer
from dicom_gateway.refusal import Unreachable
from dicom_gateway.sender import Sent, send
from service.entrance import secured
from service.processes import command_of, environment_of
from service.safety import SAFETY_WORDS
from service.settings import Settings

LEAK_SCENE, QUIET_SCENE = "canal_leak", "contained"
IN_TIME_S = 1.0
"""A canal alert later than this after its cast became visible counts as missed; the phantom's has gone 2 mm by then."""
SPINAL = ("canal", "foramen")
"""The two sides of the wall line are half a body apart: either names the leak."""
READY_S = 60.0
COUNTED_S = 5.0

Say = Callable[[str], object]


@dataclass(slots=True, kw_only=True)
class Account:
    """What was sent, what is true of it, and when whatever came of it became visible to a client."""

    n_of: dict[str, int] = field(default_factory=dict)
    scene_of: dict[str, str] = field(default_factory=dict)
    onset_of: dict[str, int] = field(default_factory=dict)
    sent: dict[str, Sent] = field(default_factory=dict)
    frame_seen_at: dict[str, float] = field(default_factory=dict)
    alert_ms: list[float] = field(default_factory=list)
    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    high_of: dict[str, str] = field(default_factory=dict)
    spinal_of: dict[str, str] = field(default_factory=dict)
    approach_of: dict[str, str] = field(default_factory=dict)

    def objects(self, scene: Scene, started_at: float) -> Iterator[Due]:
        """The scene's objects, noting the truth as they are made."""
        for due, shot in shots_of(scene, started_at=started_at):
            uid = str(due.content.SOPInstanceUID)  # type: ignore[union-attr]  # composed, not read from a file
            self.n_of[uid], self.scene_of[uid] = shot.index, scene.name
            if shot.truth.leak_visible and scene.name not in self.onset_of:
                self.onset_of[scene.name] = shot.index
            yield due


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A dashboard as other people would write one."""

    base: str
    account: Account
    now: Callable[[], float]
    say: Say
    stop: threading.Event

    def poll_alerts(self) -> None:
        """Follow ``GET /alerts`` with ``wait`` until told to stop."""
        after = 0
        with httpx.Client(base_url=self.base, timeout=40.0) as client:
            while not self.stop.is_set():
                try:
                    page = client.get("/alerts", params={"after": after, "wait": 1}).json()
                except (httpx.HTTPError, ValueError):
                    self.stop.wait(0.2)
                    continue
                visible_at = self.now()
                after = page["next_after"]
                for alert in page["items"]:
                    self.note(alert, visible_at)

    def follow_frames(self) -> None:
        """Follow the live stream: when each judged frame became visible."""
        while not self.stop.is_set():
            try:
                with httpx.stream("GET", f"{self.base}/live", timeout=10.0) as stream:
                    for uid in _frames_in(stream.iter_lines()):
                        self.account.frame_seen_at[uid] = self.now()
                        if self.stop.is_set():
                            return
            except httpx.HTTPError:
                self.stop.wait(0.1)

    def note(self, alert: dict[str, Any], visible_at: float) -> None:
        """Say what is new about an alert, and keep the frames of the first HIGH ones."""
        before = self.account.alerts.get(alert["id"])
        self.account.alerts[alert["id"]] = alert
        is_news = before is None or (before["condition"], before["priority"]) != (alert["condition"], alert["priority"])
        if not is_news or alert["kind"] == "technical":
            return
        frame = alert["last_frame"] or {}
        uid = frame.get("sop_instance_uid", "")
        sent = self.account.sent.get(uid)
        where = ""
        if sent is not None:
            latency_ms = 1000 * (visible_at - sent.answered_at)
            self.account.alert_ms.append(latency_ms)
            where = f"frame {self.account.n_of[uid]:3d}{self._delay(alert, uid)}, visible after {latency_ms:3.0f} ms"
            self._keep_first(alert, uid)
        self.say(f"  {alert['priority'].upper():6} {alert['condition']:7} {alert['message']}  [{where}]")

    def _delay(self, alert: dict[str, Any], uid: str) -> str:
        onset = self.account.onset_of.get(self.account.scene_of[uid])
        if onset is None or alert["kind"] != "leak" or alert["condition"] != "present":
            return ""
        return f" ({self.account.n_of[uid] - onset:+d} frames against truth)"

    def _keep_first(self, alert: dict[str, Any], uid: str) -> None:
        scene = self.account.scene_of[uid]
        is_high = alert["priority"] == "high" and alert["condition"] == "present"
        if is_high:
            self.account.high_of.setdefault(scene, uid)
        if is_high and alert["kind"] == "leak" and alert["zone"] in SPINAL:
            self.account.spinal_of.setdefault(scene, uid)
        if alert["kind"] == "approach":
            self.account.approach_of.setdefault(scene, uid)


def run(*, keep: bool, say: Say, now: Callable[[], float], sleep: Callable[[float], None]) -> int:
    """Run the demonstration; 0 when the leak was caught in time and the contained procedure raised no HIGH."""
    say(SAFETY_WORDS)
    with tempfile.TemporaryDirectory(prefix="cementwatch-demo-") as scratch:
        settings = Settings(
            data_dir=Path(scratch),
            database_url=None,
            http_port=_port(8000),
            dicom_port=_port(11112),
            calling_ae_titles=(),
            one_click_operator=True,
        )
        base = f"http://127.0.0.1:{settings.http_port}"
        log = Path(scratch) / "log.jsonl"
        with log.open("wb") as out:
            system = subprocess.Popen(command_of("all"), env=environment_of(settings), stderr=out)
        try:
            if not _is_ready(base, now, sleep):
                say("the system did not become ready")
                say(log.read_text(encoding="utf-8"))
                return 1
            say(f"receiving DICOM on port {settings.dicom_port}; page at {base}/")
            code = _play_both(settings, base, say, now, sleep)
            for line in _troubles(log):
                say(line)
            if keep:
                say(f"left running: {base}/  (end with Ctrl-C)")
                system.wait()
        except KeyboardInterrupt:
            code = 130
        finally:
            system.terminate()
            system.wait(timeout=30)
        return code


def _play_both(
    settings: Settings, base: str, say: Say, now: Callable[[], float], sleep: Callable[[float], None]
) -> int:
    account, stop = Account(), threading.Event()
    client = Client(base=f"{base}/api/v1", account=account, now=now, say=say, stop=stop)
    threads = [threading.Thread(target=target, daemon=True) for target in (client.poll_alerts, client.follow_frames)]
    for thread in threads:
        thread.start()
    sleep(0.5)
    peer = Peer(host="127.0.0.1", port=settings.dicom_port, called=settings.ae_title, calling="CARM1")
    peer = secured(peer, settings)
    for name in (LEAK_SCENE, QUIET_SCENE):
        scene = SCENARIOS[name]
        say(f"\n{name}: {scene.view} view, {scene.n_frames} frames at {scene.frame_rate:g}/s")
        try:
            for sent in send(account.objects(scene, now()), peer, speed=1.0, clock=now, sleep=sleep):
                account.sent[sent.sop_instance_uid] = sent
        except Unreachable as error:
            say(f"the receiver was lost: {error}")
            return 1
        _settle(account, now, sleep)
    sources = _counted(base, len(account.sent), now, sleep)
    stop.set()
    return _report(account, sources, say)


def _counted(base: str, n_sent: int, now: Callable[[], float], sleep: Callable[[float], None]) -> list[dict[str, Any]]:
    """The state of the sources once they count what was sent: a heartbeat is up to a second behind the frames."""
    until = now() + COUNTED_S
    while True:
        sources: list[dict[str, Any]] = httpx.get(f"{base}/api/v1/alerts", params={"limit": 1}).json()["sources"]
        if sum(source["frames_judged"] for source in sources) >= n_sent or now() > until:
            return sources
        sleep(0.2)


def _report(account: Account, sources: list[dict[str, Any]], say: Say) -> int:
    received, judged, skipped = (
        sum(source[f"frames_{what}"] for source in sources) for what in ("received", "judged", "skipped")
    )
    say(f"\nframes: sent {len(account.sent)}, received {received}, judged {judged}, skipped at first {skipped}")
    visible = [
        1000 * (account.frame_seen_at[uid] - sent.answered_at)
        for uid, sent in account.sent.items()
        if uid in account.frame_seen_at
    ]
    say(f"C-STORE success to alert visible over HTTP, ms:  {_spread(account.alert_ms)}")
    say(f"C-STORE success to verdict visible on the live stream, ms:  {_spread(visible)}")
    caught = caught_in_time(account, say)
    is_quiet = QUIET_SCENE not in account.high_of
    say(f"contained procedure: {'no HIGH alert' if is_quiet else 'a false HIGH alert'}")
    is_whole = len(account.sent) == received == judged and all(sent.status == 0 for sent in account.sent.values())
    say(f"every frame accounted for: {'yes' if is_whole else 'no'}")
    return 0 if caught and is_quiet and is_whole else 1


def caught_in_time(account: Account, say: Say) -> bool:
    """Whether the leak was told as one into canal or foramen within a second of its onset, and its approach before."""
    onset, uid = account.onset_of.get(LEAK_SCENE), account.spinal_of.get(LEAK_SCENE)
    if onset is None or uid is None:
        say("canal leak: missed")
        return False
    n_late = account.n_of[uid] - onset
    late_s = n_late / SCENARIOS[LEAK_SCENE].frame_rate
    say(f"canal leak: visible from frame {onset}, HIGH alert about it on frame {account.n_of[uid]} ({late_s:+.1f} s)")
    approach = account.approach_of.get(LEAK_SCENE)
    warned = approach is not None and account.n_of[approach] < account.n_of[uid]
    say(f"approach to the posterior wall: {'announced before' if warned else 'not announced'}")
    return -IN_TIME_S <= late_s <= IN_TIME_S and warned


def _spread(values: list[float]) -> str:
    if not values:
        return "none"
    ordered = sorted(values)
    at = {f"p{share}": ordered[min(len(ordered) - 1, len(ordered) * share // 100)] for share in (50, 95, 99)}
    return (
        ", ".join(f"{name} {value:.0f}" for name, value in at.items())
        + f", max {ordered[-1]:.0f}  (n = {len(ordered)})"
    )


def _frames_in(lines: Iterator[str]) -> Iterator[str]:
    is_frame = False
    for line in lines:
        if line.startswith("event:"):
            is_frame = line.removeprefix("event:").strip() == "frame_seen"
        elif line.startswith("data:") and is_frame:
            frame = json.loads(line.removeprefix("data:")).get("frame") or {}
            if "sop_instance_uid" in frame:
                yield frame["sop_instance_uid"]


def _troubles(log: Path) -> list[str]:
    """What the roles complained of."""
    lines = log.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if '"level": "INFO"' not in line][:20]


def _settle(account: Account, now: Callable[[], float], sleep: Callable[[float], None]) -> None:
    """Wait until everything sent has become visible, ten seconds at most."""
    until = now() + 10.0
    while now() < until and not account.sent.keys() <= account.frame_seen_at.keys():
        sleep(0.1)
    sleep(0.5)


def _is_ready(base: str, now: Callable[[], float], sleep: Callable[[float], None]) -> bool:
    until = now() + READY_S
    while now() < until:
        try:
            if httpx.get(f"{base}/health/ready", timeout=5.0).status_code == 200:
                return True
        except httpx.HTTPError:
            pass
        sleep(0.3)
    return False


def _port(wanted: int) -> int:
    """The usual port if it is free, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on loopback")
