"""What mkdocs does to every page before it is made: links out of docs/ become words, fences lose our own marks.

The index of the decisions is written from their titles.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

_LINK = re.compile(r"\[(?P<text>(?:[^\[\]]|\[[^\]]*\])+)\]\((?P<target>[^)\s:#]+)(?P<anchor>#[^)]*)?\)")
_ELSEWHERE = re.compile(r"https://(?:unpkg\.com|api\.github\.com|\$\{\w+\}/api)/[^\"'`]*")
"""What the theme's script would fetch for old browsers, diagrams and repositories, of which there are none here."""
_FENCE = re.compile(
    r"^(?P<head> *```\w+)(?P<words>(?: (?:exec|output|peers|file=\S+|head=\d+|tail=\d+))+) *$", re.MULTILINE
)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return the text that mkdocs reads. Files beside docs/ (ward, examples) and programs are no part of the site."""
    folder = posixpath.dirname(page.file.src_uri)

    def told(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match["target"]))
        return match["text"] if target.startswith("..") or target.endswith(".py") else match.group()

    if page.file.src_uri == "decisions/README.md":
        markdown += _decisions(Path(page.file.abs_src_path).parent)
    return _FENCE.sub(_fence, _LINK.sub(told, markdown))


def _decisions(folder: Path) -> str:
    """Return the list of all decisions, by number, each with the title of its page."""
    lines = []
    for path in sorted(folder.glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("# ")
        words = re.sub(r"^\d+\. ", "", title)
        lines.append(f"| {int(path.stem[:4])} | [{words}]({path.name}) |")
    return "\n".join(["\n\n| number | decision |", "|---|---|", *lines]) + "\n"


def _fence(match: re.Match[str]) -> str:
    """Name the file that a block is, and mark what was printed, so that the page can set it apart."""
    words = match["words"].split()
    indent = match["head"][: len(match["head"]) - len(match["head"].lstrip())]
    language = match["head"].strip().removeprefix("```")
    file = next((word.removeprefix("file=") for word in words if word.startswith("file=")), "")
    style = " .printed" if "output" in words else ""
    title = f' title="{file}"' if file else ""
    return f"{indent}``` {{ .{language}{style}{title} }}"


def on_post_build(config: Any, **_: Any) -> None:
    """Take from the theme's scripts every address that they might fetch from, and the maps that nobody needs."""
    site = Path(config["site_dir"])
    for path in site.rglob("*.map"):
        path.unlink()
    for path in (site / "assets" / "javascripts").rglob("*.js"):
        text = path.read_text(encoding="utf-8")
        path.write_text(_ELSEWHERE.sub("about:blank", text), encoding="utf-8")
