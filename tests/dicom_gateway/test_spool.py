"""Arrivals are numbered once, whole, and found again."""

from __future__ import annotations

import json
import multiprocessing
import os
import tracemalloc
from pathlib import Path

import pytest

from dicom_gateway import quarantine
from dicom_gateway.arrival import Arrival, Duplicate, Origin
from dicom_gateway.spool import PER_SHARD, Lying, Spool


def origin(
    uid: str = "1.2.3", *, source: str = "ARM1", replay: str | None = None, received_ns: int = 5 * 10**9
) -> Origin:
    return Origin(sop_instance_uid=uid, source=source, received_ns=received_ns, replay=replay)


def put(spool: Spool, content: bytes, where: Origin) -> Arrival | Duplicate:
    part = spool.begin()
    part.write(content)
    return spool.add(part, where)


def test_an_arrival_is_one_file_whose_name_says_all(spool):
    added = put(spool, b"pixels", origin(source="ROOM 1/A.B", replay="run.7"))
    (found,) = Spool(spool.folder).after(0)
    assert found == added
    assert (found.number, found.source, found.replay, found.received_at, found.size) == (
        1,
        "ROOM 1/A.B",
        "run.7",
        5.0,
        6,
    )
    assert found.path.read_bytes() == b"pixels"
    assert "1.2.3" not in found.path.name


def test_a_spool_that_is_not_kept_waits_for_no_disk(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr("os.fsync", flushed.append)
    assert put(Spool(tmp_path / "kept"), b"pixels", origin()).number == 1
    assert flushed
    flushed.clear()
    added = put(Spool(tmp_path / "scratch", is_kept=False), b"pixels", origin())
    assert Spool(tmp_path / "scratch").after(0) == [added]
    assert flushed == []


def test_numbers_ascend_and_are_read_from_any_point(spool):
    for each in range(5):
        put(spool, b"x", origin(f"1.{each}"))
    assert [arrival.number for arrival in spool.after(0)] == [1, 2, 3, 4, 5]
    assert [arrival.number for arrival in spool.after(3)] == [4, 5]
    assert spool.after(5) == []
    assert spool.newest() == 5
    assert spool.find(2).number == 2
    assert spool.find(6) is None


def test_while_nothing_new_has_come_no_folder_is_read(spool, monkeypatch):
    put(spool, b"a", origin())
    looked: list[str] = []
    listed = os.listdir
    monkeypatch.setattr(os, "listdir", lambda folder: looked.append(str(folder)) or listed(folder))
    assert spool.after(1) == []
    assert looked == []
    other = Spool(spool.folder, boot=spool.boot)
    second = put(other, b"b", origin("1.2.4"))
    assert spool.after(1) == [second], "another process added it"
    assert looked


def test_what_another_boot_noted_last_is_not_believed(spool):
    put(spool, b"a", origin())
    second = put(spool, b"b", origin("1.2.4"))
    (spool.folder / "lock").write_text(f"{spool.boot} {1:012d}\n")
    assert Spool(spool.folder, boot="another").after(1) == [second]


def test_a_number_follows_into_the_next_folder(spool):
    spool = Spool(spool.folder, per_shard=2)
    for each in range(5):
        put(spool, b"x", origin(f"1.{each}"))
    assert [arrival.number for arrival in spool.after(1)] == [2, 3, 4, 5]
    assert len(list(spool.arrivals.iterdir())) == 3
    assert spool.find(4).path.parent.name == "000000002"


def test_the_same_bytes_under_the_same_uid_arrive_once(spool):
    first = put(spool, b"same", origin())
    again = put(Spool(spool.folder), b"same", origin(received_ns=9 * 10**9))
    assert again == Duplicate(arrival=first)
    assert len(spool.after(0)) == 1
    assert list(spool.incoming.iterdir()) == []


def test_other_bytes_under_the_same_uid_are_kept_and_told(spool):
    put(spool, b"one", origin())
    rival = put(spool, b"two", origin())
    assert isinstance(rival, Arrival)
    assert rival.has_rival
    assert [arrival.path.read_bytes() for arrival in spool.after(0)] == [b"one", b"two"]


def test_a_replay_of_an_object_is_an_arrival_of_its_own(spool):
    put(spool, b"same", origin())
    first, second = put(spool, b"same", origin(replay="a")), put(spool, b"same", origin(replay="b"))
    assert isinstance(first, Arrival)
    assert isinstance(second, Arrival)
    assert not second.has_rival
    assert isinstance(put(spool, b"same", origin(replay="a")), Duplicate)


def test_after_another_boot_no_number_comes_back(spool):
    lost = put(spool, b"x", origin())
    lost.path.unlink()  # what a power cut may do to an arrival that nobody was told of
    put(spool, b"y", origin("1.9"))
    assert put(Spool(spool.folder, boot="another"), b"z", origin("1.10")).number == PER_SHARD
    assert put(Spool(spool.folder, boot="another"), b"w", origin("1.11")).number == PER_SHARD + 1


def test_a_part_without_a_writer_is_swept_and_a_live_one_is_not(spool):
    (spool.incoming / "left.part").write_bytes(b"half")
    alive = spool.begin()
    assert spool.sweep() == 1
    assert [path.name for path in spool.incoming.iterdir()] == [alive.path.name]
    alive.discard()


def test_what_cannot_be_used_lies_aside_with_its_reason(spool):
    part = spool.begin()
    part.write(b"junk")
    kept = spool.quarantine(part, origin(), "no pixel data")
    note = json.loads(kept.with_suffix(".json").read_text())
    assert kept.read_bytes() == b"junk"
    assert (note["reason"], note["source"]) == ("no pixel data", "ARM1")
    assert spool.after(0) == []


def test_a_full_quarantine_takes_no_more(spool):
    for each in range(quarantine.N_QUARANTINED - 1):
        (spool.quarantined / f"{each}.dcm").touch()
    parts = [spool.begin(), spool.begin()]
    assert [spool.quarantine(part, origin(f"1.{n}"), "reason") is None for n, part in enumerate(parts)] == [False, True]


def _fill(folder: Path, name: str) -> None:
    spool = Spool(folder)
    for each in range(25):
        put(spool, f"{name}{each}".encode(), origin(f"1.{each}", source=name))


def test_several_processes_share_the_numbers(spool):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_fill, args=(spool.folder, name)) for name in ("A", "B")]
    for writer in writers:
        writer.start()
    seen: list[int] = []
    while any(writer.is_alive() for writer in writers) or not seen:
        # a reader that goes by number must never find that one was slipped in behind it
        seen += [arrival.number for arrival in spool.after(seen[-1] if seen else 0)]
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    seen += [arrival.number for arrival in spool.after(seen[-1])]
    assert seen == list(range(1, 51))


@pytest.mark.parametrize("name", ["lost+found", "000000000001.x.dcm", "1.2.3.4.5.6.txt"])
def test_a_stranger_among_the_files_is_overlooked(spool, name):
    put(spool, b"x", origin())
    (spool.arrivals / "000000000" / name).write_bytes(b"")
    assert [arrival.number for arrival in spool.after(0)] == [1]


def test_memory_does_not_grow_with_what_arrives(spool):
    ours = tracemalloc.Filter(True, "*/dicom_gateway/*.py")

    def held_bytes(name: str, n_objects: int) -> int:
        for each in range(n_objects):
            put(spool, b"x", origin(f"{name}.{each}"))
        return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([ours]).traces)

    tracemalloc.start()
    try:
        before = held_bytes("1", 200)
        assert held_bytes("2", 400) - before < 400 * 20  # one key alone takes 80
    finally:
        tracemalloc.stop()
    assert isinstance(put(spool, b"x", origin("1.0")), Duplicate)


@pytest.mark.parametrize("content", [None, b"", b"not an index at all" * 100])
def test_an_index_that_is_lost_or_broken_is_made_anew(spool, content):
    put(spool, b"x", origin())
    index = spool.folder / "known.sqlite"
    if content is None:
        index.unlink()
    else:
        index.write_bytes(content)
    assert isinstance(put(Spool(spool.folder), b"x", origin()), Duplicate)
    rival = put(Spool(spool.folder), b"y", origin())
    assert isinstance(rival, Arrival)
    assert rival.has_rival


def test_an_index_that_breaks_while_it_is_in_use_costs_no_arrival(spool):
    put(spool, b"x", origin())
    spool._known._connection.execute("DROP TABLE object")
    assert isinstance(put(spool, b"y", origin("1.2")), Arrival)
    assert isinstance(put(spool, b"x", origin()), Duplicate)


def test_an_index_of_another_boot_is_not_believed(spool):
    first = put(spool, b"x", origin())
    spool._known.add([("." + first.uid_hash, "0" * 16, 1)], 999)
    assert isinstance(put(Spool(spool.folder, boot="another"), b"x", origin()), Duplicate)


def test_an_arrival_that_was_taken_away_is_no_twin(spool):
    put(spool, b"x", origin()).path.unlink()
    assert isinstance(put(spool, b"x", origin()), Arrival)


def test_what_lies_aside_is_listed_in_order_page_by_page(spool):
    for at in (3, 1, 2):
        part = spool.begin()
        part.write(b"junk")
        spool.quarantine(part, origin(f"1.{at}", received_ns=at * 10**9), f"reason {at}", 0xC000)
    (spool.quarantined / "2500000000.ab.cd.dcm").write_bytes(b"")  # its note was lost
    (spool.quarantined / "letter.txt").write_bytes(b"")
    found = quarantine.notes(spool.quarantined)
    assert [note.reason for note in found] == [
        "reason 1",
        "reason 2",
        "the note beside the object cannot be read",
        "reason 3",
    ]
    assert [note.received_at for note in found] == [1.0, 2.0, 2.5, 3.0]
    assert (found[0].source, found[0].status, found[0].size) == ("ARM1", 0xC000, 4)
    assert [note.reason for note in quarantine.notes(spool.quarantined, found[0].number, 1)] == ["reason 2"]


def test_what_is_removed_is_gone_and_its_number_and_folder_with_it(spool):
    spool = Spool(spool.folder, per_shard=2)
    for each in range(5):
        put(spool, b"x", origin(f"1.{each}"))
    assert [arrival.number for arrival in spool.some_after(1, 3)] == [2, 3, 4]
    for number in (2, 3, 5, 99):
        spool.remove(number)
    assert [arrival.number for arrival in spool.after(0)] == [1, 4]
    assert spool.find(2) is None
    assert len(list(spool.arrivals.iterdir())) == 2
    spool.remove(1)
    assert len(list(spool.arrivals.iterdir())) == 1
    assert put(Spool(spool.folder, per_shard=2), b"x", origin("1.9")).number == 6


def lying(folder: Path, name: str, content: bytes, *, has_twin: bool) -> Lying:
    (folder / name).write_bytes(content)
    return Lying(folder / name, has_twin=has_twin)


def test_what_lies_on_the_disk_already_is_moved_into_the_spool(tmp_path):
    spool = Spool(tmp_path / "spool", is_kept=False)
    part = lying(tmp_path, "one.dcm", b"pixels", has_twin=False)
    inode = part.path.stat().st_ino
    added = spool.add(part, origin())
    assert not (tmp_path / "one.dcm").exists()
    assert added.path.stat().st_ino == inode, "moved, not copied"
    assert (added.size, added.path.read_bytes()) == (6, b"pixels")


def test_two_that_bear_one_name_are_told_by_their_bytes(tmp_path):
    spool = Spool(tmp_path / "spool", is_kept=False)
    first, twin, rival = (
        spool.add(lying(tmp_path, f"{n}.dcm", content, has_twin=True), origin())
        for n, content in enumerate((b"one", b"one", b"two"))
    )
    assert twin == Duplicate(arrival=first)
    assert rival.has_rival
    assert [each.path.read_bytes() for each in spool.after(0)] == [b"one", b"two"]
    assert not list(tmp_path.glob("*.dcm"))
