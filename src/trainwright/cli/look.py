"""The commands that look before training: `schedule` and `summary`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from trainwright.cli.answer import say
from trainwright.cli.train import parse_change

_WIDEST = 110


def schedule(
    console: Console, document: dict[str, Any], recipe_file: Path, changes: Sequence[str], data_root: str | None
) -> None:
    """Print the rate over the run that `recipe_file` plans; fill `document`."""
    parsed = dict(parse_change(change) for change in changes)
    from trainwright.stages.preview import preview_schedule
    from trainwright.stages.recipe import Recipe

    seen = preview_schedule(Recipe.read(recipe_file, parsed), data_root)
    console.print(
        seen.render(color=console.color_system is not None, width=min(console.width, _WIDEST)),
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    document.update(seen.to_json())


def summary(
    console: Console,
    document: dict[str, Any],
    recipe_file: Path,
    changes: Sequence[str],
    data_root: str | None,
    *,
    measure: bool,
) -> None:
    """Print the network of `recipe_file` layer by layer and its memory; fill `document`."""
    parsed = dict(parse_change(change) for change in changes)
    from trainwright.stages.preview import preview_model
    from trainwright.stages.recipe import Recipe

    seen = preview_model(Recipe.read(recipe_file, parsed), data_root, measure=measure)
    say(console, seen.text)
    document.update(seen.document)
