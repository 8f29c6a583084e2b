"""Which objects the spool holds: an index on disk, so that memory does not grow with what arrives.

The spool is the truth. The index is never fsynced; it is thrown away and made anew when it cannot be read, and after
another boot of the machine, for a power cut may have taken any part of it. Used under the spool's lock only.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

Row = tuple[str, str, int]
"""UID key, digest, number."""
_TABLES = """
CREATE TABLE IF NOT EXISTS object (uid TEXT, digest TEXT, number INTEGER, PRIMARY KEY (uid, digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reach (boot TEXT, number INTEGER);
"""
_REACH = "SELECT number FROM reach WHERE boot = ?"
_NUMBERS = "SELECT digest, number FROM object WHERE uid = ?"
MOST_ROWS = 2_000_000
"""About 200 MB; beyond that the oldest are forgotten, and their duplicates become further arrivals."""


class Known:
    """The index in one file. Trouble with it never stops a store: it only forgets.

    Without a file it is in memory, for a spool that is thrown away; another process that adds to it makes its own.
    """

    def __init__(self, path: Path | None, boot: str) -> None:
        self._path, self._boot = path, boot
        self._connection: sqlite3.Connection | None = None

    def reach(self) -> int | None:
        """The highest number that is in the index; None when it must be made anew."""
        row = self._try(lambda connection: connection.execute(_REACH, (self._boot,)).fetchone())
        if row is None:
            self.clear()
            return None
        return int(row[0])

    def numbers(self, uid: str) -> dict[str, int]:
        """Number by digest of the objects of this UID key."""
        found = self._try(lambda connection: connection.execute(_NUMBERS, (uid,)).fetchall())
        return dict(found or ())

    def begin(self, reach: int) -> None:
        """An empty index is complete up to the number ``reach``."""
        self._try(lambda connection: _commit(connection, [("INSERT INTO reach VALUES (?, ?)", (self._boot, reach))]))

    def add(self, rows: Iterable[Row], reach: int) -> None:
        """Remember ``rows``: with them the index reaches to ``reach``, unless it must be made anew."""
        steps: list[tuple[str, tuple[object, ...]]] = [
            ("INSERT OR REPLACE INTO object VALUES (?, ?, ?)", row) for row in rows
        ]
        steps.append(("UPDATE reach SET number = ?", (reach,)))
        if reach % 1000 == 0:
            steps.append(("DELETE FROM object WHERE number < ?", (reach - MOST_ROWS,)))
        self._try(lambda connection: _commit(connection, steps))

    def clear(self) -> None:
        """Begin with an empty index."""
        self.close()
        if self._path is None:
            return
        for each in (self._path, self._path.with_name(self._path.name + "-journal")):
            with contextlib.suppress(OSError):
                each.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _try(self, ask: Callable[[sqlite3.Connection], T]) -> T | None:
        try:
            if self._connection is None:
                self._connection = self._open()
            return ask(self._connection)
        except sqlite3.Error:
            self.clear()
            return None

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path or ":memory:", check_same_thread=False, timeout=5)
        try:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.executescript(_TABLES)
        except sqlite3.Error:
            connection.close()
            raise
        return connection


def _commit(connection: sqlite3.Connection, steps: Iterable[tuple[str, tuple[object, ...]]]) -> None:
    with connection:
        for words, values in steps:
            connection.execute(words, values)
