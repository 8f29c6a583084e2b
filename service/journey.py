"""One frame's journey: from an arrival to entries in the journal.

Written before shown: the bell rings only after the journal holds what this frame says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from db.arrivals import Progress, Status
from db.convert import findings_data
from db.landmarks import landmarks_from
from detection.alarm import Alarm, Setting, judge
from detection.examine import examine
from detection.memory import Memory
from detection.rules import Rules
from detection.vocabulary import (
    Act,
    Change,
    Entry,
    EntryType,
    Findings,
    Frame,
    Landmarks,
    Mode,
    Plan,
    Seen,
    Silence,
    Stamp,
    View,
)
from service.pen import Pen


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One source of one procedure under watch. A value: handed in with a frame, handed back with its successor.

    ``alarm`` is that of the whole procedure: all its cases hold the same.

    ``acts_to`` is the number of the last act that was heard; ``entry`` that of the last frame entry. ``aside`` is the
    memory as it was when frames were passed over, for looking at them afterwards.
    """

    procedure: str
    source: str
    mode: Mode
    memory: Memory = Memory()
    alarm: Alarm = Alarm()
    plan: Plan = Plan()
    acts_to: int = 0
    entry: int = 0
    last: Findings | None = None
    aside: Memory | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a verdict is written with: pen, rules, clock, bell, the way past the journal, and where the frame of a landmark lay."""

    pen: Pen
    rules: Rules
    now: Callable[[], float]
    ring: Callable[[], object]
    tell: Callable[[bytes], object]
    locate: Callable[[Landmarks, Case], Landmarks]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Verdict:
    """What one frame says and changes, before it is written."""

    findings: Findings
    changes: tuple[Change, ...]
    case: Case


def follow(frame: Frame, n_frames: int | None, case: Case, desk: Desk) -> Case:
    """Judge one frame of an arrival of ``n_frames`` and journal what it says; the case afterwards.

    ``n_frames`` None: the object is not whole, and this frame does not end it.
    """
    decoded_at = desk.now()
    acts = desk.pen.acts_since(case.procedure, case.acts_to)
    verdict = weigh(frame, heed(case, acts, desk), acts, desk.rules, judged_at=desk.now())
    is_last = n_frames is not None and frame.stamp.index + 1 >= n_frames
    progress = Progress(
        arrival=frame.stamp.arrival,
        n_judged=frame.stamp.index + 1,
        status=Status.DONE if is_last else Status.OPEN,
        procedure=case.procedure,
    )
    return write(verdict, frame.stamp, decoded_at, desk, progress)


def look_back(frame: Frame, case: Case, desk: Desk) -> Case:
    """Judge a frame that was passed over in haste. It counts as evidence, by the memory that was set aside for it."""
    decoded_at = desk.now()
    acts = desk.pen.acts_since(case.procedure, case.acts_to)
    heeded = heed(case, acts, desk)
    verdict = weigh_afterwards(frame, heeded, acts, desk.rules, judged_at=desk.now())
    progress = Progress(arrival=frame.stamp.arrival, n_judged=frame.stamp.index + 1, status=Status.DONE)
    return write(verdict, frame.stamp, decoded_at, desk, progress, is_afterwards=True)


def weigh_afterwards(frame: Frame, case: Case, acts: tuple[Act, ...], rules: Rules, *, judged_at: float) -> Verdict:
    """As ``weigh``, by the memory that was set aside; the memory of the newest frame stays as it is."""
    then = replace(case, memory=case.aside or case.memory)
    verdict = weigh(frame, then, acts, rules, judged_at=judged_at)
    after = replace(verdict.case, memory=case.memory, aside=verdict.case.memory, last=case.last)
    return replace(verdict, case=after)


def weigh(frame: Frame, case: Case, acts: tuple[Act, ...], rules: Rules, *, judged_at: float) -> Verdict:
    """The verdict on one frame, given a case that has heeded its acts. Pure."""
    findings, memory = examine(frame, case.memory, case.plan, rules)
    changes, alarm = judge(findings, acts, case.alarm, setting_of(case, rules), judged_at)
    return Verdict(findings=findings, changes=changes, case=replace(case, memory=memory, alarm=alarm, last=findings))


def write(
    verdict: Verdict, stamp: Stamp, decoded_at: float, desk: Desk, progress: Progress, *, is_afterwards: bool = False
) -> Case:
    """Write a verdict to the journal, then ring; the case afterwards."""
    judged_at = desk.now()
    case = verdict.case
    times = {
        "image": stamp.acquired_at,
        "received": stamp.received_at,
        "decoded": decoded_at,
        "judged": judged_at,
        "written": desk.now(),
    }
    seen = seen_at(stamp, judged_at)
    said = findings_data(verdict.findings)
    own = Entry(
        at=judged_at,
        type=EntryType.FRAME_SEEN,
        procedure=case.procedure,
        source=case.source,
        frame=seen,
        times=times,
        data={**said, "acts_to": case.acts_to, "is_afterwards": is_afterwards},
    )
    entries = (own, *(entry_of(change, case.source, seen, times, judged_at) for change in verdict.changes))
    written = desk.pen.append(entries, alerts=[change.alert for change in verdict.changes], progress=progress)
    desk.ring()
    return replace(case, entry=written[0].number or case.entry)


def hear(silence: Silence, case: Case, desk: Desk) -> Case:
    """Judge the absence of frames, and acts that came meanwhile; the case afterwards."""
    acts = desk.pen.acts_since(case.procedure, case.acts_to)
    case = heed(case, acts, desk)
    changes, alarm = judge(silence, acts, case.alarm, setting_of(case, desk.rules), silence.at)
    if changes:
        entries = [entry_of(change, case.source, None, {}, silence.at, acts_to=case.acts_to) for change in changes]
        desk.pen.append(entries, alerts=[change.alert for change in changes])
        desk.ring()
    return replace(case, alarm=alarm)


def heed(case: Case, acts: tuple[Act, ...], desk: Desk) -> Case:
    """The case after what operators did to its plan."""
    for act in acts:
        if act.type is EntryType.PLAN_SET:
            case = replace(case, plan=_planned(case.plan, desk.locate(landmarks_from(act.data), case)))
    return replace(case, acts_to=max([case.acts_to, *(act.number for act in acts)]))


def entry_of(
    change: Change,
    source: str,
    seen: Seen | None,
    times: Mapping[str, float | None],
    at: float,
    *,
    acts_to: int | None = None,
) -> Entry:
    """The journal's line about one transition of an alert on the evidence of ``source``, which need not be the one that the alert shows.

    Without a frame it tells up to which act was heard.
    """
    alert = change.alert
    data: dict[str, Any] = {
        "kind": alert.kind.value,
        "zone": alert.zone.value if alert.zone else None,
        "priority": alert.priority.value,
        "message": alert.message,
        "mode": alert.mode.value,
    }
    if acts_to is not None:
        data["acts_to"] = acts_to
    if change.act is not None:
        data["act"] = change.act
    return Entry(
        at=at,
        type=change.type,
        procedure=alert.procedure,
        source=source,
        alert=alert.id,
        from_state=change.from_state,
        to_state=change.to_state,
        cause=change.cause,
        actor=change.actor,
        frame=seen,
        times=times,
        data=data,
    )


def seen_at(stamp: Stamp, judged_at: float) -> Seen:
    """A frame as entries and alerts name it."""
    return Seen(
        sop_instance_uid=stamp.sop_instance_uid,
        index=stamp.index,
        acquired_at=stamp.acquired_at,
        received_at=stamp.received_at,
        judged_at=judged_at,
    )


def _planned(plan: Plan, landmarks: Landmarks) -> Plan:
    view: View = landmarks.body.view
    return replace(plan, level=landmarks.body.level or plan.level, landmarks={**plan.landmarks, view: landmarks})


def setting_of(case: Case, rules: Rules) -> Setting:
    """What the judge must know of a case besides its alarm."""
    return Setting(
        procedure=case.procedure,
        source=case.source,
        mode=case.mode,
        rules=rules,
        plan=case.plan,
        level=case.plan.level,
    )
