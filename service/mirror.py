"""Tells a second channel of alerts: every one that it is to hear, in order, at least once.

The journal is the queue. A cursor in the database moves on only when the channel has taken a message, so nothing is lost
when it, we or the machine are down for a while; what was taken without our hearing of it is sent again. The message
before blocks the one after: order is worth more here than haste, and each carries its time. Only a message that the
receiver says is at fault itself is passed over in the end, for it would keep every later alert from being told.
"""

from __future__ import annotations

import logging
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from db.connect import Engine, StoreFailure
from db.convert import alert_from, json_text
from db.mirrors import keep_standing, standing_of, transitions_after
from detection.vocabulary import Alert, Entry, EntryType, Mode
from service.api.answers import alert_of, time_of
from service.safety import SAFETY_WORDS

LOG = logging.getLogger(__name__)

MOST_REFUSALS = 5
"""Times that a receiver may call one message faulty before it is passed over."""
AGAIN_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Pauses between attempts; the last one repeats."""

Send = Callable[[int, bytes], None]
"""Hands over a message under the number of its entry. NotTaken when it was not taken, as far as we know."""
Wants = Callable[[Entry, Alert], bool]
Write = Callable[[Entry, Alert], bytes]
"""What a message says, as the channel wants it."""


class NotTaken(Exception):
    """The channel did not take the message; the same message may be taken later. Its words name no patient."""


class Unwelcome(NotTaken):
    """The receiver says that this very message is at fault; others may be taken."""


def is_escalated(entry: Entry, alert: Alert) -> bool:
    """Escalations, and what becomes of alerts that were escalated; never of a replay."""
    return alert.mode is not Mode.REPLAY and (entry.type is EntryType.ALERT_ESCALATED or alert.escalation > 0)


def is_real(entry: Entry, alert: Alert) -> bool:
    """Every change of every alert, but of no replay."""
    del entry
    return alert.mode is not Mode.REPLAY


def body_of(entry: Entry, alert: Alert) -> bytes:
    """One message: what happened, when, and the alert after it in the shape of the HTTP contract."""
    shown = alert_of(entry.number or 0, alert).model_dump(mode="json")
    told = {"number": entry.number, "cause": entry.cause, "actor": entry.actor, "alert": shown, "safety": SAFETY_WORDS}
    return json_text({"type": entry.type, "timestamp": time_of(entry.at), "data": told}).encode("ascii")


class Mirror:
    """One channel."""

    def __init__(
        self,
        engine: Engine,
        name: str,
        *,
        wants: Wants,
        send: Send,
        now: Callable[[], float],
        write: Write = body_of,
    ) -> None:
        self._engine, self._wants, self._send, self._now, self._write = engine, wants, send, now, write
        self._standing = standing_of(engine, name)
        self._looked_to = self._standing.number
        self._waiting: deque[Entry] = deque()
        self._n_failed = self._n_refused = 0

    def turn(self) -> float | None:
        """As ``step``; a surprise is a failure of this channel like any other, told and tried again, and ends nothing.

        What the journal does not answer to is the caller's to wait for.
        """
        try:
            return self.step()
        except StoreFailure:
            raise
        except Exception as surprise:  # noqa: BLE001 - whatever it is, the other alerts are to be told
            return self._fail(f"failed unexpectedly: {_named(surprise)}")

    def step(self) -> float | None:
        """Send the next message; how long to wait before the next step, None until the journal moves."""
        self._look()
        if not self._waiting:
            return None
        entry = self._waiting[0]
        try:
            body = self._body(entry)
            if body is not None:
                self._send(entry.number or 0, body)
                self._keep(entry, told_at=self._now(), failing_since=None, reason=None)
        except Unwelcome as refusal:
            self._n_refused += 1
            if self._n_refused < MOST_REFUSALS:
                return self._fail(str(refusal))
            self._pass_over(entry, str(refusal))
        except NotTaken as refusal:
            return self._fail(str(refusal))
        self._n_failed = self._n_refused = 0
        self._waiting.popleft()
        return 0.0

    def _body(self, entry: Entry) -> bytes | None:
        """What is to be sent of ``entry``; None when this channel is not told of it. Unwelcome when it cannot be written."""
        try:
            alert = alert_from(entry.data["alert"])
            return self._write(entry, alert) if self._wants(entry, alert) else None
        except Exception as surprise:
            raise Unwelcome(f"cannot be written: {_named(surprise)}") from surprise

    def _look(self) -> None:
        while not self._waiting:
            before = self._looked_to
            found, self._looked_to = transitions_after(self._engine, before)
            self._waiting.extend(found)
            if self._looked_to == before:
                return

    def _pass_over(self, entry: Entry, reason: str) -> None:
        """The channel goes on failing until it has taken one."""
        LOG.error("the second channel %s passes over message %d: %s", self._standing.name, entry.number, reason)
        self._keep(entry, reason=f"passed over message {entry.number}: {reason}")

    def _keep(self, entry: Entry, **known: Any) -> None:
        """No more is to be done about ``entry``."""
        self._standing = replace(self._standing, number=entry.number or self._standing.number, **known)
        keep_standing(self._engine, self._standing)

    def _fail(self, reason: str) -> float:
        if self._standing.failing_since is None:
            LOG.error("the second channel %s does not take messages: %s", self._standing.name, reason)
            self._standing = replace(self._standing, failing_since=self._now(), reason=reason)
            keep_standing(self._engine, self._standing)
        self._n_failed += 1
        return AGAIN_S[min(self._n_failed, len(AGAIN_S)) - 1]


def _named(surprise: Exception) -> str:
    """Its kind and the line it was raised at; its own words could quote a patient."""
    last = traceback.extract_tb(surprise.__traceback__)[-1]
    return f"{type(surprise).__name__} at {Path(last.filename).name}:{last.lineno}"
