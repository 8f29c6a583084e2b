"""What is no image, or not the image it says it is, gets its answer and its place in the log; the next one is judged."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import generate_uid

from dicom_gateway.compose import run_of
from dicom_gateway.due import Due
from dicom_gateway.sender import CONTEXT_REFUSED
from tests.dicom_gateway.objects import data_set_of, image, other, saved, send_bytes
from tests.journeys.house import assert_each_once
from tests.journeys.scenes import QUIET

UNREADABLE = 0xC000
NOT_THIS_CLASS = 0xA900
UNKNOWN_CLASS = "1.2.840.10008.5.1.4.1.1.999"


@pytest.fixture
def sender(standing, tmp_path):
    """Sends bytes, or an object, and answers with the status."""

    class Sender:
        def bytes(self, content: bytes, uid: str | None = None) -> int | None:
            return send_bytes(standing.peer("CARM7"), tmp_path / "raw.dcm", content, uid=uid)

        def object(self, dataset) -> int | None:
            (sent,) = standing.send([Due(offset_s=0.0, content=dataset)], calling="CARM7")
            return sent.status

        def cut(self, dataset, n_bytes: int) -> int | None:
            whole = data_set_of(saved(dataset, tmp_path / "whole.dcm"))
            return self.bytes(whole[:n_bytes], uid=dataset.SOPInstanceUID)

    return Sender()


def test_every_bad_object_is_answered_and_every_good_one_between_them_is_judged(standing, sender, quiet):
    good = iter(quiet.due()[:12])
    run = run_of(replace(QUIET, duration_s=0.5, size=(64, 64), mm_per_px=2.0), started_at=time.time())
    whole = len(run.PixelData)
    bad = {
        "a text file": (lambda: sender.bytes(b"Dear Sir or Madam,\nplease find enclosed\n" * 20), UNREADABLE),
        "a truncated run": (lambda: sender.cut(run, whole // 2), UNREADABLE),
        "a giant": (lambda: sender.object(image(Rows=60000, Columns=60000)), UNREADABLE),
        "an unknown class": (lambda: sender.object(other(UNKNOWN_CLASS)), CONTEXT_REFUSED),
    }
    answers = {}
    for name, (give, _) in bad.items():
        answers[name] = give()
        (sent,) = standing.send([next(good)], calling="CARM7")
        assert sent.status == 0, name
    assert answers == {name: status for name, (_, status) in bad.items()}
    standing.send(list(good), calling="CARM7")
    procedure = standing.wait_judged(quiet.study, 12)
    assert_each_once(standing.judged(procedure["id"]), 12)
    log = standing.log.read_text()
    for reason in ("the header is cut short", "rows or columns outside 64 to 4096", UNKNOWN_CLASS):
        assert reason in log
    assert "Dear Sir" not in log
    assert "CANARY" not in log


def test_an_empty_object_is_answered(standing, sender):
    assert sender.bytes(b"") not in {0, None}
    assert "no data set" in standing.log.read_text() or "no SOP class" in standing.log.read_text()
    assert sender.object(image()) == 0


def test_a_second_object_of_one_uid_with_other_bytes_is_kept_judged_and_reported(standing, sender):
    first = image()
    second = image(np.flip(image().pixel_array[None], axis=2), SOPInstanceUID=first.SOPInstanceUID)
    second.StudyInstanceUID = first.StudyInstanceUID
    second.file_meta.MediaStorageSOPInstanceUID = first.SOPInstanceUID
    assert [sender.object(each) for each in (first, first, second)] == [0, 0, 0]
    lines = standing.judged(standing.wait_judged(first.StudyInstanceUID, 2)["id"])
    assert_each_once(lines, 2)
    assert len({line["frame"]["sop_instance_uid"] for line in lines}) == 1
    said = [json.loads(line) for line in standing.log.read_text().splitlines() if "the UID of another" in line]
    assert lines[1]["data"]["arrival"] in {line["arrival"] for line in said}


def test_pixels_that_cannot_be_decoded_fail_with_a_reason_and_raise_a_technical_alert(standing, sender):
    study = generate_uid()
    broken = image(StudyInstanceUID=study)
    broken.PixelData = encapsulate([b"\xff\xd8\xff this was a JPEG once \xff\xd9"])
    broken["PixelData"].VR = "OB"
    broken["PixelData"].is_undefined_length = True
    broken.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.70"
    assert sender.object(image(StudyInstanceUID=study)) == 0
    assert sender.object(broken) == 0
    procedure = standing.procedure(study)["id"]
    (failed,) = standing.until(
        lambda: standing.every(f"/procedures/{procedure}/log", types="frame_failed"), "the failure is in the log"
    )
    assert failed["cause"]
    assert failed["source"] == "CARM7"

    def decoder_failure():
        alerts = standing.every("/alerts", procedure=procedure)
        return next((each for each in alerts if each["technical_cause"] == "decoder_failure"), None)

    assert standing.until(decoder_failure, "the decoder's failure is an alert")["condition"] == "present"
    assert sender.object(image(StudyInstanceUID=study)) == 0
    standing.until(lambda: decoder_failure()["condition"] == "ended", "the next good frame ends it")
    assert len(standing.judged(procedure)) == 2


def test_a_folder_with_files_that_are_no_images_is_replayed_all_the_same(standing, quiet, tmp_path):
    (tmp_path / "folder").mkdir()
    for path in quiet.paths()[:3]:
        (tmp_path / "folder" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "folder" / "letter.txt").write_text("Dear Sir or Madam")
    (tmp_path / "folder" / "empty.dcm").touch()
    told = standing.run("replay", "--folder", str(tmp_path / "folder"), "--frames")
    assert told.returncode == 0, told.stderr
    assert [json.loads(line)["type"] for line in told.stdout.splitlines()].count("frame_seen") == 3
