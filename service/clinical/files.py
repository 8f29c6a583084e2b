"""Records as files in a folder: one CSV for each kind and the dictionary."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from db.connect import Engine, snapshot
from db.record import write
from service.clinical.columns import Meaning, dictionary
from service.clinical.csv_told import MARK, csv_lines, csv_rows
from service.clinical.exchange import Intake, Line, NoTable, check, read_csv
from service.clinical.record import ADDRESSES

ACTOR = "import"


def take_files(engine: Engine, files: Sequence[Path], *, at: float, dry_run: bool) -> Intake:
    """Check all ``files`` together and write them unless there is a bad cell. Raises NoTable, RecordRefused."""
    lines: list[Line] = []
    for file in files:
        kind = next((kind for kind, address in ADDRESSES.items() if address == file.stem), None)
        if kind is None:
            raise NoTable(f"expected files named {', '.join(f'{address}.csv' for address in ADDRESSES.values())}")
        try:
            lines += read_csv(kind, file.read_bytes().decode("utf-8-sig"))  # line ends within a remark stay as they are
        except UnicodeDecodeError:
            raise NoTable(f"{file.name}: expected UTF-8") from None
        except NoTable as error:
            raise NoTable(f"{file.name}: {error}") from None
    intake = check(engine, lines, may_confirm=True)
    if not intake.bad and not dry_run:
        write(engine, intake.drafts, at=at, actor=ACTOR)
    return intake


def write_rows(rows: Mapping[str, Sequence[Mapping[str, Any]]], folder: Path, safety: str) -> list[str]:
    """New things by kind, as files that ``take_files`` takes; the names of the files.

    Raises NoTable where files of records are: theirs would be lost, or be taken together with these.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = [f"{address}.csv" for address in ADDRESSES.values() if (folder / f"{address}.csv").exists()]
    if there:
        raise NoTable(f"expected a folder without files of records; there are {', '.join(there)}")
    names: list[str] = []
    for kind, things in rows.items():
        if things:
            names.append(f"{ADDRESSES[kind]}.csv")
            with (folder / names[-1]).open("w", encoding="utf-8", newline="") as file:
                file.writelines(csv_rows(kind, ({"version": "", **thing} for thing in things), safety))
    return names


def give_files(engine: Engine, folder: Path, safety: str) -> list[str]:
    """Write every kind, as all stood at one moment, and the dictionary into ``folder``; the names of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    with snapshot(engine) as seen:
        for kind, address in ADDRESSES.items():
            names.append(f"{address}.csv")
            with (folder / names[-1]).open("w", encoding="utf-8", newline="") as file:
                file.writelines(csv_lines(seen, kind, safety))
    names.append("dictionary.csv")
    with (folder / names[-1]).open("w", encoding="utf-8", newline="") as file:
        file.write(f"{MARK} {safety}\r\n")
        table = csv.writer(file)
        table.writerow([each.name for each in fields(Meaning)])
        table.writerows(astuple(each) for each in dictionary())
    return names
