"""The project's own text as the house tests read it: files, syntax trees, imports."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGES = ("detection", "dicom_gateway", "db", "service")


@cache
def all_files() -> tuple[Path, ...]:
    """Every file that is committed, or would be by ``git add .``, relative to the checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(sorted(Path(line) for line in set(listed.splitlines()) if (CHECKOUT / line).is_file()))


def python_files(*folders: str) -> tuple[Path, ...]:
    """Python files in these top-level folders; all of them without an argument."""
    return tuple(path for path in all_files() if path.suffix == ".py" and (not folders or path.parts[0] in folders))


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse((CHECKOUT / path).read_text(encoding="utf-8"), filename=str(path))


def module_name(path: Path) -> str:
    """``detection/phantom/__init__.py`` is ``detection.phantom``."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def our_modules() -> frozenset[str]:
    """The dotted names of all our modules."""
    return frozenset(module_name(path) for path in python_files(*PACKAGES))


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything a file imports, as deep as a module of ours goes."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = absolute_source(path, node)
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield node.lineno, inner if inner in our_modules() else source


def absolute_source(path: Path, node: ast.ImportFrom) -> str:
    """The dotted name that ``from`` names, dots resolved."""
    if not node.level:
        return node.module or ""
    package = path.parent.parts[: len(path.parent.parts) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])


def functions_of(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file, nested ones too."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def dotted(node: ast.AST) -> str:
    """``time.time`` for the attribute of that name, else an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def names_used(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every name and attribute, with ``from a import b`` and ``as`` resolved."""
    known: dict[str, str] = {}
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            known |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree_of(path)):
        name = dotted(node)
        if name:
            first, dot, rest = name.partition(".")
            yield node.lineno, known.get(first, first) + dot + rest
