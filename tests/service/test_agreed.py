"""A replay takes up landmarks at the frame after which the operator set them the first time."""

from __future__ import annotations

from db import plans, procedures
from db.connect import connect
from db.journal import Journal
from db.procedures import Opening
from detection.vocabulary import Entry, EntryType, Mode, Seen, View
from service.agreed import agreed_before

CORNERS = {
    "posterior_superior": [10, 40],
    "posterior_inferior": [30, 40],
    "anterior_superior": [10, 10],
    "anterior_inferior": [30, 10],
}


def frame_seen(procedure, uid, acts_to):
    seen = Seen(sop_instance_uid=uid, index=0, acquired_at=None, received_at=1.0, judged_at=2.0)
    return Entry(at=2.0, type=EntryType.FRAME_SEEN, procedure=procedure, frame=seen, data={"acts_to": acts_to})


def test_landmarks_belong_to_the_frame_judged_before_them(tmp_path):
    engine = connect(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    journal = Journal(engine)
    first = procedures.open_procedure(engine, Opening(at=1.0, study_instance_uid="1.2"))
    journal.append([frame_seen(first.id, "1.2.1", 0), frame_seen(first.id, "1.2.2", 0)])
    plan = plans.put_plan(engine, first.id, View.LATERAL, CORNERS, at=3.0, actor="local")
    journal.append([frame_seen(first.id, "1.2.3", plan.number)])
    again = procedures.open_procedure(engine, Opening(at=9.0, study_instance_uid="1.2", replay="abc", mode=Mode.REPLAY))
    agreed = agreed_before(engine, again.id)
    assert {frame: [entry.number for entry in entries] for frame, entries in agreed.items()} == {
        ("1.2.2", 0): [plan.number]
    }
    assert agreed_before(engine, "nobody") == {}
    engine.dispose()
