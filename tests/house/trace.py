"""docs/trace.md: which test holds each rule and each row of the alarm tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields

from detection.priorities import LEAK_LADDERS, TECHNICAL_PRIORITIES, TIER_PRIORITIES, VANISHED_PRIORITIES
from detection.rules import Rules
from detection.states import CONDITION_TABLE, SIGNAL_TABLE, Refusal
from detection.vocabulary import Condition, Signal, TechnicalCause
from tests.house.disturb import NOTICED

FIRST_OF_SAFETY = "broken_wall_factor"
"""From here on, with the distance tiers: what becomes an alarm, how urgent it is, and when it ends."""
WITHOUT_EFFECT = {"vanished_m": "one frame is enough (vanished_n), so no larger window says anything else"}
"""Safety rules whose change changes nothing by their meaning, each with the reason."""
TIERS = ("near_share", "far_share")
TABLES = "tests/detection/test_alarm_tables.py"
SEEN = "tests/detection/test_alarm_conditions.py"
HEARD = "tests/detection/test_alarm_signals.py"

HEAD = """\
# Trace

Which test holds each rule, and each row of the tables that decide what sounds. Made by `make docs`; a test holds it against the code, and that
every test named here exists. Hazards and their controls are in [hazards.md](hazards.md).

## Rules

Not named by hand. `python -m tests.house.disturb RULE` lets the code of detection read a rule as half and as twice its value (a count: one less, one more) while the
tests go on reading the true one, and keeps up to three of the tests that failed. A rule whose default has changed must be tried again. *Safety* are the distance
tiers and everything about alarms; each of these has a test. Where another says *none yet* no test of the module about it noticed; films, the scorecard and the golden
journals, which are not asked here, may. Rules that are not listed have not been tried.
"""

CONDITIONS: dict[Condition, tuple[str, ...]] = {
    Condition.ABSENT: (
        f"{TABLES}::test_condition_cell",
        f"{TABLES}::test_no_cell_leads_from_absent_straight_to_present",
    ),
    Condition.PENDING: (
        f"{TABLES}::test_condition_cell",
        f"{SEEN}::test_a_leak_is_pending_until_n_frames_showed_it",
        f"{SEEN}::test_a_single_speck_is_forgotten",
    ),
    Condition.PRESENT: (
        f"{TABLES}::test_condition_cell",
        f"{SEEN}::test_a_leak_ends_only_after_a_window_of_valid_frames",
        f"{SEEN}::test_unfit_frames_end_nothing_and_make_it_questionable",
    ),
}
SIGNALS: dict[Signal, tuple[str, ...]] = {
    Signal.OFF: (f"{TABLES}::test_signal_cell", f"{HEARD}::test_nothing_can_be_done_to_an_alert_that_is_off"),
    Signal.ON: (f"{TABLES}::test_signal_cell", f"{HEARD}::test_reset_is_refused_while_present"),
    Signal.ACKNOWLEDGED: (
        f"{TABLES}::test_signal_cell",
        f"{HEARD}::test_acknowledging_names_the_actor_and_lasts_until_the_end",
        f"{HEARD}::test_growth_beyond_a_step_sounds_again",
    ),
    Signal.PAUSED: (
        f"{TABLES}::test_signal_cell",
        f"{HEARD}::test_a_pause_ends_by_itself",
        f"{HEARD}::test_a_paused_leak_latches_too",
    ),
    Signal.LATCHED: (
        f"{TABLES}::test_signal_cell",
        f"{HEARD}::test_a_leak_that_ends_while_it_sounds_is_latched_until_reset",
        f"{HEARD}::test_a_latched_alert_wants_a_reset",
    ),
}
FLAGGED = (f"{SEEN}::test_a_lasting_flag_is_a_technical_condition",)
CAUSES: dict[TechnicalCause, tuple[str, ...]] = {
    TechnicalCause.NO_FRAMES: (f"{SEEN}::test_a_cause_told_by_silence_is_present_at_once_and_gone_at_once",),
    TechnicalCause.ANALYSIS_LATE: (
        "tests/journeys/test_sudden_death.py::test_a_late_watch_judges_the_newest_first_and_the_others_afterwards",
    ),
    TechnicalCause.ANALYSIS_STOPPED: (
        "tests/service/test_unlogged.py::test_an_analysis_that_gives_no_sign_of_life_in_an_active_case_is_an_alert",
    ),
    TechnicalCause.DECODER_FAILURE: (
        "tests/journeys/test_bad_objects.py::test_pixels_that_cannot_be_decoded_fail_with_a_reason_and_raise_a_technical_alert",
    ),
    TechnicalCause.FRAMES_UNFIT: (f"{SEEN}::test_long_unfit_is_said_aloud",),
    TechnicalCause.VIEW_UNKNOWN: FLAGGED,
    TechnicalCause.BODY_NOT_FOUND: FLAGGED,
    TechnicalCause.BODY_UNCERTAIN: FLAGGED,
    TechnicalCause.FIELD_COLLIMATED: FLAGGED,
    TechnicalCause.SCALE_UNKNOWN: FLAGGED,
    TechnicalCause.POLARITY_UNCERTAIN: FLAGGED,
    TechnicalCause.MOTION_NOT_TRUSTED: FLAGGED,
    TechnicalCause.EXPOSURE_STEP: ("tests/detection/test_examine.py::test_an_exposure_step_is_named_and_is_no_cement",),
    TechnicalCause.VIEW_CHANGED: (f"{SEEN}::test_the_first_picture_is_no_change_of_view_but_a_later_scene_is",),
    TechnicalCause.CONTRAST_AGENT: FLAGGED,
    TechnicalCause.BORDER_OBJECT: FLAGGED,
    TechnicalCause.BALLOON: FLAGGED,
    TechnicalCause.BALLOON_GONE: (f"{SEEN}::test_a_balloon_that_has_deflated_is_told_by_the_frame_that_shows_it",),
    TechnicalCause.DISK_FILLING: (f"{SEEN}::test_silence_gives_the_whole_set_each_time",),
    TechnicalCause.FORWARD_QUEUE: (
        "tests/service/test_api_forwarding.py::test_the_analysis_knows_of_an_archive_that_lacks_objects_for_too_long",
    ),
    TechnicalCause.JOURNAL_FAILING: (
        "tests/service/test_unlogged.py::test_a_leak_is_shown_while_the_journal_is_stuck_and_logged_afterwards",
    ),
}
PRIORITIES: tuple[tuple[str, str], ...] = (
    ("leaks", f"{TABLES}::test_every_zone_that_can_leak_has_a_priority"),
    ("leaks", f"{TABLES}::test_canal_and_foramen_are_high_at_any_pace"),
    ("leaks", f"{TABLES}::test_a_vein_is_medium_and_high_when_it_runs_off"),
    ("vanished", f"{TABLES}::test_vanished_venous_cement_is_high"),
    ("tiers", f"{TABLES}::test_tiers_are_complete_and_never_fall"),
    ("technical", f"{TABLES}::test_every_technical_cause_has_a_priority_and_a_sentence"),
)


def safety_rules() -> tuple[str, ...]:
    """The rules that must have a test."""
    names = [entry.name for entry in fields(Rules)]
    return (*TIERS, *names[names.index(FIRST_OF_SAFETY) :])


def _nodes(tests: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    return " ".join(f"`{test}`" for test in tests)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def rule_rows() -> Iterator[str]:
    """One row for each rule that was tried."""
    known, safety = json.loads(NOTICED.read_text(encoding="utf-8")), set(safety_rules())
    yield _row("rule", "default", "read as", "safety", "tests that noticed")
    yield _row(*["---"] * 5)
    for entry in fields(Rules):
        if entry.name in known:
            told = known[entry.name]
            read = ", ".join(f"{value:.4g}" for value in told["changed_to"])
            is_safety = "yes" if entry.name in safety else ""
            tests = _nodes(told["tests"]) or WITHOUT_EFFECT.get(entry.name) or "none yet"
            yield _row(f"`{entry.name}`", f"{told['default']:.4g}", read, is_safety, tests)


def table_rows() -> Iterator[str]:
    """One row for each state of the two tables."""
    yield _row("table", "state", "what follows", "tests")
    yield _row(*["---"] * 4)
    for state, cells in CONDITION_TABLE.items():
        follows = ", ".join(f"{sight}: {after}" for sight, after in cells.items())
        yield _row("condition", f"`{state}`", follows, _nodes(CONDITIONS[state]))
    for signal, answers in SIGNAL_TABLE.items():
        told = {event: "refused" if isinstance(after, Refusal) else str(after) for event, after in answers.items()}
        yield _row("signal", f"`{signal}`", ", ".join(f"{a}: {b}" for a, b in told.items()), _nodes(SIGNALS[signal]))


def priority_rows() -> Iterator[str]:
    """One row for each table of priorities."""
    ladders = ", ".join(f"{zone}: {' / '.join(ladder)}" for zone, ladder in LEAK_LADDERS.items())
    told = {
        "leaks": f"still / growing / fast: {ladders}",
        "vanished": ", ".join(f"{zone}: {priority}" for zone, priority in VANISHED_PRIORITIES.items()),
        "tiers": ", ".join(f"{tier}: {priority}" for tier, priority in TIER_PRIORITIES.items()),
        "technical": "below",
    }
    yield _row("table", "priorities", "tests")
    yield _row(*["---"] * 3)
    for name, words in told.items():
        yield _row(name, words, _nodes([test for table, test in PRIORITIES if table == name]))


def cause_rows() -> Iterator[str]:
    """One row for each technical cause."""
    yield _row("cause", "priority", "raised in")
    yield _row(*["---"] * 3)
    for cause, priority in TECHNICAL_PRIORITIES.items():
        yield _row(f"`{cause}`", priority, _nodes(CAUSES[cause]))


def page() -> str:
    """docs/trace.md."""
    parts = [HEAD, *rule_rows(), "\n## The two machines of an alert\n", *table_rows(), "\n## Priorities\n"]
    return "\n".join([*parts, *priority_rows(), "\n## Technical causes\n", *cause_rows()]) + "\n"
