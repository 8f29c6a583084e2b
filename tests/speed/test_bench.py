"""The bench runs, part by part, and reports what it says it reports. How fast anything is, is no matter of a test."""

from __future__ import annotations

import math

import numpy as np
import pydicom
import pytest

from detection import examine as examining
from tests.conftest import postgres_programs, program
from tests.speed import batches, cohorts, crowd, early, latency, machine, peers, receivers, stages, storing, writing
from tests.speed.bench import PARTS, main, targets
from tests.speed.figures import FULL, QUICK, Report, Table, median, spread
from tests.speed.reel import draw


def assert_sane(report: Report) -> None:
    """Rows as wide as the head, and figures with a unit, finite and not negative."""
    for table in report.tables:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.head)}
    assert report.figures
    for name, value in report.figures.items():
        assert name.endswith(("_ms", "_per_s", "_ratio", "_bytes")) or name.startswith("n_"), name
        assert math.isfinite(value), name
        assert value >= 0, name


def test_spread_is_the_nearest_rank():
    assert spread([float(number) for number in range(1, 101)]) == {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    assert spread([3.0]) == {"p50": 3, "p95": 3, "p99": 3, "max": 3}
    assert all(math.isnan(value) for value in spread([]).values())
    assert (median([3.0, 1.0, 2.0]), median([1.0, 2.0])) == (2.0, 1.5)


def test_a_table_is_plain_text_and_markdown():
    table = Table(title="T", head=("what", "ms"), rows=[("a", 1234.5), ("bcdef", None), ("c", 0.123)], notes=["n."])
    assert table.lines() == [
        "### T",
        "",
        "| what  |   ms |",
        "| ----- | ---: |",
        "| a     | 1234 |",
        "| bcdef |    - |",
        "| c     | 0.12 |",
        "",
        "n.",
        "",
    ]


def test_a_reel_holds_different_objects_of_one_study(tmp_path):
    objects = [pydicom.dcmread(path) for path in draw(256, 3).write(tmp_path, 5)]
    assert len({each.SOPInstanceUID for each in objects}) == 5
    assert len({each.StudyInstanceUID for each in objects}) == 1
    assert {(each.Rows, each.Columns, each.BitsAllocated) for each in objects} == {(256, 256, 16)}
    # a picture that is shown again has other noise, or it would pass for a frozen one
    assert not np.array_equal(objects[0].pixel_array, objects[1].pixel_array)


def test_the_machine_is_described(tmp_path):
    report = machine.measure(QUICK, tmp_path)
    assert_sane(report)
    assert [row[0] for row in report.tables[0].rows][:3] == ["processor", "memory", "disk"]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_every_receiver_stores_every_object(tmp_path, dcmtk):
    program("Orthanc", "orthanc")
    report = storing.measure(QUICK, tmp_path)
    assert_sane(report)
    measured = {(row[0], row[1]) for row in report.tables[0].rows[:-1]}
    assert measured == {(name, words) for name in receivers.RECEIVERS for words in receivers.ENVIRONMENTS}
    assert report.figures["cementwatch_default_ours_ratio"] == 1.0


def test_a_receiver_that_loses_an_object_is_not_measured(tmp_path):
    peer = receivers.new_peer("NOBODY")
    with pytest.raises(RuntimeError, match="was sent 2 objects and holds 1"):
        receivers.wait_stored(receivers.Receiver(peer=peer, n_stored=lambda: 1), 2, limit_s=0.0)


@pytest.mark.slow
def test_every_sender_brings_every_object_to_every_receiver(tmp_path, dcmtk, monkeypatch):
    program("Orthanc", "orthanc")
    monkeypatch.delitem(peers.SENDERS, "storescu")  # the test of the part before has sent with it
    report = peers.measure(QUICK, tmp_path)
    assert_sane(report)
    ours, paced = report.tables
    assert {tuple(row[:3]) for row in ours.rows} == {
        (str(batch), sender, n) for batch in QUICK.batches for sender in peers.SENDERS for n in (1, peers.N_SENDERS)
    }
    assert all(row[at] > 0 for row in ours.rows for at in (6, 7)), "beside every peer"
    assert FULL.environments == tuple(receivers.ENVIRONMENTS), "the full run has both environments"
    assert [row[0] for row in paced.rows] == [*receivers.RECEIVERS, peers.SINK]
    assert not list(tmp_path.iterdir())


def test_stages_are_timed_where_examine_calls_them(tmp_path):
    before = stages.stages_of()
    report = stages.measure(QUICK, tmp_path)
    assert_sane(report)
    steps = [row[0] for row in report.tables[0].rows]
    assert {"header", "decode", "examine: pixels.calm", "examine, whole", "judge", "frame, whole"} <= set(steps)
    assert report.figures["n_256_frames"] == QUICK.n_stage_frames
    assert report.figures["decode_examine_256_p50_ms"] >= report.figures["examine_256_p50_ms"]
    assert report.figures["scene_256_bytes"] >= 10 * 256 * 256, (
        "at least a reference, what changed and where it was seen"
    )
    shares = {row[0]: row[-1] for row in report.tables[0].rows}
    parts = sum(share for step, share in shares.items() if step.startswith("examine: "))
    assert parts == pytest.approx(shares["examine, whole"])
    assert stages.stages_of() == before, "the stages are put back"
    assert before["calm"] is examining.calm


@pytest.mark.slow
def test_every_frame_sent_becomes_visible(tmp_path):
    report = latency.measure(QUICK, tmp_path)
    assert_sane(report)
    figures = report.figures
    assert figures["n_256_8fps_sent"] == 16
    assert figures["n_256_8fps_visible"] == 16
    assert {row[2] for row in report.tables[1].rows} == {f"{begin} -> {end}" for begin, end in latency.STEPS}


def test_every_question_of_a_cohort_is_timed(tmp_path):
    program("initdb", "postgresql", postgres_programs())
    report = cohorts.measure(QUICK, tmp_path)
    assert_sane(report)
    assert [row[:2] for row in report.tables[0].rows] == [[40, question] for question in cohorts.QUESTIONS]


@pytest.mark.slow
def test_a_batch_of_recordings_is_held_against_examine_alone(tmp_path):
    program("Orthanc", "orthanc")
    before = {name: getattr(owner, word) for name, (owner, word) in batches.STEPS.items()}
    report = batches.measure(QUICK, tmp_path)
    assert_sane(report)
    figures, (rate, steps) = report.figures, report.tables
    assert figures["n_batch_frames"] == QUICK.n_studies * QUICK.n_study_frames
    assert 0 < figures["batch_processor_ratio"] < 1, "examine is a part of what the command does"
    assert rate.rows[2][1] == pytest.approx(rate.rows[0][1] / rate.rows[1][1])
    assert [row[0] for row in steps.rows[: len(batches.STEPS)]] == list(batches.STEPS)
    assert all(row[2] > 0 for row in steps.rows), "each step was met, and none twice"
    assert {name: getattr(owner, word) for name, (owner, word) in batches.STEPS.items()} == before
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_crowd_of_screens_misses_nothing_and_hears_nothing_twice(tmp_path):
    report = crowd.measure(QUICK, tmp_path)
    assert_sane(report)
    figures = report.figures
    for n in QUICK.crowds:
        assert figures[f"n_crowd_{n}_sent"] == 2 * crowd.RATE * QUICK.crowd_s
        assert figures[f"n_crowd_{n}_gaps"] == figures[f"n_crowd_{n}_repeats"] == 0
        assert figures[f"crowd_{n}_visible_p50_ms"] > 0


def test_a_number_that_only_one_listener_missed_is_a_gap():
    whole = {1: 0.0, 2: 0.1, 3: 0.2}
    assert crowd.gaps(crowd.Crowd(heard=[whole, {2: 0.1, 3: 0.2}])) == 0, "it came later"
    assert crowd.gaps(crowd.Crowd(heard=[whole, {1: 0.0, 3: 0.2}])) == 1


@pytest.mark.slow
def test_a_run_is_judged_while_it_is_sent(tmp_path):
    report = early.measure(QUICK, tmp_path)
    assert_sane(report)
    assert {row[0] for row in report.tables[0].rows} == set(early.LINKS)


def test_the_stream_is_read_event_by_event():
    lines = [
        "event: heartbeat",
        "data: {}",
        "",
        "event: frame_seen",
        'data: {"frame": {"sop_instance_uid": "1.2"}}',
        "",
    ]
    assert list(latency.frames_in(iter(lines))) == ["", "1.2"]


def test_the_journal_is_written_on_both_databases(tmp_path):
    program("initdb", "postgresql", postgres_programs())
    report = writing.measure(QUICK, tmp_path)
    assert_sane(report)
    assert {f"{name}_appends_per_s" for name in writing.DATABASES} <= report.figures.keys()
    assert report.figures["line_bytes"] > 100


def test_a_part_is_run_and_written_from_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(
        PARTS, "journal", lambda sizes, folder: Report(title="Journal", about=f"{sizes.n_appends} lines.")
    )
    written = tmp_path / "report.md"
    assert main(["--quick", "--only", "journal", "--folder", str(tmp_path), "--write", str(written)]) == 0
    text = written.read_text()
    assert text.startswith("# Performance")
    assert "## Machine" in text
    assert "## Journal\n\n20 lines." in text
    assert "## C-STORE" not in text
    assert capsys.readouterr().out.strip() in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


@pytest.mark.parametrize("words", [["--quick", "--write"], ["--only", "stages", "--write"], ["--only", "nothing"]])
def test_the_document_is_written_from_a_full_run_only(words, capsys):
    with pytest.raises(SystemExit):
        main(words)
    assert "error" in capsys.readouterr().err


def test_targets_say_what_is_met():
    report = targets({"cementwatch_default_objects_per_s": 61.0, "store_1024_30fps_p99_ms": 21.0})
    assert [(row[1], row[3]) for row in report.tables[0].rows] == [("at least 60", "yes"), ("at most 20", "no")]


def test_the_full_run_is_what_the_targets_ask_for():
    assert (FULL.object_px, FULL.n_objects) == (1024, 100)
    assert {15.0, 30.0} <= set(FULL.latency_rates)
    assert {512, 1024} <= set(FULL.latency_px) & set(FULL.stage_px)
