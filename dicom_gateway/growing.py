"""Runs whose frames are there before their end: two folders of the spool beside its arrivals.

Theory. A run on its way in is a part file like any other. As soon as its header is there and allows it, the part is
renamed into ``growing/`` and its *name* is its whole record, as an arrival's is:

    growing/<began us>.<uid hash>.<live|replay-ID>.<source>.part

Whoever reads the file finds the frames that are whole so far. All of this is tentative: nothing here is fsynced before
anyone is told, and the object has been received only when it is an arrival. It then tells in its own name what it grew
as. A run that ends before it is whole, with frames that are, goes to ``incomplete/`` under the same name.

Its number is the time at which it began, in microseconds since 1970, and *negative*: it belongs to no arrival, and to
no other object.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Container
from pathlib import Path

from dicom_gateway.arrival import Arrival, Origin, hash_of, whence_from, whence_of
from dicom_gateway.flush import sync_folder
from dicom_gateway.spool import Part


class Growing:
    """The runs of one spool that are not whole. Any number of processes may look."""

    def __init__(self, spool_folder: Path) -> None:
        self._growing = spool_folder / "growing"
        self._incomplete = spool_folder / "incomplete"
        for each in (self._growing, self._incomplete):
            each.mkdir(parents=True, exist_ok=True)

    def announce(self, part: Part, origin: Origin) -> None:
        """Let others see ``part``, which began at the time of receipt of ``origin``. OSError when it cannot be renamed."""
        began_us = origin.received_ns // 1000
        fields = f"{hash_of(origin.sop_instance_uid)}.{whence_of(origin.replay, origin.source)}"
        while any(self._growing.glob(f"{began_us}.*")):
            began_us += 1
        path = self._growing / f"{began_us}.{fields}.part"
        part.path.rename(path)
        part.path, part.grew_as = path, -began_us

    def keep(self, part: Part) -> None:
        """The part ends here, not whole: its frames stay, durable. Another name of the part stays valid."""
        if part.grew_as is None:
            return
        part.sync()
        with contextlib.suppress(FileExistsError):
            os.link(part.path, self._incomplete / f"{part.path.stem}.dcm")
        sync_folder(self._incomplete)

    def all(self, *, but: Container[int] = ()) -> list[Arrival]:
        """What grows and what is incomplete, in the order in which it began; ``but`` names those of no interest."""
        found = [_parse(path, but) for folder in (self._growing, self._incomplete) for path in folder.iterdir()]
        # one that is just being kept has both names
        by_number = {each.number: each for each in found if each is not None}
        return [by_number[number] for number in sorted(by_number, reverse=True)]

    def find(self, number: int) -> Arrival | None:
        """The run of this number while it is no arrival, or None."""
        return next((each for each in self.all() if each.number == number), None)

    def remove(self, number: int) -> None:
        """Take an incomplete run away for good."""
        found = self.find(number)
        if found is not None and self.has_ended(found):
            found.path.unlink(missing_ok=True)

    def has_ended(self, run: Arrival) -> bool:
        """Whether no more of it will come."""
        return run.path.parent == self._incomplete

    def sweep(self) -> int:
        """Runs whose receiver has died are incomplete; how many there were."""
        n_swept = 0
        for path in self._growing.glob("*.part"):
            with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as left:
                fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.rename(self._incomplete / f"{path.stem}.dcm")
                path.unlink(missing_ok=True)  # one that was being kept has both names, and a rename leaves both
                n_swept += 1
        return n_swept


def _parse(path: Path, but: Container[int]) -> Arrival | None:
    fields = path.name.split(".")
    if len(fields) != 5 or not fields[0].isdigit() or -int(fields[0]) in but:
        return None
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    replay, source = whence_from(fields[2], fields[3])
    return Arrival(
        number=-int(fields[0]),
        path=path,
        source=source,
        received_at=int(fields[0]) / 1e6,
        uid_hash=fields[1],
        digest="",
        size=size,
        replay=replay,
        grew_as=-int(fields[0]),
    )
