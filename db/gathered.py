"""Numbers of many rows as one value: what statistics need all of comes from the database without a row for each.

``gathered(a, b)`` is an aggregate: the doubles of every row one after another, NaN for what is null. PostgreSQL strings
their binary forms together; SQLite asks the class below. Rows come in no order, but those of one row stay together.
"""

from __future__ import annotations

import struct
import sys
from array import array
from typing import Any

from sqlalchemy import LargeBinary
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

_NAN = struct.pack(">d", float("nan")).hex()


class gathered(FunctionElement[bytes]):  # noqa: N801 - named as it stands in a query
    """The aggregate of one or more columns of numbers."""

    name = "gathered"
    type = LargeBinary()
    inherit_cache = True


@compiles(gathered, "sqlite")
def _in_sqlite(element: Any, compiler: Any, **told: Any) -> str:
    return f"gathered({compiler.process(element.clauses, **told)})"


@compiles(gathered, "postgresql")
def _in_postgresql(element: Any, compiler: Any, **told: Any) -> str:
    numbers = [compiler.process(clause, **told) for clause in element.clauses]
    doubles = [f"coalesce(float8send(CAST({number} AS float8)), decode('{_NAN}', 'hex'))" for number in numbers]
    return f"string_agg({' || '.join(doubles)}, ''::bytea)"


class Gathering:
    """The same for SQLite."""

    def __init__(self) -> None:
        self.numbers = array("d")

    def step(self, *numbers: float | None) -> None:
        """One row."""
        self.numbers.extend([float("nan") if number is None else number for number in numbers])

    def finalize(self) -> bytes:
        """All rows."""
        return bytes(_turned(self.numbers))


class BitOr:
    """PostgreSQL's ``bit_or`` for SQLite."""

    def __init__(self) -> None:
        self.bits = 0

    def step(self, bits: int) -> None:
        """One row."""
        self.bits |= bits

    def finalize(self) -> int:
        """All rows."""
        return self.bits


def numbers_of(gathered: bytes | None) -> array[float]:
    """What was gathered; of no rows nothing."""
    numbers = array("d")
    numbers.frombytes(gathered or b"")
    return _turned(numbers)


def _turned(numbers: array[float]) -> array[float]:
    """From this machine's order of bytes to that of the network, or back."""
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
