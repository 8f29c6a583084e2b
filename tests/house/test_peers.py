"""The test peers start, answer and are the real thing."""

from __future__ import annotations

import subprocess

import psycopg
import pytest


def test_orthanc_starts_and_learns_a_modality(orthanc):
    orthanc.add_modality("cementwatch", "CEMENTWATCH", 11112)
    assert orthanc.get("/system")["DicomAet"] == "ORTHANC"
    assert "cementwatch" in orthanc.get("/modalities")


def test_dcmtk_reaches_orthanc(orthanc, dcmtk):
    echo = [dcmtk.echoscu, "-aec", orthanc.aet, orthanc.host, str(orthanc.dicom_port)]
    assert subprocess.run(echo, check=False, timeout=30).returncode == 0


def test_every_postgres_database_is_fresh(postgres_url, new_postgres_url):
    plain = postgres_url.replace("+psycopg", "")
    with psycopg.connect(plain) as connection:
        connection.execute("CREATE TABLE seen (number int)")
    with (
        psycopg.connect(new_postgres_url().replace("+psycopg", "")) as connection,
        pytest.raises(psycopg.errors.UndefinedTable),
    ):
        connection.execute("SELECT number FROM seen")


def test_chromium_is_a_browser(chromium):
    version = subprocess.run([chromium, "--version"], check=True, capture_output=True, text=True, timeout=60).stdout
    assert "Chromium" in version


def test_recordings_are_dicom(recordings):
    assert recordings
    for path in recordings:
        assert path.read_bytes()[128:132] == b"DICM", path.name
