"""What an export without identity took away, in words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dicom_gateway.confidential import Choice, Fate
from service.safety import SAFETY_WORDS

if TYPE_CHECKING:
    from service.export import Exported

HEADINGS = {
    Fate.REMOVED: "Attributes removed (how often)",
    Fate.REPLACED: "Attributes replaced",
    Fate.MOVED: "Attributes moved in time",
    Fate.MADE: "Attributes written anew, in our words",
    Fate.KEPT: "Attributes kept",
}
UNDECLARED = (
    "Nobody has told where {names} burns text into its pictures (burned_in, open_field in sources.toml).\n"
    "Look at the pictures before you give them away: what is burnt in there is still in them."
)
PROMISES = (
    "Names, numbers of patients, free text and private attributes are not in this folder; UIDs have other names, always "
    "the same ones for this installation, whose key never leaves it. The log has no hashes, because it was changed. "
    "This follows PS3.15 annex E; it is certified by nobody."
)


def report_of(exported: Exported, choice: Choice) -> str:
    """The report that lies in the folder. It holds names of attributes and counts, never a value."""
    options = "\n".join(f"  {code} {words}" for code, words in (option.value for option in choice.options))
    counted = (
        f"{len(exported.images)} images, {exported.n_frames} frames; {exported.n_blanked} images with parts that are blank "
        f"now (collimator, shutter, declared areas). {exported.n_lines} lines of the log."
    )
    parts = ["What was removed from this procedure", f"Profile and options:\n{options}", counted, PROMISES]
    if exported.undeclared:
        parts.append(UNDECLARED.format(names=" and ".join(sorted(exported.undeclared))))
    if exported.left_out:
        parts.append(_listed("Objects left out", exported.left_out))
    if exported.removed:
        parts.append(_listed("Texts and fields of the log removed", exported.removed))
    for fate, heading in HEADINGS.items():
        counts = Counter({name: n for (name, met), n in exported.found.items() if met is fate})
        if counts:
            parts.append(_listed(heading, counts))
    return "\n\n".join([*parts, SAFETY_WORDS]) + "\n"


def _listed(heading: str, counts: Counter[str]) -> str:
    return "\n".join([f"{heading}:", *(f"  {name}: {n}" for name, n in sorted(counts.items()))])
