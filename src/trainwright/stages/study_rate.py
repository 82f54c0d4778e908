"""`lr = "find"` of a search: found once, before the first trial, and the same from then on."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from trainwright.stages.recipe import Recipe
from trainwright.stages.setup import Setup, asks_for_rate

FILE = "study.rate.json"


def settled(recipe: Recipe, base: Setup, folder: Path | None) -> tuple[Recipe, Setup, tuple[str, ...]]:
    """Return recipe and setup at the rate that the finder gave, and what it said; as they are where none was asked for.

    The rate that a study was begun with is kept in its folder: what is found again may differ in its last digit.
    """
    if not asks_for_rate(recipe):
        return recipe, base, ()
    rate = float(base.recipe.optimizer.options["lr"])
    said = str(base.facts["learning_rate"]["text"])
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # the first of several processes decides
            temporary = folder / f"study.rate-{os.getpid()}"
            temporary.write_text(json.dumps({"rate": rate, "text": said}), encoding="utf-8")
            try:
                os.link(temporary, folder / FILE)
            finally:
                temporary.unlink()
        kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
        rate, said = float(kept["rate"]), str(kept["text"])
    at = base.recipe.changed({"optimizer.lr": rate})
    return recipe.changed({"optimizer.lr": rate}), replace(base, recipe=at), (said,)
