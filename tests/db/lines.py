"""Lines, alerts and findings as they might come from one procedure."""

from __future__ import annotations

from dataclasses import replace

from detection.vocabulary import (
    Alert,
    Band,
    Body,
    Condition,
    Corners,
    Entry,
    EntryType,
    Extent,
    Findings,
    Flag,
    Front,
    Interval,
    Kind,
    Mode,
    Origin,
    Piece,
    Priority,
    Seen,
    Side,
    Signal,
    Stamp,
    Validity,
    View,
    Zone,
)

SEEN = Seen(sop_instance_uid="1.2.3.4", index=7, acquired_at=1.1, received_at=1e9 / 3, judged_at=1e9 / 3 + 0.1)

ALERT = Alert(
    id="a1",
    procedure="p1",
    source="CARM1",
    kind=Kind.LEAK,
    zone=Zone.CANAL,
    side=Side.POSTERIOR,
    priority=Priority.HIGH,
    condition=Condition.PRESENT,
    validity=Validity.VALID,
    signal=Signal.ON,
    view=View.LATERAL,
    level="L2",
    mode=Mode.LIVE,
    message="Cement in the canal, L2, lateral view.",
    first_frame=SEEN,
    raised_frame=SEEN,
    last_frame=None,
    area_mm2=12.5,
    length_mm=0.1 + 0.2,
    distance_to_wall_mm=None,
    speed_mm_s=0.4,
    seconds_to_wall=Interval(value=10, low=7, high=16),
    volume_ml=Band(low=0.02, high=0.06),
    trust=0.93,
    outline=((1.0, 2.0), (1.0, 3.0), (2.0, 1 / 3)),
    raised_at=1e9 / 3,
    changed_at=1e9 / 7,
    acknowledged_by=None,
    technical_cause=None,
)

BODY = Body(
    view=View.LATERAL,
    corners=Corners(near_superior=(1, 2), near_inferior=(9, 2), far_superior=(1, 12), far_inferior=(9, 12)),
    origin=Origin.FOUND,
    trust=0.8,
)


def stamp(index: int = 0) -> Stamp:
    return Stamp(
        arrival=5,
        sop_instance_uid="1.2.3.4",
        index=index,
        source="CARM1",
        study_instance_uid="1.2.3",
        mode=Mode.LIVE,
        acquired_at=None,
        received_at=100.0,
        time_s=100.0,
    )


def findings(distance_mm: float | None = 4.5) -> Findings:
    piece = Piece(
        zone=Zone.CANAL,
        side=None,
        area_px=20.0,
        area_mm2=2.0,
        length_mm=3.0,
        width_mm=1.0,
        tubularity=0.5,
        n_seen=3,
        first_seen=stamp(),
        outline=((1.23456, 2.0), (3.0, 4.0)),
        trust=0.9,
    )
    front = Front(
        distance_px=20.0,
        share=0.2,
        distance_mm=distance_mm,
        depth_mm=30.0,
        speed_mm_s=0.3,
        seconds_to_wall=Interval(value=10, low=7, high=16),
    )
    return Findings(
        stamp=stamp(),
        view=View.LATERAL,
        scene=1,
        shift_px=(0.5, -0.25),
        is_fit=True,
        flags=frozenset({Flag.SCALE_UNKNOWN, Flag.LOSSY}),
        trust=0.9,
        shape=(512, 512),
        cement_area_mm2=30.0,
        cement_volume_ml=Band(low=0.1, high=0.2),
        front=front,
        pieces=(piece,),
        zones={Zone.CANAL: Extent(area_mm2=2.0, length_mm=3.0, area_px=20.0)},
        zones_watched=(Zone.CANAL, Zone.DISC),
        body=BODY,
        zone_outlines=((Zone.CANAL, ((0.0, 0.0), (1.0, 1.0))),),
        cement_outlines=(((1.0, 1.0), (2.0, 2.0)),),
    )


def note(text: str = "patient moved", at: float = 1.5, procedure: str = "p1") -> Entry:
    return Entry(at=at, type=EntryType.NOTE, procedure=procedure, actor="doctor", data={"text": text})


def frame_seen(index: int, *, procedure: str = "p1", delay_s: float = 0.1, **said: object) -> Entry:
    received = 1000.0 + index
    return Entry(
        at=received + delay_s,
        type=EntryType.FRAME_SEEN,
        procedure=procedure,
        source="CARM1",
        frame=replace(SEEN, index=index, received_at=received),
        times={"image": None, "received": received, "written": received + delay_s},
        data=said,
    )


def raised(alert: Alert = ALERT) -> Entry:
    return Entry(
        at=alert.raised_at,
        type=EntryType.ALERT_RAISED,
        procedure=alert.procedure,
        source=alert.source,
        alert=alert.id,
        from_state="absent",
        to_state="present",
        cause="5 of 6 frames",
        frame=alert.raised_frame,
    )
