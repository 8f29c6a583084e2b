"""What the screens are told past the journal while it cannot be written: one short message for each source.

``watch`` sends them at every heartbeat over a local socket, which needs neither database nor disk; ``serve`` keeps the
newest of each source and forgets it when no more come. What is told here is written later, marked as unlogged.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from db.convert import alert_data, alert_from, json_text
from db.heartbeat import Heartbeat, heartbeat_data, heartbeat_from
from detection.vocabulary import Alert
from service.bell import LONGEST_MESSAGE

FORGOTTEN_AFTER_S = 3.0
"""What is this old says nothing of now; the source's heartbeat is as old and says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One source: how it stands, every alert that its screens must show, and which of them the journal does not have."""

    words: str
    beat: Heartbeat
    alerts: tuple[Alert, ...]
    unlogged: frozenset[str]

    def is_current(self, now: float) -> bool:
        """Whether it was said a moment ago."""
        return now - self.beat.beat_at <= FORGOTTEN_AFTER_S


def messages(
    beats: Iterable[Heartbeat], standing: Iterable[Alert], unlogged: Mapping[str, Alert], *, words: str
) -> Iterable[bytes]:
    """One message for each source. An outline is left out where the message would be too long."""
    alerts = {alert.id: alert for alert in standing} | dict(unlogged)
    for beat in beats:
        own = tuple(alert for alert in alerts.values() if alert.source == beat.source)
        told = Told(words=words, beat=beat, alerts=own, unlogged=frozenset(unlogged) & {alert.id for alert in own})
        yield _message(told)


def _message(told: Told) -> bytes:
    whole = _text(told)
    if len(whole) <= LONGEST_MESSAGE:
        return whole
    return _text(replace(told, alerts=tuple(replace(alert, outline=()) for alert in told.alerts)))


def _text(told: Told) -> bytes:
    content = {
        "words": told.words,
        "beat": heartbeat_data(told.beat),
        "alerts": [alert_data(alert) for alert in told.alerts],
        "unlogged": sorted(told.unlogged),
    }
    return json_text(content).encode("ascii")


def told_from(message: bytes) -> Told | None:
    """What a message says; None for one that is none of ours, or cut off."""
    try:
        content = json.loads(message)
        return Told(
            words=content["words"],
            beat=heartbeat_from(content["beat"]),
            alerts=tuple(alert_from(each) for each in content["alerts"]),
            unlogged=frozenset(content["unlogged"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def fresher(beats: Iterable[Heartbeat], told: Collection[Told]) -> tuple[Heartbeat, ...]:
    """The heartbeats that the journal's database holds, and in their place those that were told later."""
    newest = {beat.source: beat for beat in beats}
    for each in told:
        known = newest.get(each.beat.source)
        if known is None or known.beat_at < each.beat.beat_at:
            newest[each.beat.source] = each.beat
    return tuple(newest[source] for source in sorted(newest))
