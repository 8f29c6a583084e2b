"""``make pictures``: those of README.md and docs/user-guide.md, from the whole system over real DICOM: ``python -m tests.journeys.pictures``."""

from __future__ import annotations

import argparse
import io
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from detection.phantom.scene import SCENARIOS
from tests.conftest import CHECKOUT, SYSTEM_PATH, program
from tests.journeys.house import House
from tests.journeys.scenes import Recording, record

DOCS = CHECKOUT / "docs"
WIDTH, HEIGHT = 1440, 900
MOST_BYTES = 200_000
SHOWN = (1008, 630)
SHOWN_FIRST = (1152, 720)
COLOURS = (256, 128, 64, 32)
PASSWORD = "correct horse battery"
PATIENCE_MS = 120_000
RATE = 4.0
"""Slow fluoroscopy, so that a busy machine keeps up."""


class Camera:
    """Takes pictures of one page, numbered ones for the guide."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page, self.folder = page, folder

    def take(self, name: str, shown: tuple[int, int] = SHOWN) -> None:
        """One picture, smaller than the screen and with as many colours as its size allows."""
        self.page.wait_for_timeout(700)
        whole = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        picture = whole.resize(shown, Image.Resampling.LANCZOS)
        path = self.folder / f"{name}.png"
        for n_colours in COLOURS:
            picture.quantize(n_colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)
            if path.stat().st_size < MOST_BYTES:
                break
        size = path.stat().st_size
        print(f"{path.name}: {size // 1000} kB in {n_colours} colours", flush=True)
        assert size < MOST_BYTES, "a page of pictures must load on a slow line"


def sign_in(house: House, camera: Camera) -> None:
    """The door, and sound."""
    page = camera.page
    page.goto(house.url + "/")
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    camera.take("1-sign-in")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#contact")).to_have_attribute("data-state", "live")
    page.get_by_role("button", name="Sound is off").click()


@contextmanager
def under_way(house: House, film: Recording, begin: int, end: int) -> Iterator[None]:
    """These frames come in at their own pace meanwhile: a picture of a live screen needs live frames."""
    sender = threading.Thread(target=lambda: house.send(film.due()[begin:end], speed=1.0))
    sender.start()
    yield
    sender.join()


def watching(page: Page) -> None:
    """Until the newest frame is judged."""
    expect(page.locator(".state").first).to_have_text("Watching")


def prepare(house: House, camera: Camera, film: Recording, until: int) -> None:
    """Frames come, landmarks are accepted, the log begins."""
    page = camera.page
    with under_way(house, film, 0, until):
        expect(page.locator(".body-words")).to_contain_text("trust")
        watching(page)
        page.get_by_role("button", name="Landmarks").click()
        expect(page.locator(".corner")).to_have_count(4)
        camera.take("2-landmarks")
    page.get_by_label("Level").select_option("L2")
    page.get_by_role("button", name="Accept what was found").click()
    for name in ("Cement mixed", "Needle placed", "Injection started"):
        page.get_by_role("button", name=name).click()


def inject(house: House, camera: Camera, film: Recording, begin: int) -> None:
    """Cement nears the wall, then is behind it."""
    page = camera.page
    with under_way(house, film, begin, film.onset):
        expect(page.locator(".alert", has_text="posterior wall").first).to_be_visible()
        watching(page)
        camera.take("3-nearing")
    with under_way(house, film, film.onset, min(film.onset + 40, film.n_frames)):
        card = page.locator(".alert[data-priority=high]").filter(has_text=re.compile("canal|foramen")).first
        expect(card).to_be_visible()
        watching(page)
        camera.take("4-leak")
        camera.take("../page", SHOWN_FIRST)
    card.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".alert", has_text="Acknowledged by anna").first).to_be_visible()
    page.get_by_role("button", name="Injection stopped").click()
    expect(page.locator(".log-words")).to_contain_text("injection stopped")


def look_back(camera: Camera) -> None:
    """Review, and the record that is filled in from the journal."""
    page = camera.page
    page.get_by_role("link", name="Review").click()
    page.locator(".archive-line").click()
    page.locator(".event", has_text=re.compile("HIGH.*canal", re.IGNORECASE)).first.click()
    camera.take("5-review")
    page.locator("#review").get_by_role("link", name="Record").click()
    page.get_by_label("Pseudonym of the patient").fill("P-001")
    page.get_by_role("button", name="Fill in from the journal").click()
    expect(page.locator("#record")).to_contain_text("Proposed", ignore_case=True)
    camera.take("6-record")


def main() -> None:
    """Plays a canal leak and takes a picture of each step."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=DOCS)
    out = parser.parse_args().out / "pictures"
    out.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE_MS)
    with tempfile.TemporaryDirectory(prefix="cementwatch-pictures-") as scratch, sync_playwright() as playwright:
        folder = Path(scratch)
        film = record(replace(SCENARIOS["canal_leak"], frame_rate=RATE), folder / "film", started_at=time.time())
        house = House(folder=folder / "house")
        try:
            house.open("all")
            (house.folder / "password").write_text(PASSWORD + "\n")
            assert house.run("user", "add", "anna", "--role", "operator", "--password-file", "password").returncode == 0
            chromium = program("chromium", "chromium", SYSTEM_PATH)
            browser = playwright.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.set_default_timeout(PATIENCE_MS)
            camera = Camera(page, out)
            sign_in(house, camera)
            prepare(house, camera, film, until=28)
            inject(house, camera, film, begin=28)
            look_back(camera)
            browser.close()
        finally:
            house.end()


if __name__ == "__main__":
    main()
