"""What the settings say of the DICOM port, and our own calls to it when it speaks TLS."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from dicom_gateway.listener import Listener
from dicom_gateway.peer import Peer, echo
from dicom_gateway.spool import Spool
from service.api.health import check_receive
from service.entrance import callers_of, limits_of, secured
from service.settings import Settings
from tests.conftest import program, unused_port
from tests.dicom_gateway.papers import make_papers


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    return make_papers(program("openssl", "openssl"), tmp_path_factory.mktemp("papers"))


def settings_of(papers, **more) -> Settings:
    own = papers.port
    told = {
        "dicom_tls_certificate": own.certificate,
        "dicom_tls_key": own.key,
        "dicom_tls_authorities": own.authorities,
    }
    return Settings(**(told | more))


def test_our_own_calls_reach_a_port_that_speaks_tls_and_shows_nobody_else_in(papers, tmp_path, room):
    settings = settings_of(
        papers, dicom_port=unused_port(), calling_ae_titles=("ARM1",), known_devices=("ARM2@10.1.1.1",)
    )
    assert settings.credentials is not None
    listener = Listener(
        Spool(tmp_path / "spool"),
        callers=callers_of(settings),
        limits=limits_of(settings),
        port=settings.dicom_port,
        tls=settings.credentials.for_listening(),
        min_free_bytes=0,
    )
    listener.start()
    try:
        peer = Peer(host="127.0.0.1", port=settings.dicom_port, calling="ARM1")
        assert not echo(peer)
        assert echo(secured(peer, settings))
        assert check_receive(replace(room.deps, settings=settings))[0]
    finally:
        listener.stop()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"calling_addresses": ("ten",)}, "expected an address"),
        ({"known_devices": ("ARM1@ten",)}, "expected an address"),
        ({"known_devices": ("",)}, "expected an AE title"),
        ({"dicom_tls_key": None}, "all three"),
    ],
)
def test_a_setting_that_cannot_be_used_names_what_was_expected(papers, wrong, named):
    with pytest.raises(ValidationError, match=named):
        settings_of(papers, **wrong)


def test_a_certificate_that_cannot_be_used_is_told_at_the_start(papers):
    with pytest.raises(ValidationError, match="expected a PEM certificate and its unencrypted key"):
        settings_of(papers, dicom_tls_key=papers.device.key)
