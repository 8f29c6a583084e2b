"""The fenced blocks of a page: what a reader is told to type."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\w*)[ ]*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """One block: its language, the line on which it begins, and its text."""

    language: str
    line: int
    text: str


def fences(page: Path, *languages: str) -> list[Fence]:
    """The blocks of a page in order; of these languages only, if any are named."""
    found: list[Fence] = []
    begun: tuple[str, int] | None = None
    lines: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        fence = FENCE.match(line)
        if begun is None and fence:
            begun, lines = (fence[1], number), []
        elif begun is not None and line == "```":
            found.append(Fence(language=begun[0], line=begun[1], text="\n".join(lines) + "\n"))
            begun = None
        elif begun is not None:
            lines.append(line)
    assert begun is None, f"{page.name}: a block without an end"
    return [each for each in found if not languages or each.language in languages]
