"""What was expected of a value, in plain words: the sentence that people read beside a field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ID_PATTERN = r"^[A-Za-z0-9._-]{1,64}$"
LISTED_PATTERN = r"^[^;\s\x00]([^;\x00]*[^;\s\x00])?$"
TEXT_PATTERN = r"^[^\x00]*$"
"""PostgreSQL keeps no character 0."""

MOMENT = "expected a time with its offset, such as 2026-11-22T10:30:00+01:00"
PLAIN: Mapping[str, str] = {
    "missing": "expected a value: this is needed",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "finite_number": "expected a number",
    "literal_error": "expected {expected}",
    "greater_than_equal": "expected at least {ge}",
    "greater_than": "expected more than {gt}",
    "less_than_equal": "expected at most {le}",
    "multiple_of": "expected a multiple of {multiple_of}",
    "string_too_long": "expected at most {max_length} characters",
    "date_parsing": "expected YYYY-MM-DD",
    "date_from_datetime_parsing": "expected YYYY-MM-DD",
    "date_from_datetime_inexact": "expected YYYY-MM-DD",
    "datetime_parsing": MOMENT,
    "datetime_from_date_parsing": MOMENT,
    "timezone_aware": MOMENT,
}
"""What people read of a kind of error; of any other the library's own sentence."""

PATTERNS: Mapping[str, str] = {
    ID_PATTERN: "expected 1 to 64 letters, digits, dots, hyphens, underscores",
    LISTED_PATTERN: "expected words without a semicolon",
    TEXT_PATTERN: "expected text without the character 0",
}


def expected_of(error: Mapping[str, Any]) -> str:
    """The sentence about one error of pydantic. A wrong value is never repeated: only limits and codes stand in it."""
    kind, limits = str(error["type"]), error.get("ctx", {})
    if kind == "string_pattern_mismatch" and limits["pattern"] in PATTERNS:
        return PATTERNS[limits["pattern"]]
    if kind in PLAIN:
        return PLAIN[kind].format(**limits)
    return str(error["msg"]).removeprefix("Value error, ")
