"""How much the scenarios alarm: ``python -m tests.golden.load`` prints the table of docs/alarms.md.

An alarm is an alert that begins to signal, signals again after it was acknowledged or paused, or rises in priority. It is
audible when its priority is HIGH or MEDIUM. A repeat is a judged frame at which an alert was already present: nothing begins anew.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from detection.vocabulary import Entry, EntryType
from tests.golden.theatre import BEGAN, SCENARIOS, Scenario, perform
from tests.journeys.scenes import record

AUDIBLE = {"high", "medium"}
SOUNDING = {EntryType.ALERT_RAISED, EntryType.ALERT_WORSENED, EntryType.PAUSE_ENDED}
HEAD = ("scenario", "injection s", "alarms", "audible", "technical", "repeats kept quiet", "alarms a minute")


def load_of(name: str, scenario: Scenario) -> dict[str, float]:
    """Counts of one scenario, and the seconds from the start of cement to its last frame."""
    with tempfile.TemporaryDirectory(prefix="cementwatch-load-") as folder:
        recording = record(scenario.scene, Path(folder) / name, study_uid="2.25.20260101.3", started_at=BEGAN)
        entries = perform(scenario, recording, Path(folder) / "room")
    told: Counter[str] = Counter()
    present: set[str] = set()
    priorities: dict[str, str] = {}
    for entry in entries:
        alert = entry.data.get("alert")
        if entry.type is EntryType.FRAME_SEEN:
            told["repeats"] += len(present)
        if alert is None:
            continue
        is_present = alert["condition"] == "present" and alert["kind"] != "technical"
        (present.add if is_present else present.discard)(alert["id"])
        was = priorities.get(alert["id"])
        is_anew = entry.type in SOUNDING and (entry.type is not EntryType.ALERT_WORSENED or _is_more(entry, was))
        priorities[alert["id"]] = alert["priority"]
        if is_anew and alert["kind"] == "technical":
            told["technical"] += 1
        elif is_anew:
            told["alarms"] += 1
            told["audible"] += alert["priority"] in AUDIBLE
    names = ("alarms", "audible", "technical", "repeats")
    return {"seconds": scenario.scene.duration_s - scenario.scene.start_s} | {each: told[each] for each in names}


def _is_more(entry: Entry, was: str | None) -> bool:
    """Whether what got worse had been acknowledged or paused, or has another priority now."""
    return not str(entry.from_state).endswith("/on") or entry.data["alert"]["priority"] != was


def main() -> None:
    """Print a row for each scenario, and all of them."""
    print(f"| {' | '.join(HEAD)} |\n| --- |{' ---: |' * 6}")
    whole: Counter[str] = Counter()
    for name, scenario in SCENARIOS.items():
        load = load_of(name, scenario)
        whole.update(load)
        print(_row(name, load), flush=True)
    print(_row("all", dict(whole)))


def _row(name: str, load: dict[str, float]) -> str:
    rate = 60 * load["alarms"] / load["seconds"]
    counts = " | ".join(f"{load[each]:.0f}" for each in ("alarms", "audible", "technical", "repeats"))
    return f"| {name} | {load['seconds']:.1f} | {counts} | {rate:.1f} |"


if __name__ == "__main__":
    main()
