"""Writes docs/rules.md and docs/settings.md from the two tables they explain: ``python -m tests.house.reference``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from detection.rules import Rules
from service.settings import Settings
from tests.house.tree import CHECKOUT

RULES_HEAD = """\
# Rules

Every threshold of detection and alarms. `make docs` writes this table from `detection/rules.py`; a test holds the two equal.
Lengths are mm at the object plane. The hash of all rules, with the version of the algorithm, goes into the journal with
every procedure, so that a finding can always be traced to the numbers that made it.
"""

SETTINGS_HEAD = """\
# Settings

Settings are read once at start: from `cementwatch.toml` in the working directory, and from environment variables, which win.
`make docs` writes this table from `service/settings.py`; a test holds the two equal. Lists are written as JSON in a variable
(`CEMENTWATCH_CALLING_AE_TITLES='["ROOM1"]'`). Thresholds of detection are not settings: see [rules.md](rules.md).
"""


def row(*cells: str) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def shown(value: Any) -> str:
    """A default as a person writes it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple):
        return ", ".join(shown(part) for part in value) or "(empty)"
    return "(empty)" if value is None else str(value)


def rule_rows() -> Iterator[str]:
    """One row for each rule."""
    yield row("rule", "default", "unit", "source", "reason")
    yield row(*["---"] * 5)
    for entry in fields(Rules):
        told = entry.metadata
        yield row(f"`{entry.name}`", shown(entry.default), told["unit"], told["source"], told["reason"])


def setting_rows() -> Iterator[str]:
    """One row for each setting."""
    yield row("setting", "variable", "default", "meaning")
    yield row(*["---"] * 4)
    for name, entry in Settings.model_fields.items():
        yield row(f"`{name}`", f"`CEMENTWATCH_{name.upper()}`", f"`{shown(entry.default)}`", entry.description or "")


def pages() -> dict[Path, str]:
    """The text of each page, by its path."""
    return {
        CHECKOUT / "docs" / "rules.md": RULES_HEAD + "\n" + "\n".join(rule_rows()) + "\n",
        CHECKOUT / "docs" / "settings.md": SETTINGS_HEAD + "\n" + "\n".join(setting_rows()) + "\n",
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
