"""What waits to be judged, one line for each source, and which frame is next.

In order as long as the backlog can be worked off soon; beyond ``skip_after_s`` the newest live frame is judged first,
because an alert about five seconds ago stops nothing, and what was passed over is examined afterwards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from db.arrivals import ArrivalRow, Status
from detection.vocabulary import Mode
from dicom_gateway.arrival import Arrival
from dicom_gateway.frames import mode_of
from dicom_gateway.header import Header


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An image arrival with its header, and the first frame that has not been judged.

    ``is_resumed``: it was waiting, or being judged, when the role last ended.
    """

    arrival: Arrival
    header: Header
    start: int = 0
    is_afterwards: bool = False
    is_resumed: bool = False

    @property
    def is_live(self) -> bool:
        """Whether the beam is on while this is judged."""
        return mode_of(self.arrival, self.header) is Mode.LIVE


@dataclass(slots=True, kw_only=True)
class Line:
    """The jobs of one source: live ones wait apart from stored ones, so that a long run delays nobody at the table."""

    source: str
    waiting: deque[Job] = field(default_factory=deque)
    passed_over: deque[Job] = field(default_factory=deque)
    stored: deque[Job] = field(default_factory=deque)
    n_received: int = 0
    n_judged: int = 0
    n_skipped: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, live, passed over or stored."""
        return not (self.waiting or self.passed_over or self.stored)

    def age_s(self, now: float) -> float:
        """How long the oldest unjudged live frame has waited."""
        return now - self.waiting[0].arrival.received_at if self.waiting else 0.0

    def add(self, job: Job) -> None:
        """A job that has just come."""
        (self.waiting if job.is_live else self.stored).append(job)

    def put_back(self, job: Job, n_passed: int = 0) -> None:
        """A job that was taken stands where it stood, and so do those that were passed over for it."""
        if job.is_afterwards:
            self.passed_over.appendleft(replace(job, is_afterwards=False))
            return
        (self.waiting if job.is_live else self.stored).appendleft(job)
        for _ in range(n_passed):
            self.waiting.appendleft(self.passed_over.pop())

    def take(self, now: float, skip_after_s: float) -> tuple[Job | None, int]:
        """The next job and how many were passed over to get at it."""
        n_passed = 0
        if self.age_s(now) > skip_after_s:
            while len(self.waiting) > 1:
                self.passed_over.append(self.waiting.popleft())
                n_passed += 1
        if self.waiting:
            return self.waiting.popleft(), n_passed
        if self.passed_over:
            return replace(self.passed_over.popleft(), is_afterwards=True), 0
        return (self.stored.popleft() if self.stored else None), 0


def in_turn(lines: dict[str, Line], last: str | None) -> Iterator[Line]:
    """The lines in round-robin order, beginning after the one served last; live work before afterthoughts."""
    names = sorted(lines)
    at = names.index(last) + 1 if last in lines else 0
    turned = [lines[name] for name in names[at:] + names[:at]]
    yield from sorted(turned, key=lambda line: not line.waiting)


def row_of(arrival: Arrival, header: Header | None, status: Status) -> ArrivalRow:
    """An object as the journal remembers it at first. How many frames a run has is known when it is whole."""
    return ArrivalRow(
        number=arrival.number,
        source=arrival.source,
        sop_instance_uid=header.sop_instance_uid if header else "",
        study_instance_uid=header.study_instance_uid if header else "",
        series_instance_uid=header.series_instance_uid if header else "",
        replay=arrival.replay,
        mode=mode_of(arrival, header) if header else Mode.POST_RUN,
        n_frames=header.n_frames if header and arrival.is_whole else None,
        received_at=arrival.received_at,
        status=status,
    )
