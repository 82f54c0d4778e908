"""The frame of every page: one HTML document that needs nothing else: no script, no font, no request."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from trainwright.report.contours import contour_svg
from trainwright.report.safe import markup, prose
from trainwright.report.signs import HEALTHY, SIGNS, Sign

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

Section = tuple[str, str, str, str]
"""Key, title, what stands beside the title, and the content as HTML; without content the section is left out."""


def document(title: str, header: str, sections: Sequence[Section], *, styles: Sequence[str] = ()) -> str:
    """Return the whole page. `header` is HTML, as the sections' contents are; `styles` name further style sheets."""
    shown = [section for section in sections if section[-1]]
    contents = "".join(f'<a href="#{key}">{name}</a>' for key, name, _, _ in shown)
    body = "\n".join(_section(key, name, aside, content) for key, name, aside, content in shown)
    colors = "".join(f"--{each.word}: {each.color}; " for each in (*SIGNS.values(), HEALTHY))
    folder = resources.files("trainwright.report")
    style = "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in ("style.css", *styles))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{markup(title)}</title>
<style>
:root {{ {colors}}}
{style}</style>
</head>
<body>
{header}
<nav aria-label="Contents">{contents}</nav>
<main>
{body}
</main>
<footer>Written by trainwright. The page holds no script and asks nothing of any network.</footer>
</body>
</html>
"""


def header_html(
    kind: str, name: str, sign: Sign, sentence: str, asked: Sequence[str], figures: Sequence[tuple[str, str]]
) -> str:
    """Return the head of a page: what it is, the verdict, what was asked, and the key numbers."""
    told = "".join(f"<span>{markup(text)}</span>" for text in asked)
    numbers = "".join(f"<div><dt>{markup(label)}</dt><dd>{markup(value)}</dd></div>" for label, value in figures)
    shape = f'<span class="shape {sign.word}" aria-hidden="true">{sign.shape}</span>'
    return (
        f'<header>{contour_svg(name)}<div class="head"><p class="kind">{markup(kind)}</p>'
        f"<h1>{markup(prose(name)) or 'run'}</h1>"
        f'<p class="verdict">{shape} {markup(sentence)}</p>'
        f'<p class="asked">{told}</p><dl class="figures">{numbers}</dl></div></header>'
    )


def _section(key: str, title: str, aside: str, content: str) -> str:
    beside = f' <span class="aside">{markup(aside)}</span>' if aside else ""
    return f'<section id="{key}"><h2>{title}{beside}</h2>\n{content}\n</section>'
