"""What a notebook shows of an object: the terminal's report as HTML that needs no style sheet, and as plain text."""

from __future__ import annotations

import re

from trainwright.report.safe import markup
from trainwright.report.signs import BOLD, DIM, HEALTHY, SIGNS

WIDTH = 100
"""Characters of a line: what a cell holds without scrolling."""
_PAINTED = re.compile(r"\x1b\[([0-9;]*)m")
_STYLES = {sign.ansi: f"color:{sign.color}" for sign in (*SIGNS.values(), HEALTHY)} | {
    BOLD: "font-weight:bold",
    DIM: "opacity:0.65",
}
_FRAME = "margin:0;padding:0;background:none;white-space:pre;overflow-x:auto;line-height:1.35;font-size:0.9em"


def bundle(painted: str) -> dict[str, str]:
    """Return a report in the terminal's colours as what Jupyter shows: HTML, and plain text for where there is none."""
    return {"text/plain": _PAINTED.sub("", painted), "text/html": html_of(painted)}


def html_of(painted: str) -> str:
    """Return text in the terminal's colours as one `<pre>` whose styles stand at its elements: no class, no script."""
    parts, open_ = [], False
    for place, part in enumerate(_PAINTED.split(painted)):  # text and codes by turns
        if place % 2 == 0:
            parts.append(markup(part, keep="\n"))
            continue
        if open_:
            parts.append("</span>")
        style = ";".join(style for code, style in _STYLES.items() if _has(part, code))
        parts.append(f'<span style="{style}">' if style else "")
        open_ = bool(style)
    return f'<pre style="{_FRAME}">{"".join(parts)}{"</span>" if open_ else ""}</pre>'


def _has(codes: str, code: str) -> bool:
    return code in codes if ";" in code else code in re.sub(r"38;5;\d+", "", codes).split(";")
