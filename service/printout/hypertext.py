"""A report as one page for the browser: no script, nothing from outside, every value escaped, pictures within it."""

from __future__ import annotations

import base64
from html import escape

from service.printout.parts import Cell, Part, Pictures, Printout, Table, Timeline, Words

STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}"
    "table{border-collapse:collapse;width:100%}th,td{border:1px solid #bbb;padding:.3rem .5rem;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}th{background:#f2f2f2}.about th{width:38%;font-weight:400}"
    ".safety{border:2px solid #111;padding:.6rem;font-weight:600}h2{margin:1.6rem 0 .5rem;break-after:avoid}"
    ".frames{display:grid;grid-template-columns:repeat(auto-fill,minmax(16rem,1fr));gap:1rem}"
    "figure{margin:0;break-inside:avoid}img{width:100%;background:#000}figcaption{font-size:.9em}"
    "svg{display:block;width:100%;height:auto;margin-bottom:.6rem;break-inside:avoid}.gone{padding:2rem 1rem;border:1px dashed #777}"
    "@media print{@page{size:A4;margin:14mm}body{font-size:10px;margin:0;max-width:none;padding:0}tr{break-inside:avoid}"
    "thead{display:table-header-group}.frames{grid-template-columns:repeat(3,1fr)}}"
)
WIDE, LANE, LEFT = 1000, 16, 10
DASHES = {"high": "", "medium": "9 4", "low": "2 4"}
COLOURS = {"high": "#b00020", "medium": "#8a6d00", "low": "#00687a"}


def as_html(printout: Printout) -> str:
    """The page."""
    safety = f'<p class="safety">{escape(printout.safety)}</p>'
    sections = "".join(
        f"<section><h2>{escape(section.title)}</h2>{''.join(map(_part, section.parts))}</section>"
        for section in printout.sections
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>cementwatch report</title><style>{STYLE}</style>"
        f"<main>{safety}<h1>{escape(printout.title)}</h1>{sections}{safety}</main></html>"
    )


def _part(part: Part) -> str:
    match part:
        case Words():
            return f"<p>{escape(part.text)}</p>"
        case Table():
            return _table(part)
        case Pictures():
            return f'<div class="frames">{"".join(_figure(frame.jpeg, frame.words) for frame in part.frames)}</div>'
        case Timeline():
            return _timeline(part)


def _figure(jpeg: bytes | None, words: str) -> str:
    if jpeg is None:
        return f'<figure><div class="gone">This picture is no longer kept.</div><figcaption>{escape(words)}</figcaption></figure>'
    told = base64.b64encode(jpeg).decode()
    return f'<figure><img alt="{escape(words)}" src="data:image/jpeg;base64,{told}"><figcaption>{escape(words)}</figcaption></figure>'


def _table(table: Table) -> str:
    if not table.head:
        rows = "".join(
            f'<tr><th scope="row">{_cell(name)}</th><td>{_cell(value)}</td></tr>' for name, value in table.rows
        )
        return f'<table class="about"><tbody>{rows}</tbody></table>'
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.head)
    rows = "".join("<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(cell: Cell) -> str:
    return "" if cell is None else escape(str(cell))


def _timeline(line: Timeline) -> str:
    """Alerts as lines, one above the other, and acts as ticks under them. The table beside it has the same in words."""
    high = LANE * len(line.spans) + 46
    base = LANE * len(line.spans) + 10

    def x(share: float) -> float:
        return round(LEFT + share * (WIDE - 2 * LEFT), 1)

    drawn = [
        f'<path d="M{x(span.start)} {LANE * place + 12}H{max(x(span.end), x(span.start) + 3)}" stroke="{COLOURS.get(span.priority, "#333")}" '
        f'stroke-width="5" stroke-dasharray="{DASHES.get(span.priority, "")}"><title>{escape(f"{span.priority}: {span.words}")}</title></path>'
        for place, span in enumerate(line.spans)
    ]
    drawn += [
        f'<path d="M{x(mark.at)} {base}v12" stroke="#111" stroke-width="2"><title>{escape(mark.words)}</title></path>'
        for mark in line.marks
    ]
    label = f"Line of time: {_counted(len(line.spans), 'alert')} about cement, {_counted(len(line.marks), 'act')}"
    return (
        f'<svg viewBox="0 0 {WIDE} {high}" role="img" aria-label="{escape(label)}">'
        f'<path d="M{LEFT} {base + 6}H{WIDE - LEFT}" stroke="#777"/>{"".join(drawn)}'
        f'<text x="{LEFT}" y="{high - 6}" font-size="15">{escape(line.begin)}</text>'
        f'<text x="{WIDE - LEFT}" y="{high - 6}" font-size="15" text-anchor="end">{escape(line.end)}</text></svg>'
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what if number == 1 else f'{what}s'}"
