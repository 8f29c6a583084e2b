"""One JSON line per event on standard error: the log is for engineers, the journal is the record.

No line holds patient data: what the gateway says is hashed, and nobody else sees a header.
"""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.json import JsonFormatter


def start_logging(role: str, level: int = logging.INFO) -> None:
    """Send every log line of this process to standard error as JSON, with its role."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "at", "levelname": "level", "name": "logger"},
            static_fields={"role": role},
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for loud in ("httpx", "httpcore", "alembic", "pynetdicom", "highdicom", "uvicorn.access"):
        logging.getLogger(loud).setLevel(logging.WARNING)
