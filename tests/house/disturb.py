"""Which tests notice when a rule is another: ``python -m tests.house.disturb [RULE ...]`` changes each and writes what failed.

A test that is named beside a rule because somebody thought so may hold nothing. Here the code of detection reads each rule at half
and at twice its value (a count: one less and one more), while the tests go on reading the true one; those that fail hold the rule.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from dataclasses import fields
from typing import Any

import cv2
import pytest

from detection import alarm, cement, claims, spread, volume, zones  # noqa: F401 - loaded before the forks
from detection.rules import Rules
from tests.house.tree import CHECKOUT

NOTICED = CHECKOUT / "tests" / "house" / "noticed.json"
TOLD_MOST = 3
ASKED: dict[str, tuple[str, ...]] = {
    "near_share": ("claims", "alarm_conditions", "zones"),
    "working_px": ("pixels", "fit"),
    "least_field": ("fit", "scenes", "cement"),
    "least_trust": ("align", "scenes"),
    "least_period_s": ("pacing",),
    "reference_frames": ("scenes", "cement"),
    "body_least_contrast": ("anatomy",),
    "needle_width_mm": ("needle",),
    "column_far_share": ("column", "needle"),
    "background_mm": ("cement", "scales"),
    "onset_s": ("clutter",),
    "disc_height_share": ("zones", "spread"),
    "cast_width_mm": ("casts", "running", "spread"),
    "tract_reach_mm": ("zones", "spread"),
    "edge_mm2": ("spread", "volume"),
    "broken_wall_factor": ("alarm_bounds", "claims", "alarm_conditions", "alarm_signals"),
    "view_stays_s": ("sight",),
}
"""From this rule on, in the order of ``Rules``: the modules of tests/detection that are asked, until one of them notices."""


COUNTS = frozenset(entry.name for entry in fields(Rules) if entry.metadata["unit"] == "frames")


def changed(name: str, value: float) -> tuple[float, float]:
    """Two other values of a rule."""
    return (value - 1, value + 1) if name in COUNTS else (value / 2, value * 2)


class Disturbed:
    """Stands in the place of a rule: the code of detection reads another value than everybody else."""

    def __init__(self, name: str, slot: Any, way: int) -> None:
        self.name, self.slot, self.way = name, slot, way

    def __get__(self, rules: Any, owner: Any = None) -> Any:
        """The value for whoever asks."""
        if rules is None:
            return self
        value = self.slot.__get__(rules, owner)
        asks = sys._getframe(1).f_globals.get("__name__", "")
        return changed(self.name, value)[self.way] if asks.startswith("detection.") else value

    def __set__(self, rules: Any, value: float) -> None:
        """As without us."""
        self.slot.__set__(rules, value)


class Listener:
    """Keeps which tests failed."""

    def __init__(self) -> None:
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Called by pytest after each step of each test."""
        if report.failed:
            self.failed.append(report.nodeid.partition("[")[0])


def failing(name: str, way: int, file: str) -> list[str]:
    """The tests of one module that fail when detection reads this rule as less (way 0) or as more (1)."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(_run, (name, way, file))


def _run(name: str, way: int, file: str) -> list[str]:
    setattr(Rules, name, Disturbed(name, getattr(Rules, name), way))
    heard = Listener()
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - until the process ends
    quiet = ("-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", "--maxfail=3")
    pytest.main([*quiet, f"tests/detection/test_{file}.py"], plugins=[heard])
    return sorted(set(heard.failed))


def asked(name: str) -> tuple[str, ...]:
    """The modules to ask about a rule."""
    modules: tuple[str, ...] = ()
    for entry in fields(Rules):
        modules = ASKED.get(entry.name, modules)
        if entry.name == name:
            break
    return modules


def noticed(name: str, default: float) -> dict[str, Any]:
    """What is known of one rule: its value, what it was changed to, and the tests that noticed."""
    tests: list[str] = []
    for file in asked(name):
        for way in (0, 1):
            tests += [each for each in failing(name, way, file) if each not in tests]
        if tests:
            break
    return {"default": default, "changed_to": list(changed(name, default)), "tests": tests[:TOLD_MOST]}


def main(names: list[str]) -> None:
    """Asks for these rules, or for all, and writes what it learns as it goes."""
    cv2.setNumThreads(1)  # a fork amid OpenCV's threads could hang
    known = json.loads(NOTICED.read_text()) if NOTICED.exists() else {}
    pytest.main(
        ["-q", "--collect-only", "--no-header", "tests/detection/test_zones.py"]
    )  # what the forks need is loaded once
    for entry in fields(Rules):
        if entry.name in names or not names:
            known[entry.name] = noticed(entry.name, entry.default)
            print(entry.name, known[entry.name]["tests"], flush=True)
            order = [each.name for each in fields(Rules) if each.name in known]
            NOTICED.write_text(json.dumps({each: known[each] for each in order}, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
