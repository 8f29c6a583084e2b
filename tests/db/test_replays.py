"""Replays are asked for, played, looked at and cancelled by different processes."""

from __future__ import annotations

import pytest

from db.replays import ReplayState, begin_replay, end_replay, find_replay, note_sent, queue_replay, replays


@pytest.fixture
def queued(engine):
    return queue_replay(engine, source="orthanc", study_instance_uid="1.2.3", speed=1.0, at=10.0)


def test_a_replay_waits_until_it_is_begun_and_is_begun_once(engine, queued):
    assert (queued.state, queued.sent, queued.total, queued.started_at) == (ReplayState.QUEUED, 0, None, None)
    assert begin_replay(engine, queued.id, at=11.0)
    assert not begin_replay(engine, queued.id, at=12.0)
    found = find_replay(engine, queued.id)
    assert (found.state, found.started_at) == (ReplayState.RUNNING, 11.0)


def test_its_id_fits_into_an_ae_title(queued):
    assert len(f"RPL.{queued.id}") <= 16


def test_progress_is_seen_by_others(engine, queued):
    begin_replay(engine, queued.id, at=11.0)
    note_sent(engine, queued.id, sent=0, total=9)
    assert note_sent(engine, queued.id, sent=3, procedure="p").total == 9
    ended = end_replay(engine, queued.id, ReplayState.DONE, at=20.0)
    assert (ended.state, ended.sent, ended.procedure, ended.ended_at) == (ReplayState.DONE, 3, "p", 20.0)


def test_a_cancelled_replay_stays_cancelled(engine, queued):
    begin_replay(engine, queued.id, at=11.0)
    end_replay(engine, queued.id, ReplayState.CANCELLED, at=12.0, reason="asked for")
    assert note_sent(engine, queued.id, sent=5).state is ReplayState.CANCELLED
    after = end_replay(engine, queued.id, ReplayState.DONE, at=13.0)
    assert (after.state, after.sent, after.ended_at, after.reason) == ("cancelled", 0, 12.0, "asked for")


def test_a_replay_cancelled_while_it_waits_is_never_begun(engine, queued):
    end_replay(engine, queued.id, ReplayState.CANCELLED, at=12.0)
    assert not begin_replay(engine, queued.id, at=13.0)


def test_an_unknown_replay_is_told(engine):
    assert find_replay(engine, "none") is None
    assert not begin_replay(engine, "none", at=1.0)
    with pytest.raises(KeyError):
        end_replay(engine, "none", ReplayState.DONE, at=1.0)


def test_replays_are_listed_in_the_order_they_were_asked_for(engine):
    made = [queue_replay(engine, source="folder", study_instance_uid=None, speed=None, at=float(n)) for n in range(4)]
    assert replays(engine, after=made[0].number, limit=2) == made[1:3]
