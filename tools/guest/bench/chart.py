# SPDX-License-Identifier: GPL-2.0
"""The instructions as a chart (SVG): a bar per row, in parts of what C takes."""

from typing import Any
from xml.sax.saxutils import escape

from . import rows
from .table import AIM

LABELS, PLOT, ROW, TOP, BOTTOM = 270, 400, 17, 46, 26
# The bar of what takes more than this, in parts of C's, is cut off.
WIDEST = 1.25
COLOURS = {"floor": "#9aa5b1", "aim": "#2b8a3e", "more": "#d97706", "worse": "#c92a2a"}


def svg(results: dict[str, Any]) -> str:
    """The chart. A bar's grey part is the floor, which no driver can take less than."""
    table = results["instructions"]
    aims = {subject.name for subject in rows.subjects() if subject.has_aim}
    width, bottom = LABELS + PLOT + 60, TOP + ROW * len(table)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + BOTTOM}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{bottom + BOTTOM}" fill="white"/>',
        '<text x="8" y="16" font-size="13" font-weight="bold">Instructions per call, '
        "in parts of what the kernel's C driver takes</text>",
    ]
    legend = (
        ("floor", "the IOMMU core's part"),
        ("aim", "our driver"),
        ("more", "above the aim of one half"),
        ("worse", "more than C"),
    )
    for index, (colour, text) in enumerate(legend):
        x = 8 + index * 175
        out.append(f'<rect x="{x}" y="24" width="10" height="10" fill="{COLOURS[colour]}"/>')
        out.append(f'<text x="{x + 14}" y="33">{text}</text>')
    for part in (0.0, 0.25, AIM, 0.75, 1.0):
        x = _x(part)
        strong = part in (AIM, 1.0)
        out.append(
            f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{bottom}" '
            f'stroke="{"#555" if strong else "#ddd"}"/>'
        )
        out.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{part:g}</text>')
    for index, (name, row) in enumerate(table.items()):
        y = TOP + ROW * index
        ratio, floor = row["ours"] / row["builtin"], row["floor"] / row["builtin"]
        colour = "worse" if ratio > 1 else "more" if name in aims and ratio > AIM else "aim"
        out.append(
            f'<text x="{LABELS - 6}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
        )
        for end, fill in ((ratio, colour), (min(floor, ratio), "floor")):
            out.append(
                f'<rect x="{LABELS}" y="{y + 3}" width="{_x(end) - LABELS:g}" '
                f'height="{ROW - 6}" fill="{COLOURS[fill]}"/>'
            )
        out.append(f'<text x="{_x(ratio) + 4:g}" y="{y + 12}">{ratio:.2f}</text>')
    return "\n".join([*out, "</svg>", ""])


def _x(part: float) -> float:
    """Where that part of C's instructions is."""
    return LABELS + round(PLOT * min(part, WIDEST) / WIDEST, 1)
