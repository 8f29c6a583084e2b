"""``make sbom``: what an installation is made of, as a CycloneDX bill of materials: ``python -m tests.house.bill [--out FILE]``.

cyclonedx-py describes what is installed here, tools of developers too. Kept is what cementwatch itself needs with its extras
``postgresql`` and ``mqtt``, followed from package to package by the markers of the installed versions.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.tree import CHECKOUT

OURS = "cementwatch"
EXTRAS = ("postgresql", "mqtt")


def needed() -> frozenset[str]:
    """Every distribution that runs with cementwatch, itself left out."""
    seen: set[tuple[str, str]] = set()
    waiting = [(OURS, extra) for extra in ("", *EXTRAS)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for wanted in _requirements(name, extra):
            waiting += [(canonicalize_name(wanted.name), each) for each in ("", *wanted.extras)]
    return frozenset(name for name, _ in seen if name != OURS)


def _requirements(name: str, extra: str) -> list[Requirement]:
    try:
        told = [Requirement(text) for text in requires(name) or ()]
    except PackageNotFoundError:
        raise SystemExit(f"{name} is needed and not installed: run make test, or pip install -e '.[dev]'") from None
    return [each for each in told if each.marker is None or each.marker.evaluate({"extra": extra})]


def described(*, is_checked: bool) -> dict[str, Any]:
    """What cyclonedx-py says of this environment; ``is_checked``: held against the schema, which takes its time."""
    check = "--validate" if is_checked else "--no-validate"
    kind = ("--mc-type", "application", "--output-reproducible", "--spec-version", "1.6", "--output-format", "JSON")
    with tempfile.TemporaryDirectory(prefix="cementwatch-bill-") as scratch:
        out = Path(scratch) / "environment.json"
        words = ["environment", "--pyproject", "pyproject.toml", *kind, check, "--output-file", str(out)]
        subprocess.run([sys.executable, "-m", "cyclonedx_py", *words], cwd=CHECKOUT, check=True, capture_output=True)
        whole: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return whole


def bill(whole: dict[str, Any]) -> dict[str, Any]:
    """The part of it that an installation has."""
    wanted = needed()
    components = [each for each in whole["components"] if canonicalize_name(each["name"]) in wanted]
    kept = {each["bom-ref"] for each in components} | {whole["metadata"]["component"]["bom-ref"]}
    arrows = [
        {"ref": each["ref"], "dependsOn": sorted(set(each.get("dependsOn", ())) & kept)}
        for each in whole["dependencies"]
        if each["ref"] in kept
    ]
    return whole | {"components": components, "dependencies": arrows}


def main() -> None:
    """Writes the bill."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path("build") / "sbom.cdx.json")
    out = parser.parse_args().out
    made = bill(described(is_checked=True))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(made['components'])} packages in {out}")


if __name__ == "__main__":
    main()
