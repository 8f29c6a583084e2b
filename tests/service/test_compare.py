"""What two journals of one recording say differently, said in words."""

from __future__ import annotations

import copy
import json

import pytest
from click.testing import CliRunner

from service.__main__ import main
from service.compare import NotComparable, compare
from service.compare_page import page_of, words_of
from tests.dicom_gateway.objects import image, saved


def frame(n, *, area=10.0, distance=5.0, flags=()):
    zones = {"canal": {"area_mm2": area / 10}}
    said = {"cement_area_mm2": area, "distance_mm": distance, "flags": list(flags), "zones": zones}
    return {"type": "frame_seen", "frame": {"sop_instance_uid": f"1.{n}", "index": 0}, "findings": said}


def alert(type, n, zone="canal", priority="high", kind="leak"):
    told = {"kind": kind, "zone": zone, "side": None, "priority": priority, "technical_cause": None}
    return {"type": type, "frame": {"sop_instance_uid": f"1.{n}", "index": 0}, "alert": told}


def film(*alerts, n_frames=20, **frames):
    """Frames in order, each followed by what was told on it."""
    lines = []
    for n in range(n_frames):
        lines.append(frames.get(f"f{n}") or frame(n))
        lines += [line for line in alerts if line["frame"]["sop_instance_uid"] == f"1.{n}"]
    return lines


def whats(comparison):
    return [(each.what, each.words) for each in comparison.alerts]


def test_a_journal_does_not_differ_from_itself():
    lines = film(alert("alert_raised", 5), alert("alert_ended", 9))
    same = compare(lines, copy.deepcopy(lines))
    assert same.is_same
    assert same.summary == "no difference: 1 alerts, 20 frames"
    assert list(words_of(same)) == []


def test_an_alert_that_comes_later_is_told_by_frames():
    told = compare(film(alert("alert_raised", 5)), film(alert("alert_raised", 8)))
    assert whats(told) == [("later", "HIGH leak canal: 3 frames later (frame 5, now 8)")]
    assert whats(compare(film(alert("alert_raised", 5)), film(alert("alert_raised", 4)))) == [
        ("earlier", "HIGH leak canal: 1 frame earlier (frame 5, now 4)")
    ]


def test_an_alert_whose_side_follows_another_view_is_the_same_alert():
    raised, changed, ended = (
        alert(type, n, "vein") for type, n in (("alert_raised", 5), ("alert_changed", 7), ("alert_ended", 9))
    )
    raised["alert"]["side"] = "anterior"
    ended["alert"]["side"] = changed["alert"]["side"] = "image_left"
    one, other = film(raised, ended), film(raised, changed, ended)
    assert compare(one, other).is_same
    assert len(compare(one, other).b.episodes) == 1


def test_an_alert_that_is_new_or_gone_is_told_with_its_frame():
    one, both = film(alert("alert_raised", 5)), film(alert("alert_raised", 5), alert("alert_raised", 15, "disc"))
    assert whats(compare(one, both)) == [("new", "HIGH leak disc: new, on frame 15")]
    assert whats(compare(both, one)) == [("gone", "HIGH leak disc: gone; was raised on frame 15")]


def test_an_alert_nearby_in_another_zone_is_the_same_event_and_far_away_another():
    canal = film(alert("alert_raised", 5))
    near, far = film(alert("alert_raised", 7, "vein")), film(alert("alert_raised", 19, "vein"))
    assert whats(compare(canal, near)) == [
        ("in another zone", "HIGH leak canal (frame 5) is now HIGH leak vein (frame 7)")
    ]
    assert [what for what, _ in whats(compare(canal, far))] == ["gone", "new"]


def test_priority_and_end_are_told():
    before = film(alert("alert_raised", 5, priority="medium"), alert("alert_ended", 9, priority="medium"))
    after = film(alert("alert_raised", 5, priority="medium"), alert("alert_worsened", 6))
    assert whats(compare(before, after)) == [
        ("of another priority", "MEDIUM leak canal: now HIGH"),
        ("of another end", "HIGH leak canal: ends on frame 9, now never ends"),
    ]


def test_repeated_alerts_are_matched_with_the_nearest():
    thrice = [line for n in (2, 8, 14) for line in (alert("alert_raised", n), alert("alert_ended", n + 1))]
    assert whats(compare(film(*thrice), film(*thrice[2:]))) == [
        ("gone", "HIGH leak canal: gone; was raised on frame 2")
    ]


def test_frames_are_told_by_size_zone_and_flag():
    other = film(f3=frame(3, area=12.5), f4=frame(4, area=11.1, distance=None), f5=frame(5, flags=["lossy"]))
    told = compare(film(), other)
    assert told.summary == "alerts that differ: none; 3 of 20 frames measure differently"
    assert list(words_of(told)) == [
        "area in the canal differs on 2 of 20 frames: median +0.18 mm², most on frame 3 (1.00, now 1.25)",
        "cement area differs on 2 of 20 frames: median +1.80 mm², most on frame 3 (10.00, now 12.50)",
        "distance to the wall differs on 1 of 20 frames; known only in A on 1, only in B on 0",
        "now flagged lossy: 1 frames, the first is 5",
    ]


def test_what_lies_below_the_print_is_no_difference():
    assert compare(film(), film(f3=frame(3, area=10.004))).is_same


def test_frames_judged_by_one_only_are_told():
    told = compare(film(), film(n_frames=18))
    assert not told.is_same
    assert list(words_of(told)) == ["2 frames were judged in one of the two only"]


def test_a_recording_that_lost_its_identity_is_matched_by_place():
    other = json.loads(json.dumps(film(alert("alert_raised", 6))).replace('"1.', '"2.25.'))
    told = compare(film(alert("alert_raised", 5)), other)
    assert [what for what, _ in whats(told)] == ["later"]
    assert any("matched by their place" in words for words in words_of(told))
    with pytest.raises(NotComparable):
        compare(film(), other[:-3])


def test_journals_without_frames_cannot_be_compared():
    with pytest.raises(NotComparable, match="--frames"):
        compare([], film())


def test_the_command_says_it_draws_it_and_ends_with_one_on_a_difference(tmp_path):
    folder = tmp_path / "film"
    folder.mkdir()
    for n in range(20):
        saved(image(SOPInstanceUID=f"1.{n}", InstanceNumber=n), folder / f"{n:02d}.dcm")
    told = alert("alert_raised", 5)
    told["alert"]["outline"] = [[10, 10], [10, 40], [40, 40]]
    for name, lines in (("a", film(told, alert("alert_raised", 9, "disc"))), ("b", film(told))):
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    a, b, page = str(tmp_path / "a"), str(tmp_path / "b"), tmp_path / "page.html"
    done = CliRunner().invoke(main, ["compare", a, b, "--html", str(page), "--recording", str(folder)])
    assert (done.exit_code, done.output.splitlines()) == (
        1,
        [
            "HIGH leak disc: gone; was raised on frame 9",
            "alerts that differ: 1 gone; 0 of 20 frames measure differently",
        ],
    )
    assert page.read_text().count("data:image/jpeg") == 1
    assert "not a medical device" in page.read_text()
    assert CliRunner().invoke(main, ["compare", a, a]).exit_code == 0
    for words in ("no journal", "[1]", '{"kind": "x"}', '{"data": 1, "frame": [], "type": "note"}'):
        (tmp_path / "c").write_text(words)
        assert "expected a journal" in CliRunner().invoke(main, ["compare", a, str(tmp_path / "c")]).output


def test_a_page_escapes_what_a_journal_says():
    odd = film(alert("alert_raised", 5, kind="<script>"))
    assert "<script>" not in page_of(compare(film(), odd), None)
