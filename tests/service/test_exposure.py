"""How far the server may be reached, told by the command itself; users and tokens as an administrator makes them."""

from __future__ import annotations

import re
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from service import accounts, roles
from service.exposure import TooExposed, exposure_of, refuse_if_exposed
from service.settings import Settings
from tests.journeys.house import House

PASSWORD = "correct horse battery"


def settings(**changes):
    return Settings(**changes)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.5.5.5"])
def test_loopback_needs_nothing(host):
    refuse_if_exposed(settings(http_host=host), has_users=False)


@pytest.mark.parametrize(
    ("changes", "has_users", "wanted"),
    [
        ({"http_host": "0.0.0.0"}, True, ["http_tls_certificate"]),  # noqa: S104 - the case under test
        ({"http_host": "192.0.2.7"}, False, ["http_tls_certificate", "cementwatch user add"]),
        ({"http_host": "room.example"}, True, ["http_tls_certificate"]),
        ({"http_host": "192.0.2.7", "http_tls_certificate": "c", "http_tls_key": "k"}, False, ["cementwatch user add"]),
        ({"http_trusted_proxies": ("192.0.2.1",)}, False, ["cementwatch user add"]),
        ({"http_tls_certificate": "c"}, True, ["both or neither"]),
        ({"http_trusted_proxies": ("proxy.example",)}, True, ["addresses or networks"]),
    ],
)
def test_a_server_that_strangers_reach_is_refused_with_what_to_do(changes, has_users, wanted):
    with pytest.raises(TooExposed) as refusal:
        refuse_if_exposed(settings(**changes), has_users=has_users)
    for words in wanted:
        assert words in str(refusal.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"http_host": "192.0.2.7", "http_tls_certificate": "c", "http_tls_key": "k"},
        {"http_host": "192.0.2.7", "http_trusted_proxies": ("192.0.2.0/28", "2001:db8::1")},
        {"http_host": "0.0.0.0", "http_published_on_loopback": True},  # noqa: S104 - a container
    ],
)
def test_with_tls_or_a_proxy_and_a_user_it_may_listen(changes):
    refuse_if_exposed(settings(**changes), has_users=True)


def test_a_server_behind_a_proxy_is_never_local():
    assert not exposure_of(settings(http_trusted_proxies=("127.0.0.1",))).is_local
    assert exposure_of(settings(http_published_on_loopback=True, http_host="0.0.0.0")).is_local  # noqa: S104


def run(folder: Path, *words: str) -> Result:
    """One command about this folder's users or tokens, in this process."""
    (folder / "password").write_text(PASSWORD + "\n")
    (folder / "short").write_text("short\n")
    (folder / "dull").write_text("aaaaaaaaaaaaaaa\n")
    group = {"user": accounts.user, "token": accounts.token}[words[0]]
    told = [
        str(folder / word) if word in {"password", "short", "dull"} and i > 1 else word for i, word in enumerate(words)
    ]
    return CliRunner().invoke(group, told[1:], obj=settings(data_dir=folder / "data"))


@pytest.fixture
def empty(tmp_path):
    house = House(folder=tmp_path / "house")
    house.folder.mkdir()
    yield house
    house.end()


def test_the_command_refuses_to_serve_strangers(empty):
    empty.settings["HTTP_HOST"] = "0.0.0.0"  # noqa: S104 - the case under test
    answer = empty.run("serve")
    assert answer.returncode == 1
    assert "http_tls_certificate" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_nothing_is_started_beside_a_server_that_may_not_listen(tmp_path):
    with pytest.raises(TooExposed, match="cementwatch user add"):
        roles.run_all(settings(data_dir=tmp_path, http_host="192.0.2.7"))


def certificate(empty: House) -> dict[str, str]:
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", "key.pem", "-out", "cert.pem", "-days", "1", "-nodes"]
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *subject, *files]
    subprocess.run(make, cwd=empty.folder, check=True, capture_output=True)
    return {
        "HTTP_HOST": "0.0.0.0",  # noqa: S104 - the case under test
        "HTTP_TLS_CERTIFICATE": str(empty.folder / "cert.pem"),
        "HTTP_TLS_KEY": str(empty.folder / "key.pem"),
    }


def test_over_tls_with_a_user_it_serves_strangers_who_sign_in(empty):
    empty.settings |= certificate(empty)
    made = run(empty.folder, "user", "add", "anna", "--role", "operator", "--password-file", "password")
    assert made.exit_code == 0, made.output
    assert "act" in made.output
    empty.start("serve")
    trust = ssl.create_default_context(cafile=empty.folder / "cert.pem")
    with httpx.Client(base_url=f"https://localhost:{empty.http_port}", verify=trust) as client:

        def answers() -> bool:
            try:
                return client.get("/health/live").status_code == 200
            except httpx.TransportError:
                return False

        empty.until(answers, "the server speaks TLS")
        assert client.get("/api/v1/alerts").status_code == 401
        answer = client.post("/api/v1/session", json={"name": "anna", "password": PASSWORD})
        assert answer.headers["set-cookie"].startswith("__Host-cementwatch=")
        assert "Secure" in answer.headers["set-cookie"]
        assert client.get("/api/v1/alerts").status_code == 200


def test_users_and_tokens_are_made_listed_and_ended_at_the_command_line(empty):
    folder = empty.folder
    assert run(folder, "user", "add", "anna", "--role", "admin", "--password-file", "password").exit_code == 0
    made = run(folder, "token", "add", "monitor", "--scope", "read", "--scope", "metrics", "--days", "2")
    assert made.exit_code == 0, made.output
    token = made.stdout.strip()
    assert re.fullmatch(r"cw_[\w-]{43}", token)
    assert "anna" in run(folder, "user", "list").output
    listed = run(folder, "token", "list").output
    assert "read,metrics" in listed
    assert token not in listed
    empty.start("serve")
    header = {"Authorization": f"Bearer {token}"}
    empty.until(lambda: empty._answers("/health/live"), "the server answers")
    alerts = f"{empty.url}/api/v1/alerts"
    assert httpx.get(alerts).status_code == 401
    assert httpx.get(alerts, headers=header).status_code == 200
    assert run(folder, "token", "revoke", "monitor").exit_code == 0
    empty.until(lambda: httpx.get(alerts, headers=header).status_code == 401, "it is revoked", 10)
    assert run(folder, "user", "disable", "anna", "--even-last").exit_code == 0
    assert "disabled" in run(folder, "user", "list").output
    told = lambda: httpx.get(alerts).json()["error"]["message"]  # noqa: E731
    empty.until(lambda: "Every user is disabled" in told(), "whoever is shut out lets nobody in", 10)
    assert httpx.get(alerts).status_code == 401


def test_the_last_who_may_sign_in_or_read_the_audit_is_not_disabled_by_the_way(tmp_path):
    def disable(*words):
        return run(tmp_path, "user", "disable", *words)

    for name, role in (("ada", "admin"), ("anna", "operator")):
        assert run(tmp_path, "user", "add", name, "--role", role, "--password-file", "password").exit_code == 0
    refused = disable("ada")
    assert refused.exit_code == 1
    assert "there is no admin" in refused.output
    assert disable("anna").exit_code == 0, "an admin is left"
    refused = disable("ada")
    assert "nobody may sign in" in refused.output
    assert "--even-last" in refused.output
    assert run(tmp_path, "user", "list").output.count("disabled") == 1
    done = disable("ada", "--even-last")
    assert done.exit_code == 0
    assert "nobody may sign in" in done.output
    exposed = settings(data_dir=tmp_path / "data", http_trusted_proxies=("192.0.2.1",))
    with pytest.raises(TooExposed, match="cementwatch user add"):
        roles.run_serve(exposed)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("user add Anna --role viewer --password-file password", "expected a to z"),
        ("user add local --role viewer --password-file password", "is taken"),
        ("user add ben --role god --password-file password", "is not one of"),
        ("user add ben --role viewer --password-file short", "12 to 256 characters"),
        ("user add ben --role viewer --password-file dull", "five different"),
        ("user password nobody --password-file password", "no user nobody"),
        ("user disable nobody", "no user nobody"),
        ("token revoke nothing", "no token nothing"),
        ("token add monitor --scope all", "is not one of"),
        ("token add monitor", "Missing option"),
    ],
)
def test_what_cannot_be_made_says_what_was_expected(tmp_path, words, expected):
    answer = run(tmp_path, *words.split())
    assert answer.exit_code != 0
    assert expected in answer.output
    assert PASSWORD not in answer.output


def test_a_password_is_asked_for_twice_and_not_shown(tmp_path):
    words = ["add", "anna", "--role", "viewer"]
    obj = settings(data_dir=tmp_path / "data")
    answer = CliRunner().invoke(accounts.user, words, obj=obj, input=f"{PASSWORD}\n{PASSWORD}\n")
    assert answer.exit_code == 0, answer.output
    assert PASSWORD not in answer.output
