"""Our presentation states drawn by a foreign viewer, Larvitar: ``python -m tests.service.drawn LARVITAR_JS --out FOLDER``.

``LARVITAR_JS`` is ``package/dist/larvitar.js`` of ``npm pack larvitar@3.8.7``. Run by hand: the package is no part of the
installation, and tests ask no network.
"""

from __future__ import annotations

import argparse
import io
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright
from pydicom.dataset import Dataset

from detection.vocabulary import EntryType
from dicom_gateway.report.forms import Form
from tests.conftest import SYSTEM_PATH, program
from tests.service.played import SCENE, Played, played

SCALE = 3
SIDE = SCALE * SCENE.size[0]
STRAY_PX = 3
"""A line is at most this far from where it was asked for, in pixels of the screen."""
VIEW = f"""<!DOCTYPE html><meta charset="utf-8"><body style="margin:0"><div id="viewer" style="width:{SIDE}px;height:{SIDE}px"></div>
<script src="larvitar.js"></script><script>
async function draw(names) {{
  larvitar.initializeImageLoader(); larvitar.initializeCSTools();
  larvitar.store.initialize(); larvitar.store.addViewport("viewer");
  const files = await Promise.all(names.map(async (name) => new File([await (await fetch(name)).blob()], name)));
  larvitar.resetImageManager();
  const series = await larvitar.readFiles(files);
  for (const [id, each] of Object.entries(series)) larvitar.populateImageManager(id, each);
  await larvitar.renderImage(Object.values(series).find((each) => each.modality !== "PR"), "viewer");
  larvitar.addDefaultTools();
  if (names.length > 1) {{ larvitar.addTool("Gsps", {{}}, undefined); larvitar.setToolEnabled("Gsps"); }}
  document.body.dataset.drawn = names.length;
}}
</script>"""


def lay_out(house: Played, folder: Path) -> list[Dataset]:
    """Each state beside the image that it is of; the states."""
    images = {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID: path for path in arrivals(house)}
    states = house.objects[Form.GSPS]
    for number, state in enumerate(states):
        state.save_as(folder / f"{number}-state.dcm")
        shutil.copy(images[image_of(state)], folder / f"{number}-image.dcm")
    return states


def image_of(state: Dataset) -> str:
    return str(state.ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID)


def arrivals(house: Played) -> list[Path]:
    return sorted((house.folder / "spool" / "arrivals").rglob("*.dcm"))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The folder over HTTP."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def drawn(page: Page, url: str, *names: str) -> NDArray[np.uint8]:
    """What the viewer shows of these files, (SIDE, SIDE, 3)."""
    page.goto(f"{url}/view.html")
    page.evaluate("(names) => draw(names)", list(names))
    expect(page.locator("body")).to_have_attribute("data-drawn", str(len(names)))
    page.wait_for_timeout(2000)
    return np.asarray(Image.open(io.BytesIO(page.locator("#viewer").screenshot())).convert("RGB"))


def outlines_in(house: Played, uid: str) -> Iterator[Sequence[Sequence[float]]]:
    """What the journal says of this image: cement, and what alerts were about; points (row, col)."""
    for line in house.lines(EntryType.FRAME_SEEN, EntryType.ALERT_RAISED, EntryType.ALERT_WORSENED):
        if line.frame is not None and line.frame.sop_instance_uid == uid:
            yield from line.data.get("cement_outlines", ())
            yield from filter(None, [(line.data.get("alert") or {}).get("outline")])


def asked_for(house: Played, state: Dataset) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Where the journal has outlines, one pixel of the screen wide, and where the state has words."""
    lines, words = np.zeros((SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    for outline in outlines_in(house, image_of(state)):
        points = np.rint(SCALE * (np.asarray(outline)[:, ::-1] + 0.5)).astype(np.int32)
        cv2.polylines(lines, [points], isClosed=True, color=1)
    for item in state.GraphicAnnotationSequence:
        for each in item.get("TextObjectSequence", []):
            corners = (each.BoundingBoxTopLeftHandCorner, each.BoundingBoxBottomRightHandCorner)
            first, last = (tuple(round(SIDE * float(share)) for share in corner) for corner in corners)
            cv2.rectangle(words, first, last, 1, cv2.FILLED)
    return lines, words


def hold(asked: tuple[NDArray[np.uint8], NDArray[np.uint8]], bare: NDArray[np.uint8], shown: NDArray[np.uint8]) -> str:
    """Raises AssertionError when lines or words are missing, or something is drawn elsewhere."""
    changed = (np.abs(shown.astype(np.int16) - bare).max(axis=2) > 24).astype(np.uint8)
    lines, words = asked
    near = np.ones((2 * STRAY_PX + 1,) * 2, np.uint8)
    met = float(cv2.dilate(changed, near)[lines > 0].mean())
    n_stray = int(changed[(cv2.dilate(lines, near) == 0) & (cv2.dilate(words, near) == 0)].sum())
    n_written = int(changed[words > 0].sum())
    said = f"{100 * met:.1f} % of the lines drawn, {n_written} pixels of words, {n_stray} elsewhere"
    assert met > 0.99, said
    assert n_written > 1000, said
    assert n_stray == 0, said
    return said


def main() -> None:
    """Draw every state of a phantom procedure and hold the picture against the outlines in the journal."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("larvitar", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cementwatch-drawn-") as scratch, sync_playwright() as playwright:
        folder = Path(scratch)
        house = played(folder / "data", is_run=False)
        states = lay_out(house, folder)
        shutil.copy(asked.larvitar, folder / "larvitar.js")
        (folder / "view.html").write_text(VIEW, encoding="utf-8")
        chromium = program("chromium", "chromium", SYSTEM_PATH)
        browser = playwright.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": SIDE, "height": SIDE})
        with served(folder) as url:
            for number, state in enumerate(states):
                image = f"{number}-image.dcm"
                bare, shown = drawn(page, url, image), drawn(page, url, image, f"{number}-state.dcm")
                Image.fromarray(shown).save(asked.out / f"state-{number}.png")
                print(f"state {number}: {hold(asked_for(house, state), bare, shown)}", flush=True)
        browser.close()
        house.engine.dispose()


if __name__ == "__main__":
    main()
