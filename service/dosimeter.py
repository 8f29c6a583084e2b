"""Reads dose reports among the arrivals, beside judging and never in its way."""

from __future__ import annotations

import logging
from dataclasses import asdict

from db import commitments
from db.connect import Engine
from db.dose import Dose, note_dose
from dicom_gateway.arrival import Arrival
from dicom_gateway.dose import REPORTS, read_dose
from dicom_gateway.forward import identity_of
from dicom_gateway.refusal import Unreadable
from dicom_gateway.spool import Spool

LOG = logging.getLogger(__name__)

READER = 2
N_AT_ONCE = 200


class Dosimeter:
    """Goes through the spool once, from where it stood."""

    def __init__(self, engine: Engine, spool: Spool) -> None:
        self._engine, self._spool = engine, spool
        self._reach = commitments.inbox_reach(engine, READER)

    def step(self) -> int:
        """Look at the next few arrivals; how many. StoreFailure when the database does not answer."""
        arrivals = self._spool.some_after(self._reach, N_AT_ONCE)
        for arrival in arrivals:
            self._read(arrival)
        if arrivals:
            self._reach = arrivals[-1].number
            commitments.note_inbox(self._engine, self._reach, READER)
        return len(arrivals)

    def _read(self, arrival: Arrival) -> None:
        try:
            if identity_of(arrival.path).sop_class_uid in REPORTS:
                told = read_dose(arrival.path)
                note_dose(self._engine, Dose(**asdict(told), arrival=arrival.number, replay=arrival.replay or ""))
        except (Unreadable, OSError) as error:
            reason = error.reason if isinstance(error, Unreadable) else "the file cannot be read"
            LOG.warning("no dose could be read", extra={"arrival": arrival.number, "reason": reason})
