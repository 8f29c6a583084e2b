"""What goes wrong on purpose, and what a sender is answered to each of it."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from click.testing import CliRunner

from detection.vocabulary import Mode
from dicom_gateway.due import due_from_folder
from dicom_gateway.faults import Fault, Faults, disturbed, faults_from
from dicom_gateway.frames import mode_of
from dicom_gateway.header import read_header
from dicom_gateway.quarantine import notes
from dicom_gateway.sender import send
from tests.dicom_gateway.objects import image, ramp, saved

N_OBJECTS = 12


@pytest.fixture
def film(tmp_path):
    """Twelve objects made now, half a second apart."""
    folder, now = tmp_path / "film", time.time()
    folder.mkdir()
    for n in range(N_OBJECTS):
        made = time.strftime("%Y%m%d%H%M%S+0000", time.gmtime(now + n))
        saved(image(ramp(1) + n, AcquisitionDateTime=made, InstanceNumber=n), folder / f"{n:02d}.dcm")
    return due_from_folder(folder)


@pytest.fixture
def play(film, peer, tmp_path):
    """Call it with faults: what was sent, and how often each fault was made."""

    def with_faults(**shares):
        made, skew_s = Counter(), shares.pop("skew_s", 0.0)
        asked = Faults(shares=tuple((Fault(name), share) for name, share in shares.items()), skew_s=skew_s, seed=4)
        spoilt = disturbed(film, asked, tmp_path / "scratch", made)
        return list(send(spoilt, peer, speed=None, clock=time.monotonic, sleep=time.sleep)), made

    return with_faults


def arrived(spool):
    return [read_header(arrival.path).place[1] for arrival in spool.after(0)]


def test_without_faults_everything_arrives_in_order(play, spool):
    sent, made = play()
    assert [each.status for each in sent] == [0] * N_OBJECTS
    assert arrived(spool) == list(range(N_OBJECTS))
    assert not made


def test_what_is_dropped_never_arrives_and_nobody_can_know(play, spool):
    sent, made = play(drop=0.3)
    assert 0 < made[Fault.DROP] < N_OBJECTS
    assert {each.status for each in sent} == {0}
    assert len(arrived(spool)) == N_OBJECTS - made[Fault.DROP]


def test_what_comes_twice_is_taken_twice_and_kept_once(play, spool):
    sent, made = play(duplicate=0.3)
    assert len(sent) == N_OBJECTS + made[Fault.DUPLICATE] > N_OBJECTS
    assert {each.status for each in sent} == {0}
    assert arrived(spool) == list(range(N_OBJECTS))


def test_what_comes_out_of_order_is_kept_in_the_order_it_came(play, spool):
    _, made = play(reorder=0.3)
    assert made[Fault.REORDER]
    assert sorted(arrived(spool)) == list(range(N_OBJECTS))
    assert arrived(spool) != list(range(N_OBJECTS))


def test_what_is_cut_short_is_refused_and_kept_aside_with_the_reason(play, spool):
    sent, made = play(cut=0.3)
    cut = [each for each in sent if each.fault is Fault.CUT]
    assert len(cut) == made[Fault.CUT] > 0
    assert {each.status for each in cut} == {0xC000}
    assert len(arrived(spool)) == N_OBJECTS - len(cut)
    assert len(notes(spool.quarantined)) == len(cut)


def test_scrambled_pixels_are_taken_for_dicom_has_no_checksum(play, spool):
    sent, made = play(scramble=0.3)
    assert made[Fault.SCRAMBLE]
    assert {each.status for each in sent} == {0}
    assert arrived(spool) == list(range(N_OBJECTS))


def test_what_is_aborted_leaves_nothing_and_arrives_whole_when_it_is_sent_again(play, spool):
    sent, made = play(abort=0.3)
    assert len(sent) == N_OBJECTS + made[Fault.ABORT] > N_OBJECTS
    assert {each.status for each in sent if each.fault is None} == {0}
    assert {each.status for each in sent if each.fault is Fault.ABORT} == {None}
    assert arrived(spool) == list(range(N_OBJECTS))
    spool.sweep()
    assert not list(spool.incoming.iterdir())


@pytest.mark.parametrize(
    ("skew_s", "mode"), [(3600.0, Mode.LIVE), (-3600.0, Mode.LIVE), (-2 * 86_400.0, Mode.POST_RUN)]
)
def test_a_clock_that_is_an_hour_off_is_live_and_one_that_is_days_behind_is_stored(play, spool, film, skew_s, mode):
    play(skew_s=skew_s)
    arrivals = spool.after(0)
    headers = [read_header(arrival.path) for arrival in arrivals]
    before = [read_header(item.content).acquired_at for item in film]
    assert [header.acquired_at for header in headers] == pytest.approx([at + skew_s for at in before])
    assert {mode_of(arrival, header) for arrival, header in zip(arrivals, headers, strict=True)} == {mode}


def test_one_seed_gives_the_same_faults(film, tmp_path):
    asked = faults_from(["drop=0.2", "reorder=0.2", "duplicate=0.1"], seed=7)
    runs = [[(d.content, d.fault) for d in disturbed(film, asked, tmp_path, Counter())] for _ in range(2)]
    assert runs[0] == runs[1]
    other = faults_from(["drop=0.2", "reorder=0.2", "duplicate=0.1"], seed=8)
    assert [(d.content, d.fault) for d in disturbed(film, other, tmp_path, Counter())] != runs[0]


@pytest.mark.parametrize(
    ("word", "expected"),
    [("lose=0.1", "one of drop"), ("drop", "a number"), ("drop=2", "from 0 to 1"), ("cut=-1", "from 0")],
)
def test_what_was_expected_is_said(word, expected):
    with pytest.raises(ValueError, match=expected):
        faults_from([word], seed=0)


def test_the_command_tells_each_answer(film, listener):
    from service.__main__ import main

    folder, to = str(film[0].content.parent), f"127.0.0.1:{listener.port}"
    args = ["send", "--folder", folder, "--to", to, "--unpaced", "--fault", "cut=0.5", "--fault-seed", "2"]
    done = CliRunner().invoke(main, args)
    assert done.exit_code == 0, done.output
    assert "cut: answered 0xC000" in done.output.splitlines()
    assert f"on purpose: {done.output.count('answered')} cut" in done.output
    assert "expected one of drop" in CliRunner().invoke(main, [*args[:-4], "--fault", "lose=1"]).output
