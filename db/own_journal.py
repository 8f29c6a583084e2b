"""The journal of one who alone writes to it and looks at it, as of a replay: written many lines at a time.

The lines, their order and their hashes are those of ``Journal``. A line waits in memory until there are some, or until
anybody reads or writes anything by way of the same engine (``before_use``), so that nobody ever sees one missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Engine

from db.arrivals import Progress, note_progress
from db.connect import StoreFailure, appending, before_use
from db.journal import Journal, Row, drafts_of, project, write_drafts
from detection.vocabulary import Alert, Entry

LINES_AT_ONCE = 100
"""Of some kilobytes each; more of them save nothing more."""


class OwnJournal(Journal):
    """As ``Journal``, for an engine that is borrowed."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._drafts: list[Row] = []
        self._alerts: list[tuple[int, int, Sequence[Alert]]] = []
        self._progress: list[Progress] = []
        self._failure: StoreFailure | None = None
        before_use(engine, self.write)

    def append(
        self,
        entries: Sequence[Entry],
        *,
        alerts: Sequence[Alert] = (),
        progress: Progress | None = None,
        if_late: Callable[[], Sequence[Entry] | None] | None = None,
    ) -> tuple[Entry, ...]:
        """As ``Journal.append``; the entries come back without numbers and hashes, for they may still wait."""
        instead = if_late() if if_late is not None else None
        entries = entries if instead is None else instead
        first = len(self._drafts)
        self._drafts += drafts_of(entries, alerts)
        if alerts:
            self._alerts.append((first, len(self._drafts), tuple(alerts)))
        if progress is not None:
            self._progress.append(progress)
        if len(self._drafts) >= LINES_AT_ONCE:
            self.write()
        return tuple(entries)

    def write(self) -> None:
        """Write what waits, all or nothing. After a failure nothing is written any more: later lines would hide a gap."""
        if self._failure is not None:
            raise self._failure
        drafts, alerts, progress = self._drafts, self._alerts, self._progress
        if not drafts and not progress:
            return
        self._drafts, self._alerts, self._progress = [], [], []
        try:
            with appending(self.engine) as connection:
                rows = write_drafts(connection, drafts)
                for first, last, changed in alerts:
                    project(connection, rows[first:last], changed)
                note_progress(connection, progress)
        except StoreFailure as failure:
            self._failure = failure
            raise
