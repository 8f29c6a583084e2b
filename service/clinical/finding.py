"""What an audit says of one printed number."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """reproduces: follows from what is printed. flag: does not. note: holds, and says how. open: cannot be settled."""

    REPRODUCES = "reproduces"
    FLAG = "flag"
    NOTE = "note"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict: about what, what is printed, and what was found, in words."""

    verdict: Verdict
    about: str
    printed: str
    found: str
