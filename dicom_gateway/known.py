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
        self._cursor: sqlite3.Cursor | None = None
        self._reach: int | None = None
        """What the index says, as far as we know."""

    def reach(self, expected: int | None = None) -> int | None:
        """The highest number that is in the index; None when it must be made anew.

        Not looked up where it is the one ``expected`` and we have set it: numbers ascend, so nobody has added since.
        """
        if expected is not None and expected == self._reach:
            return expected
        rows = self._try(lambda cursor: cursor.execute(_REACH, (self._boot,)).fetchall())
        if not rows:
            self.clear()
            return None
        self._reach = int(rows[0][0])
        return self._reach

    def numbers(self, uid: str) -> dict[str, int]:
        """Number by digest of the objects of this UID key."""
        found = self._try(lambda cursor: cursor.execute(_NUMBERS, (uid,)).fetchall())
        return dict(found or ())

    def begin(self, reach: int) -> None:
        """An empty index is complete up to the number ``reach``."""
        self._try(lambda cursor: _commit(cursor, [("INSERT INTO reach VALUES (?, ?)", (self._boot, reach))]))

    def add(self, rows: Iterable[Row], reach: int) -> None:
        """Remember ``rows``: with them the index reaches to ``reach``, unless it must be made anew."""
        steps: list[tuple[str, tuple[object, ...]]] = [
            ("INSERT OR REPLACE INTO object VALUES (?, ?, ?)", row) for row in rows
        ]
        steps.append(("UPDATE reach SET number = ?", (reach,)))
        if reach % 1000 == 0:
            steps.append(("DELETE FROM object WHERE number < ?", (reach - MOST_ROWS,)))
        is_added = self._try(lambda cursor: _commit(cursor, steps))
        if is_added and self._reach is not None:  # one that is to be made anew says nothing
            self._reach = reach

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
            self._connection = self._cursor = self._reach = None

    def _try(self, ask: Callable[[sqlite3.Cursor], T]) -> T | None:
        try:
            if self._connection is None or self._cursor is None:
                self._connection = self._open()
                self._cursor = self._connection.cursor()  # one for all: the connection remembers each for a while
            return ask(self._cursor)
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


def _commit(cursor: sqlite3.Cursor, steps: Iterable[tuple[str, tuple[object, ...]]]) -> bool:
    with cursor.connection:
        for words, values in steps:
            cursor.execute(words, values)
    return True
