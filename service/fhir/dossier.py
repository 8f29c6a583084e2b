"""All that a bundle tells of one procedure, gathered from journal, spool and the objects that were made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from db import procedures, queries
from db.arrivals import arrivals_of
from db.connect import Engine
from db.procedures import Procedure
from db.queries import Listed
from detection.vocabulary import Entry, EntryType
from dicom_gateway.refusal import Unreadable
from dicom_gateway.report.nouns import Coded, Maker
from dicom_gateway.report.stored import Instance, instance_at
from dicom_gateway.spool import Spool
from service.dispatch import dispatched, maker_here, terms_here
from service.gather import Found, found_in, maker_of, remarks_on
from service.safety import SAFETY_WORDS
from service.settings import Settings

PAGE = 500
TOLD = (EntryType.ALERT_RAISED, EntryType.ALERT_WORSENED, EntryType.ALERT_ESCALATED)
ANSWERED = (EntryType.ACKNOWLEDGE, EntryType.ACKNOWLEDGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """``found`` are the key frames, ``lines`` what was told and acknowledged, ``audit`` who saw or took it.

    ``n_gone`` objects have left the spool, by study: their series can no longer be named. ``patient_system`` is that of the
    site's patient numbers, if it says.
    """

    procedure: Procedure
    maker: Maker
    words: str
    at: float
    terms: Mapping[str, Coded]
    found: tuple[Found, ...]
    alerts: tuple[Listed, ...]
    lines: tuple[Entry, ...]
    audit: tuple[Entry, ...]
    instances: tuple[Instance, ...]
    n_gone: Mapping[str, int]
    patient_system: str | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What must be known of it as a whole; the safety words come first."""
        return (self.words, *remarks_on(self.procedure))


def dossier_of(settings: Settings, engine: Engine, id: str, *, at: float) -> Dossier:
    """What is known of procedure ``id``. KeyError when there is none."""
    procedure = procedures.procedure(engine, id)
    if procedure is None:
        raise KeyError(id)
    instances, n_gone = _instances(settings, engine, id)
    return Dossier(
        procedure=procedure,
        maker=maker_of(engine, maker_here(settings), id),
        words=SAFETY_WORDS,
        at=at,
        terms=terms_here(settings),
        found=tuple(found_in(engine, procedure).values()),
        alerts=tuple(_alerts(engine, id)),
        lines=tuple(_lines(engine, id)),
        audit=tuple(queries.audit_about(engine, id, after=procedure.number)),
        instances=instances,
        n_gone=n_gone,
        patient_system=settings.fhir_patient_system,
    )


def _alerts(engine: Engine, id: str) -> Iterator[Listed]:
    after = 0
    while rows := queries.alerts_after(engine, after, procedure=id, limit=PAGE):
        yield from rows
        after = rows[-1].number


def _lines(engine: Engine, id: str) -> Iterator[Entry]:
    after = 0
    while lines := queries.log_of(engine, id, after=after, types=(*TOLD, *ANSWERED), limit=PAGE):
        yield from lines
        after = lines[-1].number or after


def _instances(settings: Settings, engine: Engine, id: str) -> tuple[tuple[Instance, ...], Mapping[str, int]]:
    """Every object that lies here, received or made; and how many of each study do not lie here any more."""
    spool, found, after = Spool(settings.spool_dir), {}, 0
    n_gone: Counter[str] = Counter()
    while rows := arrivals_of(engine, id, after, PAGE):
        for row in rows:
            arrival = spool.find(row.number)
            try:
                told = None if arrival is None else instance_at(arrival.path)
            except (Unreadable, OSError):
                told = None
            if told is None:
                n_gone[row.study_instance_uid] += 1
            else:
                found[told.sop_instance_uid] = told
        after = rows[-1].number
    for made in dispatched(settings, id):
        told = instance_at(made.path)
        found[told.sop_instance_uid] = told
    return tuple(found.values()), n_gone
