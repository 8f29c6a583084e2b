"""All that the role ``forward`` does: objects to archives, storage commitment either way, and the notices of peers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from db.connect import Engine, StoreFailure
from dicom_gateway.notices import Notices
from dicom_gateway.spool import Spool
from dicom_gateway.workflow import Workflow
from service.commitment import Answering, Asking
from service.forward import Forwarding
from service.inbox import Inbox
from service.settings import Settings
from service.sources import Sources

LOG = logging.getLogger(__name__)


class Outside:
    """The assembly of one installation. ``start``, then ``turn`` again and again, then ``stop``."""

    def __init__(self, settings: Settings, engine: Engine, now: Callable[[], float]) -> None:
        self._now = now
        spool, notices = Spool(settings.spool_dir), Notices(settings.notices_dir)
        workflow = Workflow(notices, may_ask=lambda _: False, now_ns=lambda: int(now() * 1e9))
        questions = {
            archive.name: Asking(archive, settings, engine, workflow).turn
            for archive in settings.archives
            if archive.commit
        }
        self._forwarding = Forwarding(settings, engine, spool, now, questions)
        self._inbox = Inbox(settings, engine, notices)
        self._answering = Answering(settings, engine, spool, Sources(settings.sources_path))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._answer, name="commitment", daemon=True)

    def start(self) -> None:
        """Begin to send and to answer."""
        self._forwarding.start()
        self._thread.start()

    def turn(self) -> bool:
        """Take in what has come; whether there was anything. StoreFailure when the database does not answer."""
        return bool(self._forwarding.feed() + self._inbox.step(self._now()))

    def stop(self) -> None:
        """End; what is on its way is taken up again after the next start."""
        self._stop.set()
        self._forwarding.stop()
        self._thread.join(5)

    def _answer(self) -> None:
        """A device that does not answer keeps nobody waiting but other devices that have asked."""
        while not self._stop.is_set():
            try:
                self._answering.turn(self._now)
            except StoreFailure as failure:
                LOG.error("commitments cannot be read or written: %s", type(failure).__name__)  # noqa: TRY400 - a row names instances
            except Exception as error:  # noqa: BLE001 - this thread answers for as long as the role lives
                LOG.error("commitment in trouble", extra={"error": type(error).__name__})  # noqa: TRY400 - as above
            self._stop.wait(1.0)
