"""TLS as DICOM asks for it: PS3.15 B.12, which is BCP 195 (RFC 8996, RFC 9325).

TLS 1.2 or newer, key agreement with forward secrecy, authenticated encryption, and a certificate from either side.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
"""For TLS 1.2 (RFC 9325 section 4.2); every suite of TLS 1.3 qualifies."""


class BadCertificate(ValueError):
    """A file for TLS that cannot be used; the text names it and what was expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Our certificate with its chain, its key, and the authorities whose certificates we accept (PEM files)."""

    certificate: Path
    key: Path
    authorities: Path

    def for_listening(self) -> ssl.SSLContext:
        """We answer, and ask every caller for a certificate. Raises ``BadCertificate``."""
        context = self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.verify_mode = ssl.CERT_REQUIRED
        # a ticket would let a caller back in after its certificate was revoked
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
        return context

    def for_calling(self) -> ssl.SSLContext:
        """We call. Names are not compared: a device's certificate seldom names its address, the authority vouches."""
        context = self._load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(SUITES)
        context.options |= ssl.OP_NO_COMPRESSION
        for path in (self.certificate, self.key, self.authorities):
            if not path.is_file():
                raise BadCertificate(f"{path}: expected a PEM file, found none")
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (ssl.SSLError, OSError) as error:
            raise BadCertificate(
                f"{self.certificate}, {self.key}: expected a PEM certificate and its unencrypted key"
            ) from error
        try:
            context.load_verify_locations(self.authorities)
        except (ssl.SSLError, OSError) as error:
            raise BadCertificate(f"{self.authorities}: expected PEM certificates of authorities") from error
        return context
