"""Who may import whom, and which folder owns which library."""

from __future__ import annotations

import sys
import tomllib

import pytest

from tests.house.tree import CHECKOUT, PACKAGES, imports_of, module_name, names_used, python_files

MAY_IMPORT = {
    "detection": ("detection",),
    "dicom_gateway": ("dicom_gateway", "detection.vocabulary"),
    "dicom_gateway.sender": ("dicom_gateway", "detection.vocabulary", "detection.phantom"),
    "dicom_gateway.compose": ("dicom_gateway", "detection.vocabulary", "detection.phantom"),
    "db": ("db", "detection.vocabulary"),
    "service": PACKAGES,
}
"""Of ours. A module's own row counts, else its package's."""

OWNERS = {
    "numpy": ("detection", "dicom_gateway", "service"),
    "cv2": ("detection",),
    "pydicom": ("dicom_gateway",),
    "pynetdicom": ("dicom_gateway",),
    "highdicom": ("dicom_gateway",),
    "imagecodecs": ("dicom_gateway",),
    "sqlalchemy": ("db",),
    "alembic": ("db",),
    "psycopg": ("db",),
    "fastapi": ("service",),
    "starlette": ("service",),
    "uvicorn": ("service",),
    "httpx": ("service",),
    "paho": ("service",),
    "anyio": ("service",),
    "pydantic": ("service",),
    "pydantic_settings": ("service",),
    "prometheus_client": ("service",),
    "click": ("service",),
    "argon2": ("service",),
    "pythonjsonlogger": ("service",),
    "nibabel": ("service",),
    "scipy": ("service",),
    "statsmodels": ("service",),
    "pandas": ("service",),
    "reportlab": ("service",),
}
"""Third-party libraries: the folders that may know of them."""

DISTRIBUTION = {
    "argon2": "argon2-cffi",
    "cv2": "opencv-python-headless",
    "pythonjsonlogger": "python-json-logger",
    "pydantic_settings": "pydantic-settings",
    "prometheus_client": "prometheus-client",
    "starlette": "fastapi",
    "anyio": "fastapi",
    "pandas": "statsmodels",
    "paho": "paho-mqtt",
}
"""Where the name to install is another than the name to import, or one library brings the other."""

LOADED_BY_PYDICOM = frozenset({"python-gdcm", "pyjpegls", "pylibjpeg", "pylibjpeg-rle", "pylibjpeg-openjpeg"})
"""Decoders that pydicom finds by itself."""

WORLD = frozenset(
    "asyncio concurrent datetime io logging multiprocessing os pathlib queue random requests shutil signal socket "
    "sqlite3 subprocess tempfile threading time urllib".split()
)
"""What a pure function has no business with: clock, file, thread, network, log."""


def permitted(module: str) -> tuple[str, ...]:
    return MAY_IMPORT.get(module) or MAY_IMPORT[module.partition(".")[0]]


def is_within(name: str, allowed: tuple[str, ...]) -> bool:
    return any(name == root or name.startswith(root + ".") for root in allowed)


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_between_our_folders_point_right(package):
    wrong = [
        f"{path}:{line} imports {name}"
        for path in python_files(package)
        for line, name in imports_of(path)
        if name.partition(".")[0] in {*PACKAGES, "tests"} and not is_within(name, permitted(module_name(path)))
    ]
    assert not wrong


@pytest.mark.parametrize("package", PACKAGES)
def test_each_library_lives_where_it_is_owned(package):
    wrong = [
        f"{path}:{line} imports {name}"
        for path in python_files(package)
        for line, name in imports_of(path)
        if (root := name.partition(".")[0]) not in {*sys.stdlib_module_names, *PACKAGES}
        and package not in OWNERS.get(root, ())
    ]
    assert not wrong


def test_detection_is_pure():
    wrong = [
        f"{path}:{line} imports {name}"
        for path in python_files("detection")
        for line, name in imports_of(path)
        if name.partition(".")[0] in WORLD
    ]
    assert not wrong
    opened = [
        f"{path}:{line}"
        for path in python_files("detection")
        for line, name in names_used(path)
        if name in {"open", "print", "input"}
    ]
    assert not opened


PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]


def declared() -> frozenset[str]:
    return named(PROJECT["dependencies"])


def of_extras() -> frozenset[str]:
    """What an installation may do without, and says so: the extras but that of developers."""
    extras = PROJECT["optional-dependencies"]
    return named([text for extra, wanted in extras.items() if extra != "dev" for text in wanted])


def named(wanted: list[str]) -> frozenset[str]:
    return frozenset(text.split("[")[0].split(">")[0].split("=")[0].split("<")[0].strip().lower() for text in wanted)


def test_every_library_that_is_imported_is_declared_and_the_other_way_round():
    used = {
        DISTRIBUTION.get(root, root)
        for path in python_files(*PACKAGES)
        for _line, name in imports_of(path)
        if (root := name.partition(".")[0]) in OWNERS
    }
    assert used <= declared() | of_extras(), "imported but not declared"
    assert declared() - used <= LOADED_BY_PYDICOM, "declared but not imported"
