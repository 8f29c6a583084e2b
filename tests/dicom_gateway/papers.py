"""Certificates for tests, made by openssl: two authorities, ours and a stranger's."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from dicom_gateway.tls import Credentials

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """Our port's, a device's, one of another authority, and one that has expired."""

    port: Credentials
    device: Credentials
    stranger: Credentials
    expired: Credentials


def make_papers(openssl: Path, folder: Path) -> Papers:
    """All of them, in PEM files below ``folder``."""

    def run(*words: str | Path) -> None:
        subprocess.run([openssl, *words], cwd=folder, check=True, capture_output=True, timeout=60)

    def authority(name: str) -> None:
        run(
            "req",
            "-x509",
            *_CURVE,
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
            "-days",
            "2",
            "-subj",
            f"/CN={name}",
        )

    def signed(name: str, by: str, *days: str) -> Credentials:
        run("req", *_CURVE, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signing = ("-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial", *(days or ("-days", "2")))
        run("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
        return Credentials(
            certificate=folder / f"{name}.pem", key=folder / f"{name}.key", authorities=folder / "hospital.pem"
        )

    for name in ("hospital", "elsewhere"):
        authority(name)
    return Papers(
        port=signed("port", "hospital"),
        device=signed("device", "hospital"),
        stranger=signed("stranger", "elsewhere"),
        expired=signed("expired", "hospital", "-days", "-1"),
    )
