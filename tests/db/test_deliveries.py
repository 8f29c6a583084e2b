"""The queue to the archives: one row for each object and destination, whatever happens in between."""

from __future__ import annotations

from db import deliveries
from db.connect import connect
from db.deliveries import RIVAL, Outgoing, Stage, Step


def outgoing(number: int, uid: str = "", digest: str = "") -> Outgoing:
    return Outgoing(
        path=f"spool/{number}.dcm",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.12.1",
        sop_instance_uid=uid or f"1.2.{number}",
        digest=digest or f"digest-{number}",
        arrival=number,
    )


def step(number: int, state: Stage, at: float, **more) -> Step:
    return Step(path=f"spool/{number}.dcm", state=state, at=at, due_at=more.pop("due_at", at), **more)


def states(engine, name: str) -> dict[str, int]:
    found = deliveries.standing(engine, name)
    return {"waiting": found.n_waiting, "sent": found.n_sent, "refused": found.n_refused}


def test_each_destination_gets_each_object_once_and_the_queue_survives_a_restart(engine, url):
    assert deliveries.enqueue(engine, [outgoing(1), outgoing(2)], ["PACS", "VNA"], at=10.0, reach=2) == 4
    assert deliveries.enqueue(engine, [outgoing(2), outgoing(3)], ["PACS"], at=11.0, reach=3) == 1
    again = connect(url)
    assert [each.arrival for each in deliveries.due(again, "PACS", 20.0, 10)] == [1, 2, 3]
    assert [each.arrival for each in deliveries.due(again, "VNA", 20.0, 10)] == [1, 2]
    assert (deliveries.standing(again, "PACS").reach, deliveries.standing(again, "VNA").reach) == (3, 2)
    again.dispose()


def test_what_is_not_due_waits_and_the_longest_due_goes_first(engine):
    deliveries.enqueue(engine, [outgoing(n) for n in (1, 2, 3)], ["PACS"], at=10.0)
    deliveries.note_steps(engine, "PACS", [step(1, Stage.WAITING, 11.0, due_at=100.0, status=0xA700, reason="full")])
    assert [each.arrival for each in deliveries.due(engine, "PACS", 50.0, 10)] == [2, 3]
    assert [each.arrival for each in deliveries.due(engine, "PACS", 100.0, 10)] == [2, 3, 1]
    (again,) = [each for each in deliveries.due(engine, "PACS", 100.0, 10) if each.arrival == 1]
    assert (again.attempts, again.status, again.reason) == (1, 0xA700, "full")
    assert deliveries.next_due_at(engine, "PACS") == 10.0
    assert deliveries.next_due_at(engine, "VNA") is None


def test_another_object_with_the_same_uid_is_not_sent_after_the_first(engine):
    deliveries.enqueue(engine, [outgoing(1, uid="1.9"), outgoing(2, uid="1.9")], ["PACS"], at=10.0)
    deliveries.enqueue(engine, [outgoing(3, uid="1.9"), outgoing(4, uid="1.9", digest="digest-1")], ["PACS"], at=11.0)
    assert [each.arrival for each in deliveries.due(engine, "PACS", 50.0, 10)] == [1, 4], "4 is the first one once more"
    assert [(each.arrival, each.reason) for each in deliveries.refused(engine, "PACS")] == [(2, RIVAL), (3, RIVAL)]


def test_a_destination_stands_as_its_objects_do(engine):
    deliveries.enqueue(engine, [outgoing(n) for n in (1, 2, 3, 4)], ["PACS"], at=10.0)
    deliveries.note_trouble(engine, "PACS", "the peer does not answer", at=11.0)
    deliveries.note_trouble(engine, "PACS", "the peer refuses the association", at=60.0)
    troubled = deliveries.standing(engine, "PACS")
    assert (troubled.failing_since, troubled.reason) == (11.0, "the peer refuses the association")
    done = [step(1, Stage.STORED, 70.0), step(2, Stage.SENT, 71.0), step(3, Stage.REFUSED, 72.0, status=0xA900)]
    deliveries.note_steps(engine, "PACS", done)
    well = deliveries.standing(engine, "PACS")
    assert (well.failing_since, well.success_at, well.n_delivered, well.waiting_since) == (None, 71.0, 2, 10.0)
    assert states(engine, "PACS") == {"waiting": 1, "sent": 1, "refused": 1}
    assert deliveries.standing(engine, "VNA").n_waiting == 0


def test_only_what_every_destination_has_for_sure_may_go(engine):
    deliveries.enqueue(engine, [outgoing(n) for n in (1, 2, 3, 4)], ["PACS", "VNA"], at=10.0)
    deliveries.note_steps(engine, "PACS", [step(n, Stage.STORED, 11.0) for n in (1, 2, 3)])
    deliveries.note_steps(engine, "VNA", [step(1, Stage.COMMITTED, 11.0), step(2, Stage.SENT, 11.0)])
    deliveries.note_steps(engine, "VNA", [step(3, Stage.REFUSED, 11.0)])
    assert deliveries.undelivered(engine, [1, 2, 3, 4, 5], ["PACS", "VNA"]) == {2, 3, 4, 5}
    assert deliveries.undelivered(engine, [1, 2, 3, 4, 5], ["PACS"]) == {4, 5}
    assert deliveries.undelivered(engine, [1, 2], []) == frozenset()


def test_a_person_says_what_becomes_of_refused_objects(engine):
    deliveries.enqueue(engine, [outgoing(1), outgoing(2)], ["PACS"], at=10.0)
    deliveries.note_steps(engine, "PACS", [step(1, Stage.REFUSED, 11.0, reason="no"), step(2, Stage.STORED, 11.0)])
    assert deliveries.settle_refused(engine, "PACS", Stage.WAITING, at=20.0, who="os:anna") == 1
    assert [each.arrival for each in deliveries.due(engine, "PACS", 20.0, 10)] == [1]
    deliveries.note_steps(engine, "PACS", [step(1, Stage.REFUSED, 21.0, reason="no")])
    assert deliveries.settle_refused(engine, "PACS", Stage.DISMISSED, at=22.0, who="os:anna") == 1
    assert deliveries.undelivered(engine, [1, 2], ["PACS"]) == frozenset()
    assert states(engine, "PACS") == {"waiting": 0, "sent": 0, "refused": 0}
