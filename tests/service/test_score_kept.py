"""Scenes that were played before come back bit for bit, and the folder they lie in may be lost at any time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detection.phantom.chain import Chain
from detection.phantom.flow import Leak, LeakKind
from detection.phantom.reel import pack, unpack
from detection.phantom.scene import Motion, Scene, play
from detection.vocabulary import Intensity
from service.score.kept import Archive

SHORT = Scene(
    name="short",
    seed=5,
    size=(128, 128),
    mm_per_px=1.0,
    frame_rate=4.0,
    duration_s=5.0,
    start_s=0.5,
    knots=((2.0, 0.6),),
    motion=Motion(breathing_mm=1.0),
    leak=Leak(kind=LeakKind.PREVERTEBRAL_VEIN, at_s=1.5, speed_mm_s=20.0, length_mm=20.0),
)
DISPLAY = replace(SHORT, chain=Chain(intensity=Intensity.DISPLAY, bits=8))
PLENTY = 10**9


def same(some, others):
    """Whether shots are the same in pixels and in truth."""
    return all(
        np.array_equal(a.pixels, b.pixels)
        and (a.index, a.time_s) == (b.index, b.time_s)
        and said(a.truth) == said(b.truth)
        and all(np.array_equal(mask, b.truth.zones[zone]) for zone, mask in a.truth.zones.items())
        and np.array_equal(a.truth.visible, b.truth.visible)
        for a, b in zip(some, others, strict=True)
    )


def said(truth):
    return {
        name: getattr(truth, name) for name in type(truth).__dataclass_fields__ if name not in ("zones", "visible")
    } | {"zones": list(truth.zones)}


@pytest.fixture(scope="module")
def shots():
    return list(play(SHORT))


def test_a_shot_survives_being_packed(shots):
    assert shots[-1].truth.visible is not None
    assert same(shots, [unpack(pack(shot)) for shot in shots])


def test_so_does_one_before_any_cement(shots):
    empty = replace(shots[0], truth=replace(shots[0].truth, zones={}, visible=None))
    assert same([empty], [unpack(pack(empty))])


def test_eight_bit_shots_take_one_byte_a_pixel():
    shot = next(play(DISPLAY))
    assert len(pack(shot).pixels) == shot.pixels.size
    assert same([shot], [unpack(pack(shot))])


def test_a_scene_comes_back_as_it_was_played(shots, tmp_path):
    archive = Archive(folder=tmp_path / "kept", most_bytes=PLENTY)
    assert same(shots, archive.shots(SHORT))
    assert same(shots, archive.shots(SHORT))
    assert [path.suffix for path in archive.folder.iterdir()] == [".reel"]


def test_the_second_time_nothing_is_played(tmp_path):
    archive = Archive(folder=tmp_path, most_bytes=PLENTY)
    other = replace(SHORT, seed=6)
    for scene in (SHORT, other):
        list(archive.shots(scene))
    one, two = sorted(tmp_path.glob("*.reel"))
    swapped = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(swapped)
    assert same(archive.shots(SHORT), play(other))


def test_another_seed_or_another_patient_is_another_reel(tmp_path):
    archive = Archive(folder=tmp_path, most_bytes=PLENTY)
    list(archive.shots(SHORT))
    list(archive.shots(replace(SHORT, seed=6)))
    list(archive.shots(SHORT, patient="scan"))
    assert len(list(tmp_path.glob("*.reel"))) == 3


@pytest.mark.parametrize("n_bytes", [0, 1000, 60_000])
def test_a_reel_cut_short_is_played_again(n_bytes, shots, tmp_path):
    archive = Archive(folder=tmp_path, most_bytes=PLENTY)
    list(archive.shots(SHORT))
    reel = next(tmp_path.glob("*.reel"))
    reel.write_bytes(reel.read_bytes()[:n_bytes])
    assert same(shots, archive.shots(SHORT))


def test_a_reel_damaged_in_the_middle_is_played_from_there_on(shots, tmp_path):
    archive = Archive(folder=tmp_path, most_bytes=PLENTY)
    list(archive.shots(SHORT))
    reel = next(tmp_path.glob("*.reel"))
    whole = bytearray(reel.read_bytes())
    whole[len(whole) // 2] ^= 255
    reel.write_bytes(whole)
    assert same(shots, archive.shots(SHORT))


def test_the_folder_may_be_lost_while_a_scene_is_read(shots, tmp_path):
    archive = Archive(folder=tmp_path / "kept", most_bytes=PLENTY)
    told = []
    for shot in archive.shots(SHORT):
        told.append(shot)
        for path in archive.folder.iterdir():
            path.unlink()
    assert same(shots, told)


def test_a_folder_that_cannot_be_written_only_costs_time(shots, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert same(shots, Archive(folder=blocked / "kept", most_bytes=PLENTY).shots(SHORT))


def test_the_folder_stays_within_its_bound_and_what_is_not_ours_stays(tmp_path):
    archive = Archive(folder=tmp_path, most_bytes=PLENTY)
    list(archive.shots(SHORT))
    size = next(tmp_path.glob("*.reel")).stat().st_size
    (tmp_path / "letter.txt").write_text("dear reader")
    tight = Archive(folder=tmp_path, most_bytes=int(size * 2.5))
    for seed in (6, 7, 8):
        list(tight.shots(replace(SHORT, seed=seed)))
    assert sum(path.stat().st_size for path in tmp_path.glob("*.reel")) <= tight.most_bytes
    assert (tmp_path / "letter.txt").exists()


def test_nothing_is_kept_when_nothing_may_be(shots, tmp_path):
    assert same(shots, Archive(folder=tmp_path, most_bytes=0).shots(SHORT))
    assert not list(tmp_path.iterdir())


def test_a_text_is_kept_and_told_again(tmp_path):
    archive = Archive(folder=tmp_path / "kept", most_bytes=PLENTY)
    assert archive.said("name") is None
    archive.keep("name", "what came of it")
    assert archive.said("name") == "what came of it"
    assert archive.said("another name") is None
