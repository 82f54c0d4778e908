"""The command `find-lr`: the learning rate of a recipe or of a factory's training, with its curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainwright.cli.train import parse_change
from trainwright.errors import EXIT_FAILED

if TYPE_CHECKING:
    from rich.console import Console

_WIDEST = 110


def run(
    console: Console,
    document: dict[str, Any],
    target: str,
    *,
    changes: Sequence[str],
    method: str,
    repeats: int | None,
    trial_steps: int | None,
    plot: bool,
    data_root: str | None,
) -> None:
    """Find the rate of what `target` names; fill `document`. No answer is exit status 1."""
    parsed = dict(parse_change(change) for change in changes)
    from trainwright.report.rate_text import render_rate
    from trainwright.search.finder import REPEATS, check
    from trainwright.stages.find_lr import find_lr_named

    repeats = REPEATS if repeats is None else repeats
    check(method, repeats, trial_steps)
    with console.status("trying learning rates", spinner="dots"):
        found = find_lr_named(target, parsed, data_root, method=method, repeats=repeats, trial_steps=trial_steps)
    text = render_rate(found, plot=plot, color=console.color_system is not None, width=min(console.width, _WIDEST))
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    document.update(found.to_json())
    if not found.ok:
        document["status"] = EXIT_FAILED
