"""The few matters of style that are held by a test: function length, words, docstrings, clocks, environment."""

from __future__ import annotations

import ast
import re

from tests.house.tree import CHECKOUT, PACKAGES, all_files, dotted, functions_of, names_used, python_files, tree_of

LONGEST_BODY = 40

EMPTY_WORDS = frozenset(
    "util utils helper helpers manager managers misc common base core info data tmp temp lib tools result results".split()
)
"""Words that say nothing when they name a module."""

EMPTY_VERBS = re.compile(r"^_?(handle|process)_|(^|_)(util|utils|helper|helpers|manager|misc|common)(_|$)")
FOREIGN_NAMES = frozenset({"process_request", "process_request_thread"})
"""Given by a library whose method is overridden: socketserver."""
EMPTY_CLASSES = re.compile(r"(Manager|Helper|Helpers|Utils?|Info|Handler|Processor)$|^(Abstract|Base)[A-Z]")

CLOCKS = frozenset(
    {
        "time.time",
        "time.time_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.perf_counter_ns",
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
    }
)

MAY_READ_A_CLOCK = {
    "service/roles.py": "hands the clock to everybody else",
    "service/demo.py": "stands for the person with a watch beside the screen",
    "service/running.py": "hands the clock to commands that need no role",
    "service/playing.py": "as running",
    "service/rejudging.py": "as running",
    "service/batch.py": "as running: its command",
    "service/accounts.py": "stamps what a person changes at a command line",
    "service/clinical/command.py": "stamps what a person imports at a command line",
    "service/recordings.py": "as running, and stamps what a person takes out",
    "dicom_gateway/listener.py": "stamps the moment of receipt",
}

MAY_READ_THE_ENVIRONMENT = {
    "service/settings.py": "the table of settings",
    "service/processes.py": "hands its own environment on to its children",
}


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the last."""
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None and len(function.body) > 1:
        first = function.body[1]
    return (function.end_lineno or first.lineno) - first.lineno + 1


def test_functions_are_short():
    long = [
        f"{path}:{function.lineno} {function.name}: {body_lines(function)} lines"
        for path in python_files()
        for function in functions_of(path)
        if body_lines(function) > LONGEST_BODY
    ]
    assert not long


def test_modules_and_folders_are_named_by_nouns_that_say_something():
    vague = [
        str(path)
        for path in python_files()
        if EMPTY_WORDS & {word for part in path.with_suffix("").parts for word in part.lower().split("_")}
    ]
    assert not vague


def test_functions_and_classes_are_named_by_what_they_do():
    vague = [
        f"{path}:{node.lineno} {node.name}"
        for path in python_files()
        for node in ast.walk(tree_of(path))
        if (
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and EMPTY_VERBS.search(node.name)
            and node.name not in FOREIGN_NAMES
        )
        or (isinstance(node, ast.ClassDef) and EMPTY_CLASSES.search(node.name))
    ]
    assert not vague


def test_every_module_says_what_it_is_for():
    silent = [str(path) for path in python_files() if not ast.get_docstring(tree_of(path))]
    assert not silent


def test_only_the_rim_reads_a_clock():
    reads = [
        f"{path}:{line} {name}"
        for path in python_files(*PACKAGES)
        for line, name in names_used(path)
        if name in CLOCKS and str(path) not in MAY_READ_A_CLOCK
    ]
    assert not reads


def test_the_environment_is_read_once():
    reads = [
        f"{path}:{line} {name}"
        for path in python_files(*PACKAGES)
        for line, name in names_used(path)
        if name.startswith(("os.environ", "os.getenv")) and str(path) not in MAY_READ_THE_ENVIRONMENT
    ]
    assert not reads


def test_processes_are_spawned_for_a_fork_amid_threads_may_hang():
    pools = [
        (f"{path}:{node.lineno}", ast.unparse(node))
        for path in python_files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and dotted(node.func).endswith("ProcessPoolExecutor")
    ]
    assert len(pools) >= 2
    assert not [where for where, text in pools if "get_context('spawn')" not in text]


def test_no_test_uses_a_mock():
    mocked = [
        f"{path}:{line}"
        for path in python_files("tests")
        for line, name in names_used(path)
        if name.startswith("unittest.mock")
    ]
    assert not mocked


FOREIGN_TEXT = ("service/dashboard/vendor", "LICENSE")
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:home|Users|root|work)/[\w.-]+")
REGISTRY = re.compile(
    r"index-url|--registry|\"resolved\":|^registry *=|simple/?\"|pytho[n]hosted|npm[j]s|py[p]i\.", re.MULTILINE
)
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")


def texts() -> dict[str, str]:
    """Every committed text file of ours, by path."""
    found = {}
    for path in all_files():
        if str(path).startswith(FOREIGN_TEXT) or path.parts[:2] == ("tests", "house"):
            continue
        content = (CHECKOUT / path).read_bytes()
        if b"\0" not in content:
            found[str(path)] = content.decode()
    return found


def hits(pattern: re.Pattern[str]) -> list[str]:
    return [f"{path}: {hit.group()}" for path, text in texts().items() for hit in pattern.finditer(text)]


def test_no_file_names_a_folder_of_somebodys_machine():
    assert not hits(MACHINE_PATH)
    here = str(CHECKOUT.parent) + "/"
    if here.count("/") > 1:
        assert not [path for path, text in texts().items() if here in text]


def test_no_file_names_a_package_registry():
    assert not hits(REGISTRY)


def test_nothing_is_marked_as_unfinished():
    assert not hits(UNFINISHED)
