"""What a data set tells, as plain Python: each element converted once, absent ones cheap to ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence


class Told:
    """The elements of a data set by keyword. pydicom's types do not leave this class."""

    __slots__ = ("_values",)

    def __init__(self, dataset: Dataset) -> None:
        self._values: Mapping[str, Any] = {element.keyword: element.value for element in dataset}

    def raw(self, keyword: str) -> list[Any]:
        """The values as pydicom gives them; empty when absent or empty."""
        value = self._values.get(keyword)
        if value is None or value == "":
            return []
        return list(value) if isinstance(value, (list, tuple, MultiValue)) else [value]

    def items(self, keyword: str) -> list[Told]:
        """The items of a sequence."""
        value = self._values.get(keyword)
        return [Told(item) for item in value] if isinstance(value, Sequence) else []

    def first(self, keyword: str) -> Told | None:
        """The first item of a sequence, or None."""
        value = self._values.get(keyword)
        return Told(value[0]) if isinstance(value, Sequence) and len(value) else None

    def texts(self, keyword: str) -> tuple[str, ...]:
        """The values as text without padding."""
        return tuple(str(value).strip(" \0") for value in self.raw(keyword))

    def text(self, *keywords: str) -> str:
        """The text of the first of these that says something, several values joined as DICOM does; else empty."""
        for keyword in keywords:
            if text := "\\".join(self.texts(keyword)):
                return text
        return ""

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """The values as floats; empty when one of them is no finite number."""
        try:
            numbers = tuple(float(str(value)) for value in self.raw(keyword))
        except ValueError:
            return ()
        return numbers if all(abs(number) < float("inf") for number in numbers) else ()

    def number(self, keyword: str) -> float | None:
        """The first value, or None."""
        numbers = self.numbers(keyword)
        return numbers[0] if numbers else None

    def count(self, keyword: str) -> int:
        """The first value as a whole number, 0 when absent."""
        return int(self.number(keyword) or 0)
