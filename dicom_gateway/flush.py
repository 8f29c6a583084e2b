"""One flush of a folder for all who wait for one, and a beginning before anybody waits.

A flush covers every name that was in the folder when it *began*. Whoever comes while one runs cannot know whether it
covers him, and takes part in the next: so there is one that runs and one that is waited for, whatever the number of
arrivals, and each of them returns only when a flush that began after its own rename has ended well.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

_WRITE_OUT = 2
"""SYNC_FILE_RANGE_WRITE: begin, and do not wait."""
_libc = ctypes.CDLL(None)
_sync_file_range = getattr(_libc, "sync_file_range", None)
if _sync_file_range is not None:
    _sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def begin_write_out(fd: int, at: int, n_bytes: int) -> None:
    """Let the disk begin with these bytes, so that an fsync has less to wait for. Promises nothing, and never fails."""
    if _sync_file_range is not None:
        _sync_file_range(fd, at, n_bytes, _WRITE_OUT)


def sync_folder(folder: Path) -> None:
    """Return when the names in ``folder`` are on the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class _Round:
    """One flush to come, and who waits for it."""

    __slots__ = ("error", "has_ended")

    def __init__(self) -> None:
        self.has_ended = threading.Event()
        self.error: OSError | None = OSError(errno.EIO, "the flush has not ended")


class SharedFlush:
    """The flushes of the folders of one spool, in one process."""

    def __init__(self, sync: Callable[[Path], None] = sync_folder) -> None:
        self._sync = sync
        self._lock = threading.Lock()
        self._next: dict[Path, _Round] = {}
        self._turn = threading.Lock()

    def sync(self, folder: Path) -> None:
        """Return when the names that are in ``folder`` now are on the disk. OSError, for each who waited, when they are not."""
        with self._lock:
            is_leader = folder not in self._next
            mine = self._next.setdefault(folder, _Round())
        if is_leader:
            self._lead(folder, mine)
        mine.has_ended.wait()
        if mine.error is not None:
            raise OSError(mine.error.errno, "the folder could not be flushed") from mine.error

    def _lead(self, folder: Path, mine: _Round) -> None:
        with self._turn:  # the flush that runs
            with self._lock:
                del self._next[folder]  # who comes from now on is too late for this one
            try:
                self._sync(folder)
                mine.error = None
            except OSError as error:
                mine.error = error
            finally:
                mine.has_ended.set()
