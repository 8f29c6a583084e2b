"""A comparison as words, and as one page with the frames on which the two part."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from detection.picture import Marks, display_of, draw
from detection.vocabulary import Zone
from dicom_gateway.arrival import Arrival
from dicom_gateway.decoding import Decoder
from dicom_gateway.frames import frames_of
from dicom_gateway.header import read_header
from dicom_gateway.refusal import GatewayError
from service.compare import AlertDifference, Comparison, Episode
from service.measured import sentences
from service.replay import due_of
from service.safety import SAFETY_WORDS

MOST_PICTURES = 60
WIDTH_PX = 420
STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#111}"
    "figure{display:inline-block;margin:.5rem 1rem .5rem 0}figcaption{font-size:13px}img{max-width:100%}"
    ".safety{border:2px solid #111;padding:.6rem;font-weight:600}h2{font-size:1.1rem;margin-top:2rem}"
)


def words_of(comparison: Comparison) -> Iterator[str]:
    """Every difference as a sentence: of the recordings, of alerts in order, of frames."""
    yield from comparison.remarks
    yield from (each.words for each in comparison.alerts)
    yield from comparison.details
    yield from sentences(comparison.frames, comparison.n_frames)


def page_of(comparison: Comparison, recording: Path | None) -> str:
    """One HTML page without scripts or outside references; pictures where ``recording`` has the frames."""
    shelf = None if recording is None else _Shelf.of(recording)
    items = "".join(f"<li>{escape(words)}</li>" for words in (*comparison.remarks, *comparison.details))
    alerts = []
    for n, each in enumerate(comparison.alerts):
        pictures = _pictures(each, comparison, shelf) if shelf is not None and 2 * n < MOST_PICTURES else ""
        alerts.append(f"<h2>{escape(each.words)}</h2>{pictures}")
    measured = "".join(f"<li>{escape(words)}</li>" for words in sentences(comparison.frames, comparison.n_frames))
    if shelf is not None:
        shelf.decoder.close()
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>cementwatch: two journals compared</title>'
        f"<style>{STYLE}</style><h1>Two journals of one recording</h1><p><strong>{escape(comparison.summary)}</strong></p>"
        f"<ul>{items}</ul>{''.join(alerts)}<h2>Frames</h2><ul>{measured or '<li>no frame differs</li>'}</ul>"
        f'<p class="safety">{escape(SAFETY_WORDS)}</p></html>\n'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shelf:
    """Where the object of each UID lies."""

    paths: dict[str, Path]
    decoder: Decoder

    @classmethod
    def of(cls, recording: Path) -> _Shelf:
        paths = [item.content for item in due_of(recording) if isinstance(item.content, Path)]
        return cls(paths={read_header(path).sop_instance_uid: path for path in paths}, decoder=Decoder())

    def picture(self, name: tuple[str, int], episode: Episode) -> bytes | None:
        """The frame as JPEG with the outline of what was told on it; None when it is not here."""
        path = self.paths.get(name[0])
        if path is None:
            return None
        about = {"source": "", "received_at": 0.0, "uid_hash": "", "digest": "", "replay": None}
        arrival = Arrival(number=1, path=path, size=path.stat().st_size, **about)  # type: ignore[arg-type]
        try:
            frame = next(frames_of(arrival, read_header(path), start=name[1], decoder=self.decoder), None)
        except GatewayError:
            return None
        outline = tuple((float(row), float(col)) for row, col in episode.outline)
        leaks = ((Zone(episode.zone), outline),) if episode.zone and len(outline) > 2 else ()
        return None if frame is None else draw(display_of(frame), Marks(leaks=leaks), width=WIDTH_PX)


def _pictures(difference: AlertDifference, comparison: Comparison, shelf: _Shelf) -> str:
    """The frame on which each raised the alert; the same frame without a mark for the one that did not."""
    made = []
    for side, episode in (("A", difference.a), ("B", difference.b)):
        if episode is None:
            continue
        names = [
            told.frames[episode.raised] for told in (comparison.a, comparison.b) if episode.raised < len(told.frames)
        ]
        jpeg = next((found for name in names if (found := shelf.picture(name, episode)) is not None), None)
        if jpeg is not None:
            source = base64.b64encode(jpeg).decode()
            caption = f"{side}: {episode.words}, frame {episode.raised}"
            made.append(
                f'<figure><img alt="{escape(caption)}" src="data:image/jpeg;base64,{source}">'
                f"<figcaption>{escape(caption)}</figcaption></figure>"
            )
    return "".join(made)
