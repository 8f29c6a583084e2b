"""Installations to test, and the recordings that are played to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Orthanc, orthanc_running
from tests.journeys.house import House
from tests.journeys.scenes import LEAK, QUIET, Recording, record
from tests.screen import browser  # noqa: F401 - a fixture


@pytest.fixture(scope="session")
def leak(tmp_path_factory) -> Recording:
    """Approach to the posterior wall, then a canal leak."""
    return record(LEAK, tmp_path_factory.mktemp("leak"), started_at=time.time())


@pytest.fixture(scope="session")
def quiet(tmp_path_factory) -> Recording:
    """A fill that stays inside."""
    return record(QUIET, tmp_path_factory.mktemp("quiet"), started_at=time.time())


@pytest.fixture(scope="module")
def houses(tmp_path_factory) -> Iterator[Callable[..., House]]:
    """Call it with settings for one more installation, nothing started; all of them end with the module."""
    made: list[House] = []

    def build(**settings: str) -> House:
        made.append(House(folder=tmp_path_factory.mktemp("house"), settings=settings))
        return made[-1]

    yield build
    for house in made:
        house.end()


@pytest.fixture
def system(tmp_path) -> Iterator[House]:
    """An installation of this test's own, nothing started."""
    house = House(folder=tmp_path / "house")
    yield house
    house.end()


@pytest.fixture(scope="session")
def standing(tmp_path_factory) -> Iterator[House]:
    """One running installation that tests share; each sends studies of its own."""
    house = House(folder=tmp_path_factory.mktemp("standing"))
    house.open("all")
    yield house
    house.end()


@pytest.fixture(scope="module")
def orthanc_at(tmp_path_factory) -> Iterator[Orthanc]:
    """An Orthanc that the tests of one module share."""
    with orthanc_running(tmp_path_factory.mktemp("recorder")) as peer:
        yield peer
