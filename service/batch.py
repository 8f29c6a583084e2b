"""Many recorded studies judged again, several at a time; what is done is done when it is broken off.

    results.jsonl       one line a study, written when it is judged
    journals/NAME.jsonl its journal with frames; NAME stands for the study's UID

A study that has a line saying ``done`` is not judged again; one that failed is.

The process of the command brings the studies from Orthanc, always a few ahead, and hands them to processes that stay
for as long as there are studies: none of these waits for a network or loads anything twice.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from threading import Event, Thread
from typing import Any, TypeVar

import click

from dicom_gateway.arrival import hash_of
from service.orthanc import OrthancUnreachable, StudyNotFound, fetch_study, studies_in
from service.processes import keep_children_to_one_thread
from service.safety import SAFETY_WORDS
from service.settings import Settings

RESULTS, JOURNALS = "results.jsonl", "journals"
Result = dict[str, Any]
T = TypeVar("T")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A study whose objects lie in ``study`` below a folder of ours, or why they do not."""

    study: str
    folder: Path
    trouble: str | None = None

    def failed(self, reason: str) -> Result:
        """The line of a study that was not judged."""
        return {"study": self.study, "state": "failed", "reason": reason}


def judge_studies(studies: Sequence[str], hall: Hall) -> Iterator[Result]:
    """Judge the studies that are not done, and write and give each result as it comes. Raises OSError."""
    (hall.folder / JOURNALS).mkdir(parents=True, exist_ok=True)
    done = hall.done()
    path = hall.folder / RESULTS
    with path.open("a", encoding="utf-8") as results:
        if path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            results.write("\n")
        judged = _judged([study for study in studies if study not in done], hall)
        try:
            for result in judged:
                results.write(json.dumps(result, sort_keys=True) + "\n")
                results.flush()
                yield result
        finally:
            judged.close()
            for broken_off in (hall.folder / JOURNALS).glob("*.part"):
                broken_off.unlink()


def _judged(studies: Sequence[str], hall: Hall) -> Generator[Result]:
    """The results in the order in which they come; of one process in that of the studies."""
    is_alone = hall.n_processes == 1 or len(studies) < 2
    most = 1 if is_alone else hall.n_processes + 1  # one that waits, so that no process does
    keep_children_to_one_thread()
    is_leaving = Event()
    waiting, fetching, judging = deque(studies), deque[Future[Fetched]](), list[Future[Result]]()
    with (
        tempfile.TemporaryDirectory(prefix="cementwatch-batch-") as scratch,
        _ended(ThreadPoolExecutor(hall.n_processes, "fetch"), is_leaving) as fetchers,
        _ended(_Here() if is_alone else _processes(hall.n_processes), is_leaving) as judges,
    ):
        fetch = partial(_fetch, hall=hall, scratch=Path(scratch), may_go_on=lambda: not is_leaving.is_set())
        while waiting or fetching or judging:
            has_room = len(judging) < most
            fetched = fetching.popleft() if has_room and fetching and fetching[0].done() else None
            while waiting and len(fetching) < hall.n_processes:
                fetching.append(fetchers.submit(fetch, waiting.popleft()))
            if fetched is not None:
                judging.append(judges.submit(_judge, fetched.result(), hall))
                continue
            awaited: list[Future[Any]] = [*judging, *islice(fetching, int(has_room))]
            wait(awaited, return_when=FIRST_COMPLETED)
            for each in [each for each in judging if each.done()]:
                judging.remove(each)
                yield each.result()


class _Here(Executor):
    """Judges in this very process, at once."""

    def submit(self, judge: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Done when it returns; what it raises is raised here."""
        future: Future[T] = Future()
        future.set_result(judge(*args, **kwargs))
        return future


def _processes(n_processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(n_processes, get_context("spawn"), initializer=_serve)


def _serve() -> None:
    """In a process that judges: it ends with whoever hands out studies, and not by itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _ended(executor: Executor, is_leaving: Event) -> Iterator[Executor]:
    """When we leave before the end, what has not been begun is not begun any more, and what has been is broken off."""
    others = set(active_children())
    try:
        yield executor
    except BaseException:
        is_leaving.set()
        for process in set(active_children()) - others:
            process.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def _fetch(study: str, hall: Hall, scratch: Path, may_go_on: Callable[[], bool]) -> Fetched:
    fetched = Fetched(study=study, folder=scratch / hash_of(study))
    try:
        fetch_study(hall.orthanc_url, study, fetched.folder / "study", may_go_on=may_go_on)
    except (OrthancUnreachable, StudyNotFound) as error:
        shutil.rmtree(fetched.folder, ignore_errors=True)
        return replace(fetched, trouble=str(error))
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - as in judging: one study must not end the others
        shutil.rmtree(fetched.folder, ignore_errors=True)
        return replace(fetched, trouble=f"unexpected {type(error).__name__}")
    return fetched


def _judge(fetched: Fetched, hall: Hall) -> Result:
    from service.study import judge_study  # whoever only hands studies out needs nothing of what judges them

    return judge_study(fetched, hall)


@click.command("batch")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the results.")
@click.option("--study", "studies", multiple=True, help="Only this study; may be repeated. Without it: all of them.")
@click.option("--orthanc", "orthanc_url", help="Orthanc's address, if not the one of the settings.")
@click.option("--processes", default=2, show_default=True, type=click.IntRange(1, 64), help="Studies at a time.")
@click.pass_obj
def batch(settings: Settings, out: Path, studies: tuple[str, ...], orthanc_url: str | None, processes: int) -> None:
    """Judge the studies of an Orthanc again, several at a time, and print one line of result for each.

    Broken off and started again with the same folder, it goes on with what is not done. Exit 1 when a study failed.
    """
    url = orthanc_url or settings.orthanc_url
    click.echo(SAFETY_WORDS, err=True)
    n_failed = 0
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        wanted = list(dict.fromkeys(studies)) or studies_in(url)
        hall = Hall(orthanc_url=url, folder=out, n_processes=processes, now=time.time)
        n_open = len(set(wanted) - hall.done())
        click.echo(f"{len(wanted) - n_open} of {len(wanted)} studies are done", err=True)
        with click.progressbar(judge_studies(wanted, hall), length=n_open, file=sys.stderr) as results:
            for result in results:
                n_failed += result["state"] != "done"
                click.echo(json.dumps(result, sort_keys=True))
    except (OrthancUnreachable, BrokenProcessPool) as error:
        raise click.ClickException(f"{error}; start again with the same folder to go on") from None
    except OSError as error:
        raise click.ClickException(f"the results cannot be written: {error.strerror}") from None
    finally:
        signal.signal(signal.SIGTERM, before)
    sys.exit(n_failed > 0)
