"""Predictions as rows of a table: what each column is called, and what stands in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.nn import functional as F

from trainwright.data.preprocessing import TextPlan
from trainwright.serving.answers import chosen
from trainwright.serving.model import Answers, Model


def columns(model: Model, first: Answers, keep: Sequence[str] = ()) -> list[str]:
    """Return the names of the columns that `rows` fills.

    First comes where the sample stands ("row", counted from 1, or "file"), then the columns of the data to `keep`, then
    of a classification "prediction" and a probability for each class, under its name; of a regression a value for each
    target, under its name; of a text "characters", "loss" (nats a character) and "perplexity" of each window. A name
    that is taken already becomes "input: name", or "probability: name".
    """
    if isinstance(model.preprocessing.plan, TextPlan):
        return ["character", "characters", "loss", "perplexity"]
    place = "file" if first.piece.places and isinstance(first.piece.places[0], str) else "row"
    names = [place] if model.task == "regression" else [place, "prediction"]
    answers = _classes(model, first) if model.task != "regression" else _targets(model, first)
    taken = {*names, *answers}
    kept = [name if name not in taken else f"input: {name}" for name in keep]
    shown = [name if name not in {*names, *kept} else f"probability: {name}" for name in answers]
    return [place, *kept, *names[1:], *shown]


def rows(model: Model, answers: Answers) -> Iterator[list[Any]]:
    """Yield a row for each sample: words and whole numbers as they are, others as float."""
    piece, values = answers.piece, answers.values
    if isinstance(model.preprocessing.plan, TextPlan):
        yield from _windows(answers)
        return
    kept = list(zip(*piece.kept.values(), strict=True)) if piece.kept else [()] * len(values)
    said = [[]] * len(values)
    if model.task != "regression":
        said = [[name] for name in chosen(values, model.task, _classes(model, answers), model.threshold)]
    for place, own, word, numbers in zip(piece.places, kept, said, values.tolist(), strict=True):
        yield [place, *own, *word, *numbers]


def _windows(answers: Answers) -> Iterator[list[Any]]:
    assert answers.piece.y is not None  # a text is its own target
    losses = F.cross_entropy(answers.output.float(), answers.piece.y, reduction="none").mean(1)
    length = answers.piece.y.shape[1]
    for place, loss in zip(answers.piece.places, losses.tolist(), strict=True):
        yield [place, length, loss, float(torch.tensor(loss, dtype=torch.float64).exp())]


def _classes(model: Model, answers: Answers) -> Sequence[str]:
    """Return the names of the classes; of a network that was given in Python their ids."""
    return model.classes or [str(place) for place in range(answers.values.shape[1])]


def _targets(model: Model, answers: Answers) -> Sequence[str]:
    count = answers.values.shape[1]
    if len(model.targets) == count:
        return model.targets
    return ["prediction"] if count == 1 else [f"prediction_{place}" for place in range(count)]
