"""DCMTK's senders store real recordings: every object arrives, every frame is judged once or says why not."""

import subprocess
from collections import Counter

import pydicom
import pytest

from tests.journeys.house import House

PROPOSALS = {
    "1.2.840.10008.1.2.1": "-xe",
    "1.2.840.10008.1.2.4.50": "-xy",
    "1.2.840.10008.1.2.4.51": "-xx",
    "1.2.840.10008.1.2.4.70": "-xs",
    "1.2.840.10008.1.2.4.80": "-xt",
    "1.2.840.10008.1.2.4.81": "-xu",
    "1.2.840.10008.1.2.4.90": "-xv",
    "1.2.840.10008.1.2.4.91": "-xw",
    "1.2.840.10008.1.2.5": "-xr",
}
"""What storescu must be told to offer a transfer syntax."""


def dcmsend(dcmtk, house: House, recordings) -> None:
    address = ["-aet", "DCMSEND", "-aec", "CEMENTWATCH", "127.0.0.1", str(house.dicom_port)]
    _run(dcmtk.dcmsend, "--decompress-never", *address, *recordings)


def storescu(dcmtk, house: House, recordings) -> None:
    address = ["-aet", "STORESCU", "-aec", "CEMENTWATCH", "127.0.0.1", str(house.dicom_port)]
    for path in recordings:
        syntax = pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID
        _run(dcmtk.storescu, "-R", PROPOSALS[syntax], *address, path)


def _run(*words) -> None:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, errors="replace", timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def frames_of(recordings) -> Counter:
    """How many frames the objects of each SOP Instance UID have, all files of that UID together."""
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in recordings]
    return Counter(
        {
            uid: sum(int(each.get("NumberOfFrames") or 1) for each in headers if each.SOPInstanceUID == uid)
            for uid in {each.SOPInstanceUID for each in headers}
        }
    )


def test_dcmsend_and_storescu_store_every_recording(standing, dcmtk, recordings, frames_of):
    dcmsend(dcmtk, standing, recordings)
    n_frames = frames_of.total()
    standing.until(lambda: standing.source("DCMSEND").get("frames_received") == n_frames, "all objects are noted")
    storescu(dcmtk, standing, recordings)
    told = standing.until(lambda: settled_lines(standing, "DCMSEND", n_frames), "every frame is judged or has failed")
    places = Counter((line["data"]["arrival"], line["frame"]["index"]) for line in told if line["frame"])
    assert set(places.values()) == {1}
    judged = Counter(line["frame"]["sop_instance_uid"] for line in told if line["type"] == "frame_seen")
    assert judged == frames_of
    assert all(line["cause"] for line in told if line["type"] == "frame_failed")


def settled_lines(house: House, source: str, n_frames: int):
    """What the logs say of a source's frames, once that is ``n_frames`` or more."""
    lines = [
        line
        for procedure in house.every("/procedures")
        for line in house.every(f"/procedures/{procedure['id']}/log", types="frame_seen,frame_failed")
        if line["source"] == source
    ]
    return lines if len(lines) >= n_frames else None


def test_the_same_objects_from_a_second_sender_are_no_second_arrivals(standing, dcmtk, recordings):
    dcmsend(dcmtk, standing, recordings)
    storescu(dcmtk, standing, recordings)
    before = len(list((standing.folder / "data" / "spool" / "arrivals").rglob("*.dcm")))
    dcmsend(dcmtk, standing, recordings)
    storescu(dcmtk, standing, recordings)
    assert len(list((standing.folder / "data" / "spool" / "arrivals").rglob("*.dcm"))) == before
