"""A case as it stood: its checkpoint, then every frame that the journal knows beyond it, judged again."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator
from dataclasses import replace

from db import arrivals, queries
from db.connect import Engine
from db.journal import Journal
from db.plans import plan_of
from db.queries import END
from detection.alarm import Alarm, judge, reconciled, resume
from detection.vocabulary import ACTS, Alert, Entry, EntryType, Frame, Mode, Silence
from dicom_gateway.decoding import Decoder
from dicom_gateway.frames import frames_of
from dicom_gateway.header import Header
from dicom_gateway.refusal import Undecodable, Unreadable
from dicom_gateway.spool import Spool
from service.ahead import bounds_of
from service.checkpoint import Checkpoints
from service.journey import Case, Desk, heed, setting_of, weigh, weigh_afterwards
from service.settings import Settings
from service.sources import Sources
from service.whereabouts import find_object

LOG = logging.getLogger(__name__)

Key = tuple[str, str, Mode]
"""Procedure, source, and how its images come: a stored copy of a run must not meet the memory of the live one."""

MOST_REBUILT = 3000
"""Frames that a restart looks at again for one case; beyond that it starts from the alerts that the journal kept."""
MOST_ALERTS = 10_000
"""Alerts that are read of one case; nobody has seen a hundredth of it."""
TRANSITIONS = frozenset(EntryType) - ACTS - {EntryType.FRAME_SEEN}
"""What ``watch`` writes besides frames."""


class Recall:
    """Recalls the cases of one ``watch`` from checkpoints and journal; it writes nothing."""

    def __init__(self, settings: Settings, desk: Desk, engine: Engine, spool: Spool, checkpoints: Checkpoints) -> None:
        self._desk, self._engine, self._spool, self._checkpoints = desk, engine, spool, checkpoints
        self._decoder = Decoder(bounds_of(settings))
        self._journal = Journal(engine)
        self._sources = Sources(settings)

    def case(self, key: Key, alarm: Alarm | None = None) -> Case:
        """Checkpoint, then every frame that the journal knows beyond it, judged again but not written again.

        ``alarm`` is that of the procedure where another case of it is under watch; else it is told again from the frames of all its sources.
        """
        procedure, source, mode = key
        told_by = {source} if alarm is not None else {source, *arrivals.sources_of(self._engine, procedure)}
        cases = {name: self._begun((procedure, name, mode)) for name in sorted(told_by)}
        entries = [self._entries_beyond(case) for case in cases.values()]
        alerts = [alert for alert in self._alerts_of(procedure) if alert.mode is mode]
        if sum(map(len, entries)) > MOST_REBUILT:
            return self._from_alerts(cases[source], alerts, alarm)
        newest = max(cases.values(), key=lambda case: case.entry)
        told = newest.alarm if alarm is None else alarm
        judged_to = newest.entry if alarm is None else END
        in_order = heapq.merge(*map(self._seen_again, entries), key=lambda seen: seen[0].number or 0)
        for entry, frame in in_order:
            name = entry.source or source
            again = self._judge_again(replace(cases[name], alarm=told), entry, frame)
            cases[name] = again
            told = again.alarm if again.entry > judged_to else told
        case = replace(cases[source], alarm=told)
        if alarm is not None:
            return replace(self._hear_again(case, case.entry), alarm=alarm)
        case = self._hear_again(case, max(each.entry for each in cases.values()))
        return replace(case, alarm=reconciled(case.alarm, alerts))

    def _begun(self, key: Key) -> Case:
        return self._checkpoints.load(*key) or Case(procedure=key[0], source=key[1], mode=key[2])

    def _entries_beyond(self, case: Case) -> list[Entry]:
        """The frames of one source that its checkpoint does not know."""
        own = queries.frames_of(self._engine, case.procedure, case.entry, MOST_REBUILT + 1, source=case.source)
        return [entry for entry in own if entry.data.get("mode") == case.mode]

    def judged_at(self, case: Case) -> float | None:
        """When the last frame of a case was judged."""
        if case.entry == 0:
            return None
        last = queries.frames_of(self._engine, case.procedure, case.entry - 1, 1)
        return last[0].at if last else None

    def _from_alerts(self, case: Case, alerts: list[Alert], alarm: Alarm | None) -> Case:
        """A case too long to be told again: plan and alerts as the journal has them, the pictures anew."""
        last = queries.latest_frame(self._engine, case.procedure)
        entry, acts_to = (0, 0) if last is None else (last.number or 0, int(last.data.get("acts_to", 0)))
        alarm = replace(resume(alerts), acts_to=acts_to) if alarm is None else alarm
        return replace(case, alarm=alarm, plan=plan_of(self._engine, case.procedure), acts_to=acts_to, entry=entry)

    def _hear_again(self, case: Case, after: int) -> Case:
        """The acts that were heard after line ``after``, whichever case heard them, heard again but not written again."""
        later = queries.log_of(self._engine, case.procedure, after, TRANSITIONS, MOST_ALERTS)
        for entry in (entry for entry in later if entry.data.get("mode") == case.mode):
            heard_to = int(entry.data.get("acts_to", 0))
            known_to = min(case.acts_to, case.alarm.acts_to)
            if heard_to > known_to:
                acts = self._journal.acts_since(case.procedure, known_to)
                acts = tuple(act for act in acts if act.number <= heard_to)
                case = heed(case, tuple(act for act in acts if act.number > case.acts_to), self._desk)
                silence = Silence(source=case.source, at=entry.at, causes=frozenset())
                _, alarm = judge(silence, acts, case.alarm, setting_of(case, self._desk.rules), entry.at)
                case = replace(case, alarm=alarm)
        return case

    def _judge_again(self, case: Case, entry: Entry, frame: Frame) -> Case:
        acts_to = int(entry.data.get("acts_to", 0))
        acts = tuple(act for act in self._journal.acts_since(case.procedure, case.acts_to) if act.number <= acts_to)
        heeded = heed(case, acts, self._desk)
        judge_frame = weigh_afterwards if entry.data.get("is_afterwards") else weigh
        again = judge_frame(frame, heeded, acts, self._desk.rules, judged_at=entry.at).case
        return replace(again, entry=entry.number or case.entry)

    def _seen_again(self, entries: list[Entry]) -> Iterator[tuple[Entry, Frame]]:
        """The frames of journal entries, each object opened once for a run of its frames."""
        frames: Iterator[Frame] = iter(())
        at: tuple[int, int] | None = None
        for entry in entries:
            place = (int(entry.data["arrival"]), entry.frame.index if entry.frame else 0)
            if at is None or place != (at[0], at[1] + 1):
                frames = self._frames_from(*place)
            at = place
            frame = next(frames, None)
            if frame is not None:
                yield entry, frame

    def _frames_from(self, number: int, start: int) -> Iterator[Frame]:
        arrival = find_object(self._spool, self._engine, number)
        if arrival is None:
            return
        try:
            header: Header = self._sources.header_of(arrival)
            yield from frames_of(arrival, header, start=start, decoder=self._decoder)
        except (Unreadable, Undecodable):
            LOG.warning("object %d could not be looked at again", number)

    def _alerts_of(self, procedure: str) -> list[Alert]:
        return [listed.alert for listed in queries.alerts_after(self._engine, procedure=procedure, limit=MOST_ALERTS)]


def key_of_alert(alert: Alert) -> Key:
    """A case that an alert belongs to: that of the source that it shows."""
    return alert.procedure, alert.source, alert.mode
