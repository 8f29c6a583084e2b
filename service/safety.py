"""The words that stand on every screen, page and export. Here alone, so that saying them loads nothing."""

from __future__ import annotations

SAFETY_WORDS = (
    "Assistive research software, not a medical device. The operator remains responsible. "
    "No alert does not mean no leakage."
)
