"""What two journals of one recording say differently, in words. Pure: two lists of lines in, sentences out.

The lines are those of ``cementwatch replay --frames``, or those of a procedure's log. Frames are matched by object and
index; where the two have no object in common (one of them lost its identity) by their place in the recording. An alert
is matched with the nearest one of its kind, zone and side; what is left with one of its kind in another zone nearby.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from service.measured import FrameDifference, frame_differences

Line = Mapping[str, Any]
FrameName = tuple[str, int]
NEAR = 8
"""Frames within which an alert in another zone is taken for the same event."""
ORDER = ("low", "medium", "high")


class NotComparable(ValueError):
    """These two are no journals of one recording; the text says what was expected."""


@dataclass(slots=True, kw_only=True)
class Episode:
    """One alert from being raised to its end; numbers are places of frames, from 0. ``ended`` None: it never did."""

    kind: str
    zone: str | None
    side: str | None
    cause: str | None
    priority: str
    raised: int
    ended: int | None = None
    outline: Sequence[Any] = ()

    @property
    def key(self) -> tuple[str | None, ...]:
        """What tells it from others at one time."""
        return self.kind, self.zone, _told_apart_by(self.zone, self.side), self.cause

    @property
    def words(self) -> str:
        """As a sentence names it."""
        about = [self.cause] if self.kind == "technical" else [self.zone, self.side]
        return " ".join([self.priority.upper(), self.kind, *(word.replace("_", " ") for word in about if word)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A journal as it is compared: the frames in the order of judging, what each measured, and the alerts."""

    frames: tuple[FrameName, ...]
    findings: Mapping[int, Mapping[str, Any]]
    episodes: tuple[Episode, ...]
    version: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertDifference:
    """One alert that is not the same in both: what is different, and the alert as each tells it."""

    what: str
    words: str
    a: Episode | None = None
    b: Episode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that is different. ``remarks`` are about the recordings as a whole."""

    a: Told
    b: Told
    remarks: tuple[str, ...]
    alerts: tuple[AlertDifference, ...]
    frames: tuple[FrameDifference, ...]
    n_frames: int
    details: tuple[str, ...] = field(default=())

    @property
    def is_same(self) -> bool:
        """Whether both say the same."""
        return not (self.alerts or self.frames or self.details)

    @property
    def summary(self) -> str:
        """One line."""
        if self.is_same:
            return f"no difference: {len(self.a.episodes)} alerts, {self.n_frames} frames"
        counts: dict[str, int] = defaultdict(int)
        for each in self.alerts:
            counts[each.what] += 1
        told = ", ".join(f"{n} {what}" for what, n in sorted(counts.items())) or "none"
        return f"alerts that differ: {told}; {len(self.frames)} of {self.n_frames} frames measure differently"


def compare(a: Sequence[Line], b: Sequence[Line]) -> Comparison:
    """What ``b`` says otherwise than ``a``. Raises ``NotComparable``."""
    first, second = told_by(a), told_by(b)
    remarks = _remarks(first, second)
    place_in_a = _places(first, second)
    moved = _moved(second, place_in_a)
    alerts = tuple(_alert_differences(first.episodes, moved.episodes))
    measured = frame_differences(first.findings, moved.findings)
    n_frames = len(first.findings.keys() & moved.findings.keys())
    n_alone = len(first.frames) + len(second.frames) - 2 * n_frames
    details = (f"{n_alone} frames were judged in one of the two only",) if n_alone else ()
    return Comparison(
        a=first,
        b=moved,
        remarks=remarks,
        alerts=alerts,
        frames=measured,
        n_frames=n_frames,
        details=details,
    )


def told_by(lines: Sequence[Line]) -> Told:
    """A journal's lines as they are compared. Raises ``NotComparable`` when no frame is told."""
    places: dict[FrameName, int] = {}
    findings: dict[int, Mapping[str, Any]] = {}
    episodes: list[Episode] = []
    standing: dict[tuple[str | None, ...], Episode] = {}
    version: Mapping[str, Any] = {}
    for line in lines:
        if line["type"] == "procedure_opened":
            version = line.get("version", {})
        if line["type"] == "frame_seen":
            place = places.setdefault(_name_of(line), len(places))
            findings[place] = line["findings"]
        alert = line.get("alert")
        if alert is not None:
            at = places.get(_name_of(line), len(places) - 1) if line.get("frame") else len(places) - 1
            _follow(line["type"], alert, max(at, 0), (standing, episodes))
    if not places:
        raise NotComparable("expected journals with frames, as `cementwatch replay --frames` prints them")
    return Told(frames=tuple(places), findings=findings, episodes=tuple(episodes), version=version)


def _name_of(line: Line) -> FrameName:
    frame = line["frame"]
    return str(frame["sop_instance_uid"]), int(frame["index"])


def _follow(
    type: str,
    alert: Mapping[str, Any],
    at: int,
    into: tuple[dict[tuple[str | None, ...], Episode], list[Episode]],
) -> None:
    """One line about an alert: a new episode, or what became of one."""
    standing, episodes = into
    kind, zone, side, cause = alert["kind"], alert["zone"], alert["side"], alert["technical_cause"]
    key = (kind, zone, _told_apart_by(zone, side), cause)
    known = standing.get(key)
    if type == "alert_raised" or known is None:
        known = standing[key] = Episode(
            kind=str(kind), zone=zone, side=side, cause=cause, priority=alert["priority"], raised=at
        )
        known.outline = alert.get("outline") or ()
        episodes.append(known)
    known.priority = max(known.priority, alert["priority"], key=ORDER.index)
    if type == "alert_ended":
        known.ended = at
        standing.pop(key)
    elif not known.outline:
        known.outline = alert.get("outline") or ()


def _told_apart_by(zone: str | None, side: str | None) -> str | None:
    """The side where it makes two conditions; elsewhere it follows the view that the alert shows."""
    return side if zone == "disc" else None


def _remarks(a: Told, b: Told) -> tuple[str, ...]:
    versions = [f"{name}: {a.version.get(name)} in A, {b.version.get(name)} in B" for name in ("algorithm", "rules")]
    changed = [
        words
        for words, name in zip(versions, ("algorithm", "rules"), strict=True)
        if a.version.get(name) != b.version.get(name)
    ]
    if set(a.frames) & set(b.frames):
        return tuple(changed)
    if len(a.frames) != len(b.frames):
        raise NotComparable(
            "expected journals of one recording: they have no frame in common, and are not of one length"
        )
    return (*changed, "the two name their objects differently: frames are matched by their place")


def _places(a: Told, b: Told) -> Callable[[int], int | None]:
    """From the place of a frame in ``b`` to its place in ``a``; None for a frame that ``a`` has not."""
    if not set(a.frames) & set(b.frames):
        return lambda place: place
    in_a = {name: place for place, name in enumerate(a.frames)}
    return lambda place: in_a.get(b.frames[place])


def _moved(b: Told, place_in_a: Callable[[int], int | None]) -> Told:
    """``b`` in the places of ``a``; an alert on a frame that ``a`` lacks keeps the place of the last one it has."""

    def nearest(place: int) -> int:
        here = (place_in_a(n) for n in range(place, -1, -1))
        return next((found for found in here if found is not None), 0)

    findings = {found: said for place, said in b.findings.items() if (found := place_in_a(place)) is not None}
    episodes = tuple(
        replace(each, raised=nearest(each.raised), ended=None if each.ended is None else nearest(each.ended))
        for each in b.episodes
    )
    return Told(frames=b.frames, findings=findings, episodes=episodes, version=b.version)


def _alert_differences(a: Sequence[Episode], b: Sequence[Episode]) -> list[AlertDifference]:
    by_key: dict[tuple[str | None, ...], tuple[list[Episode], list[Episode]]] = defaultdict(lambda: ([], []))
    for side, episodes in enumerate((a, b)):
        for each in episodes:
            by_key[each.key][side].append(each)
    found: list[AlertDifference] = []
    gone: list[Episode] = []
    new: list[Episode] = []
    for ours, theirs in by_key.values():
        for was, now in _matched(ours, theirs):
            found += _pair(was, now)
        gone += ours
        new += theirs
    for was in list(gone):
        near = [now for now in new if now.kind == was.kind != "technical" and abs(now.raised - was.raised) <= NEAR]
        if near:
            now = min(near, key=lambda each: abs(each.raised - was.raised))
            gone.remove(was)
            new.remove(now)
            words = f"{was.words} (frame {was.raised}) is now {now.words} (frame {now.raised})"
            found.append(AlertDifference(what="in another zone", words=words, a=was, b=now))
    found += [
        AlertDifference(what="gone", words=f"{was.words}: gone; was raised on frame {was.raised}", a=was)
        for was in gone
    ]
    found += [AlertDifference(what="new", words=f"{now.words}: new, on frame {now.raised}", b=now) for now in new]
    return sorted(found, key=lambda each: min(alert.raised for alert in (each.a, each.b) if alert is not None))


def _matched(ours: list[Episode], theirs: list[Episode]) -> list[tuple[Episode, Episode]]:
    """Those that belong together, nearest first; they are taken out of both lists."""
    pairs = []
    while ours and theirs:
        i, k = min(
            product(range(len(ours)), range(len(theirs))), key=lambda at: abs(ours[at[0]].raised - theirs[at[1]].raised)
        )
        pairs.append((ours.pop(i), theirs.pop(k)))
    return pairs


def _pair(was: Episode, now: Episode) -> list[AlertDifference]:
    """How one alert differs from itself."""
    found = []
    if was.raised != now.raised:
        later = now.raised - was.raised
        what = "later" if later > 0 else "earlier"
        frames = f"{abs(later)} frame{'s' if abs(later) > 1 else ''}"
        words = f"{now.words}: {frames} {what} (frame {was.raised}, now {now.raised})"
        found.append(AlertDifference(what=what, words=words, a=was, b=now))
    if was.priority != now.priority:
        words = f"{was.words}: now {now.priority.upper()}"
        found.append(AlertDifference(what="of another priority", words=words, a=was, b=now))
    if was.ended != now.ended:
        ends = ["never ends" if end is None else f"ends on frame {end}" for end in (was.ended, now.ended)]
        words = f"{now.words}: {ends[0]}, now {ends[1]}"
        found.append(AlertDifference(what="of another end", words=words, a=was, b=now))
    return found
