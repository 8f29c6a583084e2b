"""A report as PDF, A4: the same parts as the page, safety words on every sheet, the same bytes for the same report."""

from __future__ import annotations

import io
from collections.abc import Iterator
from html import escape
from typing import Any

from reportlab.graphics.shapes import Drawing, Line, String
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Image, KeepTogether, LongTable, Paragraph, SimpleDocTemplate, Spacer, TableStyle
from reportlab.platypus import Table as Grid

from service.printout.parts import Cell, Part, Picture, Pictures, Printout, Section, Table, Timeline, Words

MARGIN = 14 * mm
PADDING = 6
"""What reportlab leaves around a sheet's text; points."""
WIDE = A4[0] - 2 * MARGIN - 2 * PADDING
N_BESIDE = 3
"""Key frames beside each other."""
LANE, MOST_HIGH = 7, 500
"""Points between the lines of alerts, and what all of them may take of a sheet."""
PLAIN = ParagraphStyle("plain", fontName="Helvetica", fontSize=8.5, leading=10.5)
SMALL = ParagraphStyle("small", parent=PLAIN, fontSize=7, leading=8.5, wordWrap="CJK")
HEAD = ParagraphStyle("head", parent=SMALL, fontName="Helvetica-Bold")
SAFETY = ParagraphStyle(
    "safety", parent=PLAIN, fontName="Helvetica-Bold", borderWidth=1, borderColor=colors.black, borderPadding=5
)
TITLE = ParagraphStyle("title", parent=PLAIN, fontName="Helvetica-Bold", fontSize=16, leading=20, spaceBefore=12)
SECTION = ParagraphStyle(
    "section", parent=PLAIN, fontName="Helvetica-Bold", fontSize=11, leading=14, spaceBefore=9, spaceAfter=3
)
GRID = TableStyle(
    [
        ("GRID", (0, 0), (-1, -1), 0.4, colors.Color(0.7, 0.7, 0.7)),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 1.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
        ("LEFTPADDING", (0, 0), (-1, -1), 3),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
    ]
)
COLOURS = {
    "high": colors.Color(0.69, 0, 0.13),
    "medium": colors.Color(0.54, 0.43, 0),
    "low": colors.Color(0, 0.41, 0.48),
}
DASHES = {"high": None, "medium": [6, 3], "low": [1.5, 3]}
HAN, HANGUL = "STSong-Light", "HYSMyeongJo-Medium"
"""Fonts that a viewer brings, for names that Helvetica cannot write; nothing is embedded."""
BEYOND = ((HAN, "gb18030"), (HANGUL, "cp949"))


def as_pdf(printout: Printout) -> bytes:
    """The document."""
    for name, _ in BEYOND:
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    out = io.BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN + 6 * mm,
        title="cementwatch report",
        author="cementwatch",
        invariant=1,
    )

    def foot(canvas: Any, page: Any) -> None:
        canvas.setFont("Helvetica", 7)
        canvas.drawString(MARGIN + PADDING, MARGIN, printout.safety)
        canvas.drawRightString(A4[0] - MARGIN - PADDING, MARGIN, f"page {page.page}")

    safety = Paragraph(marked(printout.safety), SAFETY)
    story: list[Any] = [safety, Paragraph(marked(printout.title), TITLE)]
    for section in printout.sections:
        story.extend(_section(section))
    document.build([*story, Spacer(0, 10), safety], onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()


def marked(text: str) -> str:
    """Text as reportlab's markup, each stretch in a font that has its letters; what none has is told by its number."""
    runs: list[tuple[str | None, str]] = []
    for letter in text:
        font = _font_of(letter)
        told = f"[U+{ord(letter):04X}]" if font == "" else letter
        if runs and runs[-1][0] == (font or None):
            runs[-1] = (runs[-1][0], runs[-1][1] + told)
        else:
            runs.append((font or None, told))
    return "".join(f'<font name="{font}">{escape(run)}</font>' if font else escape(run) for font, run in runs)


def _font_of(letter: str) -> str | None:
    """None for Helvetica, empty where no font has it."""
    if letter in "\n\t" or _has(letter, "cp1252"):
        return None
    return next((font for font, encoding in BEYOND if ord(letter) < 0x10000 and _has(letter, encoding)), "")


def _has(letter: str, encoding: str) -> bool:
    try:
        told = letter.encode(encoding)
    except UnicodeEncodeError:
        return False
    return len(told) <= 2  # the four-byte part of GB 18030 is every letter there is


def _section(section: Section) -> Iterator[Any]:
    title = Paragraph(marked(section.title), SECTION)
    first, *rest = [flowable for part in section.parts for flowable in _part(part)]
    if isinstance(first, LongTable):  # may be longer than a page
        title.keepWithNext = True
        yield from (title, first)
    else:
        yield KeepTogether([title, first])
    yield from rest


def _part(part: Part) -> Iterator[Any]:
    match part:
        case Words():
            yield Paragraph(marked(part.text), PLAIN)
            yield Spacer(0, 3)
        case Table():
            yield _table(part)
        case Pictures():
            yield from _pictures(part.frames)
        case Timeline():
            yield _timeline(part)


def _table(table: Table) -> Any:
    if not table.rows:
        return Paragraph("None.", PLAIN)
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    if table.head:
        rows.insert(0, [Paragraph(marked(name), HEAD) for name in table.head])
    # a row may be taller than a sheet: a remark of 4000 letters, each perhaps told by its number
    return LongTable(rows, colWidths=_widths(table), style=GRID, repeatRows=1 if table.head else 0, splitInRow=1)


def _widths(table: Table) -> list[float]:
    """Shares of the page by the longest word of each column, so that a message has room and a number has not."""
    if not table.head:
        return [0.38 * WIDE, 0.62 * WIDE]
    longest = [max(len(str(cell or "")) for cell in column) for column in zip(table.head, *table.rows, strict=True)]
    wanted = [min(60, max(8, length)) for length in longest]
    return [WIDE * each / sum(wanted) for each in wanted]


def _cell(cell: Cell) -> Any:
    return Paragraph(marked("" if cell is None else str(cell)), SMALL)


def _pictures(frames: tuple[Picture, ...]) -> Iterator[Any]:
    side = WIDE / N_BESIDE - 6
    for start in range(0, len(frames), N_BESIDE):
        row = [
            [_picture(frame, side), Paragraph(marked(frame.words), SMALL)] for frame in frames[start : start + N_BESIDE]
        ]
        row += [[]] * (N_BESIDE - len(row))
        yield Grid(
            [row],
            colWidths=[WIDE / N_BESIDE] * N_BESIDE,
            style=TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)]),
        )


def _picture(frame: Picture, side: float) -> Any:
    if frame.jpeg is None:
        return Paragraph("This picture is no longer kept.", PLAIN)
    return Image(io.BytesIO(frame.jpeg), width=side, height=side, kind="proportional")


def _timeline(line: Timeline) -> Drawing:
    """Alerts as lines, one above the other, and acts as ticks under them, as on the page."""
    lane = min(LANE, MOST_HIGH / max(1, len(line.spans)))
    high = lane * len(line.spans) + 26
    drawing = Drawing(WIDE, high)
    for place, span in enumerate(line.spans):
        y = high - lane * place - 5
        x = (span.start * WIDE, max(span.end * WIDE, span.start * WIDE + 2))
        drawing.add(
            Line(
                x[0],
                y,
                x[1],
                y,
                strokeColor=COLOURS.get(span.priority, colors.black),
                strokeWidth=3,
                strokeDashArray=DASHES.get(span.priority),
            )
        )
    drawing.add(Line(0, 16, WIDE, 16, strokeColor=colors.grey))
    for mark in line.marks:
        drawing.add(Line(mark.at * WIDE, 11, mark.at * WIDE, 21, strokeColor=colors.black, strokeWidth=1))
    drawing.add(String(0, 2, line.begin, fontName="Helvetica", fontSize=7))
    drawing.add(String(WIDE, 2, line.end, fontName="Helvetica", fontSize=7, textAnchor="end"))
    return drawing
