"""Many recorded studies judged again, several at a time; what is done is done when it is broken off.

    results.jsonl       one line a study, written when it is judged
    journals/NAME.jsonl its journal with frames; NAME stands for the study's UID

A study that has a line saying ``done`` is not judged again; one that failed is.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from detection.threads import keep_memory, use_one_thread
from dicom_gateway.arrival import hash_of
from dicom_gateway.refusal import GatewayError
from service.replay import replayed

RESULTS, JOURNALS = "results.jsonl", "journals"
Result = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hall:
    """Where studies come from, where results go, how many are judged at a time, and the clock."""

    orthanc_url: str
    folder: Path
    n_processes: int
    now: Callable[[], float]

    def done(self) -> set[str]:
        """The studies that need not be judged again. What a broken-off run left half written counts for nothing."""
        path, studies = self.folder / RESULTS, set()
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            try:
                told = json.loads(line)
            except ValueError:
                continue
            if told["state"] == "done":
                studies.add(str(told["study"]))
        return studies


def judge_studies(studies: Sequence[str], hall: Hall) -> Iterator[Result]:
    """Judge the studies that are not done, and write and give each result as it comes. Raises OSError."""
    (hall.folder / JOURNALS).mkdir(parents=True, exist_ok=True)
    done = hall.done()
    path = hall.folder / RESULTS
    with path.open("a", encoding="utf-8") as results:
        if path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            results.write("\n")
        for result in _judged([study for study in studies if study not in done], hall):
            results.write(json.dumps(result, sort_keys=True) + "\n")
            results.flush()
            yield result


def _judged(studies: Sequence[str], hall: Hall) -> Iterator[Result]:
    if hall.n_processes == 1 or len(studies) < 2:
        yield from (judge_study(study, hall) for study in studies)
        return
    with ProcessPoolExecutor(hall.n_processes, get_context("spawn")) as pool:  # a fork amid OpenCV's threads hangs
        work = partial(judge_study, hall=hall)
        for done in as_completed([pool.submit(work, study) for study in studies]):
            yield done.result()


def judge_study(study: str, hall: Hall) -> Result:
    """What comes of one study; its journal is there whole, or not at all."""
    use_one_thread()
    keep_memory()
    name, began = hash_of(study), hall.now()
    path = hall.folder / JOURNALS / f"{name}.jsonl"
    part = path.with_suffix(".part")
    try:
        with part.open("w", encoding="utf-8") as journal:
            told = _Count()
            for line in replayed(study, hall.orthanc_url, with_frames=True, now=hall.now):
                journal.write(json.dumps(line, sort_keys=True) + "\n")
                told.add(line)
        part.rename(path)
    except (LookupError, ConnectionError, GatewayError) as error:
        part.unlink(missing_ok=True)
        return {"study": study, "state": "failed", "reason": str(error)}
    except OSError:
        part.unlink(missing_ok=True)
        raise
    except Exception as error:  # noqa: BLE001 - one study must not end the others; its text may quote a header
        part.unlink(missing_ok=True)
        return {"study": study, "state": "failed", "reason": f"unexpected {type(error).__name__}"}
    took_s = hall.now() - began
    speed = told.n_frames / took_s if took_s > 0 else None
    about = {"journal": f"{JOURNALS}/{path.name}", "seconds": round(took_s, 3)}
    return {"study": study, "state": "done", **told.result(), **about, "frames_per_s": speed and round(speed, 1)}


class _Count:
    """What one journal comes to."""

    def __init__(self) -> None:
        self.n_frames = 0
        self._n_failed = 0
        self._alerts: Counter[str] = Counter()
        self._first_high: int | None = None

    def add(self, line: Result) -> None:
        """One line more."""
        self.n_frames += line["type"] == "frame_seen"
        self._n_failed += line["type"] == "frame_failed"
        alert = line.get("alert") or {"kind": "technical"}
        if alert["kind"] == "technical" or line["type"] not in {"alert_raised", "alert_worsened"}:
            return
        if line["type"] == "alert_raised":
            self._alerts[alert["priority"]] += 1
        if alert["priority"] == "high" and self._first_high is None:
            self._first_high = self.n_frames - 1

    def result(self) -> Result:
        """Alerts about cement by the priority they were raised with, and the frame of the first HIGH one, from 0."""
        alerts = {priority: self._alerts[priority] for priority in ("high", "medium", "low")}
        return {
            "frames": self.n_frames,
            "frames_failed": self._n_failed,
            "alerts": alerts,
            "first_high_frame": self._first_high,
        }
