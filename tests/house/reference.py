"""Writes docs/rules.md, settings.md, clinical.md, conformance.md and trace.md from the tables they explain: ``python -m tests.house.reference``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from detection.rules import Rules
from service.clinical.columns import dictionary
from service.clinical.instruments import Band
from service.clinical.scores import INSTRUMENTS
from service.settings import Settings
from tests.house import trace
from tests.house.conformance import statement
from tests.house.tree import CHECKOUT

RULES_HEAD = """\
# Rules

Every threshold of detection and alarms. `make docs` writes this table from `detection/rules.py`; a test holds the two equal.
Lengths are mm at the object plane. The hash of all rules, with the version of the algorithm, goes into the journal with
every procedure, so that a finding can always be traced to the numbers that made it.
"""

SETTINGS_HEAD = """\
# Settings

Settings are read once at start: from `cementwatch.toml` in the working directory, and from environment variables, which win.
`make docs` writes this table from `service/settings.py`; a test holds the two equal. Lists are written as JSON in a variable
(`CEMENTWATCH_CALLING_AE_TITLES='["ROOM1"]'`). Thresholds of detection are not settings: see [rules.md](rules.md).
"""


CLINICAL_HEAD = """\
# The clinical record

What was done, what leaked where and how the patient fared, in a form from which a report, a registry or a paper can be made.
`make docs` writes this page from `service/clinical/`; a test holds the two equal. It is a reference, not medical advice.

## How it is kept

* Patient > operation > step, treated vertebra (level), complication, follow-up; level > needle, aliquot, leak.
  An operation may name the procedure that was watched live. Patients stand under a pseudonym; no field takes a name.
* Every change is a new version; nothing is deleted, only superseded or withdrawn. A change names the version that it was
  made on; when there is a newer one the answer is 409 with the fields that differ. The journal's line of a change names
  the thing and its fields, never their values.
* What is not known is null, in a file an empty cell; it is never 0. A vertebra counts as free of leaks only for what it
  was examined with (`examined_with`).
* A derived value (a total, a percentage) stands only beside the answers that it follows from and cannot be entered.
* What does not add up within a record (aliquots against the volume, SINS against the level) is said beside it and
  neither refused nor repaired.

## Live meets record

`POST /procedures/{id}/record` proposes the record from the journal: levels, needles, aliquots, injection times, leaks with
alert and frame, and fluoroscopy time estimated from the frames received. Leaks arrive as *proposed*; a physician confirms or
rejects each, and adds what the screen could not show. Dose comes from dose reports; when a leak first was visible is left to
whoever reads the frames, else the alerts would be measured against themselves. An injection that is stopped with its volume is
one aliquot, unless aliquots were noted in it. `POST /record/operations/{id}/confirm` alone writes `confirmed_at` and
`confirmed_by`, once every proposed leak is decided; a change of the operation ends the confirmation, a later change of what
belongs to it is said beside it. Only `cementwatch import-records` brings confirmations of another system along. `GET /procedures/{id}/agreement` and
`POST /cohorts/agreement` hold the alerts against the confirmed leaks: found, missed, false, late; leaks that only CT showed
are a table of their own. False is what sounded; silent alerts (LOW) are counted beside it.

## Cohorts

`POST /cohorts/table | course | leaks | survival`. A share has numerator, denominator, unit, and its Clopper-Pearson and
Wilson 95 % interval; a number has n, mean, SD (n - 1), median, quartiles (linear) and range; a course has n at every time.
Tests run only when named and say their options: Student and Welch t, Mann-Whitney, paired t, Wilcoxon, chi-square with and
without Yates, Fisher, Friedman, repeated measures ANOVA (sphericity assumed), log-rank. scipy and statsmodels do the arithmetic.
Leaks seen on the screen or a radiograph and leaks seen on CT are never pooled. Warnings name what does not add up, and say
where a test takes vertebrae or operations of one patient as independent. Fields that may hold several words have no test.

A table counts patients, operations, vertebrae, sites of leaks, visits (`follow_up`) or complications. Asked for like fields are
single answers (`level.sins_pain`, `follow_up.odi_s1`: counted as words), `operation.n_levels`, `operation.cement_ml` (null unless it
is known of every vertebra) and `follow_up.is_last`, true of the latest visit after the operation. Survival tells the follow-up too.

`cementwatch cohort FILE` prints the tables of a paper as Markdown from one file of questions; `tests/clinical/series/` has those of
five: Zhengzhou, Shanghai, Hebei, Beijing, and the table of the Bologna review, where each cited series is a `site`. `where` at its head
holds for every question. `[[rows]]` in such a file is
a list with a row for each patient (`patient.months`: from the operation to death or the last news); it is printed only by the
command, and takes no free text.

`cementwatch audit-table FILE` checks a published summary (TOML; `tests/clinical/series/` has three) the same way:
percentages against fractions, parts against wholes, sites against vertebrae, places against each other, means and SD
against their scale, claimed tests against means and SD, percentages against the counts that they may be of, and whether any patients
can have a printed mean and SD at all: a score goes in steps, so `n` of them have only certain sums and sums of squares. That is
exact. It flags and words contradictions and repairs nothing.

Where only a summary was published, `cementwatch simulate-records FILE --out FOLDER` makes patients who fit it (`field` in the summary
says where the record keeps a number), as CSV files for `import-records`; `cementwatch audit-table --records FILE` then holds every
printed number against the record. Values keep to the steps and the range of their score; what is not printed stays unknown, and
what nobody can have is not made but said. So the Zhengzhou and Beijing series come out of imported records as they are printed, with these reserves:

* Zhengzhou, VAS: 34 whole numbers have no mean of 8.11, 2.43, 3.02 or 3.13, nor the SD 0.42 with the mean 2.47; tenths have.
* Zhengzhou, ODI: 34 questionnaires with every section answered have none of the six printed means; one patient leaves one open.
* Zhengzhou, levels: 19 of 50 vertebrae are printed nowhere and are made lumbar. Beijing: 20 of 21 leaks have no printed site (`other`).
* Bologna, Weill 1996: 73, 21 and 6 % are counts of 52 vertebrae, not of the 37 patients.

Of the Shanghai and Hebei papers the tables are described here in words only: their pages of questions are tested on other records.

## In and out

`GET /record/patients.csv` and so on, `GET /record/export.json`, `cementwatch export-records --out FOLDER` (with the dictionary).
`POST /record/patients/import?dry_run=true` names every bad cell with its line; without `dry_run` everything is written or
nothing. `POST /record/import` takes several kinds as JSON, an export too, `cementwatch import-records FILES` several CSV files. A row with an
id that is there needs the current version beside it; a column (in JSON a field) that is not there leaves what the record has, an empty
cell empties it. A row without an id is always something new: taken twice it is there twice. Files are UTF-8, with commas.

### REDCap

`cementwatch export-redcap --out FOLDER` writes the record as a REDCap project: `data-dictionary.csv` to build it from (one instrument for
each kind; all but `patient` must be set to repeat), and `records.csv` in its import format. `cementwatch import-redcap EXPORT` takes
the project's raw CSV export back; with `--mapping FILE` any other project (`tests/clinical/redcap/mapping.toml` is one), with `--dictionary FILE`
the mapping is first held against that project's dictionary. `--dry-run` names every bad cell by line and column of the
project; all is written or nothing. REDCap itself is no part of the tests: the format is held by files like its own.

* `[[thing]]` says which rows make a thing of which `kind`: those of one repeating instrument (`repeat`), of some `events`. A field is a column, or
  `{ from, codes }`, `{ is }` what always holds, `{ event }` what the event says. `points` names the column with the instance of what a thing
  belongs to; without it there must be only one, or the cell is bad.
* Checkboxes: the ticked boxes are the list. No tick is not known, for nobody can tell it from an open question; a choice whose code is `-` (our
  projects: `none_of_these`) is the empty list. `missing` are codes of missing data. Times need `utc_offset`; seconds are kept, parts of one are not.
* Ids follow from record, event and instance, so a second export meets the same things. Where it says something else than the record, the cell
  `version` is bad without `--update`; with it a new version is written. What the project leaves open stays as it is.
* Values that follow from answers, and confirmations, are left out on both ways.

## Scores

Items have short neutral labels; the wording of a questionnaire belongs to its authors and is not repeated here.
"""


def row(*cells: str) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def shown(value: Any) -> str:
    """A default as a person writes it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple):
        return ", ".join(shown(part) for part in value) or "(empty)"
    return "(empty)" if value is None else str(value)


def rule_rows() -> Iterator[str]:
    """One row for each rule."""
    yield row("rule", "default", "unit", "source", "reason")
    yield row(*["---"] * 5)
    for entry in fields(Rules):
        told = entry.metadata
        yield row(f"`{entry.name}`", shown(entry.default), told["unit"], told["source"], told["reason"])


def setting_rows() -> Iterator[str]:
    """One row for each setting."""
    yield row("setting", "variable", "default", "meaning")
    yield row(*["---"] * 4)
    for name, entry in Settings.model_fields.items():
        yield row(f"`{name}`", f"`CEMENTWATCH_{name.upper()}`", f"`{shown(entry.default)}`", entry.description or "")


def reach(band: Band) -> str:
    """What a band holds: one value or from one to another."""
    return f"{band.low:g}" if band.low == band.high else f"{band.low:g}-{band.high:g}"


def score_rows() -> Iterator[str]:
    """One row for each scheme of each score."""
    yield row("score", "scheme", "range", "worse", "bands", "missing answers", "source", "keep in mind")
    yield row(*["---"] * 8)
    for each in INSTRUMENTS.values():
        for scheme in each.schemes:
            bands = "; ".join(f"{band.name} {reach(band)}" for band in scheme.bands)
            ends = f"{scheme.low:g}-{scheme.high:g}"
            yield row(each.label, f"`{scheme.name}`", ends, each.worse, bands, each.missing, scheme.source, each.caveat)


def dictionary_rows() -> Iterator[str]:
    """A table for each file of records."""
    file = ""
    for each in dictionary():
        if each.file != file:
            file = each.file
            yield f"\n### {file}\n"
            yield row("column", "may hold", "meaning")
            yield row(*["---"] * 3)
        yield row(f"`{each.column}`{' (needed)' if each.is_needed else ''}", each.allowed, each.meaning)


def clinical_page() -> str:
    """The page of the clinical record."""
    scores, columns = "\n".join(score_rows()), "\n".join(dictionary_rows())
    asia = "ASIA letters are stored as letters, A complete to E normal; recovery runs towards E and is told as a direction."
    return f"{CLINICAL_HEAD}\n{scores}\n\n{asia}\n\n## Data dictionary\n\nEvery file has `id` and `version` first.\n{columns}\n"


def pages() -> dict[Path, str]:
    """The text of each page, by its path."""
    return {
        CHECKOUT / "docs" / "rules.md": RULES_HEAD + "\n" + "\n".join(rule_rows()) + "\n",
        CHECKOUT / "docs" / "settings.md": SETTINGS_HEAD + "\n" + "\n".join(setting_rows()) + "\n",
        CHECKOUT / "docs" / "clinical.md": clinical_page(),
        CHECKOUT / "docs" / "conformance.md": statement(),
        CHECKOUT / "docs" / "trace.md": trace.page(),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
