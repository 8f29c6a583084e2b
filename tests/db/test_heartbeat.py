"""Is each source being judged right now?"""

from __future__ import annotations

from dataclasses import replace

from db.heartbeat import Heartbeat, SourceState, beat, heartbeats, last_sign
from detection.vocabulary import Flag, Glance, Sight, View, Zone

ROW = Heartbeat(
    source="CARM1",
    procedure=None,
    state=SourceState.WATCHING,
    last_frame_at=1763737200.1,
    frames_received=5,
    frames_judged=4,
    frames_skipped=1,
    view=View.LATERAL,
    zones_watched=(Zone.CANAL, Zone.DISC),
    zones_not_visible=(Zone.FORAMEN,),
    flags=frozenset({Flag.SCALE_UNKNOWN, Flag.LOSSY}),
    beat_at=1763737200.25,
    sight=Sight(
        glances=(Glance(source="BPLANE", view=View.AP, at=1763737160.5, zones_shown=(Zone.DISC, Zone.VEIN)),),
        zones_blind=(Zone.FORAMEN,),
    ),
)


def test_no_source_has_a_heartbeat_at_first(engine):
    assert heartbeats(engine) == ()
    assert last_sign(engine) is None


def test_a_heartbeat_overwrites_the_one_before_and_leaves_other_sources_alone(engine, journal):
    beat(engine, [ROW, replace(ROW, source="BPLANE")], at=1.0)
    later = replace(ROW, state=SourceState.LATE, beat_at=ROW.beat_at + 1, procedure="p", flags=frozenset())
    beat(engine, [later], at=2.0)
    assert heartbeats(engine) == (replace(ROW, source="BPLANE"), later)
    assert journal.head() == 0


def test_a_role_gives_a_sign_of_life_even_without_a_source(engine):
    beat(engine, [], at=5.5)
    beat(engine, [], at=3.0, role="receive")
    assert last_sign(engine) == 5.5
    assert last_sign(engine, "receive") == 3.0
