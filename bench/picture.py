# SPDX-License-Identifier: BSD-2-Clause
"""Figures as bars in SVG, readable on light and dark ground. Figures of one unit share a scale."""

from xml.sax.saxutils import escape

WIDTH = 860
LABEL = 400  # pixels for what a bar is
BAR = 13
GAP = 7
HEAD = 34

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: bold; font-size: 14px }
.unit { font-weight: bold }
.ours { fill: #0969da } .beside { fill: #8c959f } .limit { stroke: #cf222e; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .ours { fill: #4493f8 } .beside { fill: #6e7681 } .limit { stroke: #f85149 }
}"""


def shorten(text, most=62):
    return text if len(text) <= most else text[:most - 1] + "…"


def number(value):
    if value and abs(value) < 1:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def bar(y, kind, value, scale, note):
    length = max(1.0, value * scale)
    return (f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>'
            f'<text x="{LABEL + length + 6:.1f}" y="{y + BAR - 2}">{escape(note)}</text>')


def rows(figures, y):
    """The bars of figures of one unit, and where the next may begin."""
    values = [v for f in figures for v in (f["value"], f["beside_value"]) if v is not None]
    scale = (WIDTH - LABEL - 170) / (max(values) or 1)
    out = []
    for f in figures:
        out.append(f'<text x="{LABEL - 8}" y="{y + BAR - 2}" text-anchor="end">'
                   f'<title>{escape(f["metric"])}</title>{escape(shorten(f["metric"]))}</text>')
        out.append(bar(y, "ours", f["value"], scale, number(f["value"])))
        y += BAR + 2
        if f["beside_value"] is not None:
            note = f'{number(f["beside_value"])}  {f["beside"]}'
            out.append(bar(y, "beside", f["beside_value"], scale, note))
            y += BAR + 2
        y += GAP
    return out, y


def draw(title, figures):
    """The text of an SVG file."""
    units = {}
    for f in figures:
        units.setdefault(f["unit"], []).append(f)
    out = []
    y = HEAD
    for unit, members in units.items():
        out.append(f'<text class="unit" x="{LABEL}" y="{y + 10}">{escape(unit)}</text>')
        drawn, y = rows(members, y + 18)
        out += drawn
        y += GAP
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" '
            f'height="{y}" role="img" aria-label="{escape(title)}">\n<style>{STYLE}\n</style>\n'
            f'<text class="title" x="10" y="20">{escape(title)}</text>\n' + "\n".join(out)
            + "\n</svg>\n")
