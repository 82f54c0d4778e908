"""The verb demo: digits trained well, the same with one planted mistake, its diagnosis, and the proof of the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainwright.errors import RunError
from trainwright.records import Finding
from trainwright.stages.recipe import Recipe

WELL: Mapping[str, Any] = {"data.source": "digits", "model.name": "mlp", "train.threads": 1}
"""Everything else is a default. An mlp has no batch normalisation, which would hide the mistake for a while, and is so
small that a second thread would only wait for the first.
"""

PLANTED: Mapping[str, Any] = {"optimizer.lr": 10.0}
"""The mistake: a rate that would suit plain SGD on another problem, given to AdamW."""


FINISHED: Mapping[str, Any] = {"finish.members": 5}
"""What is done with the good run at the end."""


def written(path: Path, *changes: Mapping[str, Any]) -> Recipe:
    """Write what differs from the defaults as a recipe to `path`, and read it back: its findings then have a line."""
    chosen = {name: value for change in changes for name, value in change.items()}
    recipe = Recipe.of(None, **chosen)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(recipe.to_toml(given=True), encoding="utf-8")
    except OSError as problem:
        raise RunError(f"{path} cannot be written", evidence=problem.strerror or str(problem)) from None
    return Recipe.read(path)


def first_patch(findings: tuple[Finding, ...]) -> tuple[Finding, Mapping[str, Any]] | None:
    """Return the first finding, worst first, that comes with a change of the recipe, and that change."""
    for finding in findings:
        for remedy in finding.remedies:
            if remedy.change:
                return finding, remedy.change
    return None
