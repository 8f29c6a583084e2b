"""``cementwatch check`` says in words what is wrong, and sources may change while everything runs."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from detection.vocabulary import Intensity, Polarity
from dicom_gateway.frames import frames_of
from service.__main__ import main
from service.check import check
from service.settings import Settings
from service.sources import Sources
from tests.archive import seen_archive
from tests.dicom_gateway.objects import image, ramp
from tests.service.depot import Depot
from tests.service.fhir_server import Store
from tests.service.fhir_server import serving as fhir
from tests.service.nurse import Nurse
from tests.service.nurse import serving as hearing


def wrong(settings: Settings) -> dict[str, str]:
    """What is wrong, by what it is about."""
    return {each.about: each.words for each in check(settings) if not each.is_well}


def test_peers_that_answer_are_well_and_others_are_named_with_their_address(tmp_path, free_port):
    with seen_archive() as archive:
        well = {"name": "PACS", "host": "127.0.0.1", "port": archive.port, "called": "PACS"}
        archives = (
            well,
            {**well, "name": "TITLE", "called": "NOBODY"},
            {**well, "name": "DOWN", "port": free_port},
            {"name": "WEB", "url": f"http://127.0.0.1:{free_port}/dicom-web"},
        )
        ris = {"host": "127.0.0.1", "port": archive.port, "called": "PACS"}
        settings = Settings(
            data_dir=tmp_path, dicom_port=archive.port, ae_title="PACS", archives=archives, worklist=ris
        )
        assert wrong(settings) == {
            "archive TITLE": f"NOBODY at 127.0.0.1:{archive.port}: the peer refuses the association",
            "archive DOWN": f"PACS at 127.0.0.1:{free_port}: the peer does not answer",
            "archive WEB": "does not answer (ConnectError)",
        }


def test_what_would_not_work_together_is_said_before_it_does_not(tmp_path):
    with seen_archive() as archive:
        pacs = {"name": "PACS", "host": "127.0.0.1", "port": archive.port, "called": "PACS", "commit": True}
        told = {"data_dir": tmp_path, "dicom_port": archive.port, "ae_title": "PACS"}
        settings = Settings(archives=(pacs,), calling_ae_titles=("CARM1",), **told)
        assert "storage commitment would be refused" in wrong(settings)["archive PACS"]
        assert wrong(Settings(archives=(pacs,), calling_ae_titles=("CARM1", "PACS"), **told)) == {}
        assert "no archive has them" in wrong(Settings(keep_days=3, **told))["keep_days"]
        (tmp_path / "sources.toml").write_text('[[sources]]\ntitle = "CARM9"\n')
        assert wrong(Settings(calling_ae_titles=("CARM1",), **told)) == {
            "source CARM9": "the lists of callers would turn it away"
        }


def test_receivers_of_findings_and_alerts_are_asked_too(tmp_path, free_port):
    store, nurse = Store(), Nurse()
    with seen_archive() as archive, fhir(store) as url, hearing(nurse) as port:
        told = {"data_dir": tmp_path, "dicom_port": archive.port, "ae_title": "PACS"}
        well = {"fhir_server": {"url": url}, "hl7_listener": {"host": "127.0.0.1", "port": port}}
        assert wrong(Settings(**told, **well)) == {}
        store.version = "5.0.0"
        far = {"host": "127.0.0.1", "port": free_port}
        assert wrong(Settings(**told, fhir_server={"url": url}, hl7_listener=far)) == {
            "fhir_server": "says of itself another version of FHIR than R4",
            "hl7_listener": f"127.0.0.1:{free_port}: does not answer (ConnectionRefusedError)",
        }
        lost = wrong(Settings(**told, fhir_server={"url": f"{url}/other"}))
        assert lost == {"fhir_server": "answers a question for its capability statement with 404"}
    assert nurse.heard == [], "nobody is alarmed by a check"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[[sources]]\ntitle = ", "sources.toml: Invalid value"),
        ('[[sources]]\ntitle = "A"\ncolour = 1', "sources.0.colour"),
        ('[[sources]]\ntitle = "A"\n[[sources]]\ntitle = "A"', "expected each title once"),
        ('[[sources]]\ntitle = "A"\nopen_field = [0.9, 0.1, 0.1, 0.9]', "top above bottom"),
        ('[[sources]]\ntitle = "A"\nburned_in = [[0.9, 0.1, 0.1, 0.9]]', "top above bottom"),
        ('[[sources]]\ntitle = "A"\npolarity = "red"', "dense_is_dark"),
    ],
)
def test_a_file_of_sources_that_cannot_be_meant_is_wrong_in_words(tmp_path, free_port, text, expected):
    (tmp_path / "sources.toml").write_text(text)
    assert expected in wrong(Settings(data_dir=tmp_path, dicom_port=free_port))["sources"]


def test_the_command_prints_every_finding_and_fails_when_one_is_wrong(tmp_path, free_port, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = {"CEMENTWATCH_DATA_DIR": str(tmp_path / "data"), "CEMENTWATCH_DICOM_PORT": str(free_port)}
    told = CliRunner().invoke(main, ["check"], env=env)
    assert told.exit_code == 1
    assert f"WRONG  receiver: CEMENTWATCH at 127.0.0.1:{free_port}: the peer does not answer" in told.output
    assert "ok     database: answers" in told.output
    bad = CliRunner().invoke(main, ["check"], env=env | {"CEMENTWATCH_ARCHIVES": json.dumps([{"name": "A"}])})
    assert bad.exit_code == 1
    assert "archive A: expected either host (with port and called) or url" in bad.output


# sources


@pytest.fixture
def depot(tmp_path):
    depot = Depot(folder=tmp_path / "data", archives=())
    yield depot
    depot.engine.dispose()


def test_what_is_said_of_a_source_counts_from_its_next_object_on(depot, caplog):
    depot.arrive(image(ramp(n_frames=3), FrameTime=None))
    (arrival,) = depot.spool.after(0)
    sources, path = Sources(depot.settings), depot.settings.sources_path
    before = sources.header_of(arrival)
    assert before.frame_offsets_s[1] == pytest.approx(1 / 7.5)
    path.write_text(
        '[[sources]]\ntitle = "ARM1"\npace = 15.0\npolarity = "dense_is_bright"\n'
        'intensity = "display"\nopen_field = [0.25, 0.0, 0.75, 1.0]\n'
    )
    after = sources.header_of(arrival)
    assert after.frame_offsets_s[1] == pytest.approx(1 / 15)
    assert (after.polarity, after.intensity) == (Polarity.DENSE_IS_BRIGHT, Intensity.DISPLAY)
    frame = next(frames_of(arrival, after))
    assert frame.field.any(axis=1).nonzero()[0].tolist() == list(range(16, 48)), "of 64 rows"
    path.write_text("this is no table")
    assert sources.header_of(arrival) == after, "what it said before stays"
    assert "what it said before stays" in caplog.text
    assert sources.trouble is not None
    path.unlink()
    assert sources.header_of(arrival) == before


def test_text_that_is_burnt_into_a_picture_is_not_judged(depot):
    depot.arrive(image(ramp(n_frames=1)))
    (arrival,) = depot.spool.after(0)
    sources = Sources(depot.settings)
    corner = '[[sources]]\ntitle = "ARM1"\nburned_in = [[0.0, 0.0, 0.25, 0.5]]\n'
    depot.settings.sources_path.write_text(corner)
    field = next(frames_of(arrival, sources.header_of(arrival))).field
    n_rows, n_cols = field.shape
    assert not field[: n_rows // 4, : n_cols // 2].any()
    assert field[n_rows // 4 :].all()
    assert field[:, n_cols // 2 :].all()
