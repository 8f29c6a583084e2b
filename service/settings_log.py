"""Which settings a server runs with, as a line of the journal whenever they differ from those before."""

from __future__ import annotations

import os
import pwd
import re
from typing import Any

from db.journal import Journal
from db.queries import latest_of
from detection.vocabulary import NO_PROCEDURE, Entry, EntryType
from service.settings import Settings

SECRET = re.compile(r"url|secret|password|token")
"""Settings whose value may hold a password: the journal says only whether they were given."""


def tell_changed_settings(journal: Journal, settings: Settings, now: float) -> None:
    """Write the settings unless the last line about them says the same."""
    told = {name: _shown(name, value) for name, value in settings.model_dump(mode="json").items()}
    last = latest_of(journal.engine, NO_PROCEDURE, EntryType.SETTINGS_CHANGED)
    before: dict[str, Any] = last.data["settings"] if last is not None else {}
    if told == before:
        return
    changed = sorted(name for name in told | before if told.get(name) != before.get(name) or name not in before)
    content = {"settings": told, "changed": changed}
    entry = Entry(
        at=now, type=EntryType.SETTINGS_CHANGED, procedure=NO_PROCEDURE, actor=f"os:{os_user()}", data=content
    )
    journal.append([entry])


def os_user() -> str:
    """Who runs this process: whoever acts at a command line or changes a file of settings."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _shown(name: str, value: Any) -> Any:
    if SECRET.search(name):
        return None if value is None else "given"
    return value
