"""Hazards and rules are traced to tests that there are."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from detection.rules import Rules
from detection.states import CONDITION_TABLE, SIGNAL_TABLE
from detection.vocabulary import TechnicalCause
from tests.house import disturb, trace
from tests.house.tree import CHECKOUT, tree_of

PAGE = CHECKOUT / "docs" / "hazards.md"
HEAD = ["no", "hazard", "foreseeable sequence", "harm", "control", "test", "what remains"]
NODE = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@cache
def named_in(path: Path) -> frozenset[str]:
    """The names of a module's tests, as pytest collects them."""
    if not (CHECKOUT / path).is_file():
        return frozenset()
    return frozenset(node.name for node in tree_of(path).body if isinstance(node, ast.FunctionDef))


def missing(path: str, name: str) -> bool:
    return name not in named_in(Path(path))


def hazards() -> list[dict[str, str]]:
    """One for each row of the tables that begin with this head."""
    found, is_within = [], False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if cells == HEAD:
            is_within = True
        elif not cells:
            is_within = False
        elif is_within and set(line) - set("|- "):
            assert len(cells) == len(HEAD), line
            found.append(dict(zip(HEAD, cells, strict=True)))
    return found


def test_there_is_a_table_of_hazards_and_each_has_a_number_of_its_own():
    numbers = Counter(each["no"] for each in hazards())
    assert len(numbers) >= 25
    assert [number for number, n in numbers.items() if n > 1 or not re.fullmatch(r"[A-Z]\d+", number)] == []


@pytest.mark.parametrize("hazard", hazards(), ids=lambda each: each["no"])
def test_each_hazard_has_a_sequence_a_harm_a_control_and_a_test_that_exists(hazard):
    for told in ("hazard", "foreseeable sequence", "harm", "control"):
        assert len(hazard[told].split()) >= 2 or (told == "harm" and hazard[told]), f"{hazard['no']} has no {told}"
    nodes = NODE.findall(hazard["test"])
    assert nodes, f"{hazard['no']} names no test"
    assert NODE.sub("", hazard["test"]).strip() == "", f"{hazard['no']}: something that is no test"
    assert [f"{path}::{name}" for path, name in nodes if missing(path, name)] == []


def test_no_hazard_is_looked_for_in_a_test_that_was_renamed():
    """The check itself: a name that is not there is found out."""
    assert missing("tests/house/test_hazards.py", "test_that_nobody_wrote")
    assert missing("tests/house/test_nowhere.py", "test_that_nobody_wrote")
    assert not missing("tests/house/test_hazards.py", "test_no_hazard_is_looked_for_in_a_test_that_was_renamed")


NOTICED = json.loads(disturb.NOTICED.read_text())


@pytest.mark.parametrize("rule", trace.safety_rules())
def test_each_safety_rule_was_disturbed_as_it_is_now_and_a_test_noticed(rule):
    told = NOTICED.get(rule)
    assert told is not None, f"run `python -m tests.house.disturb {rule}`"
    assert bool(told["tests"]) != (rule in trace.WITHOUT_EFFECT), f"no test notices another {rule}"
    assert told["default"] == getattr(Rules(), rule), f"{rule} has changed: run `python -m tests.house.disturb {rule}`"


def test_what_the_trace_names_exists():
    tables = (trace.CONDITIONS, trace.SIGNALS, trace.CAUSES)
    named = [node for table in tables for nodes in table.values() for node in nodes]
    named += [node for _, node in trace.PRIORITIES] + [node for told in NOTICED.values() for node in told["tests"]]
    assert [node for node in named if missing(*node.split("::"))] == []


def test_each_state_and_each_technical_cause_is_traced():
    assert set(trace.CONDITIONS) == set(CONDITION_TABLE)
    assert set(trace.SIGNALS) == set(SIGNAL_TABLE)
    assert set(trace.CAUSES) == set(TechnicalCause)
    assert all(nodes for table in (trace.CONDITIONS, trace.SIGNALS, trace.CAUSES) for nodes in table.values())


def test_detection_reads_a_disturbed_rule_and_a_test_the_true_one():
    slot, true = Rules.soon_s, Rules().soon_s
    Rules.soon_s = disturb.Disturbed("soon_s", slot, 1)
    try:
        asked_by_detection = eval("rules.soon_s", {"rules": Rules(), "__name__": "detection.claims"})  # noqa: S307
        assert (asked_by_detection, Rules().soon_s) == (2 * true, true)
    finally:
        Rules.soon_s = slot
