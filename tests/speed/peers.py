"""C-STORE from senders that are none of ours, of every kind of object, one sender and four: ours beside Orthanc and storescp."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.speed.figures import Batch, Report, Sizes, Table, spread
from tests.speed.machine import disk_ms, rate_of
from tests.speed.receivers import ENVIRONMENTS, OURS, RECEIVERS, Receiver, Start, is_installed, start_sink, wait_stored
from tests.speed.reel import draw
from tests.speed.senders import Push, dcmsend, keep_pace_plainly, pushing_orthanc, storescu

TITLE = "Unmodified senders"
N_SENDERS = 4
PACE = 30.0
SINK = "nothing kept"
DEFAULT, NODELAY = ENVIRONMENTS
SENDERS: dict[str, str] = {"storescu": "storescu", "dcmsend": "dcmsend", "Orthanc push": "Orthanc"}
"""Sender, and the program whose presence decides."""
HEAD = (
    *("objects", "sender", "senders", "ours/s", "ours MB/s", "/ Orthanc, default", "/ Orthanc", "/ storescp"),
    *("slowest / fastest of 4", "sender alone/s", "disk alone/s"),
)
NOTES = [
    (
        "`ours`: the better of both environments; `/ Orthanc, default`: both receivers and the sender in the environment they come "
        "with; `/ Orthanc`, `/ storescp`: all with TCP_NODELAY=1, their best. `sender alone`: the same sender to a storescp that "
        "keeps nothing (`--ignore`, TCP_NODELAY=1). `disk alone`: the same bytes written, fsync, rename, fsync of the folder, one "
        "after another. Every receiver was counted afterwards: nothing was lost, or the run would have ended."
    )
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pile:
    """The objects of one batch: a folder for the sender that is alone, then one for each of four."""

    batch: Batch
    folders: list[Path]
    object_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one receiver did with one pile: objects a second, and the slowest of the senders against the fastest."""

    per_s: float
    evenness: float


Key = tuple[str, str, Batch, int]
"""Sender, environment, batch and number of senders."""


def measure(sizes: Sizes, folder: Path) -> Report:
    """Every sender that is installed to every receiver, each with a fresh store for each sender."""
    if not is_installed("storescu"):
        return Report(title=TITLE, about="Not measured: DCMTK is not installed; apt-get install dcmtk orthanc.")
    place = folder / "peers"
    piles = [_pile(batch, place / f"{at}") for at, batch in enumerate(sizes.batches)]
    disk = {pile.batch: rate_of(disk_ms(place, pile.object_bytes, max(2, pile.batch.n_objects))) for pile in piles}
    cells: dict[str, dict[Key, Cell]] = {name: {} for name in (*RECEIVERS, SINK)}
    for words in sizes.environments:
        environment = ENVIRONMENTS[words]
        for sender in [name for name, program in SENDERS.items() if is_installed(program)]:
            with _pusher(sender, place, environment, piles) as push:
                for name, start in _receivers(words).items():
                    told = _play(start, environment, push, piles, place)
                    cells[name] |= {(sender, words, batch, n): cell for (batch, n), cell in told.items()}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as sender:
        paced = {name: _paced(start, sizes, place, sender) for name, start in _receivers(NODELAY).items()}
    shutil.rmtree(place)
    tables = [
        Table(title="Ours beside its peers", head=HEAD, rows=_rows(cells, piles, disk), notes=NOTES),
        _paced_table(paced),
    ]
    return Report(title=TITLE, about=_about(sizes), tables=tables, figures=_figures(cells) | _paced_figures(paced))


def _about(sizes: Sizes) -> str:
    n = ", ".join(f"{batch.n_objects} of {batch}" for batch in sizes.batches)
    return (
        f"Objects for each sender: {n}. One sender alone, then {N_SENDERS} at once, each over an association of its own with a title of "
        "its own; each time objects that the receiver does not know. Rates from the start of the first to the end of the last sender, "
        "their own start included. Ours, Orthanc and storescp (a child for each association) as in the part above, one run."
    )


def _receivers(words: str) -> dict[str, Start]:
    found = {name: start for name, (program, start) in RECEIVERS.items() if is_installed(program)}
    return found | ({SINK: start_sink} if words == NODELAY else {})


def _pusher(
    sender: str, place: Path, environment: Mapping[str, str], piles: Sequence[Pile]
) -> AbstractContextManager[Push]:
    if sender == "Orthanc push":
        return pushing_orthanc(place / "pusher", environment, [each for pile in piles for each in pile.folders])
    return nullcontext((storescu if sender == "storescu" else dcmsend)(environment))


def _pile(batch: Batch, folder: Path) -> Pile:
    """Objects of the same pixels, which do not matter to a receiver, each with UIDs of its own."""
    run = _object(batch)
    folders = [folder / f"{number}" for number in range(N_SENDERS + 1)]
    for each in folders:
        each.mkdir(parents=True)
        run.StudyInstanceUID, run.SeriesInstanceUID = generate_uid(), generate_uid()
        for number in range(batch.n_objects):
            run.SOPInstanceUID = run.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            run.save_as(each / f"{number:05d}.dcm", enforce_file_format=True)
    return Pile(batch=batch, folders=folders, object_bytes=next(folders[0].iterdir()).stat().st_size)


def _object(batch: Batch) -> Dataset:
    drawn = deepcopy(draw(batch.px, 1).drawn[0])
    pixels = np.frombuffer(drawn.PixelData, np.uint16)
    if batch.bits == 8:
        pixels = (pixels >> (drawn.BitsStored - 8)).astype(np.uint8)
        drawn.BitsAllocated, drawn.BitsStored, drawn.HighBit = 8, 8, 7
    if batch.n_frames > 1:
        drawn.NumberOfFrames, drawn.FrameTime, drawn.FrameIncrementPointer = batch.n_frames, "66", 0x00181063
    drawn.PixelData = pixels.tobytes() * batch.n_frames
    return drawn


def _play(
    start: Start, environment: dict[str, str], push: Push, piles: Sequence[Pile], place: Path
) -> dict[tuple[Batch, int], Cell]:
    """All piles to one receiver, a small one before them that is not counted."""
    cells: dict[tuple[Batch, int], Cell] = {}
    with _opened(start, environment, place) as receiver:
        n_sent = 0
        for pile in piles:
            for folders in (pile.folders[:1], pile.folders[1:]):
                spans = _push_all(push, receiver, folders)
                whole_s = max(end for _, end in spans) - min(begin for begin, _ in spans)
                lasted = [end - begin for begin, end in spans]
                n_sent += (n := pile.batch.n_objects * len(folders))
                cells[pile.batch, len(folders)] = Cell(per_s=n / whole_s, evenness=min(lasted) / max(lasted))
        wait_stored(receiver, n_sent)
    return cells


def _push_all(push: Push, receiver: Receiver, folders: Sequence[Path]) -> list[tuple[float, float]]:
    """When each sender began and ended; all of them at once."""

    def one(number: int, folder: Path) -> tuple[float, float]:
        began = time.perf_counter()
        push(replace(receiver.peer, calling=f"SENDER{number}"), folder)
        return began, time.perf_counter()

    with ThreadPoolExecutor(len(folders)) as pool:
        return list(pool.map(one, range(len(folders)), folders))


@contextmanager
def _opened(start: Start, environment: dict[str, str], place: Path) -> Iterator[Receiver]:
    """A receiver with an empty store that goes with it."""
    os.sync()  # what others wrote must not be written out on its account
    store = Path(tempfile.mkdtemp(prefix="store-", dir=place))
    try:
        with contextmanager(start)(store, environment) as receiver:
            yield receiver
    except RuntimeError as error:
        error.add_note((store / "log").read_text(encoding="utf-8", errors="replace")[-2000:])
        raise
    finally:
        shutil.rmtree(store, ignore_errors=True)


def _rows(
    cells: Mapping[str, Mapping[Key, Cell]], piles: Sequence[Pile], disk: Mapping[Batch, float]
) -> list[list[object]]:
    rows: list[list[object]] = []
    for pile in piles:
        for sender, n in sorted({(key[0], key[3]) for key in cells[OURS]}, key=lambda each: (each[1], each[0])):
            at = [(sender, words, pile.batch, n) for words in ENVIRONMENTS]
            own = [cells[OURS][key] for key in at if key in cells[OURS]]
            ours = max(cell.per_s for cell in own)
            evenness = min(cell.evenness for cell in own) if n > 1 else None
            ratios = [
                _ratio(cells, name, key) for name, key in (("orthanc", at[0]), ("orthanc", at[1]), ("storescp", at[1]))
            ]
            alone = cells[SINK][at[1]].per_s
            rate = [ours, ours * pile.object_bytes / 1e6, *ratios, evenness]
            rows.append([str(pile.batch), sender, n, *rate, alone, disk[pile.batch]])
    return rows


def _ratio(cells: Mapping[str, Mapping[Key, Cell]], name: str, key: Key) -> float | None:
    is_known = key in cells[OURS] and key in cells[name]
    return cells[OURS][key].per_s / cells[name][key].per_s if is_known else None


def _figures(cells: Mapping[str, Mapping[Key, Cell]]) -> dict[str, float]:
    """The worst of all senders, for single images and for runs."""
    figures: dict[str, float] = {}
    kinds: dict[str, Callable[[Batch], bool]] = {"single": lambda b: b.n_frames == 1, "run": lambda b: b.n_frames > 1}
    for kind, is_of in kinds.items():
        keys = [key for key in cells[OURS] if is_of(key[2])]
        for name, words in (("orthanc", DEFAULT), ("orthanc", NODELAY), ("storescp", NODELAY)):
            ratios = [ratio for key in keys if key[1] == words and (ratio := _ratio(cells, name, key)) is not None]
            if ratios:
                figures[f"peers_{kind}_{name}_{'default' if words == DEFAULT else 'nodelay'}_least_ratio"] = min(ratios)
        figures[f"peers_{kind}_evenness_least_ratio"] = min(cells[OURS][key].evenness for key in keys if key[3] > 1)
    return figures


def _paced(start: Start, sizes: Sizes, place: Path, sender: ProcessPoolExecutor) -> list[float]:
    """Round trips at the pace of a C-arm, in the default environment."""
    batch = sizes.batches[0]._replace(n_objects=round(PACE * sizes.pace_s))
    pile = Path(tempfile.mkdtemp(prefix="paced-", dir=place))
    paths = draw(batch.px, 4).write(pile, batch.n_objects)
    with _opened(start, ENVIRONMENTS[DEFAULT], place) as receiver:
        sender.submit(keep_pace_plainly, paths[:5], receiver.peer, PACE).result()
        trips = sender.submit(keep_pace_plainly, paths[5:], receiver.peer, PACE).result()
        wait_stored(receiver, len(paths))
    shutil.rmtree(pile)
    return trips


def _paced_table(paced: Mapping[str, list[float]]) -> Table:
    rows = [[name, len(trips), *spread(trips).values()] for name, trips in paced.items()]
    note = (
        f"pynetdicom's own sender as it comes, {PACE:g} objects a second over one association, default environment. It encodes each "
        "object again as it sends it: what that takes is in the line of the receiver that keeps nothing."
    )
    head = ("receiver", "objects", "p50 ms", "p95 ms", "p99 ms", "max ms")
    return Table(title=f"Round trip at {PACE:g} a second", head=head, rows=rows, notes=[note])


def _paced_figures(paced: Mapping[str, list[float]]) -> dict[str, float]:
    figures = {f"peers_paced_{name.replace(' ', '_')}_p99_ms": spread(trips)["p99"] for name, trips in paced.items()}
    return figures | {"n_peers_paced": float(len(paced[OURS]))}
