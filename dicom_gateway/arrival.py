"""An arrival: one stored object, one file, and a name that is its whole record.

::

    000000012345.<received_ns>.<uid hash>.<digest>.<live|replay-ID>.<source>[.<grew as>].dcm

There is no second place that could disagree with it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One stored DICOM object.

    ``has_rival`` is known only to the one who added it: an earlier arrival has the same SOP Instance UID
    and other bytes. ``grew_as`` is the number under which its frames were there before it was whole; an object that is
    not whole has no other (``dicom_gateway.growing``), and then ``received_at`` is when it began.
    """

    number: int
    path: Path
    source: str
    received_at: float
    uid_hash: str
    digest: str
    size: int
    replay: str | None
    has_rival: bool = False
    grew_as: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether its sender was told of success, or will be."""
        return self.number > 0

    @property
    def began_at(self) -> float:
        """What times within the object are counted from where the device tells none; the same before and after its end."""
        return self.received_at if self.grew_as is None else -self.grew_as / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """An object that the spool already holds, byte for byte."""

    arrival: Arrival


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an object comes from: SOP Instance UID, source, time of receipt, and the replay if it is one."""

    sop_instance_uid: str
    source: str
    received_ns: int
    replay: str | None = None


def hash_of(uid: str) -> str:
    """Sixteen hex digits that stand for a UID in names and logs."""
    return hashlib.sha256(uid.encode("utf-8", "replace")).hexdigest()[:16]


def name_of(arrival: Arrival, received_ns: int) -> str:
    """The file name that records an arrival."""
    grew = "" if arrival.grew_as is None else f".{-arrival.grew_as}"
    whence = whence_of(arrival.replay, arrival.source)
    return f"{arrival.number:012d}.{received_ns}.{arrival.uid_hash}.{arrival.digest}.{whence}{grew}.dcm"


def whence_of(replay: str | None, source: str) -> str:
    """Two fields of a file name: live or the replay, and the source."""
    told = "live" if replay is None else f"replay-{_escape(replay)}"
    return f"{told}.{_escape(source)}"


def whence_from(told: str, source: str) -> tuple[str | None, str]:
    """Replay and source from their fields."""
    return unquote(told.removeprefix("replay-")) if told.startswith("replay-") else None, unquote(source)


def _escape(text: str) -> str:
    return quote(text, safe="").replace(".", "%2E")


def arrival_at(path: Path) -> Arrival | None:
    """The arrival that a file name records; None for a name that is not ours."""
    fields = path.name.split(".")
    numbers = (*fields[:2], *fields[6:-1])
    if len(fields) not in {7, 8} or fields[-1] != "dcm" or not all(number.isdigit() for number in numbers):
        return None
    replay, source = whence_from(fields[4], fields[5])
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    return Arrival(
        number=int(fields[0]),
        path=path,
        source=source,
        received_at=int(fields[1]) / 1e9,
        uid_hash=fields[2],
        digest=fields[3],
        size=size,
        replay=replay,
        grew_as=-int(fields[6]) if len(fields) == 8 else None,
    )
