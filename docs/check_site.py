"""Says what of the built site would be fetched from elsewhere, and which links of it lead nowhere. Exit status 1 then.

    python docs/check_site.py [site]

A link that a reader may follow (`<a href>`) may lead out; a script, a style, a font or a picture may not. mkdocs checks
links between pages while it builds; here every `href` and `src` of the result is followed again, to its anchor. Text in
braces that was taken for attributes (`{name}` at the end of a cell) is missing from what is read, and refused.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {"src", "srcset", "data", "poster"}
_LOADED_LINKS = {"stylesheet", "preconnect", "preload", "prefetch", "icon", "dns-prefetch", "modulepreload"}
_IN_STYLE = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])((?:https?:)?//[^'\")\s]+)")
_IN_SCRIPT = re.compile(r"['\"`](https?://[^'\"`\s]+)['\"`]")
_TEXT = {"td", "th", "tr", "p", "li", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "code"}
_ATTRIBUTES = {"class", "id", "style", "align", "title", "colspan", "rowspan", "tabindex", "role", "dir", "markdown"}
_NAMES = ("http://www.w3.org/",)
"""Names of XML spaces, which nothing fetches."""


class Page(HTMLParser):
    """The addresses of a page: those that a browser loads by itself, those that may be followed, and the anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.followed: list[str] = []
        self.anchors: set[str] = set()
        self.unknown: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the addresses of an element."""
        given = {name: value or "" for name, value in attrs}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        self.loaded += [given[name] for name in _LOADED & given.keys()]
        if tag in _TEXT:
            named = [name for name in given if name not in _ATTRIBUTES and not name.startswith(("data-", "aria-"))]
            self.unknown += [f"<{tag} {name}>" for name in named]
        if tag == "link" and _LOADED_LINKS & set(given.get("rel", "").split()):
            self.loaded.append(given.get("href", ""))
        elif tag in ("a", "area") and "href" in given:
            self.followed.append(given["href"])


def main() -> int:
    """Check a built site."""
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "site").resolve()
    if not (site / "index.html").is_file():
        print(f"there is no built site in {site}; run make docs")
        return 1
    wrong = [*_fetched(site), *_lost(site), *_swallowed(site)]
    print(
        "\n".join(wrong)
        or f"{len(list(site.rglob('*.html')))} pages: nothing is fetched, no link is lost, no text is swallowed"
    )
    return int(bool(wrong))


def _fetched(site: Path) -> Iterator[str]:
    for path in sorted(site.rglob("*")):
        name = path.relative_to(site).as_posix()
        if path.suffix == ".html":
            found = [address for address in _page(path).loaded if re.match(r"(https?:)?//", address)]
            found += _IN_STYLE.findall(path.read_text(encoding="utf-8"))
        elif path.suffix in (".css", ".svg"):
            found = _IN_STYLE.findall(path.read_text(encoding="utf-8"))
        elif path.suffix == ".js":
            found = [
                each for each in _IN_SCRIPT.findall(path.read_text(encoding="utf-8")) if not each.startswith(_NAMES)
            ]
        else:
            continue
        yield from (f"{name} fetches {address}" for address in dict.fromkeys(found))


def _lost(site: Path) -> Iterator[str]:
    for path in sorted(site.rglob("*.html")):
        if path.name == "404.html":  # its addresses begin at the root of a server
            continue
        page = _page(path)
        for address in dict.fromkeys([*page.loaded, *page.followed]):
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or not address:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                yield f"{path.relative_to(site)} leads to {address}, which is not there"
            elif target.suffix == ".html" and _is_lost(parts.fragment, target):
                yield f"{path.relative_to(site)} leads to {address}, which has no such place"


def _swallowed(site: Path) -> Iterator[str]:
    for path in sorted(site.rglob("*.html")):
        for element in dict.fromkeys(_page(path).unknown):
            yield f"{path.relative_to(site)} has {element}: text in braces was taken for an attribute"


def _is_lost(fragment: str, target: Path) -> bool:
    """Say whether a page lacks an anchor; those that begin with __ are the theme's own."""
    return bool(fragment) and not fragment.startswith("__") and unquote(fragment) not in _page(target).anchors


@cache
def _page(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


if __name__ == "__main__":
    sys.exit(main())
