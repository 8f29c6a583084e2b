"""One study of many: judged again in a process that judges several, into its journal and one line of result."""

from __future__ import annotations

import gc
import json
import shutil
from collections import Counter
from functools import cache

from db.connect import StoreFailure
from detection.threads import keep_memory, use_one_thread
from dicom_gateway.arrival import hash_of
from dicom_gateway.refusal import GatewayError
from service.batch import JOURNALS, Fetched, Hall, Result
from service.replay import empty_journal, judged_in


def judge_study(fetched: Fetched, hall: Hall) -> Result:
    """What comes of one study; its journal is there whole, or not at all. What was fetched is gone afterwards."""
    settle_in()
    if fetched.trouble is not None:
        return fetched.failed(fetched.trouble)
    began = hall.now()
    path = hall.folder / JOURNALS / f"{hash_of(fetched.study)}.jsonl"
    part = path.with_suffix(".part")
    try:
        with part.open("w", encoding="utf-8") as journal:
            told = _Count()
            for line in judged_in(
                fetched.folder, fetched.folder / "study", is_ours=True, with_frames=True, now=hall.now
            ):
                journal.write(json.dumps(line, sort_keys=True) + "\n")
                told.add(line)
        part.rename(path)
    except (LookupError, ConnectionError, GatewayError, StoreFailure) as error:
        return fetched.failed(str(error))
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - one study must not end the others; its text may quote a header
        return fetched.failed(f"unexpected {type(error).__name__}")
    finally:
        part.unlink(missing_ok=True)
        shutil.rmtree(fetched.folder, ignore_errors=True)
    took_s = hall.now() - began
    speed = told.n_frames / took_s if took_s > 0 else None
    about = {"journal": f"{JOURNALS}/{path.name}", "seconds": round(took_s, 3)}
    return {
        "study": fetched.study,
        "state": "done",
        **told.result(),
        **about,
        "frames_per_s": speed and round(speed, 1),
    }


@cache
def settle_in() -> None:
    """What a process that judges is set to and makes once."""
    use_one_thread()
    keep_memory()
    empty_journal()
    gc.freeze()  # what is there by now stays: not looked through again amid frames


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
