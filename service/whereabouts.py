"""Where the object of a journal entry lies now: it may have become whole since its frame was judged."""

from __future__ import annotations

import itertools

from db import arrivals
from db.connect import Engine
from dicom_gateway.arrival import Arrival
from dicom_gateway.growing import Growing
from dicom_gateway.spool import Spool


def find_object(spool: Spool, engine: Engine, number: int) -> Arrival | None:
    """The object that the journal calls ``number``: an arrival, or the run that it grew as; None when it is gone."""
    if number > 0:
        return spool.find(number)
    run = Growing(spool.folder).find(number)
    if run is not None:
        return run
    known = (spool.find(heir) for heir in arrivals.heirs_of(engine, number))
    # or it has become whole just now, and the journal has not been told
    heirs = itertools.chain(known, spool.after(arrivals.newest_arrival(engine)))
    return next((heir for heir in heirs if heir is not None and heir.grew_as == number), None)
