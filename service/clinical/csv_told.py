"""Records as the lines of a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

from db.connect import Source
from db.record import listing
from service.clinical.columns import cells_of, columns_of
from service.clinical.record import plain_of

PAGE = 1000
MARK = "#"
"""A line that begins so is a remark: the safety words stand in one."""


def csv_lines(source: Source, kind: str, safety: str) -> Iterator[str]:
    """The file of a kind, line by line: the safety words as a remark, the header, one row for each current thing."""
    yield from csv_rows(kind, _told(source, kind), safety)


def csv_rows(kind: str, things: Iterable[Mapping[str, object]], safety: str) -> Iterator[str]:
    """The same of any things, each told with its id and version."""
    names = ["id", "version", *(column.name for column in columns_of(kind))]
    yield f"{MARK} {safety}\r\n"
    yield csv_line(names)
    for thing in things:
        cells = cells_of(kind, thing)
        yield csv_line([cells[name] for name in names])


def _told(source: Source, kind: str) -> Iterator[Mapping[str, object]]:
    after = 0
    while found := listing(source, kind, after=after, limit=PAGE):
        for version in found:
            yield {"id": version.id, "version": version.version, **plain_of(kind, version.fields)}
        after = found[-1].number


def csv_line(cells: Sequence[str]) -> str:
    """One row."""
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()
