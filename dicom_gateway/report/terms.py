"""Our own coding scheme 99CEMENT, and the terms that a site puts in its place.

No table of DICOM names bone cement, its leaks or vertebroplasty, and no code is made up for a scheme that is not ours.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from types import MappingProxyType

from detection.vocabulary import Priority, Side, Zone
from dicom_gateway.report.nouns import Coded

SCHEME, SCHEME_NAME = "99CEMENT", "cementwatch private codes"
_MEANINGS = {
    "VERTEBROPLASTY": "Vertebroplasty",
    "CEMENT": "Bone cement",
    "CEMENT_SEEN": "Cement seen, no alert",
    "CEMENT_NOT_SEEN": "No cement seen on this frame",
    "CEMENT_APPROACH": "Cement nears the posterior wall",
    "CEMENT_LEAK": "Cement outside the vertebral body",
    "CEMENT_VANISHED": "Cement seen outside, then gone",
    "ZONE": "Zone of the cement",
    "SIDE": "Side of the vertebral body",
    "PRIORITY": "Priority of the alert",
    "DISTANCE_TO_WALL": "Cement front to posterior wall",
    "FRONT_SPEED": "Speed of the cement front",
    "TIME_TO_WALL": "Time until the front is at the wall",
    "TRUST": "Trust of the algorithm in it",
    **{f"ZONE_{zone.name}": f"Zone: {zone.value.replace('_', ' ')}" for zone in Zone},
    **{f"SIDE_{side.name}": f"Side: {side.value.replace('_', ' ')}" for side in Side},
    **{f"PRIORITY_{priority.name}": f"Priority: {priority.value}" for priority in Priority},
}
OURS: Mapping[str, Coded] = MappingProxyType(
    {value: Coded(value=value, scheme=SCHEME, meaning=meaning) for value, meaning in _MEANINGS.items()}
)
"""Every code of our own, by its value."""

LONGEST = {"value": 16, "scheme": 16, "meaning": 64}
"""Characters, by the value representations SH and LO (PS3.5 6.2)."""


def terms_from(text: str) -> Mapping[str, Coded]:
    """A table of terms in TOML, each under the code of ours that it replaces. ValueError says what was expected."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"expected TOML ({error})") from None
    return {value: _term(value, table) for value, table in tables.items()}


def _term(value: str, table: object) -> Coded:
    if value not in OURS:
        raise ValueError(f"{value}: expected one of {', '.join(OURS)}")
    if not isinstance(table, dict) or set(table) != set(LONGEST):
        raise ValueError(f"{value}: expected value, scheme and meaning")
    for name, longest in LONGEST.items():
        if not isinstance(table[name], str) or not 0 < len(table[name]) <= longest or "\\" in table[name]:
            raise ValueError(f"{value}: {name}: expected a text of 1 to {longest} characters, without a backslash")
    return Coded(**table)
