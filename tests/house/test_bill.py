"""The bill of materials names everything that runs, and nothing that only developers have."""

from __future__ import annotations

import json
from importlib.metadata import version
from importlib.resources import files

import jsonschema_rs
import pytest
from packaging.utils import canonicalize_name

from tests.house.bill import bill, described, needed
from tests.house.test_imports import declared, of_extras
from tests.house.tree import CHECKOUT, all_files

SCHEMA = "bom-1.6.SNAPSHOT.schema.json"


@pytest.fixture(scope="module")
def made():
    """The bill of this environment, as ``make sbom`` writes it."""
    return bill(described(is_checked=False))


def schema_of_the_standard() -> jsonschema_rs.Draft7Validator:
    """CycloneDX 1.6 from the files that the library brings; nothing is asked of a network."""
    folder = files("cyclonedx.schema._res")
    told = {each.name: json.loads(each.read_text("utf-8")) for each in folder.iterdir() if each.name.endswith(".json")}
    base = told[SCHEMA]["$id"].rpartition("/")[0]
    registry = jsonschema_rs.Registry([(f"{base}/{name}", schema) for name, schema in told.items() if name != SCHEMA])
    return jsonschema_rs.validator_for(told[SCHEMA], registry=registry)


def test_the_bill_is_valid_cyclonedx_and_what_is_none_is_found_out(made):
    schema = schema_of_the_standard()
    assert [str(error.message) for error in schema.iter_errors(made)] == []
    spoilt = made | {"components": [made["components"][0] | {"type": "cement"}]}
    assert not schema.is_valid(spoilt)


def test_every_runtime_dependency_has_its_version_and_licence(made):
    told = {canonicalize_name(each["name"]): each for each in made["components"]}
    wanted = {canonicalize_name(name) for name in declared() | of_extras()}
    assert wanted - set(told) == set(), "declared and not in the bill"
    assert set(told) == needed(), "and what those need"
    for name, component in told.items():
        assert component["version"] == version(name)
        assert component["purl"].startswith(f"pkg:pypi/{name}@"), name
        assert any(licence.get("license") or licence.get("expression") for licence in component["licenses"]), name
    assert made["metadata"]["component"]["name"] == "cementwatch"


def test_tools_of_developers_are_not_in_the_bill(made):
    names = {canonicalize_name(each["name"]) for each in made["components"]}
    assert names & {"pytest", "ruff", "mypy", "hypothesis", "playwright", "cyclonedx-bom"} == set()
    known = {each["bom-ref"] for each in made["components"]} | {made["metadata"]["component"]["bom-ref"]}
    for arrow in made["dependencies"]:
        assert set(arrow["dependsOn"]) <= known


def test_the_page_has_no_library_that_the_bill_would_miss():
    """Scripts of others would need a line: the page has only our own modules, each of which says what it is for."""
    scripts = [path for path in all_files() if path.parts[:2] == ("service", "dashboard") and path.suffix == ".js"]
    assert scripts
    assert [str(path) for path in scripts if not (CHECKOUT / path).read_text().startswith("// ")] == []
    assert [str(path) for path in scripts if ".min." in path.name or "vendor" in path.parts] == []
