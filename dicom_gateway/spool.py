"""The spool: numbered files, durable before anyone is told of them.

Theory. One arrival is one file, and its name is its whole record (``dicom_gateway.arrival``). Numbers ascend; a folder
holds a thousand.

1. An object is written to ``incoming/`` and fsynced there. The writer holds a lock on its part file, so
   that a part without a living writer is known and swept.
2. Under the lock of the spool: take the next number, rename the part to its name. Claim and rename are one
   step, so that whoever has read number n never sees a smaller number appear later.
3. The folder is fsynced, once for all arrivals that wait for it. Only now may a sender be told of success.

Between 2 and 3 a reader may see an arrival that a power cut then takes back (its sender was never told of
success, and sends again). Its number must not come back with other content, for the journal may already know
it: the lock file names the boot of the machine, and after another boot numbers go on in the next thousand.
Gaps in the numbers are therefore normal.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dicom_gateway import quarantine
from dicom_gateway.arrival import Arrival, Duplicate, Origin, arrival_at, hash_of, name_of
from dicom_gateway.flush import SharedFlush, begin_write_out, sync_folder
from dicom_gateway.known import Known, Row
from dicom_gateway.quarantine import Note

PER_SHARD = 1000
EARLY_BYTES = 2**19
"""Of an object that is still coming, handed to the disk at one go."""
N_REMEMBERED = 100_000
"""Arrivals among which a duplicate is recognised after a boot; an older one becomes a further arrival."""


class Part:
    """An object on its way in: bytes are written and counted, the digest grows with them."""

    _has_left = False

    def __init__(self, path: Path, *, is_kept: bool = True) -> None:
        self.path = path
        self.size = 0
        self.grew_as: int | None = None
        self._is_kept, self._n_early = is_kept, 0
        self._fd = -1
        self._digest = hashlib.sha256()
        self._fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640)
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __del__(self) -> None:
        # an object whose association ended before anyone looked at it: unlocked, it is swept at the next start
        self.close()

    def write(self, piece: bytes | memoryview) -> int:
        """Append ``piece``; OSError when the disk will not take it."""
        view = memoryview(piece)
        while view:
            view = view[os.write(self._fd, view) :]
        self._digest.update(piece)
        self.size += len(piece)
        if self._is_kept and self.size - self._n_early >= EARLY_BYTES:
            begin_write_out(self._fd, self._n_early, self.size - self._n_early)
            self._n_early = self.size
        return len(piece)

    @property
    def digest(self) -> str:
        """Sixteen hex digits of the content so far."""
        return self._digest.hexdigest()[:16]

    def sync(self) -> None:
        """Return when the bytes are on the disk."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def move(self, path: Path) -> None:
        """Give the file another name, under which it is no part any more."""
        os.rename(self.path, path)  # noqa: PTH104 - makes no third path of the two
        self._has_left = True

    def discard(self) -> None:
        """Close, and remove what has been written and has not been moved; may be called twice."""
        self.close()
        if not self._has_left:
            self.path.unlink(missing_ok=True)
            self._has_left = True


class Lying(Part):
    """An object that lies on the disk of the spool already, whole: as an arrival it is moved, not copied.

    Its bytes are read only where ``has_twin``: where another object bears its name, from which they must be told.
    """

    def __init__(self, path: Path, *, has_twin: bool) -> None:
        self.path, self.grew_as = path, None
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._fd).st_size
        self._digest = hashlib.sha256()
        if has_twin:
            with open(self._fd, "rb", closefd=False) as file:
                self._digest = hashlib.file_digest(file, "sha256")


class Spool:
    """The folder of arrivals. Any number of processes may add and read at once."""

    def __init__(
        self, folder: Path, *, per_shard: int = PER_SHARD, boot: str | None = None, is_kept: bool = True
    ) -> None:
        """``boot`` names the running system that the numbers are counted in; None asks the machine.

        A spool that is not kept waits for no disk: nobody asks for it after a power cut.
        """
        self.folder = folder
        self.per_shard = per_shard
        self.boot = _boot_id() if boot is None else boot
        self.incoming = folder / "incoming"
        self.arrivals = folder / "arrivals"
        self.quarantined = folder / "quarantine"
        for each in (self.incoming, self.arrivals, self.quarantined):
            each.mkdir(parents=True, exist_ok=True)
        self._thread_lock, self._lock_path = threading.Lock(), str(folder / "lock")
        self._is_kept, self._flush = is_kept, SharedFlush()
        self._known = Known(folder / "known.sqlite" if is_kept else None, self.boot)

    def begin(self) -> Part:
        """A new part in ``incoming``."""
        return Part(self.incoming / f"{uuid.uuid4().hex}.part", is_kept=self._is_kept)

    def add(self, part: Part, origin: Origin) -> Arrival | Duplicate:
        """Make ``part`` an arrival. On return it is durable; on OSError nothing of it is left."""
        try:
            if self._is_kept:
                part.sync()
            with self._locked() as last:
                added = self._place(part, origin, last)
            arrival = added.arrival if isinstance(added, Duplicate) else added
            if self._is_kept:
                self._sync_or_revoke(added, arrival.path)
        finally:
            part.discard()
        return added

    def after(self, number: int) -> list[Arrival]:
        """The arrivals beyond ``number``, ascending."""
        if self._is_last(number):
            return []
        first = (number + 1) // self.per_shard
        shards = sorted(name for name in os.listdir(self.arrivals) if name.isdigit() and int(name) >= first)
        return [arrival for name in shards for arrival in _read_shard(self.arrivals / name, number)]

    def some_after(self, number: int, limit: int) -> list[Arrival]:
        """The first ``limit`` arrivals beyond ``number``, without a look at the rest of the spool."""
        first, found = (number + 1) // self.per_shard, []
        for name in sorted(name for name in os.listdir(self.arrivals) if name.isdigit() and int(name) >= first):
            found += _read_shard(self.arrivals / name, number)
            if len(found) >= limit:
                break
        return found[:limit]

    def remove(self, number: int) -> None:
        """Take an arrival out of the spool for good, and its folder with the last one. Its number never comes back."""
        arrival = self.find(number)
        if arrival is None:
            return
        arrival.path.unlink(missing_ok=True)
        # with the lock, for an empty folder may be the one that the next arrival is put into
        with self._locked() as last, contextlib.suppress(OSError):
            if arrival.path.parent != self._shard(last.number) and arrival.path.parent != self._shard(
                last.next_number()
            ):
                arrival.path.parent.rmdir()

    def find(self, number: int) -> Arrival | None:
        """The arrival of this number, or None."""
        shard = self._shard(number)
        prefix = f"{number:012d}."
        if not shard.is_dir():
            return None
        return next((each for each in map(arrival_at, shard.glob(f"{prefix}*")) if each is not None), None)

    def knows(self, origin: Origin) -> bool:
        """Whether an arrival has this SOP Instance UID, whatever its bytes."""
        with self._locked() as last:
            self._catch_up(last.number)
            return bool(self._known.numbers(f"{origin.replay or ''}.{hash_of(origin.sop_instance_uid)}"))

    def newest(self) -> int:
        """The highest number in the spool, 0 when it is empty."""
        for name in sorted((name for name in os.listdir(self.arrivals) if name.isdigit()), reverse=True):
            if found := _read_shard(self.arrivals / name, 0):
                return found[-1].number
        return 0

    def free_bytes(self) -> int:
        """What the disk under the spool can still take."""
        state = os.statvfs(self.folder)
        return state.f_bavail * state.f_frsize

    def quarantine(self, part: Part, origin: Origin, reason: str, status: int | None = None) -> Path | None:
        """Keep ``part`` aside with ``reason`` beside it; None (and no part) when the quarantine is full."""
        part.close()
        uid_hash = hash_of(origin.sop_instance_uid)
        kept = self.quarantined / f"{origin.received_ns}.{uid_hash}.{part.digest}.dcm"
        if quarantine.is_full(self.quarantined):
            part.discard()
            return None
        note = Note(
            number=origin.received_ns // 1000,
            name=kept.stem,
            source=origin.source,
            reason=reason,
            status=status,
            size=part.size,
            uid_hash=uid_hash,
        )
        quarantine.write_note(kept, note)
        part.move(kept)
        sync_folder(self.quarantined)
        return kept

    def set_aside(self, arrival: Arrival, reason: str) -> bool:
        """Show an arrival that cannot be judged in the quarantine too; whether it is new there. OSError from the disk."""
        _, received_ns, uid_hash, digest, *_ = arrival.path.name.split(".")
        note = Note(
            number=int(received_ns) // 1000,
            name=f"{received_ns}.{uid_hash}.{digest}",
            source=arrival.source,
            reason=reason,
            status=None,
            size=arrival.size,
            uid_hash=uid_hash,
            arrival=arrival.number,
        )
        return quarantine.set_aside(self.quarantined, arrival.path, note)

    def sweep(self) -> int:
        """Remove the parts whose writer is gone; how many there were."""
        n_swept = 0
        for path in self.incoming.glob("*.part"):
            with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as left:
                fcntl.flock(left, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                n_swept += 1
        return n_swept

    def _is_last(self, number: int) -> bool:
        """Whether no number beyond was claimed: asked with every frame, and no folder is read for it.

        A number is claimed before its arrival can be seen. What another boot noted may have been lost with the power, and counts for nothing.
        """
        try:
            fd = os.open(self.folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            boot, claimed = _noted(fd)
        finally:
            os.close(fd)
        return boot == self.boot and claimed is not None and claimed <= number

    def _shard(self, number: int) -> Path:
        return self.arrivals / f"{number // self.per_shard:09d}"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[_Last]:
        with self._thread_lock:
            fd = os.open(self._lock_path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                yield _Last(fd, self)
            finally:
                os.close(fd)

    def _place(self, part: Part, origin: Origin, last: _Last) -> Arrival | Duplicate:
        """Claim a number and rename, or find the twin. Under the lock."""
        self._catch_up(last.number)
        named = Arrival(
            number=last.next_number(),
            path=Path(),
            source=origin.source,
            received_at=origin.received_ns / 1e9,
            uid_hash=hash_of(origin.sop_instance_uid),
            digest=part.digest,
            size=part.size,
            replay=origin.replay,
            grew_as=part.grew_as,
        )
        others = self._known.numbers(_uid_key(named))
        twin = others.get(named.digest)
        known = self.find(twin) if twin is not None else None
        if known is not None and (known.uid_hash, known.digest) == (named.uid_hash, named.digest):
            return Duplicate(arrival=known)
        has_rival = bool(others.keys() - {named.digest})
        shard = self._shard(named.number)
        if not shard.is_dir():
            shard.mkdir()
            if self._is_kept:
                sync_folder(self.arrivals)
        arrival = replace(named, path=shard / name_of(named, origin.received_ns), has_rival=has_rival)
        last.claim(arrival.number)
        part.move(arrival.path)
        self._known.add([_row(arrival)], arrival.number)
        return arrival

    def _sync_or_revoke(self, added: Arrival | Duplicate, path: Path) -> None:
        try:
            self._flush.sync(path.parent)
        except OSError:
            if isinstance(added, Arrival):
                path.unlink(missing_ok=True)
            raise

    def _catch_up(self, last: int) -> None:
        """Learn of the arrivals that other processes added, or of the last many at the first time."""
        reach = self._known.reach(last)
        if reach is None:
            reach = max(0, last - N_REMEMBERED)
            self._known.begin(reach)
        if reach < last:
            self._known.add([_row(arrival) for arrival in self.after(reach)], last)


class _Last:
    """The last number claimed, kept in the lock file with the boot that claimed it."""

    def __init__(self, fd: int, spool: Spool) -> None:
        self._fd = fd
        self._boot, self._per_shard = spool.boot, spool.per_shard
        boot, number = _noted(fd)
        told = number or 0
        self._is_same_boot = boot == self._boot and number is not None
        # never below what was claimed once, even when the arrivals have been taken away
        self.number = told if self._is_same_boot else max(told, spool.newest())

    def next_number(self) -> int:
        if self._is_same_boot or self.number == 0:
            return self.number + 1
        return (self.number // self._per_shard + 1) * self._per_shard

    def claim(self, number: int) -> None:
        # one line, written over the old one; what a longer line left behind it is never read
        os.pwrite(self._fd, f"{self._boot} {number:012d}\n".encode("ascii"), 0)


def _noted(fd: int) -> tuple[str, int | None]:
    """The boot and the number of the last claim, as the lock file has them."""
    boot, _, number = os.pread(fd, 200, 0).decode("ascii", "replace").partition("\n")[0].partition(" ")
    return boot, int(number) if number.isdigit() else None


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return uuid.uuid4().hex  # unknown counts as another boot: numbers jump, and stay unique


def _read_shard(shard: Path, after: int) -> list[Arrival]:
    # names sort as numbers do, so what is old is left out before it costs a look at the file
    beyond = f"{after + 1:012d}"
    try:
        names = sorted(name for name in os.listdir(shard) if name >= beyond)
    except FileNotFoundError:
        return []
    return [arrival for arrival in (arrival_at(shard / name) for name in names) if arrival is not None]


def _row(arrival: Arrival) -> Row:
    return _uid_key(arrival), arrival.digest, arrival.number


def _uid_key(arrival: Arrival) -> str:
    return f"{arrival.replay or ''}.{arrival.uid_hash}"
