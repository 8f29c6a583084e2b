"""Other names for the same things: UIDs, labels and days, always the same for one key.

The key stays with the installation. Whoever has it can say which object a name stands for; nobody else can, and two
exports of one patient still belong together.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from dicom_gateway.confidential import Choice

KEY_BYTES = 32
MOST_DAYS = 3650
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Disguise:
    """How one export names things.

    ``n_days`` is what its dates go back by, 0 where they are kept; ``whose`` the person, or the procedure where nobody is told.
    """

    key: bytes
    choice: Choice
    n_days: int
    whose: str

    def uid(self, uid: str) -> str:
        """The UID that stands for this one (PS3.5 B.2: a UUID as a UID)."""
        return f"2.25.{uuid.UUID(bytes=self._digest('uid', uid)[:16], version=5).int}"

    def label(self, kind: str, text: str) -> str:
        """Twelve letters and digits that stand for a text."""
        return self._digest(kind, text).hex()[:12].upper()

    def moved(self, moment: str) -> str:
        """A DICOM date, or date and time, as many days earlier; a time alone as it is."""
        if self.n_days == 0 or len(moment) < 8 or not moment[:8].isdigit():
            return moment
        try:
            day = datetime.strptime(moment[:8], "%Y%m%d") - timedelta(days=self.n_days)
        except (ValueError, OverflowError):
            return ""
        return day.strftime("%Y%m%d").rjust(8, "0") + moment[8:]

    def moved_s(self, at: float) -> float:
        """Seconds since 1970, as many days earlier."""
        return at - self.n_days * DAY_S

    def _digest(self, kind: str, text: str) -> bytes:
        return hmac.new(self.key, f"{kind}\0{text}".encode("utf-8", "replace"), hashlib.sha256).digest()


def disguise_of(key: bytes, whose: str, choice: Choice) -> Disguise:
    """The disguise of one person's studies: all of them go back by the same number of days."""
    days = int.from_bytes(hmac.new(key, f"days\0{whose}".encode(), hashlib.sha256).digest()[:8], "big")
    n_days = 0 if choice.keeps_dates else 30 + days % MOST_DAYS
    return Disguise(key=key, choice=choice, n_days=n_days, whose=whose)


def key_at(path: Path) -> bytes:
    """The key of an installation, made at the first time and readable by its owner only. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        fresh = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        fd = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.write(fd, os.urandom(KEY_BYTES))
            os.fsync(fd)
            os.link(fresh, path)
        finally:
            os.close(fd)
            fresh.unlink()
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise OSError(f"{path.name}: expected a key of {KEY_BYTES} bytes")
    return key
