"""The two tables of an alarm, condition and signal, and the theory behind them.

Theory
======

An alarm is two machines. The *condition* is what is true of the patient or of our own sight; the *signal* is
what is being sounded about it. Operators act on signals only: nobody can switch off a truth. (The split follows
IEEE 11073-10207; no conformance to IEC 60601-1-8 is claimed.)

There is one pair of machines for each kind, zone (discs: each side) and level of one procedure, and for each
technical cause of one of its sources. All pieces of one zone are one condition, whichever views show them. The whole of
it is an ``Alarm``, a value handed in and handed back; the journal holds every change, so the alarm can be told again
from the beginning.

Condition: ABSENT -> PENDING -> PRESENT -> ABSENT. One piece of evidence is one of five *sights*:

* GLIMPSED   it is seen now, but not yet on N of the last M valid frames;
* CONFIRMED  it is seen now, and on N of the last M valid frames;
* MISSED     a valid frame did not show it, which is not yet enough to forget it;
* CLEARED    PENDING: none of the last M valid frames showed it; PRESENT: a whole window of valid frames did not;
* BLIND      this evidence cannot tell: unfit, duplicate, another view or level, the zone not watched, no frame.

and CLOSED, the end of the case. Each view of each source is an *eye*: it counts its own looks and goes through the
table by itself, and the condition is that of the eye that shows most. A leak that two views show is one condition,
and over when neither shows it. A frame is valid for an eye only if it could have shown the place, so an AP run
does not end what the lateral view saw. BLIND changes nothing; when it lasts, a PRESENT condition becomes
QUESTIONABLE. A sight is applied until nothing changes any more: where one frame is enough (N = 1) the condition
still passes through PENDING. Causes told by ``Silence`` are known, not seen: true at once, gone at once, and the
whole set is given each time.

Signal: OFF -> ON -> ACKNOWLEDGED or PAUSED -> ON ..., and LATCHED when a leak of HIGH or MEDIUM priority ends
before anybody took note. A pause is no taking note, so a paused leak latches too; an acknowledged one does not.
WORSENED (higher priority or tier, growth beyond a step, a new direction) always leads back to ON: an
acknowledgement covers what was told and nothing more. That another view shows it too is further evidence and no worsening,
unless it raises the priority or shows a way out that the first view shows in part at most, or shows
far more while no view that shows it looks; a view that lost it and shows it again is held against what was told of it.
A new zone is a condition of its own with its own signal.
An act that a state does not allow is refused with a reason, and the refusal is an entry of its own.

While PRESENT the priority never falls. ON, ACKNOWLEDGED and PAUSED occur only with PRESENT, LATCHED only with
ABSENT or PENDING; a latched or only just ended condition that comes back is the same alert, and sounds again.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from detection.vocabulary import Condition, Signal


class Sight(StrEnum):
    """What one piece of evidence means for one condition."""

    GLIMPSED = "glimpsed"
    CONFIRMED = "confirmed"
    MISSED = "missed"
    CLEARED = "cleared"
    BLIND = "blind"
    CLOSED = "closed"


class Event(StrEnum):
    """What can happen to a signal."""

    RAISED = "raised"
    WORSENED = "worsened"
    ENDED = "ended"
    ENDED_LATCHING = "ended_latching"
    ACKNOWLEDGE = "acknowledge"
    PAUSE = "pause"
    PAUSE_OVER = "pause_over"
    RESET = "reset"
    RESET_WHILE_PRESENT = "reset_while_present"
    CLOSED = "closed"


class Refusal(StrEnum):
    """Why an act is refused."""

    NOTHING_SOUNDS = "the alert is off"
    STILL_PRESENT = "the condition is still present"
    HAS_ENDED = "the condition has ended: reset it"
    IS_ACKNOWLEDGED = "the alert is already acknowledged"


ABSENT, PENDING, PRESENT = Condition.ABSENT, Condition.PENDING, Condition.PRESENT
OFF, ON, ACKNOWLEDGED, PAUSED, LATCHED = Signal.OFF, Signal.ON, Signal.ACKNOWLEDGED, Signal.PAUSED, Signal.LATCHED

CONDITION_TABLE: Mapping[Condition, Mapping[Sight, Condition]] = {
    ABSENT: {
        Sight.GLIMPSED: PENDING,
        Sight.CONFIRMED: PENDING,  # and on to PRESENT: the sight is applied again
        Sight.MISSED: ABSENT,
        Sight.CLEARED: ABSENT,
        Sight.BLIND: ABSENT,
        Sight.CLOSED: ABSENT,
    },
    PENDING: {
        Sight.GLIMPSED: PENDING,
        Sight.CONFIRMED: PRESENT,
        Sight.MISSED: PENDING,
        Sight.CLEARED: ABSENT,
        Sight.BLIND: PENDING,
        Sight.CLOSED: ABSENT,
    },
    PRESENT: {
        Sight.GLIMPSED: PRESENT,
        Sight.CONFIRMED: PRESENT,
        Sight.MISSED: PRESENT,
        Sight.CLEARED: ABSENT,
        Sight.BLIND: PRESENT,
        Sight.CLOSED: ABSENT,
    },
}

SIGNAL_TABLE: Mapping[Signal, Mapping[Event, Signal | Refusal]] = {
    OFF: {
        Event.RAISED: ON,
        Event.WORSENED: ON,
        Event.ENDED: OFF,
        Event.ENDED_LATCHING: OFF,
        Event.ACKNOWLEDGE: Refusal.NOTHING_SOUNDS,
        Event.PAUSE: Refusal.NOTHING_SOUNDS,
        Event.PAUSE_OVER: OFF,
        Event.RESET: Refusal.NOTHING_SOUNDS,
        Event.RESET_WHILE_PRESENT: Refusal.STILL_PRESENT,
        Event.CLOSED: OFF,
    },
    ON: {
        Event.RAISED: ON,
        Event.WORSENED: ON,
        Event.ENDED: OFF,
        Event.ENDED_LATCHING: LATCHED,
        Event.ACKNOWLEDGE: ACKNOWLEDGED,
        Event.PAUSE: PAUSED,
        Event.PAUSE_OVER: ON,
        Event.RESET: OFF,
        Event.RESET_WHILE_PRESENT: Refusal.STILL_PRESENT,
        Event.CLOSED: OFF,
    },
    ACKNOWLEDGED: {
        Event.RAISED: ON,
        Event.WORSENED: ON,
        Event.ENDED: OFF,
        Event.ENDED_LATCHING: OFF,
        Event.ACKNOWLEDGE: ACKNOWLEDGED,
        Event.PAUSE: Refusal.IS_ACKNOWLEDGED,
        Event.PAUSE_OVER: ACKNOWLEDGED,
        Event.RESET: OFF,
        Event.RESET_WHILE_PRESENT: Refusal.STILL_PRESENT,
        Event.CLOSED: OFF,
    },
    PAUSED: {
        Event.RAISED: ON,
        Event.WORSENED: ON,
        Event.ENDED: OFF,
        Event.ENDED_LATCHING: LATCHED,
        Event.ACKNOWLEDGE: ACKNOWLEDGED,
        Event.PAUSE: PAUSED,
        Event.PAUSE_OVER: ON,
        Event.RESET: OFF,
        Event.RESET_WHILE_PRESENT: Refusal.STILL_PRESENT,
        Event.CLOSED: OFF,
    },
    LATCHED: {
        Event.RAISED: ON,
        Event.WORSENED: ON,
        Event.ENDED: LATCHED,
        Event.ENDED_LATCHING: LATCHED,
        Event.ACKNOWLEDGE: Refusal.HAS_ENDED,
        Event.PAUSE: Refusal.HAS_ENDED,
        Event.PAUSE_OVER: LATCHED,
        Event.RESET: OFF,
        Event.RESET_WHILE_PRESENT: Refusal.STILL_PRESENT,
        Event.CLOSED: OFF,
    },
}


def settled(condition: Condition, sight: Sight) -> Condition:
    """The condition once the sight has been applied until nothing changes."""
    after = CONDITION_TABLE[condition][sight]
    return after if after is condition else settled(after, sight)
