"""All that the role ``forward`` does: objects to archives, ours too, storage commitment, notices, FHIR."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from db.connect import Engine, StoreFailure
from dicom_gateway.notices import Notices
from dicom_gateway.spool import Spool
from dicom_gateway.workflow import Workflow
from service.commitment import Answering, Asking
from service.dosimeter import Dosimeter
from service.fhir.post import Postman
from service.forward import Forwarding
from service.inbox import Inbox
from service.reporter import Reporter
from service.settings import Settings
from service.sources import Sources
from service.steps import Steps, WorklistReader

LOG = logging.getLogger(__name__)

SWEEP_EVERY_S = 5.0


class Outside:
    """The assembly of one installation. ``start``, then ``turn`` again and again, then ``stop``."""

    def __init__(
        self, settings: Settings, engine: Engine, now: Callable[[], float], ring: Callable[[], object] = lambda: None
    ) -> None:
        self._now = now
        spool, notices = Spool(settings.spool_dir), Notices(settings.notices_dir)
        workflow = Workflow(notices, may_ask=lambda _: False, now_ns=lambda: int(now() * 1e9))
        questions = {
            archive.name: Asking(archive, settings, engine, workflow).turn
            for archive in settings.archives
            if archive.commit
        }
        self._forwarding = Forwarding(settings, engine, spool, now, questions)
        self._steps = Steps(settings, engine, ring)
        self._worklist = None if settings.worklist is None else WorklistReader(settings.worklist, settings, self._steps)
        self._inbox = Inbox(settings, engine, notices, self._steps)
        self._dosimeter = Dosimeter(engine, spool)
        self._reporter = Reporter(settings, engine, now=now())
        server = settings.fhir_server
        self._postman = None if server is None else Postman(settings, engine, server, now=now())
        self._swept_at = 0.0
        self._answering = Answering(settings, engine, spool, Sources(settings))
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._answer, name="commitment", daemon=True)]
        if self._postman is not None:
            self._threads.append(threading.Thread(target=self._post, args=(self._postman,), name="fhir", daemon=True))

    def start(self) -> None:
        """Begin to send and to answer."""
        self._forwarding.start()
        for thread in self._threads:
            thread.start()

    def turn(self) -> bool:
        """Take in what has come; whether there was anything. StoreFailure when the database does not answer."""
        now = self._now()
        if now - self._swept_at >= SWEEP_EVERY_S:
            self._swept_at = now
            self._steps.close_ended(now)
        return bool(self._forwarding.feed() + self._inbox.step(now) + self._dosimeter.step())

    def stop(self) -> None:
        """End; what is on its way is taken up again after the next start."""
        self._stop.set()
        self._forwarding.stop()
        for thread in self._threads:
            thread.join(5)

    def _answer(self) -> None:
        """Whoever does not answer keeps nobody waiting but others of this thread: devices that asked, and the worklist."""
        while not self._stop.is_set():
            try:
                self._answering.turn(self._now)
                self._reporter.step(self._now())
                if self._worklist is not None:
                    now = self._now()
                    self._worklist.turn(now, datetime.fromtimestamp(now).strftime("%Y%m%d"))
            except StoreFailure as failure:
                LOG.error("the queue cannot be read or written: %s", type(failure).__name__)  # noqa: TRY400 - a row names instances
            except Exception as error:  # noqa: BLE001 - this thread answers for as long as the role lives
                LOG.error("commitment in trouble", extra={"error": type(error).__name__})  # noqa: TRY400 - as above
            self._stop.wait(1.0)

    def _post(self, postman: Postman) -> None:
        """A FHIR server that does not answer keeps nobody waiting."""
        while not self._stop.is_set():
            rest_s = 1.0
            try:
                rest_s = postman.turn(self._now())
            except StoreFailure as failure:
                LOG.error("the journal does not answer: %s", type(failure).__name__)  # noqa: TRY400 - as above
            except Exception as error:  # noqa: BLE001 - as above
                LOG.error("the FHIR bundle is in trouble", extra={"error": type(error).__name__})  # noqa: TRY400 - as above
            self._stop.wait(rest_s)
