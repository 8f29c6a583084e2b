"""Passwords and tokens: how they are made, kept and compared.

A password is kept as argon2id with the library's defaults (RFC 9106, low memory: 64 MiB, three passes). A token or
cookie holds 256 random bits, so one SHA-256 of it is enough: nobody can guess its way back.
"""

from __future__ import annotations

import hashlib
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 12, 256
"""Characters of a password; length counts, composition rules do not (NIST SP 800-63B, 5.1.1.2)."""
MARK = "cw_"
"""By this a token that was committed by mistake can be searched for."""

_HASHER = PasswordHasher()


def fault_of(password: str) -> str | None:
    """Why this may not be a password; None when it may."""
    if not SHORTEST <= len(password) <= LONGEST:
        return f"expected a password of {SHORTEST} to {LONGEST} characters"
    if len(set(password)) < 5:
        return "expected a password of at least five different characters"
    return None


def hash_password(password: str) -> str:
    """What is kept of a password; slow on purpose."""
    return _HASHER.hash(password)


def is_password(kept: str, password: str) -> bool:
    """Whether ``kept`` is of this password; takes as long for a wrong one as for a right one."""
    try:
        return _HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False


@cache
def hash_of_nobody() -> str:
    """Compared with when a name is unknown, so that the time of an answer does not tell who has an account."""
    return hash_password(secrets.token_hex())


def new_token() -> str:
    """256 random bits as text."""
    return MARK + secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """What is kept of a token or cookie."""
    return hashlib.sha256(token.encode()).hexdigest()


def csrf_of(cookie: str) -> str:
    """What a page of ours must send with a change, beside its cookie; another site's page cannot know it."""
    return digest_of(f"csrf {cookie}")


def is_same(told: str, wanted: str) -> bool:
    """Equality in constant time."""
    return secrets.compare_digest(told.encode(), wanted.encode())
