"""The four signs: each has its own word, shape and colour, the same in the terminal and on the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trainwright.records import Severity

BOLD: Final = "1"
DIM: Final = "2"
_RESET: Final = "\x1b[0m"


@dataclass(frozen=True, kw_only=True)
class Sign:
    """A word, a shape and a colour of Okabe and Ito. `ansi` is the nearest of the 256 terminal colours."""

    word: str
    shape: str
    color: str
    ansi: str


# 256 colours rather than true colour: terminals that lack the latter show it as garbage.
SIGNS: Final[dict[Severity, Sign]] = {
    "error": Sign(word="error", shape="▲", color="#D55E00", ansi="38;5;166"),
    "warning": Sign(word="warning", shape="◆", color="#E69F00", ansi="38;5;178"),
    "note": Sign(word="note", shape="●", color="#0072B2", ansi="38;5;32"),
}
HEALTHY: Final = Sign(word="healthy", shape="✓", color="#009E73", ansi="38;5;36")


def paint(text: str, *styles: str, color: bool) -> str:
    """Return `text` in the given terminal styles, or as it is where `color` is off or there is nothing to paint."""
    return f"\x1b[{';'.join(styles)}m{text}{_RESET}" if color and text else text
