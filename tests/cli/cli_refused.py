"""Train a recipe that is written here, from the command line."""

from __future__ import annotations

from pathlib import Path

from cli_answers import QUICK, Answer, Ask, write


def train(ask: Ask, place: Path, recipe: str | bytes = QUICK, *more: object) -> Answer:
    return ask("train", write(place / "recipe.toml", recipe), *more)
