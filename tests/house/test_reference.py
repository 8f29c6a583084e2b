"""Documentation that cannot drift: every rule and every setting is explained."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields

import pytest

from detection.rules import Rules
from service.settings import Settings
from tests.house.reference import pages
from tests.house.tree import CHECKOUT


@pytest.mark.parametrize("entry", fields(Rules), ids=lambda entry: entry.name)
def test_every_rule_has_unit_source_and_reason(entry):
    for told in ("unit", "source", "reason"):
        assert entry.metadata.get(told, "").strip(), f"{entry.name} has no {told}"


def test_every_setting_has_a_sentence_of_help():
    silent = [name for name, entry in Settings.model_fields.items() if not (entry.description or "").strip()]
    assert not silent


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_pages_say_what_the_code_says(path):
    assert path.read_text(encoding="utf-8") == pages()[path], f"docs/{path.name} is behind; run `make docs`"


def test_every_pin_lies_within_the_range_that_is_declared():
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)$", (CHECKOUT / "constraints.txt").read_text(), re.MULTILINE))
    pins = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    extras = [wanted for each in project["optional-dependencies"].values() for wanted in each]
    for wanted in [*project["dependencies"], *(each for each in extras if not each.startswith("cementwatch"))]:
        name, ranges = re.match(r"([\w-]+)(?:\[\w+\])?(.*)", wanted).groups()
        assert name.lower() in pins, f"{name} has no pin"
        for operator, bound in re.findall(r"(>=|<)([\d.]+)", ranges):
            pinned, edge = as_numbers(pins[name.lower()]), as_numbers(bound)
            assert pinned >= edge if operator == ">=" else pinned < edge, (
                f"{name} {pins[name.lower()]} is not {operator} {bound}"
            )


def as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def test_every_lint_exception_gives_its_reason():
    text = (CHECKOUT / "pyproject.toml").read_text()
    lint = text.partition("[tool.ruff.lint]")[2].partition("[tool.ruff.lint.mccabe]")[0]
    bare = [line for line in lint.splitlines() if re.match(r'\s+"[A-Z]+\d*",', line) and not re.search(r"#\s*\w", line)]
    assert not bare


def test_help_names_every_target_of_the_makefile():
    text = (CHECKOUT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE).group(1).split())
    assert phony == set(re.findall(r"^([a-z]+):.*##", text, re.MULTILINE))


def test_changelog_has_a_place_for_what_is_not_released():
    assert "## [Unreleased]" in (CHECKOUT / "CHANGELOG.md").read_text()
