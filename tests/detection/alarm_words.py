"""Frames, cement and operators in the words of alarm tests; times are seconds since the first frame."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from detection.alarm import Alarm, Setting, judge
from detection.rules import Rules
from detection.vocabulary import (
    Act,
    Alert,
    Body,
    Change,
    Condition,
    Corners,
    EntryType,
    Findings,
    Flag,
    Front,
    Interval,
    Mode,
    Origin,
    Piece,
    Plan,
    Side,
    Silence,
    Stamp,
    TechnicalCause,
    View,
    Wall,
    Zone,
)

RULES = Rules()
FRAME_S = 1 / 8
"""Exact in binary, so that a story told at another time of day has the same intervals to the bit."""
ACT_S = 1 / 64
LATERAL_ZONES = (Zone.BODY, Zone.POSTERIOR_BAND, Zone.CANAL, Zone.FORAMEN, Zone.DISC, Zone.VEIN, Zone.SOFT_TISSUE)
AP_ZONES = (Zone.BODY, Zone.DISC, Zone.VEIN, Zone.SOFT_TISSUE)
SETTING = Setting(procedure="p1", source="CARM1", mode=Mode.LIVE, rules=RULES, plan=Plan(level="L2"), level="L2")


def stamp(time_s: float = 0.0, index: int = 0) -> Stamp:
    return Stamp(
        arrival=1,
        sop_instance_uid=f"1.2.{index}",
        index=0,
        source="CARM1",
        study_instance_uid="1.2",
        mode=Mode.LIVE,
        acquired_at=time_s,
        received_at=time_s + 0.05,
        time_s=time_s,
    )


def body(*, view: View = View.LATERAL, wall: Wall = Wall.INTACT, level: str | None = None) -> Body:
    corners = Corners(
        near_superior=(100.0, 100.0),
        near_inferior=(180.0, 100.0),
        far_superior=(100.0, 210.0),
        far_inferior=(180.0, 210.0),
    )
    return Body(view=view, corners=corners, origin=Origin.OPERATOR, trust=1.0, level=level, wall=wall)


def piece(
    zone: Zone,
    area_mm2: float | None = 12.0,
    *,
    side: Side | None = None,
    length_mm: float | None = 6.0,
    first_seen_s: float = -100.0,
    trust: float = 0.9,
    col: float = 90.0,
) -> Piece:
    area_px = (area_mm2 if area_mm2 is not None else 12.0) / 0.09
    return Piece(
        zone=zone,
        side=side,
        area_px=area_px,
        area_mm2=area_mm2,
        length_mm=length_mm,
        width_mm=2.0,
        tubularity=0.5,
        n_seen=5,
        first_seen=stamp(first_seen_s),
        outline=((120.0, col), (130.0, col), (130.0, col - 5), (120.0, col - 5)),
        trust=trust,
    )


def front(
    share: float, *, depth_mm: float | None = 33.0, speed: float | None = None, seconds: float | None = None
) -> Front:
    return Front(
        distance_px=share * 110,
        share=share,
        distance_mm=share * depth_mm if depth_mm else None,
        depth_mm=depth_mm,
        speed_mm_s=speed,
        seconds_to_wall=Interval(value=seconds, low=seconds * 0.7, high=seconds * 1.6) if seconds else None,
    )


def frame(*pieces: Piece, view: View = View.LATERAL, **more: Any) -> Findings:
    """A fit frame with this cement; its time is given by the room."""
    values: dict[str, Any] = {
        "stamp": stamp(),
        "view": view,
        "scene": 0,
        "shift_px": (0.0, 0.0),
        "is_fit": True,
        "flags": frozenset[Flag](),
        "trust": 0.95,
        "shape": (512, 512),
        "mm_per_px": 0.3,
        "pieces": pieces,
        "zones_watched": LATERAL_ZONES if view is View.LATERAL else AP_ZONES,
        "body": body(view=view),
    }
    return Findings(**(values | more))


CLEAN = frame()
UNFIT = frame(is_fit=False, flags=frozenset({Flag.BIG_OBJECT}), body=None, zones_watched=())
IN_CANAL = frame(piece(Zone.CANAL))
IN_DISC = frame(piece(Zone.DISC, side=Side.SUPERIOR))


@dataclass
class Room:
    """A judge who sits through a procedure; remembers every change and what the screens show."""

    setting: Setting = SETTING
    alarm: Alarm = field(default_factory=Alarm)
    time_s: float = 0.0
    n_frames: int = 0
    n_acts: int = 0
    changes: list[Change] = field(default_factory=list)

    def see(self, *frames: Findings, times: int = 1, acts: tuple[Act, ...] = ()) -> list[Change]:
        """Judge frames, one after another at 8 a second; the changes they made."""
        news: list[Change] = []
        for findings in frames * times:
            self.time_s += FRAME_S
            self.n_frames += 1
            made = replace(findings, stamp=stamp(self.time_s, self.n_frames))
            news += self._judge(made, acts)
            acts = ()
        return news

    def wait(self, seconds: float, *causes: TechnicalCause, acts: tuple[Act, ...] = ()) -> list[Change]:
        """No frame for so long, then a word of silence."""
        self.time_s += seconds
        return self._judge(Silence(source="CARM1", at=self.time_s, causes=frozenset(causes)), acts)

    def act(self, kind: EntryType, alert: str | None = None, **data: Any) -> list[Change]:
        """An operator acts; judged with the next clean word of silence."""
        self.n_acts += 1
        act = Act(number=self.n_acts, type=kind, at=self.time_s, actor="nurse", alert=alert, data=data)
        return self.wait(ACT_S, acts=(act,))

    def _judge(self, evidence: Findings | Silence, acts: tuple[Act, ...]) -> list[Change]:
        changes, self.alarm = judge(evidence, acts, self.alarm, self.setting, self.time_s)
        self.changes += changes
        return list(changes)

    @property
    def alerts(self) -> tuple[Alert, ...]:
        return self.alarm.alerts()

    @property
    def only(self) -> Alert:
        (alert,) = self.alerts
        return alert

    def condition_of(self, zone: Zone) -> Condition:
        return next((item.condition for item in self.alarm.concerns if item.key.zone is zone), Condition.ABSENT)


def types(changes: Iterable[Change]) -> list[EntryType]:
    return [change.type for change in changes]
