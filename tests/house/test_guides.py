"""Pages lead where they say, README knows every page, and pictures stay small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from tests.house.tree import CHECKOUT, all_files

LINK = re.compile(r"\]\(([^)#\s]+)(#[^)]*)?\)")
PAGES = [path for path in all_files() if path.suffix == ".md"]
PICTURES = CHECKOUT / "docs" / "pictures"
SAFETY = "No alert does not mean no leakage."


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_of_a_page_leads_to_a_file(page):
    targets = [target for target, _ in LINK.findall((CHECKOUT / page).read_text("utf-8")) if "://" not in target]
    assert [target for target in targets if not (CHECKOUT / page.parent / target).exists()] == []


def test_readme_names_every_page():
    told = {target for target, _ in LINK.findall((CHECKOUT / "README.md").read_text("utf-8"))}
    assert {str(path) for path in PAGES} - told - {"README.md", "CHANGELOG.md"} == set()


@pytest.mark.parametrize("name", ["intended-use", "hazards", "admin-guide", "api-guide", "user-guide"])
def test_guides_carry_the_safety_words(name):
    assert SAFETY in (CHECKOUT / "docs" / f"{name}.md").read_text("utf-8")


def test_the_user_guide_shows_every_picture_and_neither_they_nor_that_of_the_readme_are_large():
    shown = {Path(target).name for target, _ in LINK.findall((CHECKOUT / "docs" / "user-guide.md").read_text("utf-8"))}
    kept = sorted(PICTURES.glob("*.png"))
    assert 1 <= len(kept) <= 6
    assert [path.name for path in kept if path.name not in shown] == []
    for path in (PICTURES.parent / "page.png", *kept):
        assert path.stat().st_size < 200_000, path.name
        with Image.open(path) as picture:
            assert picture.width > picture.height > 400
