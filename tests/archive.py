"""An archive that a test can see into: a real entity on a real port, which answers as it is told."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pynetdicom import AE, evt

from dicom_gateway import sop_classes
from tests.conftest import unused_port


def stored(_n_before: int) -> int:
    """It takes everything."""
    return 0x0000


@dataclass(slots=True, kw_only=True)
class SeenArchive:
    """``answer`` is called with how many objects were answered before, and gives the status; it may wait, or kill somebody."""

    port: int = field(default_factory=unused_port)
    answer: Callable[[int], int] = stored
    classes: Sequence[str] = (sop_classes.XA, sop_classes.XRF, sop_classes.RDSR)
    syntaxes: Sequence[str] = sop_classes.NATIVE
    copies: Counter[str] = field(default_factory=Counter)
    n_answered: int = 0
    server: Any = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self) -> None:
        """Begin to answer."""
        entity = AE(ae_title="PACS")
        entity.require_called_aet = True
        entity.add_supported_context(sop_classes.VERIFICATION)
        for each in self.classes:
            entity.add_supported_context(each, list(self.syntaxes))
        self.server = entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=[(evt.EVT_C_STORE, self._take)]
        )

    def close(self) -> None:
        """Go away."""
        if self.server is not None:
            self.server.shutdown()
            self.server = None

    def _take(self, event: evt.Event) -> int:
        with self.lock:
            status = self.answer(self.n_answered)
            self.n_answered += 1
            if status == 0x0000:
                self.copies[str(event.request.AffectedSOPInstanceUID)] += 1
            return status


@contextmanager
def seen_archive(**told: Any) -> Iterator[SeenArchive]:
    """An archive that is open."""
    archive = SeenArchive(**told)
    archive.open()
    try:
        yield archive
    finally:
        archive.close()
