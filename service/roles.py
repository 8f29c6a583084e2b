"""The assembly: every real thing is named here, and only here is a clock read.

Roles are processes (``service.processes``); ``all`` starts every one of them. Each loads what it needs when it is run: the
receiver no database, the analysis no network, and only ``serve`` the interface.
"""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import IO, TYPE_CHECKING

from service.bell import Bell
from service.processes import environment_of, keep_running, roles_of, stop_on_signal
from service.settings import Settings

if TYPE_CHECKING:
    from db.connect import Engine
    from detection.vocabulary import Landmarks
    from dicom_gateway.arrival import Arrival
    from service.api.deps import Deps
    from service.journey import Case
    from service.mirror import Mirror
    from service.watch import Watch

LOG = logging.getLogger(__name__)

RETRY_S = 1.0
FED_EVERY_S = 2.0
GATHER_S = 0.5
"""Forwarding takes in together what comes within this time: each of its transactions keeps the judging of a frame waiting."""
FORWARD_BEAT_S = 10.0
SWITCH_S = 0.001
"""While a thread of ``serve`` reads the journal, polls and streams wait for the interpreter no longer than this (Python: 5 ms)."""
NICER = 5
"""Forwarding yields to receiving and judging where processors are scarce."""
CHECKPOINT_AGE_S = 7 * 86400.0
"""A case that no frame came for in so long starts from its journal."""


def run_receive(settings: Settings) -> None:
    """Receive over DICOM until told to end."""
    from dicom_gateway.listener import Listener
    from dicom_gateway.notices import Notices
    from dicom_gateway.spool import Spool
    from dicom_gateway.workflow import Workflow
    from service.entrance import callers_of, limits_of
    from service.sources import Sources

    stop = stop_on_signal()
    bell = Bell(settings.data_dir / "bells")

    sources = Sources(settings)

    def announce(_: Arrival) -> None:
        bell.ring()

    listener = Listener(
        Spool(settings.spool_dir),
        callers=callers_of(settings),
        host=settings.dicom_host,
        port=settings.dicom_port,
        limits=limits_of(settings),
        tls=None if settings.credentials is None else settings.credentials.for_listening(),
        min_free_bytes=settings.min_free_mb * 2**20,
        max_object_bytes=settings.max_object_mb * 2**20,
        on_arrival=announce,
        on_frame=bell.ring,
        workflow=Workflow(
            Notices(settings.notices_dir),
            may_ask=lambda title: sources.of(title).host is not None,
            now_ns=time.time_ns,
            on_notice=bell.ring,
        ),
    )
    listener.start()
    stop.wait()
    listener.stop()


def run_watch(settings: Settings) -> None:
    """Judge what arrives until told to end."""
    from db.connect import StoreFailure
    from detection.threads import keep_memory, use_one_thread
    from dicom_gateway.spool import Spool
    from service.leftovers import Leftovers
    from service.retention import Retention

    use_one_thread()
    keep_memory()
    stop = stop_on_signal()
    engine = _connect(settings, stop)
    if engine is None:
        return
    lock = _wait_for_turn(settings, stop, "watch")
    bell = Bell(settings.data_dir / "bells")
    with lock, bell.listen() as ear:
        watch: Watch | None = None
        archives = [archive.name for archive in settings.archives]
        retention = Retention(Spool(settings.spool_dir), engine, keep_days=settings.keep_days, archives=archives)
        leftovers = Leftovers(settings, Spool(settings.spool_dir), engine)
        while not stop.is_set():
            try:
                if watch is None or watch.must_start_over:
                    watch = make_watch(settings, engine, bell)
                    gc.freeze()  # what is there by now stays: not looked through again amid frames
                if not watch.turn():
                    retention.step(time.time())
                    leftovers.step(time.time())
                    ear.wait(0.2)
            except StoreFailure as failure:
                # without a traceback: it would quote the row, and with it a patient
                LOG.error("the journal does not answer: %s", type(failure).__name__)  # noqa: TRY400
                ear.wait(0.2) if watch else stop.wait(RETRY_S)
        if watch is not None:
            watch.close()


def run_forward(settings: Settings) -> None:
    """Deal with archives and other peers until told to end."""
    from db.connect import StoreFailure
    from db.heartbeat import beat
    from service.outside import Outside

    os.nice(NICER)
    stop = stop_on_signal()
    engine = _connect(settings, stop)
    if engine is None:
        return
    lock = _wait_for_turn(settings, stop, "forward")
    bell = Bell(settings.data_dir / "bells")
    outside: Outside | None = None
    beat_at = 0.0
    with lock, bell.listen() as ear:
        while not stop.is_set():
            try:
                if outside is None:
                    outside = Outside(settings, engine, time.time, bell.ring)
                    outside.start()
                if time.time() - beat_at >= FORWARD_BEAT_S:
                    beat_at = time.time()
                    beat(engine, (), at=beat_at, role="forward")
                if not outside.turn():
                    ear.wait(FED_EVERY_S)
                stop.wait(GATHER_S)
            except StoreFailure as failure:
                LOG.error("the queue cannot be read or written: %s", type(failure).__name__)  # noqa: TRY400 - as in watch
                stop.wait(RETRY_S)
        if outside is not None:
            outside.stop()


def make_watch(
    settings: Settings, engine: Engine, bell: Bell, now: Callable[[], float] = time.time, *, is_alone: bool = False
) -> Watch:
    """A watcher of this installation's spool and journal; ``is_alone``: nobody else writes to the journal or looks at it, and it is borrowed."""
    from db.journal import Journal
    from db.own_journal import OwnJournal
    from detection.rules import rules_hash
    from dicom_gateway.spool import Spool
    from service.cases import Cases
    from service.checkpoint import Checkpoints
    from service.journey import Desk
    from service.pen import OwnPen, Pen
    from service.watch import Watch

    rules = settings.rules
    desk = Desk(
        pen=OwnPen(OwnJournal(engine), now)
        if is_alone
        else Pen(Journal(engine), now, patience_s=settings.unlogged_after_s),
        rules=rules,
        now=now,
        ring=_ring_nobody if is_alone else bell.ring,
        tell=Bell(settings.told_dir).tell,
        locate=locator(engine),
    )
    spool = Spool(settings.spool_dir)
    checkpoints = Checkpoints(settings.data_dir / "checkpoints", rules_hash(rules))
    checkpoints.sweep(now() - CHECKPOINT_AGE_S)
    return Watch(settings, desk, engine, spool, Cases(settings, desk, engine, spool, checkpoints))


def _ring_nobody() -> int:
    """For a desk that nobody listens to: a bell makes a socket for each ring, 0.1 ms of processor time."""
    return 0


def locator(engine: Engine) -> Callable[[Landmarks, Case], Landmarks]:
    """Where the frame of a landmark lay: scene and shift, from the journal; the latest frame when none is named."""
    from db import queries

    def locate(landmarks: Landmarks, case: Case) -> Landmarks:
        last = case.last
        if landmarks.sop_instance_uid is None:
            return landmarks if last is None else replace(landmarks, scene=last.scene, shift_px=last.shift_px)
        entry = queries.frame_entry(engine, landmarks.sop_instance_uid, landmarks.index, case.procedure)
        if entry is None:
            return landmarks
        row, col = entry.data["shift_px"]
        return replace(landmarks, scene=int(entry.data["scene"]), shift_px=(float(row), float(col)))

    return locate


def run_serve(settings: Settings) -> None:
    """Serve HTTP until told to end. TooExposed when it must not listen where it is told to."""
    import uvicorn

    from db.users import has_users
    from service.api.app import create_app
    from service.exposure import refuse_if_exposed
    from service.patience import ImpatientProtocol
    from service.settings_log import tell_changed_settings

    refuse_if_exposed(settings, has_users=None)
    sys.setswitchinterval(SWITCH_S)
    stop = threading.Event()
    engine = _connect(settings, stop)
    if engine is None:
        return
    refuse_if_exposed(settings, has_users=has_users(engine))
    deps = _deps(settings, engine)
    if has_users(engine):
        tell_changed_settings(deps.journal, settings, time.time())
    config = uvicorn.Config(
        create_app(deps),
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the guard believes named proxies only
        http=ImpatientProtocol,
        ssl_certfile=settings.http_tls_certificate,
        ssl_keyfile=settings.http_tls_key,
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run()


def _deps(settings: Settings, engine: Engine) -> Deps:
    """What the routes are handed."""
    from db.journal import Journal
    from dicom_gateway.spool import Spool
    from service.api.deps import Deps
    from service.replays import Replayer

    environment = environment_of(settings)
    return Deps(
        settings=settings,
        engine=engine,
        journal=Journal(engine),
        spool=Spool(settings.spool_dir),
        bell=Bell(settings.data_dir / "bells"),
        now=time.time,
        replays=Replayer(settings, engine, now=time.time, environment=environment),
        environment=environment,
    )


def run_all(settings: Settings) -> None:
    """Start the four roles and keep them running until told to end. TooExposed as for ``run_serve``."""
    from service.exposure import refuse_if_exposed

    refuse_if_exposed(settings, has_users=_has_users_as_far_as_known(settings))
    stop = stop_on_signal()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    threads = [
        threading.Thread(target=keep_running, args=(role, settings, stop, time.monotonic), name=role)
        for role in roles_of(settings)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run_mirror(settings: Settings) -> None:
    """Tell the second channels of alerts until told to end."""
    stop = stop_on_signal()
    engine = _connect(settings, stop)
    if engine is None:
        return
    threads = [
        threading.Thread(target=_tell, args=(mirror, Bell(settings.data_dir / "bells"), stop))
        for mirror in mirrors_of(settings, engine, time.time)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def mirrors_of(settings: Settings, engine: Engine, now: Callable[[], float]) -> list[Mirror]:
    """The second channels that are set."""
    from service.mirror import Mirror, is_escalated, is_real

    made = []
    if settings.webhook_url is not None:
        from service import webhook

        send = webhook.sender(settings.webhook_url, settings.webhook_secret or "", now)
        wants = is_real if settings.webhook_sends == "alerts" else is_escalated
        made.append(Mirror(engine, "webhook", wants=wants, send=send, now=now))
    if settings.mqtt_url is not None:
        from service import mqtt

        made.append(Mirror(engine, "mqtt", wants=is_real, send=mqtt.sender(settings.mqtt_url), now=now))
    if (listener := settings.hl7_listener) is not None:
        from service import mllp
        from service.dispatch import terms_here
        from service.oru import Scribe

        wants = is_real if listener.sends == "alerts" else is_escalated
        write = Scribe(listener, settings.ae_title, terms_here(settings)).message
        made.append(Mirror(engine, "hl7", wants=wants, write=write, send=mllp.sender(listener), now=now))
    return made


def _tell(mirror: Mirror, bell: Bell, stop: threading.Event) -> None:
    from db.connect import StoreFailure

    with bell.listen() as ear:
        while not stop.is_set():
            try:
                wait_s = mirror.turn()
            except StoreFailure as failure:
                LOG.error("the journal does not answer: %s", type(failure).__name__)  # noqa: TRY400 - as in run_watch
                wait_s = RETRY_S
            if wait_s is None:
                ear.wait(0.5)
            else:
                stop.wait(wait_s)


def _has_users_as_far_as_known(settings: Settings) -> bool | None:
    """None while the database does not answer: images are received all the same, and ``serve`` asks again."""
    from service.exposure import exposure_of

    if exposure_of(settings).is_local:
        return None
    from db.connect import StoreUnreachable, connect
    from db.users import has_users

    try:
        return has_users(connect(settings.journal_url))
    except StoreUnreachable:
        return None


def _wait_for_turn(settings: Settings, stop: threading.Event, role: str) -> IO[bytes]:
    """The lock that the one ``role`` of a data folder holds; two would judge, or send, everything twice."""
    lock = (settings.data_dir / f"{role}.lock").open("ab")
    while not stop.is_set():
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            LOG.warning("another %s is at work in this data folder", role)
            stop.wait(RETRY_S)
    return lock


def _connect(settings: Settings, stop: threading.Event) -> Engine | None:
    """The journal's database, waited for as long as it takes."""
    from db.connect import StoreUnreachable, connect

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    while not stop.is_set():
        try:
            return connect(settings.journal_url)
        except StoreUnreachable as failure:
            LOG.warning("the database does not answer yet: %s", failure)
            stop.wait(RETRY_S)
    return None
